//! Explanations: that each says why there is not more, and nothing that was not done.

mod support;

use api::Method;
use dns::{Config, Foreign, Settings, Transport};
use hickory_proto::rr::Name;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::json;
use support::{World, ask, question};

const A: u16 = 1;
const NS: u16 = 2;
const PTR: u16 = 12;
const MX: u16 = 15;

/// The steps of an answer, as people read them.
fn steps(
    world: &World,
    settings: &Settings,
    name: &str,
    rtype: u16,
    foreign: &[Foreign<'_>],
) -> Vec<String> {
    let config = Config::new(settings).expect("settings");
    let query = question(&Name::from_ascii(name).expect("a name"), rtype, None);
    let (snapshot, mut rng) = (world.snapshot(), SmallRng::seed_from_u64(7));
    let udp = Transport::Udp;
    let (_, _, trace) = ask(&config, Some(&snapshot), udp, &query, &mut rng, foreign);
    trace.steps.iter().map(ToString::to_string).collect()
}

fn plain(world: &World, name: &str, rtype: u16) -> Vec<String> {
    steps(world, &Settings::default(), name, rtype, &[])
}

fn says(steps: &[String], wanted: &str) {
    assert!(steps.iter().any(|step| step.trim() == wanted), "{wanted:?} is not in {steps:#?}");
}

fn register(world: &mut World, node: &str, service: &serde_json::Value) {
    let body = json!({"Node": node, "Address": "10.9.0.1", "Service": service});
    world.put("/v1/catalog/register", &body.to_string());
}

#[test]
fn where_there_is_nothing_the_reason_is_told() {
    let mut world = World::with_agent();
    register(&mut world, "under_score", &json!({"Service": "consul", "Port": 8300}));
    for (name, rtype, wanted) in [
        ("none.service.consul.", A, "has nothing: no instance of it is registered"),
        ("none.virtual.consul.", A, "has nothing: no address stands for that service"),
        ("none.virtual.p.consul.", A, "has nothing: it is of a peer"),
        ("n1.node.consul.", MX, "has nothing: nodes have no records of that type"),
        ("0a00.addr.consul.", A, "has nothing: an address has 8 digits, or 32"),
        ("9.9.9.9.in-addr.arpa.", PTR, "has nothing: nobody here has that address"),
        ("9.9.in-addr.arpa.", PTR, "has nothing: it stands for no address"),
        ("consul.", NS, "dropped: under_score is no label of letters, digits and dashes"),
    ] {
        says(&plain(&world, name, rtype), wanted);
    }
}

#[test]
fn names_that_are_not_the_answer_are_told_of() {
    let mut world = World::with_agent();
    for (id, address) in [("a", "a.example.com"), ("b", "b.example.com")] {
        register(&mut world, "n", &json!({"ID": id, "Service": "web", "Address": address}));
    }
    let two = plain(&world, "web.service.consul.", A);
    let second = two.iter().any(|step| step.ends_with("is a name, and another came first"));
    assert!(second, "{two:#?}");
    register(&mut world, "n", &json!({"ID": "c", "Service": "web", "Address": "10.0.0.1"}));
    let three = plain(&world, "web.service.consul.", A);
    let outranked = "only where no instance has an address is a name the answer";
    assert!(three.iter().any(|step| step.ends_with(outranked)), "{three:#?}");
}

#[test]
fn only_what_was_asked_of_recursors_was_followed_to_them() {
    let mut world = World::with_agent();
    register(&mut world, "n", &json!({"Service": "web", "Address": "a.example.com"}));
    let name = "web.service.consul.";
    let why = "did not follow a.example.com.: it is of another zone, and there are no recursors";
    says(&plain(&world, name, A), why);
    let settings = Settings { recursors: true, ..Settings::default() };
    let wire = b"\x01a\x07example\x03com\0";
    let known = [Foreign { name: wire, reply: None }];
    let followed = "followed a.example.com. to the recursors";
    says(&steps(&world, &settings, name, A, &known), followed);
    let others = [Foreign { name: b"\x01b\0", reply: None }; dns::CHASES];
    let why = "did not follow a.example.com.: too many names were asked for";
    says(&steps(&world, &settings, name, A, &others), why);
}

#[test]
fn what_was_not_sorted_is_not_said_to_be() {
    let mut world = World::with_agent();
    register(&mut world, "n", &json!({"Service": "web", "Port": 80}));
    for (name, near) in [("q", "n"), ("r", "absent")] {
        let query = json!({"Name": name, "Service": {"Service": "web", "Near": near}});
        world.write(Method::Post, "/v1/query", &query.to_string());
    }
    let none = json!({"Name": "s", "Service": {"Service": "none", "Failover": {"NearestN": 2}}});
    world.write(Method::Post, "/v1/query", &none.to_string());
    let why = "not sorted by distance from n: it has no coordinates";
    says(&plain(&world, "q.query.consul.", A), why);
    let why = "not sorted by distance from absent: there is no such node";
    says(&plain(&world, "r.query.consul.", A), why);
    let steps = plain(&world, "s.query.consul.", A);
    says(&steps, "would ask the nearest 2 datacenters, which is not known");
    says(&steps, "has nothing: no instance of its service is registered");
}
