//! From the catalogue to records, in the order in which Consul writes them.

use std::io::{self, Write};

use archive::{StateWriter, kind};
use catalog::{
    Autopilot, Behavior, Check, CheckId, FailoverTarget, Fields, ModifyIndex, Node, NodeCoordinate,
    PreparedQuery, Service, Session, Snapshot,
};
use gotext::GoDuration;
use wire::msgpack::Writer;

use super::put::{Json, Map, Nil, Put, Raw};

/// Lengths of time in the definition of a check: texts here, nanoseconds there.
const DURATIONS: [&str; 3] = ["Interval", "Timeout", "DeregisterCriticalServiceAfter"];

/// Coordinates of one record, of some 200 bytes each: far below what a reader takes.
const COORDINATES: usize = 1000;

/// Writes the state of a datacenter.
pub(crate) fn write(snapshot: &Snapshot, datacenter: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut out = Out(StateWriter::new(out, snapshot.index().0));
    let mut last = None;
    for (name, number) in snapshot.virtual_addresses() {
        last = last.max(Some(number));
        out.virtual_address(name.as_str(), number)?;
    }
    if let Some(last) = last {
        let last = address(last);
        let counter = Map([("IP", &Raw(&last)), ("IsCounter", &true)]);
        out.put(kind::FREE_VIRTUAL_ADDRESS, &counter)?;
    }
    for node in snapshot.node_list() {
        let mut put =
            |service: &dyn Put, check: &dyn Put| out.registration(node, datacenter, service, check);
        put(&Nil, &Nil)?;
        for row in snapshot.services_of(&node.name) {
            put(&row, &Nil)?;
        }
        for row in snapshot.node_checks(&node.name) {
            put(&Nil, &row)?;
        }
    }
    let places = snapshot.coordinates().collect::<Vec<_>>();
    for batch in places.chunks(COORDINATES) {
        out.put(kind::COORDINATES, &batch)?;
    }
    for row in snapshot.session_list() {
        out.put(kind::SESSION, row)?;
    }
    for entry in snapshot.kv_list(b"") {
        out.put(kind::KEY, &entry.fields())?;
    }
    for (name, modify) in snapshot.tombstones() {
        out.put(kind::TOMBSTONE, &Fields { key: name, modify, ..NOTHING })?;
    }
    for row in snapshot.query_list() {
        out.put(kind::PREPARED_QUERY, row)?;
    }
    if let Some(row) = snapshot.autopilot() {
        out.put(kind::AUTOPILOT, row)?;
    }
    for (name, index) in snapshot.index_table() {
        out.put(kind::INDEX, &Map([("Key", &name), ("Value", &index)]))?;
    }
    let none: [(Box<str>, bool); 0] = [];
    out.put(kind::CHUNKING, &Map([("ChunkMap", &&none[..])]))?;
    out.0.finish()
}

struct Out<'a>(StateWriter<'a>);

impl Out<'_> {
    fn put(&mut self, kind: u8, row: &(impl Put + ?Sized)) -> io::Result<()> {
        self.0.put(kind, |writer| row.put(writer))
    }

    fn virtual_address(&mut self, name: &str, number: u32) -> io::Result<()> {
        let address = address(number);
        let name = Map([("Name", &name)]);
        let service = Map([("Peer", &""), ("ServiceName", &name)]);
        let row = Map([
            ("CreateIndex", &0u64),
            ("IP", &Raw(&address)),
            ("ManualIPs", &Nil),
            ("ModifyIndex", &0u64),
            ("Service", &service),
        ]);
        self.put(kind::VIRTUAL_ADDRESS, &row)
    }

    fn registration(
        &mut self,
        node: &Node,
        datacenter: &str,
        service: &dyn Put,
        check: &dyn Put,
    ) -> io::Result<()> {
        let row = Map([
            ("Address", &node.address),
            ("Check", &check),
            ("Checks", &Nil),
            ("CreateIndex", &node.create),
            ("Datacenter", &datacenter),
            ("ID", &node.id.as_str()),
            ("Locality", &Json(node.locality.as_deref())),
            ("ModifyIndex", &node.modify),
            ("Node", &node.name.as_str()),
            ("NodeMeta", &node.meta),
            ("PeerName", &""),
            ("Service", &service),
            ("SkipNodeUpdate", &false),
            ("TaggedAddresses", &node.tagged_addresses),
            ("Token", &""),
        ]);
        self.put(kind::REGISTER, &row)
    }
}

