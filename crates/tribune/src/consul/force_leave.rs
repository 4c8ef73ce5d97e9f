//! `consul force-leave`.

use client::http::Request;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let words = parsed.words();
    let [node] = words.as_slice() else {
        return Err(Failure::misused("A single node name must be specified to force leave."));
    };
    let mut request = Request::put(format!("/v1/agent/force-leave/{node}"));
    for flag in ["prune", "wan"] {
        if parsed.on(flag) {
            request = request.with(flag, "1");
        }
    }
    let agent = Agent::connect(parsed)?;
    agent.read(request).map_err(|error| Failure::of("Error force leaving", error))?;
    Ok(())
}
