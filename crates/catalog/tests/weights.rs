//! What a state keeps in memory. One test, as the count is of the whole process.

use std::alloc::System;

use cap::Cap;
use catalog::{
    Check, Command, KvVerb, KvWrite, ModifyIndex, Node, PartWriter, Register, Response, Row,
    Service, Snapshot, State, Time, Uuid,
};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

const SERVICES: u64 = 3_000;
const KEYS: u64 = 30_000;
/// Most bytes of an instance with its check, their nodes and their places in all tables; a row's
/// own texts are 100 of them.
const SERVICE_BYTES: usize = 1100;
/// Most bytes of a key with a value of 64, without what an allocator adds.
const KEY_BYTES: usize = 150;

/// An instance of a service, one of three, on a node with ten, with a check of its own.
fn registration(number: u64) -> Command {
    let (node, id) = (format!("node-{}", number / 10), format!("service-{number}"));
    let name = format!("service-{}", number / 3);
    let pairs = || Some([("version".into(), "1".into())].into());
    let service = Service {
        node: (&*node).into(),
        id: (&*id).into(),
        name: (&*name).into(),
        tags: Some(["v1".into(), "primary".into()].into()),
        address: "10.0.0.1".into(),
        meta: pairs(),
        port: 8080,
        ..Service::default()
    };
    let check = Check {
        node: (&*node).into(),
        id: format!("service:{id}").as_str().into(),
        name: "alive".into(),
        status: "passing".into(),
        service_id: (&*id).into(),
        ..Check::default()
    };
    Command::Register(Box::new(Register {
        node: Node { name: (&*node).into(), address: "10.0.0.1".into(), ..Node::default() },
        skip_node_update: false,
        service: Some(service.into()),
        checks: [check].into(),
    }))
}

fn key(number: u64) -> Command {
    Command::Kv(KvWrite {
        verb: KvVerb::Set,
        key: format!("keys/{number}").as_bytes().into(),
        value: [b'v'; 64].into(),
        flags: 0,
        index: ModifyIndex::ZERO,
        session: "".into(),
    })
}

fn apply(state: &mut State, command: &Command) {
    let index = ModifyIndex(state.snapshot().index().0 + 1);
    let response = state.apply(index, Time(index.0), [command.clone()]).remove(0);
    state.take_touched();
    assert!(matches!(response, Response::Done | Response::Written(true)), "{response:?}");
}

/// The rows of a state in parts, as a restoring has them.
fn parts(snapshot: &Snapshot) -> impl Iterator<Item = Command> {
    let rows = (snapshot.node_list().cloned().map(Row::Node))
        .chain(
            (snapshot.node_list())
                .flat_map(|node| snapshot.services_of(&node.name))
                .map(|row| Row::Service(Box::new(row.clone()))),
        )
        .chain(snapshot.check_list().map(|row| Row::Check(Box::new(row.clone()))))
        .chain(snapshot.kv_list(b"").cloned().map(Row::Entry));
    let mut writer = PartWriter::new(Uuid::from_bytes([1; 16]));
    let mut rows = rows.peekable();
    std::iter::from_fn(move || {
        rows.peek()?;
        while writer.length() < 4096
            && let Some(row) = rows.next()
        {
            writer.put(&row).expect("a row");
        }
        Some(Command::Restore(writer.take(rows.peek().is_none())))
    })
}

#[test]
fn rows_are_small_and_what_is_the_same_is_there_once() {
    let mut state = State::default();
    let before = MEMORY.allocated();
    (0..SERVICES).for_each(|number| apply(&mut state, &registration(number)));
    let services = MEMORY.allocated() - before;
    (0..KEYS).for_each(|number| apply(&mut state, &key(number)));
    let whole = MEMORY.allocated() - before;
    let (service, key) = (services / SERVICES as usize, (whole - services) / KEYS as usize);
    println!("{service} bytes of a service, {key} of a key");
    assert!(service <= SERVICE_BYTES, "{service} bytes of a service");
    assert!(key <= KEY_BYTES, "{key} bytes of a key");

    // A state that comes from a file is no larger than one that grew.
    let mut saved = Vec::new();
    state.snapshot().save(&mut saved).expect("a vector");
    let before = MEMORY.allocated();
    let restored = Snapshot::restore(&mut &saved[..]).expect("what was saved");
    let anew = MEMORY.allocated() - before;
    assert!(anew <= whole + whole / 10, "{anew} bytes, {whole} when it grew");
    drop((restored, saved));

    // While a state is restored over itself, only the trees are there twice.
    let old = state.snapshot().clone();
    let before = MEMORY.allocated();
    let mut most = 0;
    for part in parts(&old) {
        apply(&mut state, &part);
        most = most.max(MEMORY.allocated() - before);
    }
    println!("{} % more while it is restored", most * 100 / whole);
    assert!(most <= whole * 35 / 100, "{most} bytes more than {whole}");
    assert_eq!(state.snapshot().usage(), old.usage());
}
