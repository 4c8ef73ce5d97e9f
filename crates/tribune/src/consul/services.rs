//! `consul services ...`.

use client::http::Request;
use gotext::Json;

use super::Failure;
use super::connection::Agent;
use super::definitions::{self, Definition};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(super) fn register(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let (name, paths) = (parsed.text("name"), parsed.words());
    if name.is_empty() && paths.is_empty() {
        let text = "Service registration requires at least one argument or flags.";
        return Err(Failure::said(text));
    }
    let described = !name.is_empty() || !parsed.text("id").is_empty();
    if described && !paths.is_empty() {
        let text = "Service registration requires arguments or -id, not both.";
        return Err(Failure::said(text));
    }
    let definitions = match paths.as_slice() {
        [] => vec![typed(name, parsed)?],
        paths => definitions::read(paths).map_err(|why| Failure::of("Error", why))?,
    };
    let agent = Agent::connect(parsed)?;
    for definition in definitions {
        let request = Request::put("/v1/agent/service/register").body(definition.body.compact());
        let name = &definition.name;
        agent.read(request).map_err(|error| {
            Failure::of(&format!("Error registering service {}", gotext::quote(name)), error)
        })?;
        say(format!("Registered service: {name}"));
    }
    Ok(())
}

/// The service that the flags describe.
fn typed(name: String, parsed: &Parsed) -> Result<Definition, Failure> {
    let id = parsed.text("id");
    let mut fields = vec![("Name", Json::text(name.as_str()))];
    for (field, flag) in
        [("ID", "id"), ("Kind", "kind"), ("Address", "address"), ("SocketPath", "socket")]
    {
        let value = parsed.text(flag);
        if !value.is_empty() {
            fields.push((field, Json::text(value)));
        }
    }
    fields.push(("Port", Json::Int(parsed.int("port"))));
    let tags: Vec<_> = parsed.list("tag").into_iter().map(Json::text).collect();
    fields.push(("Tags", Json::list_or_null(tags)));
    let meta = parsed.pairs("meta");
    if !meta.is_empty() {
        fields.push(("Meta", Json::map(last_of_each(meta))));
    }
    let mut addresses = Vec::new();
    for (kind, address) in last_of_each(parsed.pairs("tagged-address")) {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::of(&format!("Error parsing the tagged address {kind}"), why)
        };
        let (host, port) = gotext::split_host_port(&address).map_err(|error| failed(&error))?;
        let port = gotext::parse_port(port).map_err(|error| failed(&error))?;
        let record =
            Json::record([("Address", Json::text(host)), ("Port", Json::Int(i64::from(port)))]);
        addresses.push((kind, record));
    }
    if !addresses.is_empty() {
        fields.push(("TaggedAddresses", Json::Object(addresses)));
    }
    let body = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
    Ok(Definition { name, id, body: Json::Object(body) })
}

/// Pairs as a map: sorted, of several with one key the last.
fn last_of_each(pairs: Vec<(String, String)>) -> std::collections::BTreeMap<String, String> {
    pairs.into_iter().collect()
}

pub(super) fn deregister(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let (id, paths) = (parsed.text("id"), parsed.words());
    if id.is_empty() && paths.is_empty() {
        let text = "Service deregistration requires at least one argument or -id.";
        return Err(Failure::said(text));
    }
    if !id.is_empty() && !paths.is_empty() {
        let text = "Service deregistration requires arguments or -id, not both.";
        return Err(Failure::said(text));
    }
    let services: Vec<(String, String)> = match paths.as_slice() {
        [] => vec![(String::new(), id)],
        paths => definitions::read(paths)
            .map_err(|why| Failure::of("Error", why))?
            .into_iter()
            .map(|service| {
                let id = if service.id.is_empty() { service.name.clone() } else { service.id };
                (service.name, id)
            })
            .collect(),
    };
    let agent = Agent::connect(parsed)?;
    for (name, id) in services {
        let request = Request::put(format!("/v1/agent/service/deregister/{id}"));
        agent.read(request).map_err(|error| {
            Failure::of(&format!("Error deregistering service {}", gotext::quote(&name)), error)
        })?;
        say(format!("Deregistered service: {id}"));
    }
    Ok(())
}
