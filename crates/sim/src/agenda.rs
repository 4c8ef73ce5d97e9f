//! What is going to happen, in order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use gossip::Time;

use crate::HostId;

/// Things to come. Those of one instant happen in the order in which they were entered, so that a
/// run depends on nothing but its seed.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// What comes in the present stretch of time, which is little.
    soon: BinaryHeap<Entry>,
    present: u64,
    /// What comes later, by stretch, not yet sorted.
    later: BTreeMap<u64, Vec<Entry>>,
    things: Vec<Option<T>>,
    vacant: Vec<usize>,
    entered: u64,
}

/// What is sorted is small: when it happens, and in one word its number and what it is.
type Entry = Reverse<(Time, u64)>;

/// What an entry stands for.
#[derive(Debug, PartialEq)]
pub(crate) enum Next<T> {
    /// A host may have something to do: most of what is entered, and nothing else need be kept.
    Wake(HostId),
    /// Anything else.
    Thing(T),
}

/// Bits of a place or a host: more things to come do not fit into memory.
const PLACE_BITS: u32 = 25;

/// Beside them, whether it is a host.
const IS_HOST: u64 = 1 << PLACE_BITS;

/// A stretch are 2 to the power of this nanoseconds: a millisecond.
const STRETCH_BITS: u32 = 20;

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Agenda {
            soon: BinaryHeap::new(),
            present: 0,
            later: BTreeMap::new(),
            things: Vec::new(),
            vacant: Vec::new(),
            entered: 0,
        }
    }

    pub(crate) fn enter(&mut self, at: Time, what: T) {
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.things.push(None);
            self.things.len() - 1
        });
        self.things[place] = Some(what);
        self.sort_in(at, place, 0);
    }

    pub(crate) fn enter_wake(&mut self, at: Time, host: HostId) {
        self.sort_in(at, host.0, IS_HOST);
    }

    fn sort_in(&mut self, at: Time, place: usize, kind: u64) {
        assert!(place < 1 << PLACE_BITS, "there is too much to come");
        self.entered += 1;
        let entry = Reverse((at, self.entered << (PLACE_BITS + 1) | kind | place as u64));
        let stretch = at.as_nanos() >> STRETCH_BITS;
        if stretch <= self.present {
            self.soon.push(entry);
        } else {
            self.later.entry(stretch).or_default().push(entry);
        }
    }

    fn next_at(&mut self) -> Option<Time> {
        if self.soon.is_empty() {
            let (stretch, entries) = self.later.pop_first()?;
            self.present = stretch;
            self.soon = entries.into();
        }
        self.soon.peek().map(|Reverse((at, _))| *at)
    }

    /// What is next, if it comes before `until`.
    pub(crate) fn next_before(&mut self, until: Time) -> Option<(Time, Next<T>)> {
        self.next_at().filter(|at| *at < until)?;
        let Reverse((at, entry)) = self.soon.pop()?;
        let place = (entry & (IS_HOST - 1)) as usize;
        if entry & IS_HOST != 0 {
            return Some((at, Next::Wake(HostId(place))));
        }
        self.vacant.push(place);
        Some((at, Next::Thing(self.things[place].take()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_in_their_order_and_those_of_one_instant_as_they_were_entered() {
        let mut agenda = Agenda::new();
        let at = |milliseconds: u64| Time::from_nanos(milliseconds * 1_000_000);
        for (number, time) in [5000, 3, 7, 3, 5000, 0, 7].into_iter().enumerate() {
            if number % 2 == 0 {
                agenda.enter(at(time), number);
            } else {
                agenda.enter_wake(at(time), HostId(number));
            }
        }
        let mut seen = Vec::new();
        while let Some((time, next)) = agenda.next_before(at(5001)) {
            if seen.len() == 3 {
                // What is entered for a time that has come is next.
                agenda.enter(at(1), 100);
            }
            seen.push(match next {
                Next::Wake(HostId(number)) | Next::Thing(number) => (time, number),
            });
        }
        let expected = [(0, 5), (3, 1), (3, 3), (7, 2), (1, 100), (7, 6), (5000, 0), (5000, 4)];
        assert_eq!(seen, expected.map(|(time, number)| (at(time), number)));
        agenda.enter(at(6000), 7);
        assert_eq!(agenda.next_before(at(6000)), None);
        assert_eq!(agenda.next_at(), Some(at(6000)));
    }
}
