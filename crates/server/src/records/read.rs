//! From records to the catalogue.

use std::collections::BTreeMap;
use std::io::{self, Read};

use archive::{ArchiveError, Records, kind};
use catalog::{
    Autopilot, Behavior, CheckId, Coordinate, Entry, FailoverTarget, Fields, ModifyIndex,
    NodeCoordinate, NodeName, Pairs, PreparedQuery, QueryFailover, QueryTemplate, Row, Secret,
    ServiceName, ServiceQuery, Session, Tags, Time, Uuid,
};
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
    /// Whoever takes what was read did not.
    #[error(transparent)]
    Taking(#[from] io::Error),
}

/// What a state consists of here.
pub(crate) enum Part<'a> {
    /// The index of its last command.
    LastIndex(ModifyIndex),
    /// A row.
    Row(Row),
    /// An index by its name.
    Index(&'a str, ModifyIndex),
}

/// Who gets what is read.
pub(crate) type Taker<'a> = &'a mut dyn FnMut(Part<'_>) -> io::Result<()>;

/// Reads a state and hands out what it consists of; says how many records of which types were
/// passed over. `now` is when what was deleted is taken to have been.
pub(crate) fn read(
    state: impl Read,
    now: Time,
    take: Taker<'_>,
) -> Result<BTreeMap<String, usize>, ReadError> {
    let mut records = Records::new(state, RECORD_BYTES);
    take(Part::LastIndex(ModifyIndex(records.last_index()?)))?;
    let mut left_out = BTreeMap::new();
    while let Some(record) = records.next_record()? {
        let wrong = |why: String| ReadError::Record { name: archive::type_name(record.kind), why };
        let value = || {
            Value::read(&mut Reader::new(record.value)).map_err(|error| wrong(error.to_string()))
        };
        let entered = match record.kind {
            kind::REGISTER => register(value()?, take, wrong)?,
            kind::KEY => {
                take(Part::Row(key(record.value).map_err(wrong)?))?;
                true
            }
            kind::TOMBSTONE => {
                take(Part::Row(tombstone(&value()?, now)))?;
                true
            }
            kind::SESSION => {
                take(Part::Row(Row::Session(session(&value()?).map_err(wrong)?)))?;
                true
            }
            kind::COORDINATES => {
                coordinates(&value()?, take, wrong)?;
                true
            }
            kind::PREPARED_QUERY => {
                let query = query(&value()?).map_err(wrong)?;
                take(Part::Row(Row::Query(query.into())))?;
                true
            }
            kind::AUTOPILOT => {
                take(Part::Row(Row::Autopilot(autopilot(&value()?))))?;
                true
            }
            kind::INDEX => {
                let value = value()?;
                let index = ModifyIndex(number(&value, "Value"));
                take(Part::Index(&string(&value, "Key"), index))?;
                true
            }
            kind::VIRTUAL_ADDRESS => match virtual_address(&value()?) {
                Some(row) => {
                    take(Part::Row(row))?;
                    true
                }
                None => false,
            },
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
    Ok(left_out)
}

/// A node, a service of it, or a check of it. Those of other clusters are passed over.
fn register(
    value: Value,
    take: Taker<'_>,
    wrong: impl Fn(String) -> ReadError,
) -> Result<bool, ReadError> {
    let restored = api::restored(form(value)).map_err(|error| wrong(error.to_string()))?;
    if !restored.peer.is_empty() {
        return Ok(false);
    }
    match (restored.service, restored.check) {
        (None, None) => take(Part::Row(Row::Node(restored.node)))?,
        (service, check) => {
            if let Some(service) = service {
                take(Part::Row(Row::Service(service.into())))?;
            }
            if let Some(check) = check {
                take(Part::Row(Row::Check(check.into())))?;
            }
        }
    }
    Ok(true)
}

/// There are many of them: they are read without a value in between.
fn key(value: &[u8]) -> Result<Row, String> {
    let (mut key, mut content, mut session) = (&b""[..], &b""[..], None);
    let (mut flags, mut lock_index, mut create, mut modify) = (0, 0, 0, 0);
    let mut wrong_session = Ok(());
    let read = Reader::new(value).read_record(&[], |reader, name| {
        match name {
            b"Key" => key = reader.read_bytes()?,
            b"Value" => content = reader.read_bytes()?,
            b"Flags" => flags = reader.read_u64()?,
            b"LockIndex" => lock_index = reader.read_u64()?,
            b"CreateIndex" => create = reader.read_u64()?,
            b"ModifyIndex" => modify = reader.read_u64()?,
            b"Session" => match reader.read_bytes()? {
                [] => session = None,
                text => match uuid(&String::from_utf8_lossy(text)) {
                    Ok(id) => session = Some(id),
                    Err(why) => wrong_session = Err(why),
                },
            },
            _ => reader.skip()?,
        }
        Ok(())
    });
    read.map_err(|error| error.to_string())?;
    wrong_session?;
    let (create, modify) = (ModifyIndex(create), ModifyIndex(modify));
    let fields = Fields { key, value: content, flags, lock_index, session, create, modify };
    Ok(Row::Entry(Entry::new(fields)))
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

fn coordinates(
    value: &Value,
    take: Taker<'_>,
    wrong: impl Fn(String) -> ReadError,
) -> Result<(), ReadError> {
    let wrong = |why: &str| wrong(why.to_owned());
    let Value::Array(batch) = value else { return Err(wrong("it is no list")) };
    for row in batch {
        let place = row.get("Coord").ok_or_else(|| wrong("a coordinate is missing"))?;
        let vector: Vec<f64> =
            list(place, "Vec").unwrap_or_default().iter().map(as_float).collect();
        let vector = vector.try_into().map_err(|_| wrong("a coordinate has not 8 dimensions"))?;
        take(Part::Row(Row::Coordinate(NodeCoordinate {
            node: NodeName::from(&*string(row, "Node")),
            segment: string(row, "Segment"),
            coordinate: Coordinate {
                vector,
                error: float(place, "Error"),
                adjustment: float(place, "Adjustment"),
                height: float(place, "Height"),
            },
        })))?;
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
fn virtual_address(value: &Value) -> Option<Row> {
    let service = value.get("Service")?;
    let name = service.get("ServiceName").map(|name| string(name, "Name"))?;
    let [.., a, b, c, d] = bytes(value, "IP") else { return None };
    // A number beyond the network has no address.
    if !bytes(service, "Peer").is_empty() || *a >= 0x10 {
        return None;
    }
    let number = u32::from_be_bytes([*a, *b, *c, *d]);
    Some(Row::VirtualAddress(ServiceName::from(&*name).fold(), number))
}
