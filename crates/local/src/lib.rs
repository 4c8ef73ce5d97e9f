//! The agent's own services and checks.
mod check_definition;
mod fields;
mod proxy;
mod refused;
mod service_definition;
mod sidecar;
mod status;
mod structure;
mod time;

pub use check_definition::{CheckDefinition, CheckError, CheckKind};
pub use refused::Refused;
pub use service_definition::ServiceDefinition;
pub use status::Status;
pub use time::Time;
