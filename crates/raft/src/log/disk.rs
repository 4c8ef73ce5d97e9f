//! The log on disk: `raft-log`, a write-ahead log in files ("chunks") that are deleted whole.
//!
//! One thread of `raft-log` writes and flushes, so a slow disk does not stop the runtime. What is
//! added here:
//!
//! * the directory is flushed before anything is acknowledged that lies in a new file;
//! * a file has its final length from its first write on, which makes flushes faster, so a torn
//!   tail and the zeros behind it are cut off when the log is opened;
//! * a file that a crash left without its first record is removed: it holds nothing, and
//!   `raft-log` could not open it;
//! * a full disk is waited for, and so are file descriptors when the process has none left.
//!   `raft-log` stops at the first failed write, so the log is opened again and the write repeated.
//!   Every write here may be repeated: what the files already hold is skipped.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{EntryPayload, LogState, RaftLogReader};
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::codeq::{Decode, Encode};
use raft_log::{Callback, ChunkId, RaftLog, WALRecord};
use tokio::sync::oneshot;

use super::{bounds, unreadable};
use crate::limits::{
    CACHE_BYTES, CHUNK_BYTES, DESCRIPTOR_POLL, ENTRY_BYTES, FREE_SPACE_MARK, SPACE_POLL,
    SPARE_DESCRIPTORS,
};
use crate::types::{Entry, LogId, Membership, StorageError, StorageIoError, Types, Vote};
use crate::{Batch, Machine, codec, space};

/// The name of the log's directory within that of Raft.
const DIRECTORY: &str = "wal";

/// The log, or a reader of it: clones share their content.
#[derive(Clone)]
pub(crate) struct DiskLog {
    directory: Arc<PathBuf>,
    open: Arc<Mutex<Open>>,
}

struct Open {
    /// `None` only while it is opened again after a failed write.
    log: Option<RaftLog<Stored>>,
    /// The file that the directory is known to list.
    listed: Option<ChunkId>,
}

impl DiskLog {
    /// Opens or creates the log below `parent`, and repairs what a crash left behind.
    ///
    /// # Errors
    ///
    /// Those of the file system; another process that has the log open; a damaged record anywhere
    /// but at the end.
    pub(crate) fn open(parent: &Path) -> io::Result<Self> {
        let directory = parent.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        File::open(parent)?.sync_all()?;
        let open = Open { log: Some(open(&directory)?), listed: None };
        Ok(Self { directory: Arc::new(directory), open: Arc::new(Mutex::new(open)) })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, read: impl FnOnce(&RaftLog<Stored>) -> io::Result<T>) -> io::Result<T> {
        self.lock().log.as_ref().map_or_else(|| Err(closed()), read)
    }

    /// Does `write` and returns when it is on disk, however long that takes on a full one, or while
    /// no file can be opened. `write` may run more than once.
    async fn persist(
        &self,
        write: impl Fn(&mut RaftLog<Stored>) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let flushed = self.lock().start(&self.directory, &write);
            let error = match flushed {
                // The sender is dropped, without a word, when a write failed.
                Ok(flushed) => match flushed.await {
                    Ok(result) => return result,
                    Err(_) => io::Error::other("the log could not be written"),
                },
                Err(error) => error,
            };
            if space::is_scarce(&self.directory, FREE_SPACE_MARK) {
                while space::is_scarce(&self.directory, FREE_SPACE_MARK) {
                    tokio::time::sleep(SPACE_POLL).await;
                }
            } else if !space::wants_descriptors(&error) {
                return Err(error);
            }
            self.reopen().await?;
        }
    }

    /// Opens the log anew, as soon as there are descriptors for it: until then readers have the
    /// one that failed.
    async fn reopen(&self) -> io::Result<()> {
        loop {
            let reopened = spare(&self.directory).and_then(|()| {
                let mut open = self.lock();
                open.reopen(&self.directory)
            });
            match reopened {
                Err(error) if space::wants_descriptors(&error) => {
                    tokio::time::sleep(DESCRIPTOR_POLL).await;
                }
                other => return other,
            }
        }
    }
}

