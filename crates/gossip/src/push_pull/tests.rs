#![allow(clippy::unwrap_used)]

use bytes::Bytes;

use super::*;
use crate::bench::{Bench, alive};
use crate::interface::{Command, Input, IntentKind, Priority, Subject, UserBroadcast};
use crate::vectors;

#[test]
fn intervals_by_size_are_those_of_the_reference() {
    let vectors = vectors::gossip("alg-formulas.json");
    let rows = vectors["push_pull_scale"].as_array().unwrap();
    assert_eq!(rows.len(), 15);
    for row in rows {
        let number = |key: &str| row[key].as_u64().unwrap();
        let scaled = scale(Duration::from_nanos(number("interval_ns")), number("n") as usize);
        assert_eq!(scaled.as_nanos() as u64, number("scaled_ns"), "{row}");
    }
}

/// A few kilobytes on the wire may expand to the largest state.
#[test]
fn large_states_that_wait_are_bounded() {
    let mut bench = Bench::new();
    let refused = |outputs: &[Output]| {
        outputs.iter().filter(|o| matches!(o, Output::Fact(Fact::MergeRefused { .. }))).count()
    };
    let nodes = vec![crate::bench::entry(alive("a", 1), State::Alive); 3 << 19];
    for expected in [0, 1, 1] {
        let outputs = bench.push_pull(9, false, nodes.clone());
        assert!(outputs.iter().any(|o| matches!(o, Output::Reply { .. })), "answered all the same");
        assert_eq!(refused(&outputs), expected);
    }
    assert_eq!(refused(&bench.push_pull(9, false, nodes[..9].to_vec())), 0, "a small one fits");
}

/// The next exchange that is begun within that time.
fn dialled(bench: &mut Bench, within: Duration) -> Option<(DialId, SocketAddr, StreamRequest)> {
    let end = bench.now + within;
    while bench.now < end {
        bench.now = bench.now + Duration::from_millis(10);
        bench.machine.handle(bench.now, Input::Timeout);
        let dial = bench.outputs().into_iter().find_map(|output| match output {
            Output::Dial { dial, to, request, .. } => Some((dial, to, request)),
            _ => None,
        });
        if dial.is_some() {
            return dial;
        }
    }
    None
}

/// Whether an exchange is due within that time, answered with what is known already.
fn settles(bench: &mut Bench, within: Duration) -> bool {
    settles_with(bench, within).is_some()
}

fn without_periods() -> Bench {
    Bench::with(|config| {
        config.probe_interval = Duration::ZERO;
        config.push_pull_interval = Duration::ZERO;
    })
}

fn join(bench: &mut Bench) {
    let to = SocketAddr::from(([10, 0, 0, 97], 7946));
    let command = Command::PushPull { to, name: None, join: true };
    bench.machine.handle(bench.now, Input::Command { token: Token(1), command });
    let outputs = bench.outputs();
    let [Output::Dial { dial, .. }] = outputs[..] else { panic!("{outputs:?}") };
    answer(bench, dial);
}

fn answer(bench: &mut Bench, dial: DialId) {
    let nodes = bench.machine.nodes().map(crate::Node::to_state).collect();
    let state = PushPull { join: false, nodes, user_state: Bytes::new() };
    let message = StreamMessage::PushPull(state);
    bench.machine.handle(bench.now, Input::Response { dial, message });
    bench.outputs();
}

/// Found where a hundred joined one at once: whoever had settled before the last ones came could
/// miss one of them until the next periodic exchange.
#[test]
fn who_has_joined_settles_again_while_members_appear() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    let quiet = limits::SETTLE_QUIET;
    assert!(!settles(&mut bench, quiet), "it has not joined anybody");
    join(&mut bench);
    assert!(settles(&mut bench, limits::SETTLE_LATEST + Duration::from_millis(10)));
    assert!(!settles(&mut bench, quiet / 2), "nobody has appeared");
    for (round, name) in (1..=limits::SETTLE_ROUNDS).zip(["b", "c", "d", "e", "f", "g", "h"]) {
        bench.alive(alive(name, 1));
        assert!(!settles(&mut bench, limits::SETTLE_EARLIEST * (1 << round) / 2), "too early");
        assert!(settles(&mut bench, limits::SETTLE_LATEST * (1 << round)), "round {round}");
    }
    bench.alive(alive("i", 1));
    assert!(!settles(&mut bench, 3 * quiet), "it is settled at last");
}

