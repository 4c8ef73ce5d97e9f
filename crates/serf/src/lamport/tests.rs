use super::LamportClock;
use crate::limits;
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
        assert!(clock.witness(LamportTime(seen)));
        assert_eq!(clock.time(), LamportTime(time), "after {seen}");
    }
}

#[test]
fn a_peers_clock_is_taken_over_as_it_is() {
    let mut clock = LamportClock::new();
    clock.stamp();
    for (peer, time) in [(0, 2), (1, 2), (100, 100), (99, 100), (100, 100)] {
        assert!(clock.witness_clock(LamportTime(peer)));
        assert_eq!(clock.time(), LamportTime(time), "after {peer}");
    }
}

#[test]
fn nobody_turns_a_clock_to_the_end_of_time() {
    let mut clock = LamportClock::new();
    for absurd in [u64::MAX, limits::CLOCK_TIME, limits::MESSAGE_TIME + limits::TIME_LEAP + 2] {
        assert!(!clock.witness(LamportTime(absurd)));
        assert_eq!(clock, LamportClock::new());
    }
    assert!(!clock.witness_clock(LamportTime(u64::MAX)));
    // The worst that one message does: all go on from there, and who joins can follow.
    assert!(clock.witness(LamportTime(limits::MESSAGE_TIME)));
    let behind = clock;
    for _ in 0..3 {
        let stamp = clock.stamp();
        let mut other = behind;
        assert!(other.witness(stamp));
    }
    let mut joiner = LamportClock::new();
    assert!(!joiner.witness(clock.time()));
    assert!(joiner.witness_clock(clock.time()));
    assert_eq!(joiner, clock);
    assert!(!joiner.witness(LamportTime(clock.time().0 + limits::TIME_LEAP + 1)));
    assert!(joiner.witness(LamportTime(clock.time().0 + limits::TIME_LEAP)));
}

#[test]
fn the_end_of_time_does_not_wrap() {
    let mut clock = LamportClock::new();
    clock.restore(LamportTime(u64::MAX));
    clock.stamp();
    assert_eq!(clock.time(), LamportTime(u64::MAX));
}
