//! The snapshot file: what a member remembers over a restart.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use wire::{LamportTime, NodeName};

use crate::interface::SnapshotRecord;

/// What a snapshot file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotState {
    /// Members last seen alive, and where.
    pub alive: BTreeMap<NodeName, SocketAddr>,
    /// Last member time.
    pub clock: LamportTime,
    /// Last event time.
    pub event_clock: LamportTime,
    /// Last query time.
    pub query_clock: LamportTime,
}

/// What was odd about a line; the file is used all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotWarning {
    /// No such kind of line.
    Unrecognized(String),
    /// An `alive` line without an address.
    BadAddress(String),
    /// A clock line without a number.
    BadClock(String),
    /// A leave that is ignored because of `rejoin_after_leave`.
    LeaveIgnored,
}

impl SnapshotState {
    /// Reads a file's content. An unterminated last line is ignored.
    pub fn replay(
        _text: impl AsRef<[u8]>,
        _rejoin_after_leave: bool,
    ) -> (SnapshotState, Vec<SnapshotWarning>) {
        (SnapshotState::default(), Vec::new())
    }

    /// Follows a record that was appended to the file.
    pub fn apply(&mut self, _record: &SnapshotRecord, _rejoin_after_leave: bool) {}

    /// Whether a file of this many bytes is to be replaced by [`Self::compacted`].
    pub fn wants_compaction(&self, _file_bytes: u64) -> bool {
        false
    }

    /// The content of a compacted file.
    pub fn compacted(&self) -> String {
        String::new()
    }
}

impl SnapshotRecord {
    /// The line to append, its end included.
    pub fn to_line(&self) -> String {
        String::new()
    }
}
