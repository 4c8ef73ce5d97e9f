//! What goes into the machine and what comes out of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use gossip::{ConnectionId, DialId, FrozenState, Time, Token};
use wire::message::gossip::{State, StreamMessage};
use wire::message::serf::{Filter, KeyResponse};
use wire::{Address, Incarnation, LamportTime, NodeName, Versions};

/// Tags of a member: what it says of itself.
pub type Tags = BTreeMap<String, String>;

/// What the driver tells the machine. The network inputs are those of the gossip machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// See [`gossip::Input::Timeout`].
    Timeout,
    /// See [`gossip::Input::Packet`].
    Packet {
        /// Its source.
        from: SocketAddr,
        /// Its bytes, sealed or not.
        bytes: &'a [u8],
    },
    /// See [`gossip::Input::Request`].
    Request {
        /// The stream.
        connection: ConnectionId,
        /// Its source.
        from: SocketAddr,
        /// The request.
        message: StreamMessage,
    },
    /// See [`gossip::Input::Response`].
    Response {
        /// The dial it answers.
        dial: DialId,
        /// The answer.
        message: StreamMessage,
    },
    /// See [`gossip::Input::FrozenRequest`].
    FrozenRequest {
        /// The stream.
        connection: ConnectionId,
        /// Its source.
        from: SocketAddr,
        /// The state of who asks.
        state: FrozenState,
    },
    /// See [`gossip::Input::FrozenResponse`].
    FrozenResponse {
        /// The dial it answers.
        dial: DialId,
        /// The state of who answers.
        state: FrozenState,
    },
    /// See [`gossip::Input::DialFailed`].
    DialFailed {
        /// The dial.
        dial: DialId,
        /// Why.
        why: String,
    },
    /// See [`gossip::Input::SendFailed`].
    SendFailed {
        /// Its destination.
        to: SocketAddr,
    },
    /// The driver has carried out (or failed) an [`Output::Persist`].
    Persisted {
        /// Which.
        id: PersistId,
        /// The error text that the waiting caller is told.
        result: Result<(), String>,
    },
    /// A caller wants something.
    Command {
        /// Whom to answer.
        token: Token,
        /// What.
        command: Command,
    },
}

/// Names a write that the machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub u64);

/// Names a query as this member received it: its time and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId {
    /// Query clock.
    pub lamport_time: LamportTime,
    /// Random.
    pub id: u32,
}

/// One address to join. The driver has resolved the names.
#[derive(Clone, Debug)]
pub struct JoinTarget {
    /// The resolved address.
    pub address: SocketAddr,
    /// From `NAME/address`; only for diagnostics.
    pub name: Option<NodeName>,
    /// What stands in error texts: the host as the user typed it.
    pub label: String,
}

/// What callers may ask. Every command is answered by one [`Output::Done`].
#[derive(Clone, Debug)]
pub enum Command {
    /// Join through these members, one after another.
    Join {
        /// The resolved targets.
        targets: Vec<JoinTarget>,
        /// Do not deliver events older than the join.
        ignore_old_events: bool,
    },
    /// Leave gracefully. Answered when it is over.
    Leave,
    /// Turn a failed member into a left one; with `prune` erase it.
    ForceLeave {
        /// Who.
        node: NodeName,
        /// Erase at once.
        prune: bool,
    },
    /// Broadcast a user event.
    UserEvent {
        /// Its name.
        name: String,
        /// Its payload; None and empty differ on the wire.
        payload: Option<Bytes>,
        /// Whether receivers may coalesce it.
        coalesce: bool,
    },
    /// Ask a query. Done says that it was sent; answers come as [`Output::QueryProgress`].
    Query(QueryRequest),
    /// Answer a query that came as [`Event::Query`].
    Respond {
        /// Which.
        query: QueryId,
        /// The answer.
        payload: Bytes,
    },
    /// Change the own tags. With `persist` they are written before they are announced. Changes are
    /// made one after another, each to what the one before has left.
    SetTags {
        /// What is to become of them.
        change: TagChange,
        /// Ask for [`Output::Persist`] first.
        persist: bool,
    },
    /// Change one of the keys on every member, or list them.
    Keys(KeyOperation),
}

