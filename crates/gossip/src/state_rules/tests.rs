//! Each line of specification A10, against a single machine.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use wire::Address;
use wire::message::gossip::Ack;

use super::*;
use crate::bench::{Bench, USUAL, alive, dead, entry, events, facts, ip, suspect};
use crate::interface::{Input, Output, StreamRequest};

#[test]
fn an_unknown_member_joins_and_is_passed_on_as_it_came() {
    let mut bench = Bench::new();
    let told =
        Alive { versions: Bytes::from_static(b"\x01\x05\x02\x02\x05\x05\x09"), ..alive("a", 3) };
    assert_eq!(events(&bench.alive(told.clone())), ["joined a"]);
    assert_eq!(bench.state("a"), Some((State::Alive, 3)));
    assert_eq!(bench.queued_about("a"), Some(Message::Alive(told)));
}

#[test]
fn an_alive_of_incarnation_zero_makes_an_entry_and_is_ignored() {
    let mut bench = Bench::new();
    assert!(events(&bench.alive(alive("a", 0))).is_empty());
    assert_eq!(bench.state("a"), Some((State::Dead, 0)));
    assert_eq!(bench.queued_about("a"), None);
}

#[test]
fn a_full_table_ignores_a_further_name() {
    let mut bench = Bench::new();
    for number in bench.machine.table.len()..limits::MEMBERS {
        let known = alive(&format!("m{number}"), 0);
        assert!(bench.machine.create_entry(bench.now, &known).is_some());
    }
    let out = bench.alive(alive("late", 1));
    let told = |output: &Output| matches!(output, Output::Fact(Fact::TableFull { node }) if node.as_str() == "late");
    assert!(out.iter().any(told), "{out:?}");
    assert!(events(&out).is_empty());
    assert_eq!(bench.state("late"), None);
}

#[test]
fn only_a_higher_incarnation_changes_a_known_member() {
    let mut bench = Bench::new();
    bench.alive(alive("a", 3));
    for incarnation in [1, 2, 3] {
        let other = Alive { meta: Bytes::from_static(b"other"), ..alive("a", incarnation) };
        assert!(events(&bench.alive(other)).is_empty());
    }
    assert_eq!(events(&bench.alive(alive("a", 4))), Vec::<String>::new(), "same tags: no news");
    let update = Alive { meta: Bytes::from_static(b"other"), ..alive("a", 5) };
    assert_eq!(events(&bench.alive(update)), ["updated a"]);
    assert_eq!(bench.state("a"), Some((State::Alive, 5)));
}

/// It refutes the wrong one: see `stale_tags_or_versions_at_our_incarnation_are_refuted`.
#[test]
fn a_member_is_asked_which_of_two_claims_at_one_incarnation_is_its_own() {
    let mut bench = Bench::new();
    bench.alive(alive("a", 3));
    let asked = |outputs: &[Output]| crate::bench::packets(outputs);
    let to = SocketAddr::from(([10, 0, 0, b'a'], 7946));
    let other = Alive { meta: Bytes::from_static(b"other"), ..alive("a", 3) };
    let both = [alive("a", 3), other.clone()].map(|claim| (to, vec![Message::Alive(claim)]));
    assert_eq!(asked(&bench.alive(other.clone())), both);
    let listed = vec![entry(other.clone(), State::Alive)];
    assert_eq!(asked(&bench.push_pull(9, false, listed)), both);
    let versions = Bytes::from_static(&[1, 5, 2, 2, 5, 4]);
    assert_eq!(asked(&bench.alive(Alive { versions, ..alive("a", 3) })).len(), 2);
    assert_eq!(bench.state("a"), Some((State::Alive, 3)));

    let silent = Alive { versions: Bytes::new(), ..alive("a", 3) };
    let old = Alive { incarnation: Incarnation(2), ..other.clone() };
    for settled in [alive("a", 3), silent, old] {
        assert!(asked(&bench.alive(settled)).is_empty());
    }
    for _ in 0..limits::DISPUTE_BURST {
        bench.alive(other.clone());
    }
    assert!(asked(&bench.alive(other.clone())).is_empty(), "invented claims make no flood");
    bench.now = bench.now + limits::DISPUTE_REFILL;
    assert_eq!(asked(&bench.alive(other.clone())), both);
    bench.dead(dead("a", 3, "b"));
    bench.now = bench.now + limits::DISPUTE_REFILL;
    assert!(asked(&bench.alive(other)).is_empty(), "the dead are not asked");
}

