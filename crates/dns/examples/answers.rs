//! What answers cost without sockets, each kind that `bench/dns.py` asks for, and some that nobody
//! has a name for: nanoseconds an answer, of one thread.
//!
//! `cargo run --release -p tribune-dns --example answers -- [COUNT [QUESTION]]`
//!
//! On a machine that does other things too, instructions tell more: `perf stat -e instructions:u`
//! with one question, by its place in [`QUESTIONS`], and two counts.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use catalog::{Check, Command, ModifyIndex, Node, Register, Service, State, Time};
use dns::{Config, Scratch, Settings, Transport, View};
use rand::SeedableRng;
use rand::rngs::SmallRng;

const SERVICES: usize = 1000;

const QUESTIONS: [(&str, u16); 8] = [
    ("service-7.service.consul", 1),
    ("service-7.service.consul", 33),
    ("large.service.consul", 1),
    ("large.service.consul", 33),
    ("nobody.service.consul", 1),
    ("node-7.node.consul", 1),
    ("7.0.0.10.in-addr.arpa", 12),
    ("9.9.9.9.in-addr.arpa", 12),
];

fn state() -> State {
    let mut state = State::default();
    let names = (0..SERVICES * 3).map(|number| format!("service-{}", number % SERVICES));
    let names = names.chain((0..100).map(|_| "large".to_owned()));
    for (number, name) in names.enumerate() {
        let node = format!("node-{number}");
        let mut request = Register {
            node: Node {
                name: node.as_str().into(),
                address: format!("10.0.{}.{}", number / 250, number % 250).into(),
                ..Node::default()
            },
            skip_node_update: false,
            service: Some(Box::new(Service {
                id: "web".into(),
                name: name.as_str().into(),
                port: 80,
                ..Service::default()
            })),
            checks: [Check {
                id: "service:web".into(),
                status: "passing".into(),
                service_id: "web".into(),
                ..Check::default()
            }]
            .into(),
        };
        request.prepare().unwrap();
        let index = ModifyIndex(number as u64 + 1);
        state.apply(index, Time(0), [Command::Register(Box::new(request))]);
    }
    state
}

fn question(name: &str, rtype: u16) -> Vec<u8> {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(rtype.to_be_bytes());
    query.extend([0, 1]);
    query
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let count = arguments.next().unwrap_or(1_000_000);
    let chosen = arguments.next();
    let snapshot = state().snapshot();
    let config = Config::new(&Settings::default()).unwrap();
    let view = View {
        snapshot: Some(&snapshot),
        transport: Transport::Udp,
        source: [127, 0, 0, 1].into(),
        unix_seconds: 1_700_000_000,
        foreign: &[],
    };
    let (mut scratch, mut reply) = (Scratch::default(), Vec::new());
    let mut rng = SmallRng::seed_from_u64(1);
    for (place, (name, rtype)) in QUESTIONS.into_iter().enumerate() {
        if chosen.is_some_and(|chosen| chosen != place) {
            continue;
        }
        let query = question(name, rtype);
        let begun = Instant::now();
        for _ in 0..count {
            dns::answer(&config, &view, &query, &mut rng, &mut scratch, &mut (), &mut reply);
        }
        let each = begun.elapsed().as_nanos() / count.max(1) as u128;
        println!("{name} {rtype}: {each} ns, {} bytes", reply.len());
    }
}
