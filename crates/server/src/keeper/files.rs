//! The files that the machine wants below the data directory: those of many changes at a time, and
//! one wait for the disk for all of them.
//!
//! ```text
//!   put ─▶ the last content of each file ─▶ task ─▶ a thread: add it to the journal, flush that,
//!                                        rename, write beside and put in place, remove ─▶ written
//! ```
//!
//! Nothing is changed before the journal has on disk what is to be there.

mod journal;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::private_file;
use journal::Journal;
pub(super) use journal::recover;

/// What is to be in each file, or nothing for one that is to go.
type Contents = BTreeMap<String, Option<Vec<u8>>>;

/// What is to be done at a time.
#[derive(Default)]
struct Batch {
    /// Other names for files, which come before what is written.
    renamed: Vec<(String, String)>,
    /// At most one content for each service and check.
    files: Contents,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.renamed.is_empty() && self.files.is_empty()
    }

    fn names(&self) -> Vec<String> {
        let renamed = self.renamed.iter().map(|(_, to)| to);
        renamed.chain(self.files.keys()).cloned().collect()
    }
}

/// The files that could not be written, and why.
type Failed = Vec<(String, io::Error)>;

/// What came of what was asked for.
pub(super) struct Written {
    /// How often something had been asked for before.
    pub(super) after: u64,
    /// The same with this.
    pub(super) upto: u64,
    /// Of these files something else is on disk than what was asked for.
    pub(super) failed: Failed,
}

#[derive(Default)]
struct Pending {
    /// How often something was asked for.
    asked: u64,
    batch: Batch,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    wake: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the files. What was put is written also after this is gone.
pub(super) struct Files {
    shared: Arc<Shared>,
    written: mpsc::Receiver<Written>,
}

impl Files {
    /// Those below a directory. What they are in is made and on disk when this returns: what is
    /// flushed later is in directories that are there after a crash, too.
    pub(super) fn start(directory: PathBuf, log: agent::log::Log) -> Self {
        if let Err(error) = make_directories(&directory) {
            // Whoever wants something written hears of it, too.
            let fields = [("error", gotext::errno_text(&error).into())];
            let what = "failed to make the directories of services and checks";
            log.entry(agent::log::Level::Err, "agent", what, fields);
        }
        // One that cannot be begun is tried again with what is asked for first.
        let journal = Arc::new(Mutex::new(Journal::new(directory.clone()).ok()));
        Self::with(log, move |batch| {
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            carry_out(&directory, &mut journal, batch)
        })
    }

    /// Those that somebody else writes, on another thread.
    fn with(
        log: agent::log::Log,
        write: impl Fn(Batch) -> Failed + Clone + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let (sender, written) = mpsc::channel(1);
        tokio::spawn(run(shared.clone(), sender, log, write));
        Self { shared, written }
    }

    /// Writes a file for its owner alone, or removes it.
    pub(super) fn put(&self, file: String, content: Option<Vec<u8>>) {
        let mut pending = self.shared.lock();
        pending.asked += 1;
        pending.batch.files.insert(file, content);
        self.shared.wake.notify_one();
    }

    /// Gives a file another name, before what was put is written.
    pub(super) fn rename(&self, from: String, to: String) {
        let mut pending = self.shared.lock();
        pending.asked += 1;
        pending.batch.renamed.push((from, to));
        self.shared.wake.notify_one();
    }

    /// How often something was put.
    pub(super) fn asked(&self) -> u64 {
        self.shared.lock().asked
    }

