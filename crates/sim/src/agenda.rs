//! What is going to happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gossip::Time;

/// Things to come. Those of one instant happen in the order in which they were entered, so that a
/// run depends on nothing but its seed.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// What is sorted is small: when it happens, its number, and where it is kept.
    heap: BinaryHeap<Reverse<(Time, u64, usize)>>,
    things: Vec<Option<T>>,
    vacant: Vec<usize>,
    entered: u64,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Agenda { heap: BinaryHeap::new(), things: Vec::new(), vacant: Vec::new(), entered: 0 }
    }

    pub(crate) fn enter(&mut self, at: Time, what: T) {
        self.entered += 1;
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.things.push(None);
            self.things.len() - 1
        });
        self.things[place] = Some(what);
        self.heap.push(Reverse((at, self.entered, place)));
    }

    pub(crate) fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub(crate) fn next(&mut self) -> Option<(Time, T)> {
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.vacant.push(place);
        Some((at, self.things[place].take()?))
    }
}
