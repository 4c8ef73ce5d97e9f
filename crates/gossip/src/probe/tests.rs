#![allow(clippy::unwrap_used)]

use std::time::Duration;

use wire::message::gossip::{Alive, StreamMessage};

use super::*;
use crate::bench::{Bench, alive, dead, facts, ip, packets, suspect};
use crate::interface::{DialId, Input};

const MS: Duration = Duration::from_millis(1);

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 7946))
}

/// A quiet machine (no gossip, no exchanges) that knows these members, and its next probe: the
/// outputs up to the ping, and the ping.
fn probing(members: &[&str]) -> (Bench, SocketAddr, Ping) {
    let mut bench = Bench::with(|config| {
        config.gossip_interval = Duration::ZERO;
        config.eager_gossip = false;
        config.push_pull_interval = Duration::ZERO;
        config.indirect_checks = 3;
    });
    for name in members {
        bench.alive(alive(name, 3));
    }
    bench.queued();
    let (to, ping) = next_ping(&mut bench);
    (bench, to, ping)
}

fn next_ping(bench: &mut Bench) -> (SocketAddr, Ping) {
    for _ in 0..5000 {
        let outputs = bench.pass(MS);
        for (to, messages) in packets(&outputs) {
            if let Message::Ping(ping) = &messages[0] {
                return (to, ping.clone());
            }
        }
    }
    panic!("no probe within five seconds");
}

fn ack(number: SequenceNumber, payload: Option<&'static [u8]>) -> Message {
    Message::Ack(Ack { sequence_number: number, payload: payload.map(Bytes::from_static) })
}

fn dialled(outputs: &[Output]) -> Option<(DialId, SocketAddr, Time, Ping)> {
    outputs.iter().find_map(|output| match output {
        Output::Dial { dial, to, deadline, request: StreamRequest::Ping(ping) } => {
            Some((*dial, *to, *deadline, ping.clone()))
        }
        _ => None,
    })
}

fn failed(outputs: &[Output]) -> Option<(usize, usize)> {
    facts(outputs).into_iter().find_map(|fact| match fact {
        Fact::ProbeFailed { indirect, nacks, .. } => Some((*indirect, *nacks)),
        _ => None,
    })
}

#[test]
fn a_ping_names_the_target_and_says_where_we_are() {
    let (bench, to, ping) = probing(&["a"]);
    assert_eq!(to, at(b'a'));
    let expected = Ping {
        sequence_number: SequenceNumber(1),
        node: "a".into(),
        source_address: ip(1),
        source_port: 7946,
        source_node: "us".into(),
    };
    assert_eq!(ping, expected);
    assert!(bench.machine.prober.current.is_some());
}

#[test]
fn a_direct_answer_in_time_is_a_round_trip() {
    let (mut bench, _, ping) = probing(&["a"]);
    bench.now = bench.now + 20 * MS;
    let outputs = bench.packet(&ack(ping.sequence_number, Some(b"where I am")));
    let sample = outputs.iter().find_map(|output| match output {
        Output::Event(Event::RoundTrip { rtt, payload, .. }) => Some((*rtt, payload.clone())),
        _ => None,
    });
    let (rtt, payload) = sample.unwrap();
    assert!(rtt >= 20 * MS && rtt <= 22 * MS, "{rtt:?}");
    assert_eq!(payload.as_deref(), Some(&b"where I am"[..]));
    // The same ack again is nobody's.
    assert!(bench.packet(&ack(ping.sequence_number, None)).is_empty());
    assert_eq!(failed(&bench.pass(900 * MS)), None);
}

