//! Departures: our own, and those that an operator declares. Specification "Gossip wire protocol
//! and behaviour", B12.
//!
//! Our own goes in steps: the intent is broadcast, then the layer below announces the departure,
//! then there is a wait in which probes are still answered. A step that takes too long is a fact,
//! and the leave goes on.

use gossip::{IntentKind, Time, Token};
use wire::NodeName;
use wire::message::serf::{LeaveIntent, SerfMessage};

use super::{Phase, Serf, Timer, Waiting};
use crate::interface::{Error, Fact, Outcome};

impl Serf {
    pub(super) fn start_leave(&mut self, now: Time, caller: Token) {
        match self.phase {
            Phase::Running => {}
            Phase::Leaving => return self.failed(caller, Error::AlreadyLeaving),
            Phase::Left => return self.done(caller, Outcome::Ok),
            Phase::Shutdown => return self.failed(caller, Error::LeaveAfterShutdown),
        }
        self.phase = Phase::Leaving;
        self.leave_waiter = Some(caller);
        self.outputs.extend(self.pipeline.record_leave());
        if !self.declare_leave(now, self.name.clone(), false, Waiting::LeaveIntent) {
            self.announce_leave(now, Ok(()));
        }
    }

    /// The intent is through (or not in time): the layer below is next.
    pub(super) fn announce_leave(&mut self, now: Time, outcome: gossip::Outcome) {
        self.note_late_broadcast(&outcome);
        let timeout = self.config.broadcast_timeout;
        self.ask_gossip(now, Waiting::LeaveAnnounced, gossip::Command::Leave { timeout });
    }

    /// The departure is announced: time for it to get around.
    pub(super) fn leave_announced(&mut self, now: Time, outcome: gossip::Outcome) {
        self.note_late_broadcast(&outcome);
        self.timers.set(Timer::LeavePropagated, now + self.config.leave_propagate_delay);
    }

    pub(super) fn finish_leave(&mut self) {
        self.phase = Phase::Left;
        if let Some(caller) = self.leave_waiter.take() {
            self.done(caller, Outcome::Ok);
        }
    }

    pub(super) fn force_leave(&mut self, now: Time, caller: Token, node: NodeName, prune: bool) {
        if !self.declare_leave(now, node, prune, Waiting::ForceLeave(caller)) {
            self.done(caller, Outcome::Ok);
        }
    }

    /// Says that a member leaves; false if there is nobody to tell.
    fn declare_leave(&mut self, now: Time, node: NodeName, prune: bool, waiting: Waiting) -> bool {
        // Asked before the member counts as leaving: it may be the only other one, and has to hear
        // of it, or it could not refute.
        let somebody_listens = self.table.another_is_alive(&self.name);
        let lamport_time = self.clocks.member.stamp();
        let intent = LeaveIntent { lamport_time, node: node.clone(), prune };
        self.on_leave_intent(now, &intent);
        if !somebody_listens {
            return false;
        }
        let message = SerfMessage::Leave(intent).encode().into();
        let kind = if prune { IntentKind::Prune } else { IntentKind::Leave };
        self.broadcast_intent(now, node, lamport_time, kind, message, Some(waiting));
        true
    }

    /// Told once: what holds one of the two broadcasts up mostly holds the other up as well.
    fn note_late_broadcast(&mut self, outcome: &gossip::Outcome) {
        if outcome.is_err() && !std::mem::replace(&mut self.leave_is_late, true) {
            self.fact(Fact::LeaveBroadcastTimeout);
        }
    }
}
