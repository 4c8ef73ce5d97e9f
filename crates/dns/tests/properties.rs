//! Any services, sizes and values of EDNS0: an independent parser reads every reply, the reply is
//! about the question, is no longer than the asker takes, and says that it was cut if, and only if,
//! something was left out: what the reply over TCP has, where there is room for everything.

mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;

use dns::{Config, Outcome, Settings, Transport};
use hickory_proto::rr::Name;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::json;
use support::{Reply, World, ask};

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const ANY: u16 = 255;

/// The longest label.
const LONG: &str = "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss";

/// A name of 255 bytes.
const LONGEST: &str = concat!(
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.mix.connect.consul."
);

/// One instance, on a node of its own.
#[derive(Clone, Debug)]
struct Row {
    /// The length of its node's name.
    node_bytes: usize,
    node: Place,
    own: Option<Place>,
    port: u16,
    status: &'static str,
    /// The lengths of the values of its node's metadata.
    meta: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Place {
    Four(u8),
    Six(u8),
    Name(&'static str),
}

impl Place {
    fn text(&self) -> String {
        match self {
            Self::Four(number) => format!("10.0.0.{number}"),
            Self::Six(number) => format!("2001:db8::{number:x}"),
            Self::Name(name) => (*name).to_owned(),
        }
    }

    fn address(&self) -> Option<IpAddr> {
        self.text().parse().ok()
    }
}

fn address() -> impl Strategy<Value = Place> + Clone {
    prop_oneof![3 => (1..40u8).prop_map(Place::Four), 1 => (1..40u8).prop_map(Place::Six)]
}

fn row(place: impl Strategy<Value = Place> + Clone + 'static) -> impl Strategy<Value = Row> {
    let bytes = prop_oneof![8 => 4..20usize, 1 => 60..=63usize, 1 => Just(64usize)];
    let status = select(vec!["passing", "passing", "passing", "warning", "critical"]);
    let meta = prop_oneof![4 => vec(0..40usize, 0..3), 1 => vec(0..300usize, 0..6)];
    (bytes, place.clone(), option::of(place), 1..4u16, status, meta).prop_map(
        |(node_bytes, node, own, port, status, meta)| Row {
            node_bytes,
            node,
            own,
            port,
            status,
            meta,
        },
    )
}

/// Addresses, and names that lead to some, to nothing, and in circles.
fn any_place() -> impl Strategy<Value = Place> + Clone {
    let names = select(vec![
        "web.service.consul",
        "mix.service.consul",
        "nobody.node.consul",
        "x000.node.consul",
        "www.example.com",
        "0a000001.addr.consul",
        "no..name",
    ]);
    prop_oneof![2 => (1..40u8).prop_map(Place::Four), 1 => names.prop_map(Place::Name)]
}

fn settings() -> impl Strategy<Value = Settings> {
    (any::<[bool; 3]>(), 0..10u32, 0..6u32).prop_map(|(flags, udp_answer_limit, limit)| {
        let [only_passing, disable_compression, node_meta_txt] = flags;
        let a_record_limit = limit.saturating_sub(2);
        let enable_truncate = true;
        Settings {
            only_passing,
            disable_compression,
            node_meta_txt,
            udp_answer_limit,
            a_record_limit,
            enable_truncate,
            ..Settings::default()
        }
    })
}

/// Registers instances; their nodes' names begin with a letter of their own.
fn register(world: &mut World, service: &str, letter: char, rows: &[Row]) {
    for (number, row) in rows.iter().enumerate() {
        let (node, width) = (format!("{letter}{number:03}"), row.node_bytes);
        let meta: serde_json::Map<_, _> = row.meta.iter().enumerate().map(text_of).collect();
        let body = json!({
            "Node": format!("{node:-<width$}"),
            "Address": row.node.text(),
            "NodeMeta": meta,
            "Service": {
                "Service": service,
                "Address": row.own.as_ref().map(Place::text).unwrap_or_default(),
                "Port": row.port,
                "Connect": {"Native": service == "mix"},
            },
            "Check": {"CheckID": "c", "Name": "c", "ServiceID": service, "Status": row.status},
        });
        world.put("/v1/catalog/register", &body.to_string());
    }
}

fn text_of((number, length): (usize, &usize)) -> (String, serde_json::Value) {
    (format!("k{number}"), "v".repeat(*length).into())
}

/// What a service of addresses alone comes to.
struct Expected {
    addresses: BTreeSet<IpAddr>,
    /// Port and glue of each SRV record.
    services: BTreeSet<(u16, IpAddr)>,
    any: bool,
}

fn expected(rows: &[Row], only_passing: bool) -> Expected {
    let well = |row: &&Row| match row.status {
        "passing" => true,
        "warning" => !only_passing,
        _ => false,
    };
    let mut expected =
        Expected { addresses: BTreeSet::new(), services: BTreeSet::new(), any: false };
    for row in rows.iter().filter(well) {
        expected.any = true;
        let place = row.own.as_ref().unwrap_or(&row.node);
        let address = place.address().expect("an address");
        expected.addresses.insert(address);
        // A label of 64 bytes is none.
        if row.own.is_some() || row.node_bytes < 64 {
            expected.services.insert((row.port, address));
        }
    }
    expected
}

fn words(record: &str) -> Vec<&str> {
    record.split_whitespace().collect()
}

/// What holds for every reply.
fn check(name: &str, query: &[u8], out: &[u8], reply: &Reply, most: usize) {
    let end = query.iter().skip(12).position(|&byte| byte == 0).expect("a name") + 12 + 5;
    assert_eq!(out.get(..2), query.get(..2), "whose number");
    assert_eq!(out.get(12..end), query.get(12..end), "which question");
    let [answers, authority, additional] = &reply.sections;
    if out.len() > most {
        // One answer that is as long as that alone, with what it cannot do without.
        assert!(answers.len() <= 1, "{} bytes of {most}: {reply:#?}", out.len());
        assert!(answers.is_empty() || authority.is_empty(), "{reply:#?}");
        assert!(additional.iter().all(|record| words(record)[2] != "TXT"), "{reply:#?}");
    }
    let mut owners = vec![name.to_ascii_lowercase()];
    for record in answers {
        let [owner, _, rtype, ..] = words(record)[..] else { panic!("{record}") };
        let owner = owner.to_ascii_lowercase();
        let zone = matches!(rtype, "NS" | "SOA") && owners[0].ends_with(&owner);
        assert!(zone || owners.contains(&owner), "{record} is about another name");
        if rtype == "CNAME" {
            owners.push(words(record)[3].to_ascii_lowercase());
        }
    }
    for record in answers {
        if let [_, _, "SRV", _, _, _, target] = words(record)[..]
            && (target.contains(".addr.") || target.contains(".node.dc1."))
        {
            let glue = additional.iter().filter(|glue| words(glue)[0] == target);
            assert!(glue.count() > 0, "{target} has no address: {reply:#?}");
        }
    }
}

/// Asks over both transports, which agree as far as both have room; the reply over TCP.
fn asked(
    config: &Config,
    snapshot: &catalog::Snapshot,
    name: &str,
    rtype: u16,
    edns: Option<u16>,
    seed: u64,
) -> Reply {
    let query = support::question(&Name::from_ascii(name).expect("a name"), rtype, edns);
    let transports = [Transport::Udp, Transport::UdpShort, Transport::Tcp];
    let [udp, short, tcp] = transports.map(|transport| {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (outcome, out, _) = ask(config, Some(snapshot), transport, &query, &mut rng, &[]);
        assert_eq!(outcome, Outcome::Answered);
        let most = match transport {
            Transport::Udp => usize::from(edns.unwrap_or(0)).max(512),
            Transport::UdpShort => usize::from(edns.unwrap_or(0)).clamp(512, dns::SHORT_BYTES),
            Transport::Tcp => 65535,
        };
        let reply = Reply::read(&out);
        check(name, &query, &out, &reply, most);
        reply
    });
    assert!(!tcp.truncated, "there is room for everything: {tcp:#?}");
    assert_eq!(tcp.edns.is_some(), edns.is_some());
    for udp in [udp, short] {
        assert_eq!(udp.sections[0].is_empty(), tcp.sections[0].is_empty(), "one answer stays");
        if udp.truncated {
            assert!(udp.counts() < tcp.counts(), "nothing was left out: {udp:#?}");
            assert!(udp.sections[0].iter().all(|record| tcp.sections[0].contains(record)));
        } else {
            // What goes along with the answers may be left out unsaid, from metadata on.
            assert_eq!(udp.head, tcp.head);
            assert_eq!(udp.sections[..2], tcp.sections[..2], "something was left out unsaid");
            assert!(udp.sections[2].iter().all(|record| tcp.sections[2].contains(record)));
            let metadata = udp.sections[2].iter().any(|record| record.contains(" TXT "));
            assert!(!metadata || udp == tcp, "some metadata were left out: {udp:#?}");
        }
    }
    tcp
}

fn sizes() -> impl Strategy<Value = Option<u16>> {
    let size = prop_oneof![
        select(vec![0u16, 512, 513, 600, 1024, 1232, 4096, 8192, 65535]),
        512..2048u16,
        any::<u16>(),
    ];
    option::of(size)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_service_is_answered_with_its_addresses(
        rows in vec(row(address()), 0..60),
        settings in settings(),
        long in any::<bool>(),
        questions in vec((select(vec![A, AAAA, ANY, SRV]), sizes(), any::<u64>()), 1..12),
    ) {
        let service = if long { LONG } else { "web" };
        let mut world = World::with_agent();
        register(&mut world, service, 'w', &rows);
        let (config, snapshot) = (Config::new(&settings).expect("settings"), world.snapshot());
        let expected = expected(&rows, settings.only_passing);
        let name = format!("{}.Service.consul.", service.to_uppercase());
        for (rtype, edns, seed) in questions {
            let tcp = asked(&config, &snapshot, &name, rtype, edns, seed);
            let [all, authority, additional] = &tcp.sections;
            if rtype == SRV {
                let got: BTreeSet<(u16, IpAddr)> = all.iter().map(|record| {
                    let [_, _, _, _, _, port, target] = words(record)[..] else { panic!() };
                    let glue = additional.iter().find(|glue| words(glue)[0] == target);
                    let glue = words(glue.expect("an address"))[3].parse::<IpAddr>();
                    (port.parse().expect("a port"), glue.expect("an address"))
                }).collect();
                prop_assert_eq!(&got, &expected.services);
            } else {
                let wanted = |address: &&IpAddr| match rtype {
                    A => address.is_ipv4(),
                    AAAA => address.is_ipv6(),
                    _ => true,
                };
                let mut wanted: BTreeSet<_> = expected.addresses.iter().filter(wanted).collect();
                let got: Vec<IpAddr> =
                    all.iter().map(|record| words(record)[3].parse().expect("one")).collect();
                prop_assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), got.len());
                if settings.a_record_limit > 0 {
                    let most = wanted.len().min(settings.a_record_limit as usize);
                    prop_assert_eq!(got.len(), most);
                    wanted.retain(|address| got.contains(address));
                }
                prop_assert_eq!(got.iter().collect::<BTreeSet<_>>(), wanted);
            }
            prop_assert_eq!(authority.len(), usize::from(all.is_empty()));
            let none = tcp.head.contains("(Query, 3)");
            prop_assert_eq!(none, !expected.any, "{}", tcp.head);
        }
    }

