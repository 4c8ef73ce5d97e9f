#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use archive::{Records, kind};
use catalog::{
    Autopilot, Coordinate, Entry, FailoverTarget, Fields, ModifyIndex, Node, NodeCoordinate,
    PreparedQuery, QueryFailover, QueryTemplate, Row, Service, ServiceQuery, Session, Snapshot,
    Time, Uuid,
};
use wire::msgpack::{Reader, Value};

use super::Part;
use super::read::ReadError;

const NOW: Time = Time(1_000);

/// The state in a recorded archive.
fn recorded(name: &str) -> Vec<u8> {
    let shared = std::env::var_os("TRIBUNE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let bytes = std::fs::read(shared.join("vectors/consul-catalog").join(name)).unwrap();
    let whole = |state: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        state.read_to_end(&mut bytes).map(|_| bytes)
    };
    archive::read(&bytes[..], 1 << 24, whole).unwrap().1.unwrap()
}

/// What was read, entered into a state.
#[derive(Debug)]
struct Restored {
    snapshot: Snapshot,
    left_out: BTreeMap<String, usize>,
}

fn read(state: &[u8], now: Time) -> Result<Restored, ReadError> {
    let mut snapshot = Snapshot::default();
    let left_out = super::read(state, now, &mut |part| {
        match part {
            Part::LastIndex(index) => snapshot.enter_last_index(index),
            Part::Row(row) => snapshot.enter(row),
            Part::Index(name, index) => snapshot.enter_index(name, index),
        }
        Ok(())
    })?;
    Ok(Restored { snapshot, left_out })
}

fn write(snapshot: &Snapshot, datacenter: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    super::write(snapshot, datacenter, &mut bytes).unwrap();
    bytes
}

fn values(state: &[u8], kind: u8) -> Vec<Value> {
    let mut records = Records::new(state, state.len());
    let mut values = Vec::new();
    while let Some(record) = records.next_record().unwrap() {
        if record.kind == kind {
            values.push(Value::read(&mut Reader::new(record.value)).unwrap());
        }
    }
    values
}

fn saved(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.save(&mut bytes).unwrap();
    bytes
}

#[test]
fn recorded_states_are_read_and_what_is_not_here_is_counted() {
    let restored = read(&recorded("snapshot-1.16.snap"), NOW).unwrap();
    let snapshot = restored.snapshot;
    assert_eq!(snapshot.index(), ModifyIndex(49));
    assert_eq!(snapshot.node_list().count(), 5);
    assert_eq!(snapshot.node(&"BETA".into()).unwrap().modify, ModifyIndex(19));
    let proxy = snapshot.service(&"alpha".into(), &"web-1-proxy".into()).unwrap();
    assert_eq!(proxy.destination, Some("web".into()));
    assert_eq!(snapshot.instances(&"web".into()).count(), 5);
    assert_eq!(snapshot.service_index(&"web".into()), ModifyIndex(26));
    assert_eq!(snapshot.kv_index(), ModifyIndex(41));
    assert_eq!(snapshot.kv_get(b"bin").unwrap().fields().value, [0, 1, 0xc3, 0xbf]);
    assert_eq!(snapshot.kv_get(b"a/b").unwrap().fields().flags, u64::MAX);
    assert!(snapshot.kv_get(b"lock").unwrap().fields().session.is_some());
    assert_eq!(snapshot.kv_list_index(b"deleted"), ModifyIndex(38));
    assert_eq!(snapshot.session_list().count(), 2);
    assert_eq!(snapshot.autopilot().unwrap().max_trailing_logs, 300);
    assert_eq!(snapshot.virtual_addresses().count(), 3);
    let geo = snapshot.query_lookup("GEO-x").unwrap().unwrap();
    assert_eq!((geo.service.service.as_str(), geo.modify), ("", ModifyIndex(43)));
    let geo = snapshot.query_lookup("geo-x").unwrap().unwrap();
    assert_eq!(geo.service.service.as_str(), "x");
    assert_eq!((snapshot.query_list().count(), snapshot.query_index()), (2, ModifyIndex(43)));
    assert!(!restored.left_out.contains_key("PreparedQuery"));
    assert_eq!(restored.left_out["ConfigEntry"], 4);
    assert!(!restored.left_out.contains_key("Register"));

    let acl = read(&recorded("snapshot-1.16-acl.snap"), NOW).unwrap();
    assert!(acl.left_out["ACLToken"] > 0);
    read(&recorded("snapshot-1.21.snap"), NOW).unwrap();
}

