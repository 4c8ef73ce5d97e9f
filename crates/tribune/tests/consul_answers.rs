//! Consul's commands against an agent that gives recorded answers.
#![allow(clippy::unwrap_used)]

mod fake;

use std::path::PathBuf;

use fake::{Answer, Fake};
use serde_json::Value as Json;

fn vectors() -> PathBuf {
    std::env::var_os("TRIBUNE_SHARED")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
            PathBuf::from,
        )
        .join("vectors")
}

/// The first answer that was recorded to this request, if it is of this kind.
fn recorded(file: &str, request: &str, wanted: impl Fn(&Json) -> bool) -> Vec<u8> {
    let (method, path) = request.split_once(' ').unwrap();
    let text = std::fs::read_to_string(vectors().join(file)).unwrap();
    let scenario: Json = serde_json::from_str(&text).unwrap();
    let steps = scenario["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| {
        let (asked, answer) = (&step["request"], &step["response"]);
        asked["method"] == method && asked["path"] == path && wanted(&answer["json"])
    });
    found.unwrap()["response"]["json"].to_string().into_bytes()
}

fn anything(_: &Json) -> bool {
    true
}

/// An agent with one answer to each request.
fn agent(answers: Vec<(&'static str, Answer)>) -> Fake {
    let answers: Vec<_> = answers.into_iter().map(|(line, a)| (line, a.status, a.body)).collect();
    Fake::start(move |asked| match answers.iter().find(|(line, ..)| *line == asked.line) {
        Some((_, status, body)) => Answer::new(*status, body.clone()),
        None => Answer::new(500, format!("nobody expected {}", asked.line)),
    })
}

fn ok(body: impl Into<Vec<u8>>) -> Answer {
    Answer::new(200, body)
}

fn said(text: &str) -> (String, String, Option<i32>) {
    (text.to_owned(), String::new(), Some(0))
}

#[test]
fn the_catalogue_is_shown_in_tables() {
    let nodes = recorded("consul-catalog/catalog-read.json", "GET /v1/catalog/nodes", anything);
    let services =
        recorded("consul-catalog/catalog-read.json", "GET /v1/catalog/services", |services| {
            !services["web"].is_null()
        });
    let fake = agent(vec![
        ("GET /v1/catalog/nodes", ok(nodes.clone())),
        (
            "GET /v1/catalog/nodes?dc=dc2&filter=Meta.rack+%3D%3D+r1&near=_agent&node-meta=a%3Ab&stale=",
            ok(nodes),
        ),
        ("GET /v1/catalog/services", ok(services)),
        ("GET /v1/catalog/node/n1", ok("null")),
    ]);
    let (table, errors, code) = fake.run(&["catalog", "nodes"]);
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines[0], "Node   ID        Address    DC");
    assert_eq!(lines[1], "alpha  aaaaaaaa  10.0.0.1   dc1");
    assert!(lines.contains(&"gamma            fd00::3    dc1"), "{table}");
    let (filtered, ..) = fake.run(&[
        "catalog",
        "nodes",
        "-datacenter=dc2",
        "-stale",
        "-near=_agent",
        "-node-meta=a=b",
        "-filter=Meta.rack == r1",
    ]);
    assert_eq!(filtered, table);
    assert_eq!(
        fake.run(&["catalog", "services", "-tags"]),
        said(
            "consul         \ndb             master,pg.15\nnative         \n\
             web            Primary,primary,v1,v2\nweb-proxy      v1\n"
        )
    );
    let none = "No services match the given query - try expanding your search.\n".to_owned();
    assert_eq!(fake.run(&["catalog", "services", "-node=n1"]), (String::new(), none, Some(0)));
}

