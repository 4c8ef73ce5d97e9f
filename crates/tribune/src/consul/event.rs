//! `consul event`.

use client::http::{HttpError, Request};
use gotext::object::Object;
use pattern::Pattern;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

/// What a pattern may cost; the agents that it is sent to have bounds of their own.
pub(super) const PATTERN_COST: usize = 1 << 20;

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let name = parsed.text("name");
    if name.is_empty() {
        return Err(Failure::misused("Event name must be specified"));
    }
    let [node, service, tag] = ["node", "service", "tag"].map(|flag| parsed.text(flag));
    for (what, text) in [("node", &node), ("service", &service), ("tag", &tag)] {
        if what == "tag" && !tag.is_empty() && service.is_empty() {
            return Err(Failure::said("Cannot provide tag filter without service filter."));
        }
        Pattern::new(text, PATTERN_COST).map_err(|error| {
            Failure::of(&format!("Failed to compile {what} filter regexp"), error)
        })?;
    }
    let payload = match parsed.positional.as_slice() {
        [] => Vec::new(),
        [payload] => payload.as_encoded_bytes().to_vec(),
        _ => return Err(Failure::misused("Too many command line arguments.")),
    };
    let agent = Agent::connect(parsed)?;
    agent.node_name().map_err(|error| Failure::of("Error querying Consul agent", error))?;
    let request = Request::put(format!("/v1/event/fire/{name}"))
        .with_given("node", node)
        .with_given("service", service)
        .with_given("tag", tag)
        .body(payload);
    let fire = || -> Result<String, HttpError> {
        let mut event: Object = agent.object(request)?;
        Ok(event.field("ID")?)
    };
    let id = fire().map_err(|error| Failure::of("Error firing event", error))?;
    say(format!("Event ID: {id}"));
    Ok(())
}