/// Traps D8 and D9: the wait for the direct answer is not scaled, and helpers and the stream are
/// asked with the number of the probe.
#[test]
fn helpers_and_the_stream_get_the_same_number_after_the_unscaled_wait() {
    for score in [0, 5] {
        let (mut bench, _, ping) = probing(&["a", "b", "c", "d", "e"]);
        bench.packet(&ack(ping.sequence_number, None));
        bench.machine.awareness.change(score);
        let (target, ping) = next_ping(&mut bench);
        assert!(bench.pass(198 * MS).is_empty());
        let outputs = bench.pass(3 * MS);
        let asked: Vec<_> = packets(&outputs)
            .into_iter()
            .filter_map(|(to, messages)| match &messages[0] {
                Message::IndirectPing(request) => Some((to, request.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(asked.len(), 3);
        for (to, request) in &asked {
            assert_ne!(*to, target);
            assert_ne!(*to, at(1));
            assert_eq!(request.sequence_number, ping.sequence_number);
            assert_eq!((request.node.as_str(), request.nack), (ping.node.as_str(), true));
            assert_eq!((request.source_address, request.source_port), (ip(1), 7946));
        }
        let (_, to, _, streamed) = dialled(&outputs).unwrap();
        assert_eq!((to, streamed), (target, ping));
    }
}

#[test]
fn the_whole_probe_is_scaled_by_our_health() {
    let (mut bench, _, ping) = probing(&["a"]);
    bench.packet(&ack(ping.sequence_number, None));
    bench.machine.awareness.change(2);
    let (_, _) = next_ping(&mut bench);
    let outputs = bench.pass(2990 * MS);
    assert_eq!(failed(&outputs), None);
    let (_, _, deadline, _) = dialled(&outputs).unwrap();
    assert!(deadline.since(bench.now) <= 10 * MS);
    let outputs = bench.pass(11 * MS);
    assert_eq!(failed(&outputs), Some((0, 0)));
    let probed = |fact: &&Fact| matches!(fact, Fact::Probed { degraded: true, .. });
    assert!(facts(&outputs).iter().any(probed));
    assert_eq!(bench.machine.health_score(), 3, "nobody to nack: one worse");
}

#[test]
fn an_answer_through_a_helper_counts_but_is_no_round_trip() {
    let (mut bench, _, ping) = probing(&["a", "b"]);
    bench.machine.awareness.change(1);
    bench.pass(300 * MS);
    let outputs = bench.packet(&ack(ping.sequence_number, Some(b"x")));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Event(_))));
    let [Fact::HealthChanged { score: 0 }, Fact::Probed { took, degraded: false }] =
        facts(&outputs)[..]
    else {
        panic!("it was no worse when the probe began: {outputs:?}")
    };
    assert!((300 * MS..1000 * MS).contains(took), "{took:?}");
}

#[test]
fn silence_of_target_and_helpers_makes_us_doubt_ourselves() {
    for (nacks, score) in [(0, 3), (1, 2), (3, 0)] {
        let (mut bench, _, ping) = probing(&["a", "b", "c", "d"]);
        bench.pass(300 * MS);
        for _ in 0..nacks {
            bench.packet(&Message::Nack(Nack { sequence_number: ping.sequence_number }));
        }
        let outputs = bench.pass(701 * MS);
        assert_eq!(failed(&outputs), Some((3, nacks)));
        assert_eq!(bench.machine.health_score(), score);
        let node = bench.machine.node(&ping.node).unwrap();
        assert_eq!(node.state, State::Suspect);
        // Our accusation says how healthy we were when we probed.
        let Some(Message::Suspect(told)) = bench.queued_about(&ping.node) else { panic!() };
        assert_eq!((told.from.as_str(), told.health), ("us", Some(0)));
    }
}

#[test]
fn a_member_that_refuted_meanwhile_is_not_accused_anew() {
    let (mut bench, _, ping) = probing(&["a"]);
    bench.alive(alive("a", 4));
    let outputs = bench.pass(1001 * MS);
    assert_eq!(failed(&outputs), Some((0, 0)));
    assert_eq!(bench.machine.node(&ping.node).unwrap().state, State::Alive);
}

#[test]
fn an_answer_over_the_stream_alone_is_success_with_a_warning() {
    let (mut bench, _, ping) = probing(&["a"]);
    let outputs = bench.pass(300 * MS);
    let (dial, ..) = dialled(&outputs).unwrap();
    let message = StreamMessage::Ack(Ack { sequence_number: ping.sequence_number, payload: None });
    bench.machine.handle(bench.now, Input::Response { dial, message });
    let outputs = bench.pass(701 * MS);
    assert!(facts(&outputs).iter().any(|fact| matches!(fact, Fact::StreamProbeOnly { .. })));
    assert_eq!(bench.machine.node("a").unwrap().state, State::Alive);
}

#[test]
fn a_wrong_number_over_the_stream_is_no_answer() {
    let (mut bench, ..) = probing(&["a"]);
    let outputs = bench.pass(300 * MS);
    let (dial, ..) = dialled(&outputs).unwrap();
    let message = StreamMessage::Ack(Ack { sequence_number: SequenceNumber(77), payload: None });
    bench.machine.handle(bench.now, Input::Response { dial, message });
    assert_eq!(failed(&bench.pass(701 * MS)), Some((0, 0)));
}

#[test]
fn old_peers_get_neither_streams_nor_requests_for_nacks() {
    let (mut bench, ..) = probing(&["a"]);
    bench.dead(dead("a", 3, "a"));
    for name in ["b", "c", "d"] {
        let versions = Bytes::from_static(&[1, 2, 2, 2, 5, 5]);
        bench.alive(Alive { versions, ..alive(name, 3) });
    }
    bench.pass(1000 * MS);
    let (_, ping) = next_ping(&mut bench);
    let outputs = bench.pass(300 * MS);
    assert!(dialled(&outputs).is_none());
    for (_, messages) in packets(&outputs) {
        if let Message::IndirectPing(request) = &messages[0] {
            assert!(!request.nack);
            assert_eq!(request.sequence_number, ping.sequence_number);
        }
    }
}

#[test]
fn a_suspect_is_probed_with_its_accusation_and_nothing_else() {
    let (mut bench, _, ping) = probing(&["a"]);
    bench.packet(&ack(ping.sequence_number, None));
    bench.suspect(suspect("a", 3, "b"));
    bench.alive(alive("z", 1));
    bench.dead(dead("z", 1, "b"));
    let outputs = bench.pass(2000 * MS);
    let (_, messages) = packets(&outputs).into_iter().next().unwrap();
    let [Message::Ping(_), Message::Suspect(told)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(
        (told.node.as_str(), told.incarnation, told.from.as_str()),
        ("a", Incarnation(3), "us")
    );
    assert!(matches!(outputs[0], Output::Packet { crc: true, .. }));
}

#[test]
fn a_suspect_is_probed_as_anybody_where_it_is_not_to_be_told() {
    let mut bench = Bench::with(|config| {
        config.gossip_interval = Duration::ZERO;
        config.eager_gossip = false;
        config.tell_suspects = false;
    });
    bench.alive(alive("a", 3));
    bench.suspect(suspect("a", 3, "b"));
    // The news of it rides on pings until it has been told often enough.
    while !bench.queued().is_empty() {}
    let outputs = bench.pass(1100 * MS);
    let (_, messages) = packets(&outputs).into_iter().next().unwrap();
    assert!(matches!(&messages[..], [Message::Ping(_)]), "{messages:?}");
}

#[test]
fn a_refused_send_goes_to_the_helpers_at_once_and_success_then_changes_nothing() {
    let (mut bench, to, ping) = probing(&["a", "b"]);
    bench.machine.awareness.change(2);
    bench.machine.handle(bench.now, Input::SendFailed { to: at(99) });
    assert!(bench.outputs().is_empty());
    bench.machine.handle(bench.now, Input::SendFailed { to });
    let outputs = bench.outputs();
    assert!(dialled(&outputs).is_some() && packets(&outputs).len() == 1);
    bench.packet(&ack(ping.sequence_number, None));
    assert_eq!(bench.machine.health_score(), 2);
}

#[test]
fn each_round_probes_everyone_who_is_up_once() {
    let (mut bench, _, mut ping) = probing(&["a", "b", "c", "d", "e", "f"]);
    bench.dead(dead("b", 3, "c"));
    bench.dead(dead("c", 3, "c"));
    let mut targets = Vec::new();
    for _ in 0..40 {
        bench.packet(&ack(ping.sequence_number, None));
        (_, ping) = next_ping(&mut bench);
        targets.push(ping.node.clone());
    }
    // In a random order per round, so that between two probes of a member each other one comes
    // at most twice.
    for name in ["a", "d", "e", "f"] {
        let places: Vec<usize> = (0..40).filter(|place| targets[*place] == name).collect();
        assert!(places.len() >= 9, "{name}: {targets:?}");
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] <= 7), "{name}: {targets:?}");
    }
}

