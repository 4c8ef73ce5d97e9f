//! `tribune explain`: how an answer of DNS comes about.

use client::http::Request;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(super) fn dns(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let name = one(parsed, "name")?;
    let request = Request::get(format!("/v1/tribune/explain/dns/{name}"))
        .with("type", parsed.text("type"))
        .with("transport", if parsed.on("tcp") { "tcp" } else { "udp" });
    show(parsed, request)
}

pub(super) fn service(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let name = one(parsed, "service")?;
    show(parsed, Request::get(format!("/v1/tribune/explain/service/{name}")))
}

fn one(parsed: &Parsed, what: &str) -> Result<String, Failure> {
    match parsed.words().as_slice() {
        [one] if !one.is_empty() => Ok(one.clone()),
        _ => Err(Failure::misused(&format!("One {what} must be specified"))),
    }
}

fn show(parsed: &Parsed, request: Request) -> Result<(), Failure> {
    let agent = Agent::connect(parsed)?;
    let failed = |error| Failure::of("Error explaining the answer", error);
    let mut trace = agent.object(request).map_err(failed)?;
    let steps: Vec<String> = trace.field("Steps").map_err(|error| failed(error.into()))?;
    steps.into_iter().for_each(say);
    Ok(())
}
