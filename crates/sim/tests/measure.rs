//! Measurements of small clusters.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::time::Duration;

use gossip::Profile;
use serf::Config;
use sim::measure::{Measurement, Plan, PlanError, Slow, Trouble, measure};

fn plan(seed: u64) -> Plan {
    let address = IpAddr::from([10, 0, 0, 1]);
    let gossip = gossip::Config::new(Profile::Lan, "a".into(), address.into(), 7946);
    let duration = Duration::from_secs(90);
    Plan { duration, events: 4, failures: 3, ..Plan::new(seed, 20, Config::new(gossip)) }
}

fn carry_out(plan: &Plan) -> Measurement {
    measure(plan, |_| {}).unwrap()
}

#[test]
fn one_seed_gives_one_measurement_and_another_another() {
    let one = carry_out(&plan(1));
    assert_eq!(one, carry_out(&plan(1)));
    assert_ne!(one.failures, carry_out(&plan(2)).failures);
}

#[test]
fn failures_are_found_and_events_go_round() {
    let mut shares = Vec::new();
    let measurement = measure(&plan(3), |share| shares.push(share)).unwrap();
    assert!(shares.is_sorted() && shares.last().is_some_and(|last| *last >= 0.999));
    assert_eq!((measurement.failures.len(), measurement.events.len()), (3, 4));
    for failure in &measurement.failures {
        let (suspected, declared) = (failure.suspected.unwrap(), failure.declared.unwrap());
        // A probe that fails takes a whole period; the shortest suspicion takes five.
        assert!(suspected >= Duration::from_secs(1), "{failure:?}");
        assert!(declared - suspected >= Duration::from_secs(5), "{failure:?}");
        assert!(failure.everybody.unwrap() >= declared);
    }
    assert!(measurement.events.iter().all(|event| event.everybody >= event.half));
    assert!(measurement.events.iter().all(|event| event.everybody.is_some()));
    // A probe and an answer a second.
    assert!((measurement.quiet.datagrams - 2.0).abs() < 0.1, "{:?}", measurement.quiet);
    let declared: u64 = measurement.slices.iter().map(|slice| slice.false_declared).sum();
    assert_eq!((declared, measurement.false_alarms.declared), (0, 0));
    assert!(measurement.rate_at(0.1).bytes > measurement.quiet.bytes);
}

#[test]
fn lifeguard_makes_members_that_are_cut_off_judge_more_carefully() {
    let slow = Slow {
        members: 3,
        trouble: Trouble::CutOff,
        lasts: Duration::from_secs(16),
        between: Duration::from_secs(16),
    };
    let with = Plan { slow: Some(slow), failures: 0, ..plan(1) };
    let mut without = with.clone();
    without.config.gossip.awareness_max_multiplier = 1;
    without.config.gossip.suspicion_max_timeout_mult = 1;
    without.config.gossip.tell_suspects = false;
    let (with, without) = (carry_out(&with).false_alarms, carry_out(&without).false_alarms);
    assert!(without.believed > 0 && without.declared > 0, "{without:?}");
    assert!(with.believed * 4 < without.believed, "{with:?}, {without:?}");
}

#[test]
fn plans_beyond_the_limits_are_refused() {
    let refused = |plan: Plan| measure(&plan, |_| {}).unwrap_err();
    assert_eq!(refused(Plan { members: 1, ..plan(1) }), PlanError::Members(1));
    assert_eq!(refused(Plan { loss: 0.9, ..plan(1) }), PlanError::Loss(0.9));
    assert!(matches!(refused(Plan { loss: f64::NAN, ..plan(1) }), PlanError::Loss(_)));
    let short = Duration::from_secs(1);
    assert_eq!(refused(Plan { duration: short, ..plan(1) }), PlanError::Duration(short));
    let far = Duration::from_secs(2);
    assert_eq!(refused(Plan { round_trip: far, ..plan(1) }), PlanError::RoundTrip(far));
    let mut bad = plan(1);
    bad.config.protocol = 9;
    assert!(matches!(refused(bad), PlanError::Config(_)));
}
