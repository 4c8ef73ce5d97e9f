//! Lamport clocks.

use wire::LamportTime;
use wire::planted::{Fault, planted};

/// A logical clock: later than everything it has witnessed.
///
/// Saturates at the end of time, so that a forged message cannot turn it back to zero.
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

    /// Moves past `seen`, the time of a message.
    pub(crate) fn witness(&mut self, seen: LamportTime) {
        if seen.0 >= self.0 || planted(Fault::ClockSetBack) {
            self.0 = seen.0.saturating_add(1);
        }
    }

    /// Moves to `peer`, a peer's clock: its next unused time.
    pub(crate) fn witness_clock(&mut self, peer: LamportTime) {
        if planted(Fault::PeerClockWitnessed) {
            return self.witness(peer);
        }
        if let Some(last_used) = peer.0.checked_sub(1) {
            self.witness(LamportTime(last_used));
        }
    }
}

#[cfg(test)]
mod tests;