/// Every field that a recorded record has and ours has too holds the same value.
fn agree(ours: &Value, recorded: &Value, place: &str) {
    match (ours, recorded) {
        (Value::Map(fields), Value::Map(_)) => {
            for (name, value) in fields {
                let name = name.as_text().unwrap();
                let recorded = recorded.get(name);
                let recorded = recorded.unwrap_or_else(|| panic!("{place}.{name} is not recorded"));
                agree(value, recorded, &format!("{place}.{name}"));
            }
        }
        (Value::Array(ours), Value::Array(recorded)) => {
            assert_eq!(ours.len(), recorded.len(), "{place}");
            for (at, (ours, recorded)) in ours.iter().zip(recorded).enumerate() {
                agree(ours, recorded, &format!("{place}[{at}]"));
            }
        }
        _ => assert_eq!(ours, recorded, "{place}"),
    }
}

/// Two lists of records in one order: Consul sorts by other keys than we do.
fn sorted(mut values: Vec<Value>, field: &str) -> Vec<Value> {
    let key = |value: &Value| {
        let text = |name: &str| value.get(name).and_then(Value::as_bytes).map(<[u8]>::to_vec);
        let under = |outer: &str, name: &str| value.get(outer).and_then(|v| v.get(name)).cloned();
        let inner = (under("Service", "ID"), under("Check", "CheckID"));
        (text(field).map(|text| text.to_ascii_lowercase()), format!("{inner:?}"))
    };
    values.sort_by_key(key);
    values
}

#[test]
fn what_is_written_is_what_consul_wrote() {
    let state = recorded("snapshot-1.16.snap");
    let again = write(&read(&state, NOW).unwrap().snapshot, "dc1");
    for (kind, field) in [
        (kind::REGISTER, "Node"),
        (kind::KEY, "Key"),
        (kind::SESSION, "ID"),
        (kind::TOMBSTONE, "Key"),
        (kind::PREPARED_QUERY, "ID"),
        (kind::COORDINATES, "Node"),
        (kind::AUTOPILOT, ""),
        (kind::FREE_VIRTUAL_ADDRESS, ""),
        (kind::CHUNKING, ""),
    ] {
        let (ours, recorded) = (values(&again, kind), values(&state, kind));
        assert_eq!(ours.len(), recorded.len(), "{kind}");
        assert!(!ours.is_empty(), "{kind}");
        let (ours, recorded) = (sorted(ours, field), sorted(recorded, field));
        for (ours, recorded) in ours.iter().zip(&recorded) {
            agree(ours, recorded, &archive::type_name(kind));
        }
    }
    let recorded = values(&state, kind::INDEX);
    for row in values(&again, kind::INDEX) {
        assert!(recorded.contains(&row), "{row:?}");
    }
}

#[test]
fn a_state_that_went_out_comes_back_the_same() {
    let mut snapshot = read(&recorded("snapshot-1.16.snap"), NOW).unwrap().snapshot;
    let uuid = |byte| Uuid::from_bytes([byte; 16]);
    snapshot.enter(Row::Node(Node { name: "Zeta".into(), ..Node::default() }));
    snapshot.enter(Row::Service(Box::new(Service {
        node: "zeta".into(),
        id: "s".into(),
        name: "S".into(),
        port: -7,
        ..Service::default()
    })));
    snapshot.enter(Row::Entry(Entry::new(Fields {
        key: b"\xff\0",
        value: b"",
        flags: 0,
        lock_index: 3,
        session: Some(uuid(9)),
        create: ModifyIndex(3),
        modify: ModifyIndex(70_000),
    })));
    let session =
        Session { id: uuid(9), node: "Zeta".into(), ttl: "10s".into(), ..Default::default() };
    snapshot.enter(Row::Session(session));
    let pairs = || Some([("a".into(), "b".into())].into());
    let target = FailoverTarget { peer: "p".into(), datacenter: "dc2".into() };
    snapshot.enter(Row::Query(Box::new(PreparedQuery {
        id: uuid(3),
        name: "all".into(),
        session: Some(uuid(9)),
        token: "secret".into(),
        template: QueryTemplate { kind: "".into(), regexp: "(".into(), remove_empty_tags: true },
        service: ServiceQuery {
            service: "web".into(),
            failover: QueryFailover {
                nearest_n: -1,
                datacenters: Some(["dc2".into()].into()),
                targets: Some([target].into()),
            },
            only_passing: true,
            ignore_check_ids: Some([].into()),
            near: "_agent".into(),
            tags: Some(["!x".into()].into()),
            node_meta: pairs(),
            service_meta: pairs(),
            connect: true,
            peer: "p".into(),
        },
        dns_ttl: "10s".into(),
        create: ModifyIndex(4),
        modify: ModifyIndex(69_000),
    })));
    snapshot.enter(Row::Coordinate(NodeCoordinate {
        node: "zeta".into(),
        segment: "".into(),
        coordinate: Coordinate { vector: [0.25; 8], error: 1.0, adjustment: -1.0, height: 1e-5 },
    }));
    snapshot
        .enter(Row::Autopilot(Autopilot { last_contact_threshold_ns: -1, ..Autopilot::default() }));
    snapshot.enter_index("kvs", ModifyIndex(70_000));
    snapshot.enter_last_index(ModifyIndex(70_000));
    let again = read(&write(&snapshot, "dc1"), NOW).unwrap();
    assert!(again.left_out.is_empty(), "{:?}", again.left_out);
    // Weights that no service could have been given become the usual ones.
    let mut service = snapshot.service(&"zeta".into(), &"s".into()).unwrap().clone();
    service.weights = catalog::Weights { passing: 1, warning: 1 };
    snapshot.enter(Row::Service(service.into()));
    assert_eq!(again.snapshot.index(), snapshot.index());
    assert_eq!(saved(&again.snapshot), saved(&snapshot));
}

