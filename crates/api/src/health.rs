//! `/v1/health/`: checks, and instances with theirs (consul-http, "Health").

use catalog::{Check, Key, Kind, Node, Service, Watch};
use filter::fields;

use crate::answer::{Answer, Body, Failure};
use crate::catalog::{NodeMeta, has_tags, named_node, named_service};
use crate::endpoint::Reader;
use crate::json;
use crate::near;
use crate::request::Request;
use crate::rows::{Absent, CheckRow, EntryRow};
use crate::select::{CheckView, EntryView, filter, passes};

const PASSING: &str = "passing";
/// Every state.
const ANY: &str = "any";

pub(crate) fn node(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let name = named_node(request)?;
    let found = reader.snapshot.node_checks(&name).collect();
    let watch = Watch::Key(Key::NodeChecks(name));
    checks(request, reader, found, false, vec![watch])
}

pub(crate) fn service_checks(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let name = named_service(request)?;
    let instances = reader.snapshot.instances(&name);
    let found = instances.flat_map(|(_, service)| reader.snapshot.checks_of(service)).collect();
    // An instance that changes its name takes its checks along.
    let watches = [Key::ServiceChecks(name.clone()), Key::Service(name)].map(Watch::Key);
    checks(request, reader, found, true, watches.into())
}

pub(crate) fn state(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    if request.tail.is_empty() {
        return Err(Failure::bad("Missing check state"));
    }
    let state = request.tail_text();
    let has = |check: &&Check| state == ANY || check.status.eq_ignore_ascii_case(&state);
    let found = reader.snapshot.check_list().filter(has).collect();
    checks(request, reader, found, true, vec![Watch::Any(Kind::Checks)])
}

fn checks(
    request: &Request,
    reader: &Reader<'_>,
    mut found: Vec<&Check>,
    by_node: bool,
    mut watches: Vec<Watch>,
) -> Result<Answer, Failure> {
    let filter = filter(request, fields::CHECK)?;
    let meta = NodeMeta::new(request);
    if by_node && !meta.is_empty() {
        watches.push(Watch::Any(Kind::Nodes));
        let node = |check: &Check| reader.snapshot.node(&check.node.fold());
        found.retain(|check| node(check).is_some_and(|node| meta.allows(node)));
    }
    found.retain(|check| passes(&filter, || CheckView::new(check)));
    if by_node {
        near::sort(request, reader, &mut found, |check| &check.node);
    }
    let rows: Vec<_> = found.into_iter().map(|row| CheckRow::new(row, Absent::Empty)).collect();
    Ok(Answer::new(json::body(&rows)).at(reader.snapshot.check_index(), watches))
}

pub(crate) fn service(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let name = named_service(request)?;
    let found = own(request, reader.snapshot.instances(&name));
    let watches = [Watch::Key(Key::Service(name.clone())), Watch::Key(Key::Health(name.clone()))];
    Ok(entries(request, reader, found)?.at(reader.snapshot.health_index(&name), watches))
}

pub(crate) fn connect(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let name = named_service(request)?;
    let found = own(request, reader.snapshot.connect_instances(&name));
    let watch = Watch::Key(Key::Connect(name.clone()));
    Ok(entries(request, reader, found)?.at(reader.snapshot.connect_index(&name), [watch]))
}

/// What another cluster has is not here.
fn own<'a, T>(request: &Request, found: impl Iterator<Item = T> + 'a) -> Vec<T> {
    if request.query.filled("peer").is_some() { Vec::new() } else { found.collect() }
}

/// Gateways into the mesh are config entries, which this server does not have.
pub(crate) fn ingress(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    named_service(request)?;
    entries(request, reader, Vec::new())
}

fn entries(
    request: &Request,
    reader: &Reader<'_>,
    found: Vec<(&Node, &Service)>,
) -> Result<Answer, Failure> {
    let filter = filter(request, fields::SERVICE_ENTRY)?;
    let meta = NodeMeta::new(request);
    let only_passing = match only_passing(request) {
        Ok(only_passing) => only_passing,
        // Consul looks at it behind the query.
        Err(failure) => return Ok(Answer::new(Body::Text(failure.text)).status(failure.status)),
    };
    let datacenter = &*reader.agent.datacenter;
    let mut rows: Vec<EntryRow<'_>> = Vec::new();
    for (node, service) in found {
        if !meta.allows(node) || !has_tags(request, service) {
            continue;
        }
        let checks: Vec<&Check> = reader.snapshot.health_of(service).collect();
        if passes(&filter, || EntryView::new(node, service, &checks, datacenter)) {
            rows.push(EntryRow { node, service, checks, datacenter, absent: Absent::Empty });
        }
    }
    if streams(request) {
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
    }
    near::sort(request, reader, &mut rows, |row| &row.node.name);
    if only_passing {
        keep_passing(&mut rows);
    }
    Ok(Answer::new(json::body(&rows)))
}

/// Whether Consul would answer from its streaming backend, which sorts by bytes.
#[must_use]
pub fn streams(request: &Request) -> bool {
    let index = request.query.filled("index").and_then(|index| index.parse::<u64>().ok());
    request.query.has("cached") || index.is_some_and(|index| index > 0)
}

fn order<'a>(row: &EntryRow<'a>) -> (&'a str, &'a str) {
    (row.node.name.as_str(), row.service.id.as_str())
}

fn only_passing(request: &Request) -> Result<bool, Failure> {
    match request.query.first("passing") {
        None => Ok(false),
        Some("") => Ok(true),
        Some(text) => {
            gotext::parse_bool(text).map_err(|_| Failure::bad("Invalid value for ?passing"))
        }
    }
}

/// Consul fills a gap with the last entry, and clients see that order.
fn keep_passing(rows: &mut Vec<EntryRow<'_>>) {
    let mut at = 0;
    while at < rows.len() {
        if rows[at].checks.iter().all(|check| &*check.status == PASSING) {
            at += 1;
        } else {
            rows.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
