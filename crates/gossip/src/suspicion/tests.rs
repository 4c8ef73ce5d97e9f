#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Profile, vectors};

fn config(profile: Profile) -> Config {
    let address = std::net::IpAddr::from([127, 0, 0, 1]).into();
    Config::new(profile, "a".into(), address, 7946)
}

#[test]
fn timeouts_by_size_are_those_of_the_reference() {
    let vectors = vectors::gossip("alg-formulas.json");
    let rows = vectors["suspicion_timeout"].as_array().unwrap();
    assert_eq!(rows.len(), 48);
    for row in rows {
        let mut config = config(Profile::Lan);
        config.suspicion_mult = row["mult"].as_u64().unwrap() as u32;
        config.probe_interval = Duration::from_nanos(row["interval_ns"].as_u64().unwrap());
        let timeouts = Timeouts::new(&config, row["n"].as_u64().unwrap() as usize);
        assert_eq!(timeouts.min.as_nanos() as u64, row["min_ns"].as_u64().unwrap(), "{row}");
        assert_eq!(timeouts.max.as_nanos() as u64, row["max_ns"].as_u64().unwrap(), "{row}");
    }
}

#[test]
fn remaining_times_are_those_of_the_reference() {
    let vectors = vectors::gossip("alg-formulas.json");
    let rows = vectors["remaining_suspicion_time"].as_array().unwrap();
    assert_eq!(rows.len(), 72);
    for row in rows {
        let nanos = |key: &str| row[key].as_i64().unwrap();
        let timeouts = Timeouts {
            confirmations: nanos("k") as u32,
            min: Duration::from_nanos(nanos("min_ns") as u64),
            max: Duration::from_nanos(nanos("max_ns") as u64),
        };
        let whole = timeouts.after(nanos("confirmations") as u32).as_nanos() as i64;
        assert_eq!(whole - nanos("elapsed_ns"), nanos("remaining_ns"), "{row}");
    }
}

#[test]
fn only_new_accusers_up_to_the_wanted_number_count() {
    let timeouts = Timeouts::new(&config(Profile::Lan), 5);
    let mut suspicion = Suspicion::new(Time::ZERO, timeouts, "a".into());
    assert_eq!(suspicion.deadline(), Time::ZERO + Duration::from_secs(24));
    assert!(!suspicion.confirm(&"a".into()), "the first accuser is no confirmation");
    assert!(suspicion.confirm(&"b".into()));
    assert_eq!(suspicion.deadline(), Time::ZERO + Duration::from_millis(11_381));
    assert!(!suspicion.confirm(&"b".into()));
    assert!(suspicion.confirm(&"c".into()));
    assert_eq!(suspicion.deadline(), Time::ZERO + Duration::from_secs(4));
    assert!(!suspicion.confirm(&"d".into()), "two are enough");
    assert_eq!(suspicion.confirmations(), 2);
}

#[test]
fn without_anybody_to_confirm_the_shortest_timeout_runs() {
    let timeouts = Timeouts::new(&config(Profile::Lan), 3);
    assert_eq!(timeouts.confirmations, 0);
    let suspicion = Suspicion::new(Time::ZERO, timeouts, "a".into());
    assert_eq!(suspicion.deadline(), Time::ZERO + Duration::from_secs(4));
}

/// Specification A12: with three nodes of the local profile, 18 s alone, 3 s with one more.
#[test]
fn the_recorded_local_cluster_of_three() {
    let timeouts = Timeouts::new(&config(Profile::Local), 3);
    let mut suspicion = Suspicion::new(Time::ZERO, timeouts, "a".into());
    assert_eq!(suspicion.deadline(), Time::ZERO + Duration::from_secs(18));
    assert!(suspicion.confirm(&"b".into()));
    assert_eq!(suspicion.deadline(), Time::ZERO + Duration::from_secs(3));
}

#[test]
fn a_reprieve_is_granted_once() {
    let timeouts = Timeouts::new(&config(Profile::Lan), 3);
    let mut suspicion = Suspicion::new(Time::ZERO, timeouts, "a".into());
    let later = Time::ZERO + Duration::from_secs(60);
    assert!(suspicion.reprieve(later));
    assert_eq!(suspicion.deadline(), later);
    assert!(!suspicion.reprieve(later + Duration::from_secs(1)));
    assert_eq!(suspicion.deadline(), later);
}

#[test]
fn refutations_outbid_the_accusation() {
    // Specification A10, observed: accused at 1 → 2, dead at 9 → 10, alive at 20 → 21.
    for (own, accused, new) in [(1, 1, 2), (2, 9, 10), (10, 20, 21), (5, 5, 6), (7, 3, 8)] {
        assert_eq!(refuting(Incarnation(own), Incarnation(accused)), Incarnation(new));
    }
    assert_eq!(refuting(Incarnation(1), Incarnation(u32::MAX)), Incarnation(u32::MAX));
}
