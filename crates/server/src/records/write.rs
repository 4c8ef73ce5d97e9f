//! From the catalogue to records, in the order in which Consul writes them.

use std::io::{self, Write};

use archive::{StateWriter, kind};
use catalog::{
    Autopilot, Behavior, Check, CheckId, Fields, ModifyIndex, Node, NodeCoordinate, PreparedQuery,
    Service, Session, Snapshot,
};
use gotext::GoDuration;
use wire::msgpack::{Value, Writer};

use super::fields::{json, map, pairs, signed, text, texts};

/// Lengths of time in the definition of a check: texts here, nanoseconds there.
const DURATIONS: [&str; 3] = ["Interval", "Timeout", "DeregisterCriticalServiceAfter"];

/// Coordinates of one record, of some 200 bytes each: far below what a reader takes.
const COORDINATES: usize = 1000;

/// Writes the state of a datacenter.
pub(crate) fn write(snapshot: &Snapshot, datacenter: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut out = StateWriter::new(out, snapshot.index().0);
    let mut last = None;
    for (name, number) in snapshot.virtual_addresses() {
        last = last.max(Some(number));
        out.put(kind::VIRTUAL_ADDRESS, &virtual_address(name.as_str(), number))?;
    }
    if let Some(last) = last {
        let counter = map([("IP", address(last)), ("IsCounter", Value::Bool(true))]);
        out.put(kind::FREE_VIRTUAL_ADDRESS, &counter)?;
    }
    for node in snapshot.node_list() {
        let put = |out: &mut StateWriter<'_>, service, check| {
            out.put(kind::REGISTER, &registration(node, datacenter, service, check))
        };
        put(&mut out, Value::Nil, Value::Nil)?;
        for row in snapshot.services_of(&node.name) {
            put(&mut out, service(row), Value::Nil)?;
        }
        for row in snapshot.node_checks(&node.name) {
            put(&mut out, Value::Nil, check(row))?;
        }
    }
    let mut places = snapshot.coordinates().peekable();
    while places.peek().is_some() {
        let batch = places.by_ref().take(COORDINATES).map(coordinate);
        out.put(kind::COORDINATES, &Value::Array(batch.collect()))?;
    }
    for row in snapshot.session_list() {
        out.put(kind::SESSION, &session(row))?;
    }
    for entry in snapshot.kv_list(b"") {
        out.put_with(kind::KEY, |writer| key(writer, entry.fields()))?;
    }
    for (name, modify) in snapshot.tombstones() {
        let buried = Fields { key: name, modify, ..NOTHING };
        out.put_with(kind::TOMBSTONE, |writer| key(writer, buried))?;
    }
    for row in snapshot.query_list() {
        out.put(kind::PREPARED_QUERY, &query(row))?;
    }
    if let Some(row) = snapshot.autopilot() {
        out.put(kind::AUTOPILOT, &autopilot(row))?;
    }
    for (name, index) in snapshot.index_table() {
        let row = map([("Key", text(&name)), ("Value", Value::Unsigned(index.0))]);
        out.put(kind::INDEX, &row)?;
    }
    out.put(kind::CHUNKING, &map([("ChunkMap", Value::Map(Vec::new()))]))?;
    out.finish()
}

/// The number of a virtual address, as an IPv4 address in IPv6.
fn address(number: u32) -> Value {
    Value::Raw(std::net::Ipv4Addr::from(number).to_ipv6_mapped().octets().to_vec())
}

fn virtual_address(name: &str, number: u32) -> Value {
    map([
        ("CreateIndex", Value::Unsigned(0)),
        ("IP", address(number)),
        ("ManualIPs", Value::Nil),
        ("ModifyIndex", Value::Unsigned(0)),
        ("Service", map([("Peer", text("")), ("ServiceName", map([("Name", text(name))]))])),
    ])
}

fn registration(node: &Node, datacenter: &str, service: Value, check: Value) -> Value {
    map([
        ("Address", text(&node.address)),
        ("Check", check),
        ("Checks", Value::Nil),
        ("CreateIndex", Value::Unsigned(node.create.0)),
        ("Datacenter", text(datacenter)),
        ("ID", text(node.id.as_str())),
        ("Locality", json(node.locality.as_deref())),
        ("ModifyIndex", Value::Unsigned(node.modify.0)),
        ("Node", text(node.name.as_str())),
        ("NodeMeta", pairs(&node.meta)),
        ("PeerName", text("")),
        ("Service", service),
        ("SkipNodeUpdate", Value::Bool(false)),
        ("TaggedAddresses", pairs(&node.tagged_addresses)),
        ("Token", text("")),
    ])
}

