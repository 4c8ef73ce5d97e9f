//! A host's disk: what of a member survives its process.

use std::time::Duration;

use gossip::Time;
use serf::SnapshotRecord;
use serf::snapshot::{FLUSH_INTERVAL, RETRY_INTERVAL, SnapshotState};

use crate::chance::Chance;

/// The snapshot file, as the agent writes it: lines are held back for a while, now and then the
/// file is replaced by a short form, a failed write is tried again later.
#[derive(Debug)]
pub(crate) struct Disk {
    file: Vec<u8>,
    held_back: Vec<u8>,
    flushed: Time,
    state: SnapshotState,
    /// Writes fail while this is set.
    pub(crate) failing: bool,
    /// How many writes have failed.
    pub(crate) failed_writes: u64,
    /// A write has failed; until the file was replaced nothing more is appended.
    broken_at: Option<Time>,
    /// How long a write takes that is waited for.
    pub(crate) write_time: Duration,
}

impl Default for Disk {
    fn default() -> Self {
        Disk {
            file: Vec::new(),
            held_back: Vec::new(),
            flushed: Time::ZERO,
            state: SnapshotState::default(),
            failing: false,
            failed_writes: 0,
            broken_at: None,
            write_time: Duration::from_millis(2),
        }
    }
}

impl Disk {
    /// What a starting process finds.
    pub(crate) fn replay(&mut self) -> SnapshotState {
        let (state, _warnings) = SnapshotState::replay(&self.file, false);
        self.state = state.clone();
        // As the agent does it: nothing is to be glued to a line without an end.
        let whole = self.file.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.file.truncate(whole);
        self.held_back.clear();
        self.broken_at = None;
        state
    }

    pub(crate) fn append(&mut self, now: Time, record: &SnapshotRecord) {
        self.state.apply(record, false);
        if let Some(since) = self.broken_at {
            if now.since(since) >= RETRY_INTERVAL {
                self.compact(now);
            }
            return;
        }
        self.held_back.extend_from_slice(record.to_line().as_bytes());
        let at_once = *record == SnapshotRecord::Leave;
        if at_once || now.since(self.flushed) >= FLUSH_INTERVAL {
            self.flush(now);
        }
        if self.state.wants_compaction(self.file.len() as u64) {
            self.compact(now);
        }
    }

    fn flush(&mut self, now: Time) {
        self.flushed = now;
        if self.failing {
            self.failed_writes += 1;
            self.broken_at = Some(now);
            self.held_back.clear();
        } else {
            self.file.append(&mut self.held_back);
        }
    }

    fn compact(&mut self, now: Time) {
        if self.failing {
            self.failed_writes += 1;
            self.broken_at = Some(now);
            return;
        }
        self.file = self.state.compacted().into_bytes();
        self.held_back.clear();
        self.broken_at = None;
    }

    /// The process ends in order: what it held back is written.
    pub(crate) fn close(&mut self, now: Time) {
        if self.broken_at.is_none() {
            self.flush(now);
        }
    }

    /// The process dies: of what it held back any part may have got into the file.
    pub(crate) fn crash(&mut self, chance: &mut Chance) {
        if !self.failing && self.broken_at.is_none() {
            let written = chance.below(self.held_back.len() + 1);
            self.file.extend_from_slice(&self.held_back[..written]);
        }
        self.held_back.clear();
    }

    /// The last bytes of the file never reached the platter. Returns how many.
    pub(crate) fn tear(&mut self, chance: &mut Chance) -> usize {
        let lost = chance.below(self.file.len().min(200) + 1);
        self.file.truncate(self.file.len() - lost);
        lost
    }
}
