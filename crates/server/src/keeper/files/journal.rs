//! What is asked of the files, before it is done, in a file of its own: one wait for the disk for a
//! whole batch, where each of its files would need one, and their directories.
//!
//! ```text
//!   batch ─▶ appended and flushed ─▶ its files are written, and left to the system
//!   full ─▶ the next is begun ─▶ a thread: the file systems are flushed ─▶ those before it go
//! ```
//!
//! A process that is killed leaves its files to the system; the next one flushes them, and the
//! journal goes. Only if the machine went down may files be missing: then what the journal says is
//! carried out again, unless somebody else has changed the directories since.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Batch;
use crate::private_file;

/// What its name below the data directory begins with; a number follows.
const NAME: &str = "local-journal.";

/// Bytes at which the next is begun.
const FULL: u64 = 4 << 20;
/// Bytes by which it grows, with zeros: where nothing has to be allocated, a flush is one write.
const STEP: u64 = 64 << 10;
/// Bytes before what a record says: its length and its checksum.
const HEAD: usize = 8;

/// Later than this after the last record, whoever changed the directories was somebody else.
const SLACK: Duration = Duration::from_secs(600);

/// One batch.
#[derive(Deserialize, Serialize)]
struct Record<'a> {
    /// Seconds since 1970.
    time: u64,
    /// The boot of the machine in which it was written.
    boot: &'a str,
    renamed: Vec<(&'a str, &'a str)>,
    /// What is to be in each file, or nothing for one that is to go.
    files: Vec<(&'a str, Option<&'a [u8]>)>,
}

/// The journal below a data directory.
pub(super) struct Journal {
    directory: PathBuf,
    boot: String,
    /// The number of the next file.
    next: u64,
    open: Option<Open>,
    /// The files that nobody needs any longer as soon as the file systems are flushed.
    old: Vec<PathBuf>,
    /// What flushes them, and how many of them it removes.
    settling: Option<(usize, JoinHandle<io::Result<()>>)>,
    /// The last one could not be written to its end: it goes before another is begun, or a full
    /// disk would get one for each attempt.
    broken: bool,
}

struct Open {
    file: File,
    path: PathBuf,
    /// Where the next record goes.
    end: u64,
    /// Up to where the file is filled.
    filled: u64,
}

impl Journal {
    /// That of a directory, whose last one [`recover`] has seen.
    pub(super) fn new(directory: PathBuf) -> io::Result<Self> {
        let found = list(&directory)?;
        let next = found.last().map_or(0, |(number, _)| number + 1);
        let old = found.into_iter().map(|(_, path)| path).collect();
        let (open, settling, broken) = (None, None, false);
        let mut journal = Self { directory, boot: boot(), next, open, old, settling, broken };
        journal.settle();
        Ok(journal)
    }

    /// Adds what is about to be done. It is on disk when this returns.
    pub(super) fn add(&mut self, batch: &Batch) -> io::Result<()> {
        let bytes = record(&self.boot, now(), batch)?;
        if self.broken {
            self.settled()?;
            self.broken = false;
        }
        if self.open.as_ref().is_some_and(|open| open.end >= FULL) {
            self.settled()?;
            self.close();
            self.settle();
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let path = self.directory.join(format!("{NAME}{}", self.next));
                self.next += 1;
                let open = Open::new(&self.directory, path.clone()).inspect_err(|_| {
                    self.old.push(path);
                    self.broken = true;
                })?;
                none.insert(open)
            }
        };
        // What is on disk of one that could not be written or flushed is not known.
        open.append(bytes).inspect_err(|_| {
            self.close();
            self.broken = true;
        })
    }

    fn close(&mut self) {
        self.old.extend(self.open.take().map(|open| open.path));
    }

    /// Begins to make the old files superfluous.
    fn settle(&mut self) {
        if !self.old.is_empty() {
            let (directory, old) = (self.directory.clone(), self.old.clone());
            let thread = std::thread::Builder::new().name("settle".to_owned());
            let count = old.len();
            let settling = thread.spawn(move || settle(&directory, &old));
            self.settling = settling.ok().map(|thread| (count, thread));
        }
    }

    /// Waits until there are no old files.
    fn settled(&mut self) -> io::Result<()> {
        if let Some((count, thread)) = self.settling.take()
            && let Ok(Ok(())) = thread.join()
        {
            self.old.drain(..count);
        }
        // What it did not come to.
        settle(&self.directory, &self.old)?;
        self.old.clear();
        Ok(())
    }
}

