//! What the layer below reports of members, and their end. Specification "Gossip wire protocol
//! and behaviour", B5 and B13.

use std::sync::Arc;
use std::time::Duration;

use gossip::Time;
use rand::Rng;
use rand::seq::IteratorRandom;
use wire::message::Coordinate;
use wire::message::gossip::{NodeState, State};
use wire::planted::{Fault, planted};
use wire::{LamportTime, NodeName, Versions};

use super::{Serf, Timer, Waiting};
use crate::interface::{Fact, Member, MemberEventKind, MemberStatus};
use crate::limits;
use crate::table::{Entry, IntentDirection};
use crate::vivaldi::distance;

/// Whether a name passes where names are validated.
pub(super) fn is_valid_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    name.len() <= limits::NODE_NAME_BYTES && name.bytes().all(allowed)
}

impl Serf {
    pub(super) fn on_joined(&mut self, now: Time, node: &NodeState) {
        let name = &node.name;
        if self.config.validate_node_names && !is_valid_name(name.as_str()) {
            return self.dropped(format!("the name {:?} is not valid", name.as_str()));
        }
        let known = self.table.get(name.as_str());
        let old_status = known.map(|entry| entry.member.status);
        let gone_since = known.and_then(|entry| entry.gone_since);
        if old_status == Some(MemberStatus::Alive)
            && known.is_some_and(|entry| entry.incarnation == node.incarnation)
        {
            return;
        }
        self.certificates.withdraw(name);
        match old_status {
            None => {
                if self.table.len() >= limits::MEMBERS {
                    self.make_room(now);
                }
                self.insert_member(now, node);
            }
            Some(_) => {
                self.table.set_status(name, MemberStatus::Alive);
                self.timers.cancel(&Timer::Prune(name.clone()));
                self.renew_member(node);
            }
        }
        if old_status == Some(MemberStatus::Failed)
            && gone_since.is_some_and(|since| now.since(since) < self.config.flap_timeout)
        {
            self.fact(Fact::Flapped { name: name.clone() });
        }
        self.gossip.set_user_members(self.table.len());
        self.emit_member_named(now, MemberEventKind::Join, name, false);
    }

    /// A new member; an intent may have come before it.
    fn insert_member(&mut self, now: Time, node: &NodeState) {
        let (intent, status_time) = match self.intents.get(now, node.name.as_str()) {
            None => (IntentDirection::Join, LamportTime(0)),
            // It may have left and come back, with a join of the very time that was guessed for
            // the leave. If not, exchanges go on listing it as left, and its leave, which may have
            // the listed time itself, still counts.
            Some((IntentDirection::ListedLeave, guess)) => {
                (IntentDirection::Join, LamportTime(guess.0.saturating_sub(2)))
            }
            Some(known) => known,
        };
        let status = if intent == IntentDirection::Leave {
            self.repeat_leave(now, &node.name, status_time);
            MemberStatus::Leaving
        } else {
            MemberStatus::Alive
        };
        self.table.insert(Entry {
            member: Member {
                name: node.name.clone(),
                address: node.address,
                port: node.port,
                tags: Arc::new(wire::message::decode_tags(&node.meta)),
                status,
                versions: Versions::from_bytes(&node.versions).unwrap_or_default(),
            },
            status_time,
            intent,
            gone_since: None,
            incarnation: node.incarnation,
        });
    }

    fn renew_member(&mut self, node: &NodeState) {
        let Some(entry) = self.table.get_mut(node.name.as_str()) else { return };
        entry.member.address = node.address;
        entry.member.port = node.port;
        let tags = wire::message::decode_tags(&node.meta);
        if *entry.member.tags != tags {
            entry.member.tags = Arc::new(tags);
        }
        if let Some(versions) = Versions::from_bytes(&node.versions) {
            entry.member.versions = versions;
        }
        entry.incarnation = node.incarnation;
        if entry.member.status == MemberStatus::Alive {
            entry.gone_since = None;
        }
    }

