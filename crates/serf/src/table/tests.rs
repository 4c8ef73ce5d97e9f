#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use gossip::Time;
use wire::{Address, Incarnation, LamportTime, Versions};

use super::{Entry, IntentDirection, Intents, Table};
use crate::interface::{Member, MemberStatus};
use crate::limits;

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn entry(name: &str, status: MemberStatus, gone: Option<u64>) -> Entry {
    Entry {
        member: Member {
            name: name.into(),
            address: Address::default(),
            port: 1,
            tags: Arc::default(),
            status,
            versions: Versions::default(),
        },
        status_time: LamportTime(0),
        intent: IntentDirection::Join,
        gone_since: gone.map(at),
        incarnation: Incarnation(1),
    }
}

#[test]
fn the_lists_follow_the_status() {
    let mut table = Table::default();
    table.insert(entry("a", MemberStatus::Alive, None));
    table.insert(entry("b", MemberStatus::Failed, Some(0)));
    let version = table.version();
    table.set_status(&"b".into(), MemberStatus::Left);
    assert!(table.version() > version);
    assert!(table.failed().is_empty() && table.left().contains("b"));
    table.set_status(&"b".into(), MemberStatus::Alive);
    assert!(table.left().is_empty());
    table.set_status(&"a".into(), MemberStatus::Failed);
    table.remove(&"a".into());
    assert!(table.failed().is_empty());
    assert_eq!(table.len(), 1);
    table.set_status(&"ghost".into(), MemberStatus::Failed);
    assert!(table.failed().is_empty());
}

#[test]
fn members_expire_strictly_after_their_time() {
    let mut table = Table::default();
    table.insert(entry("failed", MemberStatus::Failed, Some(10)));
    table.insert(entry("left", MemberStatus::Left, Some(0)));
    table.insert(entry("alive", MemberStatus::Alive, None));
    let (failed_for, left_for) = (Duration::from_secs(5), Duration::from_secs(20));
    assert_eq!(table.next_expiry(failed_for, left_for), Some(at(15)));
    assert_eq!(table.expired(at(15), failed_for, left_for), []);
    assert_eq!(table.expired(at(16), failed_for, left_for), ["failed".into()]);
    assert_eq!(table.expired(at(21), failed_for, left_for), ["failed".into(), "left".into()]);
}

#[test]
fn only_a_later_intent_is_news() {
    let mut intents = Intents::new(Duration::from_secs(300));
    let name = "a".into();
    assert!(intents.put(at(0), &name, IntentDirection::Join, LamportTime(5)));
    assert!(!intents.put(at(0), &name, IntentDirection::Leave, LamportTime(5)));
    assert!(intents.put(at(10), &name, IntentDirection::Leave, LamportTime(6)));
    assert_eq!(intents.get(at(310), "a"), Some((IntentDirection::Leave, LamportTime(6))));
    assert_eq!(intents.get(at(311), "a"), None, "expires after it was last set");
    assert!(intents.put(at(311), &name, IntentDirection::Join, LamportTime(1)));
}

#[test]
fn the_oldest_intent_makes_room() {
    let mut intents = Intents::new(Duration::from_secs(300));
    for index in 0..=limits::RECENT_INTENTS as u64 {
        intents.put(
            Time::from_nanos(index),
            &format!("n{index}").into(),
            IntentDirection::Join,
            LamportTime(1),
        );
    }
    assert_eq!(intents.by_name.len(), limits::RECENT_INTENTS);
    assert_eq!(intents.by_age.len(), limits::RECENT_INTENTS);
    assert_eq!(intents.get(at(0), "n0"), None);
    assert!(intents.get(at(0), "n1").is_some());
}
