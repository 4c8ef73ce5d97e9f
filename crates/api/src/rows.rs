//! The JSON forms of rows: names, order, and what is left out (consul-http, "JSON shapes").

use std::fmt;

use catalog::{Check, Entry, Node, NodeCoordinate, Pairs, Service, ServiceAddress, Session, Tags};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::json::{Base64, Kept, Lossy};

/// Texts by name; `null` for none.
pub(crate) struct Map<'a>(pub(crate) &'a Pairs);

impl Serialize for Map<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_none(),
            Some(pairs) => serializer.collect_map(pairs.iter().map(|(key, value)| (key, value))),
        }
    }
}

/// Texts by name; an empty object for none.
pub(crate) struct FullMap<'a>(pub(crate) &'a Pairs);

impl Serialize for FullMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self.0.as_deref().unwrap_or_default();
        serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
    }
}

/// A list of texts, an empty one for none.
pub(crate) struct FullList<'a>(pub(crate) &'a Tags);

impl Serialize for FullList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.as_deref().unwrap_or_default())
    }
}

/// A name as it stands in its `Display`.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AddressRow<'a> {
    address: &'a str,
    port: i64,
}

/// Addresses of a service by name.
pub(crate) struct Addresses<'a>(pub(crate) &'a Pairs<ServiceAddress>);

impl Addresses<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|pairs| pairs.is_empty())
    }
}

impl Serialize for Addresses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self.0.as_deref().unwrap_or_default();
        let mut map = serializer.serialize_map(Some(pairs.len()))?;
        for (key, value) in pairs {
            map.serialize_entry(key, &AddressRow { address: &value.address, port: value.port })?;
        }
        map.end()
    }
}

fn kept(text: &Option<Box<str>>) -> Option<Kept<'_>> {
    text.as_deref().map(Kept)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConnectRow {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    native: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WeightsRow {
    passing: i64,
    warning: i64,
}

impl WeightsRow {
    pub(crate) fn of(service: &Service) -> Self {
        Self { passing: service.weights.passing, warning: service.weights.warning }
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A node.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NodeRow<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    datacenter: &'a str,
    tagged_addresses: Map<'a>,
    meta: Map<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locality: Option<Kept<'a>>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> NodeRow<'a> {
    pub(crate) fn new(node: &'a Node, datacenter: &'a str) -> Self {
        Self {
            id: node.id.as_str(),
            node: node.name.as_str(),
            address: &node.address,
            datacenter,
            tagged_addresses: Map(&node.tagged_addresses),
            meta: Map(&node.meta),
            locality: kept(&node.locality),
            create_index: node.create.0,
            modify_index: node.modify.0,
        }
    }
}

/// A service instance with its node, flat: `catalog/service`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ServiceNodeRow<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    datacenter: &'a str,
    tagged_addresses: Map<'a>,
    node_meta: Map<'a>,
    service_kind: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: FullList<'a>,
    service_address: &'a str,
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    service_tagged_addresses: Addresses<'a>,
    service_weights: WeightsRow,
    service_meta: FullMap<'a>,
    service_port: i64,
    service_socket_path: &'a str,
    service_enable_tag_override: bool,
    service_proxy: Kept<'a>,
    service_connect: ConnectRow,
    service_locality: Option<Kept<'a>>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> ServiceNodeRow<'a> {
    pub(crate) fn new(node: &'a Node, service: &'a Service, datacenter: &'a str) -> Self {
        Self {
            id: node.id.as_str(),
            node: node.name.as_str(),
            address: &node.address,
            datacenter,
            tagged_addresses: Map(&node.tagged_addresses),
            node_meta: Map(&node.meta),
            service_kind: &service.kind,
            service_id: service.id.as_str(),
            service_name: service.name.as_str(),
            service_tags: FullList(&service.tags),
            service_address: &service.address,
            service_tagged_addresses: Addresses(&service.tagged_addresses),
            service_weights: WeightsRow::of(service),
            service_meta: FullMap(&service.meta),
            service_port: service.port,
            service_socket_path: &service.socket_path,
            service_enable_tag_override: service.enable_tag_override,
            service_proxy: Kept(service.proxy.as_deref().unwrap_or(Kept::NO_PROXY)),
            service_connect: ConnectRow { native: service.native },
            service_locality: kept(&service.locality),
            create_index: service.create.0,
            modify_index: service.modify.0,
        }
    }
}

/// Whether an absent list of tags, or of an entry's checks, shows as an empty one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    Empty,
    Null,
}

pub(crate) struct TagList<'a>(pub(crate) &'a Tags, pub(crate) Absent);

impl Serialize for TagList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (None, Absent::Null) => serializer.serialize_none(),
            (tags, _) => FullList(tags).serialize(serializer),
        }
    }
}

/// A service of a node: `catalog/node`, `health/service`, transactions.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ServiceRow<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: TagList<'a>,
    address: &'a str,
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    tagged_addresses: Addresses<'a>,
    meta: Map<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    port: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    weights: WeightsRow,
    enable_tag_override: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    locality: Option<Kept<'a>>,
    proxy: Kept<'a>,
    connect: ConnectRow,
    peer_name: &'a str,
    create_index: u64,
    modify_index: u64,
}

impl<'a> ServiceRow<'a> {
    pub(crate) fn new(service: &'a Service, absent: Absent) -> Self {
        Self {
            kind: &service.kind,
            id: service.id.as_str(),
            service: service.name.as_str(),
            tags: TagList(&service.tags, absent),
            address: &service.address,
            tagged_addresses: Addresses(&service.tagged_addresses),
            meta: Map(&service.meta),
            port: service.port,
            socket_path: &service.socket_path,
            weights: WeightsRow::of(service),
            enable_tag_override: service.enable_tag_override,
            locality: kept(&service.locality),
            proxy: Kept(service.proxy.as_deref().unwrap_or(Kept::NO_PROXY)),
            connect: ConnectRow { native: service.native },
            peer_name: "",
            create_index: service.create.0,
            modify_index: service.modify.0,
        }
    }
}

