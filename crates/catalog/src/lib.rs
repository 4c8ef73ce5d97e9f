//! The catalogue: what the servers of a datacenter agree on. Nodes, services, checks, keys,
//! sessions, coordinates and prepared queries, transactions over them, and who waits for which
//! change. Pure: no I/O, no clock, no chance.
//!
//! ```text
//!                 one log entry: index, clock, commands
//!                                  │
//!                                  ▼
//!   Watches::wake ◀── touched ── State ── snapshot() ──▶ Snapshot ──▶ readers: rows and an index
//!      (who)           keys                                 │
//!                                                           └── save / restore: bytes
//! ```
//!
//! [`State::apply`] is deterministic: every server that applies the same commands has the same
//! state, down to the bytes of [`Snapshot::save`]. A [`Snapshot`] is a handful of reference counts
//! and never changes. A write that changes nothing moves no index and wakes nobody.
//!
//! Not here: what a request may leave out in its JSON form and how answers are written, when a
//! session's time is over, who may see what.
//!
//! ```
//! use catalog::{Command, KvVerb, KvWrite, ModifyIndex, Response, State, Time};
//!
//! let mut state = State::default();
//! let set = Command::Kv(KvWrite {
//!     verb: KvVerb::Set,
//!     key: (*b"greeting").into(),
//!     value: (*b"hello").into(),
//!     flags: 0,
//!     index: ModifyIndex::ZERO,
//!     session: "".into(),
//! });
//! let answers = state.apply(ModifyIndex(7), Time(0), [set]);
//! assert_eq!(answers, [Response::Written(true)]);
//! let snapshot = state.snapshot();
//! assert_eq!(snapshot.kv_get(b"greeting").unwrap().fields().value, b"hello");
//! assert_eq!(snapshot.kv_index(), ModifyIndex(7));
//! ```

mod addresses;
mod autopilot;
mod check;
mod coordinate;
mod entry;
mod error;
mod index_table;
mod instances;
mod kv;
mod lookup;
mod mark;
mod name;
mod node;
mod query;
mod register;
mod restore;
mod row;
mod service;
mod session;
mod snapshot;
mod sorted;
mod state;
mod table;
mod txn;
mod usage;
mod virtual_address;
mod watch;

pub use autopilot::{Autopilot, AutopilotWrite};
pub use check::{CRITICAL, Check, CheckKey, SERF_HEALTH};
pub use coordinate::{Coordinate, NodeCoordinate};
pub use entry::{Entry, Fields};
pub use error::Error;
pub use instances::Health;
pub use kv::{KvVerb, KvWrite};
pub use lookup::{Found, Instances};
pub use name::{
    CheckId, ModifyIndex, NodeId, NodeName, Pairs, ServiceId, ServiceName, SessionId, Time, Uuid,
};
pub use node::Node;
pub use query::{
    Chosen, FailoverTarget, NAME_PREFIX_MATCH, NamedQuery, Passed, PreparedQuery, QueryFailover,
    QueryId, QueryRun, QueryTemplate, QueryWrite, Secret, ServiceQuery, Unfit,
};
pub use register::{Register, pairs_valid, query_meta_valid, uuid_valid};
pub use restore::{PartWriter, RestorePart};
pub use row::Row;
pub use service::{Service, ServiceAddress, ServiceKey, Tags, Weights};
pub use session::{Behavior, LOCK_DELAY_MAX_MS, Session};
pub use state::{Command, Response, Snapshot, State};
pub use txn::{RowVerb, TxnError, TxnOp, TxnResult, TxnVerb, txn_refused};
pub use usage::Usage;
pub use watch::{Key, Kind, Watch, WatchId, Watches};