#[test]
fn ticks_missed_while_a_probe_runs_or_the_machine_sleeps_count_as_one() {
    let (mut bench, _, ping) = probing(&["a", "b"]);
    bench.packet(&ack(ping.sequence_number, None));
    bench.now = bench.now + Duration::from_secs(3600);
    let outputs = bench.pass(MS);
    let pings = packets(&outputs)
        .iter()
        .filter(|(_, messages)| matches!(messages[0], Message::Ping(_)))
        .count();
    assert_eq!(pings, 1);
}

/// A process that was stopped finds its probe long overdue, with the answer still in the socket.
#[test]
fn a_machine_that_slept_puts_its_verdict_off_once() {
    let (mut bench, _, ping) = probing(&["a"]);
    bench.now = bench.now + Duration::from_secs(60);
    bench.machine.handle(bench.now, Input::Timeout);
    let outputs = bench.outputs();
    assert!(facts(&outputs).iter().any(|fact| matches!(fact, Fact::VerdictPutOff { .. })));
    let outputs = bench.packet(&ack(ping.sequence_number, None));
    let sampled = outputs.iter().any(|output| matches!(output, Output::Event(_)));
    assert!(!sampled, "a minute asleep is no round trip");
    assert_eq!(failed(&bench.pass(150 * MS)), None);
    // Without an answer it is only put off.
    let (mut bench, ..) = probing(&["a"]);
    bench.now = bench.now + Duration::from_secs(60);
    bench.machine.handle(bench.now, Input::Timeout);
    assert!(failed(&bench.outputs()).is_none());
    assert!(failed(&bench.pass(Duration::from_secs(2))).is_some());
}

