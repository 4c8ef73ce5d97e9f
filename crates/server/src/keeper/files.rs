//! The files that the machine wants below the data directory: those of many changes at a time, and
//! one wait for the disk for all of them.
//!
//! ```text
//!   put ─▶ the last content of each file ─▶ task ─▶ a thread: write beside, flush, rename,
//!                                     flush the directories, remove, flush those again ─▶ written
//! ```
//!
//! Nothing is removed before everything that is to be there is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, ScopedJoinHandle};

use tokio::sync::{Notify, mpsc};

use crate::private_file;

/// Files that are open at a time.
const GROUP: usize = 128;

/// Threads that wait for the disk: the file system makes one write of what they wait for.
const FLUSHERS: usize = 4;

/// So few files are not worth threads.
const FEW: usize = 4;

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
        Self::with(log, move |batch| carry_out(&directory, batch))
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
fn carry_out(root: &Path, Batch { renamed, files }: Batch) -> Failed {
    let mut work = Work { root, changed: BTreeMap::new(), failed: Failed::new() };
    for (from, to) in renamed {
        let done = std::fs::rename(root.join(&from), root.join(&to));
        work.note(&to, done);
    }
    let (written, gone): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(_, content)| content.is_some());
    for group in written.chunks(GROUP) {
        let mut open = Vec::new();
        for (file, content) in group {
            let path = root.join(file);
            match private_file::write_beside(&path, content.as_deref().unwrap_or_default()) {
                Ok(beside) => open.push((file, path, beside)),
                Err(error) => work.note(file, Err(error)),
            }
        }
        let beside: Vec<_> = open.iter().map(|(_, _, beside)| beside).collect();
        beside.iter().for_each(|file| begin_flush(file));
        let flushed = flush(&beside, Builder::new);
        for ((file, path, _), flushed) in open.into_iter().zip(flushed) {
            let placed = match flushed {
                Ok(()) => private_file::put_in_place(&path),
                Err(error) => {
                    private_file::discard(&path);
                    Err(error)
                }
            };
            work.note(file, placed);
        }
    }
    work.flush();
    for (file, _) in gone {
        match std::fs::remove_file(root.join(&file)) {
            // It need not be there.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => work.note(&file, removed),
        }
    }
    work.flush();
    work.failed
}

struct Work<'a> {
    root: &'a Path,
    /// What has changed in each directory since it was flushed.
    changed: BTreeMap<PathBuf, Vec<String>>,
    failed: Failed,
}

impl Work<'_> {
    /// Something happened to a file.
    fn note(&mut self, file: &str, done: io::Result<()>) {
        match done {
            Err(error) => self.failed.push((file.to_owned(), error)),
            Ok(()) => {
                let path = self.root.join(file);
                let directory = path.parent().unwrap_or(self.root).to_owned();
                self.changed.entry(directory).or_default().push(file.to_owned());
            }
        }
    }

    /// Waits until what has changed in directories is on disk.
    fn flush(&mut self) {
        for (directory, files) in std::mem::take(&mut self.changed) {
            let flushed = File::open(&directory).and_then(|directory| directory.sync_all());
            if let Err(error) = flushed {
                let same = || io::Error::new(error.kind(), gotext::errno_text(&error));
                self.failed.extend(files.into_iter().map(|file| (file, same())));
            }
        }
    }
}

/// Lets the system begin to write a file, without waiting for it: if all of a group have begun, the
/// first that is waited for takes the others' places in the file system's log along. It is half of
/// the work and half of the time.
fn begin_flush(file: &File) {
    // Nothing is lost if it does not.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// Waits until files are on disk, with threads if there can be more.
fn flush(files: &[&File], thread: fn() -> Builder) -> Vec<io::Result<()>> {
    let sync = |files: &[&File]| files.iter().map(|file| file.sync_data()).collect::<Vec<_>>();
    if files.len() <= FEW {
        return sync(files);
    }
    std::thread::scope(|scope| {
        let shares = files.chunks(files.len().div_ceil(FLUSHERS));
        let start = |share| (share, thread().spawn_scoped(scope, move || sync(share)));
        let started: Vec<_> = shares.map(start).collect();
        let lost = |_: &&File| Err(io::Error::other("the work broke off"));
        let joined = |(share, thread): (&[&File], io::Result<ScopedJoinHandle<'_, _>>)| match thread
        {
            Ok(thread) => thread.join().unwrap_or_else(|_| share.iter().map(lost).collect()),
            // The system has no more of them.
            Err(_) => sync(share),
        };
        started.into_iter().flat_map(joined).collect()
    })
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
        let count = GROUP + 3;
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

    #[test]
    fn what_can_have_no_thread_is_flushed_without() {
        let directory = directory("threads");
        std::fs::create_dir_all(&directory).unwrap();
        let file = |number| File::create(directory.join(format!("{number}"))).unwrap();
        let files: Vec<File> = (0..FEW + 1).map(file).collect();
        // No system has so much memory for one.
        let none = || Builder::new().stack_size(1 << 50);
        assert!(none().spawn(|| ()).is_err());
        for thread in [Builder::new, none] {
            let flushed = flush(&files.iter().collect::<Vec<_>>(), thread);
            assert_eq!(flushed.len(), files.len());
            assert!(flushed.iter().all(Result::is_ok));
        }
        std::fs::remove_dir_all(&directory).unwrap();
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
            carry_out(&directory, batch).into_iter().map(|(file, _)| file).collect();
        assert_eq!(failed, ["services/dir"]);
        assert_eq!(listed(&directory), [("services/a".to_owned(), "x".to_owned())]);
        std::fs::remove_dir_all(&directory).unwrap();
    }
    #[test]
    fn nothing_is_removed_before_what_is_written_is_in_its_place() {
        let directory = directory("order");
        // Were it removed at once, the file would be taken from whoever is writing it.
        let files = [("services/a", Some(b"x".to_vec())), ("services/a.tmp", None)];
        let files = files.map(|(file, content)| (file.to_owned(), content)).into();
        let failed = carry_out(&directory, Batch { renamed: Vec::new(), files });
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
        let failed = carry_out(&directory, Batch { renamed, files: Contents::new() });
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
