//! `consul maint`.

use std::collections::BTreeMap;

use client::http::{HttpError, Request};
use gotext::object::{FromValue, Object};

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

/// The check that keeps a node out of answers.
const NODE_CHECK: &str = "_node_maintenance";

/// What the checks begin with that keep a service out of answers; its ID follows.
const SERVICE_CHECK: &str = "_service_maintenance:";

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let (enable, disable) = (parsed.on("enable"), parsed.on("disable"));
    let (service, reason) = (parsed.text("service"), parsed.text("reason"));
    if enable && disable {
        return Err(Failure::said("Only one of -enable or -disable may be provided"));
    }
    if !enable && !reason.is_empty() {
        return Err(Failure::said("Reason may only be provided with -enable"));
    }
    if !enable && !disable && !service.is_empty() {
        return Err(Failure::said("Service requires either -enable or -disable"));
    }
    let agent = Agent::connect(parsed)?;
    if !enable && !disable {
        return list(&agent);
    }
    let (path, what) = match service.as_str() {
        "" => ("/v1/agent/maintenance".to_owned(), "node"),
        service => (format!("/v1/agent/service/maintenance/{service}"), "service"),
    };
    let mut request = Request::put(path).with("enable", enable.to_string());
    if enable {
        request = request.with("reason", reason);
    }
    let doing = if enable { "enabling" } else { "disabling" };
    agent
        .read(request)
        .map_err(|error| Failure::of(&format!("Error {doing} {what} maintenance"), error))?;
    let now = if enable { "enabled" } else { "disabled" };
    if service.is_empty() {
        say(format!("Node maintenance is now {now}"));
    } else {
        say(format!("Service maintenance is now {now} for {}", gotext::quote(&service)));
    }
    Ok(())
}

fn list(agent: &Agent) -> Result<(), Failure> {
    let read = || -> Result<(String, BTreeMap<String, Object>), HttpError> {
        let node = agent.node_name()?;
        let checks = agent.object(Request::get("/v1/agent/checks"))?.rest();
        let checks = checks
            .into_iter()
            .map(|(id, check)| Ok((id, Object::from_value(check)?)))
            .collect::<Result<_, HttpError>>()?;
        Ok((node, checks))
    };
    let (node, checks) =
        read().map_err(|error| Failure::of("Error querying Consul agent", error))?;
    for (id, mut check) in checks {
        let reason: String = check.field("Notes").unwrap_or_default();
        if id == NODE_CHECK {
            say(format!("Node:\n  Name:   {node}\n  Reason: {reason}\n"));
        } else if let Some(service) = id.strip_prefix(SERVICE_CHECK) {
            say(format!("Service:\n  ID:     {service}\n  Reason: {reason}\n"));
        }
    }
    Ok(())
}
