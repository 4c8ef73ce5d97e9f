//! Another state takes the place of this one; and the rows that operators write.

#![allow(clippy::unwrap_used)]

use catalog::{
    Autopilot, AutopilotWrite, Command, Entry, Fields, KvVerb, KvWrite, ModifyIndex, Node,
    PartWriter, Register, Response, RestorePart, Row, Service, Session, Snapshot, State, Time,
    Usage, Uuid,
};

fn set(key: &[u8]) -> Command {
    Command::Kv(KvWrite {
        verb: KvVerb::Set,
        key: key.into(),
        value: (*b"v").into(),
        flags: 0,
        index: ModifyIndex::ZERO,
        session: "".into(),
    })
}

fn saved(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.save(&mut bytes).unwrap();
    bytes
}

/// The rows of a state whose last command had an index, one in each part.
fn parts(id: u8, index: u64) -> Vec<Command> {
    let mut writer = PartWriter::new(Uuid::from_bytes([id; 16]));
    let mut parts = Vec::new();
    writer.put_last_index(ModifyIndex(index)).unwrap();
    parts.push(writer.take(false));
    writer.put_index("kvs", ModifyIndex(index)).unwrap();
    parts.push(writer.take(false));
    for (key, last) in [(b"old", false), (b"mid", false), (b"end", true)] {
        let (create, modify) = (ModifyIndex(1), ModifyIndex(index));
        let fields =
            Fields { key, value: b"v", flags: 0, lock_index: 0, session: None, create, modify };
        writer.put(&Row::Entry(Entry::new(fields))).unwrap();
        assert!(writer.length() > 0);
        parts.push(writer.take(last));
    }
    parts.into_iter().map(Command::Restore).collect()
}

fn apply(state: &mut State, index: u64, command: &Command) -> Response {
    state.apply(ModifyIndex(index), Time(index), [command.clone()]).remove(0)
}

#[test]
fn the_last_part_swaps_the_state_and_indexes_go_on() {
    for (there, next) in [(500, 501), (3, 10)] {
        let mut state = State::default();
        apply(&mut state, 1, &set(b"before"));
        let parts = parts(1, there);
        for (index, part) in (10..).zip(&parts) {
            assert!(state.snapshot().kv_get(b"before").is_some());
            assert!(!state.take_replaced());
            assert_eq!(apply(&mut state, index, part), Response::Done);
        }
        let snapshot = state.snapshot();
        assert!(state.take_replaced() && !state.take_replaced());
        assert!(snapshot.kv_get(b"before").is_none());
        assert_eq!(snapshot.kv_list(b"").count(), 3);
        let restored = snapshot.kv_get(b"end").unwrap().fields();
        assert_eq!(restored.modify, ModifyIndex(there));
        assert_eq!(snapshot.kv_index(), ModifyIndex(there));
        let last_part = 9 + parts.len() as u64;
        assert_eq!(snapshot.index(), ModifyIndex(last_part.max(next)));
        // The log knows nothing of the jump.
        apply(&mut state, last_part + 1, &set(b"new"));
        let new = state.snapshot().kv_get(b"new").unwrap().fields().modify;
        assert_eq!(new.0, snapshot.index().0 + 1);
    }
}

