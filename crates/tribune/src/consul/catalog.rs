//! `consul catalog ...`.

use std::collections::BTreeMap;

use client::http::{HttpError, Request};
use gotext::decode::{Value, whole_value};
use gotext::object::{FromValue, Object};

use super::Failure;
use super::connection::Agent;
use super::failure::too_many;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::{complain, say};
use crate::table::columns;

/// Blanks between names and tags, at least.
const TAGS_PADDING: usize = 6;

pub(super) fn datacenters(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    too_many(parsed.positional.len(), 0)?;
    let agent = Agent::connect(parsed)?;
    let read = || -> Result<Vec<String>, HttpError> {
        let body = agent.read(Request::get("/v1/catalog/datacenters"))?;
        Ok(Vec::from_value(whole_value(&body)?)?)
    };
    let names = read().map_err(|error| Failure::of("Error listing datacenters", error))?;
    for name in names {
        say(name);
    }
    Ok(())
}

/// With the filters that nodes and services have in common.
fn filtered(mut request: Request, parsed: &Parsed) -> Request {
    for (key, value) in parsed.pairs("node-meta") {
        request = request.with("node-meta", format!("{key}:{value}"));
    }
    request
}

struct Node {
    id: String,
    name: String,
    address: String,
    datacenter: String,
    tagged_addresses: BTreeMap<String, String>,
    meta: BTreeMap<String, String>,
}

impl Node {
    /// Reads a node, or what a service's entry tells about its node.
    fn read(mut fields: Object) -> Result<Node, HttpError> {
        let service_meta = fields.optional("NodeMeta")?;
        let meta: Option<_> = fields.optional("Meta")?;
        Ok(Node {
            id: fields.field("ID")?,
            name: fields.field("Node")?,
            address: fields.field("Address")?,
            datacenter: fields.field("Datacenter")?,
            tagged_addresses: fields.field("TaggedAddresses")?,
            meta: service_meta.or(meta).unwrap_or_default(),
        })
    }
}

pub(super) fn nodes(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    too_many(parsed.positional.len(), 0)?;
    let agent = Agent::connect(parsed)?;
    let request = match parsed.text("service").as_str() {
        "" => Request::get("/v1/catalog/nodes"),
        service => Request::get(format!("/v1/catalog/service/{service}")),
    };
    let request = filtered(request, parsed)
        .with_given("near", parsed.text("near"))
        .with_given("filter", parsed.text("filter"));
    let read = || -> Result<Vec<Node>, HttpError> {
        agent.objects(request)?.into_iter().map(Node::read).collect()
    };
    let nodes = read().map_err(|error| Failure::of("Error listing nodes", error))?;
    if nodes.is_empty() {
        complain("No nodes match the given query - try expanding your search.");
        return Ok(());
    }
    say(nodes_table(&nodes, parsed.on("detailed")));
    Ok(())
}

fn nodes_table(nodes: &[Node], detailed: bool) -> String {
    let mut head = vec!["Node", "ID", "Address", "DC"];
    if detailed {
        head.extend(["TaggedAddresses", "Meta"]);
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for node in nodes {
        let id =
            if detailed { &node.id[..] } else { node.id.split('-').next().unwrap_or_default() };
        let mut row =
            vec![node.name.clone(), id.to_owned(), node.address.clone(), node.datacenter.clone()];
        if detailed {
            row.extend([pairs(&node.tagged_addresses), pairs(&node.meta)]);
        }
        rows.push(row);
    }
    columns(&rows)
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn services(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    too_many(parsed.positional.len(), 0)?;
    let agent = Agent::connect(parsed)?;
    let services = match parsed.text("node").as_str() {
        "" => all_services(&agent, parsed),
        node => services_of(&agent, parsed, node),
    };
    let services = services.map_err(|error| Failure::of("Error listing services", error))?;
    if services.is_empty() {
        complain("No services match the given query - try expanding your search.");
        return Ok(());
    }
    for line in service_lines(services, parsed.on("tags")) {
        say(line);
    }
    Ok(())
}

type Services = BTreeMap<String, Vec<String>>;

fn all_services(agent: &Agent, parsed: &Parsed) -> Result<Services, HttpError> {
    let body = agent.read(filtered(Request::get("/v1/catalog/services"), parsed))?;
    Ok(match whole_value(&body)? {
        Value::Null => Services::new(),
        value => Services::from_value(value)?,
    })
}

fn services_of(agent: &Agent, parsed: &Parsed, node: &str) -> Result<Services, HttpError> {
    let request = filtered(Request::get(format!("/v1/catalog/node/{node}")), parsed);
    let entries: BTreeMap<String, Object> = agent.object(request)?.field("Services")?;
    let mut services = Services::new();
    for (_, mut entry) in entries {
        let tags: Vec<String> = entry.field("Tags")?;
        services.entry(entry.field("Service")?).or_default().extend(tags);
    }
    Ok(services)
}

fn service_lines(services: Services, with_tags: bool) -> Vec<String> {
    let width = services.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let width = width + TAGS_PADDING;
    let line = |(name, mut tags): (String, Vec<String>)| {
        if !with_tags {
            return name;
        }
        tags.sort();
        tags.dedup();
        format!("{name:width$}{}", tags.join(","))
    };
    services.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn node(text: &str) -> Node {
        Node::read(Object::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn tables_are_laid_out_as_recorded() {
        let nodes = [
            node(
                r#"{"ID":"11111111-1111-1111-1111-111111111111","Node":"n1","Address":"127.0.0.1",
                    "Datacenter":"dc1","TaggedAddresses":{"wan":"127.0.0.1","lan":"127.0.0.1"},
                    "Meta":{"role":"db","a":""}}"#,
            ),
            node(r#"{"Node":"x","Address":"10.0.0.1","NodeMeta":{"k":"v"},"Meta":null}"#),
        ];
        assert_eq!(
            nodes_table(&nodes, false),
            "Node  ID        Address    DC\n\
             n1    11111111  127.0.0.1  dc1\n\
             x               10.0.0.1   "
        );
        let detailed = nodes_table(&nodes, true);
        assert!(
            detailed.contains("dc1  lan=127.0.0.1, wan=127.0.0.1  a=, role=db\n"),
            "{detailed}"
        );
        assert!(detailed.ends_with("k=v"), "{detailed}");
    }

    #[test]
    fn tags_stand_six_blanks_behind_the_longest_name() {
        let services = Services::from([
            ("consul".to_owned(), vec![]),
            ("db-long-name".to_owned(), vec![]),
            ("web".to_owned(), vec!["v2".to_owned(), "v1".to_owned()]),
        ]);
        assert_eq!(
            service_lines(services.clone(), true),
            ["consul            ", "db-long-name      ", "web               v1,v2"]
        );
        assert_eq!(service_lines(services, false), ["consul", "db-long-name", "web"]);
    }
}
