//! Prepared queries beyond what was recorded: their order, their weights, and how they explain
//! themselves.

mod support;

use std::net::IpAddr;

use api::Method;
use dns::{Config, Outcome, Scratch, Settings, Step, Trace, Transport, View};
use hickory_proto::rr::Name;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};
use support::{Reply, World, question};

const A: u16 = 1;
const SRV: u16 = 33;

/// Nodes `a`, `b` and `c` with an instance of `web` each: passing, with a warning, critical.
fn world() -> World {
    let mut world = World::with_agent();
    for (number, (node, status)) in
        [("a", "passing"), ("b", "warning"), ("c", "critical")].into_iter().enumerate()
    {
        let body = json!({
            "Node": node,
            "Address": format!("10.0.0.{}", number + 1),
            "NodeMeta": {"rack": node},
            "Service": {
                "Service": "web", "Port": 80, "Tags": [node], "Meta": {"zone": node},
                "Weights": {"Passing": 7, "Warning": 3},
            },
            "Check": {"CheckID": "ping", "Name": "ping", "ServiceID": "web", "Status": status},
        });
        world.put("/v1/catalog/register", &body.to_string());
        let place = json!({"Node": node, "Coord": {
            "Vec": [number, 0, 0, 0, 0, 0, 0, 0], "Error": 1.0, "Adjustment": 0.0, "Height": 0.0,
        }});
        world.put("/v1/coordinate/update", &place.to_string());
    }
    world
}

/// Keeps a query for `web` under the name `q`.
fn keep(world: &mut World, service: &Value) {
    let mut service = service.clone();
    service["Service"] = json!("web");
    let query = json!({"Name": "q", "Service": service});
    world.write(Method::Post, "/v1/query", &query.to_string());
}

fn kept(service: &Value) -> World {
    let mut world = world();
    keep(&mut world, service);
    world
}

/// The answer to a question from an address, and how it came about.
fn asked(world: &World, source: &str, query: &[u8], seed: u64) -> (Reply, Trace) {
    let config = Config::new(&Settings { node: "b".into(), ..Settings::default() });
    let snapshot = world.snapshot();
    let view = View {
        snapshot: Some(&snapshot),
        transport: Transport::Tcp,
        source: source.parse().expect("an address"),
        unix_seconds: 1,
        foreign: &[],
    };
    let (mut scratch, mut out, mut trace) = (Scratch::default(), Vec::new(), Trace::default());
    let (config, mut rng) = (config.expect("settings"), SmallRng::seed_from_u64(seed));
    let outcome = dns::answer(&config, &view, query, &mut rng, &mut scratch, &mut trace, &mut out);
    assert_eq!(outcome, Outcome::Answered);
    (Reply::read(&out), trace)
}

fn query(name: &str, rtype: u16) -> Vec<u8> {
    question(&Name::from_ascii(name).expect("a name"), rtype, None)
}

/// A question with a client subnet of EDNS0.
fn from_subnet(address: [u8; 4]) -> Vec<u8> {
    from_subnet_for(A, address)
}

fn from_subnet_for(rtype: u16, address: [u8; 4]) -> Vec<u8> {
    let name = Name::from_ascii("q.query.consul.").expect("a name");
    let mut query = question(&name, rtype, Some(1232));
    let [.., length] = query.as_mut_slice() else { panic!("it is not empty") };
    *length = 12;
    query.extend_from_slice(&[0, 8, 0, 8, 0, 1, 32, 0]);
    query.extend_from_slice(&address);
    query
}

fn addresses(reply: &Reply) -> Vec<IpAddr> {
    let last = |text: &String| text.rsplit(' ').next().and_then(|text| text.parse().ok());
    reply.sections[0].iter().filter_map(last).collect()
}

/// Who is in an answer, by the last number of the address, in the order of the answer.
fn order(world: &World, source: &str, query: &[u8], seed: u64) -> Vec<u8> {
    let each = addresses(&asked(world, source, query, seed).0).into_iter();
    each.map(|address| {
        address.to_string().rsplit('.').next().unwrap_or("").parse().expect("a number")
    })
    .collect()
}

#[test]
fn instances_come_by_distance_from_the_near_node() {
    let ignored = json!(["ping"]);
    for (near, wanted) in [("a", [1, 2, 3]), ("c", [3, 2, 1]), ("_agent", [2, 0, 0])] {
        let world = kept(&json!({"Near": near, "IgnoreCheckIDs": ignored}));
        for seed in 0..20 {
            let order = order(&world, "192.0.2.1", &query("q.query.consul.", A), seed);
            assert_eq!(order.len(), 3);
            for (place, wanted) in wanted.iter().enumerate().filter(|(_, wanted)| **wanted > 0) {
                assert_eq!(order[place], *wanted, "near {near}: {order:?}");
            }
        }
    }
}

#[test]
fn who_asks_is_near_by_its_subnet_else_by_its_address() {
    let world = kept(&json!({"Near": "_ip", "IgnoreCheckIDs": ["ping"]}));
    let plain = query("q.query.consul.", A);
    for seed in 0..20 {
        assert_eq!(order(&world, "10.0.0.3", &plain, seed), [3, 2, 1]);
        assert_eq!(order(&world, "10.0.0.1", &from_subnet([10, 0, 0, 3]), seed), [3, 2, 1]);
    }
    // A stranger is near to nobody.
    let mut first: Vec<_> =
        (0..50).map(|seed| order(&world, "192.0.2.1", &plain, seed)[0]).collect();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first, [1, 2, 3]);
}