#[test]
fn an_agent_is_asked_about_itself() {
    let own = recorded("consul-http/agent-self.json", "GET /v1/agent/self", anything);
    let checks = recorded("consul-http/agent-maintenance.json", "GET /v1/agent/checks", |checks| {
        checks["_node_maintenance"]["Notes"] == "planned work"
    });
    let coordinates =
        recorded("consul-catalog/coordinates.json", "GET /v1/coordinate/nodes", |list| {
            list.as_array().is_some_and(|list| list.len() == 2)
        });
    let peers =
        recorded("consul-catalog/operator.json", "GET /v1/operator/raft/configuration", anything);
    let fake = agent(vec![
        ("GET /v1/agent/self", ok(own)),
        ("GET /v1/agent/checks", ok(checks)),
        ("GET /v1/coordinate/nodes", ok(coordinates)),
        ("GET /v1/operator/raft/configuration", ok(peers)),
        ("PUT /v1/event/fire/deploy?node=web-.%2A", ok(r#"{"ID":"e1","Name":"deploy"}"#)),
    ]);
    let (info, _, code) = fake.run(&["info"]);
    assert_eq!(code, Some(0));
    assert!(info.starts_with("agent:\n\tcheck_monitors = "), "{info}");
    assert!(info.contains("\nserf_wan:\n\tcoordinate_resets = "), "{info}");
    assert_eq!(fake.run(&["maint"]), said("Node:\n  Name:   node1\n  Reason: planned work\n\n"));
    let (rtt, ..) = fake.run(&["rtt", "alpha", "Beta"]);
    assert!(rtt.starts_with("Estimated alpha <-> Beta rtt: 1.310 ms (using LAN"), "{rtt}");
    let (table, ..) = fake.run(&["operator", "raft", "list-peers"]);
    assert!(
        table.lines().nth(1).unwrap().ends_with("leader  true   3             1             -")
    );
    let fired = fake.run(&["event", "-name=deploy", "-node=web-.*", "v1"]);
    assert_eq!(fired, said("Event ID: e1\n"));
    assert_eq!(fake.asked().pop().unwrap().body, b"v1");
}

#[test]
fn services_are_registered_as_they_are_described() {
    let fake = agent(vec![
        ("PUT /v1/agent/service/register", ok("")),
        ("PUT /v1/agent/service/deregister/web-1", ok("")),
    ]);
    let registered = fake.run(&[
        "services",
        "register",
        "-name=web",
        "-port=80",
        "-tag=a",
        "-tag=b",
        "-meta=k=v=w",
        "-tagged-address=lan=10.0.0.1:8080",
    ]);
    assert_eq!(registered, said("Registered service: web\n"));
    let body: Json = serde_json::from_slice(&fake.asked()[0].body).unwrap();
    let wanted = r#"{"Name":"web","Port":80,"Tags":["a","b"],"Meta":{"k":"v=w"},
                     "TaggedAddresses":{"lan":{"Address":"10.0.0.1","Port":8080}}}"#;
    assert_eq!(body, serde_json::from_str::<Json>(wanted).unwrap());
    let file = fake.directory().join("web.json");
    std::fs::write(file, r#"{"service":{"name":"web","id":"web-1","port":81}}"#).unwrap();
    assert_eq!(fake.run(&["services", "register", "web.json"]), said("Registered service: web\n"));
    let body: Json = serde_json::from_slice(&fake.asked()[1].body).unwrap();
    assert_eq!(body["Port"], 81);
    let gone = fake.run(&["services", "deregister", "web.json"]);
    assert_eq!(gone, said("Deregistered service: web-1\n"));
}

#[test]
fn snapshots_are_verified_before_they_get_their_name() {
    let snapshot = std::fs::read(vectors().join("consul-catalog/snapshot-1.16.snap")).unwrap();
    let good =
        agent(vec![("GET /v1/snapshot", ok(snapshot.clone())), ("PUT /v1/snapshot", ok(""))]);
    assert_eq!(
        good.run(&["snapshot", "save", "a.snap"]),
        said("Saved and verified snapshot to index 1\n")
    );
    let saved = good.directory().join("a.snap");
    assert_eq!(std::fs::read(&saved).unwrap(), snapshot);
    let mode = std::os::unix::fs::PermissionsExt::mode(&saved.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(good.run(&["snapshot", "restore", "a.snap"]), said("Restored snapshot\n"));
    assert_eq!(good.asked().pop().unwrap().body, snapshot);

    let cut = agent(vec![("GET /v1/snapshot", ok(&snapshot[..snapshot.len() / 2]))]);
    let (_, error, code) = cut.run(&["snapshot", "save", "a.snap"]);
    assert_eq!(code, Some(1));
    assert!(error.starts_with("Error verifying snapshot file: failed to read snapshot"), "{error}");
    let left: Vec<_> = std::fs::read_dir(cut.directory()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the link: {left:?}");
}

#[test]
fn refusals_are_told_with_their_status() {
    let fake = agent(vec![("GET /v1/kv/x?dc=dc9", Answer::new(500, "No path to datacenter\n"))]);
    let error = "Error querying Consul agent: Unexpected response code: 500 (No path to \
                 datacenter)\n";
    let found = fake.run(&["kv", "get", "-datacenter=dc9", "x"]);
    assert_eq!(found, (String::new(), error.to_owned(), Some(1)));
}
