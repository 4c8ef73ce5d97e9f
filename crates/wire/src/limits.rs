//! Every bound of the wire, with the reason for its number.

/// Longest address in bytes: an IPv6 address. Peers compare addresses byte for byte.
pub const ADDRESS_BYTES: usize = 16;

/// Largest number of messages in one compound packet that old receivers survive: their 8-bit
/// arithmetic breaks at 128. Senders split above this; receivers take up to 255.
pub const COMPOUND_PARTS_SENT: usize = 127;

/// How deep compound and compress layers may nest in one packet. Real senders use two.
pub const LAYER_DEPTH: usize = 8;

/// Largest result of one decompression, as in newer peers: 40 MiB.
pub const DECOMPRESSED_BYTES: usize = 40 << 20;

/// Largest encrypted stream, user state and stream user message: 20 MiB.
pub const STREAM_BYTES: usize = 20 << 20;

/// Largest node count a push/pull header may claim.
pub const PUSH_PULL_NODES: usize = 1 << 20;

/// Longest label in bytes (its length is one byte, and zero is refused).
pub const LABEL_BYTES: usize = 255;

/// Deepest nesting of msgpack values that a reader follows, also when skipping unknown fields.
pub const MSGPACK_DEPTH: usize = 32;

/// Most slots of an event buffer in a push/pull. Peers send 512; an empty slot is one byte on the
/// wire and 40 in memory.
pub const EVENT_SLOTS: usize = 1 << 16;

/// Most user events in all slots of a push/pull together; an empty one is one byte on the wire
/// and 56 in memory.
pub const PUSH_PULL_EVENTS: usize = 1 << 20;

/// Most filters of one query; a query of the usual 1,024 bytes has room for a few hundred.
pub const FILTERS: usize = 1 << 16;

/// Most keys in one listing; the usual 1,024 bytes of an answer have room for some twenty.
pub const KEYS: usize = 1 << 16;

/// Most dimensions of a coordinate; real ones have 8, and what has not ours is ignored anyway.
pub const COORDINATE_DIMENSIONS: usize = 64;

/// Largest header or body that an agent takes from an RPC client: 1 MiB. The largest that any
/// command could use is a list of some thousand addresses.
pub const RPC_REQUEST_BYTES: usize = 1 << 20;

/// The same before a client has shaken hands and, if that is asked for, authenticated itself.
pub const RPC_GREETING_BYTES: usize = 16 << 10;

/// Largest header or body that an RPC client takes from an agent: 64 MiB, the answer to
/// `members` of some hundred thousand members.
pub const RPC_RESPONSE_BYTES: usize = 64 << 20;

/// Most records of one answer: an absent one takes a single byte, and a hundred once it is read.
pub const RPC_RECORDS: usize = PUSH_PULL_NODES;

/// Most that all compressed parts of one datagram may expand to together. Real packets hold at
/// most 64 KiB before compression; without a bound, one could ask for gigabytes of work.
pub const DATAGRAM_DECOMPRESSED_BYTES: usize = 1 << 20;

/// Longest header, table entry or small message of a plain stream, apart from a long string at
/// its end; it is read again with every arrival of bytes. Real ones have less than 1 KiB.
pub const STREAM_UNIT_BYTES: usize = 16 << 10;
