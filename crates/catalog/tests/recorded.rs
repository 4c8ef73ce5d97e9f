//! What the real program was recorded doing: which index moves with which write, and the texts and
//! rules of locks, registrations and transactions.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use catalog::{
    Behavior, Check, Command, Error, KvVerb, KvWrite, ModifyIndex, Node, NodeName, Pairs,
    PreparedQuery, QueryWrite, Register, Response, Service, ServiceName, ServiceQuery, Session,
    SessionId, Snapshot, State, Time, TxnOp, TxnVerb, Uuid, Weights,
};
use serde_json::Value;

/// A state with a log that counts.
#[derive(Default)]
struct Log {
    state: State,
    index: u64,
    now: u64,
}

impl Log {
    fn write(&mut self, command: Command) -> Response {
        self.index += 1;
        let (index, now) = (ModifyIndex(self.index), Time(self.now));
        self.state.apply(index, now, [command]).remove(0)
    }

    fn done(&mut self, command: Command) {
        let answer = self.write(command);
        assert!(matches!(answer, Response::Done | Response::Written(true)), "{answer:?}");
    }

    fn kv(&mut self, verb: KvVerb, key: &str, session: &str) -> Response {
        self.write(Command::Kv(kv(verb, key, session)))
    }
}

fn kv(verb: KvVerb, key: &str, session: &str) -> KvWrite {
    KvWrite {
        verb,
        key: key.as_bytes().into(),
        value: (*b"v").into(),
        flags: 0,
        index: ModifyIndex::ZERO,
        session: session.into(),
    }
}

fn session(n: u8, node: &str, behavior: Behavior, lock_delay_ns: i64) -> Session {
    Session {
        id: SessionId::from_bytes([n; 16]),
        node: node.into(),
        lock_delay_ns,
        behavior,
        ..Session::default()
    }
}

fn text(value: &Value) -> Box<str> {
    value.as_str().unwrap_or_default().into()
}

fn pairs(value: &Value) -> Pairs {
    let pairs = value.as_object()?;
    Some(pairs.iter().map(|(name, value)| (name.as_str().into(), text(value))).collect())
}

fn service(value: &Value) -> Service {
    let tags = value["Tags"].as_array().map(|tags| tags.iter().map(text).collect());
    let proxy = &value["Proxy"];
    let (passing, warning) = (1, 1);
    Service {
        id: (&*text(&value["ID"])).into(),
        name: (&*text(&value["Service"])).into(),
        kind: text(&value["Kind"]),
        tags,
        address: text(&value["Address"]),
        meta: pairs(&value["Meta"]),
        port: value["Port"].as_i64().unwrap_or_default(),
        weights: Weights { passing, warning },
        enable_tag_override: value["EnableTagOverride"] == true,
        proxy: proxy.is_object().then(|| proxy.to_string().into()),
        destination: proxy["DestinationServiceName"].as_str().map(Into::into),
        native: value["Connect"]["Native"] == true,
        ..Service::default()
    }
}

fn check(value: &Value) -> Check {
    Check {
        node: (&*text(&value["Node"])).into(),
        id: (&*text(&value["CheckID"])).into(),
        name: text(&value["Name"]),
        status: text(&value["Status"]),
        notes: text(&value["Notes"]),
        output: text(&value["Output"]),
        service_id: (&*text(&value["ServiceID"])).into(),
        ..Check::default()
    }
}

fn node(value: &Value) -> Node {
    Node {
        id: (&*text(&value["ID"])).into(),
        name: (&*text(&value["Node"])).into(),
        address: text(&value["Address"]),
        tagged_addresses: pairs(&value["TaggedAddresses"]),
        meta: pairs(&value["NodeMeta"]),
        ..Node::default()
    }
}

fn register(body: &Value) -> Result<Command, Error> {
    let single = body["Check"].is_object().then_some(&body["Check"]);
    let checks = single.into_iter().chain(body["Checks"].as_array().into_iter().flatten());
    let mut request = Register {
        node: node(body),
        skip_node_update: body["SkipNodeUpdate"] == true,
        service: body["Service"].is_object().then(|| Box::new(service(&body["Service"]))),
        checks: checks.map(check).collect(),
    };
    request.prepare()?;
    Ok(Command::Register(Box::new(request)))
}

