//! The agent's own services and checks.
mod alias;
mod check_definition;
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
pub use refused::Refused;
pub use service_definition::ServiceDefinition;
pub use status::Status;
pub use time::Time;