#[test]
fn nonsensical_versions_are_ignored_and_missing_ones_leave_the_known() {
    let mut bench = Bench::new();
    for nonsense in [&[0, 5, 2, 2, 5, 5][..], &[3, 2, 2, 2, 5, 5], &[0, 5, 2]] {
        let versions = Bytes::copy_from_slice(nonsense);
        bench.alive(Alive { versions, ..alive("a", 3) });
        assert_eq!(bench.state("a"), None);
    }
    bench.alive(Alive { versions: Bytes::new(), ..alive("a", 3) });
    assert_eq!(bench.machine.node("a").unwrap().versions, Versions::default());
    bench.alive(alive("a", 4));
    for (incarnation, silent) in
        [(5, &[][..]), (6, &[1, 5]), (7, &[1, 0, 2, 2, 5, 5]), (8, &[0; 6])]
    {
        let versions = Bytes::copy_from_slice(silent);
        bench.alive(Alive { versions, ..alive("a", incarnation) });
        assert_eq!(bench.state("a"), Some((State::Alive, incarnation)));
        assert_eq!(&bench.machine.node("a").unwrap().versions.to_bytes(), USUAL);
    }
}

#[test]
fn port_zero_is_our_own_and_an_address_of_odd_length_is_none() {
    let mut bench = Bench::with(|config| config.bind_port = 8301);
    bench.alive(Alive { port: 0, ..alive("a", 1) });
    assert_eq!(bench.machine.node("a").unwrap().port, 8301);
    bench.alive(Alive { address: Address::from_bytes(&[1, 2, 3]).unwrap(), ..alive("b", 1) });
    assert_eq!(bench.state("b"), None);
    bench.alive(Alive { address: Address::default(), ..alive("c", 1) });
    assert_eq!(bench.state("c"), None);
}

#[test]
fn members_of_other_networks_stay_out_whoever_speaks_of_them() {
    let mut bench = Bench::with(|config| {
        config.allowed = vec!["10.0.0.0/25".parse().unwrap(), "fd00::/8".parse().unwrap()];
    });
    let outside = |name: &str| Alive { address: ip(200), ..alive(name, 3) };
    let outputs = bench.alive(outside("a"));
    assert!(matches!(*facts(&outputs), [Fact::NotAllowed { .. }]), "{:?}", facts(&outputs));
    let told = entry(outside("b"), State::Alive);
    bench.push_pull(200, true, vec![told, entry(alive("c", 3), State::Alive)]);
    assert_eq!((bench.state("a"), bench.state("b")), (None, None));
    assert_eq!(bench.state("c"), Some((State::Alive, 3)), "who is inside comes in");
    let mapped = Address::from_bytes(&Ipv4Addr::new(10, 0, 0, 7).to_ipv6_mapped().octets());
    bench.alive(Alive { address: mapped.unwrap(), ..alive("d", 3) });
    assert_eq!(bench.state("d"), Some((State::Alive, 3)), "IPv4 in 16 bytes is IPv4");
    bench.alive(Alive { incarnation: Incarnation(9), ..outside("c") });
    assert_eq!(bench.machine.node("c").unwrap().address, alive("c", 3).address, "nor moves out");
    assert_eq!(bench.state("c"), Some((State::Alive, 3)));
}

/// Trap D3 from the receiver's side: addresses are compared byte for byte.
#[test]
fn another_address_is_a_conflict_even_if_it_only_looks_different() {
    let mut bench = Bench::new();
    bench.alive(alive("a", 3));
    let mapped: Vec<u8> = [&[0; 10][..], &[0xff, 0xff, 10, 0, 0, b'a']].concat();
    let mapped = Address::from_bytes(&mapped).unwrap();
    assert_eq!(mapped.to_ip(), ip(b'a').to_ip());
    for other in [
        Alive { address: mapped, ..alive("a", 9) },
        Alive { address: ip(77), ..alive("a", 9) },
        Alive { port: 1, ..alive("a", 9) },
    ] {
        assert_eq!(events(&bench.alive(other)), ["conflict a"]);
        assert_eq!(bench.state("a"), Some((State::Alive, 3)));
    }
    // Somebody claims our own name.
    let outputs = bench.alive(Alive { address: ip(66), ..alive("us", 9) });
    assert_eq!(events(&outputs), ["conflict us"]);
    assert_eq!(bench.state("us"), Some((State::Alive, 1)));
}