/// What is to become of the own tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagChange {
    /// These are all.
    Replace(Tags),
    /// The others stay. What is both deleted and set is set.
    Edit {
        /// Names of those to delete.
        delete: Vec<String>,
        /// Those to set.
        set: Tags,
    },
}

/// A cluster-wide operation on keys. Keys are raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOperation {
    /// Add.
    Install(Bytes),
    /// Make primary.
    Use(Bytes),
    /// Remove.
    Remove(Bytes),
    /// List.
    List,
}

/// What a query asks, and of whom.
#[derive(Clone, Debug, Default)]
pub struct QueryRequest {
    /// Its name.
    pub name: String,
    /// Its payload.
    pub payload: Option<Bytes>,
    /// All must pass.
    pub filters: Vec<Filter>,
    /// Whether acknowledgements are wanted.
    pub request_ack: bool,
    /// How many members answers are relayed through.
    pub relay_factor: u8,
    /// None: the default. May be negative on the wire, which ends the query at once.
    pub timeout: Option<QueryTimeout>,
}

/// A query's time limit in nanoseconds, as it travels (negative ones do).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryTimeout(pub i64);

/// How a command ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It succeeded and has nothing to say.
    Ok,
    /// A join: how many targets answered, and what went wrong with the others (label, reason).
    Joined {
        /// Targets that answered.
        contacted: usize,
        /// The others, in order.
        failures: Vec<(String, String)>,
    },
    /// A query is on its way.
    QuerySent {
        /// Which.
        query: QueryId,
    },
    /// A key operation is over.
    Keys(KeyReport),
    /// It failed.
    Failed(Error),
}

/// The steps of a key operation that a member asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Finding the keyring: there is none without encryption.
    Find,
    /// Reading the request.
    Read,
    /// The change itself.
    Change,
    /// Writing the changed keyring to its file.
    Write,
}

/// What the members answered to a key operation.
#[derive(Clone, Debug, Default)]
pub struct KeyReport {
    /// Members asked.
    pub nodes: usize,
    /// Members that answered.
    pub responses: usize,
    /// Members that reported an error.
    pub errors: usize,
    /// What members had to say.
    pub messages: BTreeMap<NodeName, String>,
    /// Key in base64 → how many members have it.
    pub keys: BTreeMap<String, usize>,
    /// Key in base64 → how many members have it as their primary.
    pub primary_keys: BTreeMap<String, usize>,
    /// Why the whole operation failed, if it did.
    pub failure: Option<String>,
}

/// Why a command failed. The texts are part of the RPC protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Name and payload are too long.
    #[error("user event exceeds configured limit of {0} bytes before encoding")]
    EventTooBig(usize),
    /// The encoded event is too long.
    #[error("encoded user event exceeds configured limit of {0} bytes after encoding")]
    EncodedEventTooBig(usize),
    /// The encoded query is too long.
    #[error("query exceeds limit of {0} bytes")]
    QueryTooBig(usize),
    /// The encoded response is too long; the query stays open.
    #[error("response exceeds limit of {0} bytes")]
    ResponseTooBig(usize),
    /// The query was answered before.
    #[error("response already sent")]
    AlreadyAnswered,
    /// The query's deadline has passed.
    #[error("response is past the deadline")]
    PastDeadline,
    /// The encoded tags are too long; they stay as they were.
    #[error("Encoded length of tags exceeds limit of 512 bytes")]
    TagsTooBig,
    /// Too many changes of tags wait for the disk.
    #[error("too many tag changes in progress, try again later")]
    TooManyTagChanges,
    /// The update broadcast was not through in time; the tags are set all the same.
    #[error("timeout waiting for update broadcast")]
    UpdateTimeout,
    /// The intent was not through in time.
    #[error("timed out broadcasting node removal")]
    RemovalTimeout,
    /// The spoken protocol has no queries.
    #[error("Feature not supported")]
    NotSupported,
    /// A second leave.
    #[error("Leave already in progress")]
    AlreadyLeaving,
    /// A leave after the end.
    #[error("Leave called after Shutdown")]
    LeaveAfterShutdown,
    /// A join after the end, or while leaving.
    #[error("Serf can't Join after Leave or Shutdown")]
    JoinAfterLeave,
    /// An own event or query that this member would not take from another either.
    #[error("dropped: {0}")]
    Dropped(&'static str),
    /// More filters than a query may have.
    #[error("query exceeds limit of {0} filters")]
    TooManyFilters(usize),
    /// Too many queries of this member wait for answers.
    #[error("too many queries in progress, try again later")]
    TooManyQueries,
    /// The machine was shut down.
    #[error("Serf is shut down")]
    Ended,
    /// A file could not be written; nothing was changed.
    #[error("{0}")]
    Persist(String),
}