    #[test]
    fn whatever_is_asked_the_reply_is_about_it(
        rows in vec(row(any_place()), 0..16),
        others in vec(row(address()), 0..24),
        settings in settings(),
        questions in vec((any::<Index>(), any::<Index>(), sizes(), any::<u64>()), 1..24),
    ) {
        let names = [
            "mix.service.consul.", "MIX.service.DC1.consul.", "_mix._tcp.service.consul.",
            "_mix._tcp.consul.", "mix.connect.consul.", "mix.virtual.consul.", "web.service.consul.",
            "x000.node.consul.", "w000.node.consul.", "n1.node.consul.", "11.node.consul.",
            "0a000001.addr.consul.", "consul.", "consul.service.consul.", "a.b.c.d.consul.",
            "1.0.0.10.in-addr.arpa.", "1.0.0.127.in-addr.arpa.",
            LONGEST,
        ];
        let mut world = World::with_agent();
        register(&mut world, "mix", 'x', &rows);
        register(&mut world, "web", 'w', &others);
        let (config, snapshot) = (Config::new(&settings).expect("settings"), world.snapshot());
        for (name, rtype, edns, seed) in questions {
            let name: &&str = name.get(&names);
            let rtype = *rtype.get(&[A, NS, SOA, PTR, TXT, AAAA, SRV, ANY]);
            asked(&config, &snapshot, name, rtype, edns, seed);
        }
    }
}
