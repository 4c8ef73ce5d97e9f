#![allow(clippy::unwrap_used)]

use super::*;
use crate::bench::{Bench, alive};
use crate::interface::{Command, Input};
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

/// The exchange that is due within that time, if there is one, answered with what is known already.
fn settles(bench: &mut Bench, within: Duration) -> bool {
    let end = bench.now + within;
    while bench.now < end {
        bench.now = bench.now + Duration::from_millis(10);
        bench.machine.handle(bench.now, Input::Timeout);
        let outputs = bench.outputs();
        let dialled = outputs.iter().find_map(|output| match output {
            Output::Dial { dial, request: StreamRequest::PushPull { join: false, .. }, .. } => {
                Some(*dial)
            }
            _ => None,
        });
        if let Some(dial) = dialled {
            answer(bench, dial);
            return true;
        }
    }
    false
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
    assert!(!settles(&mut bench, limits::SETTLE_QUIET));
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
