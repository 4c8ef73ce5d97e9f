//! Sealing: AES-GCM around packets and streams (A7).
//!
//! ```text
//! version: u8 | nonce: 12 | ciphertext | tag: 16
//! ```

use aws_lc_rs::aead::{Aad, Nonce};

use crate::keyring::{Key, Keyring};

/// Length of a nonce. Nonces come from the operating system's generator, by the caller's hand.
pub const NONCE_BYTES: usize = 12;

const HEADER_BYTES: usize = 1 + NONCE_BYTES;
const TAG_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;

/// What stands around the plaintext, by version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SealVersion {
    /// 0: padded to whole blocks; sent by members of membership protocol 1 only.
    Padded,
    /// 1: the plaintext as it is; all that Serf sends.
    #[default]
    Plain,
}

impl SealVersion {
    /// How many bytes sealing adds at most.
    pub fn overhead(self) -> usize {
        match self {
            SealVersion::Padded => HEADER_BYTES + BLOCK_BYTES + TAG_BYTES,
            SealVersion::Plain => HEADER_BYTES + TAG_BYTES,
        }
    }

    /// The length of the sealed form of a plaintext.
    pub(crate) fn sealed_length(self, plaintext: usize) -> usize {
        let padding = match self {
            SealVersion::Padded => BLOCK_BYTES - plaintext % BLOCK_BYTES,
            SealVersion::Plain => 0,
        };
        HEADER_BYTES + plaintext + padding + TAG_BYTES
    }

    fn from_wire(version: u8) -> Option<Self> {
        match version {
            0 => Some(SealVersion::Padded),
            1 => Some(SealVersion::Plain),
            _ => None,
        }
    }

    fn to_wire(self) -> u8 {
        match self {
            SealVersion::Padded => 0,
            SealVersion::Plain => 1,
        }
    }
}

/// Why a seal cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another version than 0 and 1.
    #[error("unsupported encryption version {0}")]
    Version(u8),
    /// Fewer bytes than a seal has at least.
    #[error("{length} bytes are too few for an encrypted payload")]
    TooShort {
        /// What is there.
        length: usize,
    },
    /// No key fits: a foreign cluster, a key not installed here, or damage.
    #[error("no installed key can decrypt the payload")]
    NoKey,
    /// Padding that cannot be.
    #[error("invalid padding in a decrypted payload")]
    Padding,
    /// Nothing inside.
    #[error("empty decrypted payload")]
    Empty,
}

/// Begins a seal at the end of `out`: what is appended from here to [`finish`] is the plaintext.
/// Returns where the seal begins.
pub(crate) fn begin(out: &mut Vec<u8>, version: SealVersion, nonce: [u8; NONCE_BYTES]) -> usize {
    let start = out.len();
    out.push(version.to_wire());
    out.extend_from_slice(&nonce);
    start
}

/// Seals in place what was appended since [`begin`].
pub(crate) fn finish(out: &mut Vec<u8>, start: usize, key: &Key, aad: &[u8]) {
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&out[start + 1..start + HEADER_BYTES]);
    let body = start + HEADER_BYTES;
    if out[start] == SealVersion::Padded.to_wire() {
        let padding = BLOCK_BYTES - (out.len() - body) % BLOCK_BYTES;
        out.resize(out.len() + padding, padding as u8);
    }
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key
        .cipher()
        .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[body..])
        .expect("AES-GCM fails only beyond 64 GiB, more than any buffer here holds");
    out.extend_from_slice(tag.as_ref());
}

/// Opens a sealed payload with the first key that fits, and returns what is inside with that
/// key's place in the ring.
pub fn open(keyring: &Keyring, sealed: &[u8], aad: &[u8]) -> Result<(Vec<u8>, usize), SealError> {
    let too_short = SealError::TooShort { length: sealed.len() };
    let version = *sealed.first().ok_or(too_short)?;
    let version = SealVersion::from_wire(version).ok_or(SealError::Version(version))?;
    if sealed.len() < version.overhead() {
        return Err(too_short);
    }
    let (head, rest) = sealed.split_at(HEADER_BYTES);
    let (ciphertext, tag) = rest.split_at(rest.len() - TAG_BYTES);
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&head[1..]);
    let mut plaintext = vec![0; ciphertext.len()];
    let index = keyring.keys().iter().position(|key| {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let cipher = key.cipher();
        cipher.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, &mut plaintext).is_ok()
    });
    let index = index.ok_or(SealError::NoKey)?;
    if version == SealVersion::Padded {
        let padding = usize::from(*plaintext.last().ok_or(SealError::Empty)?);
        let kept = plaintext.len().checked_sub(padding).ok_or(SealError::Padding)?;
        if padding == 0 || padding > BLOCK_BYTES {
            return Err(SealError::Padding);
        }
        plaintext.truncate(kept);
    }
    if plaintext.is_empty() {
        return Err(SealError::Empty);
    }
    Ok((plaintext, index))
}