#[test]
fn parts_survive_a_snapshot_and_end_with_another_restoring() {
    let mut state = State::default();
    let (ours, theirs) = (parts(1, 5), parts(2, 6));
    apply(&mut state, 1, &ours[0]);
    let bytes = saved(&state.snapshot());
    let mut state = State::new(Snapshot::restore(&mut &bytes[..]).unwrap());
    assert_eq!(saved(&state.snapshot()), bytes);
    assert_eq!(apply(&mut state, 2, &ours[1]), Response::Done);
    assert_eq!(apply(&mut state, 3, &ours[2]), Response::Done);
    let before = saved(&state.snapshot());
    let restored = Snapshot::restore(&mut &before[..]).unwrap();
    assert_eq!(saved(&restored), before);
    // What is staged is not there.
    assert_eq!(restored.kv_list(b"").count(), 0);
    let mut one = State::new(restored);
    for (index, part) in (4..).zip(&ours[3..]) {
        assert_eq!(apply(&mut one, index, part), Response::Done);
    }
    assert_eq!(one.snapshot().kv_list(b"").count(), 3);

    let refused = |response| match response {
        Response::Refused(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let began = "failed to restore: another one began in between";
    assert_eq!(apply(&mut state, 3, &theirs[0]), Response::Done);
    assert_eq!(refused(apply(&mut state, 4, &ours[3])), began);
    // The other one goes on, but not with a part left out.
    assert_eq!(apply(&mut state, 5, &theirs[1]), Response::Done);
    assert_eq!(refused(apply(&mut state, 6, &theirs[3])), began);
    assert!(!state.take_replaced());
}

#[test]
fn damage_changes_nothing_and_what_was_left_lying_is_forgotten() {
    let mut state = State::default();
    apply(&mut state, 1, &set(b"old"));
    let id = Uuid::from_bytes([1; 16]);
    let part = RestorePart { id, number: 0, last: true, bytes: (*b"nonsense").into() };
    let response = apply(&mut state, 2, &Command::Restore(part));
    assert!(matches!(response, Response::Refused(_)));
    assert!(state.snapshot().kv_get(b"old").is_some());
    // A part is made of rows; a stream, as logs of before have it, is a whole one.
    let bytes = saved(&state.snapshot());
    let bytes = bytes[..bytes.len() - 1].into();
    let part = RestorePart { id, number: 0, last: true, bytes };
    let response = apply(&mut state, 2, &Command::Restore(part));
    assert!(matches!(response, Response::Refused(_)));

    let before = saved(&state.snapshot()).len();
    apply(&mut state, 3, &parts(1, 5)[0]);
    assert!(saved(&state.snapshot()).len() > before);
    apply(&mut state, 4, &Command::Reap(Time(4)));
    assert_eq!(saved(&state.snapshot()).len(), before);
}

#[test]
fn a_row_that_comes_twice_is_there_once() {
    let row = || {
        let service = Service { node: "n".into(), id: "s".into(), ..Service::default() };
        Row::Service(Service { name: "web".into(), ..service }.into())
    };
    let mut root = Snapshot::default();
    for row in [Row::Node(Node { name: "n".into(), ..Node::default() }), row(), row()] {
        root.enter(row);
    }
    let mut state = State::new(root);
    let deregister =
        Command::Deregister { node: "n".into(), service: "s".into(), check: "".into() };
    apply(&mut state, 1, &deregister);
    assert_eq!(state.snapshot().service_tags().count(), 0);
}

#[test]
fn a_session_that_comes_twice_hangs_on_what_it_said_last() {
    let mut root = Snapshot::default();
    for node in ["first", "second"] {
        root.enter(Row::Session(Session { node: node.into(), ..Session::default() }));
    }
    assert_eq!(root.node_sessions(&"first".into()).count(), 0);
    assert_eq!(root.node_sessions(&"second".into()).count(), 1);
}

#[test]
fn the_numbers_of_virtual_addresses_are_within_their_network_and_one_services_each() {
    let mut root = Snapshot::default();
    let beyond = [("zero", 0), ("beyond", 0x0fff_ffff), ("last", u32::MAX)];
    let twice = [("a", 5), ("a", 6), ("b", 6), ("c", 5)];
    for (name, number) in beyond.into_iter().chain(twice) {
        root.enter(Row::VirtualAddress(name.into(), number));
    }
    let numbers = |root: &Snapshot| {
        let named = |(name, number): (&catalog::ServiceName, u32)| (name.to_string(), number);
        root.virtual_addresses().map(named).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&root), [("b".to_owned(), 6), ("c".to_owned(), 5)]);
    let mut state = State::new(root);
    let service = Service { id: "s".into(), name: "d".into(), native: true, ..Service::default() };
    let register = Register {
        node: Node { name: "n".into(), ..Node::default() },
        skip_node_update: false,
        service: Some(Box::new(Service { node: "n".into(), ..service })),
        checks: Box::default(),
    };
    assert_eq!(apply(&mut state, 1, &Command::Register(register.into())), Response::Done);
    assert_eq!(numbers(&state.snapshot())[2], ("d".to_owned(), 7));
}

#[test]
fn the_autopilot_is_written_under_its_condition() {
    let mut state = State::default();
    let write = |index: Option<u64>| {
        let row = Autopilot { min_quorum: 3, ..Autopilot::default() };
        Command::Autopilot(AutopilotWrite { row, index: index.map(ModifyIndex) }.into())
    };
    assert_eq!(apply(&mut state, 1, &write(Some(7))), Response::Written(false));
    assert_eq!(state.snapshot().autopilot(), None);
    assert_eq!(apply(&mut state, 2, &write(Some(0))), Response::Written(true));
    assert_eq!(apply(&mut state, 3, &write(Some(0))), Response::Written(false));
    assert_eq!(apply(&mut state, 4, &write(Some(2))), Response::Written(true));
    assert_eq!(apply(&mut state, 5, &write(None)), Response::Written(true));
    let snapshot = state.snapshot();
    let row = snapshot.autopilot().unwrap();
    assert_eq!((row.create.0, row.modify.0, row.min_quorum), (2, 5, 3));
    let bytes = saved(&snapshot);
    assert_eq!(Snapshot::restore(&mut &bytes[..]).unwrap().autopilot(), Some(row));
}

#[test]
fn usage_counts_by_kind() {
    let mut state = State::default();
    let instances = [("consul", "", false), ("web", "", true), ("WEB", "", false)];
    let proxies = [("web-proxy", "connect-proxy", false), ("gate", "mesh-gateway", false)];
    for (index, (name, kind, native)) in (1..).zip(instances.into_iter().chain(proxies)) {
        let register = Register {
            node: Node { name: "n".into(), ..Node::default() },
            skip_node_update: false,
            service: Some(Box::new(Service {
                node: "n".into(),
                id: format!("{index}").as_str().into(),
                name: name.into(),
                kind: kind.into(),
                native,
                ..Service::default()
            })),
            checks: Box::default(),
        };
        assert_eq!(apply(&mut state, index, &Command::Register(register.into())), Response::Done);
    }
    let wanted = Usage {
        nodes: 1,
        services: 4,
        instances: 5,
        kinds: [0, 1, 0, 1, 0],
        native: 1,
        kv_entries: 0,
        sessions: 0,
        billable: 2,
    };
    assert_eq!(state.snapshot().usage(), wanted);
}
