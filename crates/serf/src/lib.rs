//! Serf's membership, events and queries on top of gossip, as a machine without I/O.

mod certificates;
mod coalesce;
mod filter;
mod history;
mod interface;
mod lamport;
pub mod limits;
mod machine;
mod open_queries;
mod pipeline;
pub mod snapshot;
mod table;
mod timers;
mod vivaldi;

pub use gossip::{ConnectionId, DialId, Keyring, Profile, Security, Time, Token};
pub use interface::{
    Command, Config, Error, Event, Fact, Input, JoinTarget, KeyOperation, KeyReport, Member,
    MemberEventKind, MemberStatus, Outcome, Output, Persist, PersistId, QueryId, QueryProgress,
    QueryRequest, QueryTimeout, SnapshotRecord, Statistics, Tags,
};
pub use machine::{ConfigError, Serf, validate};
pub use vivaldi::distance;
pub use wire::message::Coordinate;
