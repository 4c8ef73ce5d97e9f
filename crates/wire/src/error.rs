//! Why bytes could not be turned into a value.

use crate::InvalidAddress;

/// Why bytes could not be turned into a value.
///
/// Only [`DecodeError::Incomplete`] can be cured by more bytes; everything else is final, so
/// incremental decoders must tell the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("the data ends inside a value")]
    Incomplete,
    /// A value of another kind than the field wants.
    #[error("expected {expected}, found a value that starts with byte {found:#04x}")]
    WrongType {
        /// What the field wants.
        expected: &'static str,
        /// The first byte of what is there.
        found: u8,
    },
    /// A number that does not fit the field: too large, or negative in an unsigned field.
    #[error("a number does not fit {0}")]
    OutOfRange(&'static str),
    /// Text that is not UTF-8.
    #[error("text is not valid UTF-8")]
    NotText,
    /// Values nested deeper than [`crate::limits::MSGPACK_DEPTH`].
    #[error("values are nested too deeply")]
    TooDeep,
    /// A count or length beyond the bound named.
    #[error("{what} of {value} exceeds the limit of {limit}")]
    LimitExceeded {
        /// What was counted.
        what: &'static str,
        /// What the bytes claim.
        value: u64,
        /// What is allowed.
        limit: u64,
    },
    /// An address that cannot be one.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// No bytes at all where a message starts.
    #[error("empty message")]
    Empty,
    /// A type byte that this place does not know.
    #[error("unsupported {what} type {found}")]
    UnknownType {
        /// Which set of types was looked in.
        what: &'static str,
        /// The byte found.
        found: u8,
    },
}