/// What the machine tells its driver, in the order in which it must be carried out.
#[derive(Debug)]
pub enum Output {
    /// See [`gossip::Output::Packet`].
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
        /// The request, neither compressed nor sealed, as segments to be written one after
        /// another (so that a shared node table is not copied).
        request: Vec<Bytes>,
    },
    /// Answer an accepted stream, then close it.
    Reply {
        /// Which.
        connection: ConnectionId,
        /// The answer, as in `Dial`.
        reply: Vec<Bytes>,
    },
    /// Close an accepted stream without an answer.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Write this, then say [`Input::Persisted`].
    Persist {
        /// Which.
        id: PersistId,
        /// What.
        what: Persist,
    },
    /// Append to the snapshot file, if there is one.
    Snapshot(SnapshotRecord),
    /// For handlers and streams; coalesced, internal queries taken out.
    Event(Event),
    /// Something an operator may want to know.
    Fact(Fact),
    /// A query of our own has moved on.
    QueryProgress {
        /// Which.
        query: QueryId,
        /// How.
        progress: QueryProgress,
    },
    /// A command has ended.
    Done {
        /// Whose.
        token: Token,
        /// How.
        outcome: Outcome,
    },
    /// The machine has lost its name to another member: shut down without leaving.
    Shutdown,
}

/// What must be on disk before it is answered or announced.
#[derive(Clone, Debug)]
pub enum Persist {
    /// The keys, primary first, raw.
    Keyring(Vec<Bytes>),
    /// All tags.
    Tags(Tags),
}

/// One line of the snapshot file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotRecord {
    /// A member is alive at this address.
    Alive {
        /// Who.
        node: NodeName,
        /// Where.
        address: SocketAddr,
    },
    /// A member is not alive any more.
    NotAlive {
        /// Who.
        node: NodeName,
    },
    /// Last member time.
    Clock(LamportTime),
    /// Last event time.
    EventClock(LamportTime),
    /// Last query time.
    QueryClock(LamportTime),
    /// We leave; must be on disk before the leave is answered.
    Leave,
}

/// What became of a query of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryProgress {
    /// A member has acknowledged it.
    Ack {
        /// Who.
        from: NodeName,
    },
    /// A member has answered it.
    Response {
        /// Who.
        from: NodeName,
        /// What.
        payload: Option<Bytes>,
    },
    /// Its time is over; the last word about it.
    Done,
}

/// What members, users and queries bring about.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something happened to members, after coalescing.
    Member {
        /// What.
        kind: MemberEventKind,
        /// To whom.
        members: Vec<Member>,
    },
    /// A user event.
    User {
        /// Event clock.
        lamport_time: LamportTime,
        /// Its name.
        name: String,
        /// Its payload.
        payload: Option<Bytes>,
        /// Whether it was marked as coalescable.
        coalesce: bool,
    },
    /// A query to be answered.
    Query {
        /// For [`Command::Respond`].
        query: QueryId,
        /// Its name.
        name: String,
        /// Its payload.
        payload: Option<Bytes>,
        /// Last time at which an answer is accepted.
        deadline: Time,
        /// Who asks; empty from old members.
        source_node: String,
    },
}

