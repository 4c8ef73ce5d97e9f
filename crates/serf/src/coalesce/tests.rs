#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use gossip::Time;
use wire::{Address, LamportTime, Versions};

use super::{MemberCoalescer, UserCoalescer};
use crate::interface::MemberEventKind::{self, Failed, Join, Leave, Reap, Update};
use crate::interface::{Event, Member, MemberStatus};

const PERIOD: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_secs(1);

fn at(ms: u64) -> Time {
    Time::ZERO + Duration::from_millis(ms)
}

fn member(name: &str, port: u16) -> Member {
    Member {
        name: name.into(),
        address: Address::default(),
        port,
        tags: Arc::default(),
        status: MemberStatus::Alive,
        versions: Versions::default(),
    }
}

fn members() -> MemberCoalescer {
    MemberCoalescer::new(PERIOD, QUIET).unwrap()
}

/// Kind and (name, port) of everything that a flush delivers.
fn flushed(coalescer: &mut MemberCoalescer) -> Vec<(MemberEventKind, Vec<(String, u16)>)> {
    let describe = |event| match event {
        Event::Member { kind, members } => {
            (kind, members.iter().map(|m| (m.name.to_string(), m.port)).collect())
        }
        other => panic!("not a member event: {other:?}"),
    };
    coalescer.flush().into_iter().map(describe).collect()
}

#[test]
fn a_period_of_zero_is_no_coalescing() {
    assert!(MemberCoalescer::new(Duration::ZERO, QUIET).is_none());
    assert!(UserCoalescer::new(PERIOD, Duration::ZERO).is_none());
}

#[test]
fn flushes_after_quiet_but_not_later_than_the_period() {
    let mut coalescer = members();
    let mut flush = |ms| coalescer.hold(at(ms), Join, member("a", 1));
    assert_eq!(flush(0), at(1000));
    assert_eq!(flush(900), at(1900));
    assert_eq!(flush(1800), at(2800));
    assert_eq!(flush(2700), at(3000));
    coalescer.flush();
    assert_eq!(coalescer.hold(at(5000), Join, member("a", 1)), at(6000), "a new window");
}

#[test]
fn only_the_latest_event_of_a_member_counts_and_kinds_are_grouped() {
    let mut coalescer = members();
    coalescer.hold(at(0), Join, member("a", 1));
    coalescer.hold(at(0), Failed, member("b", 1));
    coalescer.hold(at(1), Leave, member("b", 1));
    coalescer.hold(at(2), Join, member("c", 1));
    let names = |names: &[&str]| names.iter().map(|n| (n.to_string(), 1)).collect::<Vec<_>>();
    assert_eq!(flushed(&mut coalescer), [(Join, names(&["a", "c"])), (Leave, names(&["b"]))]);
}

#[test]
fn what_was_delivered_last_is_not_delivered_again() {
    let mut coalescer = members();
    coalescer.hold(at(0), Join, member("a", 1));
    assert_eq!(flushed(&mut coalescer).len(), 1);
    // Fails and returns within one window.
    coalescer.hold(at(5000), Failed, member("a", 1));
    coalescer.hold(at(5100), Join, member("a", 1));
    assert_eq!(flushed(&mut coalescer), []);
    coalescer.hold(at(9000), Failed, member("a", 1));
    assert_eq!(flushed(&mut coalescer), [(Failed, vec![("a".into(), 1)])]);
}

#[test]
fn updates_always_come_and_come_once() {
    let mut coalescer = members();
    coalescer.hold(at(0), Update, member("a", 1));
    assert_eq!(flushed(&mut coalescer), [(Update, vec![("a".into(), 1)])]);
    coalescer.hold(at(5000), Update, member("a", 2));
    assert_eq!(flushed(&mut coalescer), [(Update, vec![("a".into(), 2)])]);
    // The reference would deliver the update of `a` once more here.
    coalescer.hold(at(9000), Join, member("b", 1));
    assert_eq!(flushed(&mut coalescer), [(Join, vec![("b".into(), 1)])]);
}

#[test]
fn an_erased_member_leaves_nothing_behind() {
    let mut coalescer = members();
    coalescer.hold(at(0), Reap, member("a", 1));
    assert_eq!(flushed(&mut coalescer).len(), 1);
    assert!(coalescer.delivered.is_empty() && coalescer.latest.is_empty());
}

#[test]
fn a_flood_is_flushed_at_once() {
    let mut coalescer = members();
    let last = (0..crate::limits::COALESCED_EVENTS)
        .map(|index| coalescer.hold(at(7), Join, member(&format!("n{index}"), 1)))
        .last();
    assert_eq!(last, Some(at(7)));
}

fn user(name: &str, time: u64, payload: &'static str) -> Event {
    Event::User {
        lamport_time: LamportTime(time),
        name: name.into(),
        payload: Some(payload.into()),
        coalesce: true,
    }
}

#[test]
fn of_one_name_the_highest_time_counts_and_shared_times_all() {
    let mut coalescer = UserCoalescer::new(PERIOD, QUIET).unwrap();
    let events = [
        ("deploy", 5, "old"),
        ("deploy", 7, "x"),
        ("deploy", 7, "y"),
        ("deploy", 6, "late"),
        ("other", 1, "z"),
    ];
    for (name, time, payload) in events {
        coalescer.hold(at(0), name, LamportTime(time), user(name, time, payload));
    }
    let payloads: Vec<_> = coalescer
        .flush()
        .into_iter()
        .map(|event| match event {
            Event::User { payload, .. } => payload.unwrap(),
            other => panic!("not a user event: {other:?}"),
        })
        .collect();
    assert_eq!(payloads, ["x", "y", "z"]);
    assert!(coalescer.flush().is_empty());
    assert_eq!(coalescer.held, 0);
}
