#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use wire::Keyring;
use wire::message::gossip::{Message, Ping};

use super::*;
use crate::bench::{Bench, alive, dead, facts, ip, packets};
use crate::interface::{
    Command, CommandError, Fact, Input, IntentKind, Priority, Subject, Token, UserBroadcast,
};
use crate::{Config, Profile};

const MS: Duration = Duration::from_millis(1);

fn quiet(config: &mut Config) {
    config.probe_interval = Duration::ZERO;
    config.push_pull_interval = Duration::ZERO;
}

/// Until somebody comes, only the exchange of states is due.
#[test]
fn alone_there_is_nobody_to_wake_for() {
    let mut bench = Bench::with(|config| config.push_pull_interval = Duration::ZERO);
    bench.pass(1000 * MS);
    assert_eq!(bench.machine.next_timeout(), None);
    bench.alive(alive("a", 1));
    let interval = Config::new(Profile::Local, "us".into(), ip(1), 7946).probe_interval;
    let pings = packets(&bench.pass(interval)).into_iter().flat_map(|(_, messages)| messages);
    assert_eq!(pings.filter(|message| matches!(message, Message::Ping(_))).count(), 1);
}

fn event(message: &[u8]) -> UserBroadcast {
    UserBroadcast {
        priority: Priority::Event,
        subject: Subject::None,
        message: Bytes::copy_from_slice(message),
        waiter: None,
    }
}

/// Bodies of all packets among the outputs.
fn packet_bodies(outputs: &[Output]) -> Vec<&Bytes> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Packet { body, .. } => Some(body),
            _ => None,
        })
        .collect()
}

#[test]
fn at_idle_nothing_is_armed_and_alone_nothing_ticks() {
    let mut bench = Bench::with(quiet);
    assert_eq!(bench.machine.next_timeout(), None, "nobody to tell");
    bench.alive(alive("a", 1));
    assert!(bench.machine.next_timeout().is_some());
    let outputs = bench.pass(Duration::from_secs(10));
    assert!(!packets(&outputs).is_empty());
    assert_eq!(bench.machine.next_timeout(), None, "all told");
}

#[test]
fn a_tick_fills_packets_up_to_the_budget_and_says_a_lone_message_bare() {
    for (keyring, label, budget) in [
        (false, &b""[..], 1400),
        (true, b"", 1400 - 29),
        (true, b"blue", 1400 - 29 - 6),
        (false, b"blue", 1400 - 6),
    ] {
        let mut bench = Bench::with(|config| {
            quiet(config);
            config.eager_gossip = false;
        });
        bench.alive(alive("a", 1));
        bench.pass(Duration::from_secs(10));
        if keyring {
            let key = wire::Key::new(&[7; 16]).unwrap();
            bench.machine.security.keyring = Some(Keyring::new(key));
        }
        bench.machine.security.label = Bytes::copy_from_slice(label);
        bench.machine.set_user_members(2);
        for _ in 0..40 {
            let now = bench.now;
            bench.machine.broadcast(now, event(&[3; 99]));
        }
        let mut largest = 0;
        while let Some(next) = bench.machine.next_timeout() {
            bench.now = next;
            bench.machine.handle(next, Input::Timeout);
            let outputs = bench.outputs();
            for body in packet_bodies(&outputs) {
                largest = largest.max(body.len());
            }
        }
        // 2 for the compound, then 2 + 1 + 99 for each message.
        assert_eq!(largest, 2 + (budget - 2) / 102 * 102);
    }
}

#[test]
fn gossip_goes_to_the_recently_dead_but_not_to_those_that_left() {
    let mut bench = Bench::with(|config| {
        quiet(config);
        config.eager_gossip = false;
    });
    for name in ["a", "b", "c"] {
        bench.alive(alive(name, 1));
    }
    bench.dead(dead("a", 1, "b"));
    bench.dead(dead("b", 1, "b"));
    bench.dead(dead("c", 1, "b"));
    let told = |outputs: &[Output]| {
        let mut told: Vec<u8> = packets(outputs)
            .iter()
            .map(|(to, _)| match to.ip() {
                std::net::IpAddr::V4(ip) => ip.octets()[3],
                std::net::IpAddr::V6(_) => 0,
            })
            .collect();
        told.sort_unstable();
        told.dedup();
        told
    };
    assert_eq!(told(&bench.pass(Duration::from_secs(3))), [b'a', b'c']);
    // Fifteen seconds is the limit of the local profile.
    bench.pass(Duration::from_secs(13));
    let now = bench.now;
    bench.machine.broadcast(now, event(b"\x03late"));
    assert_eq!(told(&bench.pass(Duration::from_secs(3))), Vec::<u8>::new());
}

