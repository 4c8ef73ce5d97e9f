//! Join and leave intents: what makes a departure a leave. Specification "Gossip wire protocol
//! and behaviour", B6.

use gossip::{IntentKind, Time};
use wire::message::serf::{JoinIntent, LeaveIntent, SerfMessage};
use wire::planted::{Fault, planted};
use wire::{LamportTime, NodeName};

use super::{Phase, Serf, Timer};
use crate::interface::{Fact, MemberEventKind, MemberStatus};
use crate::table::{Entry, IntentDirection};

/// Whose word a join is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Its intent, which only the member itself makes.
    ItsOwn,
    /// A third party lists the time. It may be that of a leave, of a member that an old view has
    /// brought back there, so that it is no reason to let the dead rise.
    Listed,
}

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
        self.on_join(now, intent, Word::ItsOwn)
    }

    fn on_join(&mut self, now: Time, intent: &JoinIntent, word: Word) -> bool {
        if !self.clocks.member.witness(intent.lamport_time) {
            self.dropped_as_absurd(intent.lamport_time);
            return false;
        }
        let Some(entry) = self.table.get(intent.node.as_str()) else {
            return self.on_strangers_join(now, intent, word);
        };
        let (direction, time) = (IntentDirection::Join, intent.lamport_time);
        if !entry.intent.gives_way(entry.status_time, direction, time) {
            return false;
        }
        let leaving = entry.member.status == MemberStatus::Leaving;
        self.table.set_intent(&intent.node, direction, time);
        if leaving {
            // The leave before was refuted, and with it an order to erase the member.
            self.table.set_status(&intent.node, MemberStatus::Alive);
            self.timers.cancel(&Timer::Prune(intent.node.clone()));
        }
        true
    }

    /// Passes on once more a leave from before its member was known here: the member was out of
    /// reach then, has perhaps never heard of it, and is to refute it if it is not its own.
    pub(super) fn repeat_leave(&mut self, now: Time, node: &NodeName, lamport_time: LamportTime) {
        let leave = LeaveIntent { lamport_time, node: node.clone(), prune: false };
        let message = SerfMessage::Leave(leave).encode().into();
        self.pass_on_intent(now, node.clone(), lamport_time, IntentKind::Leave, message);
    }

    fn on_strangers_join(&mut self, now: Time, intent: &JoinIntent, word: Word) -> bool {
        let name = &intent.node;
        let certified = self.certificates.status_time(now, name.as_str());
        if certified.is_some_and(|until| intent.lamport_time <= until) {
            return false;
        }
        let news = self.intents.put(now, name, IntentDirection::Join, intent.lamport_time);
        // Erased while it was up: the layer below has nothing to report, so nobody else would
        // ever make it visible again.
        let node = self.gossip.node(name.as_str()).filter(|node| node.is_live());
        let node = node.map(gossip::Node::to_state);
        if certified.is_some() && (word == Word::ItsOwn || node.is_some()) {
            self.certificates.withdraw(name);
            self.gossip.forget_death(name.as_str());
            if let Some(node) = node {
                self.on_joined(now, &node);
            }
        }
        news
    }

    /// Returns whether the intent is to be passed on.
    pub(super) fn on_leave_intent(&mut self, now: Time, intent: &LeaveIntent) -> bool {
        self.on_leave(now, intent, IntentDirection::Leave)
    }

    /// A push/pull lists that member as left.
    pub(super) fn on_listed_leave(
        &mut self,
        now: Time,
        node: &NodeName,
        listed: Option<LamportTime>,
    ) {
        let lamport_time = self.implied_leave_time(now, node, listed);
        let leave = LeaveIntent { lamport_time, node: node.clone(), prune: false };
        self.on_leave(now, &leave, IntentDirection::ListedLeave);
    }

    /// The time of a leave that a push/pull only lists by name: unknown, but after its join. Of a
    /// leave that we know of already the listed time is news only if it is later.
    fn implied_leave_time(
        &self,
        now: Time,
        node: &NodeName,
        listed: Option<LamportTime>,
    ) -> LamportTime {
        let listed = listed.unwrap_or_default();
        let known = match self.table.get(node.as_str()) {
            Some(entry) => {
                matches!(entry.member.status, MemberStatus::Leaving | MemberStatus::Left)
            }
            // Its own word, which a guess must not replace.
            None => self.intents.get(now, node.as_str()).is_some_and(|(direction, time)| {
                direction == IntentDirection::Leave && time >= listed
            }),
        };
        if known || planted(Fault::StatusTimesFirst) {
            listed
        } else {
            LamportTime(listed.0.saturating_add(1))
        }
    }

    /// A push/pull tells a status time. What is known of that time already, perhaps as a guess,
    /// is known from the same kind of source. The names come in their order, and `place` is what
    /// [`Table::get_next`](crate::table::Table::get_next) has left in it.
    pub(super) fn on_listed_time(
        &mut self,
        now: Time,
        node: &str,
        time: LamportTime,
        place: &mut usize,
    ) {
        let entry = self.table.get_next(node, place);
        let known = match entry {
            Some(entry) => Some(entry.status_time),
            None => self.intents.get(now, node).map(|(_, time)| time),
        };
        let doubtful = entry.is_some_and(|entry| self.is_refuted_guess(entry));
        if known != Some(time) || doubtful || !self.clocks.member.witness(time) {
            let join = JoinIntent { lamport_time: time, node: node.into() };
            self.on_join(now, &join, Word::Listed);
        }
    }

    /// Whether a leave was guessed of a member that is there in a new incarnation: who leaves
    /// refutes nothing any more, so that it has come back since, and its join may have the very
    /// time.
    fn is_refuted_guess(&self, entry: &Entry) -> bool {
        let below = || self.gossip.node(entry.member.name.as_str());
        entry.intent == IntentDirection::ListedLeave
            && below().is_some_and(|node| node.is_live() && node.incarnation > entry.incarnation)
    }

    fn on_leave(&mut self, now: Time, intent: &LeaveIntent, direction: IntentDirection) -> bool {
        if !self.clocks.member.witness(intent.lamport_time) {
            self.dropped_as_absurd(intent.lamport_time);
            return false;
        }
        let name = &intent.node;
        let Some(entry) = self.table.get(name.as_str()) else {
            // The leave that erased the member, once more: it is done.
            let certified = self.certificates.status_time(now, name.as_str());
            if certified.is_some_and(|until| intent.lamport_time <= until) {
                return false;
            }
            return self.intents.put(now, name, direction, intent.lamport_time);
        };
        let about_us = *name == self.name && self.phase == Phase::Running;
        // A leave of the time of our own join is not ours. Who knows that leave alone is told the
        // time of the join by exchanges, and cannot tell one from the other.
        let doubtful = about_us
            && direction == IntentDirection::Leave
            && intent.lamport_time == entry.status_time;
        if intent.lamport_time <= entry.status_time && !doubtful {
            return false;
        }
        if about_us {
            self.fact(Fact::LeaveRefuted);
            self.broadcast_join(now);
            return false;
        }
        let status = entry.member.status;
        // In every status: otherwise two members pass each other's leaves on for ever.
        let gone = matches!(status, MemberStatus::Leaving | MemberStatus::Left);
        if !(gone && planted(Fault::LeaveTimeKept)) {
            self.table.set_intent(name, direction, intent.lamport_time);
        }
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
