//! To bytes.

use super::{
    Ack, Alive, BorrowedNodeState, Dead, ENTRY_FIELDS, IndirectPing, Message, Nack, NodeState,
    Ping, PushPull, PushPullHeader, State, StreamMessage, Suspect, kind,
};
use crate::msgpack::Writer;

impl Message {
    /// The message from its type byte.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.encode_into(&mut out);
        out
    }

    /// Appends the message from its type byte.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        self.write(&mut Writer::new(out));
    }

    /// Writes the message from its type byte.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_encoded(&[self.kind()]);
        match self {
            Message::Ping(body) => body.write(writer),
            Message::IndirectPing(body) => body.write(writer),
            Message::Ack(body) => body.write(writer),
            Message::Nack(body) => body.write(writer),
            Message::Suspect(body) => body.write(writer),
            Message::Alive(body) => body.write(writer),
            Message::Dead(body) => body.write(writer),
            Message::User(content) => writer.write_encoded(content),
        }
    }

    /// The type byte; see [`kind`].
    pub fn kind(&self) -> u8 {
        match self {
            Message::Ping(_) => kind::PING,
            Message::IndirectPing(_) => kind::INDIRECT_PING,
            Message::Ack(_) => kind::ACK,
            Message::Nack(_) => kind::NACK,
            Message::Suspect(_) => kind::SUSPECT,
            Message::Alive(_) => kind::ALIVE,
            Message::Dead(_) => kind::DEAD,
            Message::User(_) => kind::USER,
        }
    }
}

impl StreamMessage {
    /// The message from its type byte.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.write(&mut Writer::new(&mut out));
        out
    }

    /// Writes the message from its type byte.
    pub fn write(&self, writer: &mut Writer<'_>) {
        match self {
            StreamMessage::PushPull(body) => body.write(writer),
            StreamMessage::Ping(body) => {
                writer.write_encoded(&[kind::PING]);
                body.write(writer);
            }
            StreamMessage::Ack(body) => {
                writer.write_encoded(&[kind::ACK]);
                body.write(writer);
            }
            StreamMessage::User(content) => {
                writer.write_encoded(&[kind::USER]);
                writer.write_map(1);
                writer.field_i64("UserMsgLen", content.len() as i64);
                writer.write_encoded(content);
            }
            StreamMessage::Error(text) => {
                writer.write_encoded(&[kind::ERROR]);
                writer.write_map(1);
                writer.field_text("Error", text);
            }
        }
    }
}

impl Ping {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        let address = !self.source_address.is_empty();
        let (node, port) = (!self.source_node.is_empty(), self.source_port != 0);
        writer.write_map(2 + usize::from(address) + usize::from(node) + usize::from(port));
        writer.field_text("Node", &self.node);
        writer.field_u64("SeqNo", self.sequence_number.0);
        if address {
            writer.field_bytes("SourceAddr", self.source_address.as_bytes());
        }
        if node {
            writer.field_text("SourceNode", &self.source_node);
        }
        if port {
            writer.field_u64("SourcePort", self.source_port);
        }
    }
}

impl IndirectPing {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        let address = !self.source_address.is_empty();
        let (node, port) = (!self.source_node.is_empty(), self.source_port != 0);
        writer.write_map(5 + usize::from(address) + usize::from(node) + usize::from(port));
        writer.field_bool("Nack", self.nack);
        writer.field_text("Node", &self.node);
        writer.field_u64("Port", self.port);
        writer.field_u64("SeqNo", self.sequence_number.0);
        if address {
            writer.field_bytes("SourceAddr", self.source_address.as_bytes());
        }
        if node {
            writer.field_text("SourceNode", &self.source_node);
        }
        if port {
            writer.field_u64("SourcePort", self.source_port);
        }
        writer.field_bytes("Target", self.target.as_bytes());
    }
}

impl Ack {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(2);
        writer.field_payload("Payload", &self.payload);
        writer.field_u64("SeqNo", self.sequence_number.0);
    }
}

impl Nack {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(1);
        writer.field_u64("SeqNo", self.sequence_number.0);
    }
}

impl Suspect {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(3 + usize::from(self.health.is_some()));
        writer.field_text("From", self.from.as_str());
        if let Some(health) = self.health {
            writer.field_u64("Health", health);
        }
        writer.field_u64("Incarnation", self.incarnation.0);
        writer.field_text("Node", self.node.as_str());
    }
}

impl Alive {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(6);
        writer.field_bytes("Addr", self.address.as_bytes());
        writer.field_u64("Incarnation", self.incarnation.0);
        writer.field_bytes("Meta", &self.meta);
        writer.field_text("Node", self.node.as_str());
        writer.field_u64("Port", self.port);
        writer.field_bytes("Vsn", &self.versions);
    }
}

impl Dead {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(3);
        writer.field_text("From", self.from.as_str());
        writer.field_u64("Incarnation", self.incarnation.0);
        writer.field_text("Node", self.node.as_str());
    }
}

impl PushPull {
    /// Writes the message from its type byte. Where the table is large and known already in
    /// encoded form, write [`PushPullHeader`], the table and the user state one after another.
    pub fn write(&self, writer: &mut Writer<'_>) {
        let header = PushPullHeader {
            join: self.join,
            nodes: self.nodes.len(),
            user_state_length: self.user_state.len(),
        };
        header.write(writer);
        self.nodes.iter().for_each(|node| node.write(writer));
        writer.write_encoded(&self.user_state);
    }
}

impl PushPullHeader {
    /// Writes the type byte and the header.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_encoded(&[kind::PUSH_PULL]);
        writer.write_map(3);
        writer.field_bool("Join", self.join);
        writer.field_i64("Nodes", self.nodes as i64);
        writer.field_i64("UserStateLen", self.user_state_length as i64);
    }
}

impl NodeState {
    /// Writes one entry of a node table.
    pub fn write(&self, writer: &mut Writer<'_>) {
        self.borrowed().write(writer);
    }
}

impl BorrowedNodeState<'_> {
    /// Writes one entry of a node table.
    pub fn write(&self, writer: &mut Writer<'_>) {
        let [address, incarnation, meta, name, port, state, versions] = ENTRY_FIELDS;
        writer.write_encoded(address);
        writer.write_bytes(self.address.as_bytes());
        writer.write_encoded(incarnation);
        writer.write_u64(self.incarnation.0.into());
        writer.write_encoded(meta);
        writer.write_bytes(self.meta);
        writer.write_encoded(name);
        writer.write_text(self.name);
        writer.write_encoded(port);
        writer.write_u64(self.port.into());
        writer.write_encoded(state);
        writer.write_i64(self.state.to_wire());
        writer.write_encoded(versions);
        writer.write_bytes(self.versions);
    }
}

impl State {
    /// The number that stands for the state.
    pub fn to_wire(self) -> i64 {
        match self {
            State::Alive => 0,
            State::Suspect => 1,
            State::Dead => 2,
            State::Left => 3,
        }
    }
}
