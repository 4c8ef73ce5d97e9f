//! The hash by which a reader waits for another definition of a service (consul-http, "Hash
//! blocking").
//!
//! The same number as the real program's, so that a reader can move from one to the other: FNV-1
//! with 64 bits over the structure. A text and a number are hashed by their bytes; a list by
//! folding its elements in order; a record and a map by the exclusive or of their pairs, a record
//! with the name of its type besides. All fields count, those that answers leave out too.

use catalog::{Service, ServiceAddress};
use gotext::decode::Value;

use crate::proxy::{ExposedPath, Proxy, Upstream};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The hash of a service, in hexadecimal without leading zeros.
#[must_use]
pub fn content_hash(service: &Service) -> String {
    // Only proxies and gateways show what they are configured for.
    let proxy = service.proxy.as_deref().filter(|_| is_proxy(&service.kind));
    let proxy = match proxy.map(|json| Proxy::parse(json).unwrap_or_default()) {
        None if is_proxy(&service.kind) => proxy_hash(&Proxy::default()),
        None => absent(),
        Some(proxy) => proxy_hash(&proxy),
    };
    let connect = match service.native {
        true => {
            record("AgentServiceConnect", &[("Native", flag(true)), ("SidecarService", absent())])
        }
        false => absent(),
    };
    let weights =
        [("Passing", int(service.weights.passing)), ("Warning", int(service.weights.warning))];
    let addresses = service.tagged_addresses.as_deref().unwrap_or_default();
    let hash = record(
        "AgentService",
        &[
            ("Kind", text(&service.kind)),
            ("ID", text(service.id.as_str())),
            ("Service", text(service.name.as_str())),
            ("Tags", list(service.tags.as_deref().into_iter().flatten().map(|tag| text(tag)))),
            ("Meta", map(service.meta.iter().flatten().map(|(k, v)| (&**k, text(v))))),
            ("Port", int(service.port)),
            ("Address", text(&service.address)),
            ("SocketPath", text(&service.socket_path)),
            ("TaggedAddresses", map(addresses.iter().map(|(k, v)| (&**k, address(v))))),
            ("Weights", record("AgentWeights", &weights)),
            ("EnableTagOverride", flag(service.enable_tag_override)),
            ("CreateIndex", int(0)),
            ("ModifyIndex", int(0)),
            ("ContentHash", text("")),
            ("Proxy", proxy),
            ("Connect", connect),
            ("PeerName", text("")),
        ],
    );
    format!("{hash:x}")
}

fn is_proxy(kind: &str) -> bool {
    matches!(
        kind,
        "connect-proxy"
            | "mesh-gateway"
            | "terminating-gateway"
            | "ingress-gateway"
            | "api-gateway"
    )
}

fn address(address: &ServiceAddress) -> u64 {
    let fields = [("Address", text(&address.address)), ("Port", int(address.port))];
    record("ServiceAddress", &fields)
}

fn proxy_hash(proxy: &Proxy) -> u64 {
    let transparent = proxy.transparent.as_ref().map(|transparent| {
        let fields = [
            ("OutboundListenerPort", int(transparent.outbound_listener_port)),
            ("DialedDirectly", flag(transparent.dialed_directly)),
        ];
        record("TransparentProxyConfig", &fields)
    });
    let access_logs = proxy.access_logs.as_ref().map(|logs| {
        let fields = [
            ("Enabled", flag(logs.enabled)),
            ("DisableListenerLogs", flag(logs.disable_listener_logs)),
            ("Type", text(&logs.kind)),
            ("Path", text(&logs.path)),
            ("JSONFormat", text(&logs.json_format)),
            ("TextFormat", text(&logs.text_format)),
        ];
        record("AccessLogsConfig", &fields)
    });
    let expose = [
        ("Checks", flag(proxy.expose_checks)),
        ("Paths", list(proxy.expose_paths.iter().map(exposed_path))),
    ];
    record(
        "AgentServiceConnectProxyConfig",
        &[
            ("EnvoyExtensions", list(proxy.extensions.iter().map(value))),
            ("DestinationServiceName", text(&proxy.destination_name)),
            ("DestinationServiceID", text(&proxy.destination_id)),
            ("LocalServiceAddress", text(&proxy.local_address)),
            ("LocalServicePort", int(proxy.local_port)),
            ("LocalServiceSocketPath", text(&proxy.local_socket_path)),
            ("Mode", text(&proxy.mode)),
            ("TransparentProxy", transparent.unwrap_or_else(absent)),
            ("Config", map(proxy.config.iter().flatten().map(|(k, v)| (&**k, value(v))))),
            ("Upstreams", list(proxy.upstreams.iter().map(upstream))),
            ("MeshGateway", mesh_gateway(&proxy.mesh_gateway)),
            ("Expose", record("ExposeConfig", &expose)),
            ("AccessLogs", access_logs.unwrap_or_else(absent)),
        ],
    )
}

