//! The few files of a tar.

use crate::ArchiveError;
use crate::gzip::Unpacked;

/// Everything in a tar is a multiple of this long.
pub(crate) const BLOCK: usize = 512;

/// Where the fields of a head stand.
const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const SIZE: std::ops::Range<usize> = 124..136;
const SUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;

/// Reads one file after another.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    failure: Option<&'a str>,
}

/// A file, all of it or what there is.
pub(crate) struct Contents<'a> {
    found: &'a [u8],
    wanted: usize,
    failure: &'a str,
}

impl<'a> Contents<'a> {
    /// The contents if nothing is missing, else why something is.
    pub(crate) fn whole(self) -> Result<&'a [u8], String> {
        if self.found.len() == self.wanted { Ok(self.found) } else { Err(self.failure.to_owned()) }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(unpacked: &'a Unpacked) -> Self {
        Reader { rest: &unpacked.bytes, failure: unpacked.failure.as_deref() }
    }

    fn broken_off(&self) -> &'a str {
        self.failure.unwrap_or("unexpected EOF")
    }

    /// The next file; nothing behind the last.
    pub(crate) fn next_file(&mut self) -> Result<Option<(String, Contents<'a>)>, ArchiveError> {
        let Some((head, rest)) = self.rest.split_at_checked(BLOCK) else {
            if self.rest.is_empty() && self.failure.is_none() {
                return Ok(None);
            }
            return Err(ArchiveError::Tar(self.broken_off().to_owned()));
        };
        if head.iter().all(|byte| *byte == 0) {
            let end = rest.get(..BLOCK).filter(|block| block.iter().all(|byte| *byte == 0));
            self.rest = if end.is_some() { &rest[BLOCK..] } else { rest };
            return Ok(None);
        }
        let invalid = || ArchiveError::Tar("archive/tar: invalid tar header".to_owned());
        let size = octal(&head[SIZE]).ok_or_else(invalid)?;
        if octal(&head[SUM]) != Some(sum(head)) {
            return Err(invalid());
        }
        let name = head[NAME].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        let size = usize::try_from(size).map_err(|_| invalid())?;
        let found = &rest[..size.min(rest.len())];
        let padded = size.checked_next_multiple_of(BLOCK).ok_or_else(invalid)?;
        self.rest = rest.get(padded..).unwrap_or_default();
        let failure = self.broken_off();
        Ok(Some((name, Contents { found, wanted: size, failure })))
    }

    /// That nothing follows, and that the compression did not break off.
    pub(crate) fn finish(self) -> Result<(), ArchiveError> {
        match self.failure {
            Some(failure) => Err(ArchiveError::Tail(failure.to_owned())),
            None if self.rest.is_empty() => Ok(()),
            None => Err(ArchiveError::Unread(self.rest.len())),
        }
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// The sum of a head, whose own field counts as blanks.
fn sum(head: &[u8]) -> u64 {
    let byte = |(at, byte): (usize, &u8)| u64::from(if SUM.contains(&at) { b' ' } else { *byte });
    head.iter().enumerate().map(byte).sum()
}

/// Appends a file.
pub(crate) fn append(tar: &mut Vec<u8>, name: &str, contents: &[u8]) {
    let mut head = [0; BLOCK];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[MODE].copy_from_slice(b"0000600\0");
    for (field, digits) in [(108..116, 7), (116..124, 7), (136..148, 11)] {
        head[field].copy_from_slice(format!("{:0digits$}\0", 0).as_bytes());
    }
    head[SIZE].copy_from_slice(format!("{:011o}\0", contents.len()).as_bytes());
    head[KIND] = b'0';
    head[MAGIC].copy_from_slice(b"ustar\x0000");
    let sum = sum(&head);
    head[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&head);
    tar.extend_from_slice(contents);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

/// Appends the end.
pub(crate) fn end(tar: &mut Vec<u8>) {
    tar.resize(tar.len() + 2 * BLOCK, 0);
}
