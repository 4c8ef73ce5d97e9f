//! `consul leave`.

use client::http::Request;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::{complain, say};

pub(super) fn run(command: &Command, parsed: &Parsed) -> Result<(), Failure> {
    if !parsed.positional.is_empty() {
        let words = parsed.words().join(" ");
        complain(format!("Error found unexpected args: [{words}]"));
        say(command.help());
        return Err(Failure::Silent(1));
    }
    let agent = Agent::connect(parsed)?;
    agent
        .read(Request::put("/v1/agent/leave"))
        .map_err(|error| Failure::of("Error leaving", error))?;
    say("Graceful leave complete");
    Ok(())
}
