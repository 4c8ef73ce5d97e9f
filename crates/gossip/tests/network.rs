//! Whole clusters in virtual time.
#![allow(clippy::unwrap_used)]

mod harness;

use std::time::Duration;

use bytes::Bytes;
use gossip::{Command, Event, Fact, Profile, Time};
use harness::{Network, address, config, median_and_last, name};
use wire::message::gossip::{Alive, Message, State, Suspect};
use wire::{Address, Incarnation};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn settled(seed: u64, count: usize) -> Network {
    let mut network = Network::with_hosts(seed, count, |_| {});
    network.join_all();
    let end = network.now + 5 * SECOND;
    assert!(network.run_until(end, Network::whole), "seed {seed}: not whole after 5 s");
    network.run(10 * SECOND);
    network
}

fn deaths(network: &Network) -> Vec<(usize, String)> {
    let mut deaths = Vec::new();
    for (index, host) in network.hosts.iter().enumerate() {
        for (_, fact) in &host.facts {
            if let Fact::Died { node, .. } = fact {
                deaths.push((index, node.to_string()));
            }
        }
    }
    deaths
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

/// The bound for 50 is 0.6 s; the virtual links cost less than real ones, so the bound
/// here is tighter. Every round must be whole: a stall is a failure.
#[test]
fn a_mass_join_never_stalls() {
    for seed in 0..50 {
        let mut network = Network::with_hosts(seed, 50, |_| {});
        network.links.loss = 0.02;
        network.record = false;
        network.join_all();
        let start = network.now;
        while !network.whole() && network.now < start + 2 * SECOND {
            network.run(20 * MS);
        }
        assert!(network.whole(), "seed {seed}: stalled");
    }
}

#[test]
fn a_killed_member_is_found_dead_by_all_within_bounds() {
    for seed in 0..10 {
        let mut network = settled(seed, 5);
        network.kill(2);
        let killed = network.now;
        let end = killed + 60 * SECOND;
        let others = [0, 1, 3, 4];
        let dead = |network: &Network| {
            others.iter().all(|index| network.sees(*index, 2) == Some(State::Dead))
        };
        assert!(network.run_until(end, dead));
        // At best: one probe interval, then the shortest suspicion. At worst: a whole round
        // before the first probe, then the longest suspicion.
        let took = network.now.since(killed);
        assert!(took >= 4 * SECOND && took <= 33 * SECOND, "seed {seed}: {took:?}");
        assert!(deaths(&network).iter().all(|(_, node)| *node == name(2)), "seed {seed}");
        // With four to confirm, the accusers agree well before the longest timeout.
        let confirmed = network.facts().any(|(_, fact)| matches!(fact, Fact::Confirmed { .. }));
        assert!(confirmed, "seed {seed}");
    }
}

#[test]
fn loss_alone_kills_nobody() {
    for seed in 0..5 {
        let mut network = settled(seed, 12);
        network.links.loss = 0.1;
        network.run(120 * SECOND);
        assert_eq!(deaths(&network), [], "seed {seed}");
        network.links.loss = 0.0;
        network.run(30 * SECOND);
        assert!(network.whole(), "seed {seed}");
    }
}

#[test]
fn a_false_accusation_is_refuted_and_heard_of_by_all() {
    let mut network = settled(3, 8);
    let accusation = Message::Suspect(Suspect {
        incarnation: Incarnation(1),
        node: name(5).as_str().into(),
        from: name(1).as_str().into(),
        health: Some(3),
    });
    let from = network.hosts[1].address;
    network.inject(0, from, &accusation.encode());
    assert_eq!(network.sees(0, 5), Some(State::Suspect));
    let end = network.now + SECOND;
    let cleared = |network: &Network| {
        (0..8).all(|index| {
            let node = network.hosts[index].machine.node(&name(5)).unwrap();
            node.state == State::Alive && node.incarnation == Incarnation(2)
        })
    };
    assert!(network.run_until(end, cleared));
    assert_eq!(deaths(&network), []);
    let refuted = |fact: &(Time, Fact)| {
        let Fact::Refuted { by: Some(by), .. } = &fact.1 else { return false };
        by.as_str() == name(1)
    };
    assert!(network.hosts[5].facts.iter().any(refuted));
    assert!(
        network.facts().any(|(_, fact)| matches!(fact, Fact::Suspected { health: Some(3), .. }))
    );
}

#[test]
fn a_member_that_only_hears_half_is_helped() {
    // Two members do not hear each other at all; the others relay.
    let mut network = settled(4, 6);
    network.cut.insert((1, 2));
    network.run(60 * SECOND);
    assert_eq!(deaths(&network), []);
}

#[test]
fn a_partition_heals() {
    let mut network = settled(5, 8);
    for left in 0..4 {
        for right in 4..8 {
            network.cut.insert((left, right));
        }
    }
    let end = network.now + 90 * SECOND;
    let parted = |network: &Network| {
        (0..4).all(|left| (4..8).all(|right| network.sees(left, right) == Some(State::Dead)))
            && (4..8).all(|left| (0..4).all(|right| network.sees(left, right) == Some(State::Dead)))
    };
    assert!(network.run_until(end, parted));
    network.cut.clear();
    // Nobody tells the dead anything any more, so it takes the layer above, which tries one of
    // the failed now and then. Each side then learns of its own death, and outbids it.
    let mut tries = 0;
    while !network.whole() {
        tries += 1;
        assert!(tries <= 4, "not healed");
        network.join(tries % 4, 4 + tries % 3);
        network.run(10 * SECOND);
    }
}

#[test]
fn a_partition_longer_than_memory_heals_by_a_join() {
    let mut network = settled(6, 4);
    for left in 0..2 {
        for right in 2..4 {
            network.cut.insert((left, right));
        }
    }
    network.run(180 * SECOND);
    assert_eq!(network.sees(0, 3), None, "forgotten");
    network.cut.clear();
    network.join(0, 3);
    let end = network.now + 5 * SECOND;
    assert!(network.run_until(end, Network::whole));
}

#[test]
fn who_leaves_is_left_for_all_and_may_return() {
    let mut network = settled(7, 6);
    let token = network.command(4, Command::Leave { timeout: 5 * SECOND });
    let end = network.now + 5 * SECOND;
    let left = |network: &Network| {
        (0..6).all(|index| network.sees(index, 4) == Some(State::Left))
            && network.hosts[4].done.contains_key(&token)
    };
    assert!(network.run_until(end, left));
    assert_eq!(network.hosts[4].done[&token].1, Ok(()));
    assert_eq!(deaths(&network), []);
    // A new process of that name finds its old number and outbids it.
    network.kill(4);
    network.restart(4, config(4, Profile::Lan));
    network.join(4, 1);
    let end = network.now + 5 * SECOND;
    assert!(network.run_until(end, Network::whole));
    assert!(network.hosts[4].machine.local().incarnation > Incarnation(1));
}

#[test]
fn a_restarted_member_with_new_tags_is_seen_with_them() {
    let mut network = settled(8, 5);
    network.kill(3);
    let mut fresh = config(3, Profile::Lan);
    fresh.meta = Bytes::from_static(b"\xff\x81\xa4role\xa3new");
    network.restart(3, fresh.clone());
    network.join(3, 0);
    let end = network.now + 5 * SECOND;
    let seen = |network: &Network| {
        (0..5).all(|index| network.hosts[index].machine.node(&name(3)).unwrap().meta == fresh.meta)
    };
    assert!(network.run_until(end, seen));
}

#[test]
fn new_tags_reach_all() {
    let mut network = settled(9, 20);
    let meta = Bytes::from_static(b"new");
    let command = Command::UpdateMeta { meta: meta.clone(), timeout: 5 * SECOND };
    let token = network.command(7, command);
    let end = network.now + 2 * SECOND;
    let seen = |network: &Network| {
        (0..20).all(|index| network.hosts[index].machine.node(&name(7)).unwrap().meta == meta)
    };
    assert!(network.run_until(end, seen));
    network.run(5 * SECOND);
    assert_eq!(network.hosts[7].done[&token].1, Ok(()));
    for (index, host) in network.hosts.iter().enumerate() {
        let updated = |event: &&(Time, Event)| matches!(event.1, Event::Updated(_));
        assert_eq!(host.events.iter().filter(updated).count(), 1, "host {index}");
    }
}

#[test]
fn two_members_of_one_name_are_a_conflict_that_harms_nobody() {
    let mut network = settled(10, 4);
    let mut impostor = config(4, Profile::Lan);
    impostor.name = name(2).as_str().into();
    let index = network.add(impostor);
    network.join(index, 0);
    network.run(20 * SECOND);
    for observer in [0, 1, 3] {
        let node = network.hosts[observer].machine.node(&name(2)).unwrap();
        assert_eq!(node.address, Address::from(address(2)));
    }
    let conflicts = |index: usize| {
        let conflict = |event: &&(Time, Event)| matches!(event.1, Event::Conflict { .. });
        network.hosts[index].events.iter().filter(conflict).count()
    };
    // The bearers of the name each take the other's place in their own table, so that only
    // those between them, and whoever exchanges with them, can tell.
    assert!(conflicts(0) > 0 && conflicts(index) > 0);
}

#[test]
fn a_member_that_was_stopped_for_a_while_accuses_nobody() {
    for seed in 0..10 {
        let mut network = settled(seed, 6);
        network.pause(1);
        // Shorter than its own suspicion could last: others keep it.
        network.run(3 * SECOND);
        network.resume(1);
        network.run(30 * SECOND);
        let accused = network.hosts[1].facts.iter().any(|(_, fact)| {
            matches!(fact, Fact::Suspected { by, node, .. }
                if by.as_str() == name(1) && node.as_str() != name(1))
        });
        assert!(!accused, "seed {seed}");
        assert!(network.whole(), "seed {seed}");
    }
}

#[test]
fn an_erased_member_comes_back_by_its_own_join_and_is_believed_by_all() {
    let mut network = settled(11, 6);
    network.kill(5);
    network.run(150 * SECOND);
    assert!((0..5).all(|index| network.sees(index, 5).is_none()), "forgotten");
    let until = network.now + 3600 * SECOND;
    for index in 0..5 {
        network.with(index, |machine, _| {
            machine.certify_death(name(5).as_str().into(), Incarnation(4), until);
        });
    }
    // Somebody still tells of it.
    let alive = Message::Alive(Alive {
        incarnation: Incarnation(4),
        node: name(5).as_str().into(),
        address: address(5).into(),
        port: 7946,
        meta: Bytes::new(),
        versions: Bytes::from_static(&[1, 5, 2, 2, 5, 5]),
    });
    let from = network.hosts[1].address;
    network.inject(0, from, &alive.encode());
    network.run(5 * SECOND);
    assert!((0..5).all(|index| network.sees(index, 5).is_none()), "raised by hearsay");
    network.restart(5, config(5, Profile::Lan));
    network.join(5, 2);
    let end = network.now + 5 * SECOND;
    assert!(network.run_until(end, Network::whole));
    assert_eq!(network.hosts[5].machine.local().incarnation, Incarnation(5));
}

/// It never went away, and who took it back has forgotten that it was ever erased.
#[test]
fn an_erased_member_that_is_there_comes_back_by_hearsay_and_its_own_word() {
    let mut network = settled(12, 6);
    network.kill(5);
    network.run(150 * SECOND);
    let until = network.now + 3600 * SECOND;
    for index in 0..4 {
        network.with(index, |machine, _| {
            machine.certify_death(name(5).as_str().into(), Incarnation(4), until);
        });
    }
    network.restart(5, config(5, Profile::Lan));
    network.join(5, 4);
    let end = network.now + 5 * SECOND;
    assert!(network.run_until(end, Network::whole));
    assert_eq!(network.hosts[5].machine.local().incarnation, Incarnation(5));
}

/// An update of one member's tags travels like any other news.
#[test]
fn eager_news_reaches_two_hundred_in_milliseconds() {
    let mut network = Network::with_hosts(12, 200, |_| {});
    network.record = false;
    network.join_all();
    network.run(20 * SECOND);
    assert!(network.whole());
    let start = network.now;
    let timeout = 5 * SECOND;
    network.command(0, Command::UpdateMeta { meta: Bytes::from_static(b"new"), timeout });
    let mut reached = vec![None; 200];
    while network.now < start + 2 * SECOND && reached.iter().any(Option::is_none) {
        network.run(MS);
        for (index, host) in network.hosts.iter().enumerate() {
            let meta = &host.machine.node(&name(0)).unwrap().meta;
            if reached[index].is_none() && meta[..] == *b"new" {
                reached[index] = Some(network.now.since(start));
            }
        }
    }
    let times: Vec<Duration> = reached.into_iter().map(|time| time.unwrap()).collect();
    let (median, last) = median_and_last(times);
    assert!(median <= 20 * MS, "median {median:?}");
    assert!(last <= 250 * MS, "last {last:?}");
}

#[test]
fn a_settled_cluster_wakes_for_probes_and_exchanges_only() {
    let mut network = settled(13, 10);
    network.run(60 * SECOND);
    let wakes = |network: &Network| network.hosts.iter().map(|host| host.wakes).sum::<u64>();
    let sent = |network: &Network| network.hosts.iter().map(|host| host.packets_sent).sum::<u64>();
    let before = (wakes(&network), sent(&network));
    network.run(60 * SECOND);
    // Per member and minute: 60 probes, 2 exchanges and their timers.
    let woken = wakes(&network) - before.0;
    assert!(woken <= 10 * 65, "{woken}");
    // A ping and an ack each.
    let packets = sent(&network) - before.1;
    assert!(packets <= 10 * 125, "{packets}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut network = Network::with_hosts(seed, 12, |_| {});
        network.tracing = true;
        network.links.loss = 0.05;
        network.join_all();
        network.run(5 * SECOND);
        network.kill(3);
        network.run(40 * SECOND);
        network.trace
    };
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}
