//! Serf's membership, events and queries on top of gossip, as a machine without I/O.

mod interface;
mod machine;
pub mod snapshot;
mod vivaldi;

pub use gossip::{ConnectionId, DialId, Keyring, Profile, Security, Time, Token};
pub use interface::{
    Command, Config, Error, Event, Fact, Input, JoinTarget, KeyOperation, KeyReport, Member,
    MemberEventKind, MemberStatus, Outcome, Output, Persist, PersistId, QueryId, QueryProgress,
    QueryRequest, QueryTimeout, SnapshotRecord, Statistics, Tags,
};
pub use machine::{ConfigError, Serf};
pub use vivaldi::Coordinate;
