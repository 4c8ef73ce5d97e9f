//! Several messages in one packet (A5).
//!
//! ```text
//! 07 | count: u8 | count × length: u16 | the messages
//! ```

use crate::limits;
use crate::message::gossip::kind;
use crate::planted::{Fault, planted};

/// What a compound adds to a packet, apart from [`PER_MESSAGE`].
pub const OVERHEAD: usize = 2;

/// What a compound adds for each of its messages.
pub const PER_MESSAGE: usize = 2;

/// A compound whose table of lengths is cut off, so that nothing in it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compound with a truncated table of lengths")]
pub struct CompoundError;

/// The bodies of as few packets as take these messages in their order: at most
/// [`limits::COMPOUND_PARTS_SENT`] messages in each, and a lone message as it is. What is longer
/// than a 16-bit length can say goes alone. Budgets are the caller's business.
pub fn assemble<M: AsRef<[u8]>>(messages: &[M]) -> Vec<Vec<u8>> {
    let fits = |message: &M| message.as_ref().len() <= usize::from(u16::MAX);
    let most = if planted(Fault::LongCompounds) { 255 } else { limits::COMPOUND_PARTS_SENT };
    let mut bodies = Vec::new();
    for group in messages.chunk_by(|a, b| fits(a) && fits(b)) {
        for part in group.chunks(most) {
            let mut body = Vec::new();
            write(part, &mut body);
            bodies.push(body);
        }
    }
    bodies
}

/// Appends one body: a lone message as it is, more as a compound.
///
/// At most 255 messages of at most 65,535 bytes each; see [`assemble`] for more.
pub fn write<M: AsRef<[u8]>>(messages: &[M], out: &mut Vec<u8>) {
    debug_assert!(messages.len() <= usize::from(u8::MAX));
    let bytes: usize = messages.iter().map(|message| message.as_ref().len()).sum();
    out.reserve(OVERHEAD + PER_MESSAGE * messages.len() + bytes);
    if messages.len() != 1 {
        out.extend_from_slice(&[kind::COMPOUND, messages.len() as u8]);
        for message in messages {
            out.extend_from_slice(&(message.as_ref().len() as u16).to_be_bytes());
        }
    }
    for message in messages {
        out.extend_from_slice(message.as_ref());
    }
}

/// The messages of a compound; made by [`parts`].
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    lengths: &'a [u8],
    messages: &'a [u8],
}

/// Reads what is behind the type byte of a compound.
pub fn parts(body: &[u8]) -> Result<Parts<'_>, CompoundError> {
    let (&count, rest) = body.split_first().ok_or(CompoundError)?;
    let (lengths, messages) =
        rest.split_at_checked(PER_MESSAGE * usize::from(count)).ok_or(CompoundError)?;
    Ok(Parts { lengths, messages })
}

impl Parts<'_> {
    /// How many messages are still to come by the table of lengths. Not 0 after the last one
    /// where the packet was cut off.
    pub fn remaining(&self) -> usize {
        self.lengths.len() / PER_MESSAGE
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    /// The next message that is there in whole.
    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, lengths) = self.lengths.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (message, messages) = self.messages.split_at_checked(length)?;
        (self.lengths, self.messages) = (lengths, messages);
        Some(message)
    }
}
