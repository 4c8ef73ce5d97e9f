//! Log lines of what happens to the agent's own services and checks.

use agent::log::{Level, Log, Value};
use local::{Fact, Key};

/// What it is, and its field.
fn named(key: &Key) -> (&'static str, Option<(&'static str, Value)>) {
    match key {
        Key::Node => ("node info", None),
        Key::Service(id) => ("service", Some(("service", id.as_str().into()))),
        Key::Check(id) => ("check", Some(("check", id.as_str().into()))),
    }
}

/// Writes a fact down.
pub(crate) fn log(log: &Log, fact: &Fact) {
    let about = |level, verb: &str, key: &Key| match named(key) {
        (what, Some(field)) => log.entry(level, "agent", format_args!("{verb} {what}"), [field]),
        (what, None) => log.line(level, "agent", format_args!("{verb} {what}")),
    };
    match fact {
        Fact::Synced(key) => about(Level::Info, "Synced", key),
        Fact::Deregistered(key) => about(Level::Info, "Deregistered", key),
        Fact::Blocked(key) => about(Level::Warn, "ACLs block the sync of", key),
        Fact::SyncFailed { key, why } => {
            let error = ("error", why.as_str().into());
            match key.as_ref().map(named) {
                None => log.entry(Level::Err, "agent", "failed to sync remote state", [error]),
                Some((what, None)) => {
                    log.entry(Level::Err, "agent", format_args!("failed to sync {what}"), [error]);
                }
                Some((what, Some(field))) => {
                    let text = format_args!("failed to sync {what}");
                    log.entry(Level::Err, "agent", text, [field, error]);
                }
            }
        }
        Fact::StatusChanged { check, status } => {
            let level = if *status == local::Status::Passing { Level::Debug } else { Level::Warn };
            let fields = [("check", check.as_str().into()), ("status", status.as_str().into())];
            log.entry(level, "agent", "Check status updated", fields);
        }
        Fact::TtlExpired(check) => {
            let fields = [("check", check.as_str().into())];
            log.entry(Level::Warn, "agent", "Check missed TTL, is now critical", fields);
        }
        Fact::Reaped { service, check } => {
            let fields = [("service", service.as_str().into()), ("check", check.as_str().into())];
            log.entry(Level::Info, "agent", "deregistered service with critical health", fields);
        }
        Fact::NodeMaintenance(on) => {
            let verb = if *on { "entered" } else { "left" };
            log.line(Level::Info, "agent", format_args!("Node {verb} maintenance mode"));
        }
        Fact::ServiceMaintenance(service, on) => {
            let verb = if *on { "entered" } else { "left" };
            let fields = [("service", service.as_str().into())];
            log.entry(
                Level::Info,
                "agent",
                format_args!("Service {verb} maintenance mode"),
                fields,
            );
        }
        Fact::BadFile { file, why } => {
            let fields = [("file", file.as_str().into()), ("error", why.as_str().into())];
            log.entry(Level::Err, "agent", "file cannot be used and stays where it is", fields);
        }
    }
}