#[test]
fn who_has_joined_long_ago_does_not_settle_for_others() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    join(&mut bench);
    assert!(settles(&mut bench, Duration::from_secs(1)));
    assert!(!settles(&mut bench, limits::SETTLE_QUIET + Duration::from_millis(10)));
    bench.alive(alive("b", 1));
    assert!(!settles(&mut bench, 3 * limits::SETTLE_QUIET));
}

#[test]
fn a_suspect_that_both_sides_know_is_nobody_who_was_lacked() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    bench.alive(alive("b", 1));
    bench.suspect(crate::bench::suspect("b", 1, "a"));
    assert_eq!(bench.state("b"), Some((State::Suspect, 1)));
    join(&mut bench);
    assert!(settles(&mut bench, Duration::from_secs(1)));
    assert!(!settles(&mut bench, limits::SETTLE_QUIET));
}

/// Attempts to reconnect are joins as well, and come every half minute.
#[test]
fn a_join_while_it_settles_is_no_new_beginning() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    join(&mut bench);
    assert!(settles(&mut bench, Duration::from_secs(1)));
    bench.alive(alive("b", 1));
    assert!(settles(&mut bench, Duration::from_secs(1)));
    join(&mut bench);
    assert!(!settles(&mut bench, limits::SETTLE_EARLIEST * 4 - Duration::from_millis(10)));
    assert!(settles(&mut bench, limits::SETTLE_LATEST * 4), "the third, after the third time");
    bench.now = bench.now + 2 * limits::SETTLE_QUIET;
    join(&mut bench);
    assert!(settles(&mut bench, limits::SETTLE_LATEST + Duration::from_millis(10)), "anew");
}

/// When within that time an exchange is begun, answered as above, and with whom.
fn settles_with(bench: &mut Bench, within: Duration) -> Option<(Duration, SocketAddr)> {
    let start = bench.now;
    let (dial, to, request) = dialled(bench, within)?;
    assert!(!matches!(request, StreamRequest::PushPull { join: true, .. }), "nobody joins");
    answer(bench, dial);
    Some((bench.now.since(start), to))
}

fn appear(bench: &mut Bench, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let address = std::net::IpAddr::from([10, 1, 0, number as u8]).into();
        bench.alive(wire::message::gossip::Alive { address, ..alive(&format!("m{number}"), 1) });
    }
}

#[test]
fn in_a_crowd_an_exchange_waits_for_its_end_and_asks_at_the_door() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    join(&mut bench);
    appear(&mut bench, 0..limits::CROWD);
    let mut waited = Duration::ZERO;
    for number in 0..40 {
        bench.alive(alive(&format!("more{number}"), 1));
        let step = limits::SETTLE_EARLIEST - Duration::from_millis(10);
        assert_eq!(settles_with(&mut bench, step), None, "after {waited:?}");
        waited += step;
    }
    let door = SocketAddr::from(([10, 0, 0, 97], 7946));
    let (_, to) = settles_with(&mut bench, limits::SETTLE_LATEST).unwrap();
    assert_eq!(to, door);
    assert!(!bench.machine.broadcasts.has_hearsay(), "the others settle, too");
}

#[test]
fn a_crowd_that_does_not_end_puts_no_exchange_off_for_ever() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    join(&mut bench);
    appear(&mut bench, 0..limits::CROWD);
    let begin = bench.now;
    let mut number = 40;
    while settles_with(&mut bench, Duration::from_millis(20)).is_none() {
        bench.alive(alive(&format!("more{number}"), 1));
        number += 1;
    }
    let took = bench.now.since(begin);
    assert!(took > limits::SETTLE_PUT_OFF && took < limits::SETTLE_PUT_OFF * 2, "{took:?}");
}

