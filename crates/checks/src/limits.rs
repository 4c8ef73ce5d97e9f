//! What one run may use, and what the other end can make it keep.

use std::time::Duration;

use tokio::time::Instant;

/// What one run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take in all.
    pub timeout: Duration,
    /// How many bytes of a program's output or of an answer's body are kept: the last ones.
    pub output_max_bytes: usize,
}

impl Limits {
    /// The bound of the output where the operator gives none.
    pub const OUTPUT_MAX_BYTES: usize = 4096;

    /// When a run that starts now has to be over.
    pub(crate) fn deadline(self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.timeout).unwrap_or(now + FOREVER)
    }
}

/// Beyond what clocks can count.
pub(crate) const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Answers that only send us elsewhere; the next one is an error (as Go's client has it).
pub(crate) const REDIRECTS: usize = 10;

/// Header lines of an operator in one request: no server takes more, and the table of them has an
/// end at which it panics.
pub(crate) const REQUEST_LINES: usize = 1000;

/// The text of a failure: URLs of operators fit, headers that a server makes up do not.
pub(crate) const FAILURE_BYTES: usize = 8 << 10;

/// The words behind the code of an HTTP answer.
pub(crate) const REASON_BYTES: usize = 256;

/// The head of an HTTP answer: no server that is well sends more, and every check of an agent
/// may be at this point at once. One that comes whole with the last read may be twice as long.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// The header fields of an HTTP/2 answer, as HTTP/2 counts them.
pub(crate) const HEADER_LIST_BYTES: u32 = 16 << 10;

/// What an HTTP/2 server may send before we have read it.
pub(crate) const WINDOW_BYTES: u32 = 64 << 10;

/// A message of the health service: two bytes are usual.
pub(crate) const GRPC_MESSAGE_BYTES: usize = 4096;

/// What is read of the Docker daemon's own answers (not of a program's output).
pub(crate) const DOCKER_ANSWER_BYTES: usize = 64 << 10;

/// Questions to the resolver at a time: each has a thread of the runtime, of which others need
/// some too.
pub(crate) const LOOKUPS: usize = 64;

/// Addresses of one name that are tried in turn.
pub(crate) const ADDRESSES: usize = 16;