fn service(row: &Service) -> Value {
    let tagged = row.tagged_addresses.as_ref().map_or(Value::Nil, |pairs| {
        let place = |(name, place): &(Box<str>, catalog::ServiceAddress)| {
            let fields = [("Address", text(&place.address)), ("Port", signed(place.port))];
            (text(name), map(fields))
        };
        Value::Map(pairs.iter().map(place).collect())
    });
    let weights =
        [("Passing", signed(row.weights.passing)), ("Warning", signed(row.weights.warning))];
    let proxy = row.proxy.as_deref().or(Some("{}"));
    map([
        ("Address", text(&row.address)),
        ("Connect", map([("Native", Value::Bool(row.native))])),
        ("CreateIndex", Value::Unsigned(row.create.0)),
        ("EnableTagOverride", Value::Bool(row.enable_tag_override)),
        ("ID", text(row.id.as_str())),
        ("Kind", text(&row.kind)),
        ("Locality", json(row.locality.as_deref())),
        ("LocallyRegisteredAsSidecar", Value::Bool(false)),
        ("Meta", pairs(&row.meta)),
        ("ModifyIndex", Value::Unsigned(row.modify.0)),
        ("PeerName", text("")),
        ("Port", signed(row.port)),
        ("Proxy", json(proxy)),
        ("Service", text(row.name.as_str())),
        ("SocketPath", text(&row.socket_path)),
        ("TaggedAddresses", tagged),
        ("Tags", tags(&row.tags)),
        ("Weights", map(weights)),
    ])
}

fn tags(tags: &catalog::Tags) -> Value {
    texts(tags.as_ref().map(|tags| tags.iter().map(|tag| &**tag)))
}

fn check(row: &Check) -> Value {
    map([
        ("CheckID", text(row.id.as_str())),
        ("CreateIndex", Value::Unsigned(row.create.0)),
        ("Definition", definition(row.definition.as_deref())),
        ("ExposedPort", signed(row.exposed_port)),
        ("Interval", text(&row.interval)),
        ("ModifyIndex", Value::Unsigned(row.modify.0)),
        ("Name", text(&row.name)),
        ("Node", text(row.node.as_str())),
        ("Notes", text(&row.notes)),
        ("Output", text(&row.output)),
        ("PeerName", text("")),
        ("ServiceID", text(row.service_id.as_str())),
        ("ServiceName", text(row.service_name.as_str())),
        ("ServiceTags", tags(&row.service_tags)),
        ("Status", text(&row.status)),
        ("Timeout", text(&row.timeout)),
        ("Type", text(&row.kind)),
    ])
}

fn definition(kept: Option<&str>) -> Value {
    let mut value = json(kept.or(Some("{}")));
    if let Value::Map(fields) = &mut value {
        for (name, value) in fields {
            let is_duration = name.as_text().is_some_and(|name| DURATIONS.contains(&name));
            let given = value.as_text().filter(|_| is_duration);
            if let Some(Ok(length)) = given.map(GoDuration::parse) {
                *value = signed(length.as_nanoseconds());
            }
        }
    }
    value
}

fn coordinate(row: &NodeCoordinate) -> Value {
    let place = &row.coordinate;
    let place = [
        ("Adjustment", Value::Double(place.adjustment)),
        ("Error", Value::Double(place.error)),
        ("Height", Value::Double(place.height)),
        ("Vec", Value::Array(place.vector.iter().copied().map(Value::Double).collect())),
    ];
    map([
        ("Coord", map(place)),
        ("Node", text(row.node.as_str())),
        ("Partition", text("")),
        ("Segment", text(&row.segment)),
    ])
}

