//! Telling others: on ticks, and at once.

use bytes::Bytes;

use crate::broadcasts::{Fill, Urgency};
use crate::interface::Output;
use crate::member_table::{Slot, hears_gossip};
use crate::membership::next_tick;
use crate::packets::{bodies, takes_checksums};
use crate::{Membership, Node, Time, limits};

impl Membership {
    /// Arms the timers of gossip while there is something to tell and somebody who might listen;
    /// at idle they wake nobody. The tick starts at a random phase, as if it had always been
    /// running; what is new is gathered for a short time and then sent on.
    pub(crate) fn arm(&mut self, now: Time) {
        let wanted = !self.broadcasts.is_empty() && !self.is_alone();
        if !wanted {
            self.timers.gossip = None;
        } else if self.timers.gossip.is_none() && self.local().incarnation.0 > 0 {
            self.timers.gossip = self.random_phase(now, self.config.gossip_interval);
        }
        let has_others = || self.table.live() > usize::from(self.table.node(self.local).is_live());
        if self.timers.eager.is_none() && self.broadcasts.has_fresh() && has_others() {
            self.timers.eager = Some(now + limits::EAGER_GATHER);
        }
        if self.timers.hearsay.is_none() && self.broadcasts.has_hearsay() && has_others() {
            self.timers.hearsay = Some(now + limits::EAGER_GATHER);
        }
    }

    pub(crate) fn gossip_timeout(&mut self, now: Time) {
        let Some(due) = self.timers.gossip.filter(|due| *due <= now) else { return };
        self.timers.gossip = Some(next_tick(due, self.config.gossip_interval, now));
        let local = self.config.name.clone();
        let dead_since = now.before(self.config.gossip_to_the_dead_time);
        let hears = |node: &Node| node.name != local && hears_gossip(node, dead_since);
        let peers = self.table.sample(self.config.gossip_nodes, &mut self.rng, hears);
        let budget = self.packet_budget();
        for peer in peers {
            let messages = self.fetch(budget, Fill::Tick);
            if messages.is_empty() {
                return;
            }
            let node = self.table.node(peer);
            let crc = takes_checksums(node);
            if let Some(to) = node.socket_address() {
                self.send_all(to, &messages, crc);
            }
        }
    }

    /// Sends what is new to a few peers at once, each message one time; its other sends are left
    /// to the ticks. Under load the token bucket makes packets fuller rather than more.
    pub(crate) fn eager_timeout(&mut self, now: Time) {
        if self.timers.eager.is_none_or(|due| due > now) {
            return;
        }
        self.timers.eager = None;
        let peers = self.eager_peers();
        let copies = peers.len() as u32;
        if copies == 0 {
            // It stays new until somebody is there to hear it.
            return;
        }
        let budget = self.packet_budget();
        while self.broadcasts.has_fresh() {
            if self.eager_bucket.available(now) < copies {
                self.timers.eager = Some(self.eager_bucket.ready_at(copies));
                return;
            }
            let messages = self.fetch(budget, Fill::Eager(copies));
            if messages.is_empty() {
                // What is left fits into no packet.
                return self.broadcasts.forget_fresh();
            }
            self.eager_bucket.take(copies);
            self.send_eagerly(&peers, &messages);
        }
    }

    /// Sends hearsay to a few peers, once. It has a token bucket of its own.
    pub(crate) fn hearsay_timeout(&mut self, now: Time) {
        if self.timers.hearsay.is_none_or(|due| due > now) {
            return;
        }
        self.timers.hearsay = None;
        let peers = self.eager_peers();
        let copies = peers.len() as u32;
        while copies > 0 && self.broadcasts.has_hearsay() {
            if self.hearsay_bucket.available(now) < copies {
                self.timers.hearsay = Some(self.hearsay_bucket.ready_at(copies));
                return;
            }
            let messages = self.fetch(self.packet_budget(), Fill::Hearsay(copies));
            if messages.is_empty() {
                // What is left fits into no packet.
                return self.broadcasts.forget_hearsay();
            }
            self.hearsay_bucket.take(copies);
            self.send_eagerly(&peers, &messages);
        }
    }

    /// How a member that has appeared is told of while many appear together: others tell of each
    /// of them as well, and who has missed one makes sure by an exchange. In a large table nobody
    /// but the member itself tells of it. None while there is no crowd.
    pub(crate) fn crowds(&mut self, now: Time) -> Option<Urgency> {
        if !self.config.eager_gossip || !self.config.settle_exchange {
            return None;
        }
        let crowded = self.appearances.available(now) == 0;
        if self.table.live() <= limits::USUAL_MEMBERS {
            return crowded.then_some(Urgency::Hearsay);
        }
        // Of most who come nobody hears before the next exchange, so that a pause means little.
        (crowded || self.pauses_in_a_crowd(now)).then_some(Urgency::Never)
    }

    /// Whether a crowd may have come, of which others tell hearsay only. This is said before we do
    /// so ourselves, since they may have heard of more members.
    pub(crate) fn may_be_crowded(&mut self, now: Time) -> bool {
        self.config.eager_gossip && self.appearances.available(now) <= limits::CROWD / 2
    }

    fn send_eagerly(&mut self, peers: &[Slot], messages: &[Bytes]) {
        let bodies = bodies(messages);
        for peer in peers {
            let node = self.table.node(*peer);
            let Some(to) = node.socket_address() else { continue };
            let crc = takes_checksums(node);
            for body in &bodies {
                self.outputs.push_back(Output::Packet { to, body: body.clone(), crc });
            }
        }
    }

    /// Random peers, of which one is the next in the order of names: random peers alone would
    /// leave out one member in twenty, and those the ring of names reaches.
    fn eager_peers(&mut self) -> Vec<Slot> {
        let wanted = self.config.gossip_nodes.min(limits::EAGER_BURST as usize);
        let local = self.config.name.clone();
        let up = |node: &Node| node.name != local && node.is_live();
        let successor = self.table.successor(local.as_str(), up).filter(|_| wanted > 0);
        let Some(successor) = successor else { return Vec::new() };
        let next = self.table.node(successor).name.clone();
        let mut peers = vec![successor];
        let others = |node: &Node| up(node) && node.name != next;
        peers.extend(self.table.sample(wanted - 1, &mut self.rng, others));
        peers
    }
}

#[cfg(test)]
mod tests;
