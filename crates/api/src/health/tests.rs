#![allow(clippy::unwrap_used)]

use catalog::{
    Command, ModifyIndex, Register, Response, Snapshot, State, Time, Uuid, Watches, Weights,
};

use super::*;
use crate::endpoint::Agent;
use crate::request::{Method, Query};

fn answer(snapshot: &Snapshot, name: &str) -> Answer {
    let agent = Agent {
        datacenter: "dc1".into(),
        node: "n".into(),
        kv_value_max_bytes: 0,
        txn_max_bytes: 0,
        session_ttl_min_ns: 0,
        coordinates: true,
    };
    let request = Request {
        method: Method::Get,
        tail: name.as_bytes().into(),
        query: Query::default(),
        body: bytes::Bytes::new(),
        token: "".into(),
        source: None,
    };
    let reader = Reader { snapshot, agent: &agent, fresh: Uuid::default() };
    service_checks(&request, &reader).unwrap()
}

/// An instance of a service with a check.
fn register(name: &str) -> Command {
    let service = Service {
        node: "n".into(),
        id: "s".into(),
        name: name.into(),
        weights: Weights { passing: 1, warning: 1 },
        ..Service::default()
    };
    let check =
        Check { node: "n".into(), id: "c".into(), service_id: "s".into(), ..Check::default() };
    Command::Register(Box::new(Register {
        node: Node { name: "n".into(), ..Node::default() },
        skip_node_update: false,
        service: Some(service.into()),
        checks: if name == "old" { [check].into() } else { Box::default() },
    }))
}

#[test]
fn who_waits_for_the_checks_of_a_service_sees_its_instances_go() {
    let mut state = State::default();
    let mut index = 0;
    let mut write = |state: &mut State, command| {
        index += 1;
        let done = state.apply(ModifyIndex(index), Time(0), [command]);
        assert_eq!(done, [Response::Done]);
        state.take_touched()
    };
    write(&mut state, register("old"));
    let before = state.snapshot();
    let mut watches = Watches::default();
    let waiting = ["old", "new"].map(|name| (name, watches.add(answer(&before, name).watches)));
    let woken = watches.wake(&write(&mut state, register("new")));
    for (name, id) in waiting {
        assert_ne!(answer(&before, name).body, answer(&state.snapshot(), name).body, "{name}");
        assert!(woken.contains(&id), "{name}");
    }
}
