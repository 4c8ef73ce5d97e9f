//! Lamport clocks.

use wire::LamportTime;
use wire::planted::{Fault, planted};

use crate::limits;

/// A logical clock: later than everything it has witnessed.
///
/// A forged message cannot move it to the end of time, where it would stand still, nor turn it back
/// to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LamportClock(u64);

impl LamportClock {
    /// At 1, so that the default status time 0 is older than everything.
    pub(crate) fn new() -> Self {
        LamportClock(1)
    }

    /// The next unused time.
    pub(crate) fn time(self) -> LamportTime {
        LamportTime(self.0)
    }

    /// Takes the next unused time.
    pub(crate) fn stamp(&mut self) -> LamportTime {
        let stamp = self.time();
        self.0 = self.0.saturating_add(1);
        stamp
    }

    /// Moves past `seen`, the time of a message. False, and nothing has happened, if no cluster has
    /// come to that time.
    #[must_use]
    pub(crate) fn witness(&mut self, seen: LamportTime) -> bool {
        self.advance(seen, limits::MESSAGE_TIME)
    }

    /// Moves to `peer`, a peer's clock: its next unused time. Otherwise as [`Self::witness`].
    #[must_use]
    pub(crate) fn witness_clock(&mut self, peer: LamportTime) -> bool {
        if planted(Fault::PeerClockWitnessed) {
            return self.witness(peer);
        }
        match peer.0.checked_sub(1) {
            Some(last_used) => self.advance(LamportTime(last_used), limits::CLOCK_TIME),
            None => true,
        }
    }

    /// Moves past `last`, which was our own.
    pub(crate) fn restore(&mut self, last: LamportTime) {
        let _ = self.advance(last, u64::MAX);
    }

    fn advance(&mut self, seen: LamportTime, ceiling: u64) -> bool {
        if seen.0 > ceiling && seen.0 - seen.0.min(self.0) > limits::TIME_LEAP {
            return false;
        }
        if seen.0 >= self.0 || planted(Fault::ClockSetBack) {
            self.0 = seen.0.saturating_add(1);
        }
        true
    }
}

#[cfg(test)]
mod tests;
