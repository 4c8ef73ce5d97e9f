//! The hash sums of the files.

use aws_lc_rs::digest::{SHA256, digest};

use crate::ArchiveError;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sum(contents: &[u8]) -> String {
    hex(digest(&SHA256, contents).as_ref())
}

/// The list of sums, a line for each file.
pub(crate) fn write(files: &[(&str, &Vec<u8>)]) -> Vec<u8> {
    let line = |(name, contents): &(&str, &Vec<u8>)| format!("{}  {name}\n", sum(contents));
    files.iter().map(line).collect::<String>().into_bytes()
}

/// Checks that every file has a sum in the list, and the right one.
pub(crate) fn check(list: &[u8], files: &[(&str, &[u8])]) -> Result<(), ArchiveError> {
    let wrong = |text: String| Err(ArchiveError::Integrity(text));
    let list = String::from_utf8_lossy(list);
    // Each file is summed up once, however often the list names it.
    let mut files: Vec<_> =
        files.iter().map(|(name, contents)| (*name, sum(contents), false)).collect();
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
