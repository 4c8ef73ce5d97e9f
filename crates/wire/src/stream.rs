//! Streams: one request on a connection and at most one answer (A6).
//!
//! ```text
//! label header (dialer only) | encrypt header + seal | compression | message
//! ```
//!
//! Plain streams carry no length and their sender does not close before it has read the answer,
//! so [`StreamDecoder`] takes the bytes as they come and tells when the message is whole.

mod decoder;
#[cfg(test)]
mod tests;

pub use decoder::{Progress, Role, StreamDecoder, StreamFailure};

use bytes::Bytes;

use crate::keyring::Key;
use crate::label::{self, LabelError};
use crate::lzw::{self, CompressError};
use crate::message::gossip::kind;
use crate::seal::{self, NONCE_BYTES, SealError, SealVersion};
use crate::{DecodeError, limits};

/// Type byte and length in front of an encrypted stream.
const ENCRYPT_HEADER_BYTES: usize = 5;

/// Why a stream was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// It is another cluster's.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// It is sealed and we have no keys.
    #[error("Remote state is encrypted and encryption is not configured")]
    Sealed,
    /// It is in clear and we have keys.
    #[error("Encryption is configured but remote state is not encrypted")]
    NotSealed,
    /// It cannot be decrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It cannot be decompressed.
    #[error(transparent)]
    Compress(CompressError),
    /// The message inside is not one.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It exceeds a limit.
    #[error("stream of more than the {limit} bytes allowed")]
    TooLong {
        /// What is allowed.
        limit: usize,
    },
}

/// How to seal what is written to a stream; see [`crate::Security::stream_options`].
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamSeal<'a> {
    /// The label; empty for none.
    pub label: &'a [u8],
    /// Whether to announce the label: the dialer does, the listener does not.
    pub label_header: bool,
    /// Whether to compress; if so, then also where that makes it longer.
    pub compress: bool,
    /// The key; None for in clear.
    pub key: Option<&'a Key>,
    /// The version of the seal.
    pub version: SealVersion,
}

/// A message as it stands in a stream that is compressed: with it [`encode`] need not compress.
pub fn compress(segments: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::new();
    lzw::write_message(&segments.concat(), &mut out);
    out
}

/// The bytes to write to a stream for a message that is given in pieces, so that a large table
/// that is known in encoded form need not be copied together first.
///
/// The nonce must never have been used with the key; it is not looked at without one. Fails
/// where the sealed message is longer than peers accept.
pub fn encode(
    segments: &[&[u8]],
    options: &StreamSeal<'_>,
    nonce: [u8; NONCE_BYTES],
) -> Result<Vec<u8>, StreamError> {
    let length: usize = segments.iter().map(|segment| segment.len()).sum();
    let mut out = Vec::with_capacity(length + 2 + options.label.len() + 64);
    if options.label_header {
        label::write(options.label, &mut out);
    }
    let header = out.len();
    let sealed = options.key.map(|key| {
        out.extend_from_slice(&[kind::ENCRYPT, 0, 0, 0, 0]);
        (key, seal::begin(&mut out, options.version, nonce))
    });
    let plaintext = out.len();
    if options.compress {
        lzw::write_message(&segments.concat(), &mut out);
    } else {
        segments.iter().for_each(|segment| out.extend_from_slice(segment));
    }
    if let Some((key, start)) = sealed {
        let length = options.version.sealed_length(out.len() - plaintext);
        let limit = limits::STREAM_BYTES;
        let claim = u32::try_from(length).ok().filter(|_| length <= limit);
        let claim = claim.ok_or(StreamError::TooLong { limit })?;
        out[header + 1..start].copy_from_slice(&claim.to_be_bytes());
        let aad = additional_data(&out[header..start], options.label);
        seal::finish(&mut out, start, key, &aad);
    }
    Ok(out)
}

/// How many bytes [`encode`] makes of that many, which are compressed already if they are to be.
pub fn encoded_len(length: usize, options: &StreamSeal<'_>) -> usize {
    let header = if options.label_header { label::overhead(options.label) } else { 0 };
    let content = match options.key {
        Some(_) => ENCRYPT_HEADER_BYTES + options.version.sealed_length(length),
        None => length,
    };
    header + content
}

/// What is authenticated beside the content of an encrypted stream: its header and the label.
fn additional_data(header: &[u8], label: &[u8]) -> Vec<u8> {
    [header, label].concat()
}
