//! From records to the catalogue.

use std::collections::BTreeMap;

use archive::{ArchiveError, Records, kind};
use catalog::{
    Autopilot, Behavior, CheckId, Coordinate, Entry, FailoverTarget, Fields, ModifyIndex,
    NodeCoordinate, NodeName, Pairs, PreparedQuery, QueryFailover, QueryTemplate, Row, Secret,
    ServiceName, ServiceQuery, Session, Snapshot, Tags, Time, Uuid,
};
use gotext::object::ObjectError;
use wire::msgpack::{Reader, Value};

use super::fields::{as_float, bytes, float, form, list, number, signed_number, string, truth};
use crate::limits::RECORD_BYTES;

/// Why a state cannot be restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It is not made of records.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A record does not hold what its type says.
    #[error("failed to restore a {name} record: {why}")]
    Record {
        /// The type's name.
        name: String,
        /// What was wrong.
        why: String,
    },
    /// A type that nobody knows, from among those that cannot be passed over.
    #[error("Unrecognized msg type: {0}")]
    Unknown(u8),
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Restored {
    /// The state.
    pub(crate) snapshot: Snapshot,
    /// How many records of which types were passed over.
    pub(crate) left_out: BTreeMap<String, usize>,
}

/// Reads a state. `now` is when what was deleted is taken to have been.
pub(crate) fn read(state: &[u8], now: Time) -> Result<Restored, ReadError> {
    let mut snapshot = Snapshot::default();
    snapshot.enter_last_index(ModifyIndex(archive::last_index(state)?));
    let mut left_out = BTreeMap::new();
    for record in Records::new(state) {
        let record = record?;
        let wrong = |why: String| ReadError::Record { name: archive::type_name(record.kind), why };
        if record.value.len() > RECORD_BYTES {
            return Err(wrong(format!("it is longer than {RECORD_BYTES} bytes")));
        }
        let value = || {
            Value::read(&mut Reader::new(record.value)).map_err(|error| wrong(error.to_string()))
        };
        let entered = match record.kind {
            kind::REGISTER => {
                register(&mut snapshot, value()?).map_err(|error| wrong(error.to_string()))?
            }
            kind::KEY => {
                snapshot.enter(key(&value()?).map_err(wrong)?);
                true
            }
            kind::TOMBSTONE => {
                snapshot.enter(tombstone(&value()?, now));
                true
            }
            kind::SESSION => {
                snapshot.enter(Row::Session(session(&value()?).map_err(wrong)?));
                true
            }
            kind::COORDINATES => {
                coordinates(&mut snapshot, &value()?).map_err(wrong)?;
                true
            }
            kind::PREPARED_QUERY => {
                snapshot.enter(Row::Query(Box::new(query(&value()?).map_err(wrong)?)));
                true
            }
            kind::AUTOPILOT => {
                snapshot.enter(Row::Autopilot(autopilot(&value()?)));
                true
            }
            kind::INDEX => {
                let value = value()?;
                let index = ModifyIndex(number(&value, "Value"));
                snapshot.enter_index(&string(&value, "Key"), index);
                true
            }
            kind::VIRTUAL_ADDRESS => virtual_address(&mut snapshot, &value()?),
            // The next address follows from those that are taken, and nothing came in part.
            kind::FREE_VIRTUAL_ADDRESS | kind::CHUNKING => true,
            unknown if unknown < kind::IGNORABLE && !archive::is_known(unknown) => {
                return Err(ReadError::Unknown(unknown));
            }
            _ => false,
        };
        if !entered {
            *left_out.entry(archive::type_name(record.kind)).or_default() += 1;
        }
    }
    Ok(Restored { snapshot, left_out })
}

/// A node, a service of it, or a check of it. Those of other clusters are passed over.
fn register(snapshot: &mut Snapshot, value: Value) -> Result<bool, ObjectError> {
    let restored = api::restored(form(value))?;
    if !restored.peer.is_empty() {
        return Ok(false);
    }
    match (restored.service, restored.check) {
        (None, None) => snapshot.enter(Row::Node(restored.node)),
        (service, check) => {
            if let Some(service) = service {
                snapshot.enter(Row::Service(service.into()));
            }
            if let Some(check) = check {
                snapshot.enter(Row::Check(check.into()));
            }
        }
    }
    Ok(true)
}

fn key(value: &Value) -> Result<Row, String> {
    let session = string(value, "Session");
    let session = if session.is_empty() { None } else { Some(uuid(&session)?) };
    Ok(Row::Entry(Entry::new(Fields {
        key: bytes(value, "Key"),
        value: bytes(value, "Value"),
        flags: number(value, "Flags"),
        lock_index: number(value, "LockIndex"),
        session,
        create: ModifyIndex(number(value, "CreateIndex")),
        modify: ModifyIndex(number(value, "ModifyIndex")),
    })))
}

fn tombstone(value: &Value, now: Time) -> Row {
    let modify = ModifyIndex(number(value, "ModifyIndex"));
    Row::Tombstone { key: bytes(value, "Key").into(), modify, time: now }
}