#[test]
fn the_name_of_a_member_that_left_may_come_from_elsewhere_at_the_same_incarnation() {
    let mut bench = Bench::new();
    bench.alive(alive("a", 3));
    bench.dead(dead("a", 3, "a"));
    let moved = Alive { address: ip(77), ..alive("a", 3) };
    assert_eq!(events(&bench.alive(moved)), ["joined a"]);
    assert_eq!(bench.state("a"), Some((State::Alive, 3)));
    assert_eq!(bench.machine.node("a").unwrap().address, ip(77));
}

#[test]
fn the_name_of_a_dead_member_may_come_from_elsewhere_only_after_the_reclaim_time() {
    let mut bench = Bench::with(|config| config.dead_node_reclaim_time = Duration::from_secs(5));
    bench.alive(alive("a", 3));
    bench.dead(dead("a", 3, "b"));
    bench.now = bench.now + Duration::from_secs(5);
    let moved = Alive { address: ip(77), ..alive("a", 3) };
    assert_eq!(events(&bench.alive(moved.clone())), ["conflict a"]);
    bench.now = bench.now + Duration::from_nanos(1);
    assert_eq!(events(&bench.alive(moved.clone())), ["joined a"]);
    // By default never.
    let mut bench = Bench::new();
    bench.alive(alive("a", 3));
    bench.dead(dead("a", 3, "b"));
    bench.now = bench.now + Duration::from_secs(1_000_000);
    assert_eq!(events(&bench.alive(moved)), ["conflict a"]);
}

#[test]
fn suspicion_begins_once_and_is_confirmed_by_others_only() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.alive(alive(name, 3));
    }
    assert!(bench.suspect(suspect("x", 1, "b")).is_empty(), "unknown");
    assert!(facts(&bench.suspect(suspect("a", 2, "b"))).is_empty(), "old");
    let accused = Suspect { health: Some(2), ..suspect("a", 4, "b") };
    let outputs = bench.suspect(accused.clone());
    assert!(matches!(facts(&outputs)[..], [Fact::Suspected { health: Some(2), .. }]));
    assert!(events(&outputs).is_empty());
    assert_eq!(bench.state("a"), Some((State::Suspect, 4)));
    assert_eq!(bench.queued_about("a"), Some(Message::Suspect(accused)));
    // The accuser again: not news, not passed on.
    assert!(facts(&bench.suspect(suspect("a", 4, "b"))).is_empty());
    let confirmed = suspect("a", 4, "c");
    let outputs = bench.suspect(confirmed.clone());
    assert!(matches!(facts(&outputs)[..], [Fact::Confirmed { confirmations: 1, .. }]));
    assert_eq!(bench.queued_about("a"), Some(Message::Suspect(confirmed)));
    // The local profile wants one confirmation; more are not passed on.
    assert!(facts(&bench.suspect(suspect("a", 4, "d"))).is_empty());
}

