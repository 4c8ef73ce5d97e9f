//! How often lines of one kind may be logged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::log::Level;

/// Lines of one kind are at least this far apart.
const APART: Duration = Duration::from_secs(60);

/// Remembers, per kind, the last line and how many were left out since. There have to be few kinds.
#[derive(Default)]
pub struct Limit<K = &'static str> {
    kinds: BTreeMap<K, Kind>,
    /// Lines left out of all kinds that have not been told of.
    owed: u64,
}

struct Kind {
    place: Place,
    last: Instant,
    left_out: u64,
}

/// Where lines of a kind are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Their level.
    pub level: Level,
    /// Who logs them.
    pub component: &'static str,
}

/// What to do with one more line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Log it, and how many were left out before it.
    Log {
        /// How many.
        left_out: u64,
    },
    /// Leave it out.
    Silent,
}

impl<K: Clone + Ord> Limit<K> {
    /// What to do with a line of that kind.
    pub fn judge(&mut self, kind: K, place: Place, now: Instant) -> Verdict {
        let Some(known) = self.kinds.get_mut(&kind) else {
            self.kinds.insert(kind, Kind { place, last: now, left_out: 0 });
            return Verdict::Log { left_out: 0 };
        };
        if known.is_recent(now) {
            known.left_out += 1;
            self.owed += 1;
            return Verdict::Silent;
        }
        let left_out = known.settle(now);
        self.owed -= left_out;
        Verdict::Log { left_out }
    }

    /// Whether lines were left out that nobody has been told of.
    pub fn owes(&self) -> bool {
        self.owed > 0
    }

    /// The kinds whose last line is long enough ago, with how many were left out since; counts as
    /// a line of theirs.
    pub fn settle(&mut self, now: Instant) -> Vec<(K, Place, u64)> {
        let mut settled = Vec::new();
        for (name, kind) in &mut self.kinds {
            if kind.left_out > 0 && !kind.is_recent(now) {
                settled.push((name.clone(), kind.place, kind.settle(now)));
            }
        }
        self.owed -= settled.iter().map(|(.., left_out)| left_out).sum::<u64>();
        settled
    }
}

impl Kind {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < APART
    }

    fn settle(&mut self, now: Instant) -> u64 {
        self.last = now;
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { level: Level::Warn, component: "memberlist" };

    #[test]
    fn what_was_left_out_is_told_with_the_next_line() {
        let (mut limit, start) = (Limit::default(), Instant::now());
        assert_eq!(limit.judge("a", PLACE, start), Verdict::Log { left_out: 0 });
        for second in 1..60 {
            let now = start + Duration::from_secs(second);
            assert_eq!(limit.judge("a", PLACE, now), Verdict::Silent);
        }
        assert_eq!(limit.judge("b", PLACE, start), Verdict::Log { left_out: 0 });
        assert_eq!(limit.judge("a", PLACE, start + APART), Verdict::Log { left_out: 59 });
        assert!(!limit.owes());
        assert_eq!(limit.judge("a", PLACE, start + APART), Verdict::Silent);
    }

    #[test]
    fn what_was_left_out_is_told_without_another_line() {
        let (mut limit, start) = (Limit::default(), Instant::now());
        for _ in 0..3 {
            limit.judge("a", PLACE, start);
        }
        limit.judge("b", PLACE, start);
        assert!(limit.owes());
        assert_eq!(limit.settle(start + APART / 2), []);
        assert_eq!(limit.settle(start + APART), [("a", PLACE, 2)]);
        assert!(!limit.owes());
        assert_eq!(limit.settle(start + 2 * APART), []);
        // That it was told counts as a line.
        assert_eq!(limit.judge("a", PLACE, start + APART), Verdict::Silent);
    }
}