/// The kinds of member events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberEventKind {
    /// `member-join`
    Join,
    /// `member-leave`
    Leave,
    /// `member-failed`
    Failed,
    /// `member-update`
    Update,
    /// `member-reap`
    Reap,
}

impl MemberEventKind {
    /// The name that handlers, streams and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            MemberEventKind::Join => "member-join",
            MemberEventKind::Leave => "member-leave",
            MemberEventKind::Failed => "member-failed",
            MemberEventKind::Update => "member-update",
            MemberEventKind::Reap => "member-reap",
        }
    }
}

/// A member as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// Its address, as it travels.
    pub address: Address,
    /// Its port.
    pub port: u16,
    /// Its tags.
    pub tags: std::sync::Arc<Tags>,
    /// Its status.
    pub status: MemberStatus,
    /// Its versions.
    pub versions: Versions,
}

impl Member {
    /// Where to reach it; None if its address is neither of 4 nor of 16 bytes.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.address.to_ip()?, self.port))
    }
}

/// The status of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberStatus {
    /// Not known.
    None,
    /// Up.
    Alive,
    /// Announced its departure, still up.
    Leaving,
    /// Departed gracefully, or declared so by an operator.
    Left,
    /// Gone without a word.
    Failed,
}

impl MemberStatus {
    /// The name that the RPC protocol uses.
    pub fn as_str(self) -> &'static str {
        match self {
            MemberStatus::None => "none",
            MemberStatus::Alive => "alive",
            MemberStatus::Leaving => "leaving",
            MemberStatus::Left => "left",
            MemberStatus::Failed => "failed",
        }
    }
}

/// The kinds of messages that members send each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A member wants to leave, or is made to.
    Leave,
    /// A member is there.
    Join,
    /// A user event.
    UserEvent,
    /// A query.
    Query,
    /// An answer to a query, or its acknowledgement.
    QueryResponse,
    /// An answer to be handed on.
    Relay,
}