fn session(row: &Session) -> Value {
    fn names(list: &Option<Box<[CheckId]>>) -> Value {
        texts(list.as_ref().map(|list| list.iter().map(CheckId::as_str)))
    }
    let service_checks = row.service_checks.as_ref().map_or(Value::Nil, |list| {
        let check = |id: &CheckId| map([("ID", text(id.as_str())), ("Namespace", text(""))]);
        Value::Array(list.iter().map(check).collect())
    });
    let behavior = match row.behavior {
        Behavior::Release => "release",
        Behavior::Delete => "delete",
    };
    map([
        ("Behavior", text(behavior)),
        ("Checks", names(&row.checks)),
        ("CreateIndex", Value::Unsigned(row.create.0)),
        ("ID", text(&row.id.to_string())),
        ("LockDelay", signed(row.lock_delay_ns)),
        ("ModifyIndex", Value::Unsigned(row.modify.0)),
        ("Name", text(&row.name)),
        ("Node", text(row.node.as_str())),
        ("NodeChecks", names(&row.node_checks)),
        ("ServiceChecks", service_checks),
        ("TTL", text(&row.ttl)),
    ])
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

/// There are many of them: they are written as they stand, in the order of [`map`].
fn key(writer: &mut Writer<'_>, fields: Fields<'_>) {
    writer.write_map(7);
    for (name, number) in [("CreateIndex", fields.create.0), ("Flags", fields.flags)] {
        writer.write_text(name);
        writer.write_u64(number);
    }
    writer.write_text("Key");
    writer.write_raw(fields.key);
    for (name, number) in [("LockIndex", fields.lock_index), ("ModifyIndex", fields.modify.0)] {
        writer.write_text(name);
        writer.write_u64(number);
    }
    writer.write_text("Session");
    writer.write_text(&fields.session.map(|id| id.to_string()).unwrap_or_default());
    writer.write_text("Value");
    match fields.value {
        [] => writer.write_nil(),
        value => writer.write_raw(value),
    }
}

fn query(row: &PreparedQuery) -> Value {
    let (template, service) = (&row.template, &row.service);
    let target = |target: &catalog::FailoverTarget| {
        map([("Datacenter", text(&target.datacenter)), ("Peer", text(&target.peer))])
    };
    let targets = service.failover.targets.as_ref();
    let failover = map([
        ("Datacenters", tags(&service.failover.datacenters)),
        ("NearestN", signed(service.failover.nearest_n)),
        ("Targets", targets.map_or(Value::Nil, |l| Value::Array(l.iter().map(target).collect()))),
    ]);
    let service = map([
        ("Connect", Value::Bool(service.connect)),
        ("Failover", failover),
        ("IgnoreCheckIDs", tags(&service.ignore_check_ids)),
        ("Near", text(&service.near)),
        ("NodeMeta", pairs(&service.node_meta)),
        ("OnlyPassing", Value::Bool(service.only_passing)),
        ("Peer", text(&service.peer)),
        ("SamenessGroup", text("")),
        ("Service", text(service.service.as_str())),
        ("ServiceMeta", pairs(&service.service_meta)),
        ("Tags", tags(&service.tags)),
    ]);
    let template = map([
        ("Regexp", text(&template.regexp)),
        ("RemoveEmptyTags", Value::Bool(template.remove_empty_tags)),
        ("Type", text(&template.kind)),
    ]);
    map([
        ("CreateIndex", Value::Unsigned(row.create.0)),
        ("DNS", map([("TTL", text(&row.dns_ttl))])),
        ("ID", text(&row.id.to_string())),
        ("ModifyIndex", Value::Unsigned(row.modify.0)),
        ("Name", text(&row.name)),
        ("Service", service),
        ("Session", text(&row.session.map(|id| id.to_string()).unwrap_or_default())),
        ("Template", template),
        ("Token", text(row.token.reveal())),
    ])
}

fn autopilot(row: &Autopilot) -> Value {
    map([
        ("CleanupDeadServers", Value::Bool(row.cleanup_dead_servers)),
        ("CreateIndex", Value::Unsigned(row.create.0)),
        ("DisableUpgradeMigration", Value::Bool(row.disable_upgrade_migration)),
        ("LastContactThreshold", signed(row.last_contact_threshold_ns)),
        ("MaxTrailingLogs", Value::Unsigned(row.max_trailing_logs)),
        ("MinQuorum", Value::Unsigned(row.min_quorum)),
        ("ModifyIndex", Value::Unsigned(row.modify.0)),
        ("RedundancyZoneTag", text(&row.redundancy_zone_tag)),
        ("ServerStabilizationTime", signed(row.server_stabilization_ns)),
        ("UpgradeVersionTag", text(&row.upgrade_version_tag)),
    ])
}
