//! Answering probes, and probing for others.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use wire::SequenceNumber;
use wire::message::gossip::{Ack, IndirectPing, Message, Nack, Ping};
use wire::planted::{Fault, planted};

use crate::{Membership, Time, limits};

/// The probes that run on behalf of others.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    /// By our own number towards the target.
    open: BTreeMap<SequenceNumber, Relay>,
    /// Each runs equally long, so the oldest ends first.
    order: VecDeque<(Time, SequenceNumber)>,
}

#[derive(Debug)]
struct Relay {
    asker: SocketAddr,
    sequence_number: SequenceNumber,
    nack: bool,
}

impl Relays {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.order.front().map(|(deadline, _)| *deadline)
    }
}

impl Membership {
    pub(crate) fn answer_ping(&mut self, from: SocketAddr, ping: Ping) {
        if !self.is_for_us(&ping.node) {
            let why = format!("ping for {:?}, which is not us", ping.node);
            return self.packet_dropped(from, why);
        }
        let to = Self::reply_address(from, ping.source_address, ping.source_port);
        let payload = self.ack_payload.clone();
        let ack = Ack { sequence_number: ping.sequence_number, payload };
        self.send_filled(to, &Message::Ack(ack));
    }

    pub(crate) fn relay_ping(&mut self, now: Time, from: SocketAddr, request: IndirectPing) {
        let Some(ip) = request.target.to_ip() else {
            return self.packet_dropped(from, "indirect ping of no address".to_owned());
        };
        if self.relays.order.len() >= limits::RELAYS {
            return self.packet_dropped(from, "too many indirect pings at a time".to_owned());
        }
        let port = if request.port == 0 { self.config.bind_port } else { request.port };
        let number = self.prober.next_sequence_number();
        let relay = Relay {
            asker: Self::reply_address(from, request.source_address, request.source_port),
            sequence_number: request.sequence_number,
            nack: request.nack,
        };
        self.relays.open.insert(number, relay);
        self.relays.order.push_back((now + self.config.probe_timeout, number));
        let ping = self.ping(number, request.node);
        self.send_filled(SocketAddr::new(ip, port), &Message::Ping(ping));
    }

    /// The target has answered: its payload stays here, for its round trip is ours.
    pub(crate) fn relay_ack(&mut self, ack: Ack) {
        if let Some(relay) = self.relays.open.remove(&ack.sequence_number) {
            let payload = ack.payload.filter(|_| planted(Fault::PayloadRelayed));
            let ack = Ack { sequence_number: relay.sequence_number, payload };
            self.send_filled(relay.asker, &Message::Ack(ack));
        }
    }

    pub(crate) fn relay_timeout(&mut self, now: Time) {
        while let Some((deadline, number)) = self.relays.order.front().copied()
            && deadline <= now
        {
            self.relays.order.pop_front();
            let relay = self.relays.open.remove(&number);
            if planted(Fault::RelaysKept) {
                self.relays.order.push_back((now + self.config.probe_timeout, number));
            }
            if let Some(relay) = relay.filter(|relay| relay.nack) {
                let nack = Nack { sequence_number: relay.sequence_number };
                self.send_filled(relay.asker, &Message::Nack(nack));
            }
        }
    }

    /// Nobody in particular is everybody.
    pub(crate) fn is_for_us(&self, asked: &str) -> bool {
        asked.is_empty() || asked == self.config.name.as_str()
    }
}
