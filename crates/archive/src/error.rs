//! Why an archive is refused.

use gotext::object::ObjectError;

/// Why an archive is refused, in Consul's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is not in gzip.
    #[error("failed to decompress snapshot: {0}")]
    Gzip(&'static str),
    /// What is unpacked is no tar; the text says why.
    #[error("failed to read snapshot file: failed reading snapshot: {0}")]
    Tar(String),
    /// A file that has no business there.
    #[error("failed to read snapshot file: unexpected file {} in snapshot", gotext::quote(.0))]
    UnexpectedFile(String),
    /// The description is cut.
    #[error("failed to read snapshot file: failed to decode snapshot metadata: {0}")]
    Meta(String),
    /// The description is not what it should be.
    #[error("failed to read snapshot file: failed to decode snapshot metadata: {0}")]
    BadMeta(#[from] ObjectError),
    /// The state is cut.
    #[error("failed to read snapshot file: failed to read or write snapshot data: {0}")]
    State(String),
    /// The list of sums is cut.
    #[error("failed to read snapshot file: failed to read snapshot hashes: {0}")]
    Sums(String),
    /// The sums are wrong, or are none.
    #[error("failed to read snapshot file: failed checking integrity of snapshot: {0}")]
    Integrity(String),
    /// Bytes follow the archive.
    #[error("{0} unread uncompressed bytes remain")]
    Unread(u64),
    /// The archive is whole, and then its compression breaks off.
    #[error("{0}")]
    Tail(String),
    /// More than the caller takes.
    #[error("the snapshot is longer than {0} bytes")]
    TooLong(u64),
    /// A record of a type that is longer than the caller takes.
    #[error("failed to restore a {name} record: it is longer than {limit} bytes")]
    LongRecord {
        /// The type's name.
        name: String,
        /// What the caller takes.
        limit: usize,
    },
    /// The state holds something that is no record; the text says what.
    #[error("failed to read snapshot file: {0}")]
    Record(String),
}
