#![allow(clippy::unwrap_used)]

use std::time::Duration;

use rand::SeedableRng;
use wire::{Incarnation, Versions};

use super::*;
use crate::suspicion::Timeouts;

fn node(name: &str, state: State, changed: u64) -> Node {
    Node {
        name: name.into(),
        address: IpAddr::from([127, 0, 0, 1]).into(),
        port: 7946,
        meta: Bytes::new(),
        versions: Versions::default(),
        incarnation: Incarnation(1),
        state,
        changed: Time::from_nanos(changed),
    }
}

fn table(nodes: impl IntoIterator<Item = Node>) -> (MemberTable, SmallRng) {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut table = MemberTable::default();
    for node in nodes {
        table.insert(node, &mut rng).unwrap();
    }
    (table, rng)
}

#[test]
fn a_new_round_forgets_those_long_dead_or_left_and_reuses_their_slots() {
    let (mut table, mut rng) = table([
        node("us", State::Left, 1),
        node("alive", State::Alive, 1),
        node("dead", State::Dead, 1),
        node("left", State::Left, 1),
        node("dying", State::Dead, 50),
    ]);
    let own = table.find("us").unwrap();
    let encoded = table.encoded();
    assert_eq!(table.encoded().as_ptr(), encoded.as_ptr(), "encoded once");
    table.next_round(own, Time::from_nanos(10), &mut rng);
    let names: BTreeSet<&str> = table.nodes().map(|node| node.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["alive", "dying", "us"]));
    assert_ne!(table.encoded(), encoded);
    assert_eq!((table.len(), table.live()), (3, 1));
    table.insert(node("new", State::Alive, 60), &mut rng).unwrap();
    assert_eq!(table.list.rows.len(), 5);
    assert_eq!(table.get("new").unwrap().name.as_str(), "new");
}

#[test]
fn who_is_named_after_an_address_is_found_by_it() {
    let address = IpAddr::from([10, 0, 0, 7]);
    let (mut table, mut rng) =
        table([node("us", State::Alive, 1), node("10.0.0.8", State::Dead, 1)]);
    assert!(table.named_by(address).is_none());
    table.insert(node("10.0.0.7", State::Dead, 1), &mut rng).unwrap();
    assert_eq!(table.named_by(address).unwrap().name.as_str(), "10.0.0.7");
    let own = table.find("us").unwrap();
    table.next_round(own, Time::from_nanos(10), &mut rng);
    assert!(table.named_by(address).is_none());
    assert_eq!(table.named_by_address, 0);
}

/// The names are those of others, who see what a machine chooses.
#[test]
fn the_hashes_of_names_do_not_follow_from_the_choices() {
    use crate::{Config, Membership, Profile, Seed};
    let hash = |hashes| {
        let own = IpAddr::from([127, 0, 0, 1]).into();
        let config = Config::new(Profile::Local, "us".into(), own, 7946);
        let seed = Seed { choices: 1, hashes };
        Membership::new(config, None, seed, Time::ZERO).unwrap().table.hash("a")
    };
    assert_ne!(hash(1), hash(2));
}

#[test]
fn the_live_are_counted_through_every_change() {
    let (mut table, _) = table([node("a", State::Dead, 0), node("b", State::Alive, 0)]);
    let slot = table.find("a").unwrap();
    assert_eq!(table.live(), 1);
    for (state, live) in [(State::Alive, 2), (State::Suspect, 2), (State::Left, 1)] {
        table.update(slot, |node| node.state = state);
        assert_eq!(table.live(), live);
    }
}

#[test]
fn suspicions_end_in_the_order_of_their_deadlines() {
    let (mut table, _) = table([node("a", State::Suspect, 0), node("b", State::Suspect, 0)]);
    let [a, b] = ["a", "b"].map(|name| table.find(name).unwrap());
    let timeouts = |max| Timeouts {
        confirmations: 1,
        min: Duration::from_secs(1),
        max: Duration::from_secs(max),
    };
    table.suspect(a, Suspicion::new(Time::ZERO, timeouts(9), "x".into()));
    table.suspect(b, Suspicion::new(Time::ZERO, timeouts(5), "x".into()));
    assert_eq!(table.next_expiry().unwrap().1, b);
    assert_eq!(table.with_suspicion(a, |suspicion| suspicion.confirm(&"y".into())), Some(true));
    assert_eq!(table.next_expiry(), Some((Time::ZERO + Duration::from_secs(1), a)));
    table.clear_suspicion(a);
    table.clear_suspicion(b);
    assert_eq!(table.next_expiry(), None);
}

#[test]
fn a_sample_is_of_different_members_that_pass_and_reaches_all_of_them() {
    let names: Vec<String> = (0..40).map(|number| format!("n{number:02}")).collect();
    let (table, mut rng) = table(names.iter().map(|name| node(name, State::Alive, 0)));
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let chosen = table.sample(3, &mut rng, |node| node.name.as_str() < "n20");
        assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), 3);
        seen.extend(chosen);
    }
    assert_eq!(seen.len(), 20);
    // Few that pass are all found.
    let few = table.sample(3, &mut rng, |node| node.name.as_str() >= "n38");
    assert_eq!(few.len(), 2);
    assert!(table.sample(3, &mut rng, |_| false).is_empty());
}

#[test]
fn the_successor_goes_round_and_skips() {
    let (table, _) = table(["a", "b", "c"].map(|name| node(name, State::Alive, 0)));
    let after = |name: &str, skip: &str| {
        table
            .successor(name, |node| node.name.as_str() != skip)
            .map(|slot| table.node(slot).name.as_str().to_owned())
    };
    assert_eq!(after("a", ""), Some("b".into()));
    assert_eq!(after("a", "b"), Some("c".into()));
    assert_eq!(after("c", ""), Some("a".into()));
    assert_eq!(table.successor("b", |_| false), None);
}