/// Found where two hundred joined one at once: whoever had asked the door before the last one came,
/// and heard of nobody afterwards, missed that one until the next periodic exchange.
#[test]
fn what_brought_nothing_in_a_crowd_is_confirmed_once() {
    for crowd in [false, true] {
        let mut bench = without_periods();
        bench.alive(alive("a", 1));
        join(&mut bench);
        if crowd {
            appear(&mut bench, 0..limits::CROWD);
        }
        let once = limits::SETTLE_LATEST + Duration::from_millis(10);
        assert!(settles(&mut bench, once));
        let (again, to) = match settles_with(&mut bench, limits::SETTLE_QUIET) {
            Some(again) if crowd => again,
            None if !crowd => continue,
            other => panic!("crowd: {crowd}, {other:?}"),
        };
        assert!(again >= limits::CONFIRM_EARLIEST, "{again:?}");
        assert!(again <= limits::CONFIRM_LATEST + Duration::from_millis(10), "{again:?}");
        assert_ne!(to, SocketAddr::from(([10, 0, 0, 97], 7946)), "somebody else");
        assert_eq!(settles_with(&mut bench, 3 * limits::SETTLE_QUIET), None, "it is settled");
    }
}

/// More than fits into the usual table.
fn fill(bench: &mut Bench) {
    appear(bench, 0..limits::USUAL_MEMBERS as u32);
}

/// Whom nobody tells of is asked for as soon as nobody appears any more, each time at the door.
#[test]
fn in_a_large_table_the_door_is_asked_without_doubling() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    join(&mut bench);
    fill(&mut bench);
    let door = SocketAddr::from(([10, 0, 0, 97], 7946));
    let calm = limits::by_size(limits::SETTLE_LATEST, limits::USUAL_MEMBERS + 9);
    for round in 0..limits::SETTLE_ROUNDS / 2 {
        bench.alive(alive(&format!("more{round}"), 1));
        let within = calm * limits::LARGE_CALM + Duration::from_millis(10);
        let (dial, to, asked) = dialled(&mut bench, within).unwrap();
        assert_eq!(to, door, "round {round}");
        answer(&mut bench, dial);
        assert!(matches!(asked, StreamRequest::Pull { .. }), "only its answer is wanted");
        assert_eq!(bench.queued_about(&format!("more{round}")), None, "nobody tells of it");
    }
}

/// A door that lacks somebody does not hear of it by a pull, and need not be honest.
#[test]
fn a_door_that_lacks_somebody_is_not_asked_again() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    join(&mut bench);
    fill(&mut bench);
    let door = SocketAddr::from(([10, 0, 0, 97], 7946));
    let (dial, to, _) = dialled(&mut bench, Duration::from_secs(2)).unwrap();
    assert_eq!(to, door);
    let nodes = [crate::bench::entry(alive("a", 1), State::Alive)].into_iter().collect();
    let state = PushPull { join: false, nodes, user_state: Bytes::new() };
    let message = StreamMessage::PushPull(state);
    bench.machine.handle(bench.now, Input::Response { dial, message });
    bench.outputs();
    let (_, to, request) = dialled(&mut bench, Duration::from_secs(2)).unwrap();
    assert_ne!(to, door);
    assert!(matches!(request, StreamRequest::PushPull { .. }), "they are told of all");
}

/// Who has itself among those to join may be answered by itself first.
#[test]
fn nobody_is_its_own_door() {
    let mut bench = without_periods();
    let to = bench.machine.local().socket_address().unwrap();
    let command = Command::PushPull { to, name: None, join: true };
    bench.machine.handle(bench.now, Input::Command { token: Token(1), command });
    let outputs = bench.outputs();
    let [Output::Dial { dial, .. }] = outputs[..] else { panic!("{outputs:?}") };
    answer(&mut bench, dial);
    fill(&mut bench);
    let (_, to, _) = dialled(&mut bench, Duration::from_secs(2)).unwrap();
    assert_ne!(Some(to), bench.machine.local().socket_address());
}

