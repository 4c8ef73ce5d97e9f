//! Every bound of the shell, with the reason for its number and what happens when it is reached.

use std::time::Duration;

/// Records that wait for one slow stream of an RPC client, as in the real agent; further ones
/// are dropped with a WARN line.
pub const STREAM_RECORDS: usize = 512;

/// Events that wait for the handlers. Above it the oldest are dropped, counted and logged once.
pub const HANDLER_EVENTS: usize = 1024;

/// Bytes of a handler's output that are kept, the last ones; what the real agent keeps.
pub const HANDLER_OUTPUT_BYTES: usize = 8192;

/// A handler that takes longer is logged, once per invocation.
pub const HANDLER_SLOW: Duration = Duration::from_secs(1);

/// Addresses taken from one name: a join tries them one after another.
pub const ADDRESSES_PER_NAME: usize = 1024;

/// Addresses in one join.
pub const JOIN_TARGETS: usize = 16 * 1024;

/// Longest wait for the answer of a name server over TCP before the system's resolver is asked.
pub const NAME_SERVER_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for the system's resolver.
pub const RESOLVER_TIMEOUT: Duration = Duration::from_secs(10);

/// Suspicions and failures that are remembered, the newest.
pub const EVIDENCE_RECORDS: usize = 1024;

/// Datagrams taken from the socket before streams, timers and callers get their turn.
pub const DATAGRAMS_PER_TURN: usize = 128;

/// Datagrams that wait while the system's send buffer is full; above it the oldest are dropped,
/// as a network would.
pub const UNSENT_DATAGRAMS: usize = 1024;

/// Largest datagram.
pub const DATAGRAM_BYTES: usize = 65_536;

/// Datagrams below this many bytes are not compressed: their header and what the link adds weigh as
/// much as what would be saved, and both ends would pay for it with tens of microseconds.
pub const COMPRESSED_BYTES: usize = 512;

/// What the system is asked for as the receive buffer, halved until it accepts.
pub const RECEIVE_BUFFER_BYTES: usize = 2 << 20;

/// Incoming streams served at the same time, twice the state exchanges that the real agent lets
/// in before it closes further ones; here they wait in the system's queue instead, and those
/// that have brought no whole request yet give way to them after [`CROWDED_PATIENCE`].
pub const INCOMING_STREAMS: usize = 256;

/// How long a stream may take to bring its request while others wait for its place. A true one
/// takes a few round trips.
pub const CROWDED_PATIENCE: Duration = Duration::from_secs(1);

/// Between looks for streams that could give way.
pub const CROWDED_PAUSE: Duration = Duration::from_millis(250);

/// Bytes that all streams together may hold; a stream that needs more is closed. Room for one
/// exchange of the largest size, sealed and opened, and for a thousand ordinary ones.
pub const STREAM_BYTES_TOTAL: usize = 128 << 20;

/// Clients of the RPC at the same time; further ones are closed at once, unless one that may not
/// give commands yet gives way.
pub const RPC_CLIENTS: usize = 1024;

/// Streams of one RPC connection, monitor included.
pub const RPC_STREAMS: usize = 1024;

/// Bytes that wait for a client to read them; above it its commands and streams wait.
pub const RPC_OUTPUT_BYTES: usize = 64 << 10;

/// Items in the filter of one stream: an event is sent once for each that it passes.
pub const STREAM_FILTERS: usize = 64;

/// Bytes of the filter of one stream: room for as many names of events.
pub const STREAM_FILTER_BYTES: usize = 8 << 10;

/// Queries that one RPC client may still answer; the oldest goes first.
pub const RPC_QUESTIONS: usize = 4096;

/// Addresses in one `join`; the targets that they stand for are bounded by `JOIN_TARGETS`.
pub const JOIN_ADDRESSES: usize = 4096;

/// How long answers under way may take when the agent ends.
pub const RPC_FLUSH: Duration = Duration::from_millis(500);

/// What one pattern of a member filter may cost ([`serf::Pattern::cost`]): it comes from a client
/// of our own, so more than what members may ask of each other.
pub const PATTERN_COST: usize = 1 << 20;

/// What all patterns of one member filter may cost together: some milliseconds.
pub const PATTERNS_COST: usize = 2 << 20;

/// How long snapshot lines wait to be written together.
pub const SNAPSHOT_FLUSH: Duration = Duration::from_millis(400);

/// Between attempts to write a snapshot that could not be written.
pub const SNAPSHOT_RETRY: Duration = Duration::from_secs(30);

/// Snapshot lines that wait for a slow disk; above it they are dropped and the file is rewritten
/// as a whole.
pub const SNAPSHOT_PENDING_BYTES: usize = 256 << 10;

/// How long the end of the agent waits for the snapshot to reach the disk.
pub const SNAPSHOT_FINAL: Duration = Duration::from_millis(1000);
