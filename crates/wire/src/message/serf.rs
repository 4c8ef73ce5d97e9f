//! The messages of the Serf layer. Field meanings and wire names are those of the specification
//! "Gossip wire protocol and behaviour", B1 and B2.

mod decode;
mod encode;
mod status_times;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use status_times::StatusTimes;

use crate::{Address, LamportTime, NodeName};

/// The type bytes (B1).
pub mod kind {
    /// A [`super::LeaveIntent`].
    pub const LEAVE: u8 = 0;
    /// A [`super::JoinIntent`].
    pub const JOIN: u8 = 1;
    /// A [`super::SerfPushPull`].
    pub const PUSH_PULL: u8 = 2;
    /// A [`super::UserEvent`].
    pub const USER_EVENT: u8 = 3;
    /// A [`super::Query`].
    pub const QUERY: u8 = 4;
    /// A [`super::QueryResponse`].
    pub const QUERY_RESPONSE: u8 = 5;
    /// A [`super::MemberRecord`] or nil.
    pub const CONFLICT_RESPONSE: u8 = 6;
    /// A [`super::KeyRequest`].
    pub const KEY_REQUEST: u8 = 7;
    /// A [`super::KeyResponse`].
    pub const KEY_RESPONSE: u8 = 8;
    /// A [`super::Relay`].
    pub const RELAY: u8 = 9;
}

/// A Serf message as it travels inside a user message: its type byte and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerfMessage {
    /// A member leaves, or is made to.
    Leave(LeaveIntent),
    /// A member joins.
    Join(JoinIntent),
    /// Only as the user state of a push/pull.
    PushPull(SerfPushPull),
    /// A user event.
    UserEvent(UserEvent),
    /// A query.
    Query(Query),
    /// An answer to a query, or its acknowledgement.
    QueryResponse(QueryResponse),
    /// Only inside the payload of a query response: the record of a name, if known.
    ConflictResponse(Option<MemberRecord>),
    /// Only inside the payload of a key query.
    KeyRequest(KeyRequest),
    /// Only inside the payload of a query response to a key query.
    KeyResponse(KeyResponse),
    /// A message to be passed on to another member.
    Relay(Relay),
}

/// A member leaves gracefully, or an operator says that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveIntent {
    /// Member clock.
    pub lamport_time: LamportTime,
    /// Who leaves.
    pub node: NodeName,
    /// Whether to erase the member at once.
    pub prune: bool,
}

/// A member has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinIntent {
    /// Member clock.
    pub lamport_time: LamportTime,
    /// Who joins.
    pub node: NodeName,
}

/// The Serf half of a push/pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SerfPushPull {
    /// The sender's member clock: its *next* unused time.
    pub lamport_time: LamportTime,
    /// Every member's status time.
    pub status_lamport_times: StatusTimes,
    /// The members that have left.
    pub left_members: Vec<NodeName>,
    /// The sender's event clock.
    pub event_lamport_time: LamportTime,
    /// The sender's event buffer; normally 512 slots, mostly empty. None is nil on the wire.
    pub events: Option<Vec<Option<UserEvents>>>,
    /// The sender's query clock.
    pub query_lamport_time: LamportTime,
}

/// The user events of one Lamport time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvents {
    /// Event clock.
    pub lamport_time: LamportTime,
    /// Name and payload of each.
    pub events: Vec<BufferedEvent>,
}

/// A user event in the event buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferedEvent {
    /// Its name.
    pub name: String,
    /// Its payload; None is nil on the wire.
    pub payload: Option<Bytes>,
}

/// A user event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// Event clock.
    pub lamport_time: LamportTime,
    /// Its name.
    pub name: String,
    /// Its payload; None is nil on the wire.
    pub payload: Option<Bytes>,
    /// Whether receivers may coalesce it (`CC`).
    pub coalesce: bool,
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Query clock.
    pub lamport_time: LamportTime,
    /// Random; with the time it identifies the query.
    pub id: u32,
    /// Where to send answers.
    pub address: Address,
    /// Where to send answers.
    pub port: u16,
    /// The originator's name; empty from old members.
    pub source_node: String,
    /// Encoded filters; None is nil on the wire. See [`Filter`].
    pub filters: Option<Vec<Bytes>>,
    /// [`Query::FLAG_ACK`] and [`Query::FLAG_NO_BROADCAST`].
    pub flags: u32,
    /// How many members to relay answers through.
    pub relay_factor: u8,
    /// From each receiver's reception to its response deadline, in nanoseconds.
    pub timeout_ns: i64,
    /// Its name; the prefix `_serf_` is reserved.
    pub name: String,
    /// Its payload; None is nil on the wire.
    pub payload: Option<Bytes>,
}

impl Query {
    /// An acknowledgement is wanted.
    pub const FLAG_ACK: u32 = 1;
    /// Not to be broadcast again.
    pub const FLAG_NO_BROADCAST: u32 = 2;
}

/// One filter of a query; all must pass. Encoded as a type byte and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Passes on the members named.
    Nodes(Vec<String>),
    /// Passes where the expression matches the value of the tag, anywhere in it.
    Tag {
        /// The tag; a missing one counts as empty.
        tag: String,
        /// RE2 syntax.
        expression: String,
    },
}

/// An answer to a query, or its acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryResponse {
    /// Of the query.
    pub lamport_time: LamportTime,
    /// Of the query.
    pub id: u32,
    /// Who answers.
    pub from: NodeName,
    /// [`QueryResponse::FLAG_ACK`].
    pub flags: u32,
    /// The answer; None is nil on the wire.
    pub payload: Option<Bytes>,
}

impl QueryResponse {
    /// An acknowledgement, not an answer.
    pub const FLAG_ACK: u32 = 1;
}

/// A member as it is described in a vote on a name conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    /// Its name.
    pub name: NodeName,
    /// Its address.
    pub address: Address,
    /// Its port.
    pub port: u16,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// 0 none, 1 alive, 2 leaving, 3 left, 4 failed.
    pub status: i64,
    /// Its versions.
    pub versions: crate::Versions,
}

/// A request of the key queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// The raw key; empty for a listing.
    pub key: Bytes,
}

/// An answer to the key queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyResponse {
    /// Whether the operation succeeded.
    pub result: bool,
    /// Why it failed, or a note on a shortened listing.
    pub message: String,
    /// The keys in standard base64; None is nil on the wire.
    pub keys: Option<Vec<String>>,
    /// The primary key in standard base64; empty except in a listing.
    pub primary_key: String,
}

/// A message to be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The address it is for (4 bytes, or 16 in the mapped form too).
    pub destination_address: Address,
    /// The port it is for.
    pub destination_port: u16,
    /// The zone of a scoped IPv6 address, normally empty.
    pub destination_zone: String,
    /// The name of the member it is for; empty from old members.
    pub destination_name: String,
    /// The complete Serf message to forward, from its type byte, untouched.
    pub message: Bytes,
}
