//! The ends of what a reply may have: what is left out where not everything fits.

mod support;

use std::net::Ipv4Addr;

use dns::{
    Config, Foreign, Limit, Observer, Outcome, Scratch, Settings, Step, Trace, Transport, View,
};
use hickory_proto::rr::Name;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::json;
use support::{Reply, World, ask};

const A: u16 = 1;
const SOA: u16 = 6;
const SRV: u16 = 33;

/// A service with instances on nodes of their own, each with so many pairs of metadata.
fn register(world: &mut World, service: &str, instances: usize, pairs: usize) {
    for number in 0..instances {
        let pair = |number| (format!("k{number:02}"), json!("v"));
        let meta: serde_json::Map<_, _> = (0..pairs).map(pair).collect();
        let body = json!({
            "Node": format!("{service}{number}"),
            "Address": format!("10.0.{}.{}", number / 250, number % 250 + 1),
            "NodeMeta": meta,
            "Service": {"Service": service, "Port": 80},
        });
        world.put("/v1/catalog/register", &body.to_string());
    }
}

fn alias(world: &mut World, address: &str) {
    let service = json!({"Service": "alias", "Address": address, "Port": 80});
    let body = json!({"Node": "a", "Address": "10.9.0.1", "Service": service});
    world.put("/v1/catalog/register", &body.to_string());
}

fn query(name: &str, rtype: u16, edns: Option<u16>) -> Vec<u8> {
    support::question(&Name::from_ascii(name).expect("a name"), rtype, edns)
}

/// What is cut for one that gets short replies says so, whatever is configured.
#[test]
fn short_replies_are_short_and_say_what_they_are() {
    let mut world = World::with_agent();
    register(&mut world, "web", 300, 0);
    for rtype in [A, SRV] {
        let query = query("web.service.consul.", rtype, Some(u16::MAX));
        let settings = Settings::default();
        let (bytes, long, _) = answered(&world, &settings, Transport::Udp, &query, &[]);
        assert!(bytes > dns::SHORT_BYTES && !long.truncated);
        let (bytes, short, _) = answered(&world, &settings, Transport::UdpShort, &query, &[]);
        assert!((1000..=dns::SHORT_BYTES).contains(&bytes), "{bytes}");
        assert!(short.truncated && short.counts()[0] > 10);
    }
    let query = query("web.service.consul.", A, None);
    let settings = Settings::default();
    let (_, few, _) = answered(&world, &settings, Transport::UdpShort, &query, &[]);
    assert_eq!((few.counts()[0], few.truncated), (3, true));
}

