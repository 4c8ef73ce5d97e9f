//! What goes into the machine and what comes out of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use wire::message::gossip::{NodeState, Ping, StreamMessage};
use wire::{Address, Incarnation, LamportTime, NodeName, Versions};

use crate::Time;
use crate::frozen::{FrozenState, FrozenTable, UserState};
use crate::push_pull::RemoteNodes;

/// Names a waiting caller; the machine answers with [`Output::Done`] exactly once per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names a stream that the driver accepted. Chosen by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Names a stream that the machine wants dialled. Chosen by the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// What the driver tells the machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// The deadline of `next_timeout` has passed (being early or late does no harm).
    Timeout,
    /// A datagram as it came from the socket.
    Packet {
        /// Its source.
        from: SocketAddr,
        /// Its bytes, sealed or not.
        bytes: &'a [u8],
    },
    /// An accepted stream has brought a whole request.
    Request {
        /// The stream; answered by [`Output::Reply`] or [`Output::Close`] in the same call.
        connection: ConnectionId,
        /// Its source; its port says nothing about the member.
        from: SocketAddr,
        /// The request.
        message: StreamMessage,
    },
    /// A dialled stream has brought the whole answer.
    Response {
        /// The dial it answers.
        dial: DialId,
        /// The answer.
        message: StreamMessage,
    },
    /// As `Request`, in a world of members that freeze their states: see
    /// [`Membership::freeze_states`](crate::Membership::freeze_states).
    FrozenRequest {
        /// The stream.
        connection: ConnectionId,
        /// Its source.
        from: SocketAddr,
        /// The state of who asks.
        state: FrozenState,
    },
    /// As `Response`, in such a world.
    FrozenResponse {
        /// The dial it answers.
        dial: DialId,
        /// The state of who answers.
        state: FrozenState,
    },
    /// A dialled stream has failed, was closed without an answer, or has passed its deadline.
    /// A dial whose request has no answer (a user message) ends without any input.
    DialFailed {
        /// The dial.
        dial: DialId,
        /// Why, in the words shown to operators.
        why: String,
    },
    /// The system refused to send a datagram to this address.
    SendFailed {
        /// Its destination.
        to: SocketAddr,
    },
    /// A caller wants something.
    Command {
        /// Whom to answer.
        token: Token,
        /// What.
        command: Command,
    },
}

/// What callers may ask.
#[derive(Clone, Debug)]
pub enum Command {
    /// Exchange whole states with the member at this address; `join` asks it to take us for a
    /// joiner (the layer above then handles its state as that of a join).
    PushPull {
        /// Where.
        to: SocketAddr,
        /// Who is thought to be there; only for diagnostics.
        name: Option<NodeName>,
        /// Whether this is a join.
        join: bool,
    },
    /// Announce new tags under the next incarnation. Done when the broadcast has used up its
    /// sends or was replaced, at once if nobody else is up, or with an error at `timeout`.
    UpdateMeta {
        /// The encoded tags.
        meta: Bytes,
        /// Longest wait for the broadcast.
        timeout: Duration,
    },
    /// Announce the departure. Done as for `UpdateMeta`. The machine goes on answering probes.
    Leave {
        /// Longest wait for the broadcast.
        timeout: Duration,
    },
}

/// How a command ended.
pub type Outcome = Result<(), CommandError>;

/// Why a command failed. The state of the machine is as if it had succeeded, save for joins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The broadcast did not use up its sends in time.
    #[error("timeout waiting for broadcast")]
    BroadcastTimeout,
    /// The exchange failed; the text says why.
    #[error("{0}")]
    Exchange(String),
    /// The tags were not changed: nobody would take so many bytes.
    #[error("encoded tags of {0} bytes exceed the limit of 512 bytes")]
    MetaTooLong(usize),
}

/// What the machine tells its driver, in the order in which it must be carried out.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram.
    Packet {
        /// To whom.
        to: SocketAddr,
        /// Message or compound, neither compressed nor sealed.
        body: Bytes,
        /// Whether the receiver understands checksums.
        crc: bool,
    },
    /// Open a stream, send the request, hand in the answer.
    Dial {
        /// Names the stream in the answer.
        dial: DialId,
        /// Where.
        to: SocketAddr,
        /// Limit of the whole exchange.
        deadline: Time,
        /// What to send.
        request: StreamRequest,
    },
    /// Answer an accepted stream, then close it.
    Reply {
        /// Which.
        connection: ConnectionId,
        /// The answer.
        reply: StreamRequest,
    },
    /// Close an accepted stream without an answer.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// For the layer above.
    Event(Event),
    /// Something an operator may want to know.
    Fact(Fact),
    /// A command has ended.
    Done {
        /// Whose.
        token: Token,
        /// How.
        outcome: Outcome,
    },
}

