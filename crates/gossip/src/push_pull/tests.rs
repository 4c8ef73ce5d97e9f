#![allow(clippy::unwrap_used)]

use super::*;
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
    let mut bench = crate::bench::Bench::new();
    let refused = |outputs: &[Output]| {
        outputs.iter().filter(|o| matches!(o, Output::Fact(Fact::MergeRefused { .. }))).count()
    };
    let nodes = vec![crate::bench::entry(crate::bench::alive("a", 1), State::Alive); 3 << 19];
    for expected in [0, 1, 1] {
        let outputs = bench.push_pull(9, false, nodes.clone());
        assert!(outputs.iter().any(|o| matches!(o, Output::Reply { .. })), "answered all the same");
        assert_eq!(refused(&outputs), expected);
    }
    assert_eq!(refused(&bench.push_pull(9, false, nodes[..9].to_vec())), 0, "a small one fits");
}
