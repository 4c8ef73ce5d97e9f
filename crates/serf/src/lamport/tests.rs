use super::LamportClock;
use wire::LamportTime;

#[test]
fn a_stamp_is_the_time_before_the_step() {
    let mut clock = LamportClock::new();
    assert_eq!(clock.stamp(), LamportTime(1));
    assert_eq!(clock.time(), LamportTime(2));
}

#[test]
fn witnessing_moves_past_what_was_seen_and_never_back() {
    let mut clock = LamportClock::new();
    for (seen, time) in [(0, 1), (1, 2), (5, 6), (5, 6), (3, 6), (6, 7)] {
        clock.witness(LamportTime(seen));
        assert_eq!(clock.time(), LamportTime(time), "after {seen}");
    }
}

#[test]
fn a_peers_clock_is_taken_over_as_it_is() {
    let mut clock = LamportClock::new();
    clock.stamp();
    for (peer, time) in [(0, 2), (1, 2), (100, 100), (99, 100), (100, 100)] {
        clock.witness_clock(LamportTime(peer));
        assert_eq!(clock.time(), LamportTime(time), "after {peer}");
    }
}

#[test]
fn the_end_of_time_does_not_wrap() {
    let mut clock = LamportClock::new();
    clock.witness(LamportTime(u64::MAX));
    clock.stamp();
    assert_eq!(clock.time(), LamportTime(u64::MAX));
}
