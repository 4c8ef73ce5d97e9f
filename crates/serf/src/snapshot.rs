//! The snapshot file: what a member remembers over a restart.
//!
//! Lines of text, appended as things happen and now and then replaced by a short form; readable
//! and writable by real agents too. Specification "Gossip wire protocol and behaviour", B15. This
//! module has the meaning of the lines; the driver has the file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use wire::{LamportTime, NodeName};

use crate::interface::SnapshotRecord;
use crate::limits;

/// How long the driver may hold appended lines back before it writes them out.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

/// How often the driver tries to compact after a failed append.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(30);

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
    /// An `alive` line without an address, or with one that cannot be read.
    BadAddress(String),
    /// A clock line without a number that fits.
    BadClock {
        /// What is before `clock` on the line: nothing, `event` or `query`.
        which: &'static str,
        /// What stands in the number's place.
        number: String,
    },
    /// A leave that is ignored because of `rejoin_after_leave`.
    LeaveIgnored,
}

impl SnapshotState {
    /// Reads a file's content. An unterminated last line is ignored: it was being written when
    /// the process died.
    pub fn replay(
        text: impl AsRef<[u8]>,
        rejoin_after_leave: bool,
    ) -> (SnapshotState, Vec<SnapshotWarning>) {
        let mut state = SnapshotState::default();
        let mut warnings = Vec::new();
        let mut lines = text.as_ref().split(|&byte| byte == b'\n');
        let _unterminated = lines.next_back();
        for line in lines {
            let line = String::from_utf8_lossy(line);
            match parse(&line) {
                Ok(Some(SnapshotRecord::Leave)) if rejoin_after_leave => {
                    warnings.push(SnapshotWarning::LeaveIgnored);
                }
                Ok(Some(record)) => state.apply(&record, rejoin_after_leave),
                Ok(None) => {}
                Err(warning) => warnings.push(warning),
            }
        }
        (state, warnings)
    }

    /// Follows a record that was appended to the file.
    pub fn apply(&mut self, record: &SnapshotRecord, rejoin_after_leave: bool) {
        match record {
            SnapshotRecord::Alive { node, address } => {
                self.alive.insert(node.clone(), *address);
            }
            SnapshotRecord::NotAlive { node } => {
                self.alive.remove(node);
            }
            SnapshotRecord::Clock(time) => self.clock = *time,
            SnapshotRecord::EventClock(time) => self.event_clock = *time,
            SnapshotRecord::QueryClock(time) => self.query_clock = *time,
            SnapshotRecord::Leave if rejoin_after_leave => {}
            SnapshotRecord::Leave => *self = SnapshotState::default(),
        }
    }

    /// Whether a file of this many bytes is to be replaced by [`Self::compacted`].
    pub fn wants_compaction(&self, file_bytes: u64) -> bool {
        let members = self.alive.len() as u64;
        let reckoned = limits::SNAPSHOT_FACTOR * limits::SNAPSHOT_BYTES_PER_MEMBER * members;
        file_bytes > limits::SNAPSHOT_MIN_BYTES.max(reckoned)
    }

    /// The content of a compacted file.
    pub fn compacted(&self) -> String {
        let members = self
            .alive
            .iter()
            .map(|(node, address)| SnapshotRecord::Alive { node: node.clone(), address: *address });
        let clocks = [
            SnapshotRecord::Clock(self.clock),
            SnapshotRecord::EventClock(self.event_clock),
            SnapshotRecord::QueryClock(self.query_clock),
        ];
        members.chain(clocks).map(|record| record.to_line()).collect()
    }
}

impl SnapshotRecord {
    /// The line to append, its end included.
    pub fn to_line(&self) -> String {
        match self {
            SnapshotRecord::Alive { node, address } => format!("alive: {node} {address}\n"),
            SnapshotRecord::NotAlive { node } => format!("not-alive: {node}\n"),
            SnapshotRecord::Clock(time) => format!("clock: {time}\n"),
            SnapshotRecord::EventClock(time) => format!("event-clock: {time}\n"),
            SnapshotRecord::QueryClock(time) => format!("query-clock: {time}\n"),
            SnapshotRecord::Leave => "leave\n".to_owned(),
        }
    }
}

/// One line without its end; None for a comment.
fn parse(line: &str) -> Result<Option<SnapshotRecord>, SnapshotWarning> {
    let clock = |which: &'static str, number: &str| match number.parse() {
        // A later one was forged, or the file is damaged.
        Ok(time) if time <= limits::CLOCK_TIME => Ok(LamportTime(time)),
        _ => Err(SnapshotWarning::BadClock { which, number: number.to_owned() }),
    };
    let record = if let Some(rest) = line.strip_prefix("alive: ") {
        // Names may contain spaces, addresses do not.
        let parts =
            rest.rsplit_once(' ').and_then(|(name, address)| Some((name, address.parse().ok()?)));
        let Some((name, address)) = parts else {
            return Err(SnapshotWarning::BadAddress(line.to_owned()));
        };
        SnapshotRecord::Alive { node: name.into(), address }
    } else if let Some(name) = line.strip_prefix("not-alive: ") {
        SnapshotRecord::NotAlive { node: name.into() }
    } else if let Some(number) = line.strip_prefix("clock: ") {
        SnapshotRecord::Clock(clock("", number)?)
    } else if let Some(number) = line.strip_prefix("event-clock: ") {
        SnapshotRecord::EventClock(clock("event", number)?)
    } else if let Some(number) = line.strip_prefix("query-clock: ") {
        SnapshotRecord::QueryClock(clock("query", number)?)
    } else if line == "leave" {
        SnapshotRecord::Leave
    } else if line.starts_with("coordinate: ") || line.starts_with('#') {
        return Ok(None);
    } else {
        return Err(SnapshotWarning::Unrecognized(line.to_owned()));
    };
    Ok(Some(record))
}

#[cfg(test)]
mod tests;
