//! The asynchronous shell around the cores: sockets, timers, RPC, handlers, files, configuration,
//! logs and metrics.

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
mod notify;
mod output;
mod platform;
mod random;
mod render;
mod resolve;
pub mod rpc;
mod signals;
mod start;
mod streams;
mod syslog;
pub mod telemetry;

pub use config::FlagSetting;
pub use start::run;
