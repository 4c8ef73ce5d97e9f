#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::Value;

use super::{Latencies, Rejection, Vivaldi, distance, fresh};
use wire::message::Coordinate;

fn shared() -> PathBuf {
    match std::env::var_os("TRIBUNE_SHARED") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

fn coordinate(value: &Value) -> Coordinate {
    let number =
        |bits: &Value| f64::from_bits(u64::from_str_radix(bits.as_str().unwrap(), 16).unwrap());
    let bits = &value["bits"];
    Coordinate {
        vec: bits["Vec"].as_array().unwrap().iter().map(number).collect(),
        error: number(&bits["Error"]),
        adjustment: number(&bits["Adjustment"]),
        height: number(&bits["Height"]),
    }
}

fn assert_close(ours: &Coordinate, theirs: &Coordinate, step: usize) {
    let pairs = ours.vec.iter().zip(&theirs.vec).chain([
        (&ours.error, &theirs.error),
        (&ours.adjustment, &theirs.adjustment),
        (&ours.height, &theirs.height),
    ]);
    for (a, b) in pairs {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-9), "step {step}: {a} instead of {b}");
    }
}

#[test]
fn follows_the_recorded_run_of_the_reference() {
    let text =
        std::fs::read_to_string(shared().join("vectors/gossip/alg-coordinates.json")).unwrap();
    let run: Value = serde_json::from_str(&text).unwrap();
    let mut rng = SmallRng::seed_from_u64(1);
    let mut vivaldi = Vivaldi::new();
    vivaldi.coordinate = coordinate(&run["start"]);
    let mut latencies: BTreeMap<&str, Latencies> = BTreeMap::new();
    let steps = run["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 60);
    for (index, step) in steps.iter().enumerate() {
        // JSON has no word for one that is not a number: that step is described in a sentence.
        let other = match step["other"].is_string() {
            true => Coordinate { height: f64::NAN, ..fresh() },
            false => coordinate(&step["other"]),
        };
        // -1 where the dimensions differ.
        if let Ok(theirs) = u64::try_from(step["distance_before_ns"].as_i64().unwrap()) {
            let ours = distance(&vivaldi.coordinate, &other);
            assert!(ours.abs_diff(Duration::from_nanos(theirs)).as_nanos() <= 1, "step {index}");
        }
        let latencies = latencies.entry(step["node"].as_str().unwrap()).or_default();
        // A negative round trip cannot be expressed here; it counts as refused.
        let rejected = match u64::try_from(step["rtt_ns"].as_i64().unwrap()) {
            Ok(rtt) => {
                let rtt = Duration::from_nanos(rtt);
                vivaldi.update(latencies, &other, rtt, &mut rng).is_err()
            }
            Err(_) => true,
        };
        assert_eq!(rejected, step.get("rejected").is_some(), "step {index}: {step}");
        assert_close(&vivaldi.coordinate, &coordinate(&step["after"]), index);
    }
}

#[test]
fn refuses_what_makes_no_sense() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut vivaldi = Vivaldi::new();
    let mut latencies = Latencies::default();
    let rtt = Duration::from_millis(1);
    let short = Coordinate { vec: vec![0.0; 7], ..fresh() };
    assert_eq!(
        vivaldi.update(&mut latencies, &short, rtt, &mut rng),
        Err(Rejection::Dimensions(7))
    );
    let odd = Coordinate { height: f64::NAN, ..fresh() };
    assert_eq!(vivaldi.update(&mut latencies, &odd, rtt, &mut rng), Err(Rejection::NotFinite));
    let long = Duration::from_secs(11);
    assert_eq!(
        vivaldi.update(&mut latencies, &fresh(), long, &mut rng),
        Err(Rejection::RoundTrip(long))
    );
    assert_eq!(vivaldi.coordinate(), &fresh());
    assert_eq!(latencies.taken, 0);
}

#[test]
fn two_members_at_one_place_part() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut vivaldi = Vivaldi::new();
    let (mut latencies, rtt) = (Latencies::default(), Duration::from_millis(10));
    vivaldi.update(&mut latencies, &fresh(), rtt, &mut rng).unwrap();
    assert!(super::magnitude(vivaldi.coordinate().vec.iter().copied()) > 0.0);
}

#[test]
fn a_place_that_runs_away_starts_again() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut vivaldi = Vivaldi::new();
    let far = Coordinate { vec: vec![f64::MAX; 8], ..fresh() };
    vivaldi.update(&mut Latencies::default(), &far, Duration::ZERO, &mut rng).unwrap();
    assert_eq!(vivaldi.resets(), 1);
    assert_eq!(vivaldi.coordinate(), &fresh());
}

/// Coordinates, distances as a client prints them and orders by distance, recorded from Consul.
#[test]
fn distances_and_orders_are_the_recorded_ones() {
    let text = std::fs::read_to_string(shared().join("vectors/consul-catalog/rtt.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let places: BTreeMap<&str, Coordinate> = table["setup"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request[1] == "/v1/coordinate/update")
        .map(|request| {
            let given = &request[2]["Coord"];
            let place = Coordinate {
                vec: given["Vec"].as_array().unwrap().iter().map(number).collect(),
                error: number(&given["Error"]),
                adjustment: number(&given["Adjustment"]),
                height: number(&given["Height"]),
            };
            (request[2]["Node"].as_str().unwrap(), place)
        })
        .collect();
    assert_eq!(places.len(), 14);
    let pairs = table["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 105);
    for pair in pairs {
        let end = |name: &str| &places[pair[name].as_str().unwrap()];
        let milliseconds = distance(end("a"), end("b")).as_secs_f64() * 1e3;
        assert_eq!(format!("{milliseconds:.3}"), pair["ms"].as_str().unwrap(), "{pair}");
    }
    // Names of equal distance keep their order.
    for (from, order) in table["near"].as_object().unwrap() {
        let mut names: Vec<&str> = places.keys().copied().collect();
        names.sort_by_key(|name| distance(&places[from.as_str()], &places[name]));
        let recorded: Vec<&str> =
            order.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(names, recorded, "near {from}");
    }
}
