//! What can be selected: the fields of the rows of each endpoint and their kinds.
//!
//! The names are those of Consul's types, which are not always those of the JSON form. What is left
//! out on purpose cannot be selected there either: indexes, localities, definitions of checks, the
//! free form of proxies' `Config`.

use Kind::{Bool, Int, List, Map, Record, Text, Uint};

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A truth value.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A whole number from zero on, of at most 32 bits.
    Uint(u8),
    /// A text.
    Text,
    /// A list of values of one kind.
    List(&'static Kind),
    /// Values of one kind, by names that nobody knows beforehand.
    Map(&'static Kind),
    /// Fields.
    Record(&'static [Field]),
}

/// A name and a kind.
pub type Field = (&'static str, Kind);

impl Kind {
    pub(crate) fn is_scalar(self) -> bool {
        matches!(self, Bool | Int | Uint(_) | Text)
    }
}

const TEXTS: Kind = List(&Text);
const TEXT_MAP: Kind = Map(&Text);

/// Nodes: `catalog/nodes`.
pub const NODE: &[Field] = &[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("Partition", Text),
    ("PeerName", Text),
    ("TaggedAddresses", TEXT_MAP),
    ("Meta", TEXT_MAP),
];

const SERVICE_ADDRESSES: Kind = Map(&Record(&[("Address", Text), ("Port", Int)]));
const WEIGHTS: Kind = Record(&[("Passing", Int), ("Warning", Int)]);
const MESH_GATEWAY: Kind = Record(&[("Mode", Text)]);

const UPSTREAM: &[Field] = &[
    ("DestinationType", Text),
    ("DestinationNamespace", Text),
    ("DestinationPartition", Text),
    ("DestinationPeer", Text),
    ("DestinationName", Text),
    ("Datacenter", Text),
    ("LocalBindAddress", Text),
    ("LocalBindPort", Int),
    ("LocalBindSocketPath", Text),
    ("LocalBindSocketMode", Text),
    ("MeshGateway", MESH_GATEWAY),
];

const EXPOSED_PATH: &[Field] = &[
    ("ListenerPort", Int),
    ("Path", Text),
    ("LocalPathPort", Int),
    ("Protocol", Text),
    ("ParsedFromCheck", Bool),
];

const TRANSPARENT_PROXY: Kind = Record(&[("OutboundListenerPort", Int), ("DialedDirectly", Bool)]);

const PROXY: Kind = Record(&[
    ("DestinationServiceName", Text),
    ("DestinationServiceID", Text),
    ("LocalServiceAddress", Text),
    ("LocalServicePort", Int),
    ("LocalServiceSocketPath", Text),
    ("Mode", Text),
    ("Upstreams", List(&Record(UPSTREAM))),
    ("MeshGateway", MESH_GATEWAY),
    ("Expose", Record(&[("Checks", Bool), ("Paths", List(&Record(EXPOSED_PATH)))])),
    ("TransparentProxy", TRANSPARENT_PROXY),
]);

const CONNECT: Kind = Record(&[("Native", Bool)]);

/// Service instances with their node: `catalog/services`, `catalog/service`, `catalog/connect`.
pub const SERVICE_NODE: &[Field] = &[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("TaggedAddresses", TEXT_MAP),
    ("NodeMeta", TEXT_MAP),
    ("ServiceKind", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", TEXTS),
    ("ServiceAddress", Text),
    ("ServiceTaggedAddresses", SERVICE_ADDRESSES),
    ("ServiceWeights", WEIGHTS),
    ("ServiceMeta", TEXT_MAP),
    ("ServicePort", Int),
    ("ServiceSocketPath", Text),
    ("ServiceEnableTagOverride", Bool),
    ("ServiceProxy", PROXY),
    ("ServiceConnect", CONNECT),
    ("PeerName", Text),
];

/// Services of a node: `catalog/node`, `catalog/node-services`, `agent/services`.
pub const NODE_SERVICE: &[Field] = &[
    ("Kind", Text),
    ("ID", Text),
    ("Service", Text),
    ("Tags", TEXTS),
    ("Address", Text),
    ("TaggedAddresses", SERVICE_ADDRESSES),
    ("Meta", TEXT_MAP),
    ("Port", Int),
    ("SocketPath", Text),
    ("Weights", WEIGHTS),
    ("EnableTagOverride", Bool),
    ("Proxy", PROXY),
    ("Connect", CONNECT),
    ("PeerName", Text),
];

/// Checks: `health/node`, `health/checks`, `health/state`, `agent/checks`.
pub const CHECK: &[Field] = &[
    ("Node", Text),
    ("CheckID", Text),
    ("Name", Text),
    ("Status", Text),
    ("Notes", Text),
    ("Output", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", TEXTS),
    ("Type", Text),
    ("Interval", Text),
    ("Timeout", Text),
    ("ExposedPort", Int),
    ("PeerName", Text),
];

/// Instances with their node and their checks: `health/service`, `health/connect`,
/// `health/ingress`.
pub const SERVICE_ENTRY: &[Field] =
    &[("Node", Record(NODE)), ("Service", Record(NODE_SERVICE)), ("Checks", List(&Record(CHECK)))];

/// Members: `agent/members`. The address is a list of bytes, the status a number.
pub const MEMBER: &[Field] = &[
    ("Name", Text),
    ("Addr", List(&Uint(8))),
    ("Port", Uint(16)),
    ("Tags", TEXT_MAP),
    ("Status", Int),
    ("ProtocolMin", Uint(8)),
    ("ProtocolMax", Uint(8)),
    ("ProtocolCur", Uint(8)),
    ("DelegateMin", Uint(8)),
    ("DelegateMax", Uint(8)),
    ("DelegateCur", Uint(8)),
];