impl Open {
    /// Hands a write to the thread that flushes.
    fn start(
        &mut self,
        directory: &Path,
        write: impl Fn(&mut RaftLog<Stored>) -> io::Result<()>,
    ) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let log = self.log.as_mut().ok_or_else(closed)?;
        write(log)?;
        let chunk = log.stat().open_chunk.chunk_id;
        let is_new = self.listed != Some(chunk);
        if is_new {
            reserve(directory, chunk)?;
        }
        let unlisted = is_new.then(|| directory.to_owned());
        let (sender, flushed) = oneshot::channel();
        log.flush(Some(Flushed { sender, unlisted }))?;
        self.listed = Some(chunk);
        Ok(flushed)
    }

    fn reopen(&mut self, directory: &Path) -> io::Result<()> {
        // The lock on the directory goes with the log that failed.
        self.log = None;
        self.listed = None;
        self.log = Some(open(directory)?);
        Ok(())
    }
}

/// Finds out whether there are descriptors for what opening the log takes beyond its files, which
/// it has already.
fn spare(directory: &Path) -> io::Result<()> {
    let spare = (0..SPARE_DESCRIPTORS).map(|_| File::open(directory));
    spare.collect::<io::Result<Vec<_>>>().map(drop)
}

/// Gives the file that is written its final length. A flush is a quarter faster for it: it need
/// not record that the file grew.
fn reserve(directory: &Path, chunk: ChunkId) -> io::Result<()> {
    let newest = newest(directory)?.ok_or_else(|| io::Error::other(format!("{chunk} is gone")))?;
    let file = File::options().write(true).open(newest)?;
    if file.metadata()?.len() < CHUNK_BYTES as u64 {
        file.set_len(CHUNK_BYTES as u64)
    } else {
        Ok(())
    }
}

fn closed() -> io::Error {
    io::Error::other("the log could not be opened again")
}

fn open(directory: &Path) -> io::Result<RaftLog<Stored>> {
    cut_tail(directory)?;
    let dir = directory
        .to_str()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"))?;
    RaftLog::open(Arc::new(raft_log::Config {
        dir: dir.to_owned(),
        log_cache_max_items: Some(usize::MAX),
        log_cache_capacity: Some(CACHE_BYTES),
        read_buffer_size: Some(64 << 10),
        chunk_max_records: Some(usize::MAX),
        chunk_max_size: Some(CHUNK_BYTES),
        truncate_incomplete_record: Some(true),
    }))
}

/// The file that is written, or was when the process ended.
fn newest(directory: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            newest = newest.max(Some(path));
        }
    }
    Ok(newest)
}

/// Cuts off what a crash left behind the last whole record of the newest file: a part of a write,
/// and the zeros of the reserved length. A file without its first record is removed: that is
/// written when the file is created and repeats what is known from the others.
///
/// A write is flushed before it is acknowledged and before the next one begins, so what is not
/// whole was promised to nobody, unless the disk changed it afterwards. If it did, a later write
/// tells: it says that more is committed than is whole. Then the file is left as it is, and
/// `raft-log` refuses it.
fn cut_tail(directory: &Path) -> io::Result<()> {
    while let Some(newest) = newest(directory)? {
        let bytes = fs::read(&newest)?;
        let (whole, last) = whole_records(&bytes);
        if whole == 0 {
            fs::remove_file(newest)?;
            continue;
        }
        let content = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let torn = bytes.get(whole..content).unwrap_or_default();
        if whole < bytes.len() && !has_commit_behind(last.as_ref(), torn) {
            let file = File::options().write(true).open(newest)?;
            file.set_len(whole as u64)?;
            file.sync_all()?;
        }
        break;
    }
    Ok(())
}

