//! A server of a datacenter: the catalogue behind its log, its two pools, HTTP and DNS.
//!
//! ```text
//!   HTTP ─▶ http ─▶ api handlers ─▶ Store::write ─▶ raft ─▶ Replica::apply
//!            │                                                  │
//!            │  block: waits for another answer ◀── Catalogue ◀─┘ publishes, wakes
//!            └──▶ shell: the agent's own calls ─▶ pools (serf), events, operator
//!
//!   DNS ─▶ dns: sockets and recursors ─▶ the `dns` crate, over a snapshot
//!
//!   reconcile: this server's own node      sessions: their times to live
//! ```
//!
//! One runtime on one thread runs all of it. The catalogue is written by the log alone and read
//! through snapshots; who waits is entered with the rows that its answer was made of.
//!
//! The agent's own services and checks are kept by one task, the keeper; each check that looks at
//! something is a task of its own.
//!
//! Not here yet: other servers and clients.

mod ask;
mod catalogue;
mod dns;
mod events;
mod facts;
mod http;
mod identity;
mod keeper;
mod limits;
mod options;
mod pools;
mod position;
mod private_file;
mod random;
mod reconcile;
mod records;
mod run;
mod runner;
mod sessions;
mod shell;
mod start;
mod store;
mod telemetry;

pub use ask::Ask;
pub use identity::{Identity, Meta};
pub use options::{
    CheckOptions, DnsOptions, DnsRules, Endpoint, HttpOptions, Options, PoolOptions, SocketOptions,
    TlsOptions,
};
pub use run::{run, validate};
pub use shell::shown_configuration;
pub use start::{ForeignLog, Running, StartError, start};
pub use telemetry::TelemetryOptions;

/// The version that this server tells others: that of the program whose place it takes.
pub const VERSION: &str = "1.16.4";

/// The day that builds without one show, as Consul's do.
const BUILD_DATE: &str = "1970-01-01 00:00:01 +0000 UTC";
