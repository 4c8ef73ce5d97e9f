//! What the ways of our own bring, in virtual time: `cargo test -p tribune-gossip --test measure
//! -- --ignored --nocapture`. The figures are in `docs/gossip.md`.
#![allow(clippy::unwrap_used)]

mod harness;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use gossip::{Event, Priority, Subject, UserBroadcast};
use harness::{Network, median_and_last};

const SECOND: Duration = Duration::from_secs(1);

fn sent(network: &Network) -> (u64, u64, u64) {
    network.hosts.iter().fold((0, 0, 0), |(packets, bytes, streams), host| {
        (packets + host.packets_sent, bytes + host.bytes_sent, streams + host.streams_dialled)
    })
}

/// How an event of the first member reaches the others; the layer above passes it on.
fn spread(network: &mut Network) -> Vec<Duration> {
    let start = network.now;
    for host in &mut network.hosts {
        host.events.clear();
    }
    let event = || UserBroadcast {
        priority: Priority::Event,
        subject: Subject::None,
        message: Bytes::from_static(b"\x03 an event of the usual length, say thirty bytes more"),
        waiter: None,
    };
    network.with(0, |machine, now| machine.broadcast(now, event()));
    let mut reached: BTreeMap<usize, Duration> = BTreeMap::new();
    let mut read = vec![0; network.hosts.len()];
    let end = start + 5 * SECOND;
    while network.now < end && reached.len() + 1 < network.hosts.len() {
        network.step();
        for index in 1..network.hosts.len() {
            let events = &network.hosts[index].events;
            let new =
                events[read[index]..].iter().any(|(_, e)| matches!(e, Event::UserMessage { .. }));
            read[index] = events.len();
            if new && !reached.contains_key(&index) {
                reached.insert(index, network.now.since(start));
                network.with(index, |machine, now| machine.broadcast(now, event()));
            }
        }
    }
    reached.into_values().collect()
}

#[test]
#[ignore = "a measurement"]
fn joins() {
    for count in [10, 50, 100, 200] {
        for (eager, settle) in [(true, true), (true, false), (false, true), (false, false)] {
            let (mut times, mut stalls, mut packets, mut streams) = (Vec::new(), 0, 0, 0);
            let rounds = if count > 100 { 5 } else { 10 };
            for seed in 0..rounds {
                let mut network = Network::with_hosts(seed, count, |config| {
                    config.eager_gossip = eager;
                    config.settle_exchange = settle;
                });
                let start = network.now;
                network.record = false;
                network.join_all();
                while !network.whole() && network.now < start + 5 * SECOND {
                    network.run(Duration::from_millis(10));
                }
                if network.whole() {
                    times.push(network.now.since(start));
                } else {
                    stalls += 1;
                }
                let (p, _, s) = sent(&network);
                packets += p;
                streams += s;
            }
            if times.is_empty() {
                times.push(Duration::ZERO);
            }
            let (median, last) = median_and_last(times);
            println!(
                "{count} eager {eager} settle {settle}: median {median:?} last {last:?} stalls \
                 {stalls}/{rounds}, packets {} streams {}",
                packets / rounds,
                streams / rounds
            );
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn events() {
    for loss in [0.0, 0.05] {
        for eager in [true, false] {
            let mut medians = Vec::new();
            let mut lasts = Vec::new();
            for seed in 0..5 {
                let mut network = Network::with_hosts(seed, 200, |config| {
                    config.eager_gossip = eager;
                });
                network.record = false;
                network.join_all();
                network.run(30 * SECOND);
                network.links.loss = loss;
                network.record = true;
                for host in &mut network.hosts {
                    host.machine.set_user_members(200);
                }
                let reached = spread(&mut network);
                assert_eq!(reached.len(), 199);
                let (median, last) = median_and_last(reached);
                medians.push(median);
                lasts.push(last);
            }
            let (median, _) = median_and_last(medians);
            let (last, worst) = median_and_last(lasts);
            println!("loss {loss} eager {eager}: median {median:?} last {last:?} worst {worst:?}");
        }
    }
}
