//! The asynchronous shell around the cores: sockets, timers, RPC, handlers, files, configuration,
//! logs and metrics.

pub mod config;
pub mod event_filter;
pub mod handlers;
pub mod log;
mod platform;
mod start;

pub use config::FlagSetting;
pub use start::run;
