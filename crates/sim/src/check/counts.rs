//! What a run has seen: a run in which nothing happened proves nothing.

use serf::{Event, Fact};

use crate::observation::{Observation, What};

/// Gives a struct of numbers their names, and sums.
macro_rules! counters {
    ($counts:ty { $($name:ident,)* }) => {
        impl $counts {
            /// The counters by name.
            pub fn named(&self) -> impl Iterator<Item = (String, u64)> {
                [$((stringify!($name).replace('_', " "), self.$name)),*].into_iter()
            }

            /// Adds those of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}
pub(crate) use counters;

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Suspicions begun.
    pub suspicions: u64,
    /// Verdicts given and heard of.
    pub deaths: u64,
    /// Accusations refuted by the accused.
    pub refutes: u64,
    /// Suspicions that the accused ended in time.
    pub cleared: u64,
    /// Verdicts put off because the judge was late itself.
    pub put_off: u64,
    /// Exchanges refused or failed.
    pub failed_exchanges: u64,
    /// Resurrections held up by a certificate.
    pub held_up: u64,
    /// Members erased.
    pub erased: u64,
    /// Names claimed by two.
    pub conflicts: u64,
    /// Votes on names.
    pub votes: u64,
    /// Attempts to reach failed members.
    pub reconnects: u64,
    /// Rejoins from snapshots that found somebody.
    pub rejoins: u64,
    /// Datagrams, or parts of them, dropped as unreadable.
    pub dropped: u64,
    /// User events taken in.
    pub events: u64,
    /// Queries taken in.
    pub queries: u64,
    /// Leaves of ourselves that are not ours, answered.
    pub leaves_refuted: u64,
    /// Acquisitions of the floating role.
    pub takeovers: u64,
    /// Releases of the floating role.
    pub releases: u64,
    /// Acquisitions while another member held it.
    pub two_holders: u64,
    /// Holders that found out that they had been paused.
    pub doubts: u64,
}

impl Counts {
    pub(crate) fn see(&mut self, seen: &[Observation]) {
        for observation in seen {
            match &observation.what {
                What::Fact(fact) => self.fact(fact),
                What::Event(Event::Query { .. }) => self.queries += 1,
                What::TwoHolders => self.two_holders += 1,
                What::Role(role::Fact::Acquired { .. }) => self.takeovers += 1,
                What::Role(role::Fact::Released { .. }) => self.releases += 1,
                What::Role(role::Fact::Paused { .. }) => self.doubts += 1,
                _ => {}
            }
        }
    }

    fn fact(&mut self, fact: &Fact) {
        use gossip::Fact as Gossip;
        let count = match fact {
            Fact::Gossip(Gossip::Suspected { .. }) => &mut self.suspicions,
            Fact::Gossip(Gossip::Died { .. }) => &mut self.deaths,
            Fact::Gossip(Gossip::Refuted { .. }) => &mut self.refutes,
            Fact::Gossip(Gossip::Cleared { .. }) => &mut self.cleared,
            Fact::Gossip(Gossip::VerdictPutOff { .. }) => &mut self.put_off,
            Fact::Gossip(Gossip::PushPullFailed { .. } | Gossip::MergeRefused { .. }) => {
                &mut self.failed_exchanges
            }
            Fact::Gossip(Gossip::ResurrectionIgnored { .. }) => &mut self.held_up,
            Fact::Gossip(Gossip::PacketDropped { .. }) => &mut self.dropped,
            Fact::Certified { .. } => &mut self.erased,
            Fact::NameConflict { .. } => &mut self.conflicts,
            Fact::ConflictVote { .. } => &mut self.votes,
            Fact::Reconnecting { .. } => &mut self.reconnects,
            Fact::Rejoined { .. } => &mut self.rejoins,
            Fact::UserEvent { .. } => &mut self.events,
            Fact::LeaveRefuted => &mut self.leaves_refuted,
            _ => return,
        };
        *count += 1;
    }
}

counters!(Counts {
    suspicions,
    deaths,
    refutes,
    cleared,
    put_off,
    failed_exchanges,
    held_up,
    erased,
    conflicts,
    votes,
    reconnects,
    rejoins,
    dropped,
    events,
    queries,
    leaves_refuted,
    takeovers,
    releases,
    two_holders,
    doubts,
});
