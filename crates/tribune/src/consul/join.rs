//! `consul join`.

use client::http::Request;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::{complain, say};

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let addresses = parsed.words();
    if addresses.is_empty() {
        return Err(Failure::misused("At least one address to join must be specified."));
    }
    let agent = Agent::connect(parsed)?;
    let mut contacted = 0;
    for address in addresses {
        let mut request = Request::put(format!("/v1/agent/join/{address}"));
        if parsed.on("wan") {
            request = request.with("wan", "1");
        }
        match agent.read(request) {
            Ok(_) => contacted += 1,
            Err(error) => complain(format!("Error joining address '{address}': {error}")),
        }
    }
    if contacted == 0 {
        return Err(Failure::said("Failed to join any nodes."));
    }
    say(format!("Successfully joined cluster by contacting {contacted} nodes."));
    Ok(())
}
