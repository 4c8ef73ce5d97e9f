//! What is believed of whom, and on whose word: the rules of alive, suspect, dead and of
//! refutation (specification A10).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use wire::message::gossip::{Alive, BorrowedNodeState, Dead, Message, NodeState, State, Suspect};
use wire::planted::{Fault, planted};
use wire::{Incarnation, NodeName, Versions};

use crate::broadcasts::Urgency;
use crate::interface::{Claim, Event, Fact, Token};
use crate::member_table::Slot;
use crate::suspicion::{Suspicion, Timeouts, refuting};
use crate::{Membership, Node, Time, limits, versions};

/// How a message came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// We say it ourselves.
    Own,
    /// By a packet.
    Packet,
    /// In a state exchange that we were asked for.
    Asked {
        /// Whether it is what the joiner says of itself, which no death certificate holds up.
        joiner: bool,
    },
    /// In the answer to the first exchange of a joiner who has known nobody else, or to one after a
    /// crowd: whoever answers has told others, and we have nobody else to tell.
    Door,
    /// In the answer to our own exchange.
    Answer {
        /// Whether we have just joined, so that it is news to hardly anybody but us.
        joining: bool,
    },
}

impl Membership {
    /// Makes and spreads our own alive.
    pub(crate) fn announce(
        &mut self,
        now: Time,
        incarnation: Incarnation,
        meta: Bytes,
        waiter: Option<Token>,
    ) {
        let alive = self.own_alive(incarnation, meta);
        if self.leaving {
            self.finish(Vec::from_iter(waiter));
            return;
        }
        self.take_alive(now, self.local, &alive, Origin::Own, waiter);
    }

    /// Makes and spreads our own departure. Probes are answered as before.
    pub(crate) fn leave(&mut self, now: Time, waiter: Option<Token>) {
        self.leaving = true;
        let name = self.config.name.clone();
        let incarnation = self.local().incarnation;
        self.dead(now, Dead { incarnation, node: name.clone(), from: name }, Origin::Own, waiter);
    }

    /// An entry of someone's table. Another's word that a member is dead only makes us suspect
    /// it: else one confused table would kill healthy members everywhere.
    pub(crate) fn merge_entry(&mut self, now: Time, entry: BorrowedNodeState<'_>, origin: Origin) {
        if self.table.get(entry.name).is_some_and(|node| node.is_as(&entry)) {
            return;
        }
        let NodeState { name, address, port, meta, incarnation, state, versions } =
            entry.to_state();
        if planted(Fault::OwnEntrySkipped) && self.is_local(&name) {
            return;
        }
        match state {
            State::Alive => {
                let alive = Alive { incarnation, node: name, address, port, meta, versions };
                self.alive(now, alive, origin);
            }
            State::Left => {
                let dead = Dead { incarnation, node: name.clone(), from: name };
                self.dead(now, dead, origin, None);
            }
            State::Dead if planted(Fault::RemoteDeathBelieved) => {
                let from = self.config.name.clone();
                self.dead(now, Dead { incarnation, node: name, from }, origin, None);
            }
            State::Dead | State::Suspect => {
                let from = self.config.name.clone();
                let health = Some(self.health_byte());
                self.suspect(now, Suspect { incarnation, node: name, from, health }, origin);
            }
        }
    }

    /// Someone is said to be alive.
    pub(crate) fn alive(&mut self, now: Time, mut alive: Alive, origin: Origin) {
        let about_us = self.is_local(&alive.node);
        if (about_us && self.leaving)
            || versions::is_nonsense(&alive.versions)
            || alive.address.to_ip().is_none()
            || alive.meta.len() > limits::META_BYTES
            || is_too_long(&alive.node)
        {
            return;
        }
        if alive.port == 0 || alive.versions.get(2) == Some(&1) {
            alive.port = self.config.bind_port;
        }
        if !about_us && (self.is_kept_out(&alive) || self.is_certified_dead(now, &alive, origin)) {
            return;
        }
        let (slot, moved) = match self.table.find(alive.node.as_str()) {
            None => match self.create_entry(now, &alive) {
                Some(slot) => (slot, false),
                None => return,
            },
            Some(slot) => {
                let node = self.table.node(slot);
                let moved = node.address != alive.address || node.port != alive.port;
                if moved && !self.may_move(now, slot) {
                    self.event(Event::Conflict {
                        existing: self.table.node(slot).to_state(),
                        other: claimed(&alive),
                    });
                    return;
                }
                (slot, moved)
            }
        };
        let known = self.table.node(slot).incarnation;
        let stale = if about_us { alive.incarnation < known } else { alive.incarnation <= known };
        if stale && (about_us || !moved) {
            if !about_us && alive.incarnation == known {
                self.ask_if_disputed(now, slot, &alive);
            }
            if origin == Origin::Packet && alive.incarnation == known {
                self.broadcasts.heard_again(alive.node.as_str());
            }
            return;
        }
        if about_us {
            self.table.clear_suspicion(slot);
            let own = self.local();
            let same = alive.incarnation == own.incarnation
                && (alive.meta == own.meta || planted(Fault::OtherTagsAccepted))
                && alive.versions[..] == own.versions.to_bytes();
            if !same {
                self.refute(alive.incarnation, Claim::Alive, None);
            }
            return;
        }
        self.take_alive(now, slot, &alive, origin, None);
    }