/// Facts for logs, metrics and evidence.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fact {
    /// From the layer below.
    Gossip(gossip::Fact),
    /// A member event as it happens, before coalescing.
    Member {
        /// What.
        kind: MemberEventKind,
        /// By an operator's force-leave (leave and reap only).
        forced: bool,
        /// Who.
        name: NodeName,
        /// Where; None if its address has an odd length.
        address: Option<IpAddr>,
    },
    /// The table is full, so that those that have been gone for longest are erased.
    TableFull,
    /// A member came back so soon after its failure that it is said to flap.
    Flapped {
        /// Who.
        name: NodeName,
    },
    /// A message of the Serf layer came in, whether or not it is news.
    MessageReceived {
        /// Its kind.
        kind: MessageKind,
        /// Whom or what it names: the member of an intent or an answer, the name of an event or a
        /// query.
        subject: String,
        /// Its length, the type byte included.
        bytes: usize,
    },
    /// A user event was taken in.
    UserEvent {
        /// Its name.
        name: String,
    },
    /// A query was taken in (internal ones too).
    Query {
        /// Its name.
        name: String,
    },
    /// An acknowledgement of a query of ours; `duplicate`: already had from that member.
    QueryAck {
        /// A second one.
        duplicate: bool,
    },
    /// An answer to a query of ours.
    QueryResponse {
        /// A second one.
        duplicate: bool,
    },
    /// A message of the Serf layer was not understood, or is not believed, and dropped.
    MessageDropped {
        /// Who sent it, or passed it on; None for what we say ourselves.
        from: Option<SocketAddr>,
        /// What it is, if that can be read; None also for state exchanges.
        kind: Option<MessageKind>,
        /// Why.
        why: String,
    },
    /// A filter's pattern is none that is supported here; it counts as no match.
    FilterUnsupported {
        /// The pattern.
        expression: String,
        /// What is wrong with it.
        why: String,
        /// The name of the query.
        query: String,
        /// Who asks, as the query says; empty from old members.
        asker: String,
        /// Who sent it, or passed it on; None for queries of our own.
        from: Option<SocketAddr>,
    },
    /// Another member claims a name.
    NameConflict {
        /// The name.
        name: NodeName,
        /// Whether it is our own.
        ours: bool,
        /// Where the member is that the table has.
        existing: Option<SocketAddr>,
        /// What that member is believed to be.
        state: State,
        /// Where the claim came from.
        other: Option<SocketAddr>,
    },
    /// A measured round trip has moved our own coordinate.
    CoordinateMoved {
        /// The estimated round trip between where it was and where it is.
        by: Duration,
    },
    /// A vote on our own name is over.
    ConflictVote {
        /// Votes for us.
        matching: usize,
        /// All votes.
        responses: usize,
        /// Whether we keep the name.
        kept: bool,
    },
    /// Trying to reach a failed member again.
    Reconnecting {
        /// Who.
        name: NodeName,
        /// Where.
        address: SocketAddr,
    },
    /// Trying to rejoin through a member of the snapshot.
    Rejoining {
        /// Who.
        name: NodeName,
        /// Where.
        address: SocketAddr,
    },
    /// A rejoin succeeded.
    Rejoined {
        /// Who.
        name: NodeName,
        /// Where.
        address: SocketAddr,
    },
    /// No member of the snapshot could be reached.
    RejoinFailed,
    /// An answer to an internal query failed.
    InternalQueryFailed {
        /// The query.
        name: String,
        /// Why.
        why: String,
    },
    /// How long a broadcast queue is, an interval after something was queued.
    QueueDepth {
        /// Which.
        queue: gossip::Priority,
        /// Its length.
        length: usize,
        /// Whether it is longer than it should be.
        is_long: bool,
        /// Messages dropped.
        pruned: usize,
    },
    /// A member asked something of our keys that cannot be done; it gets the same answer.
    KeyFailure {
        /// What it asked, by the name of the query without its prefix.
        operation: &'static str,
        /// At which step it failed.
        step: KeyStep,
        /// Why.
        message: String,
    },
    /// We saw a leave of ourselves that is not ours, and have answered it.
    LeaveRefuted,
    /// A broadcast of our own leave was not through in time; the leave goes on. At most once.
    LeaveBroadcastTimeout,
    /// A coordinate update was refused.
    CoordinateRejected {
        /// From whom.
        node: NodeName,
        /// Why.
        why: String,
    },
    /// A member that was reaped or pruned.
    Certified {
        /// Who.
        node: NodeName,
        /// The incarnation that the certificate covers.
        incarnation: Incarnation,
        /// The time of a join intent that it covers.
        status_time: LamportTime,
    },
    /// A malformed answer to a key operation came in.
    KeyResponseMalformed {
        /// From whom.
        node: NodeName,
        /// The answer as far as it was read.
        response: Option<KeyResponse>,
    },
}

/// Numbers about the machine, for `info` and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Members in any status.
    pub members: usize,
    /// Failed ones.
    pub failed: usize,
    /// Left ones.
    pub left: usize,
    /// Lifeguard's score, 0 is healthy.
    pub health_score: u32,
    /// Member clock.
    pub member_time: LamportTime,
    /// Event clock.
    pub event_time: LamportTime,
    /// Query clock.
    pub query_time: LamportTime,
    /// Queued intents.
    pub intent_queue: usize,
    /// Queued user events.
    pub event_queue: usize,
    /// Queued queries.
    pub query_queue: usize,
    /// Whether a keyring is set.
    pub encrypted: bool,
    /// Times the own coordinate was reset.
    pub coordinate_resets: usize,
}
