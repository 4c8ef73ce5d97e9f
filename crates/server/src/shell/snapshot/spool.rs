//! An archive that came, until it has been looked at: short ones in memory, others in a file that
//! has no name.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use api::Failure;
use archive::ArchiveError;
use raft::FREE_SPACE_MARK;
use tokio::sync::SemaphorePermit;

use super::pace::Pace;
use super::{TAKING, place};
use crate::http::{Pieces, Reply};
use crate::limits::SPOOL_BYTES;
use crate::random;

/// How every archive begins.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];

/// What came.
pub(crate) struct Spool {
    /// What is not in the file.
    memory: Vec<u8>,
    file: Option<File>,
    _place: SemaphorePermit<'static>,
}

impl Spool {
    /// Takes a body to its end. Files are made in `directory`.
    ///
    /// # Errors
    ///
    /// The answer for who sent a body that is too long, broken or too slow, or that no room is for.
    pub(crate) async fn take(directory: &Path, mut body: Pieces) -> Result<Self, Reply> {
        let _place = place(&TAKING).await.map_err(closing)?;
        let mut spool = Self { memory: Vec::new(), file: None, _place };
        let mut pace = Pace::default();
        loop {
            let next = pace.keep(body.next()).await;
            let slow = || closing(Failure::new(408, "408 Request Timeout"));
            let Some(piece) = next.ok_or_else(slow)?? else { break };
            pace.moved(piece.len());
            spool.memory.extend_from_slice(&piece);
            if spool.memory.len() >= SPOOL_BYTES {
                spool = spool.write_down(directory, FREE_SPACE_MARK).await?;
            }
        }
        if spool.file.is_some() {
            spool = spool.write_down(directory, FREE_SPACE_MARK).await?;
        }
        Ok(spool)
    }

    /// Moves what is in memory to the file, on a thread that may wait for the disk. So much of it
    /// stays free as the log needs: what nobody has looked at yet must not end all writes.
    async fn write_down(mut self, directory: &Path, mark: u64) -> Result<Self, Reply> {
        if self.file.is_none() && !self.memory.starts_with(GZIP) {
            let error = ArchiveError::Gzip("gzip: invalid header");
            return Err(closing(Failure::internal(error.to_string())));
        }
        let directory = directory.to_owned();
        let written = tokio::task::spawn_blocking(move || {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => nameless(&directory)?,
            };
            let disk = rustix::fs::fstatvfs(&file)?;
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let needed = mark.saturating_add(self.memory.len() as u64);
            if free < needed {
                let place = directory.display();
                return Err(io::Error::other(format!(
                    "{free} bytes are free in {place}, {needed} are needed"
                )));
            }
            file.write_all(&self.memory)?;
            self.memory.clear();
            self.file = Some(file);
            Ok::<_, io::Error>(self)
        });
        let written = written.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
        written.map_err(|error| {
            let why = gotext::errno_text(&error);
            closing(Failure::internal(format!(
                "the snapshot cannot be kept while it is read: {why}"
            )))
        })
    }

    #[cfg(test)]
    pub(crate) fn of(memory: &[u8]) -> Self {
        // A place of its own: other tests have theirs.
        let places: &'static _ = Box::leak(Box::new(tokio::sync::Semaphore::new(1)));
        let _place = places.try_acquire().expect("it is new");
        Self { memory: memory.to_vec(), file: None, _place }
    }

    /// All of it, from its start.
    pub(super) fn reader(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match &mut self.file {
            None => Box::new(Cursor::new(&self.memory)),
            Some(file) => {
                file.seek(SeekFrom::Start(0))?;
                Box::new(file)
            }
        })
    }
}

/// The answer to who may not have sent everything.
fn closing(failure: Failure) -> Reply {
    Reply { close: true, ..Reply::from(failure) }
}

/// A file that is gone when it is closed, however the process ends.
fn nameless(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!("restore-{}.tmp", random::uuid()));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn content(spool: &mut Spool) -> Vec<u8> {
        let mut bytes = Vec::new();
        spool.reader().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[tokio::test]
    async fn what_came_is_read_as_often_as_wanted_and_its_file_has_no_name() {
        let mut short = Spool::of(b"short");
        assert_eq!((content(&mut short), content(&mut short)), (b"short".into(), b"short".into()));
        drop(short);

        let directory = std::env::temp_dir().join(format!("tribune-spool-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut long = Spool::of(b"\x1f\x8b\x08 ").write_down(&directory, 0).await.ok().unwrap();
        long.memory.extend_from_slice(b"two");
        let mut long = long.write_down(&directory, 0).await.ok().unwrap();
        assert!(long.memory.is_empty());
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
        assert_eq!(
            (content(&mut long), content(&mut long)),
            (b"\x1f\x8b\x08 two".into(), b"\x1f\x8b\x08 two".into())
        );
        drop(long);

        std::fs::remove_dir(&directory).unwrap();
        let refused = Spool::of(GZIP).write_down(&directory, 0).await.err().unwrap();
        assert_eq!(refused.status, 500);
    }

    #[tokio::test]
    async fn what_is_no_archive_or_needs_the_room_of_the_log_is_not_written_down() {
        let directory = std::env::temp_dir();
        let refused = async |memory: &'static [u8], mark: u64| {
            let refused = Spool::of(memory).write_down(&directory, mark).await.err().unwrap();
            assert!(refused.status == 500 && refused.close);
            let api::Body::Text(text) = refused.body else { panic!("no text") };
            text
        };
        let garbage = refused(b"garbage", 0).await;
        assert_eq!(garbage, "failed to decompress snapshot: gzip: invalid header");
        let full = refused(GZIP, u64::MAX).await;
        assert!(full.starts_with("the snapshot cannot be kept while it is read: "), "{full}");
        assert!(full.ends_with(&format!(", {} are needed", u64::MAX)), "{full}");
    }
}
