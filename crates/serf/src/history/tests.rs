use proptest::prelude::*;
use wire::LamportTime;
use wire::message::serf::{BufferedEvent, SerfMessage, SerfPushPull};

use super::{EventHistory, QueryHistory, Verdict};
use crate::limits;

fn event(name: &str, payload: &'static str) -> BufferedEvent {
    BufferedEvent { name: name.into(), payload: Some(payload.into()) }
}

fn events(size: usize) -> EventHistory {
    EventHistory::new(size, LamportTime(0))
}

#[test]
fn the_recorded_edges_of_the_window() {
    let mut history = events(512);
    let mut see = |time| history.see(LamportTime(time), &event("e", ""), LamportTime(1001));
    assert_eq!(see(488), Verdict::Old);
    assert_eq!(see(489), Verdict::Fresh);
    let mut queries = QueryHistory::new(512, LamportTime(0));
    assert_eq!(queries.see(LamportTime(88), 1, LamportTime(601)), Verdict::Old);
    assert_eq!(queries.see(LamportTime(89), 1, LamportTime(601)), Verdict::Fresh);
}

#[test]
fn before_the_ring_is_full_once_nothing_is_too_old() {
    let mut history = events(512);
    assert_eq!(history.see(LamportTime(0), &event("e", ""), LamportTime(512)), Verdict::Fresh);
}

#[test]
fn name_and_payload_make_an_event() {
    let mut history = events(512);
    let mut see = |e: &BufferedEvent| history.see(LamportTime(7), e, LamportTime(8));
    assert_eq!(see(&event("a", "x")), Verdict::Fresh);
    assert_eq!(see(&event("a", "x")), Verdict::Repeated);
    assert_eq!(see(&event("a", "y")), Verdict::Fresh, "two events may share a time");
    assert_eq!(see(&event("b", "x")), Verdict::Fresh);
    assert_eq!(see(&event("a", "y")), Verdict::Repeated);
}

#[test]
fn another_time_takes_the_slot() {
    let mut history = events(4);
    assert_eq!(history.see(LamportTime(1), &event("a", ""), LamportTime(2)), Verdict::Fresh);
    assert_eq!(history.see(LamportTime(5), &event("a", ""), LamportTime(6)), Verdict::Fresh);
    let slots = history.to_slots();
    assert_eq!(slots.len(), 4);
    assert_eq!(slots.iter().flatten().map(|s| s.lamport_time.0).collect::<Vec<_>>(), [5]);
    assert_eq!(history.bytes, 1 + limits::EVENT_OVERHEAD_BYTES);
}

#[test]
fn the_minimum_never_falls() {
    let mut history = EventHistory::new(512, LamportTime(10));
    history.raise_minimum(LamportTime(5));
    assert_eq!(history.see(LamportTime(9), &event("a", ""), LamportTime(20)), Verdict::Old);
    assert_eq!(history.see(LamportTime(10), &event("a", ""), LamportTime(20)), Verdict::Fresh);
}

#[test]
fn memory_is_bounded() {
    let mut history = events(512);
    let big = BufferedEvent { name: String::new(), payload: Some(vec![0; 60_000].into()) };
    let taken = (0..600)
        .filter(|&t| {
            let named = BufferedEvent { name: format!("{t}"), ..big.clone() };
            history.see(LamportTime(t % 500), &named, LamportTime(500)) == Verdict::Fresh
        })
        .count();
    assert!((200..300).contains(&taken), "{taken}");
    assert!(history.bytes <= limits::EVENT_BUFFER_BYTES);

    // Small ones are not reckoned smaller than they are in a push/pull, which has a largest size.
    let encoded = |count: usize| {
        let mut history = events(1);
        for number in 0..count {
            history.see(LamportTime(1), &event(&number.to_string(), ""), LamportTime(1));
        }
        let slots = Some(history.to_slots());
        let state = SerfPushPull { events: slots, ..SerfPushPull::default() };
        (SerfMessage::PushPull(state).encode().len(), history.bytes)
    };
    let ((none, _), (many, reckoned)) = (encoded(0), encoded(500));
    assert!(many - none <= reckoned, "{many} {reckoned}");

    let mut queries = QueryHistory::new(512, LamportTime(0));
    let ids = 0..2 * limits::QUERIES_PER_TIME as u32;
    let fresh = ids.filter(|&id| queries.see(LamportTime(1), id, LamportTime(2)) == Verdict::Fresh);
    assert_eq!(fresh.count(), limits::QUERIES_PER_TIME);
}

proptest! {
    #[test]
    fn nothing_is_fresh_twice_within_the_window(
        times in proptest::collection::vec((0u64..40, 0u8..3), 1..80),
    ) {
        let mut history = events(16);
        let mut clock = LamportTime(1);
        let mut fresh = std::collections::BTreeSet::new();
        for (time, name) in times {
            clock = clock.max(LamportTime(time + 1));
            let event = BufferedEvent { name: name.to_string(), payload: None };
            let within = time + 16 >= clock.0;
            let verdict = history.see(LamportTime(time), &event, clock);
            prop_assert_eq!(verdict == Verdict::Old, !within);
            if verdict == Verdict::Repeated {
                prop_assert!(fresh.contains(&(time, name)));
            }
            fresh.insert((time, name));
        }
    }
}