/// A check.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CheckRow<'a> {
    node: &'a str,
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    name: &'a str,
    status: &'a str,
    notes: &'a str,
    output: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: TagList<'a>,
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<&'a str>,
    exposed_port: i64,
    definition: Kept<'a>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> CheckRow<'a> {
    pub(crate) fn new(check: &'a Check, absent: Absent) -> Self {
        Self {
            node: check.node.as_str(),
            check_id: check.id.as_str(),
            name: &check.name,
            status: &check.status,
            notes: &check.notes,
            output: &check.output,
            service_id: check.service_id.as_str(),
            service_name: check.service_name.as_str(),
            service_tags: TagList(&check.service_tags, absent),
            r#type: &check.kind,
            interval: Some(&check.interval),
            timeout: Some(&check.timeout),
            exposed_port: check.exposed_port,
            definition: Kept(check.definition.as_deref().unwrap_or(Kept::NO_DEFINITION)),
            create_index: check.create.0,
            modify_index: check.modify.0,
        }
    }

    /// How it is, but not how it is checked.
    pub(crate) fn undefined(check: &'a Check, no_definition: &'a str) -> Self {
        Self {
            r#type: "",
            interval: None,
            timeout: None,
            definition: Kept(no_definition),
            ..Self::new(check, Absent::Null)
        }
    }
}

/// An instance with its node and its checks: `health/service`, and what a prepared query finds.
pub(crate) struct EntryRow<'a> {
    pub(crate) node: &'a Node,
    pub(crate) service: &'a Service,
    pub(crate) checks: Vec<&'a Check>,
    pub(crate) datacenter: &'a str,
    pub(crate) absent: Absent,
}

impl Serialize for EntryRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Checks<'a>(&'a [&'a Check], Absent);
        impl Serialize for Checks<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if self.0.is_empty() && self.1 == Absent::Null {
                    return serializer.serialize_none();
                }
                serializer.collect_seq(self.0.iter().map(|check| CheckRow::new(check, self.1)))
            }
        }
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("Node", &NodeRow::new(self.node, self.datacenter))?;
        map.serialize_entry("Service", &ServiceRow::new(self.service, self.absent))?;
        map.serialize_entry("Checks", &Checks(&self.checks, self.absent))?;
        map.end()
    }
}

/// An entry of the key-value store.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KvRow<'a> {
    lock_index: u64,
    key: Lossy<'a>,
    flags: u64,
    value: Base64<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Shown<catalog::SessionId>>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> KvRow<'a> {
    pub(crate) fn new(entry: &'a Entry) -> Self {
        let fields = entry.fields();
        Self {
            lock_index: fields.lock_index,
            key: Lossy(fields.key),
            flags: fields.flags,
            value: Base64(fields.value),
            session: fields.session.map(Shown),
            create_index: fields.create.0,
            modify_index: fields.modify.0,
        }
    }

    /// Without its value, as results of writes are shown.
    pub(crate) fn without_value(entry: &'a Entry) -> Self {
        Self { value: Base64(&[]), ..Self::new(entry) }
    }

    /// A key that does not exist.
    pub(crate) fn absent(key: &'a [u8]) -> Self {
        Self {
            lock_index: 0,
            key: Lossy(key),
            flags: 0,
            value: Base64(&[]),
            session: None,
            create_index: 0,
            modify_index: 0,
        }
    }
}

/// A check that a session hangs on.
#[derive(Serialize)]
struct ServiceCheckRow<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Namespace")]
    namespace: &'a str,
}

/// A session.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SessionRow<'a> {
    #[serde(rename = "ID")]
    id: Shown<catalog::SessionId>,
    name: &'a str,
    node: &'a str,
    lock_delay: i64,
    behavior: &'static str,
    #[serde(rename = "TTL")]
    ttl: &'a str,
    node_checks: Option<Vec<&'a str>>,
    service_checks: Option<Vec<ServiceCheckRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<&'a str>>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> SessionRow<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        let names = |list: &'a Option<Box<[catalog::CheckId]>>| {
            list.as_ref().map(|list| list.iter().map(|id| id.as_str()).collect::<Vec<_>>())
        };
        let service_check = |id| ServiceCheckRow { id, namespace: "" };
        Self {
            id: Shown(session.id),
            name: &session.name,
            node: session.node.as_str(),
            lock_delay: session.lock_delay_ns,
            behavior: match session.behavior {
                catalog::Behavior::Release => "release",
                catalog::Behavior::Delete => "delete",
            },
            ttl: &session.ttl,
            node_checks: names(&session.node_checks),
            service_checks: names(&session.service_checks)
                .map(|list| list.into_iter().map(service_check).collect()),
            checks: names(&session.checks).filter(|list| !list.is_empty()),
            create_index: session.create.0,
            modify_index: session.modify.0,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PlaceRow {
    vec: [f64; 8],
    error: f64,
    adjustment: f64,
    height: f64,
}

/// The coordinate of a node.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CoordinateRow<'a> {
    node: &'a str,
    segment: &'a str,
    coord: PlaceRow,
}

impl<'a> CoordinateRow<'a> {
    /// `name` is shown as the node's.
    pub(crate) fn new(row: &'a NodeCoordinate, name: &'a str) -> Self {
        let place = &row.coordinate;
        Self {
            node: name,
            segment: &row.segment,
            coord: PlaceRow {
                vec: place.vector,
                error: place.error,
                adjustment: place.adjustment,
                height: place.height,
            },
        }
    }
}

#[cfg(test)]
mod tests;
