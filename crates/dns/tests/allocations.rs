//! What an answer costs the allocator once a scratch is warm. One test, as the count is of the
//! whole process.

mod support;

use std::alloc::System;

use api::Method;
use cap::Cap;
use dns::{Config, Outcome, Scratch, Settings, Transport, View};
use hickory_proto::rr::Name;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::json;
use support::World;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const ANY: u16 = 255;

const ROUNDS: u64 = 5;

fn register(world: &mut World, service: &str, number: usize) {
    let status = if number == 7 { "critical" } else { "passing" };
    let body = json!({
        "Node": format!("{service}-{number}"),
        "Address": format!("10.0.{}.{}", number / 250, number % 250 + 1),
        "ID": format!("{:08x}-0000-0000-0000-{number:012}", service.len()),
        "NodeMeta": {"rack": format!("r{number}")},
        "Service": {"Service": service, "Tags": ["v1"], "Port": 80},
        "Check": {"CheckID": "c", "Name": "c", "ServiceID": service, "Status": status},
    });
    world.put("/v1/catalog/register", &body.to_string());
}

/// The bytes that are allocated for a question on the average, when it and its like were answered
/// before.
fn allocated(world: &World, name: &str, rtype: u16, edns: Option<u16>, udp: bool) -> usize {
    let settings = Settings { enable_truncate: true, ..Settings::default() };
    let config = Config::new(&settings).expect("settings");
    let snapshot = world.snapshot();
    let view = View {
        snapshot: Some(&snapshot),
        transport: if udp { Transport::Udp } else { Transport::Tcp },
        source: [127, 0, 0, 1].into(),
        unix_seconds: 1_700_000_000,
        foreign: &[],
    };
    let query = support::question(&Name::from_ascii(name).expect("a name"), rtype, edns);
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let mut rounds = || {
        let before = MEMORY.total_allocated();
        for seed in 0..ROUNDS {
            let mut rng = SmallRng::seed_from_u64(seed);
            let outcome =
                dns::answer(&config, &view, &query, &mut rng, &mut scratch, &mut (), &mut out);
            assert_eq!(outcome, Outcome::Answered);
        }
        (MEMORY.total_allocated() - before).div_ceil(ROUNDS as usize)
    };
    assert!(rounds() > 0, "nothing is counted");
    // Others of this process may allocate meanwhile, but hardly each time.
    [rounds(), rounds(), rounds()].into_iter().min().unwrap_or(usize::MAX)
}

#[test]
fn a_warm_scratch_allocates_nothing() {
    let mut world = World::with_agent();
    for (service, count) in [("web", 8), ("hundred", 100), ("thousand", 1000)] {
        for number in 0..count {
            register(&mut world, service, number);
        }
    }
    world.put(
        "/v1/catalog/register",
        r#"{"Node": "a", "Address": "web.service.consul",
            "Service": {"Service": "alias", "Address": "a.node.consul", "Port": 80}}"#,
    );
    for query in [
        json!({"Name": "q", "Service": {"Service": "web"}}),
        json!({"Name": "far", "Service": {"Service": "hundred", "Near": "hundred-1"},
               "DNS": {"TTL": "10s"}}),
        json!({"Name": "own", "Service": {"Service": "hundred", "Near": "_agent", "Tags": ["V1"],
               "NodeMeta": {"rack": "r1"}}}),
        json!({"Name": "ip", "Service": {"Service": "web", "Near": "_ip", "OnlyPassing": true,
               "Tags": ["!v2"], "Failover": {"Datacenters": ["dc2"]}}}),
        json!({"Name": "geo-", "Template": {"Type": "name_prefix_match", "Regexp": "^(?i)geo-(.*)$"},
               "Service": {"Service": "${match(1)}", "Tags": ["!v2"]}}),
    ] {
        world.write(Method::Post, "/v1/query", &query.to_string());
    }
    for number in 0..100 {
        let place = json!({"Node": format!("hundred-{number}"), "Coord": {
            "Vec": [number, 0, 0, 0, 0, 0, 0, 0], "Error": 1.0, "Adjustment": 0.0, "Height": 0.0,
        }});
        world.put("/v1/coordinate/update", &place.to_string());
    }
    let names = [
        "q.query.consul.",
        "FAR.query.consul.",
        "own.query.dc1.consul.",
        "ip.query.consul.",
        "geo-web.query.consul.",
        "GEO-hundred.query.consul.",
        "nobody.query.consul.",
        "web.service.consul.",
        "V1.Web.service.dc1.consul.",
        "_web._tcp.service.consul.",
        "alias.service.consul.",
        "hundred.service.consul.",
        "thousand.service.consul.",
        "v1.thousand.service.consul.",
        "v2.thousand.service.consul.",
        "hundred-99.node.consul.",
        "absent.service.consul.",
        "web-1.node.consul.",
        "0000.node.consul.",
        "0000000800000000000000000000.node.consul.",
        "0a000001.addr.consul.",
        "consul.",
        "1.0.0.10.in-addr.arpa.",
        "1.0.7.10.in-addr.arpa.",
        "9.9.9.10.in-addr.arpa.",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        "www.example.com.",
    ];
    for name in names {
        for rtype in [A, NS, SOA, TXT, AAAA, SRV, ANY] {
            for (edns, udp) in [(None, true), (Some(600), true), (Some(4096), true), (None, false)]
            {
                let bytes = allocated(&world, name, rtype, edns, udp);
                assert_eq!(bytes, 0, "{name} {rtype} {edns:?}");
            }
        }
    }
}
