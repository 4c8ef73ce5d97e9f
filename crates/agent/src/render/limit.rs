//! How often lines of one kind may be logged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lines of one kind are at least this far apart.
const APART: Duration = Duration::from_secs(60);

/// Remembers, per kind, the last line and how many were left out since.
#[derive(Default)]
pub(super) struct Limit {
    kinds: BTreeMap<&'static str, (Instant, u64)>,
}

/// What to do with one more line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Log it, and how many were left out before it.
    Log { left_out: u64 },
    /// Leave it out.
    Silent,
}

impl Limit {
    pub(super) fn judge(&mut self, kind: &'static str, now: Instant) -> Verdict {
        match self.kinds.get_mut(kind) {
            Some((last, left_out)) if now.saturating_duration_since(*last) < APART => {
                *left_out += 1;
                Verdict::Silent
            }
            Some((last, left_out)) => {
                *last = now;
                Verdict::Log { left_out: std::mem::take(left_out) }
            }
            None => {
                self.kinds.insert(kind, (now, 0));
                Verdict::Log { left_out: 0 }
            }
        }
    }
}