/// What is written to a stream. The node table is encoded once for all that hold it; the layer
/// above adds its own state when it passes a push/pull on.
#[derive(Clone, Debug)]
pub enum StreamRequest {
    /// Own whole state.
    PushPull {
        /// Whether this is a join (in a reply: an echo).
        join: bool,
        /// Number of entries in `nodes`.
        node_count: usize,
        /// The entries, encoded.
        nodes: Bytes,
    },
    /// A push/pull that is made for the answer: it tells of nobody but ourselves.
    Pull {
        /// Our entry, encoded.
        own: Bytes,
    },
    /// A probe.
    Ping(Ping),
    /// An exchange of whole states, where states are frozen.
    Frozen(FrozenTable),
    /// The answer to a probe.
    Ack(wire::message::gossip::Ack),
}

/// What the layer above must act on.
#[derive(Clone, Debug)]
pub enum Event {
    /// A member is alive that was unknown, dead or left.
    Joined(NodeState),
    /// A live member's tags have changed.
    Updated(NodeState),
    /// A member is dead or left; the layer above decides which (only intents make a leave).
    Departed(NodeState),
    /// A message of the layer above.
    UserMessage {
        /// Who sent it, or passed it on.
        from: SocketAddr,
        /// From its type byte.
        message: Bytes,
    },
    /// The user state of a push/pull; comes after the events of its nodes.
    RemoteState {
        /// The peer.
        from: SocketAddr,
        /// As the sender marked it.
        join: bool,
        /// The sender's table, which is merged by now.
        nodes: RemoteNodes,
        /// The state.
        state: UserState,
        /// The caller's token where this answers our own `Command::PushPull`.
        token: Option<Token>,
    },
    /// Two members claim one name.
    Conflict {
        /// The member that the table holds.
        existing: NodeState,
        /// The claim, which was ignored.
        other: NodeState,
    },
    /// A direct answer within the probe timeout.
    RoundTrip {
        /// Who answered.
        node: NodeName,
        /// How long it took.
        rtt: Duration,
        /// What its ack carried.
        payload: Option<Bytes>,
    },
}

/// What others say of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// That we are there, but not as we are.
    Alive,
    /// That we do not answer.
    Suspect,
    /// That we have gone.
    Dead,
}

