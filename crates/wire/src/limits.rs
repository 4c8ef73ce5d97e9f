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
