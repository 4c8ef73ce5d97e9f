//! Join and leave intents: what makes a departure a leave. Specification "Gossip wire protocol
//! and behaviour", B6.

use gossip::{IntentKind, Time};
use wire::message::serf::{JoinIntent, LeaveIntent, SerfMessage};

use super::{Phase, Serf, Timer};
use crate::interface::{Fact, MemberEventKind, MemberStatus};
use crate::table::IntentDirection;

impl Serf {
    /// Says that we are here, at the member clock's present time.
    pub(super) fn broadcast_join(&mut self, now: Time) {
        let intent =
            JoinIntent { lamport_time: self.clocks.member.time(), node: self.name.clone() };
        self.on_join_intent(now, &intent);
        let (node, time) = (intent.node.clone(), intent.lamport_time);
        let message = SerfMessage::Join(intent).encode().into();
        self.pass_on_intent(now, node, time, IntentKind::Join, message);
    }

    /// Returns whether the intent is news, to be passed on.
    pub(super) fn on_join_intent(&mut self, now: Time, intent: &JoinIntent) -> bool {
        self.clocks.member.witness(intent.lamport_time);
        let Some(entry) = self.table.get(intent.node.as_str()) else {
            return self.on_strangers_join(now, intent);
        };
        if intent.lamport_time <= entry.status_time {
            return false;
        }
        let leaving = entry.member.status == MemberStatus::Leaving;
        self.table.set_status_time(&intent.node, intent.lamport_time);
        if leaving {
            // The leave before was refuted, and with it an order to erase the member.
            self.table.set_status(&intent.node, MemberStatus::Alive);
            self.timers.cancel(&Timer::Prune(intent.node.clone()));
        }
        true
    }

    fn on_strangers_join(&mut self, now: Time, intent: &JoinIntent) -> bool {
        let name = &intent.node;
        let certified = self.certificates.status_time(now, name.as_str());
        if certified.is_some_and(|until| intent.lamport_time <= until) {
            return false;
        }
        let news = self.intents.put(now, name, IntentDirection::Join, intent.lamport_time);
        if certified.is_some() {
            self.certificates.withdraw(name);
            self.gossip.forget_death(name.as_str());
            // Erased while it was up: the layer below has nothing to report, so nobody else
            // would ever make it visible again.
            if let Some(node) = self.gossip.node(name.as_str()).filter(|node| node.is_live()) {
                let node = node.to_state();
                self.on_joined(now, &node);
            }
        }
        news
    }

    /// Returns whether the intent is to be passed on.
    pub(super) fn on_leave_intent(&mut self, now: Time, intent: &LeaveIntent) -> bool {
        self.clocks.member.witness(intent.lamport_time);
        let name = &intent.node;
        let Some(entry) = self.table.get(name.as_str()) else {
            return self.intents.put(now, name, IntentDirection::Leave, intent.lamport_time);
        };
        if intent.lamport_time <= entry.status_time {
            return false;
        }
        if *name == self.name && self.phase == Phase::Running {
            self.fact(Fact::LeaveRefuted);
            self.broadcast_join(now);
            return false;
        }
        let status = entry.member.status;
        // In every status: otherwise two members pass each other's leaves on for ever.
        self.table.set_status_time(name, intent.lamport_time);
        match status {
            MemberStatus::Alive => self.table.set_status(name, MemberStatus::Leaving),
            MemberStatus::Failed => {
                self.table.set_status(name, MemberStatus::Left);
                if let Some(member) = self.member(name.as_str()).cloned() {
                    self.emit_member(now, MemberEventKind::Leave, member, true);
                }
                self.arm_reap(now);
            }
            MemberStatus::Leaving | MemberStatus::Left => {}
            MemberStatus::None => return false,
        }
        if intent.prune {
            self.prune(now, name);
        }
        true
    }
}
