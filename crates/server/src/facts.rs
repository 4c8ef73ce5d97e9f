//! Log lines of what happens to the agent's own services and checks.

use agent::log::{Level, Log};
use local::{Fact, Key};

fn shown(key: &Key) -> String {
    match key {
        Key::Node => "node info".to_owned(),
        Key::Service(id) => format!("service: service={id}"),
        Key::Check(id) => format!("check: check={id}"),
    }
}

/// Writes a fact down.
pub(crate) fn log(log: &Log, fact: &Fact) {
    let (level, text) = match fact {
        Fact::Synced(key) => (Level::Info, format!("Synced {}", shown(key))),
        Fact::Deregistered(key) => (Level::Info, format!("Deregistered {}", shown(key))),
        Fact::Blocked(key) => (Level::Warn, format!("Sync of {} blocked by ACLs", shown(key))),
        Fact::SyncFailed { key, why } => {
            let what = key.as_ref().map_or_else(|| "remote state".to_owned(), shown);
            (Level::Err, format!("failed to sync {what}: error={}", gotext::quote(why)))
        }
        Fact::StatusChanged { check, status } => {
            let level = if *status == local::Status::Passing { Level::Debug } else { Level::Warn };
            (level, format!("Check status updated: check={check} status={status}"))
        }
        Fact::TtlExpired(check) => {
            (Level::Warn, format!("Check missed TTL, is now critical: check={check}"))
        }
        Fact::Reaped { service, check } => (
            Level::Info,
            format!("deregistered service with critical health: service={service} check={check}"),
        ),
        Fact::NodeMaintenance(on) => {
            (Level::Info, format!("Node {} maintenance mode", if *on { "entered" } else { "left" }))
        }
        Fact::ServiceMaintenance(service, on) => {
            let verb = if *on { "entered" } else { "left" };
            (Level::Info, format!("Service {verb} maintenance mode: service={service}"))
        }
        Fact::BadFile { file, why } => {
            (Level::Err, format!("failed to use {file}: {why}; it stays where it is"))
        }
    };
    log.line(level, "agent", text);
}
