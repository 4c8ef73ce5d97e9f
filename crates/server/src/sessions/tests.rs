use catalog::Uuid;

use super::*;

fn id(number: u8) -> SessionId {
    Uuid::from_bytes([number; 16])
}

#[test]
fn the_first_end_is_known_whatever_is_renewed() {
    let now = Instant::now();
    let after = |seconds| now + Duration::from_secs(seconds);
    let mut ends = Ends::default();
    assert!(ends.set(id(1), after(20)));
    assert!(ends.set(id(2), after(10)));
    assert!(!ends.set(id(2), after(30)), "a renewal makes nothing sooner");
    assert_eq!(ends.first(), Some((after(20), id(1))));
    ends.forget(id(1));
    assert_eq!(ends.first(), Some((after(30), id(2))));
    ends.forget(id(2));
    assert_eq!((ends.first(), ends.by_session.len()), (None, 0));
}

#[test]
fn what_the_state_does_not_have_is_forgotten() {
    let mut ends = Ends::default();
    ends.set(id(1), Instant::now());
    ends.follow(&Snapshot::default(), Instant::now());
    assert_eq!(ends.first(), None);
}
