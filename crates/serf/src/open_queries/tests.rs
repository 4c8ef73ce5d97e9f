use gossip::Time;
use wire::{Address, LamportTime};

use super::{OpenQueries, OpenQuery};
use crate::interface::QueryId;
use crate::limits;

fn query(deadline: u64) -> OpenQuery {
    OpenQuery {
        deadline: Time::from_nanos(deadline),
        address: Address::default(),
        port: 0,
        source_node: String::new(),
        relay_factor: 0,
        answered: false,
    }
}

fn id(time: u64) -> QueryId {
    QueryId { lamport_time: LamportTime(time), id: 7 }
}

#[test]
fn goes_after_its_deadline() {
    let mut open = OpenQueries::default();
    open.insert(Time::ZERO, id(1), query(10));
    open.insert(Time::from_nanos(10), id(2), query(20));
    assert!(open.get_mut(&id(1)).is_some());
    open.insert(Time::from_nanos(11), id(3), query(20));
    assert!(open.get_mut(&id(1)).is_none());
    assert!(open.get_mut(&id(2)).is_some());
}

#[test]
fn is_bounded_and_keeps_its_indexes_in_step() {
    let mut open = OpenQueries::default();
    for time in 0..2 * limits::OPEN_QUERIES as u64 {
        open.insert(Time::ZERO, id(time), query(u64::MAX));
        open.insert(Time::ZERO, id(time), query(u64::MAX - 1));
    }
    assert!(open.by_id.len() <= limits::OPEN_QUERIES);
    assert_eq!(open.by_id.len(), open.by_deadline.len());
    assert!(open.get_mut(&id(0)).is_none());
}