/// Facts for logs, metrics and evidence.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fact {
    /// A suspicion has begun.
    Suspected {
        /// The accused.
        node: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
        /// The first accuser.
        by: NodeName,
        /// The accuser's health score, if it said so.
        health: Option<u8>,
    },
    /// A further accuser has shortened a suspicion.
    Confirmed {
        /// The accused.
        node: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
        /// The accuser.
        by: NodeName,
        /// Its health score, if it said so.
        health: Option<u8>,
        /// Confirmations so far.
        confirmations: u32,
        /// Since the first accusation.
        suspected_for: Duration,
    },
    /// A member has been declared dead.
    Died {
        /// Who.
        node: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
        /// Who declared it.
        by: NodeName,
        /// After this long under suspicion; None if it was not suspected here.
        suspected_for: Option<Duration>,
    },
    /// A member has said that it leaves.
    Left {
        /// Who.
        node: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
    },
    /// A suspicion, or the belief that a member is dead, has ended because the member is alive in
    /// a higher incarnation.
    Cleared {
        /// Who.
        node: NodeName,
        /// Its new incarnation.
        incarnation: Incarnation,
        /// After this long under suspicion; None if it was thought to be dead.
        suspected_for: Option<Duration>,
    },
    /// We have refuted an accusation against ourselves.
    Refuted {
        /// What was said of us.
        claim: Claim,
        /// Who said so, if it was not an older message of our own.
        by: Option<NodeName>,
        /// Our new incarnation.
        incarnation: Incarnation,
    },
    /// A probe has failed.
    ProbeFailed {
        /// Who did not answer.
        node: NodeName,
        /// Helpers asked.
        indirect: usize,
        /// Helpers that answered with a nack.
        nacks: usize,
        /// Our own health score before.
        health: Option<u8>,
    },
    /// A probe is over, whatever it has shown.
    Probed {
        /// Since it began.
        took: Duration,
        /// Whether it was given more time because our own health was bad.
        degraded: bool,
    },
    /// A suspicion has ended before as many had confirmed it as it was to wait for.
    FewConfirmations {
        /// Who is declared dead.
        node: NodeName,
        /// Confirmations.
        confirmations: u32,
    },
    /// Broadcasts of the layer above were put into packets.
    BroadcastsSent {
        /// The bytes of each, the type byte of the layer above included.
        lengths: Vec<usize>,
        /// To how many members.
        copies: u32,
    },
    /// The machine was not woken in time (the process was stopped, or the processor is
    /// overloaded), so that a verdict was put off once instead of given.
    VerdictPutOff {
        /// Whom it concerns.
        node: NodeName,
        /// How late the machine was.
        late: Duration,
    },
    /// A member answered over a stream only: its datagrams seem to be blocked.
    StreamProbeOnly {
        /// Who.
        node: NodeName,
    },
    /// Our health score has changed.
    HealthChanged {
        /// 0 is healthy.
        score: u32,
    },
    /// Who is said to be alive has an address outside of [`Config::allowed`](crate::Config), and
    /// was not believed.
    NotAllowed {
        /// Who.
        node: NodeName,
        /// The address.
        address: IpAddr,
    },
    /// A datagram, or a part of one, was not understood and dropped.
    PacketDropped {
        /// Its source.
        from: SocketAddr,
        /// Why.
        why: String,
    },
    /// A state exchange was refused.
    MergeRefused {
        /// The peer.
        from: SocketAddr,
        /// Why.
        why: String,
    },
    /// The peer of a state exchange of our own was reached.
    PushPullReached {
        /// The peer's name, where it is not just an address that a caller gave.
        node: Option<NodeName>,
        /// Where it is.
        to: SocketAddr,
    },
    /// A state exchange of our own has failed.
    PushPullFailed {
        /// The peer.
        to: SocketAddr,
        /// Why.
        why: String,
        /// Whether a caller asked for it: a join.
        commanded: bool,
    },
    /// A broadcast of the layer above fits into no packet, and was not queued.
    BroadcastTooLong {
        /// Its bytes.
        length: usize,
    },
    /// An accepted stream has brought no request that was understood in time. Told by the driver,
    /// which owns the streams.
    StreamDropped {
        /// The peer.
        from: SocketAddr,
        /// Why.
        why: String,
    },
    /// A member is ignored, because the table is full.
    TableFull {
        /// Who.
        node: NodeName,
    },
    /// An alive was ignored because a death certificate covers it.
    ResurrectionIgnored {
        /// Who.
        node: NodeName,
        /// The stale incarnation.
        incarnation: Incarnation,
    },
}

/// Which of the layer above's queues a broadcast goes to; the first is drained first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Join and leave intents.
    Intent,
    /// Queries.
    Query,
    /// User events.
    Event,
}

/// What a broadcast is about; one slot per subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Nothing: replaces nothing.
    None,
    /// An intent of a member: the higher time wins, a prune is never replaced by a plain leave.
    Intent {
        /// Whose.
        node: NodeName,
        /// Its member time.
        time: LamportTime,
        /// What it announces.
        kind: IntentKind,
    },
}

/// What an intent announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntentKind {
    /// A member is, or wants to be, in the cluster.
    Join,
    /// A member leaves, or is made to.
    Leave,
    /// As `Leave`, and its record is erased.
    Prune,
}

/// A broadcast of the layer above.
#[derive(Clone, Debug)]
pub struct UserBroadcast {
    /// Its queue.
    pub priority: Priority,
    /// Its slot.
    pub subject: Subject,
    /// The message, from its Serf type byte.
    pub message: Bytes,
    /// Answered by `Output::Done` when its sends are used up or it was replaced; with an error at
    /// the deadline.
    pub waiter: Option<(Token, Time)>,
}

/// The address and versions of a member, for the layer above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// As it travels.
    pub address: Address,
    /// Its port.
    pub port: u16,
    /// Its versions.
    pub versions: Versions,
}
