//! The status times of a push/pull.

use std::borrow::Borrow;
use std::fmt;

use crate::LamportTime;

/// Status times by name, in the order of the names. There may be many thousands, which share their
/// memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StatusTimes {
    names: String,
    /// Where each name ends, and its time. It begins where the one before ends.
    times: Vec<(usize, LamportTime)>,
}

impl StatusTimes {
    /// How many names there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// All of them, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, LamportTime)> {
        self.times.iter().scan(0, |start, &(end, time)| {
            let name = &self.names[*start..end];
            *start = end;
            Some((name, time))
        })
    }

    /// The time of that name.
    pub fn get(&self, name: &str) -> Option<LamportTime> {
        let place = |place: usize| {
            let start = place.checked_sub(1).map_or(0, |before| self.times[before].0);
            &self.names[start..self.times[place].0]
        };
        let (mut low, mut high) = (0, self.times.len());
        while low < high {
            let middle = low.midpoint(high);
            match place(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(self.times[middle].1),
            }
        }
        None
    }
}

impl fmt::Debug for StatusTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// In any order; of those of one name the last counts.
impl<N: Borrow<str>> FromIterator<(N, LamportTime)> for StatusTimes {
    fn from_iter<I: IntoIterator<Item = (N, LamportTime)>>(times: I) -> Self {
        let mut listed: Vec<(N, LamportTime)> = times.into_iter().collect();
        if !listed.is_sorted_by(|one, other| one.0.borrow() < other.0.borrow()) {
            listed.reverse();
            listed.sort_by(|one, other| one.0.borrow().cmp(other.0.borrow()));
            listed.dedup_by(|one, other| one.0.borrow() == other.0.borrow());
        }
        let mut all = StatusTimes::default();
        all.times.reserve_exact(listed.len());
        for (name, time) in listed {
            all.names.push_str(name.borrow());
            all.times.push((all.names.len(), time));
        }
        all
    }
}

impl<N: Borrow<str>, const COUNT: usize> From<[(N, LamportTime); COUNT]> for StatusTimes {
    fn from(times: [(N, LamportTime); COUNT]) -> Self {
        times.into_iter().collect()
    }
}