#[test]
fn a_check_that_is_ignored_still_weighs() {
    let world = kept(&json!({"IgnoreCheckIDs": ["ping"]}));
    let (reply, _) = asked(&world, "192.0.2.1", &query("q.query.consul.", SRV), 7);
    let mut weights: Vec<_> = reply.sections[0]
        .iter()
        .map(|text| text.split(' ').skip(4).collect::<Vec<_>>().join(" "))
        .collect();
    weights.sort();
    let each = [(0, "c"), (3, "b"), (7, "a")];
    assert_eq!(weights, each.map(|(weight, node)| format!("{weight} 80 {node}.node.dc1.consul.")));
}

#[test]
fn an_explanation_says_what_the_query_does_not_want() {
    let drops = |service: Value| {
        let (_, trace) = asked(&kept(&service), "192.0.2.1", &query("q.query.consul.", A), 7);
        let read = Step::Query { name: "q".into(), service: "web".into() };
        assert!(trace.steps.contains(&read), "{:?}", trace.steps);
        let mut drops: Vec<_> = trace
            .steps
            .windows(2)
            .filter_map(|pair| match pair {
                [Step::Instance { node, .. }, Step::Dropped { why }] => {
                    Some(format!("{node}: {why}"))
                }
                _ => None,
            })
            .collect();
        drops.sort();
        drops
    };
    let critical = "c: check ping is critical";
    assert_eq!(drops(json!({})), [critical]);
    assert_eq!(drops(json!({"OnlyPassing": true})), ["b: check ping is warning", critical]);
    for (wanted, why) in [
        (json!({"Tags": ["!a"]}), "its tags"),
        (json!({"NodeMeta": {"rack": "b"}}), "the metadata of its node"),
        (json!({"ServiceMeta": {"zone": "b"}}), "its metadata"),
    ] {
        let why = format!("a: {why} is not what the query wants");
        assert_eq!(drops(wanted), [why, critical.to_owned()]);
    }
}

#[test]
fn where_nothing_is_found_an_explanation_names_whom_the_query_would_ask() {
    let elsewhere = |service: Value| {
        let (reply, trace) = asked(&kept(&service), "192.0.2.1", &query("q.query.consul.", A), 7);
        assert_eq!(reply.counts(), [0, 1, 0]);
        let places = trace.steps.into_iter().filter_map(|step| match step {
            Step::Elsewhere { place } => Some(place),
            _ => None,
        });
        places.collect::<Vec<_>>()
    };
    let failover = json!({"Tags": ["none"], "Failover": {"Datacenters": ["dc2", "dc3"]}});
    assert_eq!(elsewhere(failover), ["dc2", "dc3"]);
    let targets = json!([{"Datacenter": "dc4"}, {"Peer": "p"}]);
    assert_eq!(
        elsewhere(json!({"Tags": ["none"], "Failover": {"Targets": targets}})),
        ["dc4", "p"]
    );
    assert_eq!(elsewhere(json!({"Peer": "p"})), ["p"]);
    assert_eq!(elsewhere(json!({"Tags": ["none"]})), [""; 0]);
}

#[test]
fn a_template_by_its_id_cannot_be_answered() {
    let mut world = world();
    let template = json!({
        "Name": "t-", "Template": {"Type": "name_prefix_match"},
        "Service": {"Service": "${name.suffix}"},
    });
    world.write(Method::Post, "/v1/query", &template.to_string());
    let snapshot = world.snapshot();
    let id = snapshot.query_list().next().expect("it is there").id.to_string();
    let (_, trace) = asked(&world, "192.0.2.1", &query(&format!("{id}.query.consul."), A), 7);
    let [.., Step::Failed { why }, Step::Replied { rcode, .. }] = trace.steps.as_slice() else {
        panic!("{:?}", trace.steps)
    };
    assert_eq!(*rcode, "SERVFAIL");
    assert!(why.contains("template"), "{why}");
    assert_eq!(order(&world, "192.0.2.1", &query("t-web.query.consul.", A), 7).len(), 2);
}

#[test]
fn labels_with_underscores_are_taken_off_in_pairs() {
    let meant = |name: &str| {
        let (_, trace) = asked(&world(), "192.0.2.1", &query(name, SRV), 7);
        trace.steps.into_iter().find_map(|step| match step {
            Step::Meant { form: "query", name, tag: None } => Some(name),
            _ => None,
        })
    };
    for (name, wanted) in [
        ("Q.query.consul.", "q"),
        ("a.b.query.dc1.consul.", "a.b"),
        ("_q._tcp.query.consul.", "q"),
        ("_a.b._udp.query.consul.", "a.b"),
        ("_q.query.consul.", "_q"),
        ("_q.tcp.query.consul.", "_q.tcp"),
        ("q._tcp.query.consul.", "q._tcp"),
    ] {
        assert_eq!(meant(name).as_deref(), Some(wanted), "{name}");
    }
}

/// That there is nothing of a type is as much for the asker alone as what there is; that there is
/// no name is for all.
#[test]
fn the_absence_of_a_type_is_for_the_asker_too() {
    let scope = |world: &World, rtype| {
        let query = from_subnet_for(rtype, [10, 0, 0, 3]);
        let (reply, _) = asked(world, "10.0.0.1", &query, 7);
        let edns = reply.edns.expect("it was asked for");
        edns.contains("scope_prefix: 32")
    };
    let world = kept(&json!({}));
    assert_eq!([scope(&world, A), scope(&world, 28)], [true, true]);
    assert!(!scope(&kept(&json!({"Tags": ["none"]})), A));
}
