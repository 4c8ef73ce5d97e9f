//! Checksums over packets (A5).
//!
//! ```text
//! 0c | crc32: u32 | message
//! ```

use crate::message::gossip::kind;

/// What a checksum adds to a packet.
pub const OVERHEAD: usize = 5;

/// A packet whose checksum does not match its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("checksum {found:08x} does not match the content's {expected:08x}")]
pub struct CrcError {
    /// Of the content.
    pub expected: u32,
    /// In the packet.
    pub found: u32,
}

/// Begins a checksum at the end of `out`: what is appended from here to [`finish`] is covered.
/// Returns where the checksum begins.
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[kind::CRC, 0, 0, 0, 0]);
    start
}

/// Fills in the checksum over what was appended since [`begin`].
pub(crate) fn finish(out: &mut [u8], start: usize) {
    let sum = crc32fast::hash(&out[start + OVERHEAD..]);
    out[start + 1..start + OVERHEAD].copy_from_slice(&sum.to_be_bytes());
}

/// Checks and takes off a checksum where there is one.
pub fn strip(bytes: &[u8]) -> Result<&[u8], CrcError> {
    let &[kind::CRC, a, b, c, d, ref content @ ..] = bytes else { return Ok(bytes) };
    let (found, expected) = (u32::from_be_bytes([a, b, c, d]), crc32fast::hash(content));
    if found == expected { Ok(content) } else { Err(CrcError { expected, found }) }
}
