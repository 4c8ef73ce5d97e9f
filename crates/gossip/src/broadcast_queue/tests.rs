#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::vectors;

const PLENTY: usize = 1 << 20;

fn plain(message: impl Into<Bytes>) -> Broadcast {
    Broadcast { message: message.into(), slot: None, waiter: None, fresh: false, transmits: 0 }
}

fn named(node: &str, message: impl Into<Bytes>) -> Broadcast {
    let slot = Some(Slot { node: node.into(), intent: None });
    Broadcast { slot, ..plain(message) }
}

fn intent(node: &str, time: u64, kind: IntentKind, waiter: u64) -> Broadcast {
    let slot = Some(Slot { node: node.into(), intent: Some((LamportTime(time), kind)) });
    let message = format!("{kind:?} {time}");
    Broadcast { slot, waiter: Some(Token(waiter)), ..plain(message) }
}

fn once(limit: u32) -> Sends {
    Sends { limit, copies: 1 }
}

fn all(queue: &mut BroadcastQueue) -> Vec<Bytes> {
    queue.fetch(Room { overhead: 2, limit: PLENTY }, once(100), true).messages
}

#[test]
fn retransmit_limits_are_those_of_the_reference() {
    let vectors = vectors::gossip("alg-formulas.json");
    let rows = vectors["retransmit_limit"].as_array().unwrap();
    assert_eq!(rows.len(), 32);
    for row in rows {
        let number = |key: &str| row[key].as_u64().unwrap();
        let limit = retransmit_limit(number("mult") as u32, number("n") as usize);
        assert_eq!(u64::from(limit), number("limit"), "{row}");
    }
}

#[test]
fn the_order_is_that_of_the_reference() {
    let vectors = vectors::gossip("alg-broadcast-queue.json");
    let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
    let mut number = 0;
    for op in vectors["ops"].as_array().unwrap() {
        let size = |key: &str| op[key].as_u64().unwrap() as usize;
        if op["op"] == "queue" {
            number += 1;
            let message = format!("{number:04}{}", ".".repeat(size("len") - 4));
            queue.push(match op["name"].as_str() {
                Some(name) => named(name, message),
                None => plain(message),
            });
        } else {
            let room = Room { overhead: size("overhead"), limit: size("limit") };
            let sent: Vec<String> = queue
                .fetch(room, once(retransmit_limit(4, 3)), true)
                .messages
                .iter()
                .map(|message| String::from_utf8(message[..4].to_vec()).unwrap())
                .collect();
            let expected: Vec<&str> = op["sent"]
                .as_array()
                .map(|list| list.iter().map(|id| id.as_str().unwrap()).collect())
                .unwrap_or_default();
            assert_eq!(sent, expected, "{op}");
        }
        assert_eq!(queue.len(), size("queued"), "{op}");
    }
    assert!(queue.queued.is_none());
}

#[test]
fn a_later_broadcast_about_a_node_replaces_and_completes_the_older() {
    let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
    assert!(queue.push(Broadcast { waiter: Some(Token(1)), ..named("a", "old") }).is_empty());
    assert_eq!(queue.push(named("a", "new")), [Token(1)]);
    assert_eq!(all(&mut queue), ["new"]);
}

#[test]
fn of_two_intents_about_a_node_the_later_time_stays() {
    use IntentKind::{Join, Leave, Prune};
    // queued, newcomer → does the newcomer replace it?
    let table = [
        ((3, Leave), (4, Join), true),
        ((4, Join), (3, Leave), false),
        ((4, Join), (4, Leave), true),
        ((4, Prune), (9, Leave), false),
        ((4, Prune), (9, Prune), true),
        ((4, Prune), (9, Join), true),
        ((9, Prune), (4, Join), false),
        ((4, Leave), (5, Prune), true),
    ];
    for ((time, kind), (new_time, new_kind), replaced) in table {
        let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
        queue.push(intent("a", time, kind, 1));
        let finished = queue.push(intent("a", new_time, new_kind, 2));
        // Whichever is not queued any more is answered.
        assert_eq!(finished, [Token(if replaced { 1 } else { 2 })], "{kind:?} {new_kind:?}");
        assert_eq!(queue.len(), 1);
    }
}

#[test]
fn a_waiter_is_answered_with_the_last_send() {
    let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
    queue.push(Broadcast { waiter: Some(Token(7)), ..plain("event") });
    let room = Room { overhead: 3, limit: 100 };
    assert!(queue.fetch(room, once(2), true).finished.is_empty());
    assert_eq!(queue.fetch(room, once(2), true).finished, [Token(7)]);
    assert!(queue.is_empty());
}

#[test]
fn what_never_fits_stays_until_pruned() {
    let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
    queue.push(plain(vec![0; 2000]));
    queue.push(plain("short"));
    let room = Room { overhead: 3, limit: 1398 };
    assert_eq!(queue.fetch(room, once(1), true).messages, ["short"]);
    assert_eq!(queue.len(), 1);
    assert_eq!(queue.prune(0).0, 1);
}

#[test]
fn pruning_takes_the_most_sent_then_the_shortest_then_the_oldest() {
    let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
    queue.push(plain("sent before, and long"));
    all(&mut queue);
    for message in ["bb", "cc", "a", "dddd"] {
        queue.push(plain(message));
    }
    assert_eq!(queue.prune(3).0, 2, "the sent one and the shortest");
    assert_eq!(all(&mut queue), ["dddd", "cc", "bb"]);
    assert_eq!(queue.prune(2).0, 1);
    assert_eq!(all(&mut queue), ["dddd", "cc"]);
}