#[test]
fn a_suspect_is_cleared_by_a_higher_incarnation_without_a_word_to_the_layer_above() {
    let mut bench = Bench::new();
    bench.alive(alive("a", 3));
    bench.suspect(suspect("a", 3, "b"));
    assert!(facts(&bench.alive(alive("a", 3))).is_empty());
    assert_eq!(bench.state("a"), Some((State::Suspect, 3)));
    bench.now = bench.now + Duration::from_millis(700);
    let outputs = bench.alive(alive("a", 4));
    let [Fact::Cleared { suspected_for: Some(time), .. }] = facts(&outputs)[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(*time, Duration::from_millis(700));
    assert!(events(&outputs).is_empty());
    assert_eq!(bench.state("a"), Some((State::Alive, 4)));
    assert!(bench.machine.table.next_expiry().is_none());
}

#[test]
fn a_suspicion_that_nobody_refutes_ends_in_death_by_our_word() {
    let mut bench = Bench::with(|config| {
        config.probe_interval = Duration::from_secs(3600);
        config.push_pull_interval = Duration::ZERO;
        config.suspicion_mult = 3;
    });
    bench.alive(alive("a", 3));
    bench.suspect(suspect("a", 3, "b"));
    let (end, _) = bench.machine.table.next_expiry().unwrap();
    bench.now = end;
    bench.machine.handle(end, Input::Timeout);
    let outputs = bench.outputs();
    assert_eq!(events(&outputs), ["departed a"]);
    let expected = Duration::from_secs(3 * 3600);
    assert!(facts(&outputs).iter().any(
        |fact| matches!(fact, Fact::Died { suspected_for: Some(time), .. } if *time == expected)
    ));
    assert_eq!(bench.queued_about("a"), Some(Message::Dead(dead("a", 3, "us"))));
}

#[test]
fn death_is_believed_from_packets_once() {
    let mut bench = Bench::new();
    bench.alive(alive("a", 3));
    assert!(bench.dead(dead("x", 1, "b")).is_empty(), "unknown");
    assert!(events(&bench.dead(dead("a", 2, "b"))).is_empty(), "old");
    assert_eq!(events(&bench.dead(dead("a", 5, "b"))), ["departed a"]);
    assert_eq!(bench.state("a"), Some((State::Dead, 5)));
    assert!(events(&bench.dead(dead("a", 6, "c"))).is_empty(), "already dead");
    assert!(facts(&bench.suspect(suspect("a", 6, "c"))).is_empty());
    assert_eq!(bench.state("a"), Some((State::Dead, 5)));
    assert!(events(&bench.alive(alive("a", 5))).is_empty());
    assert_eq!(events(&bench.alive(alive("a", 6))), ["joined a"]);
}

#[test]
fn who_names_himself_has_left() {
    let mut bench = Bench::new();
    bench.alive(alive("a", 3));
    let outputs = bench.dead(dead("a", 3, "a"));
    assert_eq!(events(&outputs), ["departed a"]);
    assert!(matches!(facts(&outputs)[..], [Fact::Left { .. }]), "a departure is no failure");
    assert_eq!(bench.state("a"), Some((State::Left, 3)));
}

/// Specification A10, observed: accused at 1 → 2; dead at 9 → 10; alive at 20 → 21; the same
/// incarnation with other tags → +1; an old number → nothing.
#[test]
fn accusations_against_us_are_refuted() {
    let mut bench = Bench::new();
    let own = |incarnation, meta: &'static [u8]| Alive {
        address: ip(1),
        meta: Bytes::from_static(meta),
        ..alive("us", incarnation)
    };
    let steps: Vec<(Message, u32)> = vec![
        (Message::Alive(own(1, b"")), 1),
        (Message::Suspect(suspect("us", 1, "a")), 2),
        (Message::Dead(dead("us", 9, "a")), 10),
        (Message::Alive(own(20, b"")), 21),
        (Message::Alive(own(21, b"")), 21),
        (Message::Alive(own(21, b"old tags")), 22),
        (Message::Suspect(suspect("us", 5, "a")), 22),
        (Message::Dead(dead("us", 5, "us")), 22),
        (Message::Dead(dead("us", 22, "us")), 23),
    ];
    for (message, incarnation) in steps {
        let before = bench.state("us").unwrap().1;
        bench.queued();
        let outputs = bench.packet(&message);
        assert_eq!(bench.state("us"), Some((State::Alive, incarnation)), "{message:?}");
        assert!(events(&outputs).is_empty(), "{message:?}");
        if incarnation > before {
            assert!(facts(&outputs).iter().any(|fact| matches!(fact, Fact::Refuted { .. })));
            let told = bench.queued_about("us");
            assert_eq!(told, Some(Message::Alive(own(incarnation, b""))), "{message:?}");
        }
    }
    assert_eq!(bench.machine.health_score(), 5);
}

/// Trap D6: after a hard restart with new tags the cluster holds incarnation 1 with the old ones.
#[test]
fn stale_tags_or_versions_at_our_incarnation_are_refuted() {
    for stale in [
        Alive { meta: Bytes::from_static(b"old"), address: ip(1), ..alive("us", 1) },
        Alive {
            meta: Bytes::new(),
            address: ip(1),
            versions: Bytes::from_static(&[1, 5, 2, 2, 4, 4]),
            ..alive("us", 1)
        },
    ] {
        let mut bench = Bench::new();
        bench.alive(stale);
        assert_eq!(bench.state("us"), Some((State::Alive, 2)));
    }
}

/// Trap D7: a restarted member starts at 1 and learns its old number from the first exchange,
/// whatever state it is held in.
#[test]
fn a_restarted_member_learns_its_number_from_its_own_entry() {
    for state in [State::Alive, State::Suspect, State::Dead, State::Left] {
        let mut bench = Bench::new();
        let own = Alive { address: ip(1), ..alive("us", 7) };
        bench.push_pull(9, false, vec![entry(own, state)]);
        assert_eq!(bench.state("us"), Some((State::Alive, 8)), "{state:?}");
    }
}