fn session(value: &Value) -> Result<Session, String> {
    let names = |field| {
        let name = |value: &Value| CheckId::from(&*lossy(value));
        list(value, field).map(|list| list.iter().map(name).collect())
    };
    let service_checks = list(value, "ServiceChecks")
        .map(|list| list.iter().map(|check| CheckId::from(&*string(check, "ID"))).collect());
    Ok(Session {
        id: uuid(&string(value, "ID"))?,
        name: string(value, "Name"),
        node: NodeName::from(&*string(value, "Node")),
        lock_delay_ns: signed_number(value, "LockDelay"),
        behavior: match &*string(value, "Behavior") {
            "delete" => Behavior::Delete,
            _ => Behavior::Release,
        },
        ttl: string(value, "TTL"),
        node_checks: names("NodeChecks"),
        service_checks,
        checks: names("Checks"),
        create: ModifyIndex(number(value, "CreateIndex")),
        modify: ModifyIndex(number(value, "ModifyIndex")),
    })
}

fn lossy(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()
}

fn uuid(text: &str) -> Result<Uuid, String> {
    Uuid::parse(text).ok_or_else(|| format!("{} is no UUID", gotext::quote(text)))
}

fn coordinates(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    let Value::Array(batch) = value else { return Err("it is no list".to_owned()) };
    for row in batch {
        let place = row.get("Coord").ok_or("a coordinate is missing")?;
        let vector: Vec<f64> =
            list(place, "Vec").unwrap_or_default().iter().map(as_float).collect();
        let vector = vector.try_into().map_err(|_| "a coordinate has not 8 dimensions")?;
        snapshot.enter(Row::Coordinate(NodeCoordinate {
            node: NodeName::from(&*string(row, "Node")),
            segment: string(row, "Segment"),
            coordinate: Coordinate {
                vector,
                error: float(place, "Error"),
                adjustment: float(place, "Adjustment"),
                height: float(place, "Height"),
            },
        }));
    }
    Ok(())
}

fn query(value: &Value) -> Result<PreparedQuery, String> {
    let (template, service) = (part(value, "Template"), part(value, "Service"));
    let failover = part(service, "Failover");
    let target = |value: &Value| FailoverTarget {
        peer: string(value, "Peer"),
        datacenter: string(value, "Datacenter"),
    };
    let session = string(value, "Session");
    Ok(PreparedQuery {
        id: uuid(&string(value, "ID"))?,
        name: string(value, "Name"),
        session: if session.is_empty() { None } else { Some(uuid(&session)?) },
        token: Secret::from(&*string(value, "Token")),
        template: QueryTemplate {
            kind: string(template, "Type"),
            regexp: string(template, "Regexp"),
            remove_empty_tags: truth(template, "RemoveEmptyTags"),
        },
        service: ServiceQuery {
            service: ServiceName::from(&*string(service, "Service")),
            failover: QueryFailover {
                nearest_n: signed_number(failover, "NearestN"),
                datacenters: texts(failover, "Datacenters"),
                targets: list(failover, "Targets").map(|list| list.iter().map(target).collect()),
            },
            only_passing: truth(service, "OnlyPassing"),
            ignore_check_ids: texts(service, "IgnoreCheckIDs"),
            near: string(service, "Near"),
            tags: texts(service, "Tags"),
            node_meta: pairs(service, "NodeMeta"),
            service_meta: pairs(service, "ServiceMeta"),
            connect: truth(service, "Connect"),
            peer: string(service, "Peer"),
        },
        dns_ttl: string(part(value, "DNS"), "TTL"),
        create: ModifyIndex(number(value, "CreateIndex")),
        modify: ModifyIndex(number(value, "ModifyIndex")),
    })
}

/// The record in a field; one without fields for nil.
fn part<'a>(record: &'a Value, name: &str) -> &'a Value {
    record.get(name).unwrap_or(&Value::Nil)
}

/// The list of texts in a field; none for nil.
fn texts(record: &Value, name: &str) -> Tags {
    list(record, name).map(|list| list.iter().map(|text| lossy(text).into()).collect())
}

/// The texts by name in a field, sorted; none for nil.
fn pairs(record: &Value, name: &str) -> Pairs {
    let Some(Value::Map(fields)) = record.get(name) else { return None };
    let pair = |(name, value): &(Value, Value)| (lossy(name).into(), lossy(value).into());
    let sorted: BTreeMap<Box<str>, Box<str>> = fields.iter().map(pair).collect();
    Some(sorted.into_iter().collect())
}

fn autopilot(value: &Value) -> Autopilot {
    Autopilot {
        cleanup_dead_servers: truth(value, "CleanupDeadServers"),
        last_contact_threshold_ns: signed_number(value, "LastContactThreshold"),
        max_trailing_logs: number(value, "MaxTrailingLogs"),
        min_quorum: number(value, "MinQuorum"),
        server_stabilization_ns: signed_number(value, "ServerStabilizationTime"),
        redundancy_zone_tag: string(value, "RedundancyZoneTag"),
        disable_upgrade_migration: truth(value, "DisableUpgradeMigration"),
        upgrade_version_tag: string(value, "UpgradeVersionTag"),
        create: ModifyIndex(number(value, "CreateIndex")),
        modify: ModifyIndex(number(value, "ModifyIndex")),
    }
}

/// The address of a service of this cluster; others are passed over.
fn virtual_address(snapshot: &mut Snapshot, value: &Value) -> bool {
    let Some(service) = value.get("Service") else { return false };
    let name = service.get("ServiceName").map(|name| string(name, "Name"));
    let [.., a, b, c, d] = bytes(value, "IP") else { return false };
    match name {
        // A number beyond the network has no address.
        Some(name) if bytes(service, "Peer").is_empty() && *a < 0x10 => {
            let number = u32::from_be_bytes([*a, *b, *c, *d]);
            snapshot.enter(Row::VirtualAddress(ServiceName::from(&*name).fold(), number));
            true
        }
        _ => false,
    }
}