#[test]
fn a_full_queue_drops_the_least_wanted_and_answers_its_waiter() {
    let mut queue = BroadcastQueue::new(2, PLENTY);
    queue.push(Broadcast { waiter: Some(Token(1)), ..plain("a") });
    queue.push(plain("bb"));
    assert_eq!(queue.push(plain("cc")), [Token(1)]);
    let mut queue = BroadcastQueue::new(PLENTY, 10);
    queue.push(plain("12345678"));
    queue.push(plain("123"));
    assert_eq!(all(&mut queue), ["12345678"]);
}

#[test]
fn an_eager_send_happens_once_and_counts_its_copies() {
    let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
    queue.push(Broadcast { fresh: true, ..plain("news") });
    queue.push(plain("ticks only"));
    let room = Room { overhead: 3, limit: 100 };
    assert_eq!(queue.fetch_fresh(room, Sends { limit: 4, copies: 3 }).messages, ["news"]);
    assert!(!queue.has_fresh());
    assert!(queue.fetch_fresh(room, once(4)).messages.is_empty());
    // Three of its four sends are used.
    assert_eq!(queue.fetch(room, once(4), true).messages, ["ticks only", "news"]);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_piggyback_leaves_the_eager_send_due_and_a_tick_does_not() {
    let room = Room { overhead: 3, limit: 100 };
    for keep in [true, false] {
        let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
        queue.push(Broadcast { fresh: true, ..plain("news") });
        queue.fetch(room, once(4), keep);
        assert_eq!(queue.has_fresh(), keep);
    }
    let mut queue = BroadcastQueue::new(PLENTY, PLENTY);
    queue.push(Broadcast { fresh: true, ..plain("news") });
    queue.forget_fresh();
    assert!(!queue.has_fresh() && queue.len() == 1);
}

#[derive(Clone, Debug)]
enum Op {
    Push { length: usize, name: Option<u8>, fresh: bool },
    Fetch { limit: usize },
    FetchFresh { limit: usize },
    Prune { max: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (1usize..60, proptest::option::of(0u8..4), any::<bool>())
            .prop_map(|(length, name, fresh)| Op::Push { length, name, fresh }),
        (0usize..150).prop_map(|limit| Op::Fetch { limit }),
        (0usize..150).prop_map(|limit| Op::FetchFresh { limit }),
        (0usize..8).prop_map(|max| Op::Prune { max }),
    ]
}

proptest! {
    /// Against a plain list: no message is sent twice in a fetch or more often than allowed,
    /// every waiter is answered exactly once, a name has one slot, the room is kept.
    #[test]
    fn the_queue_keeps_its_books(ops in proptest::collection::vec(op(), 1..80)) {
        let mut queue = BroadcastQueue::new(6, 200);
        let mut waiting = BTreeMap::new();
        let mut sends: BTreeMap<Bytes, u32> = BTreeMap::new();
        let mut number = 0u64;
        let sends_each = Sends { limit: 3, copies: 1 };
        for op in ops {
            let finished = match op {
                Op::Push { length, name, fresh } => {
                    number += 1;
                    let message = format!("{number:04}{}", ".".repeat(length));
                    waiting.insert(Token(number), ());
                    let slot = name.map(|n| Slot { node: n.to_string().into(), intent: None });
                    let waiter = Some(Token(number));
                    queue.push(Broadcast {
 message: message.into(),
 slot,
 waiter,
 fresh,
 transmits: 0,
 })
                }
                Op::Fetch { limit } | Op::FetchFresh { limit } => {
                    let room = Room { overhead: 2, limit };
                    let fetched = match op {
                        Op::Fetch { .. } => queue.fetch(room, sends_each, true),
                        _ => queue.fetch_fresh(room, sends_each),
                    };
                    let cost: usize = fetched.messages.iter().map(|m| m.len() + 2).sum();
                    prop_assert!(cost <= limit || cost == 0);
                    prop_assert_eq!(cost, fetched.used);
                    let mut seen = BTreeSet::new();
                    for message in &fetched.messages {
                        prop_assert!(seen.insert(message.clone()));
                        let count = sends.entry(message.clone()).or_default();
                        *count += 1;
                        prop_assert!(*count <= 3);
                    }
                    fetched.finished
                }
                Op::Prune { max } => {
                    let (_, finished) = queue.prune(max);
                    prop_assert!(queue.len() <= max);
                    finished
                }
            };
            for token in finished {
                prop_assert!(waiting.remove(&token).is_some(), "answered twice: {token:?}");
            }
            prop_assert_eq!(queue.len(), waiting.len());
            prop_assert_eq!(queue.is_empty(), waiting.is_empty());
            let Some(queued) = &queue.queued else { continue };
            prop_assert!(queued.items.len() <= 6 && queued.bytes <= 200);
            let items = || queued.items.values();
            prop_assert_eq!(items().filter(|item| item.slot.is_some()).count(), queued.slots.len());
            prop_assert_eq!(items().filter(|item| item.fresh).count(), queued.fresh.len());
        }
    }
}