#[test]
fn news_is_sent_on_at_once_to_a_few_and_the_rest_of_its_sends_on_ticks() {
    let mut bench = Bench::with(quiet);
    for number in 0..20 {
        let address = std::net::IpAddr::from([10, 1, 0, number]).into();
        let node = alive(&format!("m{number}"), 1);
        bench.alive(wire::message::gossip::Alive { address, ..node });
    }
    bench.pass(Duration::from_secs(30));
    bench.machine.set_user_members(21);
    let now = bench.now;
    bench.machine.broadcast(now, event(b"\x03news"));
    assert_eq!(bench.machine.next_timeout().map(|next| next.since(now) <= 2 * MS), Some(true));
    let at_once = packets(&bench.pass(2 * MS));
    assert_eq!(
        at_once.iter().map(|(to, _)| *to).collect::<std::collections::BTreeSet<_>>().len(),
        3
    );
    assert!(at_once.iter().all(|(_, messages)| messages.len() == 1));
    // Local profile: 2 × ⌈log10(22)⌉ sends, three of them used.
    assert_eq!(packets(&bench.pass(Duration::from_secs(5))).len(), 1);
}

#[test]
fn under_load_the_bucket_makes_packets_fuller_not_more() {
    let mut bench = Bench::with(|config| {
        quiet(config);
        config.gossip_interval = Duration::ZERO;
    });
    for name in ["a", "b", "c", "d", "e"] {
        bench.alive(alive(name, 1));
    }
    bench.pass(Duration::from_secs(1));
    bench.machine.set_user_members(1000);
    let mut sent = 0;
    for number in 0..1000u32 {
        let now = bench.now;
        bench.machine.broadcast(now, event(&number.to_be_bytes()));
        sent += packets(&bench.pass(MS)).len();
    }
    let allowed = limits::EAGER_BURST + 1000 * 1000 / limits::EAGER_REFILL.as_micros() as u32;
    assert!(sent as u32 <= allowed && sent > 100, "{sent}");
    bench.pass(100 * MS);
    assert!(!bench.machine.broadcasts.has_fresh(), "all is told in the end");
}

/// As many members as may appear before they are a crowd.
fn before_a_crowd(bench: &mut Bench) {
    for number in 0..limits::CROWD {
        bench.alive(alive(&format!("m{number}"), 1));
    }
}

/// What is said of a member to anybody, now and for the next ten seconds.
fn said_of(bench: &mut Bench, name: &str) -> usize {
    let outputs = bench.pass(Duration::from_secs(10));
    let messages = packets(&outputs).into_iter().flat_map(|(_, messages)| messages);
    let of_it = |message: &Message| match message {
        Message::Alive(alive) => alive.node.as_str() == name,
        Message::Dead(dead) => dead.node.as_str() == name,
        _ => false,
    };
    messages.filter(of_it).count()
}

#[test]
fn of_a_crowd_is_told_once_and_not_what_others_tell() {
    let mut bench = Bench::with(quiet);
    before_a_crowd(&mut bench);
    bench.alive(alive("once", 1));
    assert_eq!(said_of(&mut bench, "once"), bench.machine.config.gossip_nodes);

    let mut bench = Bench::with(quiet);
    before_a_crowd(&mut bench);
    bench.alive(alive("told", 1));
    bench.alive(alive("told", 1));
    assert_eq!(said_of(&mut bench, "told"), 0, "another has told it");

    bench.alive(alive("later", 1));
    assert!(said_of(&mut bench, "later") > bench.machine.config.gossip_nodes, "the crowd is over");
}

#[test]
fn of_a_member_in_a_crowd_everything_but_its_coming_is_told_as_ever() {
    let mut bench = Bench::with(quiet);
    before_a_crowd(&mut bench);
    bench.alive(alive("old", 1));
    bench.dead(dead("old", 1, "m1"));
    assert!(said_of(&mut bench, "old") > bench.machine.config.gossip_nodes);

    let mut bench = Bench::with(quiet);
    before_a_crowd(&mut bench);
    let join = |kind, time| UserBroadcast {
        subject: Subject::Intent { node: "far".into(), time: wire::LamportTime(time), kind },
        priority: Priority::Intent,
        ..event(b"intent")
    };
    let now = bench.now;
    bench.machine.broadcast(now, join(IntentKind::Join, 1));
    assert!(bench.machine.broadcasts.has_hearsay());
    bench.machine.broadcast(now, join(IntentKind::Leave, 2));
    assert_eq!(bench.machine.queue_length(Priority::Intent), 1, "the leave has taken its place");
    bench.machine.broadcast(now, join(IntentKind::Join, 3));
    assert_eq!(bench.machine.queue_length(Priority::Intent), 1, "and the join that of the leave");
    bench.machine.join_heard_again("far");
    assert_eq!(bench.machine.queue_length(Priority::Intent), 1, "which is no hearsay");
}

