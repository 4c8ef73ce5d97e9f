//! How long a suspected member has to refute: Lifeguard's dynamic suspicion timeout.

use std::time::Duration;

use wire::planted::{Fault, planted};
use wire::{Incarnation, NodeName};

use crate::{Config, Time};

/// One running suspicion. It starts with the longest timeout; every independent accuser brings
/// the end nearer, logarithmically, down to the shortest.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    started: Time,
    deadline: Time,
    timeouts: Timeouts,
    /// The first accuser, then those that confirmed.
    accusers: Vec<NodeName>,
    reprieved: bool,
}

/// The bounds of a suspicion in a cluster of a certain size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// Confirmations that bring the timeout down to `min`; 0: it starts there.
    pub(crate) confirmations: u32,
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl Timeouts {
    /// For a table of `members` entries in any state (paper: Lifeguard, section IV-B).
    pub(crate) fn new(config: &Config, members: usize) -> Self {
        // With too few members to confirm, waiting for confirmations is in vain.
        let wanted = config.suspicion_mult.saturating_sub(2);
        let others = members.saturating_sub(2);
        let confirmations = if others < wanted as usize { 0 } else { wanted };
        let mut scale = (members.max(1) as f64).log10().max(1.0);
        if planted(Fault::SuspicionUnscaled) {
            scale = 1.0;
        }
        let min = Duration::from_nanos(
            u64::from(config.suspicion_mult)
                .saturating_mul((scale * 1000.0) as u64)
                .saturating_mul(nanos(config.probe_interval))
                / 1000,
        );
        let max = min.saturating_mul(config.suspicion_max_timeout_mult.max(1));
        Timeouts { confirmations, min, max }
    }

    /// The whole timeout once `confirmed` members have confirmed, in whole milliseconds.
    pub(crate) fn after(&self, confirmed: u32) -> Duration {
        if self.confirmations == 0 {
            return self.min;
        }
        if confirmed == 0 {
            return self.max;
        }
        let progress =
            (f64::from(confirmed) + 1.0).ln() / (f64::from(self.confirmations) + 1.0).ln();
        let (min, max) = (self.min.as_secs_f64(), self.max.as_secs_f64());
        let millis = ((max - progress * (max - min)) * 1000.0).floor().max(0.0);
        Duration::from_millis(millis as u64).max(self.min)
    }
}

impl Suspicion {
    pub(crate) fn new(now: Time, timeouts: Timeouts, first_accuser: NodeName) -> Self {
        Suspicion {
            started: now,
            deadline: now + timeouts.after(0),
            timeouts,
            accusers: vec![first_accuser],
            reprieved: false,
        }
    }

    /// A further accusation. True if it is news: a new accuser while confirmations still count.
    pub(crate) fn confirm(&mut self, accuser: &NodeName) -> bool {
        let counted = self.accusers.contains(accuser) && !planted(Fault::AccuserCountsTwice);
        if self.confirmations() >= self.timeouts.confirmations || counted {
            return false;
        }
        self.accusers.push(accuser.clone());
        self.deadline = self.started + self.timeouts.after(self.confirmations());
        true
    }

    /// Whether fewer have confirmed it than it was to wait for.
    pub(crate) fn lacks_confirmations(&self) -> bool {
        self.confirmations() < self.timeouts.confirmations
    }

    /// Once only: puts the end off to `deadline`. For a machine that was itself asleep while the
    /// refutation may have waited in its socket.
    pub(crate) fn reprieve(&mut self, deadline: Time) -> bool {
        let granted = !self.reprieved;
        if granted {
            self.reprieved = true;
            self.deadline = deadline;
        }
        granted
    }

    pub(crate) fn deadline(&self) -> Time {
        self.deadline
    }

    pub(crate) fn started(&self) -> Time {
        self.started
    }

    /// Accusers beyond the first.
    pub(crate) fn confirmations(&self) -> u32 {
        (self.accusers.len() - 1) as u32
    }
}

/// A new incarnation of an accused member: above its own and above the accused one. Saturates,
/// since a number that falls back to zero would never be believed again.
pub(crate) fn refuting(own: Incarnation, accused: Incarnation) -> Incarnation {
    Incarnation(own.0.max(accused.0).saturating_add(1))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