/// The command of a recorded request, if it is one of this crate.
fn command(request: &Value) -> Option<Command> {
    let body = &request[2];
    Some(match request[1].as_str()? {
        "/v1/catalog/register" => register(body).unwrap(),
        "/v1/catalog/deregister" => Command::Deregister {
            node: (&*text(&body["Node"])).into(),
            service: (&*text(&body["ServiceID"])).into(),
            check: (&*text(&body["CheckID"])).into(),
        },
        "/v1/session/create" => {
            let node = text(&body["Node"]);
            Command::SessionCreate(Box::new(session(1, &node, Behavior::Release, 0)))
        }
        "/v1/agent/service/register" => register(&serde_json::json!({
            "Node": "node1", "SkipNodeUpdate": true,
            "Service": {"Service": body["Name"], "Port": body["Port"]},
        }))
        .unwrap(),
        "/v1/query" => Command::Query(Box::new(QueryWrite::Create(PreparedQuery {
            id: Uuid::from_bytes([1; 16]),
            name: text(&body["Name"]),
            service: ServiceQuery {
                service: (&*text(&body["Service"]["Service"])).into(),
                ..ServiceQuery::default()
            },
            ..PreparedQuery::default()
        }))),
        path => {
            let key = path.strip_prefix("/v1/kv/")?;
            Command::Kv(kv(KvVerb::Set, key, ""))
        }
    })
}

/// The index of each recorded endpoint that this crate has.
fn indexes(state: &Snapshot) -> BTreeMap<&'static str, ModifyIndex> {
    let (web, db, none): (ServiceName, ServiceName, ServiceName) =
        ("web".into(), "db".into(), "none".into());
    let node = |name: &str| state.node_index(&NodeName::from(name));
    let nodes = state.node_list_index();
    let services = state.service_list_index();
    let checks = state.check_index();
    BTreeMap::from([
        ("nodes", nodes),
        ("services", services),
        ("services?node-meta", nodes.max(services)),
        ("service web", state.service_index(&web)),
        ("service db", state.service_index(&db)),
        ("service none", state.service_index(&none)),
        ("connect web", state.service_index(&web)),
        ("node alpha", node("alpha")),
        ("node-services alpha", node("alpha")),
        ("node delta", node("delta")),
        ("node none", node("none")),
        ("health node alpha", checks),
        ("health checks web", checks),
        ("health checks db", checks),
        ("health service web", state.health_index(&web)),
        ("health service db", state.health_index(&db)),
        ("health service none", state.health_index(&none)),
        ("health connect web", state.connect_index(&web)),
        ("health state any", checks),
        ("health state critical", checks),
        ("kv", state.kv_list_index(b"")),
        ("sessions", state.session_index()),
        ("coordinates", state.coordinate_index()),
        ("queries", state.query_index()),
    ])
}

#[test]
fn indexes_move_as_recorded() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/consul-catalog/index-moves.json"
    );
    let table: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut log = Log::default();
    let own = serde_json::json!({"Node": "node1", "Address": "127.0.0.1",
        "Service": {"Service": "consul", "Port": 8300},
        "Checks": [{"CheckID": "serfHealth", "Status": "passing"}]});
    log.done(register(&own).unwrap());
    for request in table["setup"].as_array().unwrap() {
        log.done(command(request).unwrap());
    }
    let mut played = 0;
    for change in table["changes"].as_array().unwrap() {
        let Some(command) = command(&change["request"]) else { continue };
        let before = indexes(&log.state.snapshot());
        log.done(command);
        played += 1;
        let after = indexes(&log.state.snapshot());
        for (endpoint, index) in after {
            let recorded = change["moved"].as_array().unwrap().iter().any(|to| to == endpoint);
            let moved = index > before[endpoint];
            assert_eq!(moved, recorded, "{}: {endpoint}", change["change"]);
        }
    }
    assert_eq!(played, 29);
}