/// The length of the records that `bytes` begin with, and the last entry that they leave.
fn whole_records(bytes: &[u8]) -> (usize, Option<Id>) {
    let (mut rest, mut last) = (bytes, None);
    loop {
        let before = rest.len();
        match WALRecord::<Stored>::decode(&mut rest) {
            Ok(WALRecord::State(state)) => last = state.last().cloned(),
            Ok(WALRecord::Append(id, _)) => last = Some(id),
            Ok(WALRecord::TruncateAfter(id)) => last = id,
            Ok(WALRecord::PurgeUpto(id)) => last = last.max(Some(id)),
            Ok(WALRecord::SaveVote(_) | WALRecord::Commit(_)) => {}
            Err(_) => return (bytes.len() - before, last),
        }
    }
}

/// Whether a record anywhere in `bytes` says that entries behind `last` are committed.
fn has_commit_behind(last: Option<&Id>, bytes: &[u8]) -> bool {
    const KIND: [u8; 4] = 2_u32.to_be_bytes();
    let starts = bytes.windows(KIND.len()).enumerate().filter(|(_, window)| *window == KIND);
    let mut records = starts.map(|(start, _)| WALRecord::<Stored>::decode(&bytes[start..]));
    records.any(|record| matches!(record, Ok(WALRecord::Commit(id)) if Some(&id) > last))
}

impl<M: Machine> RaftLogReader<Types<M>> for DiskLog {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<M>>, StorageError> {
        let (first, end) = bounds(&range);
        self.with(|log| {
            log.read(first, end)
                .map(|stored| stored.map(|(id, payload)| payload.into_entry(id.0)))
                .collect()
        })
        .map_err(|error| unreadable(&error))
    }
}

impl<M: Machine> RaftLogStorage<Types<M>> for DiskLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types<M>>, StorageError> {
        self.with(|log| {
            let state = log.log_state();
            Ok(LogState {
                last_purged_log_id: state.purged().map(|id| id.0),
                last_log_id: state.last().map(|id| id.0),
            })
        })
        .map_err(|error| unreadable(&error))
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let vote = Ballot(*vote);
        self.persist(|log| log.save_vote(vote.clone()).map(drop))
            .await
            .map_err(|error| StorageIoError::write_vote(&error).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        self.with(|log| Ok(log.log_state().vote().map(|vote| vote.0)))
            .map_err(|error| StorageIoError::read_vote(&error).into())
    }

    /// Not flushed: it goes to disk with the next entry. What is lost of it is committed again.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let Some(committed) = committed else { return Ok(()) };
        self.lock()
            .log
            .as_mut()
            .map_or_else(|| Err(closed()), |log| log.commit(Id(committed)).map(drop))
            .map_err(|error| StorageIoError::write_logs(&error).into())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        self.with(|log| Ok(log.log_state().committed().map(|id| id.0)))
            .map_err(|error| unreadable(&error))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        flushed: LogFlushed<Types<M>>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry<M>> + Send,
        I::IntoIter: Send,
    {
        let entries: Vec<(Id, Payload)> = entries.into_iter().map(Payload::of_entry).collect();
        let result = self
            .persist(|log| {
                let last = log.log_state().last().cloned();
                let missing = entries.iter().filter(|(id, _)| Some(id) > last.as_ref());
                log.append(missing.cloned()).map(drop)
            })
            .await;
        flushed.log_io_completed(result);
        Ok(())
    }

    async fn truncate(&mut self, since: LogId) -> Result<(), StorageError> {
        self.persist(|log| {
            let is_there = log.log_state().last().is_some_and(|last| last.0.index >= since.index);
            if is_there { log.truncate(since.index).map(drop) } else { Ok(()) }
        })
        .await
        .map_err(|error| StorageIoError::write_logs(&error).into())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        let purge = async {
            self.persist(|log| log.purge(Id(upto)).map(drop)).await?;
            // Files are deleted behind the flush, in order: when this one returns they are gone.
            self.persist(|_| Ok(())).await
        };
        purge.await.map_err(|error| StorageIoError::write_logs(&error).into())
    }
}

/// What the thread that flushes calls when it is done.
struct Flushed {
    sender: oneshot::Sender<io::Result<()>>,
    /// The directory, if it may not list the file yet that the write went to.
    unlisted: Option<PathBuf>,
}

