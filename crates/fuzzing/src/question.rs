//! Questions of DNS over a small catalogue, and what recursors say to those of ours.

use std::sync::OnceLock;

use catalog::{Snapshot, State};
use dns::{Config, Foreign, Outcome, Scratch, Settings, Trace, Transport, View};
use domain::base::Message;
use domain::base::iana::Rcode;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::consul;

/// What the first byte of an input says.
pub(crate) const HEARD: u8 = 1;
pub(crate) const TCP: u8 = 2;
pub(crate) const RECURSORS: u8 = 4;
const IN_FULL: u8 = 8;
const TRUNCATE: u8 = 16;
const NO_LEADER: u8 = 32;
const SECOND_ZONE: u8 = 64;
const MANY: u8 = 128;

/// Whose addresses are names of other zones.
const ALIAS: &[u8] =
    b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x05alias\x07service\x06consul\0\0\x21\0\x01";
/// A prepared query for every name that begins with `q-`.
const QUERY: &str = r#"{"Name": "q-", "Template": {"Type": "name_prefix_match",
    "Regexp": "^q-(.*?)(-[a-z]*)?$", "RemoveEmptyTags": true},
    "Service": {"Service": "${match(1)}", "Near": "_ip", "OnlyPassing": false,
        "IgnoreCheckIDs": ["web"], "Tags": ["${match(2)}"], "Failover": {"NearestN": 1}},
    "DNS": {"TTL": "7s"}}"#;
const LONGEST: usize = 65535;

pub(crate) fn question(input: &[u8]) {
    let Some((&flags, message)) = input.split_first() else { return };
    let has = |flag: u8| flags & flag != 0;
    let settings = Settings {
        alt_domain: has(SECOND_ZONE).then(|| "test.consul.".to_owned()),
        recursors: has(RECURSORS) || has(HEARD),
        disable_compression: has(IN_FULL),
        enable_truncate: has(TRUNCATE),
        udp_answer_limit: if has(MANY) { 8 } else { 3 },
        ..Settings::default()
    };
    let config = Config::new(&settings).expect("zones");
    let view = View {
        snapshot: (!has(NO_LEADER)).then(snapshot),
        transport: if has(TCP) { Transport::Tcp } else { Transport::Udp },
        source: [127, 0, 0, 1].into(),
        unix_seconds: 1_700_000_000,
        foreign: &[],
    };
    if !has(HEARD) {
        asked(&config, &view, message);
        if !has(TCP) {
            asked(&config, &View { transport: Transport::UdpShort, ..view }, message);
        }
        return;
    }
    assert!(!dns::said(Some(message)).to_string().is_empty());
    let mut scratch = Scratch::default();
    let mut reply = Vec::new();
    let mut rng = SmallRng::seed_from_u64(7);
    match dns::answer(&config, &view, ALIAS, &mut rng, &mut scratch, &mut (), &mut reply) {
        Outcome::Chase => {}
        other => return assert!(has(NO_LEADER), "{other:?}"),
    }
    let name = scratch.wanted().to_vec();
    let mut query = Vec::new();
    dns::chase_query(&name, 7, &mut query);
    assert!(!dns::belongs(&query, &query), "a question is no reply");
    if dns::belongs(&query, message) {
        assert_eq!(query.get(..2), message.get(..2));
    }
    // One name leads to the next, until nobody is to be asked any more.
    let mut names = vec![name];
    loop {
        let heard = |name| Foreign { name, reply: Some(message) };
        let foreign: Vec<_> = names.iter().map(|name| heard(name.as_slice())).collect();
        let view = View { foreign: &foreign, ..view };
        asked(&config, &view, ALIAS);
        let mut rng = SmallRng::seed_from_u64(7);
        match dns::answer(&config, &view, ALIAS, &mut rng, &mut scratch, &mut (), &mut reply) {
            Outcome::Chase => names.push(scratch.wanted().to_vec()),
            other => return assert_eq!(other, Outcome::Answered),
        }
        assert!(names.len() <= dns::CHASES, "it asks without end");
    }
}