    /// Whether a member may not be where it says it is.
    fn is_kept_out(&mut self, alive: &Alive) -> bool {
        let allowed = &self.config.allowed;
        let outside = |ip: &IpAddr| {
            !allowed.is_empty() && !allowed.iter().any(|network| network.contains(ip))
        };
        let Some(address) = alive.address.to_ip().filter(outside) else { return false };
        self.fact(Fact::NotAllowed { node: alive.node.clone(), address });
        true
    }

    /// Of a living member something else is said than we know, at the same incarnation: one of the
    /// two is of a run before. It is told both, and refutes the one that is wrong.
    fn ask_if_disputed(&mut self, now: Time, slot: Slot, alive: &Alive) {
        let known = self.table.node(slot);
        let versions = versions::announced(&alive.versions).unwrap_or(known.versions);
        if !known.is_live() || (known.meta == alive.meta && known.versions == versions) {
            return;
        }
        let Some(to) = known.socket_address().filter(|_| self.disputes.available(now) > 0) else {
            return;
        };
        self.disputes.take(1);
        let known = alive_of(known);
        self.send(to, &Message::Alive(known));
        self.send(to, &Message::Alive(alive.clone()));
    }

    /// Takes over an alive that has passed the rules, and passes it on.
    fn take_alive(
        &mut self,
        now: Time,
        slot: Slot,
        alive: &Alive,
        origin: Origin,
        waiter: Option<Token>,
    ) {
        let suspicion = self.table.clear_suspicion(slot);
        let before = self.table.node(slot);
        let (was, meta_changed) = (before.state, before.meta != alive.meta);
        let is_new = before.incarnation == Incarnation::default();
        if is_new {
            if self.appearances.available(now) == 0 {
                self.appearances.hold_back(now);
            }
            self.appearances.take(1);
        }
        let urgency = match origin {
            Origin::Packet | Origin::Asked { .. } if is_new => self.crowds(now),
            _ => None,
        };
        let urgency = urgency.unwrap_or_else(|| self.urgency(origin));
        if origin != Origin::Door || !is_new {
            self.tell(alive.node.clone(), &Message::Alive(alive.clone()), urgency, waiter);
        }
        let versions = versions::announced(&alive.versions);
        self.table.update(slot, |node| {
            node.versions = versions.unwrap_or(node.versions);
            node.incarnation = alive.incarnation;
            node.meta = alive.meta.clone();
            node.address = alive.address;
            node.port = alive.port;
            if was != State::Alive {
                node.state = State::Alive;
                node.changed = now;
            }
        });
        if was == State::Suspect || (was == State::Dead && !is_new) {
            let (node, incarnation) = (alive.node.clone(), alive.incarnation);
            let suspected_for = suspicion.map(|suspicion| now.since(suspicion.started()));
            self.fact(Fact::Cleared { node, incarnation, suspected_for });
        }
        let state = self.table.node(slot).to_state();
        match was {
            State::Dead | State::Left => {
                self.certificates.remove(alive.node.as_str());
                self.appeared(now);
                self.event(Event::Joined(state));
            }
            _ if meta_changed => self.event(Event::Updated(state)),
            _ => {}
        }
    }

