//! What is going to happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gossip::Time;

/// Things to come. Those of one instant happen in the order in which they were entered, so that a
/// run depends on nothing but its seed.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// What is sorted is small: when it happens, its number, and where it is kept, the latter two
    /// in one word.
    heap: BinaryHeap<Reverse<(Time, u64)>>,
    things: Vec<Option<T>>,
    vacant: Vec<usize>,
    entered: u64,
}

/// Bits of a place: more things to come do not fit into memory.
const PLACE_BITS: u32 = 26;

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
        assert!(place < 1 << PLACE_BITS, "there is too much to come");
        self.heap.push(Reverse((at, self.entered << PLACE_BITS | place as u64)));
    }

    pub(crate) fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub(crate) fn next(&mut self) -> Option<(Time, T)> {
        let Reverse((at, entered)) = self.heap.pop()?;
        let place = (entered & ((1 << PLACE_BITS) - 1)) as usize;
        self.vacant.push(place);
        Some((at, self.things[place].take()?))
    }
}