impl Open {
    fn new(directory: &Path, path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        File::open(directory)?.sync_all()?;
        Ok(Self { file, path, end: 0, filled: 0 })
    }

    fn append(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        let end = self.end + bytes.len() as u64;
        if end > self.filled {
            let filled = end.next_multiple_of(STEP);
            bytes.resize(bytes.len() + usize::try_from(filled - end).unwrap_or_default(), 0);
            self.filled = filled;
        }
        self.file.write_all_at(&bytes, self.end)?;
        self.end = end;
        self.file.sync_data()
    }
}

/// Carries out again what a machine that went down may have lost.
///
/// To be called before the files are read.
///
/// # Errors
///
/// Those of the file system; then the journal is as it was.
pub(in crate::keeper) fn recover(directory: &Path) -> io::Result<()> {
    recover_after(directory, &boot())
}

fn recover_after(directory: &Path, boot: &str) -> io::Result<()> {
    let (mut journals, mut next) = (Vec::new(), 0);
    for (number, path) in list(directory)? {
        journals.push(fs::read(path)?);
        next = number + 1;
    }
    let records: Vec<Record> = journals.iter().flat_map(|bytes| Records(bytes)).collect();
    let Some(last) = records.last() else { return Ok(()) };
    let still_up = !boot.is_empty() && last.boot == boot;
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(last.time) + SLACK;
    if still_up || changed_after(directory, end) {
        return Ok(());
    }
    // If this does not come to its end, what it has changed by then was nobody else.
    let mark = record(last.boot, now(), &Batch::default())?;
    Open::new(directory, directory.join(format!("{NAME}{next}")))?.append(mark)?;
    let mut wanted = BTreeMap::new();
    for record in records {
        for (from, to) in record.renamed {
            // It has its other name already, or never came to disk.
            let _ = fs::rename(directory.join(from), directory.join(to));
        }
        wanted.extend(record.files);
    }
    wanted.into_iter().try_for_each(|(file, content)| put(&directory.join(file), content))
}

/// The files of a journal with their numbers, the oldest first.
fn list(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// Makes a file what it is to be.
fn put(path: &Path, content: Option<&[u8]>) -> io::Result<()> {
    match content {
        None => remove(path),
        Some(content) if fs::read(path).is_ok_and(|there| there == content) => Ok(()),
        Some(content) => private_file::write_unsynced(path, content),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether something came to a directory, or went, after a time.
fn changed_after(root: &Path, time: SystemTime) -> bool {
    let changed = |directory| fs::metadata(root.join(directory)).and_then(|it| it.modified());
    local::DIRECTORIES.into_iter().filter_map(|it| changed(it).ok()).any(|at| at > time)
}

/// Makes sure that everything is on disk that old files of the journal say, and removes them.
fn settle(directory: &Path, old: &[PathBuf]) -> io::Result<()> {
    if !old.is_empty() {
        flush_all(directory)?;
    }
    old.iter().try_for_each(|path| remove(path))
}

/// Flushes the file systems that the directories are on.
fn flush_all(root: &Path) -> io::Result<()> {
    let mut seen = BTreeSet::new();
    for directory in local::DIRECTORIES {
        let directory = match File::open(root.join(directory)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            opened => opened?,
        };
        if seen.insert(directory.metadata()?.dev()) {
            rustix::fs::syncfs(&directory)?;
        }
    }
    Ok(())
}

fn record(boot: &str, time: u64, batch: &Batch) -> io::Result<Vec<u8>> {
    let record = Record {
        time,
        boot,
        renamed: batch.renamed.iter().map(|(from, to)| (&**from, &**to)).collect(),
        files: batch.files.iter().map(|(file, content)| (&**file, content.as_deref())).collect(),
    };
    let mut bytes = postcard::to_extend(&record, vec![0; HEAD]).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - HEAD).map_err(io::Error::other)?;
    let sum = crc32fast::hash(&bytes[HEAD..]);
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes[4..HEAD].copy_from_slice(&sum.to_be_bytes());
    Ok(bytes)
}

/// The whole records that bytes begin with.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (said, rest) = rest.split_at_checked(length)?;
        let is_whole = crc32fast::hash(said) == u32::from_be_bytes(*sum);
        let record = is_whole.then(|| postcard::from_bytes(said).ok())??;
        self.0 = rest;
        Some(record)
    }
}

