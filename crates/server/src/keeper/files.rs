//! The files that the machine wants below the data directory: those of many changes at a time, and
//! one wait for the disk for all of them.
//!
//! ```text
//!   put ─▶ the last content of each file ─▶ task ─▶ a thread: write beside, flush, rename,
//!                                                   flush the directories ─▶ written
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::private_file;

/// Files that are open at a time.
const GROUP: usize = 128;

/// Threads that wait for the disk: the file system makes one write of what they wait for.
const FLUSHERS: usize = 4;

/// So few files are not worth threads.
const FEW: usize = 4;

/// What is to be in each file, or nothing for one that is to go.
type Contents = BTreeMap<String, Option<Vec<u8>>>;

#[derive(Default)]
struct Pending {
    /// How often something was asked for.
    asked: u64,
    /// At most one content for each service and check.
    files: Contents,
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
    written: watch::Receiver<u64>,
}

impl Files {
    /// Those below a directory.
    pub(super) fn start(directory: PathBuf, log: agent::log::Log) -> Self {
        let shared = Arc::new(Shared::default());
        let (sender, written) = watch::channel(0);
        tokio::spawn(run(shared.clone(), directory, sender, log));
        Self { shared, written }
    }

    /// Writes a file for its owner alone, or removes it.
    pub(super) fn put(&self, file: String, content: Option<Vec<u8>>) {
        let mut pending = self.shared.lock();
        pending.asked += 1;
        pending.files.insert(file, content);
        self.shared.wake.notify_one();
    }

    /// How often something was put.
    pub(super) fn asked(&self) -> u64 {
        self.shared.lock().asked
    }

    /// How much of that is on disk, or could not be written.
    pub(super) fn written(&self) -> u64 {
        *self.written.borrow()
    }

    /// Waits until that is more.
    pub(super) async fn more(&mut self) {
        if self.written.changed().await.is_err() {
            std::future::pending().await
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
    directory: PathBuf,
    written: watch::Sender<u64>,
    log: agent::log::Log,
) {
    loop {
        shared.wake.notified().await;
        let (asked, files, closed) = {
            let mut pending = shared.lock();
            (pending.asked, std::mem::take(&mut pending.files), pending.closed)
        };
        if !files.is_empty() {
            let directory = directory.clone();
            let work = tokio::task::spawn_blocking(move || write(&directory, files));
            for (file, error) in work.await.unwrap_or_default() {
                let why = gotext::errno_text(&error).into();
                let fields = [("file", file.into()), ("error", why)];
                log.entry(agent::log::Level::Err, "agent", "failed to write a file", fields);
            }
        }
        written.send_replace(asked);
        if closed {
            return;
        }
    }
}

/// Writes and removes files; says which of them could not be, and why.
fn write(directory: &Path, files: Contents) -> Vec<(String, io::Error)> {
    let mut failed = Vec::new();
    let mut changed = BTreeSet::new();
    let mut files = files.into_iter().peekable();
    while files.peek().is_some() {
        let mut open = Vec::new();
        for (file, content) in files.by_ref().take(GROUP) {
            let path = directory.join(&file);
            changed.extend(path.parent().map(Path::to_owned));
            match content {
                Some(content) => match private_file::write_beside(&path, &content) {
                    Ok(beside) => open.push((file, path, beside)),
                    Err(error) => failed.push((file, error)),
                },
                None => match std::fs::remove_file(path) {
                    // It need not be there.
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        failed.push((file, error));
                    }
                    _ => {}
                },
            }
        }
        let flushed = flush(&open.iter().map(|(_, _, beside)| beside).collect::<Vec<_>>());
        for ((file, path, _), flushed) in open.into_iter().zip(flushed) {
            if let Err(error) = flushed.and_then(|()| private_file::put_in_place(&path)) {
                failed.push((file, error));
            }
        }
    }
    for directory in changed {
        match File::open(&directory).and_then(|directory| directory.sync_all()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                failed.push((directory.display().to_string(), error));
            }
            _ => {}
        }
    }
    failed
}

/// Waits until files are on disk.
fn flush(files: &[&File]) -> Vec<io::Result<()>> {
    let sync = |files: &[&File]| files.iter().map(|file| file.sync_data()).collect::<Vec<_>>();
    if files.len() <= FEW {
        return sync(files);
    }
    std::thread::scope(|scope| {
        let shares = files.chunks(files.len().div_ceil(FLUSHERS));
        let threads: Vec<_> =
            shares.map(|share| (share.len(), scope.spawn(move || sync(share)))).collect();
        let lost = |count| (0..count).map(|_| Err(ErrorKind::Other.into())).collect();
        let joined = |(count, thread): (usize, std::thread::ScopedJoinHandle<'_, Vec<_>>)| {
            thread.join().unwrap_or_else(|_| lost(count))
        };
        threads.into_iter().flat_map(joined).collect()
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
        while files.written() < asked {
            files.more().await;
        }
        let found = listed(&directory);
        assert_eq!(found.len(), count);
        assert_eq!(found[0], ("services/0".to_owned(), "second".to_owned()));
        // What was put last is written though nobody waits for it.
        files.put("services/0".into(), None);
        let mut written = files.written.clone();
        drop(files);
        while *written.borrow_and_update() <= asked {
            written.changed().await.unwrap();
        }
        assert_eq!(listed(&directory).len(), count - 1);
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
        let failed: Vec<_> = write(&directory, files).into_iter().map(|(file, _)| file).collect();
        assert_eq!(failed, ["services/dir"]);
        assert_eq!(listed(&directory), [("services/a".to_owned(), "x".to_owned())]);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
