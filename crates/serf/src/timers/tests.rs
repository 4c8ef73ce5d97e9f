use super::Timers;
use gossip::Time;

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

#[test]
fn expires_in_order_and_once() {
    let mut timers = Timers::new();
    timers.set("b", at(20));
    timers.set("a", at(30));
    timers.arm("b", at(5));
    assert_eq!(timers.next(), Some(at(20)));
    assert_eq!(timers.expired(at(19)), None);
    assert_eq!(timers.expired(at(30)), Some("b"));
    assert_eq!(timers.expired(at(30)), Some("a"));
    assert_eq!(timers.expired(at(30)), None);
    assert_eq!(timers.next(), None);
}

#[test]
fn moves_and_cancels() {
    let mut timers = Timers::new();
    timers.set("a", at(10));
    timers.set("a", at(20));
    assert_eq!(timers.next(), Some(at(20)));
    timers.cancel(&"a");
    timers.cancel(&"a");
    assert_eq!(timers.expired(at(99)), None);
}