#[test]
fn no_record_of_ours_is_too_long_to_be_read() {
    let mut snapshot = Snapshot::default();
    let coordinate = Coordinate { vector: [0.25; 8], error: 1.0, adjustment: 0.0, height: 0.0 };
    let count = crate::limits::RECORD_BYTES / 180;
    for number in 0..count {
        snapshot.enter(Row::Coordinate(NodeCoordinate {
            node: format!("node-{number:010}").as_str().into(),
            segment: "".into(),
            coordinate: coordinate.clone(),
        }));
    }
    let again = read(&write(&snapshot, "dc1"), NOW).unwrap().snapshot;
    assert_eq!(again.coordinates().count(), count);
}

#[test]
fn strange_records_are_refused_or_passed_over() {
    let state = |kind, value: &Value| {
        let mut bytes = Vec::new();
        let mut out = archive::StateWriter::new(&mut bytes, 1);
        out.put(kind, |writer| writer.write_value(value)).unwrap();
        out.finish().unwrap();
        bytes
    };
    let refused = |kind, value: &Value| read(&state(kind, value), NOW).unwrap_err().to_string();
    assert_eq!(refused(99, &Value::Nil), "Unrecognized msg type: 99");
    assert_eq!(read(&state(200, &Value::Nil), NOW).unwrap().left_out["Unknown(200)"], 1);
    assert_eq!(
        refused(kind::COORDINATES, &Value::Nil),
        "failed to restore a CoordinateBatchUpdate record: it is no list"
    );
    let id = Value::Map(vec![(Value::Raw(b"ID".to_vec()), Value::Raw(b"x".to_vec()))]);
    assert!(refused(kind::SESSION, &id).ends_with("\"x\" is no UUID"));
    let port = |value| Value::Map(vec![(Value::Raw(b"Port".to_vec()), value)]);
    let service = |value| Value::Map(vec![(Value::Raw(b"Service".to_vec()), port(value))]);
    assert!(refused(kind::REGISTER, &service(Value::Raw(b"x".to_vec()))).contains("Register"));
    let long = Value::Raw(vec![0; crate::limits::RECORD_BYTES]);
    assert!(refused(kind::KEY, &long).starts_with("failed to restore a KVS record: it is longer"));
    let named = |name: &str, value| Value::Map(vec![(Value::Raw(name.into()), value)]);
    let address = |bytes: &[u8]| {
        let name = named("ServiceName", named("Name", Value::Raw(b"web".to_vec())));
        let ip = (Value::Raw(b"IP".to_vec()), Value::Raw(bytes.to_vec()));
        let value = Value::Map(vec![(Value::Raw(b"Service".to_vec()), name), ip]);
        read(&state(kind::VIRTUAL_ADDRESS, &value), NOW).unwrap()
    };
    assert_eq!(address(&[0, 0, 0, 7]).snapshot.virtual_addresses().count(), 1);
    assert_eq!(address(&[255; 16]).left_out["ServiceVirtualIP"], 1, "no number of the network");
    for kind in 0..=u8::MAX {
        // Whatever the value is: no panic.
        for value in
            [Value::Nil, Value::Array(vec![Value::Nil]), Value::Map(Vec::new()), id.clone()]
        {
            let _ = read(&state(kind, &value), NOW);
        }
    }
}