/// The name of this boot of the machine; empty if the system has none.
fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot.trim_end().to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const BEFORE: &str = "the boot before";

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("tribune-journal-{name}-{}", std::process::id());
            let place = Self(std::env::temp_dir().join(name));
            local::DIRECTORIES.iter().for_each(|it| fs::create_dir_all(place.0.join(it)).unwrap());
            place
        }

        /// As a process of the boot before has it, with what it adds.
        fn add(&self, batches: &[Batch]) -> Journal {
            let mut journal = Journal::new(self.0.clone()).unwrap();
            journal.settled().unwrap();
            journal.boot = BEFORE.to_owned();
            for batch in batches {
                journal.add(batch).unwrap();
            }
            journal
        }

        fn numbers(&self) -> Vec<u64> {
            list(&self.0).unwrap().into_iter().map(|(number, _)| number).collect()
        }

        fn found(&self) -> Vec<(String, String)> {
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            let saved = crate::keeper::saved(&self.0).into_iter();
            let mut found: Vec<_> = saved.map(|(file, bytes)| (file, text(bytes))).collect();
            found.sort();
            found
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn batch(files: &[(&str, Option<&str>)]) -> Batch {
        let content = |text: &str| text.as_bytes().to_vec();
        let files = files.iter().map(|(file, text)| ((*file).to_owned(), text.map(content)));
        Batch { renamed: Vec::new(), files: files.collect() }
    }

    #[test]
    fn what_a_machine_that_went_down_has_lost_is_there_again() {
        let place = Place::new("lost");
        for (file, text) in [("gone", "x"), ("short", ""), ("else", "else"), ("name", "name")] {
            fs::write(place.0.join("services").join(file), text).unwrap();
        }
        let renamed = vec![("services/name".to_owned(), "services/other".to_owned())];
        let renamed = Batch { renamed, ..Batch::default() };
        let second = batch(&[("services/short", Some("1")), ("checks/c", Some("2"))]);
        let third = batch(&[("services/short", Some("3")), ("services/gone", None)]);
        place.add(&[renamed, second, third]);
        recover(&place.0).unwrap();
        let found = place.found();
        let found: Vec<_> = found.iter().map(|(file, text)| (&**file, &**text)).collect();
        let services = [("services/else", "else"), ("services/other", "name")];
        let [alone, other] = services;
        assert_eq!(found, [("checks/c", "2"), alone, other, ("services/short", "3")]);
        // It is needed until that is on disk, and the machine may go down again before.
        assert_eq!(place.numbers(), [0, 1]);
        fs::remove_file(place.0.join("services/short")).unwrap();
        recover(&place.0).unwrap();
        assert_eq!(place.found().len(), 4);
        Journal::new(place.0.clone()).unwrap().settled().unwrap();
        assert!(place.numbers().is_empty());
        assert_eq!(place.found().len(), 4);
    }

    #[test]
    fn within_a_boot_nothing_is_done_again() {
        let place = Place::new("same");
        place.add(&[batch(&[("services/a", Some("1"))])]);
        recover_after(&place.0, BEFORE).unwrap();
        assert_eq!(place.found(), []);
        // A system without names for its boots may have been down.
        recover_after(&place.0, "").unwrap();
        assert_eq!(place.found().len(), 1);
    }

    #[test]
    fn what_is_torn_is_no_record() {
        let place = Place::new("torn");
        let [one, two] = ["1", "torn"].map(|text| batch(&[("services/a", Some(text))]));
        let mut journal = place.add(&[one]);
        let whole = journal.open.as_ref().unwrap().end;
        journal.add(&two).unwrap();
        let end = journal.open.as_ref().unwrap().end;
        let path = &list(&place.0).unwrap()[0].1;
        let bytes = fs::read(path).unwrap();
        assert_eq!(Records(&bytes).count(), 2);
        for torn in whole..end {
            let torn = usize::try_from(torn).unwrap();
            assert_eq!(Records(&bytes[..torn]).count(), 1, "{torn}");
            // The rest is zeros, which the file was filled with.
            let zeros = vec![0; bytes.len() - torn];
            assert_eq!(Records(&[&bytes[..torn], &zeros].concat()).count(), 1, "{torn}");
        }
        fs::write(path, &bytes[..usize::try_from(end - 1).unwrap()]).unwrap();
        recover(&place.0).unwrap();
        assert_eq!(place.found(), [("services/a".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn what_somebody_else_has_changed_since_stays_as_it_is() {
        let place = Place::new("else");
        let service = batch(&[("services/a", Some("1"))]);
        let path = place.0.join(format!("{NAME}7"));
        for (age, found) in [(2 * SLACK.as_secs(), 0), (SLACK.as_secs() / 2, 1)] {
            fs::write(&path, record(BEFORE, now() - age, &service).unwrap()).unwrap();
            // The directories are as old as this test.
            recover(&place.0).unwrap();
            assert_eq!(place.found().len(), found);
        }
    }

    #[test]
    fn a_full_one_goes_when_its_files_are_on_disk() {
        let place = Place::new("full");
        let text = "x".repeat(1 << 20);
        let batches = [0, 1, 2, 3].map(|_| batch(&[("services/a", Some(&text))]));
        let mut journal = place.add(&batches);
        assert_eq!(place.numbers(), [0]);
        journal.add(&batch(&[("services/a", Some("1"))])).unwrap();
        journal.settled().unwrap();
        assert_eq!(place.numbers(), [1]);
        // The last process's stays in front of this one's until it is settled.
        journal.add(&batch(&[("services/b", Some("2"))])).unwrap();
        drop(journal);
        let later = place.add(&[batch(&[("services/b", Some("3"))])]);
        assert_eq!(place.numbers(), [2]);
        drop(later);
        recover(&place.0).unwrap();
        assert_eq!(place.found(), [("services/b".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn what_cannot_be_written_is_told_and_the_next_is_another_file() {
        let place = Place::new("unwritten");
        drop(place.add(&[batch(&[("services/a", Some("0"))])]));
        let mut journal = Journal::new(place.0.clone()).unwrap();
        journal.boot = BEFORE.to_owned();
        journal.add(&batch(&[("services/a", Some("1"))])).unwrap();
        let path = journal.open.as_ref().unwrap().path.clone();
        // A file that nobody can write to.
        journal.open.as_mut().unwrap().file = File::open(&path).unwrap();
        journal.add(&batch(&[("services/a", Some("2"))])).unwrap_err();
        journal.add(&batch(&[("services/a", Some("3"))])).unwrap();
        assert_eq!(place.numbers(), [2], "those that cannot be written do not pile up");
        recover(&place.0).unwrap();
        assert_eq!(place.found(), [("services/a".to_owned(), "3".to_owned())]);
    }
}
