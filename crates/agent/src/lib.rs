//! The asynchronous shell around the cores: sockets, timers, RPC, handlers, files, configuration,
//! logs and metrics.
//!
//! One task, the driver, owns the Serf machine: it brings in what the network, the clock and
//! callers have, and carries out what the machine says. Everything else talks to it through a
//! [`node::NodeHandle`] and has a task of its own: each stream, each RPC client, the handlers, the
//! snapshot file, mDNS. None of them can hold up the driver; what waits between two tasks has a
//! bound in [`limits`] or beside the queue it bounds.
//!
//! ```text
//!   flags, files ──▶ config ──▶ start ──▶ node::Node ──▶ driver (owns serf::Serf)
//!                                 │                        │   ▲
//!                signals, reload ─┤      facts ◀───────────┤   ├── UDP, streams
//!                                 │  render: log, metrics  │   ├── files (on helper threads)
//!                 mDNS, joins ────┤      evidence          │   └── NodeHandle ◀── rpc, handlers,
//!                                 └────────────────────────▼                     floating role
//!                                        events ──▶ handlers, RPC streams
//! ```
//!
//! What it does not know: what the messages mean (the cores do), and how commands print (the
//! binary does). What only some systems have is behind `cfg`.

pub mod config;
mod driver;
pub mod event_filter;
pub mod evidence;
pub mod files;
pub mod floating;
pub mod handlers;
pub mod limits;
pub mod log;
mod mdns;
pub mod node;
pub mod notify;
pub mod output;
mod platform;
mod random;
pub mod render;
mod resolve;
pub mod rpc;
pub mod runtime;
mod start;
mod streams;
pub mod syslog;
pub mod telemetry;

pub use config::FlagSetting;
pub use platform::{Signal, Signals};
pub use start::run;
