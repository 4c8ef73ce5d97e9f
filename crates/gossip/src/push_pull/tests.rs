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
