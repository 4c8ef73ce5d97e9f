//! Every bound of the Serf layer, with the reason for its number.

use std::time::Duration;

/// Largest `user_event_size_limit`, as in the real agent: 9 KiB. (Anything above one packet never
/// travels by gossip; the default of 512 bytes is what makes events dependable.)
pub const USER_EVENT_BYTES: usize = 9 * 1024;

/// Longest message taken from others; longer ones could only come by streams, which no member uses
/// for this. Room for the largest user event. Queries kept for answering and intents of strangers
/// hold parts of theirs.
pub const MESSAGE_BYTES: usize = 16 << 10;

/// Longest answer to a query taken, and longest relay: they travel in datagrams of their own, and
/// `query_response_size_limit` may be raised up to what those hold. Relays within relays to
/// ourselves are read one after another, so this bounds that work too.
pub const ANSWER_BYTES: usize = 64 << 10;

/// Longest encoded tags: the longest meta that members accept.
pub const META_BYTES: usize = 512;

/// Longest node name where names are validated.
pub const NODE_NAME_BYTES: usize = 128;

/// Latest time of a message that is believed by a member whose own clock is far from it. A clock
/// makes one step for each intent, event or query of its cluster: a million a second reach this in
/// 146,000 years.
pub const MESSAGE_TIME: u64 = 1 << 62;

/// Latest clock of a peer (in a state exchange), or of the snapshot file, that is believed by a
/// member whose own clock is far from it. As far above [`MESSAGE_TIME`] as that is above 0, so that
/// who joins a cluster that was moved there by a forged message follows it.
pub const CLOCK_TIME: u64 = 1 << 63;

/// How far a message may be ahead of the own clock above [`MESSAGE_TIME`]: forged ones need a
/// thousand million to move a clock from there to the end of time.
pub const TIME_LEAP: u64 = 1 << 32;

/// Members in the table, in any state: as many as the layer below has alive at most. Beyond it
/// those that have been gone for longest are erased.
pub const MEMBERS: usize = gossip::limits::MEMBERS;

/// How many of the gone are erased at a time, so that a flood of names does not search the table
/// for each.
pub const MEMBERS_ERASED: usize = MEMBERS / 64;

/// Intents remembered for members not known yet; the oldest goes first. One gossip round trip
/// separates an intent from its member, so a few thousand are a storm of joins.
pub const RECENT_INTENTS: usize = 4096;

/// Different user events remembered for one Lamport time. Members that send at the same moment
/// share a time; more than this is not chance.
pub const EVENTS_PER_TIME: usize = 1024;

/// Bytes of the whole event buffer: three times what 512 largest events need, and less than the
/// state of a push/pull may have. Beyond it new events are dropped, because an event that is not
/// remembered would be passed on for ever.
pub const EVENT_BUFFER_BYTES: usize = 16 << 20;

/// What an event costs beside its name and payload, so that many small ones are bounded too: its
/// field names on the wire, its place in memory.
pub const EVENT_OVERHEAD_BYTES: usize = 64;

/// Different queries remembered for one Lamport time; see [`EVENTS_PER_TIME`].
pub const QUERIES_PER_TIME: usize = 1024;

/// Queries of others that may still be answered; the oldest goes first.
pub const OPEN_QUERIES: usize = 4096;

/// Queries of our own that wait for answers.
pub const OWN_QUERIES: usize = 1024;

/// Answers (and acks) taken for one query, at least; otherwise twice the members known when it
/// was sent. A true answer comes from a member, and only one from each.
pub const QUERY_ANSWERS_MIN: usize = 64;

/// Longest query timeout that is believed; the field on the wire holds up to 292 years.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Key operations of others that wait for the keyring to be on disk.
pub const KEY_OPERATIONS: usize = 16;

/// Changes of the own tags that wait for the disk: one from each client that an agent serves. A
/// further one is refused.
pub const TAG_CHANGES: usize = 1024;

/// Key texts counted in one report: a member lists at most 40.
pub const REPORT_KEYS: usize = 4096;

/// Death certificates held; the one that expires first goes first.
pub const CERTIFICATES: usize = 8192;

/// Events held by a coalescer before it flushes early.
pub const COALESCED_EVENTS: usize = 4096;

/// Filters of one query. A query of the default size limit (1024 bytes) has room for some sixty of
/// the shortest; one with more is ignored, because each costs work before it is known for whom the
/// query is.
pub const FILTERS: usize = 64;

/// Longest filter pattern; a query of 1024 bytes cannot hold more.
pub const FILTER_PATTERN_BYTES: usize = 1024;

/// What one filter pattern may cost ([`crate::Pattern::cost`]): `^.{1,255}$` and `^[\w.-]{1,255}$`
/// have room, and the most costly takes a fraction of a millisecond.
pub const FILTER_COST: usize = 128 << 10;

/// What the patterns that are tried for one query may cost together, the last one apart: the work
/// that one datagram can cause.
pub const FILTERS_COST: usize = 256 << 10;

/// Compiled filter patterns kept: a query travels to a member several times, and dashboards
/// repeat theirs.
pub const FILTER_CACHE: usize = 32;

/// What the kept patterns may cost together; the oldest go first.
pub const FILTER_CACHE_COST: usize = 512 << 10;

/// Fewest bytes that one key takes in a key response; gives the first guess of how many fit.
pub const KEY_RESPONSE_ENTRY_BYTES: usize = 25;

/// Snapshot: smallest file that is compacted.
pub const SNAPSHOT_MIN_BYTES: u64 = 128 * 1024;

/// Snapshot: bytes reckoned for one member.
pub const SNAPSHOT_BYTES_PER_MEMBER: u64 = 128;

/// Snapshot: a file is compacted above this many times its reckoned size.
pub const SNAPSHOT_FACTOR: u64 = 2;

/// Snapshot: a clock line comes at most this often.
pub const SNAPSHOT_CLOCK_INTERVAL: Duration = Duration::from_millis(500);
