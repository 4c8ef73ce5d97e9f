//! Registrations as other programs' snapshots hold them: the same records as in requests, written
//! by versions that may know more of them than this one.

use catalog::{Check, Node, Service};
use gotext::decode::Value;
use gotext::object::{FromValue, Object, ObjectError};

use crate::json::Kept;
use crate::register;

/// Every name that is read of a registration. What others there are is passed over.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    // Of a node.
    "ID", "Node", "Address", "TaggedAddresses", "NodeMeta", "Locality", "Region", "Zone",
    "CreateIndex", "ModifyIndex", "Service", "Check", "PeerName",
    // Of a service.
    "Kind", "Tags", "Meta", "Port", "SocketPath", "Weights", "Passing", "Warning",
    "EnableTagOverride", "Proxy", "Connect", "Native",
    // Of a proxy.
    "Mode", "Config", "TransparentProxy", "OutboundListenerPort", "DialedDirectly", "AccessLogs",
    "Enabled", "DisableListenerLogs", "Type", "Path", "JSONFormat", "TextFormat",
    "DestinationServiceName", "DestinationServiceID", "LocalServiceAddress", "LocalServicePort",
    "LocalServiceSocketPath", "Upstreams", "MeshGateway", "Expose", "Checks", "Paths",
    "ListenerPort", "LocalPathPort", "Protocol", "ParsedFromCheck",
    // Of an upstream.
    "DestinationType", "DestinationNamespace", "DestinationPartition", "DestinationPeer",
    "DestinationName", "Datacenter", "LocalBindAddress", "LocalBindPort", "LocalBindSocketPath",
    "LocalBindSocketMode",
    // Of a check.
    "CheckID", "Name", "Status", "Notes", "Output", "ServiceID", "ServiceName", "ServiceTags",
    "Interval", "Timeout", "ExposedPort", "Definition", "OutputMaxSize",
    "DeregisterCriticalServiceAfter", "HTTP", "TLSServerName", "TLSSkipVerify", "Header", "Method",
    "Body", "DisableRedirects", "TCP", "TCPUseTLS", "UDP", "H2PING", "OSService", "H2PingUseTLS",
    "ScriptArgs", "DockerContainerID", "Shell", "GRPC", "GRPCUseTLS", "AliasNode", "AliasService",
    "TTL",
];

/// Fields whose names are the user's.
const FREE: &[&str] = &["TaggedAddresses", "NodeMeta", "Meta", "Config", "Header"];

/// What a record registers, with the indexes that it had.
#[derive(Debug)]
pub struct Restored {
    /// The node.
    pub node: Node,
    /// A service on it.
    pub service: Option<Service>,
    /// A check on it.
    pub check: Option<Check>,
    /// Whose it is, if it is another cluster's.
    pub peer: String,
}

/// Reads a record.
///
/// # Errors
///
/// Values of another type than the record's.
pub fn restored(record: Value) -> Result<Restored, ObjectError> {
    let mut record = Object::from_value(known(record))?;
    let name: String = record.field("Node")?;
    let node = register::node(&mut record, &name)?;
    let (create, modify) = register::indexes(&mut record)?;
    let node = Node { create, modify, ..node };
    let service = record.optional("Service")?.map(register::service).transpose()?;
    let service = service.map(|described| described.service).map(|service| Service {
        node: node.name.fold(),
        proxy: service.proxy.filter(|form| &**form != Kept::NO_PROXY),
        ..service
    });
    let check = record.optional("Check")?.map(register::check).transpose()?;
    let check = check.map(|check| Check { node: node.name.clone(), ..check });
    Ok(Restored { node, service, check, peer: record.field("PeerName")? })
}

/// The value without what nobody here would read.
fn known(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
            let field = |(name, value): (String, Value)| {
                let is_free = FREE.contains(&name.as_str());
                (name, if is_free { value } else { known(value) })
            };
            Value::Object(fields.map(field).collect())
        }
        Value::List(items) => Value::List(items.into_iter().map(known).collect()),
        other => other,
    }
}
