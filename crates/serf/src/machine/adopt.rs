//! Beginning where a real cluster is after a while.

use std::sync::Arc;

use gossip::Time;
use wire::LamportTime;

use super::Serf;
use crate::interface::Member;
use crate::table::{Entry, IntentDirection};

/// A member as both layers have it, for [`Serf::adopt`].
#[derive(Clone, Debug)]
pub struct Known {
    entry: Arc<Entry>,
    time_len: usize,
    node: gossip::KnownNode,
}

impl Serf {
    /// Takes these for living members that it has known for long: nobody is told, and there are
    /// no events. For worlds that begin converged: what is known of a member is stored once for
    /// all who adopt it, until they know something else of it. The names must differ; own and known
    /// names are passed over.
    pub fn adopt<'a>(&mut self, now: Time, others: impl Iterator<Item = &'a Known> + Clone) {
        self.gossip.adopt(now, others.clone().map(|known| &known.node));
        self.table.adopt(others.map(|known| (&known.entry, known.time_len)));
        self.gossip.set_user_members(self.table.len());
        self.settle(now);
    }

    /// What this member is for those that adopt it.
    pub fn known(&self) -> Known {
        let known = self.gossip.known();
        let node = known.node();
        let entry = Arc::new(Entry {
            member: Member { name: node.name.clone(), ..self.local().clone() },
            status_time: LamportTime(0),
            intent: IntentDirection::Join,
            gone_since: None,
            incarnation: node.incarnation,
        });
        Known { time_len: entry.time_len(), entry, node: known }
    }
}