    /// Someone is suspected.
    pub(crate) fn suspect(&mut self, now: Time, suspect: Suspect, origin: Origin) {
        let Some(slot) = self.table.find(suspect.node.as_str()) else { return };
        let old = suspect.incarnation < self.table.node(slot).incarnation;
        if (old && !planted(Fault::OldAccusationCounts)) || is_too_long(&suspect.from) {
            return;
        }
        let news = self.table.with_suspicion(slot, |suspicion| {
            let confirmed = suspicion.confirm(&suspect.from);
            confirmed.then(|| (suspicion.confirmations(), now.since(suspicion.started())))
        });
        if let Some(news) = news {
            if let Some((confirmations, suspected_for)) = news {
                let message = Message::Suspect(suspect.clone());
                self.queue(suspect.node.clone(), &message, origin, None);
                let Suspect { incarnation, node, from: by, health } = suspect;
                self.fact(Fact::Confirmed {
                    node,
                    incarnation,
                    by,
                    health,
                    confirmations,
                    suspected_for,
                });
            }
            return;
        }
        if self.table.node(slot).state != State::Alive {
            return;
        }
        if slot == self.local {
            return self.refute(suspect.incarnation, Claim::Suspect, Some(suspect.from));
        }
        self.queue(suspect.node.clone(), &Message::Suspect(suspect.clone()), origin, None);
        let timeouts = Timeouts::new(&self.config, self.table.len());
        let Suspect { incarnation, node, from: by, health } = suspect;
        self.table.update(slot, |node| {
            node.state = State::Suspect;
            node.incarnation = incarnation;
            node.changed = now;
        });
        self.table.suspect(slot, Suspicion::new(now, timeouts, by.clone()));
        self.fact(Fact::Suspected { node, incarnation, by, health });
    }

    /// Someone is said to be dead, or says that it leaves. The waiter is that of our own leave.
    pub(crate) fn dead(&mut self, now: Time, dead: Dead, origin: Origin, waiter: Option<Token>) {
        let slot = self.table.find(dead.node.as_str()).filter(|_| !is_too_long(&dead.from));
        let counts = |slot: &Slot| {
            let old = dead.incarnation < self.table.node(*slot).incarnation;
            !old || planted(Fault::OldVerdictCounts)
        };
        let Some(slot) = slot.filter(counts) else {
            return self.finish(Vec::from_iter(waiter));
        };
        let suspicion = self.table.clear_suspicion(slot);
        if !self.table.node(slot).is_live() {
            return self.finish(Vec::from_iter(waiter));
        }
        if slot == self.local && !self.leaving {
            return self.refute(dead.incarnation, Claim::Dead, Some(dead.from));
        }
        self.queue(dead.node.clone(), &Message::Dead(dead.clone()), origin, waiter);
        let left = dead.node == dead.from;
        self.table.update(slot, |node| {
            node.state = if left { State::Left } else { State::Dead };
            node.incarnation = dead.incarnation;
            node.changed = now;
        });
        let state = self.table.node(slot).to_state();
        let Dead { incarnation, node, from: by } = dead;
        if left {
            self.fact(Fact::Left { node, incarnation });
        } else {
            let suspected_for = suspicion.map(|suspicion| now.since(suspicion.started()));
            self.fact(Fact::Died { node, incarnation, by, suspected_for });
        }
        self.event(Event::Departed(state));
    }

    /// Ends the suspicions whose time is over: the accused is declared dead.
    pub(crate) fn suspicion_timeout(&mut self, now: Time) {
        for _ in 0..limits::EXPIRY_SLICE {
            let Some((deadline, slot)) = self.table.next_expiry() else { return };
            if deadline > now {
                return;
            }
            let late = now.since(deadline);
            let put_off = late > self.config.probe_timeout
                && self.table.with_suspicion(slot, |suspicion| {
                    suspicion.reprieve(now + self.config.probe_interval)
                }) == Some(true);
            let Node { name, incarnation, .. } = self.table.node(slot);
            let (node, incarnation) = (name.clone(), *incarnation);
            if put_off {
                self.fact(Fact::VerdictPutOff { node, late });
                continue;
            }
            let few = self.table.with_suspicion(slot, |suspicion| {
                suspicion.lacks_confirmations().then(|| suspicion.confirmations())
            });
            if let Some(confirmations) = few.flatten() {
                self.fact(Fact::FewConfirmations { node: node.clone(), confirmations });
            }
            let from = self.config.name.clone();
            self.dead(now, Dead { incarnation, node, from }, Origin::Own, None);
        }
    }

    /// Outbids an accusation against us.
    fn refute(&mut self, accused: Incarnation, claim: Claim, by: Option<NodeName>) {
        let mut incarnation = refuting(self.local().incarnation, accused);
        if planted(Fault::RefuteWithoutBump) {
            incarnation = self.local().incarnation;
        }
        self.table.update(self.local, |node| node.incarnation = incarnation);
        self.change_awareness(1);
        let alive = self.own_alive(incarnation, self.local().meta.clone());
        let name = self.config.name.clone();
        self.queue(name, &Message::Alive(alive), Origin::Own, None);
        let by = by.filter(|by| !self.is_local(by));
        self.fact(Fact::Refuted { claim, by, incarnation });
    }

