//! Rows as the filtering language sees them. The names are those of [`filter::fields`].

use catalog::{Check, Node, Pairs, Service, ServiceAddress, Tags};
use filter::fields::{self, Field, Kind};
use filter::{ERROR_PREFIX, Filter, Items, Record, View};
use serde_json::Value as Json;

use crate::answer::Failure;
use crate::request::Request;

/// The filter of a request, if it has one.
pub(crate) fn filter(
    request: &Request,
    fields: &'static [Field],
) -> Result<Option<Filter>, Failure> {
    let Some(text) = request.query.filled("filter") else { return Ok(None) };
    let filter = Filter::new(text, fields);
    filter.map(Some).map_err(|error| Failure::internal(format!("{ERROR_PREFIX}{error}")))
}

/// Whether a filter lets a row through; without one every row passes, and is not even made.
pub(crate) fn passes<R: Record>(filter: &Option<Filter>, row: impl FnOnce() -> R) -> bool {
    filter.as_ref().is_none_or(|filter| filter.matches(&row()))
}

struct TextMap<'a>(&'a Pairs);

impl Record for TextMap<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        let pairs = self.0.as_deref().unwrap_or_default();
        pairs.iter().find(|(key, _)| **key == *name).map(|(_, value)| View::Text(value))
    }

    fn is_empty(&self) -> bool {
        self.0.as_deref().unwrap_or_default().is_empty()
    }
}

impl TextMap<'_> {
    fn view(&self) -> View<'_> {
        if self.0.is_none() { View::Null } else { View::Record(self) }
    }
}

struct TextList<'a>(&'a Tags);

impl Items for TextList<'_> {
    fn len(&self) -> usize {
        self.0.as_deref().unwrap_or_default().len()
    }

    fn item(&self, index: usize) -> View<'_> {
        self.0.as_deref().unwrap_or_default().get(index).map_or(View::Null, |tag| View::Text(tag))
    }
}

struct Address<'a>(&'a ServiceAddress);

impl Record for Address<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        match name {
            "Address" => Some(View::Text(&self.0.address)),
            "Port" => Some(View::Int(self.0.port)),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

struct AddressMap<'a>(Option<Vec<(&'a str, Address<'a>)>>);

impl<'a> AddressMap<'a> {
    fn new(pairs: &'a Pairs<ServiceAddress>) -> Self {
        let row = |(name, address): &'a (Box<str>, ServiceAddress)| (&**name, Address(address));
        Self(pairs.as_ref().map(|pairs| pairs.iter().map(row).collect()))
    }

    fn view(&self) -> View<'_> {
        if self.0.is_none() { View::Null } else { View::Record(self) }
    }
}

impl Record for AddressMap<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        let rows = self.0.as_deref().unwrap_or_default();
        rows.iter().find(|(key, _)| *key == name).map(|(_, address)| View::Record(address))
    }

    fn is_empty(&self) -> bool {
        self.0.as_deref().unwrap_or_default().is_empty()
    }
}

struct Weights(catalog::Weights);

impl Record for Weights {
    fn get(&self, name: &str) -> Option<View<'_>> {
        match name {
            "Passing" => Some(View::Int(self.0.passing)),
            "Warning" => Some(View::Int(self.0.warning)),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// Kept JSON in the shape of a table of fields: what is left out there is the empty value here.
enum Tree {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Tree>),
    Record(Vec<(String, Tree)>),
}

impl Tree {
    fn new(kind: Kind, json: Option<&Json>) -> Self {
        match kind {
            Kind::Bool => Self::Bool(json.and_then(Json::as_bool).unwrap_or(false)),
            Kind::Int | Kind::Uint(_) => Self::Int(json.and_then(Json::as_i64).unwrap_or(0)),
            Kind::Text => Self::Text(json.and_then(Json::as_str).unwrap_or("").to_owned()),
            Kind::List(inner) => {
                let items = json.and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
                Self::List(items.iter().map(|item| Self::new(*inner, Some(item))).collect())
            }
            Kind::Map(inner) => {
                let fields = json.and_then(Json::as_object).into_iter().flatten();
                Self::Record(
                    fields
                        .map(|(key, item)| (key.clone(), Self::new(*inner, Some(item))))
                        .collect(),
                )
            }
            Kind::Record(fields) => {
                let field = |(name, kind): &Field| {
                    ((*name).to_owned(), Self::new(*kind, json.and_then(|json| json.get(name))))
                };
                Self::Record(fields.iter().map(field).collect())
            }
        }
    }

    fn view(&self) -> View<'_> {
        match self {
            Self::Bool(value) => View::Bool(*value),
            Self::Int(value) => View::Int(*value),
            Self::Text(value) => View::Text(value),
            Self::List(_) => View::List(self),
            Self::Record(_) => View::Record(self),
        }
    }
}

impl Items for Tree {
    fn len(&self) -> usize {
        if let Self::List(items) = self { items.len() } else { 0 }
    }

    fn item(&self, index: usize) -> View<'_> {
        match self {
            Self::List(items) => items.get(index).map_or(View::Null, Tree::view),
            _ => View::Null,
        }
    }
}

impl Record for Tree {
    fn get(&self, name: &str) -> Option<View<'_>> {
        let Self::Record(fields) = self else { return None };
        fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.view())
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Record(fields) if fields.is_empty())
    }
}

/// The kind of a field of [`fields::NODE_SERVICE`].
fn kind_of(name: &str) -> Kind {
    let found = fields::NODE_SERVICE.iter().find(|(known, _)| *known == name);
    found.expect("the table has the field").1
}