/// Trap D4: another table's "dead" makes a suspect, by our own word.
#[test]
fn a_dead_entry_of_an_exchange_is_only_suspected() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.alive(alive(name, 3));
    }
    let entries = vec![
        entry(alive("a", 3), State::Dead),
        entry(alive("b", 3), State::Suspect),
        entry(alive("c", 3), State::Left),
        entry(alive("d", 3), State::Dead),
        entry(alive("e", 3), State::Left),
        entry(alive("f", 3), State::Alive),
    ];
    bench.push_pull(9, false, entries);
    let states = ["a", "b", "c", "d", "e", "f"].map(|name| bench.state(name).map(|s| s.0));
    let expected = [
        Some(State::Suspect),
        Some(State::Suspect),
        Some(State::Left),
        // Unknown and not alive: not taken in.
        None,
        None,
        Some(State::Alive),
    ];
    assert_eq!(states, expected);
    let Some(Message::Suspect(told)) = bench.queued_about("a") else { panic!("not told") };
    assert_eq!(told.from.as_str(), "us");
}

/// Trap D5, the machine's half: the reply is put out before anything is merged and lacks what
/// the dialler brought.
#[test]
fn the_reply_comes_first_and_without_what_came() {
    let mut bench = Bench::new();
    let outputs = bench.push_pull(9, true, vec![entry(alive("a", 1), State::Alive)]);
    let Output::Reply { reply: StreamRequest::PushPull { join, node_count, .. }, .. } = &outputs[0]
    else {
        panic!("{outputs:?}")
    };
    assert!(*join && *node_count == 1);
    assert_eq!(events(&outputs), ["joined a"]);
}

#[test]
fn an_incompatible_state_is_answered_but_not_merged() {
    let mut bench = Bench::new();
    let odd = Alive { versions: Bytes::from_static(&[3, 5, 3, 2, 5, 5]), ..alive("a", 1) };
    let outputs = bench.push_pull(9, true, vec![entry(odd, State::Alive)]);
    assert!(matches!(outputs[0], Output::Reply { .. }));
    assert!(matches!(facts(&outputs)[..], [Fact::MergeRefused { .. }]));
    assert_eq!(bench.state("a"), None);
}

#[test]
fn after_leaving_we_stay_left_whatever_is_said() {
    let mut bench = Bench::new();
    bench.alive(alive("a", 1));
    let now = bench.now;
    bench.machine.leave(now, None);
    bench.outputs();
    assert_eq!(bench.state("us"), Some((State::Left, 1)));
    assert_eq!(bench.queued_about("us"), Some(Message::Dead(dead("us", 1, "us"))));
    let own = Alive { address: ip(1), ..alive("us", 9) };
    assert!(events(&bench.alive(own)).is_empty());
    bench.suspect(suspect("us", 9, "a"));
    bench.dead(dead("us", 9, "a"));
    assert_eq!(bench.state("us"), Some((State::Left, 1)));
    let ack = Message::Ack(Ack::default());
    assert!(bench.packet(&ack).is_empty());
}

/// Trap D27, the membership's half: a forgotten name comes back with any incarnation and address,
/// unless its death is certified.
#[test]
fn third_parties_do_not_raise_the_certified_dead() {
    let mut bench = Bench::new();
    let until = bench.now + Duration::from_secs(3600);
    bench.machine.certify_death("a".into(), Incarnation(5), until);
    for outputs in [
        bench.alive(alive("a", 5)),
        bench.push_pull(9, false, vec![entry(alive("a", 4), State::Alive)]),
        bench.push_pull(
            9,
            true,
            vec![entry(alive("a", 4), State::Alive), entry(alive("z", 1), State::Alive)],
        ),
    ] {
        let ignored = |fact: &&&Fact| matches!(fact, Fact::ResurrectionIgnored { .. });
        assert_eq!(facts(&outputs).iter().filter(ignored).count(), 1);
        assert_eq!(bench.state("a"), None);
    }
    // A number that only the member itself can have made.
    assert_eq!(events(&bench.alive(alive("a", 6))), ["joined a"]);
}

