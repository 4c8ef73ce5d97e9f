//! Datagrams, with the layers around their messages (A5).
//!
//! ```text
//! label → seal → checksum → compression → compound → message
//! ```

#[cfg(test)]
mod tests;

use crate::compound::{self, CompoundError};
use crate::crc::{self, CrcError};
use crate::keyring::Key;
use crate::label::{self, LabelError};
use crate::lzw::{self, CompressError};
use crate::message::gossip::{Message, kind};
use crate::msgpack::Reader;
use crate::planted::{Fault, planted};
use crate::seal::{self, NONCE_BYTES, SealError, SealVersion};
use crate::{DecodeError, Security, limits};

/// Why a datagram, or a part of one, was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// It is another cluster's.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// It cannot be decrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It was damaged on the way.
    #[error(transparent)]
    Crc(#[from] CrcError),
    /// It cannot be decompressed.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// It is a compound that cannot be taken apart.
    #[error(transparent)]
    Compound(#[from] CompoundError),
    /// The last parts of a compound are cut off; those before were processed.
    #[error("{lost} messages at the end of a compound are cut off")]
    Truncated {
        /// How many.
        lost: usize,
    },
    /// Layers within layers, beyond [`limits::LAYER_DEPTH`].
    #[error("layers are nested too deeply")]
    TooDeep,
    /// A message that is not one.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Takes a datagram apart and calls `sink` for each message, and for each reason why something
/// in it was dropped; a bad part does not keep the others from being processed.
///
/// A datagram without bytes is nothing. Costs no allocation but those of the messages, unless
/// it is sealed or compressed.
pub fn open(
    datagram: &[u8],
    security: &Security,
    mut sink: impl FnMut(Result<Message, PacketError>),
) {
    if datagram.is_empty() {
        return;
    }
    if let Err(error) = open_outer(datagram, security, &mut sink) {
        sink(Err(error));
    }
}

fn open_outer(
    datagram: &[u8],
    security: &Security,
    sink: &mut dyn FnMut(Result<Message, PacketError>),
) -> Result<(), PacketError> {
    let bytes = label::strip_expected(datagram, &security.label)?;
    let opened;
    let content = match &security.keyring {
        None => bytes,
        Some(keyring) => match seal::open(keyring, bytes, &security.label) {
            Ok((plaintext, _)) => {
                opened = plaintext;
                &opened
            }
            Err(_) if !security.verify_incoming => bytes,
            Err(error) => return Err(error.into()),
        },
    };
    let mut budget = limits::DATAGRAM_DECOMPRESSED_BYTES;
    let sealed = security.keyring.is_some();
    let unchecked = sealed && planted(Fault::ChecksumOutsideSeal);
    let content = if unchecked { content } else { crc::strip(content)? };
    open_inner(content, limits::LAYER_DEPTH, &mut budget, sink);
    Ok(())
}

/// Takes compression and compounds apart, to a depth, and within a budget of decompressed bytes
/// that all parts share.
fn open_inner(
    content: &[u8],
    depth: usize,
    budget: &mut usize,
    sink: &mut dyn FnMut(Result<Message, PacketError>),
) {
    let body = content.get(1..).unwrap_or_default();
    let (kind, depth) = match (content.first(), depth.checked_sub(1)) {
        (Some(&kind @ (kind::COMPOUND | kind::COMPRESS)), Some(depth)) => (kind, depth),
        (Some(&(kind::COMPOUND | kind::COMPRESS)), None) => {
            return sink(Err(PacketError::TooDeep));
        }
        _ => return sink(Message::decode(content).map_err(PacketError::from)),
    };
    if kind == kind::COMPRESS {
        let message = lzw::read_message(&mut Reader::new(body))
            .map_err(CompressError::from)
            .and_then(|(algorithm, buffer)| lzw::open_message(algorithm, buffer, budget));
        return match message {
            Ok(message) => open_inner(&message, depth, budget, sink),
            Err(error) => sink(Err(error.into())),
        };
    }
    match compound::parts(body) {
        Ok(mut parts) => {
            for part in &mut parts {
                open_inner(part, depth, budget, sink);
            }
            if parts.remaining() > 0 {
                sink(Err(PacketError::Truncated { lost: parts.remaining() }));
            }
        }
        Err(error) => sink(Err(error.into())),
    }
}

/// How to seal a packet; see [`Security::packet_options`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SealOptions<'a> {
    /// Whether to add a checksum: only for receivers known to understand it.
    pub crc: bool,
    /// Whether to compress where that makes it smaller.
    pub compress: bool,
    /// The label; empty for none.
    pub label: &'a [u8],
    /// The key; None for in clear.
    pub key: Option<&'a Key>,
    /// The version of the seal.
    pub version: SealVersion,
}

/// Appends the datagram for a body, which is a message or a compound.
///
/// The nonce must never have been used with the key; it is not looked at without one.
pub fn seal(body: &[u8], options: &SealOptions<'_>, nonce: [u8; NONCE_BYTES], out: &mut Vec<u8>) {
    let overhead = options.label.len() + SealVersion::Padded.overhead() + crc::OVERHEAD + 2;
    out.reserve(body.len() + overhead);
    label::write(options.label, out);
    let sealed = options.key.map(|key| (key, seal::begin(out, options.version, nonce)));
    let checksum = options.crc.then(|| crc::begin(out));
    let start = out.len();
    if options.compress {
        lzw::write_message(body, out);
    }
    if !options.compress || out.len() - start >= body.len() {
        out.truncate(start);
        out.extend_from_slice(body);
    }
    if let Some(start) = checksum {
        crc::finish(out, start);
    }
    if let Some((key, start)) = sealed {
        seal::finish(out, start, key, options.label);
    }
}
