//! `/v1/catalog/`: nodes and services (consul-http, "Catalog").

use std::collections::{BTreeMap, BTreeSet};

use ::catalog::{Key, Kind, Node, NodeName, Service, ServiceName, Tags, Watch};
use filter::fields;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use crate::answer::{Answer, Failure};
use crate::endpoint::Reader;
use crate::json;
use crate::near;
use crate::request::Request;
use crate::rows::{Absent, NodeRow, ServiceNodeRow, ServiceRow};
use crate::select::{NodeView, ServiceNodeView, ServiceView, filter, passes};

/// Metadata that a node must have, by name.
pub(crate) struct NodeMeta(BTreeMap<String, String>);

impl NodeMeta {
    pub(crate) fn new(request: &Request) -> Self {
        let pair = |text: &str| {
            let (name, value) = text.split_once(':').unwrap_or((text, ""));
            (name.to_owned(), value.to_owned())
        };
        Self(request.query.all("node-meta").map(pair).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn allows(&self, node: &Node) -> bool {
        let meta = node.meta.as_deref().unwrap_or_default();
        self.0.iter().all(|(name, value)| {
            meta.iter().any(|(known, is)| **known == **name && **is == **value)
        })
    }
}

/// Whether an instance has every tag that the request names, in whatever case.
pub(crate) fn has_tags(request: &Request, service: &Service) -> bool {
    let tags = service.tags.as_deref().unwrap_or_default();
    request
        .query
        .all("tag")
        .all(|wanted| tags.iter().any(|tag| tag.to_lowercase() == wanted.to_lowercase()))
}

pub(crate) fn named_service(request: &Request) -> Result<ServiceName, Failure> {
    if request.tail.is_empty() {
        return Err(Failure::bad("Missing service name"));
    }
    Ok(ServiceName::from(&*request.tail_text()).fold())
}

pub(crate) fn named_node(request: &Request) -> Result<NodeName, Failure> {
    if request.tail.is_empty() {
        return Err(Failure::bad("Missing node name"));
    }
    Ok(NodeName::from(&*request.tail_text()).fold())
}

pub(crate) fn nodes(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let filter = filter(request, fields::NODE)?;
    let meta = NodeMeta::new(request);
    let datacenter = &*reader.agent.datacenter;
    let mut nodes: Vec<&Node> = reader
        .snapshot
        .node_list()
        .filter(|node| meta.allows(node))
        .filter(|node| passes(&filter, || NodeView::new(node, datacenter)))
        .collect();
    near::sort(request, reader, &mut nodes, |node| &node.name);
    let rows: Vec<_> = nodes.into_iter().map(|node| NodeRow::new(node, datacenter)).collect();
    Ok(Answer::new(json::body(&rows))
        .at(reader.snapshot.node_list_index(), [Watch::Any(Kind::Nodes)]))
}

/// Names with every tag that an instance has.
#[derive(Default)]
struct TagSets<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> TagSets<'a> {
    fn add(&mut self, name: &'a ServiceName, tags: &'a Tags) {
        let set = self.0.entry(name.as_str()).or_default();
        set.extend(tags.as_deref().unwrap_or_default().iter().map(|tag| &**tag));
    }
}

impl Serialize for TagSets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

pub(crate) fn services(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let filter = filter(request, fields::SERVICE_NODE)?;
    let meta = NodeMeta::new(request);
    let snapshot = reader.snapshot;
    let mut sets = TagSets::default();
    if meta.is_empty() && filter.is_none() {
        for (name, tags) in snapshot.service_tags() {
            sets.add(name, tags);
        }
        return Ok(Answer::new(json::body(&sets))
            .at(snapshot.service_list_index(), [Watch::Key(Key::ServiceList)]));
    }
    for node in snapshot.node_list().filter(|node| meta.allows(node)) {
        for service in snapshot.services_of(&node.name.fold()) {
            let row = || ServiceNodeView::new(node, service, &reader.agent.datacenter);
            if passes(&filter, row) {
                sets.add(&service.name, &service.tags);
            }
        }
    }
    let index = snapshot.service_list_index();
    let index = if meta.is_empty() { index } else { index.max(snapshot.node_list_index()) };
    let watches = [Watch::Any(Kind::Services), Watch::Any(Kind::Nodes)];
    Ok(Answer::new(json::body(&sets)).at(index, watches))
}

pub(crate) fn service(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let name = named_service(request)?;
    let found = reader.snapshot.instances(&name).collect();
    let watch = Watch::Key(Key::Service(name.clone()));
    Ok(instances(request, reader, found)?.at(reader.snapshot.service_index(&name), [watch]))
}

pub(crate) fn connect(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let name = named_service(request)?;
    let found = reader.snapshot.connect_instances(&name).collect();
    let watch = Watch::Key(Key::Connect(name.clone()));
    Ok(instances(request, reader, found)?.at(reader.snapshot.service_index(&name), [watch]))
}

fn instances(
    request: &Request,
    reader: &Reader<'_>,
    mut found: Vec<(&Node, &Service)>,
) -> Result<Answer, Failure> {
    let filter = filter(request, fields::SERVICE_NODE)?;
    let meta = NodeMeta::new(request);
    let datacenter = &*reader.agent.datacenter;
    found.retain(|(node, service)| {
        meta.allows(node)
            && has_tags(request, service)
            && passes(&filter, || ServiceNodeView::new(node, service, datacenter))
    });
    near::sort(request, reader, &mut found, |(node, _)| &node.name);
    let row = |(node, service)| ServiceNodeRow::new(node, service, datacenter);
    let rows: Vec<_> = found.into_iter().map(row).collect();
    Ok(Answer::new(json::body(&rows)))
}

/// A node by its name, or by the beginning of its ID if only one begins so.
fn find_node<'a>(reader: &Reader<'a>, name: &NodeName) -> Option<&'a Node> {
    if let Some(node) = reader.snapshot.node(name) {
        return Some(node);
    }
    let text = name.as_str();
    if text.len() < 2 || !text.is_ascii() {
        return None;
    }
    // Consul reads whole bytes.
    let text = &text[..text.len() - text.len() % 2];
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    if !digits.len().is_multiple_of(2) || !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut found = reader.snapshot.node_list().filter(|node| {
        let id = node.id.as_str();
        !id.is_empty() && id.to_ascii_lowercase().replace('-', "").starts_with(&digits)
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The services of a node as an object by ID, or as a list.
#[derive(Clone, Copy)]
enum Form {
    Object,
    List,
}

struct Services<'a>(Vec<&'a Service>, Form);

impl Serialize for Services<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            Form::Object => {
                let mut sorted = self.0.clone();
                sorted.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for service in sorted {
                    let row = ServiceRow::new(service, Absent::Empty);
                    map.serialize_entry(service.id.as_str(), &row)?;
                }
                map.end()
            }
            Form::List => {
                let mut list = serializer.serialize_seq(Some(self.0.len()))?;
                for service in &self.0 {
                    list.serialize_element(&ServiceRow::new(service, Absent::Empty))?;
                }
                list.end()
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NodeServices<'a> {
    node: Option<NodeRow<'a>>,
    services: Option<Services<'a>>,
}

pub(crate) fn node(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    node_services(request, reader, Form::Object)
}

pub(crate) fn node_list(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    node_services(request, reader, Form::List)
}

fn node_services(request: &Request, reader: &Reader<'_>, form: Form) -> Result<Answer, Failure> {
    let name = named_node(request)?;
    let filter = filter(request, fields::NODE_SERVICE)?;
    let datacenter = &*reader.agent.datacenter;
    let Some(node) = find_node(reader, &name) else {
        let body = match form {
            Form::Object => json::body(&None::<()>),
            Form::List => json::body(&NodeServices { node: None, services: None }),
        };
        let watches = [Watch::Key(Key::Node(name.clone())), Watch::Any(Kind::Nodes)];
        return Ok(Answer::new(body).at(reader.snapshot.node_index(&name), watches));
    };
    let name = node.name.fold();
    let services = reader
        .snapshot
        .services_of(&name)
        .filter(|service| passes(&filter, || ServiceView::new(service)))
        .collect();
    let body = NodeServices {
        node: Some(NodeRow::new(node, datacenter)),
        services: Some(Services(services, form)),
    };
    let index = reader.snapshot.node_index(&name);
    let watches = [Watch::Key(Key::Node(name.clone())), Watch::Key(Key::NodeServices(name))];
    Ok(Answer::new(json::body(&body)).at(index, watches))
}
