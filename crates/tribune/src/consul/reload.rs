//! `consul reload`.

use client::http::Request;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let agent = Agent::connect(parsed)?;
    agent
        .read(Request::put("/v1/agent/reload"))
        .map_err(|error| Failure::of("Error reloading", error))?;
    say("Configuration reload triggered");
    Ok(())
}
