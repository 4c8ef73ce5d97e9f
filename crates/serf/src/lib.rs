//! Serf's membership, events and queries on top of gossip, as a machine without I/O.
//!
//! A [`Serf`] is one member. Below it the crate `gossip` says who is alive; here that gets its
//! meaning: an intent makes a departure a leave, tags travel in the meta, events and queries spread
//! once and are answered once, keys change everywhere, and the snapshot remembers it for the next
//! start. It speaks Serf's wire, so that real agents are members beside it. It opens no socket or
//! file, reads no clock and draws no randomness but from the seed it is given.
//!
//! ```text
//!    datagrams, requests, answers, commands, Persisted, Timeout
//!                        │ handle(now, Input)
//!                        ▼
//!   ┌──────────────────── Serf ────────────────────┐
//!   │ gossip::Membership ──► members, intents      │   table: a day, not half a minute
//!   │      ▲       │         exchange (push/pull)  │   history: nothing twice
//!   │      │       ▼                               │   certificates: nobody back on hearsay
//!   │  broadcasts  user messages ──► user_events   │
//!   │      ▲                         queries ──► internal_queries, keys, conflict
//!   │      └──────── leave, join, tags             │
//!   │  pipeline: snapshot records ──► coalescers   │
//!   └──────────────────────┬───────────────────────┘
//!                          ▼ poll_output(), next_timeout()
//!    packets, dials, replies, events, facts, writes, snapshot records, answers to commands
//! ```
//!
//! What it does not do: seal, resolve names, run handlers, or touch the disk. A write goes out as
//! [`Output::Persist`] and its result comes back in; until then what depends on it has not
//! happened.
//!
//! Every bound is in [`limits`] with its reason. The design is in `docs/serf.md`.
//!
//! ```
//! use serf::{Command, Config, Event, Input, Output, Profile, Serf, Time, Token};
//!
//! let address = std::net::IpAddr::from([127, 0, 0, 1]).into();
//! let config = Config::new(gossip::Config::new(Profile::Lan, "alpha".into(), address, 7946));
//! let mut member = Serf::new(config, None, None, 42_u64, Time::ZERO)?;
//!
//! let event = Command::UserEvent { name: "deploy".into(), payload: None, coalesce: false };
//! member.handle(Time::ZERO, Input::Command { token: Token(1), command: event });
//! let outputs: Vec<Output> = std::iter::from_fn(|| member.poll_output()).collect();
//! let delivered = |output: &Output| {
//!     matches!(output, Output::Event(Event::User { name, .. }) if name == "deploy")
//! };
//! assert!(outputs.iter().any(delivered));
//! # Ok::<(), serf::ConfigError>(())
//! ```

mod certificates;
mod coalesce;
mod config;
mod coordinates;
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

pub use config::Config;
pub use gossip::{
    ConnectionId, DialId, FrozenState, Keyring, Profile, Security, Seed, Time, Token,
};
pub use interface::{
    Command, Error, Event, Fact, Input, JoinTarget, KeyOperation, KeyReport, KeyStep, Member,
    MemberEventKind, MemberStatus, MessageKind, Outcome, Output, Persist, PersistId, QueryId,
    QueryProgress, QueryRequest, QueryTimeout, SnapshotRecord, Statistics, TagChange, Tags,
};
pub use machine::{ConfigError, Known, Serf, validate};
pub use pattern::{Pattern, PatternError};
pub use vivaldi::distance;
pub use wire::message::Coordinate;
