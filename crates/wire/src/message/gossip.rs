//! The messages of the membership layer (memberlist). Field meanings and wire names are those of
//! the specification "Gossip wire protocol and behaviour", A4.

mod decode;
mod encode;
mod table;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use table::NodeTable;

use crate::{Address, Incarnation, NodeName, SequenceNumber};

/// The type bytes (A3).
pub mod kind {
    /// A [`super::Ping`].
    pub const PING: u8 = 0;
    /// An [`super::IndirectPing`].
    pub const INDIRECT_PING: u8 = 1;
    /// An [`super::Ack`].
    pub const ACK: u8 = 2;
    /// A [`super::Suspect`].
    pub const SUSPECT: u8 = 3;
    /// An [`super::Alive`].
    pub const ALIVE: u8 = 4;
    /// A [`super::Dead`].
    pub const DEAD: u8 = 5;
    /// A [`super::PushPull`], on streams.
    pub const PUSH_PULL: u8 = 6;
    /// Several messages in one packet.
    pub const COMPOUND: u8 = 7;
    /// A message of the layer above.
    pub const USER: u8 = 8;
    /// A compressed message.
    pub const COMPRESS: u8 = 9;
    /// The head of an encrypted stream.
    pub const ENCRYPT: u8 = 10;
    /// A [`super::Nack`].
    pub const NACK: u8 = 11;
    /// A checksum and the message it covers.
    pub const CRC: u8 = 12;
    /// An error reply, on streams.
    pub const ERROR: u8 = 13;
    /// The label that keeps clusters apart, in front of everything.
    pub const LABEL: u8 = 244;
}

/// One message of a packet, below labels, sealing, checksums, compression and compounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// "Are you there?"
    Ping(Ping),
    /// "Ask that member for me."
    IndirectPing(IndirectPing),
    /// "I am" (or: it is).
    Ack(Ack),
    /// "It did not answer me either."
    Nack(Nack),
    /// A member is suspected of having failed.
    Suspect(Suspect),
    /// A member is alive, in this incarnation, with this data.
    Alive(Alive),
    /// A member has failed, or has left where `node == from`.
    Dead(Dead),
    /// A message of the layer above, from its type byte.
    User(Bytes),
}

/// Direct probe of a member. Also the body of the probe over a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ping {
    /// Ties the answer to the question.
    pub sequence_number: SequenceNumber,
    /// Who is asked; other members drop it. Empty: whoever receives it.
    pub node: String,
    /// Where to send the answer; empty: the packet's source.
    pub source_address: Address,
    /// 0: the packet's source.
    pub source_port: u16,
    /// Who asks.
    pub source_node: String,
}

/// Request to probe `node` on the sender's behalf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndirectPing {
    /// The asker's number; the helper uses one of its own towards the target.
    pub sequence_number: SequenceNumber,
    /// The target's address.
    pub target: Address,
    /// The target's port; 0: the helper's own bind port.
    pub port: u16,
    /// The target's name.
    pub node: String,
    /// Whether the asker understands a [`Nack`].
    pub nack: bool,
    /// Where to send the answer; empty: the packet's source.
    pub source_address: Address,
    /// 0: the packet's source.
    pub source_port: u16,
    /// Who asks.
    pub source_node: String,
}

/// Answer to a [`Ping`] or [`IndirectPing`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// Of the question.
    pub sequence_number: SequenceNumber,
    /// The coordinate payload of a direct answer; None is nil on the wire.
    pub payload: Option<Bytes>,
}

/// A helper's word that the target did not answer it in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nack {
    /// Of the question.
    pub sequence_number: SequenceNumber,
}

/// An accusation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The incarnation accused.
    pub incarnation: Incarnation,
    /// The accused.
    pub node: NodeName,
    /// The accuser.
    pub from: NodeName,
    /// The accuser's health score (0 healthy … 7), a key of ours that real agents ignore.
    /// None: absent, unknown.
    pub health: Option<u8>,
}

/// A member's claim to be alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// The incarnation claimed.
    pub incarnation: Incarnation,
    /// Who is alive.
    pub node: NodeName,
    /// Its address, as it travels.
    pub address: Address,
    /// Its port; 0: the receiver's own bind port.
    pub port: u16,
    /// Its tags, encoded.
    pub meta: Bytes,
    /// Its version bytes, normally six; kept raw because peers judge by the length.
    pub versions: Bytes,
}

/// A member's death, or its departure where `node == from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// The incarnation that died.
    pub incarnation: Incarnation,
    /// Who died.
    pub node: NodeName,
    /// Who says so.
    pub from: NodeName,
}

/// What the dialer of a stream asks, and what its listener answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamMessage {
    /// An exchange of whole states; the answer has the same form.
    PushPull(PushPull),
    /// A probe over a stream; answered by an [`Ack`] with a nil payload.
    Ping(Ping),
    /// The answer to a probe over a stream.
    Ack(Ack),
    /// A message of the layer above, from its type byte. No answer.
    User(Bytes),
    /// The listener could not read the request's outer layers.
    Error(String),
}

/// One side's whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPull {
    /// Whether the dialer is joining.
    pub join: bool,
    /// Every entry of the sender's node table, in its order.
    pub nodes: NodeTable,
    /// The state of the layer above, from its type byte.
    pub user_state: Bytes,
}

/// What a push/pull begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushPullHeader {
    /// Whether the dialer is joining.
    pub join: bool,
    /// How many entries of the node table follow.
    pub nodes: usize,
    /// How many bytes of user state follow the table.
    pub user_state_length: usize,
}

/// One entry of a node table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its name.
    pub name: NodeName,
    /// Its address, as it travels.
    pub address: Address,
    /// Its port; 0: the receiver's own bind port.
    pub port: u16,
    /// Its tags, encoded.
    pub meta: Bytes,
    /// Its incarnation as the sender knows it.
    pub incarnation: Incarnation,
    /// Its state as the sender believes it.
    pub state: State,
    /// Its version bytes, normally six.
    pub versions: Bytes,
}

/// A [`NodeState`] that stays where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of NodeState")]
pub struct BorrowedNodeState<'a> {
    pub name: &'a str,
    pub address: Address,
    pub port: u16,
    pub meta: &'a [u8],
    pub incarnation: Incarnation,
    pub state: State,
    pub versions: &'a [u8],
}

/// The head of an entry of a node table and the names of its fields, as everybody writes them.
const ENTRY_FIELDS: [&[u8]; 7] = [
    b"\x87\xa4Addr",
    b"\xabIncarnation",
    b"\xa4Meta",
    b"\xa4Name",
    b"\xa4Port",
    b"\xa5State",
    b"\xa3Vsn",
];

/// What a node table says of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Believed to be up.
    Alive,
    /// Accused, still given time to refute.
    Suspect,
    /// Believed to have failed.
    Dead,
    /// Departed by its own word.
    Left,
}