#[test]
fn pings_for_others_are_dropped_and_anonymous_ones_answered_to_their_source_fields() {
    let mut bench = Bench::new();
    bench.machine.set_ack_payload(Some(Bytes::from_static(b"where")));
    let ping = |node: &str, source, port| {
        Message::Ping(Ping {
            sequence_number: SequenceNumber(9),
            node: node.into(),
            source_address: source,
            source_port: port,
            source_node: String::new(),
        })
    };
    let outputs = bench.packet(&ping("other", ip(7), 1));
    assert!(matches!(facts(&outputs)[..], [Fact::PacketDropped { .. }]));
    assert!(packets(&outputs).is_empty());
    let source = SocketAddr::from(([10, 0, 0, 7], 1));
    for (node, address, port, to) in [
        ("", ip(7), 1, source),
        ("us", ip(7), 1, source),
        ("us", ip(7), 0, at(9)),
        ("us", wire::Address::default(), 1, at(9)),
    ] {
        let outputs = bench.packet(&ping(node, address, port));
        let (answered, messages) = packets(&outputs).into_iter().next().unwrap();
        assert_eq!(answered, to);
        let Message::Ack(ack) = &messages[0] else { panic!("{messages:?}") };
        assert_eq!(ack.sequence_number, SequenceNumber(9));
        assert_eq!(ack.payload.as_deref(), Some(&b"where"[..]));
    }
}

/// Trap D10: the payload of the target's ack stays with the helper.
#[test]
fn a_helper_relays_the_ack_without_payload_or_nacks_after_its_own_wait() {
    for (answers, nack) in [(true, true), (false, true), (false, false)] {
        let mut bench = Bench::new();
        let request = Message::IndirectPing(IndirectPing {
            sequence_number: SequenceNumber(41),
            target: ip(b't'),
            port: 0,
            node: "t".into(),
            nack,
            source_address: ip(7),
            source_port: 77,
            source_node: "asker".into(),
        });
        let outputs = bench.packet(&request);
        let (to, messages) = packets(&outputs).into_iter().next().unwrap();
        assert_eq!(to, at(b't'));
        let Message::Ping(ping) = &messages[0] else { panic!("{messages:?}") };
        assert_ne!(ping.sequence_number, SequenceNumber(41));
        assert_eq!((ping.node.as_str(), ping.source_node.as_str()), ("t", "us"));
        let answer = ack(ping.sequence_number, Some(b"t's place"));
        let outputs = if answers {
            bench.packet(&answer)
        } else {
            assert!(packets(&bench.pass(199 * MS)).is_empty());
            let outputs = bench.pass(MS);
            assert!(packets(&bench.packet(&answer)).is_empty(), "too late");
            outputs
        };
        let expected = match (answers, nack) {
            (true, _) => Some(ack(SequenceNumber(41), None)),
            (false, true) => Some(Message::Nack(Nack { sequence_number: SequenceNumber(41) })),
            (false, false) => None,
        };
        let sent = packets(&outputs).into_iter().next();
        assert_eq!(
            sent.as_ref().map(|(to, messages)| (*to, messages[0].clone())),
            expected.map(|message| (SocketAddr::from(([10, 0, 0, 7], 77)), message))
        );
    }
}

#[test]
fn relayed_probes_are_bounded() {
    let mut bench = Bench::new();
    let request = Message::IndirectPing(IndirectPing { target: ip(5), ..IndirectPing::default() });
    let mut dropped = 0;
    for _ in 0..crate::limits::RELAYS + 5 {
        dropped += facts(&bench.packet(&request)).len();
    }
    assert_eq!(dropped, 5);
    bench.pass(200 * MS);
    assert!(facts(&bench.packet(&request)).is_empty());
}
