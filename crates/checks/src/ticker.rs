//! When the next run is due.

use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use crate::limits::FOREVER;

/// When the next run of a check is due: the first one somewhere in its first interval, so that an
/// agent with many checks does not run them all at once; each further one an interval after the
/// one before has ended, so that runs never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticker {
    interval: Duration,
    due: Instant,
}

impl Ticker {
    /// The shortest interval; shorter ones are raised to it.
    pub const MIN_INTERVAL: Duration = Duration::from_secs(1);

    /// For a check that is registered `now`.
    #[must_use]
    pub fn new(now: Instant, interval: Duration, generator: &mut impl Rng) -> Ticker {
        let interval = interval.clamp(Ticker::MIN_INTERVAL, FOREVER);
        Ticker { interval, due: now + generator.random_range(Duration::ZERO..interval) }
    }

    /// When to run next.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// A run has ended.
    pub fn completed(&mut self, now: Instant) {
        self.due = now + self.interval;
    }
}

#[cfg(test)]
mod tests;