impl Callback for Flushed {
    fn send(self, result: io::Result<()>) {
        let result = match self.unlisted {
            Some(directory) if result.is_ok() => File::open(directory).and_then(|d| d.sync_all()),
            _ => result,
        };
        // Nobody waits any more when the server was stopped.
        let _ = self.sender.send(result);
    }
}

/// `raft-log`'s bundle of types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stored;

impl raft_log::Types for Stored {
    type LogId = Id;
    type LogPayload = Payload;
    type Vote = Ballot;
    type Callback = Flushed;
    type UserData = String;

    fn log_index(id: &Id) -> u64 {
        id.0.index
    }

    fn payload_size(payload: &Payload) -> u64 {
        match payload {
            Payload::Batch(batch) => batch.bytes().len() as u64,
            Payload::Blank | Payload::Membership(_) => 64,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id(LogId);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd)]
struct Ballot(Vote);

/// What one entry holds.
#[derive(Clone, Debug)]
enum Payload {
    Blank,
    Batch(Batch),
    Membership(Membership),
}

impl Payload {
    fn of_entry<M: Machine>(entry: Entry<M>) -> (Id, Self) {
        let payload = match entry.payload {
            EntryPayload::Blank => Self::Blank,
            EntryPayload::Normal(batch) => Self::Batch(batch),
            EntryPayload::Membership(membership) => Self::Membership(membership),
        };
        (Id(entry.log_id), payload)
    }

    fn into_entry<M: Machine>(self, log_id: LogId) -> Entry<M> {
        let payload = match self {
            Self::Blank => EntryPayload::Blank,
            Self::Batch(batch) => EntryPayload::Normal(batch),
            Self::Membership(membership) => EntryPayload::Membership(membership),
        };
        Entry::<M> { log_id, payload }
    }
}

impl Encode for Id {
    fn encode<W: io::Write>(&self, mut out: W) -> io::Result<usize> {
        codec::put_log_id(&mut out, &self.0)
    }
}

impl Decode for Id {
    fn decode<R: Read>(mut input: R) -> io::Result<Self> {
        codec::log_id(&mut input).map(Self)
    }
}

impl Encode for Ballot {
    fn encode<W: io::Write>(&self, mut out: W) -> io::Result<usize> {
        codec::put_vote(&mut out, &self.0)
    }
}

impl Decode for Ballot {
    fn decode<R: Read>(mut input: R) -> io::Result<Self> {
        codec::vote(&mut input).map(Self)
    }
}

/// As stored: a kind (1 byte), a length (4) and that many bytes.
impl Encode for Payload {
    fn encode<W: io::Write>(&self, mut out: W) -> io::Result<usize> {
        let mut buffer = Vec::new();
        let (kind, bytes) = match self {
            Self::Blank => (0, [].as_slice()),
            Self::Batch(batch) => (1, batch.bytes().as_ref()),
            Self::Membership(membership) => {
                codec::put_membership(&mut buffer, membership)?;
                (2, buffer.as_slice())
            }
        };
        out.write_all(&[kind])?;
        codec::put_length(&mut out, bytes.len())?;
        out.write_all(bytes)?;
        Ok(5 + bytes.len())
    }
}

impl Decode for Payload {
    fn decode<R: Read>(mut input: R) -> io::Result<Self> {
        let mut kind = [0];
        input.read_exact(&mut kind)?;
        let mut bytes = vec![0; codec::length(&mut input, ENTRY_BYTES)?];
        input.read_exact(&mut bytes)?;
        match kind[0] {
            0 if bytes.is_empty() => Ok(Self::Blank),
            1 => Batch::decode(Bytes::from(bytes))
                .map(Self::Batch)
                .ok_or_else(|| codec::invalid("an entry is no batch of commands")),
            2 => codec::membership(&mut bytes.as_slice()).map(Self::Membership),
            _ => Err(codec::invalid("an entry is of an unknown kind")),
        }
    }
}