/// The number of a virtual address, as an IPv4 address in IPv6.
fn address(number: u32) -> [u8; 16] {
    std::net::Ipv4Addr::from(number).to_ipv6_mapped().octets()
}

impl Put for Service {
    fn put(&self, out: &mut Writer<'_>) {
        let weights = Map([("Passing", &self.weights.passing), ("Warning", &self.weights.warning)]);
        let row = Map([
            ("Address", &self.address),
            ("Connect", &Map([("Native", &self.native)])),
            ("CreateIndex", &self.create),
            ("EnableTagOverride", &self.enable_tag_override),
            ("ID", &self.id.as_str()),
            ("Kind", &self.kind),
            ("Locality", &Json(self.locality.as_deref())),
            ("LocallyRegisteredAsSidecar", &false),
            ("Meta", &self.meta),
            ("ModifyIndex", &self.modify),
            ("PeerName", &""),
            ("Port", &self.port),
            ("Proxy", &Json(self.proxy.as_deref().or(Some("{}")))),
            ("Service", &self.name.as_str()),
            ("SocketPath", &self.socket_path),
            ("TaggedAddresses", &self.tagged_addresses),
            ("Tags", &self.tags),
            ("Weights", &weights),
        ]);
        row.put(out);
    }
}

impl Put for Check {
    fn put(&self, out: &mut Writer<'_>) {
        let row = Map([
            ("CheckID", &self.id),
            ("CreateIndex", &self.create),
            ("Definition", &definition(self.definition.as_deref())),
            ("ExposedPort", &self.exposed_port),
            ("Interval", &self.interval),
            ("ModifyIndex", &self.modify),
            ("Name", &self.name),
            ("Node", &self.node.as_str()),
            ("Notes", &self.notes),
            ("Output", &self.output),
            ("PeerName", &""),
            ("ServiceID", &self.service_id.as_str()),
            ("ServiceName", &self.service_name.as_str()),
            ("ServiceTags", &self.service_tags),
            ("Status", &self.status),
            ("Timeout", &self.timeout),
            ("Type", &self.kind),
        ]);
        row.put(out);
    }
}

fn definition(kept: Option<&str>) -> Option<serde_json::Value> {
    let mut value: serde_json::Value = serde_json::from_str(kept.unwrap_or("{}")).ok()?;
    for (name, value) in value.as_object_mut().into_iter().flatten() {
        let given = value.as_str().filter(|_| DURATIONS.contains(&name.as_str()));
        if let Some(Ok(length)) = given.map(GoDuration::parse) {
            *value = length.as_nanoseconds().into();
        }
    }
    Some(value)
}

impl Put for NodeCoordinate {
    fn put(&self, out: &mut Writer<'_>) {
        let place = &self.coordinate;
        let place = Map([
            ("Adjustment", &place.adjustment),
            ("Error", &place.error),
            ("Height", &place.height),
            ("Vec", &&place.vector[..]),
        ]);
        let row = Map([
            ("Coord", &place),
            ("Node", &self.node.as_str()),
            ("Partition", &""),
            ("Segment", &self.segment),
        ]);
        row.put(out);
    }
}

/// A check of a service that a session depends on.
struct ServiceCheck<'a>(&'a CheckId);

impl Put for ServiceCheck<'_> {
    fn put(&self, out: &mut Writer<'_>) {
        Map([("ID", self.0), ("Namespace", &"")]).put(out);
    }
}

