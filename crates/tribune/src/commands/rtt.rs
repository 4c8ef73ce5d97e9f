//! `serf rtt`.

use client::Coordinate;

use super::{connect, fail};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(crate) fn run(command: &Command, parsed: &Parsed) -> i32 {
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let mut names = parsed.words();
    if names.len() == 1 {
        match client.stats() {
            Ok(stats) => {
                let agent = stats.sections.get("agent").and_then(|agent| agent.get("name"));
                names.push(agent.cloned().unwrap_or_default());
            }
            Err(error) => return fail(format!("Error querying agent: {error}")),
        }
    }
    let [from, to] = names.as_slice() else {
        return command.misused("One or two node names must be specified");
    };
    let mut coordinates = Vec::new();
    for name in [from, to] {
        match client.coordinate(name) {
            Ok(Some(coordinate)) => coordinates.push(coordinate),
            Ok(None) => {
                let quoted = gotext::quote(name);
                return fail(format!("Could not find a coordinate for node {quoted}"));
            }
            Err(error) => return fail(format!("Error getting coordinates: {error}")),
        }
    }
    match coordinates.as_slice() {
        [a, b] if dimensions(a) == dimensions(b) => {
            let milliseconds = distance_ns(a, b) as f64 / 1e6;
            say(format!("Estimated {from} <-> {to} rtt: {milliseconds:.3} ms"));
            0
        }
        _ => fail("The coordinates of the two nodes have different numbers of dimensions"),
    }
}

/// The number of dimensions of a coordinate.
pub(crate) fn dimensions(coordinate: &Coordinate) -> usize {
    coordinate.vec.as_ref().map_or(0, Vec::len)
}

/// The round trip time that two coordinates make likely, in whole nanoseconds.
pub(crate) fn distance_ns(a: &Coordinate, b: &Coordinate) -> i64 {
    let (a_vec, b_vec) =
        (a.vec.as_deref().unwrap_or_default(), b.vec.as_deref().unwrap_or_default());
    let squares: f64 = a_vec.iter().zip(b_vec).map(|(x, y)| (x - y) * (x - y)).sum();
    let distance = squares.sqrt() + a.height + b.height;
    let adjusted = distance + a.adjustment + b.adjustment;
    let seconds = if adjusted > 0.0 { adjusted } else { distance };
    (seconds * 1e9) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjustments_count_only_while_the_sum_is_positive() {
        let near = Coordinate {
            vec: Some(vec![0.003, 0.0]),
            error: 1.0,
            adjustment: 0.001,
            height: 0.0005,
        };
        let far = Coordinate { vec: Some(vec![0.0, 0.004]), ..near.clone() };
        assert_eq!(distance_ns(&near, &far), 8_000_000);
        let odd = Coordinate { adjustment: -1.0, ..far };
        assert_eq!(distance_ns(&near, &odd), 6_000_000);
        // Not zero: the way up and down counts.
        assert_eq!(distance_ns(&near, &near), 3_000_000);
    }
}
