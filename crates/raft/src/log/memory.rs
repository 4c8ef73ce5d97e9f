//! A log in memory, for `-dev`: nothing outlives the process.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{LogState, RaftLogReader};

use super::bounds;
use crate::Machine;
use crate::types::{Entry, LogId, StorageError, Types, Vote};

struct Kept<M: Machine> {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    /// Consecutive: the index of each is one more than that of the one before.
    entries: VecDeque<Entry<M>>,
}

/// The log, or a reader of it: clones share their content.
pub(crate) struct MemoryLog<M: Machine>(Arc<Mutex<Kept<M>>>);

impl<M: Machine> MemoryLog<M> {
    /// An empty log.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Kept {
            vote: None,
            committed: None,
            purged: None,
            entries: VecDeque::new(),
        })))
    }

    fn kept(&self) -> MutexGuard<'_, Kept<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Machine> Clone for MemoryLog<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> Kept<M> {
    /// Where the entry of this index is, or would be.
    fn position(&self, index: u64) -> usize {
        let first = self.entries.front().map_or(0, |entry| entry.log_id.index);
        usize::try_from(index.saturating_sub(first))
            .map_or(self.entries.len(), |position| position.min(self.entries.len()))
    }
}

impl<M: Machine> RaftLogReader<Types<M>> for MemoryLog<M> {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<M>>, StorageError> {
        let (first, end) = bounds(&range);
        let kept = self.kept();
        let positions = kept.position(first)..kept.position(end);
        Ok(kept.entries.range(positions).cloned().collect())
    }
}

impl<M: Machine> RaftLogStorage<Types<M>> for MemoryLog<M> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types<M>>, StorageError> {
        let kept = self.kept();
        let last = kept.entries.back().map(|entry| entry.log_id);
        Ok(LogState { last_purged_log_id: kept.purged, last_log_id: last.or(kept.purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.kept().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.kept().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.kept().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.kept().committed)
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
        self.kept().entries.extend(entries);
        flushed.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, since: LogId) -> Result<(), StorageError> {
        let mut kept = self.kept();
        let position = kept.position(since.index);
        kept.entries.truncate(position);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        let mut kept = self.kept();
        let position = kept.position(upto.index + 1);
        kept.entries.drain(..position);
        kept.purged = kept.purged.max(Some(upto));
        Ok(())
    }
}