/// It would keep the tick running.
#[test]
fn what_fits_into_no_packet_is_not_queued_and_its_waiter_answered() {
    let mut bench = Bench::with(quiet);
    bench.alive(alive("a", 1));
    bench.pass(Duration::from_secs(10));
    let now = bench.now;
    let waiter = Some((Token(7), now + Duration::from_secs(5)));
    bench.machine.broadcast(now, UserBroadcast { waiter, ..event(&[3; 2000]) });
    let outputs = bench.outputs();
    assert!(matches!(facts(&outputs)[..], [Fact::BroadcastTooLong { length: 2001 }]));
    let answered = |o: &Output| matches!(o, Output::Done { token: Token(7), outcome: Ok(()) });
    assert!(outputs.iter().any(answered));
    assert_eq!(bench.machine.queue_length(Priority::Event), 0);
    assert_eq!((bench.machine.timers.eager, bench.machine.timers.gossip), (None, None));
    // The longest that fits, to the byte.
    let longest = bench.machine.packet_budget() - wire::compound::PER_MESSAGE - 1;
    bench.machine.broadcast(now, event(&vec![3; longest]));
    assert_eq!(bench.machine.queue_length(Priority::Event), 1);
    bench.machine.broadcast(now, event(&vec![3; longest + 1]));
    assert_eq!(bench.machine.queue_length(Priority::Event), 1);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.machine.queue_length(Priority::Event), 0, "it travelled");
}

/// Trap D11: a checksum only where the target's record says that it understands one.
#[test]
fn checksums_are_keyed_on_the_targets_record() {
    for (newest, crc) in [(5, true), (4, false)] {
        let mut bench = Bench::with(quiet);
        let versions = Bytes::copy_from_slice(&[1, newest, 2, 2, 5, 5]);
        bench.alive(wire::message::gossip::Alive { versions, ..alive("a", 1) });
        let flags: Vec<bool> = bench
            .pass(Duration::from_secs(10))
            .iter()
            .filter_map(|output| match output {
                Output::Packet { crc, .. } => Some(*crc),
                _ => None,
            })
            .collect();
        assert!(!flags.is_empty() && flags.iter().all(|flag| *flag == crc));
        // An answer to a mere address, whose record is looked up by the address as a name.
        let outputs = bench.packet(&Message::Ping(Ping::default()));
        assert!(matches!(outputs[0], Output::Packet { crc: false, .. }));
        let to = SocketAddr::from(([10, 0, 0, b'a'], 7946));
        bench.machine.send_user(to, Bytes::from_static(b"\x05direct"));
        let outputs = bench.outputs();
        let Output::Packet { body, crc: false, .. } = &outputs[0] else { panic!("{outputs:?}") };
        assert_eq!(body[..], b"\x08\x05direct"[..]);
    }
    let mut bench = Bench::with(quiet);
    bench.alive(wire::message::gossip::Alive { address: ip(9), ..alive("10.0.0.9", 1) });
    let outputs = bench.packet(&Message::Ping(Ping::default()));
    assert!(matches!(outputs[0], Output::Packet { crc: true, .. }));
}

#[test]
fn a_waiter_is_answered_when_its_broadcast_is_through_replaced_or_late() {
    let mut bench = Bench::with(|config| {
        quiet(config);
        config.eager_gossip = false;
    });
    bench.alive(alive("a", 1));
    let answers = |outputs: &[Output]| -> Vec<(u64, bool)> {
        outputs
            .iter()
            .filter_map(|output| match output {
                Output::Done { token, outcome } => Some((token.0, outcome.is_ok())),
                _ => None,
            })
            .collect()
    };
    let intent = |token: u64, time: u64, now: Time| UserBroadcast {
        priority: Priority::Intent,
        subject: Subject::Intent {
            node: "x".into(),
            time: wire::LamportTime(time),
            kind: IntentKind::Leave,
        },
        message: Bytes::from_static(b"\x00leave"),
        waiter: Some((Token(token), now + 50 * MS)),
    };
    let now = bench.now;
    bench.machine.broadcast(now, intent(1, 5, now));
    bench.machine.broadcast(now, intent(2, 6, now));
    assert_eq!(answers(&bench.outputs()), [(1, true)]);
    bench.machine.broadcast(now, intent(3, 4, now));
    assert_eq!(answers(&bench.outputs()), [(3, true)]);
    // Its 50 ms may end before the ticks have sent it often enough; either way one answer.
    let outputs = bench.pass(Duration::from_secs(5));
    assert_eq!(answers(&outputs).len(), 1);
    assert_eq!(answers(&outputs)[0].0, 2);
}

