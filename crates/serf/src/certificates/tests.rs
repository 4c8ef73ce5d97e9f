use super::Certificates;
use crate::limits;
use gossip::Time;
use wire::LamportTime;

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

#[test]
fn holds_until_it_expires_or_is_withdrawn() {
    let mut certificates = Certificates::default();
    certificates.issue(at(0), "a".into(), LamportTime(5), at(100));
    certificates.issue(at(0), "b".into(), LamportTime(6), at(100));
    assert_eq!(certificates.status_time(at(99), "a"), Some(LamportTime(5)));
    assert_eq!(certificates.status_time(at(100), "a"), None);
    certificates.withdraw(&"b".into());
    assert_eq!(certificates.status_time(at(0), "b"), None);
    certificates.issue(at(0), "a".into(), LamportTime(9), at(200));
    assert_eq!(certificates.status_time(at(150), "a"), Some(LamportTime(9)));
    assert_eq!(certificates.by_expiry.len(), 1);
}

#[test]
fn is_bounded_and_gives_up_the_one_that_expires_first() {
    let mut certificates = Certificates::default();
    for index in 0..limits::CERTIFICATES as u64 {
        let name = format!("n{index}").into();
        assert_eq!(certificates.issue(at(0), name, LamportTime(1), at(1000 + index)), None);
    }
    let evicted = certificates.issue(at(0), "last".into(), LamportTime(1), at(9_999_999));
    assert_eq!(evicted, Some("n0".into()));
    assert_eq!(certificates.by_name.len(), limits::CERTIFICATES);
    assert_eq!(certificates.by_expiry.len(), limits::CERTIFICATES);
}