fn mesh_gateway(mode: &str) -> u64 {
    record("MeshGatewayConfig", &[("Mode", text(mode))])
}

fn exposed_path(path: &ExposedPath) -> u64 {
    let fields = [
        ("ListenerPort", int(path.listener_port)),
        ("Path", text(&path.path)),
        ("LocalPathPort", int(path.local_path_port)),
        ("Protocol", text(&path.protocol)),
        ("ParsedFromCheck", flag(false)),
    ];
    record("ExposePath", &fields)
}

fn upstream(upstream: &Upstream) -> u64 {
    record(
        "Upstream",
        &[
            ("DestinationType", text(&upstream.destination_type)),
            ("DestinationPartition", text(&upstream.partition)),
            ("DestinationNamespace", text(&upstream.namespace)),
            ("DestinationPeer", text(&upstream.peer)),
            ("DestinationName", text(&upstream.name)),
            ("Datacenter", text(&upstream.datacenter)),
            ("LocalBindAddress", text(&upstream.bind_address)),
            ("LocalBindPort", int(upstream.bind_port)),
            ("LocalBindSocketPath", text(&upstream.bind_socket_path)),
            ("LocalBindSocketMode", text(&upstream.bind_socket_mode)),
            ("Config", map(upstream.config.iter().flatten().map(|(k, v)| (&**k, value(v))))),
            ("MeshGateway", mesh_gateway(&upstream.mesh_gateway)),
            ("CentrallyConfigured", flag(false)),
        ],
    )
}

/// A value whose type nobody knows.
fn value(any: &Value) -> u64 {
    match any {
        Value::Null => absent(),
        Value::Bool(value) => flag(*value),
        Value::Number(number) => fnv(&number.float().to_le_bytes()),
        Value::Text(value) => text(value),
        Value::List(items) => list(items.iter().map(value)),
        Value::Object(fields) => map(fields.iter().map(|(key, item)| (&**key, value(item)))),
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(OFFSET, |hash, byte| hash.wrapping_mul(PRIME) ^ u64::from(*byte))
}

fn text(text: &str) -> u64 {
    fnv(text.as_bytes())
}

fn int(number: i64) -> u64 {
    fnv(&number.to_le_bytes())
}

fn flag(value: bool) -> u64 {
    fnv(&[u8::from(value)])
}

/// What is not there counts as zero.
fn absent() -> u64 {
    int(0)
}

fn pair(first: u64, second: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..].copy_from_slice(&second.to_le_bytes());
    fnv(&bytes)
}

fn list(items: impl Iterator<Item = u64>) -> u64 {
    items.fold(0, pair)
}

fn map<'a>(items: impl Iterator<Item = (&'a str, u64)>) -> u64 {
    items.fold(0, |hash, (key, value)| hash ^ pair(text(key), value))
}

fn record(name: &str, fields: &[(&str, u64)]) -> u64 {
    text(name) ^ map(fields.iter().copied())
}
