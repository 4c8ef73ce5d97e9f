//! What this server does not have yet, as far as the truth about it can be told: there is none.
//! Making any is refused.

use crate::answer::{Answer, Failure};
use crate::endpoint::{Proposal, Reader};
use crate::json;
use crate::request::Request;

/// The kinds of config entries (consul-acl-connect, "Config entries").
const KINDS: [&str; 17] = [
    "api-gateway",
    "bound-api-gateway",
    "exported-services",
    "http-route",
    "ingress-gateway",
    "inline-certificate",
    "jwt-provider",
    "mesh",
    "proxy-defaults",
    "sameness-group",
    "service-defaults",
    "service-intentions",
    "service-resolver",
    "service-router",
    "service-splitter",
    "tcp-route",
    "terminating-gateway",
];

fn none() -> Answer {
    Answer::new(json::body::<[()]>(&[]))
}

pub(crate) fn of_gateway(request: &Request, _: &Reader<'_>) -> Result<Answer, Failure> {
    if request.tail.is_empty() {
        return Err(Failure::bad("Missing gateway name"));
    }
    Ok(none())
}

pub(crate) fn config(request: &Request, _: &Reader<'_>) -> Result<Answer, Failure> {
    let tail = request.tail_text();
    let (kind, name) = tail.split_once('/').unwrap_or((&tail, ""));
    if !kind.is_empty() && !KINDS.contains(&kind) {
        return Err(Failure::internal(format!("invalid config entry kind: {kind}")));
    }
    if name.is_empty() {
        return Ok(none());
    }
    let (kind, name) = (gotext::quote(kind), gotext::quote(name));
    Err(Failure::new(404, format!("Config entry not found for {kind} / {name}")))
}

/// What is not there is gone already.
pub(crate) fn remove_config(request: &Request, _: &Reader<'_>) -> Result<Proposal, Failure> {
    let tail = request.tail_text();
    let named =
        tail.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
    if !named {
        return Err(Failure::new(404, "Must provide both a kind and name to delete"));
    }
    let nothing = std::collections::BTreeMap::<&str, ()>::new();
    Ok(Proposal::Answer(Answer::new(json::body(&nothing))))
}

#[cfg(test)]
mod tests;