fn answered(
    world: &World,
    settings: &Settings,
    transport: Transport,
    query: &[u8],
    foreign: &[Foreign<'_>],
) -> (usize, Reply, Trace) {
    let config = Config::new(settings).expect("settings");
    let (snapshot, mut rng) = (world.snapshot(), SmallRng::seed_from_u64(7));
    let asked = ask(&config, Some(&snapshot), transport, query, &mut rng, foreign);
    let (outcome, out, trace) = asked;
    assert_eq!(outcome, Outcome::Answered);
    (out.len(), Reply::read(&out), trace)
}

fn truncating() -> Settings {
    Settings { enable_truncate: true, ..Settings::default() }
}

#[test]
fn one_answer_with_too_much_company_goes_without_most_of_it() {
    let mut world = World::with_agent();
    register(&mut world, "web", 200, 0);
    alias(&mut world, "web.service.consul");
    let query = query("alias.service.consul.", SRV, Some(1232));
    let (tcp, all, _) = answered(&world, &truncating(), Transport::Tcp, &query, &[]);
    assert!(tcp > 1232, "{tcp}");
    assert_eq!((all.counts(), all.truncated), ([1, 0, 200], false));
    let (udp, few, _) = answered(&world, &truncating(), Transport::Udp, &query, &[]);
    assert!(udp <= 1232, "{udp}");
    assert_eq!((few.counts(), few.truncated), ([1, 0, 1], true));
}

#[test]
fn a_zone_alone_fits_where_its_servers_do_not() {
    let mut world = World::default();
    for letter in ["a", "b", "c"] {
        let body = json!({
            "Node": letter.repeat(63),
            "Address": "10.0.0.1",
            "Service": {"Service": "consul", "Port": 8300},
        });
        world.put("/v1/catalog/register", &body.to_string());
    }
    let long = [&*"x".repeat(63), &*"y".repeat(63), &*"z".repeat(63), "consul."].join(".");
    for (name, counts) in [("consul.", [1, 3, 3]), (&*long, [1, 0, 0])] {
        let query = query(name, SOA, None);
        let (bytes, reply, _) = answered(&world, &truncating(), Transport::Udp, &query, &[]);
        assert!(bytes <= 512, "{bytes}");
        assert_eq!((reply.counts(), reply.truncated), (counts, counts != [1, 3, 3]));
    }
}

/// Around 64 KiB, with and without room for EDNS0.
#[test]
fn no_reply_is_longer_than_a_message_can_be() {
    let mut world = World::with_agent();
    alias(&mut world, "web.service.consul");
    register(&mut world, "web", 4070, 0);
    let query = query("alias.service.consul.", SRV, Some(4096));
    let mut whole = 0;
    for number in 4070..4100 {
        let (bytes, reply, _) = answered(&world, &truncating(), Transport::Tcp, &query, &[]);
        assert!(bytes <= 65535, "{bytes}");
        assert_eq!(reply.truncated, reply.counts() != [1, 0, number], "{:?}", reply.counts());
        whole += usize::from(!reply.truncated);
        let (node, address) = (format!("more{number}"), format!("10.1.0.{}", number - 4000));
        let service = json!({"Service": "web", "Port": 80});
        let body = json!({"Node": node, "Address": address, "Service": service});
        world.put("/v1/catalog/register", &body.to_string());
    }
    assert!((1..30).contains(&whole), "{whole} of 30 fit: the end was not passed");
}

#[test]
fn metadata_takes_no_answer_its_place() {
    let mut world = World::with_agent();
    register(&mut world, "web", 600, 20);
    let query = query("web.service.consul.", SRV, None);
    for node_meta_txt in [true, false] {
        let settings = Settings { node_meta_txt, ..truncating() };
        let (_, reply, _) = answered(&world, &settings, Transport::Tcp, &query, &[]);
        assert_eq!((reply.counts(), reply.truncated), ([600, 0, 600], false));
    }
}

/// However much metadata goes along and however little is too much, over UDP as well.
#[test]
fn what_goes_along_is_left_out_before_an_answer() {
    for pairs in [1, 2, 6] {
        for instances in [2, 3, 40] {
            let mut world = World::with_agent();
            register(&mut world, "web", instances, pairs);
            let room = if instances > 3 { [600, 1232, 2800, 4096, 8192] } else { [0; 5] };
            for bytes in room {
                let edns = (bytes > 0).then_some(bytes);
                let query = query("web.service.consul.", SRV, edns);
                let counts = |node_meta_txt| {
                    let settings = Settings { node_meta_txt, ..truncating() };
                    let asked = answered(&world, &settings, Transport::Udp, &query, &[]);
                    (asked.1.counts()[0], asked.1.truncated)
                };
                assert_eq!(counts(true), counts(false), "{instances}, {pairs}, {bytes}");
            }
        }
    }
}

#[test]
fn what_a_recursor_spells_otherwise_stays_with_its_answer() {
    let mut world = World::with_agent();
    alias(&mut world, "Www.Example.com");
    register(&mut world, "alias", 8, 0);
    let name = b"\x03www\x07example\x03com\0";
    let mut reply = Vec::new();
    dns::chase_query(name, 7, &mut reply);
    reply[2] |= 0x80;
    reply[7] = 1;
    reply.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x01");
    let foreign = [Foreign { name, reply: Some(&reply) }];
    let settings = Settings { recursors: true, udp_answer_limit: 8, ..Settings::default() };
    let query = query("alias.service.consul.", SRV, None);
    let mut seen = 0;
    for seed in 0..32 {
        let config = Config::new(&settings).expect("settings");
        let (snapshot, mut rng) = (world.snapshot(), SmallRng::seed_from_u64(seed));
        let udp = Transport::Udp;
        let (_, out, _) = ask(&config, Some(&snapshot), udp, &query, &mut rng, &foreign);
        let [answers, _, additional] = Reply::read(&out).sections;
        assert!(answers.len() < 9, "it was cut");
        let foreign = answers.iter().filter(|answer| answer.ends_with("Www.Example.com.")).count();
        seen += foreign;
        assert_eq!(additional.len(), answers.len(), "{answers:#?} {additional:#?}");
    }
    assert!(seen > 0);
}

#[test]
fn what_a_recursor_says_of_other_names_is_left_out() {
    let mut world = World::with_agent();
    alias(&mut world, "www.example.com");
    let name = b"\x03www\x07example\x03com\0";
    let mut reply = Vec::new();
    dns::chase_query(name, 7, &mut reply);
    reply[2] |= 0x80;
    reply[7] = 4;
    // One of `example.com`, one of another class, `www` leads to `com`, and that to an address.
    reply.extend_from_slice(b"\xc0\x10\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x01\x01\x01");
    reply.extend_from_slice(b"\xc0\x0c\0\x01\0\x03\0\0\0\x3c\0\x04\x02\x02\x02\x02");
    reply.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\xc0\x18");
    reply.extend_from_slice(b"\xc0\x18\0\x01\0\x01\0\0\0\x3c\0\x04\x03\x03\x03\x03");
    let foreign = [Foreign { name, reply: Some(&reply) }];
    let settings = Settings { recursors: true, ..Settings::default() };
    let query = query("alias.service.consul.", A, None);
    let (_, reply, _) = answered(&world, &settings, Transport::Udp, &query, &foreign);
    assert_eq!(
        reply.sections[0],
        [
            "alias.service.consul. 0 CNAME www.example.com.",
            "www.example.com. 0 CNAME com.",
            "com. 0 A 3.3.3.3",
        ]
    );
}

/// `web` with instances that are not well, and as many that lead to it, by their number.
fn leading_to_the_ailing(instances: usize, address: impl Fn(usize) -> String) -> World {
    let mut world = World::with_agent();
    for number in 0..instances {
        let body = json!({
            "Node": format!("web{number}"),
            "Address": "10.0.0.1",
            "Service": {"Service": "web", "Port": 80},
            "Check": {"Name": "c", "Status": "critical"},
        });
        world.put("/v1/catalog/register", &body.to_string());
        let service = json!({"Service": "alias", "Address": address(number), "Port": 80});
        let body = json!({"Node": format!("a{number}"), "Address": "10.9.0.1", "Service": service});
        world.put("/v1/catalog/register", &body.to_string());
    }
    world
}

/// The instances that are read: more than a [`Trace`] keeps.
#[derive(Default)]
struct Rows(usize);

impl Observer for Rows {
    const ON: bool = true;

    fn step(&mut self, step: Step) {
        self.0 += usize::from(matches!(step, Step::Instance { .. }));
    }
}

fn rows_read(world: &World, query: &[u8]) -> usize {
    let config = Config::new(&truncating()).expect("settings");
    let (snapshot, mut rng) = (world.snapshot(), SmallRng::seed_from_u64(7));
    let view = View {
        snapshot: Some(&snapshot),
        transport: Transport::Tcp,
        source: Ipv4Addr::LOCALHOST.into(),
        unix_seconds: 1_700_000_000,
        foreign: &[],
    };
    let (mut scratch, mut rows, mut out) = (Scratch::default(), Rows::default(), Vec::new());
    dns::answer(&config, &view, query, &mut rng, &mut scratch, &mut rows, &mut out);
    rows.0
}

#[test]
fn answers_that_lead_to_many_instances_read_a_bounded_number() {
    let world = leading_to_the_ailing(400, |number| format!("t{number}.web.service.consul"));
    let query = query("alias.service.consul.", SRV, Some(4096));
    let (_, reply, _) = answered(&world, &truncating(), Transport::Tcp, &query, &[]);
    assert_eq!(reply.counts(), [400, 0, 0]);
    let read = rows_read(&world, &query);
    assert!((1 << 15..=400 + (1 << 15)).contains(&read), "{read}");
}

#[test]
fn answers_that_lead_to_one_name_follow_it_once() {
    let spelled = ["web.service.consul", "WEB.service.consul.", "web.Service.consul"];
    let world = leading_to_the_ailing(60, |number| spelled[number % 3].to_owned());
    let query = query("alias.service.consul.", SRV, Some(4096));
    let (_, reply, _) = answered(&world, &truncating(), Transport::Tcp, &query, &[]);
    assert_eq!((reply.counts(), rows_read(&world, &query)), ([60, 0, 0], 120));
}

/// Each has it all the same, under the name that leads to it.
#[test]
fn what_one_name_gives_belongs_to_every_answer() {
    let mut world = World::with_agent();
    register(&mut world, "web", 3, 0);
    for (node, address) in [("a", "web.service.consul"), ("b", "Web.Service.consul")] {
        let service = json!({"Service": "alias", "Address": address, "Port": 80});
        let body = json!({"Node": node, "Address": "10.9.0.1", "Service": service});
        world.put("/v1/catalog/register", &body.to_string());
    }
    let query = query("alias.service.consul.", SRV, None);
    let (_, reply, _) = answered(&world, &truncating(), Transport::Tcp, &query, &[]);
    assert_eq!(reply.counts(), [2, 0, 6]);
    for name in ["web.service.consul. ", "Web.Service.consul. "] {
        let of_it = reply.sections[2].iter().filter(|record| record.starts_with(name));
        assert_eq!(of_it.count(), 3, "{:?}", reply.sections[2]);
    }
}

#[test]
fn a_limit_that_leaves_nothing_out_is_no_cut() {
    let mut world = World::with_agent();
    register(&mut world, "web", 3, 0);
    let query = query("web.service.consul.", A, Some(4096));
    for (limit, cut) in [(2, true), (3, false), (4, false)] {
        let settings = Settings { a_record_limit: limit, ..Settings::default() };
        let (_, reply, trace) = answered(&world, &settings, Transport::Udp, &query, &[]);
        assert_eq!(reply.counts()[0], limit.min(3) as usize);
        let is_cut =
            |step: &Step| matches!(step, Step::Enough { unread: 1, limit: Some(Limit::Addresses) });
        assert_eq!(trace.steps.iter().any(is_cut), cut, "{:?}", trace.steps);
    }
}

/// `dig +subnet=0`: neither a family nor an address.
#[test]
fn a_subnet_of_nobody_is_no_subnet() {
    let mut world = World::with_agent();
    register(&mut world, "web", 1, 0);
    let mut query = query("web.service.consul.", A, Some(1232));
    query.truncate(query.len() - 2);
    query.extend_from_slice(b"\0\x08\0\x08\0\x04\0\0\0\0");
    let (_, reply, _) = answered(&world, &Settings::default(), Transport::Udp, &query, &[]);
    assert_eq!(reply.counts(), [1, 0, 0]);
    assert!(reply.edns.is_some());
}

/// Instances of one node that differ in the address that is answered alone.
#[test]
fn srv_has_every_address_that_is_answered() {
    let mut world = World::with_agent();
    for number in 1..=2 {
        let lan = json!({"Address": format!("10.0.0.{number}"), "Port": 80});
        let service = json!({
            "ID": format!("web{number}"), "Service": "web", "Port": 80, "Address": "192.0.2.1",
            "TaggedAddresses": {"lan_ipv4": lan},
        });
        let body = json!({"Node": "a", "Address": "10.9.0.1", "Service": service});
        world.put("/v1/catalog/register", &body.to_string());
    }
    let query = query("web.service.consul.", SRV, None);
    let (_, mut reply, _) = answered(&world, &truncating(), Transport::Udp, &query, &[]);
    reply.sections[2].sort();
    assert_eq!(
        reply.sections[2],
        [1, 2].map(|n| format!("0a00000{n}.addr.dc1.consul. 0 A 10.0.0.{n}"))
    );
}

#[test]
fn a_name_that_no_message_can_hold_is_in_nobodys_way() {
    let mut world = World::with_agent();
    for address in ["no..name", "ok.example.com"] {
        let service = json!({"ID": address, "Service": "web", "Port": 80, "Address": address});
        let body = json!({"Node": "a", "Address": "10.9.0.1", "Service": service});
        world.put("/v1/catalog/register", &body.to_string());
    }
    let query = query("web.service.consul.", A, None);
    let config = Config::new(&Settings::default()).expect("settings");
    for seed in 0..16 {
        let (snapshot, mut rng) = (world.snapshot(), SmallRng::seed_from_u64(seed));
        let udp = Transport::Udp;
        let (_, out, _) = ask(&config, Some(&snapshot), udp, &query, &mut rng, &[]);
        let answers = &Reply::read(&out).sections[0];
        assert_eq!(answers, &["web.service.consul. 0 CNAME ok.example.com."]);
    }
}

#[test]
fn a_service_may_begin_with_an_underscore() {
    let mut world = World::with_agent();
    let service = json!({"Service": "_foo", "Port": 80, "Tags": ["t"]});
    let body = json!({"Node": "a", "Address": "10.9.0.1", "Service": service});
    world.put("/v1/catalog/register", &body.to_string());
    for (name, answers) in [("_foo", 1), ("t._foo", 1), ("u._foo", 0), ("_t._foo", 0)] {
        for rtype in [A, SRV] {
            let query = query(&format!("{name}.service.consul."), rtype, None);
            let udp = Transport::Udp;
            let (_, reply, _) = answered(&world, &Settings::default(), udp, &query, &[]);
            assert_eq!(reply.counts()[0], answers, "{name}");
        }
    }
}

#[test]
fn a_status_that_nobody_knows_weighs_one() {
    let mut world = World::with_agent();
    let weights = json!({"Passing": 7, "Warning": 3});
    let body = json!({
        "Node": "a", "Address": "10.9.0.1",
        "Service": {"Service": "web", "Port": 80, "Weights": weights},
        "Check": {"CheckID": "c", "ServiceID": "web", "Name": "c", "Status": "odd"},
    });
    world.put("/v1/catalog/register", &body.to_string());
    let query = query("web.service.consul.", SRV, None);
    let (_, reply, _) = answered(&world, &Settings::default(), Transport::Udp, &query, &[]);
    let srv = "web.service.consul. 0 SRV 1 1 80 a.node.dc1.consul.";
    assert_eq!(reply.sections[0], [srv]);
}

#[test]
fn the_mesh_knows_no_peers() {
    let mut world = World::with_agent();
    let service = json!({"Service": "web", "Port": 80, "Connect": {"Native": true}});
    let body = json!({"Node": "a", "Address": "10.9.0.1", "Service": service});
    world.put("/v1/catalog/register", &body.to_string());
    for (name, answers) in [
        ("web.connect.p.peer", 1),
        ("web.service.p.peer", 0),
        ("web.service.dc1.dc.dc1.dc", 1),
        ("web.service.dc1.dc.p.peer", 0),
    ] {
        let query = query(&format!("{name}.consul."), A, None);
        let (_, reply, _) = answered(&world, &Settings::default(), Transport::Udp, &query, &[]);
        assert_eq!(reply.counts()[0], answers, "{name}");
    }
}

/// A pair that is too long for a text is told of as often as texts are made.
#[test]
fn metadata_that_cannot_stay_is_not_made() {
    let mut world = World::with_agent();
    let mut meta: serde_json::Map<_, _> =
        (0..10).map(|number| (format!("k{number}"), json!("v"))).collect();
    meta.insert("long".into(), json!("x".repeat(300)));
    for number in 0..400 {
        let body = json!({
            "Node": format!("web{number}"),
            "Address": format!("10.0.{}.{}", number / 250, number % 250 + 1),
            "NodeMeta": meta,
            "Service": {"Service": "web", "Port": 80},
        });
        world.put("/v1/catalog/register", &body.to_string());
    }
    let query = query("web.service.consul.", SRV, Some(1232));
    for (transport, truncated, most) in [(Transport::Udp, true, 10), (Transport::Tcp, false, 350)] {
        let (_, reply, trace) = answered(&world, &truncating(), transport, &query, &[]);
        assert_eq!(reply.truncated, truncated);
        let made = |step: &&Step| matches!(step, Step::Dropped { .. });
        let made = trace.steps.iter().filter(made).count();
        assert!((1..=most).contains(&made), "{made}");
    }
}
