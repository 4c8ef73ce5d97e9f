//! A machine behind openraft's trait: what of the log was applied, and snapshots of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, RaftSnapshotBuilder, Snapshot};
use tokio::sync::Notify;

use crate::limits::{SNAPSHOT_BYTES, SNAPSHOT_BYTES_MAX, SPACE_POLL};
use crate::snapshot::{Header, Snapshots, Source};
use crate::space;
use crate::types::{
    Entry, LogId, Replies, SnapshotMeta, StorageError, StorageIoError, StoredMembership, Types,
};
use crate::{Batch, Machine};

/// The machine and its place in the log.
pub(crate) struct Replica<M: Machine> {
    machine: M,
    header: Header,
    snapshots: Snapshots<M>,
    /// Bytes of commands applied since the last snapshot was asked for.
    since_snapshot: u64,
    pace: Arc<Pace>,
}

/// When the next snapshot is due.
pub(crate) struct Pace {
    /// Told when it is.
    pub(crate) due: Notify,
    /// Bytes of the last one.
    size: AtomicU64,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { due: Notify::new(), size: AtomicU64::new(0) }
    }
}

impl<M: Machine> Replica<M> {
    /// A machine with nothing applied: its first command gets index 1.
    pub(crate) fn new(machine: M, snapshots: Snapshots<M>, pace: Arc<Pace>) -> Self {
        let header = Header { next_index: 1, ..Header::default() };
        Self { machine, header, snapshots, since_snapshot: 0, pace }
    }

    /// A machine as a snapshot left it.
    pub(crate) fn restored(self, header: Header) -> Self {
        Self { header, ..self }
    }

    fn apply_batch(&mut self, batch: &Batch) -> Replies<M::Reply> {
        // Clocks of servers differ; that of the log does not run backwards.
        self.header.clock_ms = self.header.clock_ms.max(batch.clock_ms());
        let first_index = self.header.next_index;
        let replies = self.machine.apply(first_index, self.header.clock_ms, batch);
        assert_eq!(replies.len(), batch.len(), "a machine answers every command");
        self.header.next_index += batch.len() as u64;
        self.since_snapshot += batch.bytes().len() as u64;
        let last_one = self.pace.size.load(Ordering::Relaxed);
        if self.since_snapshot >= last_one.clamp(SNAPSHOT_BYTES, SNAPSHOT_BYTES_MAX) {
            self.since_snapshot = 0;
            self.pace.due.notify_one();
        }
        Replies { first_index, replies }
    }
}

impl<M: Machine> RaftStateMachine<Types<M>> for Replica<M> {
    type SnapshotBuilder = Builder<M>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.header.applied, self.header.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Replies<M::Reply>>, StorageError>
    where
        I: IntoIterator<Item = Entry<M>> + Send,
        I::IntoIter: Send,
    {
        let mut all = Vec::new();
        for entry in entries {
            self.header.applied = Some(entry.log_id);
            all.push(match entry.payload {
                EntryPayload::Normal(batch) => self.apply_batch(&batch),
                EntryPayload::Membership(membership) => {
                    self.header.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Replies { first_index: self.header.next_index, replies: Vec::new() }
                }
                EntryPayload::Blank => {
                    Replies { first_index: self.header.next_index, replies: Vec::new() }
                }
            });
        }
        Ok(all)
    }

    async fn get_snapshot_builder(&mut self) -> Builder<M> {
        Builder {
            header: self.header.clone(),
            image: Arc::new(self.machine.image()),
            snapshots: self.snapshots.clone(),
            pace: Arc::clone(&self.pace),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Source<M>>, StorageError> {
        Ok(Box::new(Source::Empty))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Source<M>>,
    ) -> Result<(), StorageError> {
        self.header = self
            .snapshots
            .install(*snapshot, &mut self.machine)
            .map_err(|error| StorageIoError::write_snapshot(Some(meta.signature()), &error))?;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types<M>>>, StorageError> {
        let current = self
            .snapshots
            .current()
            .map_err(|error| StorageIoError::read_snapshot(None, &error))?;
        Ok(current
            .map(|(header, source)| Snapshot { meta: header.meta(), snapshot: Box::new(source) }))
    }
}

/// Writes one state, while the machine goes on.
pub(crate) struct Builder<M: Machine> {
    header: Header,
    image: Arc<M::Image>,
    snapshots: Snapshots<M>,
    pace: Arc<Pace>,
}

impl<M: Machine> Builder<M> {
    /// Saves the state on a thread that may wait for the disk.
    async fn save(&self) -> io::Result<u64> {
        let (snapshots, header) = (self.snapshots.clone(), self.header.clone());
        let image = Arc::clone(&self.image);
        tokio::task::spawn_blocking(move || snapshots.save(&header, &image))
            .await
            .map_err(io::Error::other)?
    }
}

impl<M: Machine> RaftSnapshotBuilder<Types<M>> for Builder<M> {
    /// On a full disk it waits for space: an error would end openraft.
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types<M>>, StorageError> {
        loop {
            match self.save().await {
                Ok(size) => {
                    self.pace.size.store(size, Ordering::Relaxed);
                    let source = Source::Image(self.header.clone(), Arc::clone(&self.image));
                    return Ok(Snapshot { meta: self.header.meta(), snapshot: Box::new(source) });
                }
                Err(error)
                    if error.kind() == io::ErrorKind::StorageFull
                        || space::wants_descriptors(&error) =>
                {
                    tokio::time::sleep(SPACE_POLL).await;
                }
                Err(error) => {
                    let signature = Some(self.header.meta().signature());
                    return Err(StorageIoError::write_snapshot(signature, &error).into());
                }
            }
        }
    }
}
