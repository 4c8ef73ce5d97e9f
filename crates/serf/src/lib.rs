//! Serf's membership, events and queries on top of gossip, as a machine without I/O.

mod interface;

pub use gossip::{ConnectionId, DialId, Profile, Time, Token};
pub use interface::{
    Command, Config, Error, Event, Fact, Input, JoinTarget, KeyOperation, KeyReport, Member,
    MemberEventKind, MemberStatus, Outcome, Output, Persist, PersistId, QueryId, QueryProgress,
    QueryRequest, QueryTimeout, SnapshotRecord, Statistics, Tags,
};
