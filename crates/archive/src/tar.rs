//! The few files of a tar.

use std::io::{self, Read, Write};

use crate::ArchiveError;
use crate::gzip::Unpacked;

/// Everything in a tar is a multiple of this long.
const BLOCK: usize = 512;

/// The length of a file has eleven octal digits.
const LONGEST: u64 = (1 << 33) - 1;

/// Where the fields of a head stand.
const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const SIZE: std::ops::Range<usize> = 124..136;
const SUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;

/// Reads one file after another, each to its end.
pub(crate) struct Reader<R> {
    unpacked: Unpacked<R>,
    /// What is left of the file, and what fills its last block.
    left: u64,
    padding: u64,
    /// What stands behind the last file and is no end.
    beyond: u64,
}

impl<R: Read> Read for Reader<R> {
    /// Reads from the file; 0 at its end, and where the archive breaks off.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let found = self.unpacked.fill(&mut out[..wanted]);
        self.left -= found as u64;
        Ok(found)
    }
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(unpacked: Unpacked<R>) -> Self {
        Reader { unpacked, left: 0, padding: 0, beyond: 0 }
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.unpacked.is_too_long()
    }

    fn broken_off(&self) -> String {
        self.unpacked.failure().unwrap_or("unexpected EOF").to_owned()
    }

    /// The name of the next file; nothing behind the last.
    pub(crate) fn next_file(&mut self) -> Result<Option<String>, ArchiveError> {
        let padding = std::mem::take(&mut self.padding) as usize;
        self.unpacked.fill(&mut [0; BLOCK][..padding]);
        let mut head = [0; BLOCK];
        let found = self.unpacked.fill(&mut head);
        if found < BLOCK {
            if found == 0 && self.unpacked.failure().is_none() {
                return Ok(None);
            }
            return Err(ArchiveError::Tar(self.broken_off()));
        }
        if head == [0; BLOCK] {
            let found = self.unpacked.fill(&mut head);
            if found < BLOCK || head != [0; BLOCK] {
                self.beyond = found as u64;
            }
            return Ok(None);
        }
        let invalid = || ArchiveError::Tar("archive/tar: invalid tar header".to_owned());
        let size = octal(&head[SIZE]).ok_or_else(invalid)?;
        if octal(&head[SUM]) != Some(sum(&head)) {
            return Err(invalid());
        }
        let padded = size.checked_next_multiple_of(BLOCK as u64).ok_or_else(invalid)?;
        (self.left, self.padding) = (size, padded - size);
        let name = head[NAME].split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(name).into_owned()))
    }

    /// Whether the file was there to its end; else why not.
    pub(crate) fn ended(&self) -> Result<(), String> {
        if self.left == 0 { Ok(()) } else { Err(self.broken_off()) }
    }

    /// All of a file that is not longer than `limit`.
    pub(crate) fn whole(&mut self, limit: u64) -> Result<Vec<u8>, String> {
        if self.left > limit {
            return Err(format!("it is longer than {limit} bytes"));
        }
        let mut contents = Vec::new();
        self.read_to_end(&mut contents).map_err(|error| error.to_string())?;
        self.ended().map(|()| contents)
    }

    /// That nothing follows, and that the compression did not break off.
    pub(crate) fn finish(&mut self) -> Result<(), ArchiveError> {
        let mut buffer = [0; BLOCK];
        loop {
            match self.unpacked.fill(&mut buffer) {
                0 => break,
                found => self.beyond += found as u64,
            }
        }
        match self.unpacked.failure() {
            Some(failure) => Err(ArchiveError::Tail(failure.to_owned())),
            None if self.beyond == 0 => Ok(()),
            None => Err(ArchiveError::Unread(self.beyond)),
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

/// Appends a file of a known length.
pub(crate) fn append(
    tar: &mut impl Write,
    name: &str,
    length: u64,
    contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if length > LONGEST {
        return Err(io::Error::other(format!("{name} is longer than {LONGEST} bytes")));
    }
    let mut head = [0; BLOCK];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[MODE].copy_from_slice(b"0000600\0");
    for (field, digits) in [(108..116, 7), (116..124, 7), (136..148, 11)] {
        head[field].copy_from_slice(format!("{:0digits$}\0", 0).as_bytes());
    }
    head[SIZE].copy_from_slice(format!("{length:011o}\0").as_bytes());
    head[KIND] = b'0';
    head[MAGIC].copy_from_slice(b"ustar\x0000");
    let sum = sum(&head);
    head[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.write_all(&head)?;
    let mut counted = Counted { out: &mut *tar, count: 0 };
    contents(&mut counted)?;
    if counted.count != length {
        return Err(io::Error::other(format!("{name} is not as long as it was said to be")));
    }
    tar.write_all(&[0; BLOCK][..(length.next_multiple_of(BLOCK as u64) - length) as usize])
}

/// Appends the end.
pub(crate) fn end(tar: &mut impl Write) -> io::Result<()> {
    tar.write_all(&[0; 2 * BLOCK])
}

struct Counted<W> {
    out: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
