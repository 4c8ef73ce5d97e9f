//! Compression: LZW with the least significant bit first and 8-bit literals (A5).
//!
//! ```text
//! 09 | {Algo: 0, Buf: compressed message}
//! ```

use weezl::decode::{Configuration, Decoder};
use weezl::{BitOrder, LzwStatus, encode::Encoder};

use crate::DecodeError;
use crate::message::gossip::kind;
use crate::msgpack::{Reader, Writer};

/// The number of the only algorithm.
const LZW: u8 = 0;

/// How much the decoder writes at a time; more than any usual packet has.
const CHUNK_BYTES: usize = 4096;

/// Why a compressed message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// Around the compressed bytes.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Another algorithm than LZW.
    #[error("Cannot decompress unknown algorithm {0}")]
    UnknownAlgorithm(u8),
    /// Not LZW, or cut off.
    #[error("damaged compressed data")]
    Damaged,
    /// More inside than is allowed.
    #[error("more compressed data than the limit of {limit} bytes allows")]
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
    /// Nothing inside.
    #[error("nothing inside a compressed message")]
    Empty,
}

/// Compresses bytes. Real members produce the same bytes.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 2 + 16);
    let result = Encoder::new(BitOrder::Lsb, 8).into_vec(&mut out).encode_all(bytes);
    debug_assert!(result.status.is_ok(), "every byte is a literal of 8 bits");
    out
}

/// Decompresses bytes into at most `budget` bytes, and takes what was produced off the budget,
/// also on failure, so that many damaged pieces cost no more than one sound piece.
pub fn decompress(bytes: &[u8], budget: &mut usize) -> Result<Vec<u8>, CompressError> {
    let limit = *budget;
    let mut decoder: Decoder = Configuration::new(BitOrder::Lsb, 8).build();
    let (mut input, mut out, mut produced) = (bytes, Vec::new(), 0);
    loop {
        out.resize(produced + CHUNK_BYTES.max(produced), 0);
        let step = decoder.decode_bytes(input, &mut out[produced..]);
        input = &input[step.consumed_in..];
        produced += step.consumed_out;
        *budget = limit.saturating_sub(produced);
        if produced > limit {
            return Err(CompressError::TooLarge { limit });
        }
        match step.status {
            Ok(LzwStatus::Done) => break,
            Ok(LzwStatus::Ok) if step.consumed_out > 0 || step.consumed_in > 0 => {}
            // No progress without the end code: cut off.
            Ok(_) | Err(_) => return Err(CompressError::Damaged),
        }
    }
    out.truncate(produced);
    Ok(out)
}

/// Appends a compressed message: type byte, algorithm and compressed bytes.
pub(crate) fn write_message(message: &[u8], out: &mut Vec<u8>) {
    let compressed = compress(message);
    let mut writer = Writer::new(out);
    writer.write_encoded(&[kind::COMPRESS]);
    writer.write_map(2);
    writer.field_u64("Algo", LZW);
    writer.field_bytes("Buf", &compressed);
}

/// Reads what is behind the type byte of a compressed message, without decompressing it.
pub(crate) fn read_message<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), DecodeError> {
    let (mut algorithm, mut compressed) = (LZW, &[][..]);
    reader.read_record(&["Algo", "Buf"], |reader, field| {
        match field {
            b"Algo" => algorithm = reader.read_u8()?,
            b"Buf" => compressed = reader.read_bytes()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok((algorithm, compressed))
}

/// Decompresses the message that [`read_message`] found; takes its length off the budget.
pub(crate) fn open_message(
    algorithm: u8,
    compressed: &[u8],
    budget: &mut usize,
) -> Result<Vec<u8>, CompressError> {
    if algorithm != LZW {
        return Err(CompressError::UnknownAlgorithm(algorithm));
    }
    let message = decompress(compressed, budget)?;
    if message.is_empty() {
        return Err(CompressError::Empty);
    }
    Ok(message)
}
