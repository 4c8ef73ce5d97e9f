//! `consul version`.

use gotext::Json;

use super::{CONSUL_LEVEL, Failure};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

/// Our own version; the other one is that of the behaviour.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// A build is told by its version alone: the date is that of no build.
const BUILD_DATE: &str = "1970-01-01T00:00:01Z";

/// Protocols between agents: what is spoken, and the oldest and newest understood.
const PROTOCOL: [i64; 3] = [2, 2, 3];

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    match parsed.text("format").as_str() {
        "pretty" => say(pretty()),
        "json" => say(json().indented_by("   ")),
        other => return Err(Failure::Said(format!("Unknown format: {other}"))),
    }
    Ok(())
}

/// What `--version` shows.
pub(super) fn run_plain() -> i32 {
    say(pretty());
    0
}

fn pretty() -> String {
    let [spoken, oldest, newest] = PROTOCOL;
    format!(
        "Consul v{CONSUL_LEVEL}\n\
         Build Date {BUILD_DATE} (Tribune {OWN})\n\
         Protocol {spoken} spoken by default, understands {oldest} to {newest} (agent will \
         automatically use protocol >2 when speaking to compatible agents)\n"
    )
}

fn json() -> Json {
    let [spoken, oldest, newest] = PROTOCOL;
    Json::record([
        ("Version", Json::text(CONSUL_LEVEL)),
        ("Revision", Json::text("")),
        ("Prerelease", Json::text("")),
        ("BuildDate", Json::text(BUILD_DATE)),
        (
            "RPC",
            Json::record([
                ("Default", Json::Int(spoken)),
                ("Min", Json::Int(oldest)),
                ("Max", Json::Int(newest)),
            ]),
        ),
        ("Tribune", Json::text(OWN)),
    ])
}
