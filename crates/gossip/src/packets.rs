//! Packets: what comes in finds its rule, what goes out is filled up with broadcasts.

use std::net::SocketAddr;

use bytes::Bytes;
use wire::message::gossip::Message;
use wire::message::gossip::kind::USER;
use wire::planted::{Fault, planted};
use wire::{Address, compound, packet};

use crate::broadcasts::Fill;
use crate::interface::{Event, Fact, Output};
use crate::state_rules::Origin;
use crate::{Membership, Node, Time};

/// The newest membership protocol of a peer from which on it understands checksums.
const CHECKSUM_PROTOCOL: u8 = 5;

impl Membership {
    /// Sends a message of the layer above (from its Serf type byte) to one address, at once and
    /// on its own.
    pub fn send_user(&mut self, to: SocketAddr, message: Bytes) {
        self.send(to, &Message::User(message));
    }

    pub(crate) fn packet(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        let mut parts = Vec::new();
        packet::open(bytes, &self.security, |part| parts.push(part));
        // Senders put their own layer's news first. The intent to leave that is in the same packet
        // as the departure came before it: in their order a leave would look like a failure.
        parts.sort_by_key(|part| !matches!(part, Ok(Message::User(_))));
        for part in parts {
            match part {
                Ok(message) => self.message(now, from, message),
                Err(error) => self.packet_dropped(from, error.to_string()),
            }
        }
    }

    fn message(&mut self, now: Time, from: SocketAddr, message: Message) {
        match message {
            Message::Ping(ping) => self.answer_ping(from, ping),
            Message::IndirectPing(request) => self.relay_ping(now, from, request),
            Message::Ack(ack) => self.ack(now, ack),
            Message::Nack(nack) => self.nack(nack),
            Message::Suspect(suspect) => self.suspect(now, suspect, Origin::Packet),
            Message::Alive(alive) => self.alive(now, alive, Origin::Packet),
            Message::Dead(dead) => self.dead(now, dead, Origin::Packet, None),
            Message::User(message) if message.is_empty() => {}
            Message::User(message) => self.event(Event::UserMessage { from, message }),
        }
    }

    pub(crate) fn packet_dropped(&mut self, from: SocketAddr, why: String) {
        self.fact(Fact::PacketDropped { from, why });
    }

    /// Sends a message on its own.
    pub(crate) fn send(&mut self, to: SocketAddr, message: &Message) {
        let crc = self.address_takes_checksums(to);
        self.outputs.push_back(Output::Packet { to, body: message.encode().into(), crc });
    }

    /// Sends a message with as many broadcasts as fit.
    pub(crate) fn send_filled(&mut self, to: SocketAddr, message: &Message) {
        let crc = self.address_takes_checksums(to);
        let message = Bytes::from(message.encode());
        let budget = self.packet_budget().saturating_sub(message.len());
        let mut messages = vec![message];
        messages.extend(self.fetch(budget, Fill::Piggyback));
        self.send_all(to, &messages, crc);
    }

    /// Sends messages in as few packets as they need.
    pub(crate) fn send_all(&mut self, to: SocketAddr, messages: &[Bytes], crc: bool) {
        for body in bodies(messages) {
            self.outputs.push_back(Output::Packet { to, body, crc });
        }
    }

    /// Takes broadcasts out of the queues.
    pub(crate) fn fetch(&mut self, budget: usize, fill: Fill) -> Vec<Bytes> {
        let fetched = self.broadcasts.fetch(budget, self.table.len(), fill);
        self.finish(fetched.finished);
        let copies = match fill {
            Fill::Eager(copies) | Fill::Hearsay(copies) => copies,
            Fill::Piggyback | Fill::Tick => 1,
        };
        let from_above = fetched.messages.iter().filter(|message| message.first() == Some(&USER));
        let lengths: Vec<usize> = from_above.map(|message| message.len() - 1).collect();
        if !lengths.is_empty() {
            self.fact(Fact::BroadcastsSent { lengths, copies });
        }
        fetched.messages
    }

    /// Bytes that one packet has for its messages, reckoned before compression and without the
    /// checksum, as peers do.
    pub(crate) fn packet_budget(&self) -> usize {
        let overhead = compound::OVERHEAD + self.security.packet_overhead();
        self.config.udp_buffer_bytes.saturating_sub(overhead)
    }

    /// Where the answer to a question goes: where it says, else where it came from.
    pub(crate) fn reply_address(from: SocketAddr, source: Address, port: u16) -> SocketAddr {
        match source.to_ip() {
            Some(ip) if port != 0 => SocketAddr::new(ip, port),
            _ => from,
        }
    }

    /// Peers look up a bare address as if it were a name, and so must we: the record that says
    /// whether checksums are understood is found only for a member named after its address.
    fn address_takes_checksums(&self, to: SocketAddr) -> bool {
        self.table.named_by(to.ip()).is_some_and(takes_checksums)
    }
}

/// The bodies of as few packets as take these messages.
pub(crate) fn bodies(messages: &[Bytes]) -> Vec<Bytes> {
    match messages {
        [lone] => vec![lone.clone()],
        _ => compound::assemble(messages).into_iter().map(Bytes::from).collect(),
    }
}

pub(crate) fn takes_checksums(node: &Node) -> bool {
    node.versions.protocol_max >= CHECKSUM_PROTOCOL || planted(Fault::ChecksumsForAll)
}
