//! The agent's own services and checks: what they are, how they are, where they are kept, and how
//! the catalogue is kept equal to them. Pure: no I/O, no clock, no chance but the one handed in.
//!
//! ```text
//!   bodies of requests ──▶ ServiceDefinition ─┐               ┌─▶ Register, Deregister ─▶ servers
//!   configuration files ─▶ CheckDefinition ───┼─▶  Local  ────┼─▶ FetchRemote ─────────▶ servers
//!   data directory ──────▶ load ──────────────┤  (machine)    ├─▶ Save, Move, Remove ─▶ disk
//!   runners of checks ───▶ Input::Ran ────────┤               ├─▶ Start, Stop ──▶ runners
//!   servers' answers ────▶ Input::Called,     │               ├─▶ Done ─────────▶ who waits
//!                          Input::Remote ─────┘               └─▶ Fact ─────────▶ the log
//! ```
//!
//! The agent is the source of truth for its node: a service that somebody else has registered on
//! it is removed from the catalogue at the next full sync, a changed one is put back. Between full
//! syncs every change is pushed by itself, each name at most once at a time and many at once.
//! A [`Ticket`] tells a request when the catalogue has what it changed.
//!
//! Checks that are told ([`CheckKind::Ttl`]) and that go by others of this agent
//! ([`CheckKind::Alias`]) live here; all others are run outside, and their results counted here.
//!
//! Not here: running checks, the JSON of answers, who may do what, the timing of the process. What
//! an agent of Consul has left in the data directory is taken over as it is; what is written there
//! it could read.
//!
//! ```
//! use catalog::Node;
//! use local::{Config, Input, Local, Outcome, Output, ServiceDefinition, Source, Time};
//! use rand::SeedableRng;
//! use rand::rngs::SmallRng;
//!
//! let node = Node { name: "n1".into(), address: "127.0.0.1".into(), ..Node::default() };
//! let now = Time::from_secs(1_700_000_000);
//! let mut local = Local::new(Config::new(node), now, SmallRng::seed_from_u64(1));
//!
//! let body = br#"{"Name": "web", "Port": 80, "Check": {"TTL": "30s"}}"#;
//! let web = ServiceDefinition::parse(body)?;
//! let ticket = local.register_service(now, web, Source::Request, "", false)?;
//! let mut registered = Vec::new();
//! while let Some(output) = local.poll_output() {
//!     match output {
//!         // The service goes with its check in one call.
//!         Output::Register { call, request, .. } => {
//!             assert_eq!(request.checks[0].id, "service:web".into());
//!             local.handle(now, Input::Called { call, outcome: Outcome::Done });
//!         }
//!         Output::Done(ticket) => registered.push(ticket),
//!         _ => {}
//!     }
//! }
//! assert_eq!(registered, [ticket]);
//! # Ok::<(), local::Refused>(())
//! ```

mod alias;
mod check_definition;
mod check_table;
mod checks;
mod compare;
mod content_hash;
mod damping;
mod entry;
mod fields;
mod files;
mod health;
mod interface;
mod load;
mod machine;
mod proxy;
mod queue;
mod refused;
mod service_definition;
mod services;
mod sidecar;
mod status;
mod structure;
mod sync;
mod time;
mod timers;

pub use check_definition::{CheckDefinition, CheckError, CheckKind};
pub use checks::parse_update;
pub use content_hash::content_hash;
pub use entry::{LocalCheck, LocalService};
pub use files::DIRECTORIES;
pub use health::{Aggregate, Health};
pub use interface::{
    CallId, Config, Fact, Input, Key, Outcome, Output, RemoteView, Source, Ticket, Token,
};
pub use machine::Local;
pub use proxy::Proxy;
pub use proxy::agent_proxy;
pub use refused::Refused;
pub use service_definition::ServiceDefinition;
pub use status::Status;
pub use structure::{Sidecar, Structure};
pub use time::Time;
