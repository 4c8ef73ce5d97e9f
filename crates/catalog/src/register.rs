//! Registration: a node with services and checks, in one write.

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::error::Error;
use crate::name::{CheckId, NodeId, NodeName, Pairs, ServiceId, Uuid};
use crate::node::Node;
use crate::service::Service;
use crate::state::{Snapshot, Write};

/// Metadata of a service: how many pairs, and how long its texts (consul-http, "Limits").
const META_PAIRS: usize = 64;
const META_KEY_BYTES: usize = 128;
const META_VALUE_BYTES: usize = 512;
const META_RESERVED: &str = "consul-";
/// What gateways between datacenters say of themselves.
const FEDERATES: &str = "consul-wan-federation";

/// A request to register. Rows carry no indexes yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// The node.
    pub node: Node,
    /// Leave a known node as it is.
    pub skip_node_update: bool,
    /// A service on it.
    pub service: Option<Box<Service>>,
    /// Checks of the node or of its services.
    pub checks: Box<[Check]>,
}

impl Register {
    /// Fills in what a request may leave out, and refuses what no state could take. For the
    /// proposer, before the log.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in the recorded order.
    pub fn prepare(&mut self) -> Result<(), Error> {
        let node = &self.node.name;
        if node.is_empty() {
            return Err(Error::NoNode);
        }
        if self.node.address.is_empty() && !self.skip_node_update {
            return Err(Error::NoAddress);
        }
        node_id_valid(&self.node.id)?;
        if let Some(service) = &mut self.service {
            if service.name.is_empty() {
                return Err(Error::NoServiceName);
            }
            if matches!(&*service.address, "0.0.0.0" | "::" | "[::]") {
                return Err(Error::ServiceAddress);
            }
            if service.id.is_empty() {
                service.id = ServiceId::from(service.name.as_str());
            }
            service.node = node.clone();
        }
        for check in &mut self.checks {
            if check.id.is_empty() {
                check.id = CheckId::from(&*check.name);
            }
            if check.node.is_empty() {
                check.node = node.clone();
            }
            if check.node.fold() != node.fold() {
                let (other, check) = (check.node.clone(), check.id.clone());
                return Err(Error::CheckNode { other, check, node: node.clone() });
            }
        }
        Ok(())
    }
}

impl Snapshot {
    /// Whether nothing of a request can be refused once its node is written, which comes first.
    pub(crate) fn takes(&self, request: &Register) -> bool {
        let node = request.node.name.fold();
        let service = request.service.as_deref();
        let takes_service =
            |service: &Service| service.node.fold() == node && meta_valid(service).is_ok();
        let has_service = |id: &ServiceId| {
            id.is_empty()
                || service.is_some_and(|service| service.id.fold() == id.fold())
                || self.service(&node, id).is_some()
        };
        service.is_none_or(takes_service)
            && request.checks.iter().all(|check| {
                let has_id = !check.id.is_empty() || !check.name.is_empty();
                has_id && check.node.fold() == node && has_service(&check.service_id)
            })
    }
}

impl Write<'_> {
    pub(crate) fn register(&mut self, request: Register) -> Result<(), Error> {
        let Register { node, skip_node_update, service, checks } = request;
        if !(skip_node_update && self.root.node(&node.name).is_some()) {
            self.node_set(node)?;
        }
        if let Some(service) = service {
            meta_valid(&service)?;
            self.service_set(*service)?;
        }
        for check in checks {
            let (service, id) = (check.service_id.clone(), check.id.clone());
            self.check_set(check).map_err(|error| match error {
                Error::MissingService => Error::UnknownService { service, check: id },
                other => other,
            })?;
        }
        Ok(())
    }

    pub(crate) fn deregister(&mut self, node: &NodeName, service: &ServiceId, check: &CheckId) {
        if !service.is_empty() {
            self.service_delete(node, service);
        } else if !check.is_empty() {
            self.check_delete(node, check);
        } else {
            self.node_delete(node);
        }
    }
}

/// Whether an identity, if there is one, is a UUID.
pub(crate) fn node_id_valid(id: &NodeId) -> Result<(), Error> {
    if id.is_empty() {
        Ok(())
    } else {
        uuid_valid(id.as_str()).map_err(|why| Error::NodeId(why.into()))
    }
}

/// Whether a text is a UUID in the form `8-4-4-4-12`.
///
/// # Errors
///
/// What is wrong, in the words of Go's UUID and hexadecimal readers.
pub fn uuid_valid(id: &str) -> Result<(), String> {
    if Uuid::parse(id).is_some() {
        return Ok(());
    }
    let foreign = |c: &char| !c.is_ascii_hexdigit() && *c != '-';
    Err(if id.len() != 36 {
        "uuid string is wrong length".to_owned()
    } else if let Some(foreign) = id.chars().find(foreign) {
        format!("encoding/hex: invalid byte: U+{:04X} '{foreign}'", u32::from(foreign))
    } else {
        "uuid is improperly formatted".to_owned()
    })
}

/// Whether the metadata of a service keeps to its limits.
pub(crate) fn meta_valid(service: &Service) -> Result<(), Error> {
    let gateway = &*service.kind == "mesh-gateway";
    pairs_valid(&service.meta, gateway).map_err(|why| Error::ServiceMeta {
        node: service.node.clone(),
        service: service.id.clone(),
        why: why.into(),
    })
}

/// Whether metadata keeps to its limits (consul-http, "Limits").
///
/// A gateway between datacenters may say that it is one.
///
/// # Errors
///
/// Which pair is wrong and why, in the words that every answer about metadata ends with.
pub fn pairs_valid(meta: &Pairs, gateway: bool) -> Result<(), String> {
    pairs_allowed(meta, |key| gateway && key == FEDERATES)
}

/// Whether the metadata that a prepared query asks nodes for keeps to its limits; reserved names
/// are as good as others there.
///
/// # Errors
///
/// As of [`pairs_valid`].
pub fn query_meta_valid(meta: &Pairs) -> Result<(), String> {
    pairs_allowed(meta, |_| true)
}

fn pairs_allowed(meta: &Pairs, reserved: impl Fn(&str) -> bool) -> Result<(), String> {
    let pairs = meta.as_deref().unwrap_or_default();
    if pairs.len() > META_PAIRS {
        return Err("Node metadata cannot contain more than 64 key/value pairs".to_owned());
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    for (key, value) in pairs {
        let why = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if !key.chars().all(letter) {
            "Key contains invalid characters".to_owned()
        } else if key.len() > META_KEY_BYTES {
            format!("Key is too long (limit: {META_KEY_BYTES} characters)")
        } else if key.starts_with(META_RESERVED) && !reserved(key) {
            format!("Key prefix '{META_RESERVED}' is reserved for internal use")
        } else if value.len() > META_VALUE_BYTES {
            format!("Value is too long (limit: {META_VALUE_BYTES} characters)")
        } else {
            continue;
        };
        return Err(format!("Couldn't load metadata pair ('{key}', '{value}'): {why}"));
    }
    Ok(())
}