/// Whatever is asked: who looks on changes nothing, and a reply is a message about the question
/// that the asker takes.
fn asked(config: &Config, view: &View<'_>, query: &[u8]) {
    let mut scratch = Scratch::default();
    let [mut reply, mut again] = [Vec::new(), vec![1]];
    let mut trace = Trace::default();
    let [mut rng, mut other] = [SmallRng::seed_from_u64(1), SmallRng::seed_from_u64(1)];
    let outcome = dns::answer(config, view, query, &mut rng, &mut scratch, &mut trace, &mut reply);
    let second = dns::answer(config, view, query, &mut other, &mut scratch, &mut (), &mut again);
    assert_eq!((outcome, &reply), (second, &again), "who looks on changes the answer");
    assert!(trace.steps.iter().all(|step| !step.to_string().is_empty()));
    if outcome != Outcome::Answered {
        assert!(reply.is_empty());
        return;
    }
    assert!(reply.len() <= LONGEST, "{} bytes", reply.len());
    assert_eq!(reply.get(..2), query.get(..2));
    let message = Message::from_slice(&reply).expect("a header");
    assert!(message.header().qr());
    let counts = message.header_counts();
    let records = counts.ancount() + counts.nscount() + counts.arcount();
    let read = message.iter().filter(Result::is_ok).count();
    assert_eq!(read, usize::from(records));
    if counts.qdcount() == 1 && message.header().rcode() != Rcode::FORMERR {
        assert!(dns::belongs(query, &reply), "the question is another one");
    }
    let most = match view.transport {
        Transport::Udp => dns::payload_bytes(query),
        Transport::UdpShort => dns::payload_bytes(query).min(dns::SHORT_BYTES),
        Transport::Tcp => LONGEST,
    };
    assert!(reply.len() <= most || counts.ancount() <= 1, "{} bytes", reply.len());
    dns::cut(query, &mut again);
    assert!(again.is_empty() || dns::belongs(query, &again));
    dns::recursion_failed(query, &mut again);
    assert!(again.is_empty() || again.get(..2) == query.get(..2));
}

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let mut state = State::default();
        for (at, body) in bodies().iter().enumerate() {
            let done = consul::put(&mut state, at as u64 + 1, consul::CALLS[0], body.as_bytes());
            done.expect("a node and its service");
        }
        let [.., queries] = consul::CALLS;
        let done = consul::put(&mut state, 1 << 32, queries, QUERY.as_bytes());
        done.expect("a prepared query");
        state.snapshot()
    })
}

/// Instances at addresses of both families, of their nodes, and at names that lead on.
fn bodies() -> Vec<String> {
    let mut bodies = Vec::new();
    for number in 1..=40 {
        let (node, address) = match number % 4 {
            0 => (format!("10.0.1.{number}"), String::new()),
            1 => (format!("10.0.1.{number}"), format!("10.0.2.{number}")),
            2 => (format!("2001:db8::{number}"), String::new()),
            _ => (format!("m{}.node.consul", number - 1), "db.service.consul".to_owned()),
        };
        let status = ["passing", "warning", "critical"][number % 7 % 3];
        for service in ["web", "db"] {
            bodies.push(format!(
                r#"{{"Node": "m{number}", "Address": "{node}",
                    "ID": "a0a0a0a0-0000-0000-0000-0000000000{number:02}",
                    "NodeMeta": {{"rack": "r{number}", "rfc1035-x": "`v= \\ {service}"}},
                    "Service": {{"ID": "{service}{number}", "Service": "{service}",
                        "Tags": ["v1", "primary"], "Address": "{address}", "Port": {number}}},
                    "Check": {{"CheckID": "{service}", "Name": "{service}",
                        "ServiceID": "{service}{number}", "Status": "{status}"}}}}"#
            ));
        }
    }
    bodies.push(
        r#"{"Node": "n1", "Address": "127.0.0.1", "Service": {"Service": "consul", "Port": 8300}}"#
            .to_owned(),
    );
    bodies.push(
        r#"{"Node": "alias", "Address": "Www.example.com",
            "Service": {"Service": "alias", "Address": "Alias.example.com", "Port": 80}}"#
            .to_owned(),
    );
    bodies.push(
        r#"{"Node": "alias", "Address": "Www.example.com",
            "Service": {"ID": "2", "Service": "alias", "Address": "www.example.org", "Port": 81}}"#
            .to_owned(),
    );
    bodies
}
