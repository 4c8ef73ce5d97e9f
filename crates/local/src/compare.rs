//! Whether the catalogue has what the agent has. Indexes do not count, nor the case of the node,
//! nor whether something empty was left out.

use catalog::{Check, Node, Pairs, Service, ServiceAddress, Tags};
use gotext::decode::{Value, whole_value};

use crate::proxy::Proxy;

/// The tagged addresses that the servers give to a service of the mesh.
const VIRTUAL: &str = "consul-virtual";

pub(crate) fn same_node(local: &Node, remote: &Node) -> bool {
    local.id.fold() == remote.id.fold()
        && local.address == remote.address
        && same_pairs(&local.tagged_addresses, &remote.tagged_addresses)
        && same_pairs(&local.meta, &remote.meta)
        && same_json(local.locality.as_deref(), remote.locality.as_deref())
}

pub(crate) fn same_service(local: &Service, remote: &Service) -> bool {
    local.name == remote.name
        && local.kind == remote.kind
        && same_tags(&local.tags, &remote.tags)
        && local.address == remote.address
        && same_pairs(&local.tagged_addresses, &remote.tagged_addresses)
        && same_pairs(&local.meta, &remote.meta)
        && local.port == remote.port
        && local.socket_path == remote.socket_path
        && local.weights == remote.weights
        && local.enable_tag_override == remote.enable_tag_override
        && local.native == remote.native
        && same_proxy(local.proxy.as_deref(), remote.proxy.as_deref())
        && same_json(local.locality.as_deref(), remote.locality.as_deref())
}

/// The service's name and tags are the catalogue's business: it takes them from the service when
/// the check is written.
pub(crate) fn same_check(local: &Check, remote: &Check, output_too: bool) -> bool {
    local.name == remote.name
        && local.status == remote.status
        && local.notes == remote.notes
        && (!output_too || local.output == remote.output)
        && local.service_id == remote.service_id
        && local.kind == remote.kind
        && local.interval == remote.interval
        && local.timeout == remote.timeout
        && local.exposed_port == remote.exposed_port
        && remote.definition.as_deref().is_none_or(|definition| definition == "{}")
}

pub(crate) fn same_tags(local: &Tags, remote: &Tags) -> bool {
    local.as_deref().unwrap_or_default() == remote.as_deref().unwrap_or_default()
}

/// Takes over the addresses that only the servers know; true if that changed something.
pub(crate) fn take_virtual(local: &mut Service, remote: &Service) -> bool {
    let given: Vec<(Box<str>, ServiceAddress)> = remote
        .tagged_addresses
        .iter()
        .flatten()
        .filter(|(tag, _)| tag.starts_with(VIRTUAL))
        .cloned()
        .collect();
    let own = local.tagged_addresses.as_deref().unwrap_or_default();
    if given.iter().all(|pair| own.contains(pair)) {
        return false;
    }
    let kept = own.iter().filter(|(tag, _)| given.iter().all(|(other, _)| other != tag)).cloned();
    let mut all: Vec<_> = kept.chain(given.iter().cloned()).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    local.tagged_addresses = Some(all.into());
    true
}

fn same_pairs<V: PartialEq>(local: &Pairs<V>, remote: &Pairs<V>) -> bool {
    local.as_deref().unwrap_or_default() == remote.as_deref().unwrap_or_default()
}

fn same_proxy(local: Option<&str>, remote: Option<&str>) -> bool {
    let read = |json: Option<&str>| json.map_or(Ok(Proxy::default()), Proxy::parse);
    local == remote || read(local).is_ok_and(|local| read(remote) == Ok(local))
}

fn same_json(local: Option<&str>, remote: Option<&str>) -> bool {
    let read =
        |json: Option<&str>| json.map_or(Ok(Value::Null), |json| whole_value(json.as_bytes()));
    local == remote || read(local).is_ok_and(|local| read(remote) == Ok(local))
}
