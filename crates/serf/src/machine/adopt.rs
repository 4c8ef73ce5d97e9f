//! Beginning where a real cluster is after a while.

use gossip::Time;
use wire::LamportTime;

use super::Serf;
use crate::interface::Member;
use crate::table::{Entry, IntentDirection};

/// A member as both layers have it, for [`Serf::adopt`].
#[derive(Clone, Debug)]
pub struct Known {
    member: Member,
    node: gossip::Node,
}

impl Serf {
    /// Takes these for living members that it has known for long: nobody is told, and there are
    /// no events. For worlds that begin converged.
    pub fn adopt<'a>(&mut self, now: Time, others: impl Iterator<Item = &'a Known> + Clone) {
        self.gossip.adopt(now, others.clone().map(|known| &known.node));
        for Known { member, node } in others {
            if self.table.get(member.name.as_str()).is_none() {
                self.table.insert(Entry {
                    member: member.clone(),
                    status_time: LamportTime(0),
                    intent: IntentDirection::Join,
                    gone_since: None,
                    incarnation: node.incarnation,
                });
            }
        }
        self.gossip.set_user_members(self.table.len());
        self.settle(now);
    }

    /// What this member is for one that adopts it.
    pub fn known(&self) -> Known {
        Known { member: self.local().clone(), node: self.gossip.local().clone() }
    }
}