/// It may be there after all, and unheard of by those that would tell it.
#[test]
fn the_certified_dead_are_asked_whether_they_are_there() {
    let mut bench = Bench::new();
    let until = bench.now + Duration::from_secs(3600);
    bench.machine.certify_death("a".into(), Incarnation(5), until);
    let asked = |outputs: &[Output]| crate::bench::packets(outputs);
    let to = SocketAddr::from(([10, 0, 0, b'a'], 7946));
    let question = Message::Suspect(Suspect { health: Some(0), ..suspect("a", 5, "us") });
    assert_eq!(asked(&bench.alive(alive("a", 2))), [(to, vec![question.clone()])]);
    assert!(asked(&bench.alive(alive("a", 2))).is_empty(), "not for every word");
    bench.now = bench.now + limits::ASK_THE_DEAD;
    assert_eq!(asked(&bench.alive(alive("a", 3))), [(to, vec![question])]);
    assert_eq!(bench.state("a"), None);
}

#[test]
fn the_certified_dead_come_back_by_their_own_join() {
    let until = Time::ZERO + Duration::from_secs(3600);
    // Alone in its table; or with others, but from its own address.
    for (from, others) in [(9, vec![]), (b'a', vec![entry(alive("z", 1), State::Alive)])] {
        let mut bench = Bench::new();
        bench.machine.certify_death("a".into(), Incarnation(5), until);
        let entries = [vec![entry(alive("a", 1), State::Alive)], others].concat();
        let lone = entries.len() == 1;
        let outputs = bench.push_pull(from, true, entries);
        assert_eq!(bench.state("a"), Some((State::Alive, 1)));
        // It is told its certified number, so that all others believe it, too.
        let Output::Reply { reply: StreamRequest::PushPull { node_count, .. }, .. } = &outputs[0]
        else {
            panic!("{outputs:?}")
        };
        assert_eq!(*node_count, if lone { 2 } else { 1 });
    }
    let mut bench = Bench::new();
    bench.machine.certify_death("a".into(), Incarnation(5), until);
    bench.machine.forget_death("a");
    assert_eq!(events(&bench.alive(alive("a", 1))), ["joined a"]);
}

#[test]
fn a_large_state_is_merged_in_slices_between_which_packets_are_answered() {
    let mut bench = Bench::new();
    let count = 3 * limits::MERGE_SLICE;
    let entries = (0..count)
        .map(|number| {
            let address = IpAddr::from([10, 1, (number >> 8) as u8, number as u8]).into();
            entry(Alive { address, ..alive(&format!("m{number}"), 1) }, State::Alive)
        })
        .collect();
    let outputs = bench.push_pull(9, true, entries);
    assert_eq!(events(&outputs).len(), limits::MERGE_SLICE);
    assert_eq!(bench.machine.next_timeout(), Some(Time::ZERO), "at once");
    let ping = wire::message::gossip::Ping::default();
    let outputs = bench.packet(&Message::Ping(ping));
    assert!(outputs.iter().any(|output| matches!(output, Output::Packet { .. })));
    while bench.machine.exchanges.has_pending() {
        bench.machine.handle(bench.now, Input::Timeout);
    }
    assert_eq!(bench.machine.live_count(), count + 1);
}

#[test]
fn names_and_tags_that_fit_into_no_packet_are_ignored() {
    let mut bench = Bench::new();
    let longest = "n".repeat(limits::NAME_BYTES);
    let too_long = "n".repeat(limits::NAME_BYTES + 1);
    bench.alive(alive(&too_long, 1));
    assert_eq!(bench.state(&too_long), None);
    let meta = Bytes::from(vec![1; limits::META_BYTES + 1]);
    bench.alive(Alive { meta, ..alive("a", 1) });
    assert_eq!(bench.state("a"), None);
    let meta = Bytes::from(vec![1; limits::META_BYTES]);
    bench.alive(Alive { meta, ..alive(&longest, 1) });
    assert_eq!(bench.state(&longest), Some((State::Alive, 1)));
    let waits = bench.machine.fetch(bench.machine.packet_budget(), crate::broadcasts::Fill::Tick);
    assert!(waits.iter().any(|message| message.len() > 1024), "it can be told");
    // Accusers of that kind would be kept as evidence.
    bench.alive(alive("b", 1));
    bench.suspect(suspect("b", 1, &too_long));
    bench.dead(dead("b", 1, &too_long));
    assert_eq!(bench.state("b"), Some((State::Alive, 1)));
    bench.suspect(suspect("b", 1, &longest));
    assert_eq!(bench.state("b"), Some((State::Suspect, 1)));
}