/// A live member refutes a leave by the intent of a join, also beside a crowd.
#[test]
fn in_a_crowd_only_newcomers_are_not_told_of() {
    let mut bench = without_periods();
    bench.alive(alive("old", 1));
    bench.now = bench.now + limits::by_size(limits::NEWCOMER, 300);
    fill(&mut bench);
    let mut joins = |node: &str, time: u64, kind: IntentKind| {
        let subject = Subject::Intent { node: node.into(), time: wire::LamportTime(time), kind };
        let message = Bytes::from(format!("{node} {time}"));
        let priority = Priority::Intent;
        let broadcast = UserBroadcast { priority, subject, message, waiter: None };
        bench.machine.broadcast(bench.now, broadcast);
        bench.machine.broadcasts.user_length(Priority::Intent)
    };
    assert_eq!(joins("old", 7, IntentKind::Join), 1);
    assert_eq!(joins("m1", 7, IntentKind::Join), 1, "all others are told by exchanges");
    assert_eq!(joins("m1", 8, IntentKind::Leave), 2);
    assert_eq!(joins("m1", 9, IntentKind::Join), 2, "it takes the place of the leave");
}

/// The wait for a door that hangs is as long as it takes to be settled.
#[test]
fn a_door_that_hangs_is_not_the_end() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    join(&mut bench);
    fill(&mut bench);
    let (dial, door, _) = dialled(&mut bench, Duration::from_secs(2)).unwrap();
    bench.now = bench.now + bench.machine.config.tcp_timeout + Duration::from_millis(10);
    bench.machine.handle(bench.now, Input::DialFailed { dial, why: "i/o timeout".to_owned() });
    let (_, to, _) = dialled(&mut bench, Duration::from_secs(2)).unwrap();
    assert_ne!(to, door);
}

/// Somebody who comes when the crowd has stopped coming is told of, though all still settle.
#[test]
fn a_newcomer_behind_a_crowd_is_told_of() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    join(&mut bench);
    fill(&mut bench);
    bench.alive(alive("late", 1));
    assert_eq!(bench.queued_about("late"), None);
    let pause = limits::by_size(limits::CROWD_PAUSES, limits::USUAL_MEMBERS + 9);
    let end = bench.now + pause * 2;
    while bench.now < end {
        settles_with(&mut bench, pause / 10);
    }
    bench.alive(alive("later", 1));
    assert!(bench.queued_about("later").is_some());
}

#[test]
fn who_meets_a_crowd_makes_sure_of_it_though_it_has_joined_nobody() {
    let mut bench = without_periods();
    bench.alive(alive("a", 1));
    appear(&mut bench, 0..limits::CROWD / 4);
    assert_eq!(settles_with(&mut bench, limits::SETTLE_QUIET), None);
    appear(&mut bench, 100..100 + limits::CROWD);
    assert!(settles_with(&mut bench, limits::SETTLE_LATEST + Duration::from_millis(10)).is_some());
}

#[test]
fn who_was_alone_has_nobody_to_tell_what_a_join_brings() {
    for known in [false, true] {
        let mut bench = without_periods();
        if known {
            bench.alive(alive("b", 1));
        }
        let to = SocketAddr::from(([10, 0, 0, 97], 7946));
        let command = Command::PushPull { to, name: None, join: true };
        bench.machine.handle(bench.now, Input::Command { token: Token(1), command });
        let outputs = bench.outputs();
        let Some(Output::Dial { dial, .. }) = outputs.last() else { panic!("{outputs:?}") };
        let nodes = [crate::bench::entry(alive("a", 1), State::Alive)].into_iter().collect();
        let message =
            StreamMessage::PushPull(PushPull { join: false, nodes, user_state: Bytes::new() });
        bench.machine.handle(bench.now, Input::Response { dial: *dial, message });
        bench.outputs();
        assert_eq!(bench.state("a"), Some((State::Alive, 1)));
        assert_eq!(bench.queued_about("a").is_some(), known);
    }
}