#[test]
fn keys_of_an_ended_session_wait_for_the_lock_delay() {
    let mut log = Log::default();
    log.done(register(&serde_json::json!({"Node": "n", "Address": "x"})).unwrap());
    let second = 1_000_000_000;
    let [a, b] = [1, 2].map(|n| SessionId::from_bytes([n; 16]).to_string());
    let create =
        |n, behavior, delay| Command::SessionCreate(Box::new(session(n, "N", behavior, delay)));
    log.done(create(1, Behavior::Release, 3 * second));
    log.done(create(2, Behavior::Delete, 90 * second));
    assert_eq!(log.kv(KvVerb::Lock, "k", &a), Response::Written(true));
    assert_eq!(log.kv(KvVerb::Lock, "k", &b), Response::Written(false));
    assert_eq!(log.kv(KvVerb::Lock, "free", &a), Response::Written(true));
    assert_eq!(log.kv(KvVerb::Unlock, "free", &a), Response::Written(true));
    log.done(Command::SessionDestroy(Uuid::parse(&a).unwrap()));
    assert_eq!(log.kv(KvVerb::Lock, "free", &b), Response::Written(true));
    log.now = 2_999;
    assert_eq!(log.kv(KvVerb::Lock, "k", &b), Response::Written(false));
    let lock = TxnOp::Kv(TxnVerb::Write(KvVerb::Lock), Box::new(kv(KvVerb::Lock, "k", &b)));
    let Response::TxnFailed(errors) = log.write(Command::Txn([lock].into())) else { panic!() };
    assert_eq!(errors[0].what.to_string(), "failed to lock key \"k\" due to lock delay");
    log.now = 3_000;
    assert_eq!(log.kv(KvVerb::Lock, "k", &b), Response::Written(true));
    let fields = log.state.snapshot();
    assert_eq!(fields.kv_get(b"k").unwrap().fields().lock_index, 2);

    log.done(Command::SessionDestroy(Uuid::parse(&b).unwrap()));
    assert_eq!(log.state.snapshot().kv_get(b"k"), None, "the behaviour is to delete");
    log.done(create(1, Behavior::Release, 0));
    log.now = 62_999;
    assert_eq!(log.kv(KvVerb::Lock, "k", &a), Response::Written(false));
    log.now = 63_000;
    assert_eq!(log.kv(KvVerb::Lock, "k", &a), Response::Written(true), "60 s at most");
}

#[test]
fn locks_and_sessions_are_refused_in_recorded_words() {
    let mut log = Log::default();
    let refused = |answer| match answer {
        Response::Refused(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let stranger = "22222222-3333-4444-5555-666666666666";
    assert_eq!(refused(log.kv(KvVerb::Lock, "k", "")), "missing session");
    let unknown = format!("invalid session \"{stranger}\"");
    assert_eq!(refused(log.kv(KvVerb::Lock, "k", stranger)), unknown);
    assert_eq!(log.kv(KvVerb::Unlock, "k", stranger), Response::Written(false));

    let mut wanted = session(1, "n", Behavior::Release, 0);
    wanted.node_checks = Some(["serfHealth".into()].into());
    let create = Command::SessionCreate(Box::new(wanted));
    assert_eq!(refused(log.write(create.clone())), "Missing node registration");
    let mut body = serde_json::json!({"Node": "n", "Address": "x"});
    log.done(register(&body).unwrap());
    let missing = "Missing check 'serfHealth' registration";
    assert_eq!(refused(log.write(create.clone())), missing);
    body["Check"] = serde_json::json!({"CheckID": "SERFHEALTH", "Status": "critical"});
    log.done(register(&body).unwrap());
    let critical = "Check 'serfHealth' is in critical state";
    assert_eq!(refused(log.write(create.clone())), critical);
    body["Check"]["Status"] = "passing".into();
    log.done(register(&body).unwrap());
    log.done(create);
    body["Check"]["Status"] = "critical".into();
    log.done(register(&body).unwrap());
    assert_eq!(log.state.snapshot().session_list().count(), 0, "a critical check ends it");
}

#[test]
fn registrations_are_refused_in_recorded_words_and_whole() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/consul-catalog/catalog-register-node.json"
    );
    let scenario: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut log = Log::default();
    let own = serde_json::json!({"Node": "node1", "Address": "127.0.0.1",
        "ID": "11111111-2222-3333-4444-555555555555",
        "Checks": [{"CheckID": "serfHealth", "Status": "passing"}]});
    log.done(register(&own).unwrap());
    let mut compared = 0;
    for step in scenario["steps"].as_array().unwrap() {
        let (request, response) = (&step["request"], &step["response"]);
        let body = &request["json"];
        let elsewhere = body["Datacenter"] == "nowhere" || body["Node"].is_null();
        if request["method"] != "PUT" || elsewhere {
            continue;
        }
        let before = format!("{:?}", log.state.snapshot().node_list().collect::<Vec<_>>());
        let error = match register(body).map(|command| log.write(command)) {
            Err(error) | Ok(Response::Refused(error)) => error.to_string(),
            Ok(answer) => {
                assert_eq!(answer, Response::Done);
                String::new()
            }
        };
        let accepted = response["status"] == 200;
        let recorded = if accepted { "" } else { response["body"].as_str().unwrap() };
        assert_eq!(error, recorded, "{body}");
        if !error.is_empty() {
            let after = format!("{:?}", log.state.snapshot().node_list().collect::<Vec<_>>());
            assert_eq!(before, after);
        }
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
    let names: Vec<_> = ["id1", "id1b"]
        .map(|name| log.state.snapshot().node(&name.into()).map(|node| node.name.to_string()))
        .into();
    assert_eq!(names, [None, Some("id1b".to_owned())], "the old name is gone");
}