    pub(super) fn on_updated(&mut self, now: Time, node: &NodeState) {
        if self.table.get(node.name.as_str()).is_some() {
            self.renew_member(node);
            self.emit_member_named(now, MemberEventKind::Update, &node.name, false);
        }
    }

    /// Whether it is dead or left for the layer below plays no part: only an intent makes a leave.
    pub(super) fn on_departed(&mut self, now: Time, node: &NodeState) {
        if let Some((incarnation, listed)) = self.intents.passed_over.remove(&node.name)
            && incarnation == node.incarnation
        {
            self.on_listed_leave(now, &node.name, listed);
        }
        let Some(entry) = self.table.get_mut(node.name.as_str()) else { return };
        entry.incarnation = node.incarnation;
        let left = node.state == State::Left && planted(Fault::LeftWithoutIntent);
        let (status, kind) = match entry.member.status {
            MemberStatus::Leaving => (MemberStatus::Left, MemberEventKind::Leave),
            MemberStatus::Alive if left => (MemberStatus::Left, MemberEventKind::Leave),
            MemberStatus::Alive => (MemberStatus::Failed, MemberEventKind::Failed),
            MemberStatus::None | MemberStatus::Left | MemberStatus::Failed => return,
        };
        entry.gone_since = Some(now);
        self.table.set_status(&node.name, status);
        self.emit_member_named(now, kind, &node.name, false);
        if self.timers.is_set(&Timer::Prune(node.name.clone())) {
            // The order to erase it has overtaken the news of its end.
            return self.erase(now, &node.name, true);
        }
        self.arm_reap(now);
        if status == MemberStatus::Failed {
            self.arm_reconnect(now);
        }
    }

    fn emit_member_named(
        &mut self,
        now: Time,
        kind: MemberEventKind,
        name: &NodeName,
        forced: bool,
    ) {
        if let Some(member) = self.member(name.as_str()).cloned() {
            self.emit_member(now, kind, member, forced);
        }
    }

    /// Erases a member that is to be pruned; one that is still leaving gets the time to refute.
    pub(super) fn prune(&mut self, now: Time, name: &NodeName) {
        let Some(entry) = self.table.get(name.as_str()) else { return };
        if entry.member.status == MemberStatus::Leaving {
            let wait = self.config.broadcast_timeout + self.config.leave_propagate_delay;
            self.timers.arm(Timer::Prune(name.clone()), now + wait);
        } else {
            self.erase(now, name, true);
        }
    }

    pub(super) fn prune_leaving(&mut self, now: Time, name: &NodeName) {
        let status = self.member(name.as_str()).map(|member| member.status);
        if status.is_some_and(|status| status != MemberStatus::Alive) {
            self.erase(now, name, true);
        }
    }

    fn erase(&mut self, now: Time, name: &NodeName, forced: bool) {
        if *name == self.name {
            return;
        }
        let Some(entry) = self.table.remove(name) else { return };
        self.intents.passed_over.remove(name);
        self.timers.cancel(&Timer::Prune(name.clone()));
        if let Some(coordinates) = &mut self.coordinates {
            coordinates.forget(name.as_str());
        }
        self.gossip.set_user_members(self.table.len());
        self.certify(now, &entry);
        self.emit_member(now, MemberEventKind::Reap, entry.member, forced);
    }

    /// Keeps third parties with an old view from bringing an erased member back.
    fn certify(&mut self, now: Time, entry: &Entry) {
        let name = &entry.member.name;
        let seen = self.gossip.node(name.as_str()).map(|node| node.incarnation);
        let incarnation = entry.incarnation.max(seen.unwrap_or_default());
        let until = now + self.config.tombstone_timeout;
        let status_time = entry.certain_time();
        let evicted = self.certificates.issue(now, name.clone(), status_time, until);
        if let Some(evicted) = evicted {
            self.gossip.forget_death(evicted.as_str());
        }
        self.gossip.certify_death(name.clone(), incarnation, until);
        self.fact(Fact::Certified { node: name.clone(), incarnation, status_time });
    }