#[test]
fn commands_are_answered_at_once_where_nobody_listens() {
    let done = |outputs: &[Output], wanted: u64| {
        outputs.iter().any(
            |output| matches!(output, Output::Done { token, outcome: Ok(()) } if token.0 == wanted),
        )
    };
    let mut bench = Bench::with(quiet);
    let timeout = Duration::from_secs(1);
    let meta = Bytes::from_static(b"new tags");
    let command = Command::UpdateMeta { meta: meta.clone(), timeout };
    let now = bench.now;
    bench.machine.handle(now, Input::Command { token: Token(1), command });
    assert!(done(&bench.outputs(), 1));
    assert_eq!(bench.machine.local().meta, meta);
    assert_eq!(bench.machine.local().incarnation.0, 2);
    let command = Command::UpdateMeta { meta: vec![0; 513].into(), timeout };
    bench.machine.handle(now, Input::Command { token: Token(2), command });
    let outputs = bench.outputs();
    let Output::Done { outcome: Err(CommandError::MetaTooLong(513)), .. } = outputs[0] else {
        panic!("{outputs:?}")
    };
    assert_eq!(bench.machine.local().meta, meta);
    for token in [3, 4] {
        let command = Command::Leave { timeout };
        bench.machine.handle(now, Input::Command { token: Token(token), command });
        assert!(done(&bench.outputs(), token));
    }
}

#[test]
fn leaving_waits_for_the_last_send_and_gives_up_at_the_timeout() {
    for (timeout, through) in [(Duration::from_secs(5), true), (Duration::ZERO, false)] {
        let mut bench = Bench::with(quiet);
        bench.alive(alive("a", 1));
        bench.queued();
        let command = Command::Leave { timeout };
        let now = bench.now;
        bench.machine.handle(now, Input::Command { token: Token(1), command });
        let outputs = bench.pass(Duration::from_secs(6));
        let outcomes: Vec<_> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Done { outcome, .. } => Some(outcome.clone()),
                _ => None,
            })
            .collect();
        let expected = if through { Ok(()) } else { Err(CommandError::BroadcastTimeout) };
        assert_eq!(outcomes, [expected]);
        // It goes on answering.
        let outputs = bench.packet(&Message::Ping(Ping::default()));
        assert!(matches!(packets(&outputs)[0].1[0], Message::Ack(_)));
    }
}

#[test]
fn garbage_is_told_and_dropped_part_by_part() {
    let mut bench = Bench::new();
    let good = Message::Alive(alive("a", 1)).encode();
    let bodies = wire::compound::assemble(&[vec![4, 0xc1], good, vec![12, 1, 2, 3, 4, 0]]);
    let from = SocketAddr::from(([10, 0, 0, 9], 7946));
    bench.machine.handle(bench.now, Input::Packet { from, bytes: &bodies[0] });
    let outputs = bench.outputs();
    let dropped = outputs
        .iter()
        .filter(|output| matches!(output, Output::Fact(Fact::PacketDropped { .. })))
        .count();
    assert_eq!(dropped, 2);
    assert!(bench.machine.node("a").is_some());
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_a_reason() {
    let refusal = |adapt: fn(&mut Config)| {
        let mut config = Config::new(Profile::Lan, "us".into(), ip(1), 7946);
        adapt(&mut config);
        Membership::new(config, None, 1_u64, Time::ZERO).err().map(|error| error.to_string())
    };
    assert_eq!(refusal(|_| {}), None);
    assert!(refusal(|config| config.name = "".into()).unwrap().contains("name"));
    assert!(refusal(|config| config.advertise_port = 0).unwrap().contains("port"));
    assert!(refusal(|config| config.meta = vec![0; 513].into()).unwrap().contains("513"));
    assert!(refusal(|config| config.label = vec![0; 256].into()).unwrap().contains("256"));
    assert!(refusal(|config| config.advertise_address = wire::Address::default()).is_some());
}

#[test]
fn what_a_packet_carries_of_the_layer_above_is_one_fact() {
    let mut bench = Bench::with(quiet);
    bench.alive(alive("a", 1));
    bench.alive(alive("b", 1));
    bench.pass(5000 * MS);
    for message in [&[3; 17][..], &[3; 5]] {
        bench.machine.broadcast(bench.now, event(message));
    }
    let outputs = bench.pass(limits::EAGER_GATHER);
    let sent: Vec<_> = facts(&outputs)
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::BroadcastsSent { lengths, copies } => Some((lengths.as_slice(), *copies)),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [(&[17, 5][..], 2)]);
}