impl Put for Session {
    fn put(&self, out: &mut Writer<'_>) {
        let service_checks = self.service_checks.as_ref();
        let service_checks =
            service_checks.map(|list| list.iter().map(ServiceCheck).collect::<Box<[_]>>());
        let behavior = match self.behavior {
            Behavior::Release => "release",
            Behavior::Delete => "delete",
        };
        let row = Map([
            ("Behavior", &behavior),
            ("Checks", &self.checks),
            ("CreateIndex", &self.create),
            ("ID", &self.id.to_string()),
            ("LockDelay", &self.lock_delay_ns),
            ("ModifyIndex", &self.modify),
            ("Name", &self.name),
            ("Node", &self.node.as_str()),
            ("NodeChecks", &self.node_checks),
            ("ServiceChecks", &service_checks),
            ("TTL", &self.ttl),
        ]);
        row.put(out);
    }
}

/// A key that was never written.
const NOTHING: Fields<'static> = Fields {
    key: b"",
    value: b"",
    flags: 0,
    lock_index: 0,
    session: None,
    create: ModifyIndex::ZERO,
    modify: ModifyIndex::ZERO,
};

impl Put for Fields<'_> {
    fn put(&self, out: &mut Writer<'_>) {
        let row = Map([
            ("CreateIndex", &self.create),
            ("Flags", &self.flags),
            ("Key", &Raw(self.key)),
            ("LockIndex", &self.lock_index),
            ("ModifyIndex", &self.modify),
            ("Session", &self.session.map(|id| id.to_string()).unwrap_or_default()),
            ("Value", &Some(self.value).filter(|value| !value.is_empty()).map(Raw)),
        ]);
        row.put(out);
    }
}

impl Put for FailoverTarget {
    fn put(&self, out: &mut Writer<'_>) {
        Map([("Datacenter", &self.datacenter), ("Peer", &self.peer)]).put(out);
    }
}

impl Put for PreparedQuery {
    fn put(&self, out: &mut Writer<'_>) {
        let (template, service) = (&self.template, &self.service);
        let failover = Map([
            ("Datacenters", &service.failover.datacenters),
            ("NearestN", &service.failover.nearest_n),
            ("Targets", &service.failover.targets),
        ]);
        let service = Map([
            ("Connect", &service.connect),
            ("Failover", &failover),
            ("IgnoreCheckIDs", &service.ignore_check_ids),
            ("Near", &service.near),
            ("NodeMeta", &service.node_meta),
            ("OnlyPassing", &service.only_passing),
            ("Peer", &service.peer),
            ("SamenessGroup", &""),
            ("Service", &service.service.as_str()),
            ("ServiceMeta", &service.service_meta),
            ("Tags", &service.tags),
        ]);
        let template = Map([
            ("Regexp", &template.regexp),
            ("RemoveEmptyTags", &template.remove_empty_tags),
            ("Type", &template.kind),
        ]);
        let row = Map([
            ("CreateIndex", &self.create),
            ("DNS", &Map([("TTL", &self.dns_ttl)])),
            ("ID", &self.id.to_string()),
            ("ModifyIndex", &self.modify),
            ("Name", &self.name),
            ("Service", &service),
            ("Session", &self.session.map(|id| id.to_string()).unwrap_or_default()),
            ("Template", &template),
            ("Token", &self.token.reveal()),
        ]);
        row.put(out);
    }
}

impl Put for Autopilot {
    fn put(&self, out: &mut Writer<'_>) {
        let row = Map([
            ("CleanupDeadServers", &self.cleanup_dead_servers),
            ("CreateIndex", &self.create),
            ("DisableUpgradeMigration", &self.disable_upgrade_migration),
            ("LastContactThreshold", &self.last_contact_threshold_ns),
            ("MaxTrailingLogs", &self.max_trailing_logs),
            ("MinQuorum", &self.min_quorum),
            ("ModifyIndex", &self.modify),
            ("RedundancyZoneTag", &self.redundancy_zone_tag),
            ("ServerStabilizationTime", &self.server_stabilization_ns),
            ("UpgradeVersionTag", &self.upgrade_version_tag),
        ]);
        row.put(out);
    }
}
