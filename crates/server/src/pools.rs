//! The pools that the agent is a member of: its datacenter's, and that of all servers.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use agent::log::Log;
use agent::node::{FactSink, Node, NodeHandle, NodeSettings};
use agent::telemetry::Metrics;
use api::Failure;
use filter::{Filter, Items, Record, View, fields};
use serde::Serialize;
use serf::{Member, MemberStatus, Profile, Tags};

use crate::identity::Identity;
use crate::options::PoolOptions;

/// Serf's protocol that Consul speaks.
const PROTOCOL: u8 = 4;
/// How long a leaving member waits for the others to hear of it.
const LEAVE_PROPAGATE_DELAY: Duration = Duration::from_secs(3);

/// How a member of a pool is started.
pub(crate) struct Pool {
    /// Its name there.
    pub(crate) name: String,
    /// How far apart the members are.
    pub(crate) profile: Profile,
    /// How it listens and speaks.
    pub(crate) options: PoolOptions,
    /// Where others find it.
    pub(crate) advertise: IpAddr,
    /// What it says about itself.
    pub(crate) tags: Tags,
    /// Where members are kept for the next start.
    pub(crate) snapshot: Option<PathBuf>,
    /// Where it counts.
    pub(crate) metrics: Metrics,
}

impl Pool {
    /// Starts a member.
    pub(crate) fn start(self, log: &Log, facts: FactSink) -> Result<NodeHandle, String> {
        let options = self.options;
        let port = options.bind.port();
        let name = self.name.as_str().into();
        let mut gossip = gossip::Config::new(self.profile, name, self.advertise.into(), port);
        gossip.bind_port = port;
        let timing = options.timing;
        gossip.gossip_nodes = timing.gossip_nodes as usize;
        gossip.gossip_interval = timing.gossip_interval;
        gossip.probe_interval = timing.probe_interval;
        gossip.probe_timeout = timing.probe_timeout;
        gossip.suspicion_mult = timing.suspicion_mult;
        gossip.retransmit_mult = timing.retransmit_mult;
        gossip.encrypt_verify_incoming = options.verify_incoming;
        gossip.encrypt_verify_outgoing = options.verify_outgoing;
        gossip.allowed = options.allowed;
        let mut machine = serf::Config::new(gossip);
        machine.tags = self.tags;
        machine.protocol = PROTOCOL;
        machine.reconnect_timeout = options.reconnect_timeout;
        machine.rejoin_after_leave = options.rejoin_after_leave;
        machine.persist_keyring = options.keyring_file.is_some();
        machine.leave_propagate_delay = LEAVE_PROPAGATE_DELAY;
        let settings = NodeSettings {
            bind: options.bind,
            serf: machine,
            keyring: options.keyring,
            keyring_file: options.keyring_file,
            tags_file: None,
            snapshot_path: self.snapshot,
            compression: true,
            handlers: Vec::new(),
            facts,
            metrics: self.metrics,
        };
        Node::start(settings, log.clone()).map_err(|error| error.to_string())
    }
}

/// What a server says about itself.
pub(crate) fn tags(identity: &Identity, wan_port: Option<u16>) -> Tags {
    let port = identity.server.port().to_string();
    let build = format!("{}:", crate::VERSION);
    let id = identity.node_id.to_string();
    let wan_port = wan_port.map(|port| port.to_string());
    let mut pairs = vec![
        ("acls", "0"),
        ("build", &build),
        ("dc", &identity.datacenter),
        ("ft_fs", "1"),
        ("ft_si", "1"),
        ("id", &id),
        ("port", &port),
        ("raft_vsn", "3"),
        ("role", "consul"),
        ("segment", ""),
        ("vsn", "2"),
        ("vsn_max", "3"),
        ("vsn_min", "2"),
    ];
    if let Some(port) = &wan_port {
        pairs.push(("wan_join_port", port));
    }
    if identity.expect > 0 {
        pairs.push(("expect", "1"));
    }
    pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

/// A member as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MemberRow {
    name: String,
    addr: String,
    port: u16,
    tags: Tags,
    status: i64,
    protocol_min: u8,
    protocol_max: u8,
    protocol_cur: u8,
    delegate_min: u8,
    delegate_max: u8,
    delegate_cur: u8,
}

impl MemberRow {
    pub(crate) fn new(member: &Member) -> Self {
        let versions = member.versions;
        Self {
            name: member.name.to_string(),
            addr: member.address.to_ip().map_or_else(String::new, |ip| ip.to_string()),
            port: member.port,
            tags: (*member.tags).clone(),
            status: match member.status {
                MemberStatus::None => 0,
                MemberStatus::Alive => 1,
                MemberStatus::Leaving => 2,
                MemberStatus::Left => 3,
                MemberStatus::Failed => 4,
            },
            protocol_min: versions.protocol_min,
            protocol_max: versions.protocol_max,
            protocol_cur: versions.protocol_cur,
            delegate_min: versions.delegate_min,
            delegate_max: versions.delegate_max,
            delegate_cur: versions.delegate_cur,
        }
    }
}

/// A member as the filtering language sees it.
struct MemberView<'a> {
    row: &'a MemberRow,
    address: Octets,
    tags: TagMap<'a>,
}

struct Octets(Vec<u8>);

impl Items for Octets {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn item(&self, index: usize) -> View<'_> {
        self.0.get(index).map_or(View::Null, |byte| View::Int(i64::from(*byte)))
    }
}

struct TagMap<'a>(&'a Tags);

impl Record for TagMap<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| View::Text(value))
    }

    fn is_empty(&self) -> bool {
        self.0.iter().next().is_none()
    }
}

impl Record for MemberView<'_> {
    fn get(&self, name: &str) -> Option<View<'_>> {
        let row = self.row;
        let number = |value: u8| View::Int(i64::from(value));
        Some(match name {
            "Name" => View::Text(&row.name),
            "Addr" => View::List(&self.address),
            "Port" => View::Int(i64::from(row.port)),
            "Tags" => View::Record(&self.tags),
            "Status" => View::Int(row.status),
            "ProtocolMin" => number(row.protocol_min),
            "ProtocolMax" => number(row.protocol_max),
            "ProtocolCur" => number(row.protocol_cur),
            "DelegateMin" => number(row.delegate_min),
            "DelegateMax" => number(row.delegate_max),
            "DelegateCur" => number(row.delegate_cur),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// The members that a filter lets through, sorted by name.
pub(crate) fn rows(mut members: Vec<Member>, filter: &str) -> Result<Vec<MemberRow>, Failure> {
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = members.iter().map(MemberRow::new);
    if filter.is_empty() {
        return Ok(rows.collect());
    }
    let filter = Filter::new(filter, fields::MEMBER)
        .map_err(|error| Failure::internal(format!("{}{error}", filter::ERROR_PREFIX)))?;
    let octets = |row: &MemberRow| match row.addr.parse() {
        Ok(IpAddr::V4(address)) => address.to_ipv6_mapped().octets().to_vec(),
        Ok(IpAddr::V6(address)) => address.octets().to_vec(),
        Err(_) => Vec::new(),
    };
    let passes = |row: &MemberRow| {
        let address = Octets(octets(row));
        filter.matches(&MemberView { row, address, tags: TagMap(&row.tags) })
    };
    Ok(rows.filter(passes).collect())
}