    /// Waits until more of that is on disk, or could not be written.
    pub(super) async fn more(&mut self) -> Written {
        match self.written.recv().await {
            Some(written) => written,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
    }
}

async fn run(
    shared: Arc<Shared>,
    written: mpsc::Sender<Written>,
    log: agent::log::Log,
    write: impl Fn(Batch) -> Failed + Clone + Send + Sync + 'static,
) {
    let mut after = 0;
    loop {
        shared.wake.notified().await;
        let (upto, batch, closed) = {
            let mut pending = shared.lock();
            (pending.asked, std::mem::take(&mut pending.batch), pending.closed)
        };
        let mut failed = Failed::new();
        if !batch.is_empty() {
            let (names, write) = (batch.names(), write.clone());
            let work = tokio::task::spawn_blocking(move || write(batch)).await;
            failed = work.unwrap_or_else(|broken| {
                let why = if broken.is_panic() { "the work broke off" } else { "stopping" };
                names.into_iter().map(|file| (file, io::Error::other(why))).collect()
            });
        }
        for (file, error) in &failed {
            let why = gotext::errno_text(error).into();
            let fields = [("file", file.clone().into()), ("error", why)];
            log.entry(agent::log::Level::Err, "agent", "failed to write a file", fields);
        }
        // What is asked for when nobody waits any longer is written all the same.
        let _ = written.send(Written { after, upto, failed }).await;
        after = upto;
        if closed {
            return;
        }
    }
}

fn make_directories(root: &Path) -> io::Result<()> {
    let directories = local::DIRECTORIES.map(|directory| root.join(directory));
    for directory in &directories {
        private_file::make_directory(directory)?;
    }
    let parents: BTreeSet<&Path> = directories.iter().filter_map(|it| it.parent()).collect();
    parents.into_iter().try_for_each(|parent| File::open(parent)?.sync_all())
}

/// Renames, writes and removes files; says which of them could not be, and why.
fn carry_out(root: &Path, journal: &mut Option<Journal>, batch: Batch) -> Failed {
    if let Err(error) = add(root, journal, &batch) {
        let same = |file| (file, io::Error::new(error.kind(), gotext::errno_text(&error)));
        return batch.names().into_iter().map(same).collect();
    }
    let Batch { renamed, files } = batch;
    let mut failed = Failed::new();
    for (from, to) in renamed {
        let done = std::fs::rename(root.join(from), root.join(&to));
        failed.extend(done.err().map(|error| (to, error)));
    }
    let (written, gone): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(_, content)| content.is_some());
    for (file, content) in written {
        let content = content.as_deref().unwrap_or_default();
        let done = private_file::write_unsynced(&root.join(&file), content);
        failed.extend(done.err().map(|error| (file, error)));
    }
    for (file, _) in gone {
        match std::fs::remove_file(root.join(&file)) {
            // It need not be there.
            Err(error) if error.kind() != ErrorKind::NotFound => failed.push((file, error)),
            _ => {}
        }
    }
    failed
}

/// Says in the journal what is to be done, and makes sure that it is on disk.
fn add(root: &Path, journal: &mut Option<Journal>, batch: &Batch) -> io::Result<()> {
    match journal {
        Some(journal) => journal.add(batch),
        none => none.insert(Journal::new(root.to_owned())?).add(batch),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tribune-files-{name}-{}", std::process::id()))
    }

    fn listed(directory: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = crate::keeper::saved(directory)
            .into_iter()
            .map(|(file, bytes)| (file, String::from_utf8(bytes).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[tokio::test]
    async fn the_last_content_of_each_file_is_there_when_it_is_said_to_be_written() {
        let directory = directory("last");
        let mut files = Files::start(directory.clone(), agent::log::Log::silent());
        let count = 131;
        for number in 0..count {
            files.put(format!("services/{number}"), Some(b"first".to_vec()));
        }
        files.put("services/0".into(), Some(b"second".to_vec()));
        files.put("checks/gone".into(), Some(b"x".to_vec()));
        files.put("checks/gone".into(), None);
        files.put("checks/state/never".into(), None);
        let asked = files.asked();
        assert_eq!(asked, count as u64 + 4);
        loop {
            let written = files.more().await;
            assert_eq!(written.failed.len(), 0);
            if written.upto == asked {
                break;
            }
        }
        let found = listed(&directory);
        assert_eq!(found.len(), count);
        assert_eq!(found[0], ("services/0".to_owned(), "second".to_owned()));
        // What was put last is written though nobody waits for it.
        files.put("services/0".into(), None);
        let mut written = std::mem::replace(&mut files.written, mpsc::channel(1).1);
        drop(files);
        while written.recv().await.is_some() {}
        assert_eq!(listed(&directory).len(), count - 1);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[tokio::test]
    async fn what_breaks_off_has_written_nothing() {
        let mut files = Files::with(agent::log::Log::silent(), |_| panic!("as if it were wrong"));
        files.put("services/a".into(), Some(b"x".to_vec()));
        files.rename("services/old".into(), "services/b".into());
        let written = files.more().await;
        assert_eq!((written.after, written.upto), (0, 2));
        let failed: Vec<_> = written.failed.iter().map(|(file, _)| &**file).collect();
        assert_eq!(failed, ["services/b", "services/a"]);
    }

    #[tokio::test]
    async fn the_directories_are_there_before_anything_is_written() {
        use std::os::unix::fs::PermissionsExt;
        let directory = directory("made");
        let _files = Files::start(directory.clone(), agent::log::Log::silent());
        for made in local::DIRECTORIES {
            let found = std::fs::metadata(directory.join(made)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, 0o700, "{made}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_named_and_the_rest_is_written() {
        let directory = directory("failed");
        std::fs::create_dir_all(directory.join("services/dir")).unwrap();
        std::fs::write(directory.join("services/dir/in"), "").unwrap();
        let some = || Some(b"x".to_vec());
        let files = [("services/dir", some()), ("services/a", some()), ("services/dir/no", None)];
        let files = files.map(|(file, content)| (file.to_owned(), content)).into();
        let batch = Batch { renamed: Vec::new(), files };
        let failed: Vec<_> =
            carry_out(&directory, &mut None, batch).into_iter().map(|(file, _)| file).collect();
        assert_eq!(failed, ["services/dir"]);
        assert_eq!(listed(&directory), [("services/a".to_owned(), "x".to_owned())]);
        std::fs::remove_dir_all(&directory).unwrap();
    }
    #[test]
    fn nothing_is_removed_before_what_is_written_is_in_its_place() {
        let directory = directory("order");
        std::fs::create_dir_all(&directory).unwrap();
        // Were it removed at once, the file would be taken from whoever is writing it.
        let files = [("services/a", Some(b"x".to_vec())), ("services/a.tmp", None)];
        let files = files.map(|(file, content)| (file.to_owned(), content)).into();
        let failed = carry_out(&directory, &mut None, Batch { renamed: Vec::new(), files });
        assert_eq!(failed.len(), 0);
        assert_eq!(listed(&directory), [("services/a".to_owned(), "x".to_owned())]);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_file_that_cannot_have_another_name_keeps_its_own() {
        let directory = directory("renamed");
        std::fs::create_dir_all(directory.join("services/taken")).unwrap();
        for file in ["services/a", "services/b"] {
            std::fs::write(directory.join(file), file).unwrap();
        }
        let renamed = [("services/a", "services/taken"), ("services/b", "services/c")];
        let renamed = renamed.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
        let failed = carry_out(&directory, &mut None, Batch { renamed, files: Contents::new() });
        assert_eq!(
            failed.into_iter().map(|(file, _)| file).collect::<Vec<_>>(),
            ["services/taken"]
        );
        let found = listed(&directory);
        let found: Vec<_> = found.iter().map(|(file, text)| (&**file, &**text)).collect();
        assert_eq!(found, [("services/a", "services/a"), ("services/c", "services/b")]);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