/// A node.
pub(crate) struct NodeView<'a> {
    node: &'a Node,
    datacenter: &'a str,
    tagged_addresses: TextMap<'a>,
    meta: TextMap<'a>,
}

impl<'a> NodeView<'a> {
    pub(crate) fn new(node: &'a Node, datacenter: &'a str) -> Self {
        Self {
            node,
            datacenter,
            tagged_addresses: TextMap(&node.tagged_addresses),
            meta: TextMap(&node.meta),
        }
    }
}

impl Record for NodeView<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        Some(match name {
            "ID" => View::Text(self.node.id.as_str()),
            "Node" => View::Text(self.node.name.as_str()),
            "Address" => View::Text(&self.node.address),
            "Datacenter" => View::Text(self.datacenter),
            "Partition" | "PeerName" => View::Text(""),
            "TaggedAddresses" => self.tagged_addresses.view(),
            "Meta" => self.meta.view(),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// A service of a node, or of the agent.
pub struct ServiceView<'a> {
    service: &'a Service,
    tags: TextList<'a>,
    tagged_addresses: AddressMap<'a>,
    meta: TextMap<'a>,
    weights: Weights,
    proxy: Tree,
    connect: Tree,
}

impl<'a> ServiceView<'a> {
    /// A view of a service.
    #[must_use]
    pub fn new(service: &'a Service) -> Self {
        let proxy = service.proxy.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let connect = serde_json::json!({ "Native": service.native });
        Self {
            service,
            tags: TextList(&service.tags),
            tagged_addresses: AddressMap::new(&service.tagged_addresses),
            meta: TextMap(&service.meta),
            weights: Weights(service.weights),
            proxy: Tree::new(kind_of("Proxy"), proxy.as_ref()),
            connect: Tree::new(kind_of("Connect"), Some(&connect)),
        }
    }
}

impl Record for ServiceView<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        Some(match name {
            "Kind" => View::Text(&self.service.kind),
            "ID" => View::Text(self.service.id.as_str()),
            "Service" => View::Text(self.service.name.as_str()),
            "Tags" => View::List(&self.tags),
            "Address" => View::Text(&self.service.address),
            "TaggedAddresses" => self.tagged_addresses.view(),
            "Meta" => self.meta.view(),
            "Port" => View::Int(self.service.port),
            "SocketPath" => View::Text(&self.service.socket_path),
            "Weights" => View::Record(&self.weights),
            "EnableTagOverride" => View::Bool(self.service.enable_tag_override),
            "Proxy" => self.proxy.view(),
            "Connect" => self.connect.view(),
            "PeerName" => View::Text(""),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// An instance with its node, flat.
pub(crate) struct ServiceNodeView<'a> {
    node: NodeView<'a>,
    service: ServiceView<'a>,
}

impl<'a> ServiceNodeView<'a> {
    pub(crate) fn new(node: &'a Node, service: &'a Service, datacenter: &'a str) -> Self {
        Self { node: NodeView::new(node, datacenter), service: ServiceView::new(service) }
    }
}

impl Record for ServiceNodeView<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        match name {
            "NodeMeta" => self.node.get("Meta"),
            "ServiceName" => self.service.get("Service"),
            "ServiceID" => self.service.get("ID"),
            _ => match name.strip_prefix("Service") {
                Some(field) => self.service.get(field),
                None => self.node.get(name),
            },
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// A check.
pub struct CheckView<'a> {
    check: &'a Check,
    tags: TextList<'a>,
}

impl<'a> CheckView<'a> {
    /// A view of a check.
    #[must_use]
    pub fn new(check: &'a Check) -> Self {
        Self { check, tags: TextList(&check.service_tags) }
    }
}

impl Record for CheckView<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        let check = self.check;
        Some(match name {
            "Node" => View::Text(check.node.as_str()),
            "CheckID" => View::Text(check.id.as_str()),
            "Name" => View::Text(&check.name),
            "Status" => View::Text(&check.status),
            "Notes" => View::Text(&check.notes),
            "Output" => View::Text(&check.output),
            "ServiceID" => View::Text(check.service_id.as_str()),
            "ServiceName" => View::Text(check.service_name.as_str()),
            "ServiceTags" => View::List(&self.tags),
            "Type" => View::Text(&check.kind),
            "Interval" => View::Text(&check.interval),
            "Timeout" => View::Text(&check.timeout),
            "ExposedPort" => View::Int(check.exposed_port),
            "PeerName" => View::Text(""),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// An instance with its node and its checks.
pub(crate) struct EntryView<'a> {
    node: NodeView<'a>,
    service: ServiceView<'a>,
    checks: CheckList<'a>,
}

impl<'a> EntryView<'a> {
    pub(crate) fn new(
        node: &'a Node,
        service: &'a Service,
        checks: &[&'a Check],
        datacenter: &'a str,
    ) -> Self {
        Self {
            node: NodeView::new(node, datacenter),
            service: ServiceView::new(service),
            checks: CheckList(checks.iter().map(|check| CheckView::new(check)).collect()),
        }
    }
}

struct CheckList<'a>(Vec<CheckView<'a>>);

impl Items for CheckList<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn item(&self, index: usize) -> View<'_> {
        self.0.get(index).map_or(View::Null, |check| View::Record(check))
    }
}

impl Record for EntryView<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        match name {
            "Node" => Some(View::Record(&self.node)),
            "Service" => Some(View::Record(&self.service)),
            "Checks" => Some(View::List(&self.checks)),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}
