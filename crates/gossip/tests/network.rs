//! Whole clusters in virtual time.
#![allow(clippy::unwrap_used)]

mod harness;

use std::time::Duration;

use gossip::{Event, Fact, Time};
use harness::{Network, name};
use wire::message::gossip::State;

const SECOND: Duration = Duration::from_secs(1);

fn settled(seed: u64, count: usize) -> Network {
    let mut network = Network::with_hosts(seed, count, |_| {});
    network.join_all();
    let end = network.now + 5 * SECOND;
    assert!(network.run_until(end, Network::whole), "seed {seed}: not whole after 5 s");
    network
}

#[test]
fn all_join_one_and_see_all() {
    for count in [2, 3, 10, 40] {
        let network = settled(count as u64, count);
        for (index, host) in network.hosts.iter().enumerate() {
            let joined = |event: &&(Time, Event)| matches!(event.1, Event::Joined(_));
            assert_eq!(host.events.iter().filter(joined).count(), count, "host {index}");
        }
    }
}

#[test]
fn a_killed_member_is_found_dead_by_all_within_bounds() {
    for seed in 0..10 {
        let mut network = settled(seed, 5);
        network.run(5 * SECOND);
        network.kill(2);
        let killed = network.now;
        let end = killed + 60 * SECOND;
        let others = [0, 1, 3, 4];
        let dead = |network: &Network| {
            others.iter().all(|index| network.sees(*index, 2) == Some(State::Dead))
        };
        assert!(network.run_until(end, dead));
        // At best: one probe interval, then the shortest suspicion. At worst: all rounds before
        // the first probe, the longest suspicion.
        let took = network.now.since(killed);
        assert!(took >= 4 * SECOND && took <= 33 * SECOND, "seed {seed}: {took:?}");
        let wrong = network
            .facts()
            .any(|(_, fact)| matches!(fact, Fact::Died { node, .. } if node.as_str() != name(2)));
        assert!(!wrong, "seed {seed}");
    }
}
