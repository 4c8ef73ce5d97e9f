#![allow(clippy::unwrap_used)]

use std::time::Duration;

use api::Method;
use catalog::{Command, KvVerb, KvWrite, ModifyIndex, SessionId, Time};

use super::*;

/// Counters and sums of Prometheus do not depend on when an interval ends.
fn telemetry() -> Telemetry {
    let retention = Duration::from_secs(60);
    Telemetry::new(Naming { prefix: "consul".into(), retention, ..Naming::default() }, "node1")
}

fn counted(telemetry: &Telemetry, line: &str) -> bool {
    telemetry.metrics().prometheus(&[]).lines().any(|known| known == line)
}

fn answer(telemetry: &Telemetry, method: Method, path: &str, status: u16) {
    let found = api::find(path).unwrap();
    let tail = &path.as_bytes()[path.len() - found.tail..];
    telemetry.answered(found.index, tail, method, status, Duration::from_millis(2));
}

#[test]
fn requests_are_counted_by_endpoint_and_method() {
    let telemetry = telemetry();
    answer(&telemetry, Method::Get, "/v1/kv/a/b", 200);
    answer(&telemetry, Method::Get, "/v1/kv/absent", 404);
    answer(&telemetry, Method::Get, "/v1/kv/", 400);
    answer(&telemetry, Method::Put, "/v1/kv/a", 200);
    answer(&telemetry, Method::Get, "/v1/agent/self", 200);
    // Nothing answers to this method.
    answer(&telemetry, Method::Post, "/v1/kv/a", 405);
    for line in [
        "consul_api_http_count{method=\"GET\",path=\"v1_kv_\"} 3",
        "consul_api_http_sum{method=\"GET\",path=\"v1_kv_\"} 6",
        "consul_api_http_count{method=\"PUT\",path=\"v1_kv_\"} 1",
        "consul_api_http_count{method=\"GET\",path=\"v1_agent_self\"} 1",
        "consul_rpc_query 2",
        "consul_rpc_request 3",
        "consul_client_rpc 3",
    ] {
        assert!(counted(&telemetry, line), "{line}\n{}", telemetry.metrics().prometheus(&[]));
    }
    assert!(!telemetry.metrics().prometheus(&[]).contains("POST"));
}

#[test]
fn services_that_are_asked_for_are_counted_by_name() {
    let telemetry = telemetry();
    answer(&telemetry, Method::Get, "/v1/catalog/service/web", 200);
    answer(&telemetry, Method::Get, "/v1/catalog/service/web", 500);
    answer(&telemetry, Method::Get, "/v1/health/service/web", 200);
    for line in [
        "consul_catalog_service_query{service=\"web\"} 2",
        "consul_health_service_query{service=\"web\"} 1",
        "consul_client_api_catalog_service_nodes{node=\"node1\"} 2",
        "consul_client_api_success_catalog_service_nodes{node=\"node1\"} 1",
        "consul_client_rpc_error_catalog_service_nodes{node=\"node1\"} 1",
    ] {
        assert!(counted(&telemetry, line), "{line}\n{}", telemetry.metrics().prometheus(&[]));
    }
    let long = "x".repeat(300);
    answer(&telemetry, Method::Get, &format!("/v1/health/service/{long}"), 200);
    assert!(!telemetry.metrics().prometheus(&[]).contains(&long));
}

#[test]
fn commands_are_counted_by_kind() {
    let telemetry = telemetry();
    let verbs = [
        (KvVerb::Set, "set"),
        (KvVerb::Cas, "cas"),
        (KvVerb::Lock, "lock"),
        (KvVerb::Unlock, "unlock"),
        (KvVerb::Delete, "delete"),
        (KvVerb::DeleteCas, "delete-cas"),
        (KvVerb::DeleteTree, "delete-tree"),
    ];
    let session = SessionId::from_bytes([7; 16]);
    let node = || "node1".into();
    let mut commands: Vec<(Command, String)> = vec![
        (Command::SessionDestroy(session), "session_count{op=\"destroy\"}".into()),
        (
            Command::Deregister { node: node(), service: "".into(), check: "".into() },
            "deregister_count".into(),
        ),
        (Command::Coordinates([].into()), "coordinate_batch_update_count".into()),
        (Command::Txn([].into()), "txn_count".into()),
        (Command::Reap(Time(0)), "tombstone_count{op=\"reap\"}".into()),
    ];
    commands.extend(verbs.map(|(verb, name)| {
        let (key, value, session) = (b"k"[..].into(), b""[..].into(), "".into());
        let write = KvWrite { verb, key, value, flags: 0, index: ModifyIndex(0), session };
        (Command::Kv(write), format!("kvs_count{{op=\"{name}\"}}"))
    }));
    let took = Duration::from_millis(1);
    for (command, line) in &commands {
        telemetry.written(Written::of(command), took);
        telemetry.applied(&[Applied::new(Applied::kind(command), took)]);
        assert!(counted(&telemetry, &format!("consul_fsm_{line} 1")), "{line}");
    }
    for line in [
        format!("consul_raft_apply {}", commands.len()),
        format!("consul_raft_commitTime_count {}", commands.len()),
        format!("consul_kvs_apply_count {}", verbs.len()),
        "consul_session_apply_count 1".into(),
        "consul_catalog_deregister_count 1".into(),
        "consul_txn_apply_count 1".into(),
    ] {
        assert!(counted(&telemetry, &line), "{line}\n{}", telemetry.metrics().prometheus(&[]));
    }
}

#[test]
fn what_dashboards_use_is_there_from_the_start() {
    let telemetry = telemetry();
    for line in [
        "consul_kvs_apply_count 0",
        "consul_kvs_apply_sum 0",
        "consul_kvs_apply{quantile=\"0.5\"} NaN",
        "consul_txn_apply_count 0",
        "consul_txn_read_count 0",
        "consul_raft_commitTime_count 0",
        "consul_raft_apply 0",
        "consul_raft_leader_lastContact_count 0",
        "consul_raft_state_leader 0",
        "consul_rpc_accept_conn 0",
        "consul_fsm_kvs_count{op=\"set\"} 0",
    ] {
        assert!(counted(&telemetry, line), "{line}\n{}", telemetry.metrics().prometheus(&[]));
    }
    telemetry.leads();
    assert!(counted(&telemetry, "consul_raft_state_leader 1"));
    assert!(!telemetry.metrics().prometheus(&[]).contains("api_http"), "what nobody asked for");
}