    /// Looks for members to erase when the first of them is due, but not more often than the
    /// interval says.
    pub(super) fn arm_reap(&mut self, now: Time) {
        let next =
            self.table.next_expiry(self.config.reconnect_timeout, self.config.tombstone_timeout);
        if let Some(next) = next {
            // One more nanosecond: members go strictly after their time.
            let due = next + Duration::from_nanos(1);
            self.timers.set_earlier(Timer::Reap, due.max(now + self.config.reap_interval));
        }
    }

    fn make_room(&mut self, now: Time) {
        self.fact(Fact::TableFull);
        for name in self.table.longest_gone(limits::MEMBERS_ERASED) {
            self.erase(now, &name, false);
        }
    }

    pub(super) fn reap(&mut self, now: Time) {
        if planted(Fault::NobodyIsErased) {
            return;
        }
        let (failed_for, left_for) = (self.config.reconnect_timeout, self.config.tombstone_timeout);
        for name in self.table.expired(now, failed_for, left_for) {
            self.erase(now, &name, false);
        }
        self.arm_reap(now);
    }

    /// An interval of zero turns the attempts off.
    fn arm_reconnect(&mut self, now: Time) {
        if !self.config.reconnect_interval.is_zero() {
            self.timers.arm(Timer::Reconnect, now + self.config.reconnect_interval);
        }
    }

    /// Now and then tries one of the failed members, the more often the more of them there are.
    pub(super) fn reconnect(&mut self, now: Time) {
        let failed = self.table.failed().len();
        if failed == 0 || planted(Fault::NeverReconnects) {
            return;
        }
        self.arm_reconnect(now);
        let alive = (self.table.len() - failed - self.table.left().len()).max(1);
        if self.rng.random::<f64>() > failed as f64 / alive as f64 {
            return;
        }
        let Some(name) = self.table.failed().iter().choose(&mut self.rng).cloned() else { return };
        if planted(Fault::ForgottenIsErased) && self.gossip.node(name.as_str()).is_none() {
            return self.erase(now, &name, false);
        }
        let Some(address) = self.member(name.as_str()).and_then(Member::socket_address) else {
            return;
        };
        self.fact(Fact::Reconnecting { name: name.clone(), address });
        let command = gossip::Command::PushPull { to: address, name: Some(name), join: true };
        self.ask_gossip(now, Waiting::Reconnect, command);
    }

    pub(super) fn on_round_trip(&mut self, node: &NodeName, rtt: Duration, payload: Option<&[u8]>) {
        self.intents.passed_over.remove(node);
        let Some(payload) = payload.filter(|payload| !payload.is_empty()) else { return };
        let Some(coordinates) = &mut self.coordinates else { return };
        let before = coordinates.own().coordinate().clone();
        let measured = Coordinate::from_payload(payload)
            .map_err(|error| error.to_string())
            .and_then(|place| {
                let updated = coordinates.update(node, place, rtt, &mut self.rng);
                updated.map_err(|rejection| rejection.to_string())
            });
        match measured {
            Ok(()) => {
                if coordinates.len() > self.table.len() {
                    // Some were erased before they answered.
                    coordinates.retain(|name| self.table.get(name).is_some());
                }
                let by = distance(&before, coordinates.own().coordinate());
                self.fact(Fact::CoordinateMoved { by });
                self.announce_coordinate();
            }
            Err(why) => self.fact(Fact::CoordinateRejected { node: node.clone(), why }),
        }
    }

    /// Acks carry the own coordinate.
    pub(super) fn announce_coordinate(&mut self) {
        let payload = self.coordinates.as_ref().map(|c| c.own().coordinate().to_payload());
        self.gossip.set_ack_payload(payload);
    }
}
