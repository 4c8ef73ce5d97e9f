//! What can be seen of a world from outside: what checkers judge by.

use std::net::SocketAddrV4;

use bytes::Bytes;
use gossip::{ConnectionId, DialId, Token};
use serf::{Event, Fact, Outcome, QueryId, QueryProgress};
use wire::message::gossip::StreamMessage;
use wire::{Incarnation, NodeName};

use crate::HostId;

/// Something that has just happened at a host.
#[derive(Debug)]
pub struct Observation {
    /// Where.
    pub host: HostId,
    /// What.
    pub what: What,
}

/// The kinds of observations.
#[derive(Debug)]
pub enum What {
    /// A process has started.
    Began,
    /// It is gone: crashed, left, or lost its name.
    Ended,
    /// The machine has dealt with an input; what it said of it came before.
    Handled,
    /// A fact.
    Fact(Fact),
    /// An event for the application.
    Event(Event),
    /// A query of its own has moved on.
    Progress(QueryId, QueryProgress),
    /// A command has ended.
    Done(Token, Outcome),
    /// A fact of its floating role.
    Role(role::Fact),
    /// It takes the address of the floating role, or gives it back.
    Address(bool),
    /// It takes the address while another has it.
    TwoHolders,
    /// It sends a datagram.
    Sent {
        /// To whom, if anybody is there.
        to: Option<HostId>,
        /// Where.
        address: SocketAddrV4,
        /// Message or compound.
        body: Bytes,
        /// Whether with a checksum.
        crc: bool,
    },
    /// A datagram is about to be handled.
    Received {
        /// From whom.
        from: HostId,
        /// Its bytes.
        bytes: Bytes,
        /// Whether it is as it was sent, and sealed with a key that the receiver has.
        intact: bool,
    },
    /// A request over a stream is about to be handled.
    Asked {
        /// Names the stream.
        connection: ConnectionId,
        /// By whom.
        from: HostId,
        /// The request.
        message: StreamMessage,
        /// Living entries of it that the node table does not have as living.
        news: Vec<(NodeName, Incarnation)>,
    },
    /// It answers a request.
    Replied {
        /// Names the stream.
        connection: ConnectionId,
        /// The answer; None if it closes the stream without one.
        message: Option<StreamMessage>,
    },
    /// It opens a stream.
    Dialled {
        /// Names it.
        dial: DialId,
        /// The request.
        message: StreamMessage,
    },
    /// The answer of a stream it opened is about to be handled.
    Answered {
        /// Names it.
        dial: DialId,
        /// The answer.
        message: StreamMessage,
    },
}