    fn queue(&mut self, node: NodeName, message: &Message, origin: Origin, waiter: Option<Token>) {
        self.tell(node, message, self.urgency(origin), waiter);
    }

    fn urgency(&self, origin: Origin) -> Urgency {
        match origin {
            Origin::Own | Origin::Packet | Origin::Asked { .. } if self.config.eager_gossip => {
                Urgency::Eager
            }
            // Whoever misses it will settle, too.
            Origin::Answer { joining: true } if self.config.settle_exchange => {
                Urgency::LastSends(self.config.gossip_nodes)
            }
            _ => Urgency::Ticks,
        }
    }

    fn tell(&mut self, node: NodeName, message: &Message, urgency: Urgency, waiter: Option<Token>) {
        let members = self.table.len();
        let finished = self.broadcasts.push_membership(members, node, message, waiter, urgency);
        self.finish(finished);
    }

    /// Enters an unknown name: as dead in incarnation 0, so that its alive is a resurrection.
    fn create_entry(&mut self, now: Time, alive: &Alive) -> Option<Slot> {
        let node = Node {
            name: alive.node.clone(),
            address: alive.address,
            port: alive.port,
            meta: alive.meta.clone(),
            versions: Versions::default(),
            incarnation: Incarnation(0),
            state: State::Dead,
            changed: now,
        };
        let slot = self.table.insert(node, &mut self.rng);
        if slot.is_none() {
            self.fact(Fact::TableFull { node: alive.node.clone() });
        }
        slot
    }

    /// Whether the name may come from another address now.
    fn may_move(&self, now: Time, slot: Slot) -> bool {
        let node = self.table.node(slot);
        let reclaim = self.config.dead_node_reclaim_time;
        match node.state {
            State::Left => true,
            State::Dead => !reclaim.is_zero() && now.since(node.changed) > reclaim,
            State::Alive | State::Suspect => false,
        }
    }

    /// Whether a death certificate holds up that claim. Hearsay may be true: the member itself is
    /// told its certified incarnation as an accusation. If it is there it refutes, as any
    /// implementation does, and its new incarnation passes everywhere.
    fn is_certified_dead(&mut self, now: Time, alive: &Alive, origin: Origin) -> bool {
        let name = alive.node.as_str();
        if origin == (Origin::Asked { joiner: true })
            || planted(Fault::CertificateIgnored)
            || self.table.get(name).is_some_and(Node::is_live)
        {
            return false;
        }
        let Some(certified) = self.certificates.covers(now, name, alive.incarnation) else {
            return false;
        };
        if self.certificates.may_ask(now, name)
            && let Some(ip) = alive.address.to_ip()
        {
            let accusation = self.accusation(alive.node.clone(), certified);
            self.send(SocketAddr::new(ip, alive.port), &Message::Suspect(accusation));
        }
        let (node, incarnation) = (alive.node.clone(), alive.incarnation);
        self.fact(Fact::ResurrectionIgnored { node, incarnation });
        true
    }

    fn own_alive(&self, incarnation: Incarnation, meta: Bytes) -> Alive {
        Alive { incarnation, meta, ..alive_of(self.local()) }
    }

    pub(crate) fn health_byte(&self) -> u8 {
        u8::try_from(self.awareness.score()).unwrap_or(u8::MAX)
    }
}

/// Whether nobody could be told of a member of that name.
fn is_too_long(name: &NodeName) -> bool {
    name.as_str().len() > limits::NAME_BYTES
}

/// What we know of a member as its claim.
fn alive_of(node: &Node) -> Alive {
    Alive {
        incarnation: node.incarnation,
        node: node.name.clone(),
        address: node.address,
        port: node.port,
        meta: node.meta.clone(),
        versions: Bytes::copy_from_slice(&node.versions.to_bytes()),
    }
}

/// A claim as the entry it would have become.
fn claimed(alive: &Alive) -> NodeState {
    NodeState {
        name: alive.node.clone(),
        address: alive.address,
        port: alive.port,
        meta: alive.meta.clone(),
        incarnation: alive.incarnation,
        state: State::Alive,
        versions: alive.versions.clone(),
    }
}

#[cfg(test)]
mod tests;
