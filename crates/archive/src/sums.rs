//! The hash sums of the files.

use std::io::{self, Read, Write};

use aws_lc_rs::digest::{Context, SHA256, digest};

use crate::ArchiveError;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sum of a whole file.
pub(crate) fn of(contents: &[u8]) -> String {
    hex(digest(&SHA256, contents).as_ref())
}

/// Sums up what passes through it, or what is written to it.
pub(crate) struct Summed<T> {
    inner: T,
    context: Context,
    length: u64,
}

impl<T> Summed<T> {
    pub(crate) fn new(inner: T) -> Self {
        Summed { inner, context: Context::new(&SHA256), length: 0 }
    }

    /// The length and the sum.
    pub(crate) fn finish(self) -> (u64, String) {
        (self.length, hex(self.context.finish().as_ref()))
    }

    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.context.update(bytes);
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.add(&out[..count]);
        Ok(count)
    }
}

impl Write for Summed<()> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The list of sums, a line for each file.
pub(crate) fn write(files: &[(&str, String)]) -> Vec<u8> {
    let line = |(name, sum): &(&str, String)| format!("{sum}  {name}\n");
    files.iter().map(line).collect::<String>().into_bytes()
}

/// Checks that every file has a sum in the list, and the right one.
pub(crate) fn check(list: &[u8], files: &[(&str, String)]) -> Result<(), ArchiveError> {
    let wrong = |text: String| Err(ArchiveError::Integrity(text));
    let list = String::from_utf8_lossy(list);
    let mut files: Vec<_> = files.iter().map(|(name, sum)| (*name, sum, false)).collect();
    for line in list.lines() {
        let mut words = line.split_ascii_whitespace();
        let given = words.next().unwrap_or_default();
        if given.is_empty() || !given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return wrong("no hex data for %x string".to_owned());
        }
        let Some(name) = words.next() else { return wrong("unexpected EOF".to_owned()) };
        let Some((_, sum, seen)) = files.iter_mut().find(|(file, ..)| *file == name) else {
            return wrong(format!("list missing hash for {}", gotext::quote(name)));
        };
        if !given.eq_ignore_ascii_case(sum) {
            return wrong(format!("hash check failed for {}", gotext::quote(name)));
        }
        *seen = true;
    }
    match files.iter().find(|(.., seen)| !seen) {
        Some((name, ..)) => wrong(format!("file missing for {}", gotext::quote(name))),
        None => Ok(()),
    }
}
