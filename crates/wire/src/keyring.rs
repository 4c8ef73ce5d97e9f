//! The keys of an encrypted cluster.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

/// Why a key, or an operation on keys, is refused. The texts are those that real members answer
/// with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// A key of another length than AES has.
    #[error("key size must be 16, 24 or 32 bytes")]
    KeySize,
    /// The key to use is not in the ring: install it first.
    #[error("Requested key is not in the keyring")]
    UnknownKey,
    /// The primary key cannot go: use another one first.
    #[error("Removing the primary key is not allowed")]
    PrimaryKey,
    /// An operation on keys of a member that runs without encryption.
    #[error("No keyring to modify (encryption not enabled)")]
    NotEnabled,
    /// A listing of keys of a member that runs without encryption.
    #[error("Keyring is empty (encryption not enabled)")]
    Empty,
}

/// A key for AES-128, AES-192 or AES-256 in Galois/counter mode. Cheap to clone; erased from
/// memory with its last clone; never shown by `Debug`.
#[derive(Clone)]
pub struct Key(Arc<KeyMaterial>);

struct KeyMaterial {
    raw: Zeroizing<Vec<u8>>,
    cipher: LessSafeKey,
}

impl Key {
    /// Takes 16, 24 or 32 bytes.
    pub fn new(raw: &[u8]) -> Result<Self, KeyringError> {
        let algorithm = match raw.len() {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            32 => &AES_256_GCM,
            _ => return Err(KeyringError::KeySize),
        };
        let unbound = UnboundKey::new(algorithm, raw).map_err(|_| KeyringError::KeySize)?;
        let cipher = LessSafeKey::new(unbound);
        Ok(Key(Arc::new(KeyMaterial { raw: Zeroizing::new(raw.to_vec()), cipher })))
    }

    /// The raw key, for listings, key files and requests.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.raw
    }

    pub(crate) fn cipher(&self) -> &LessSafeKey {
        &self.0.cipher
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.as_bytes().len())
    }
}

/// Distinct keys, the primary first: it seals, all of them open. Never empty; a cluster without
/// encryption has no keyring. Clones share the keys until one of them changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring(Arc<Vec<Key>>);

impl Keyring {
    /// A ring of one key.
    pub fn new(primary: Key) -> Self {
        Keyring(Arc::new(vec![primary]))
    }

    /// A ring of the primary and of those others that differ from it and from each other, in
    /// their order.
    pub fn with_keys(primary: Key, others: impl IntoIterator<Item = Key>) -> Self {
        let mut keys = vec![primary];
        for key in others {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Keyring(Arc::new(keys))
    }

    /// The key that seals.
    pub fn primary(&self) -> &Key {
        &self.0[0]
    }

    /// All keys, the primary first.
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// Appends a key; nothing happens if it is there already.
    pub fn add(&mut self, raw: &[u8]) -> Result<(), KeyringError> {
        let key = Key::new(raw)?;
        if !self.0.contains(&key) {
            Arc::make_mut(&mut self.0).push(key);
        }
        Ok(())
    }

    /// Makes a key of the ring the primary; the others keep their order.
    pub fn use_key(&mut self, raw: &[u8]) -> Result<(), KeyringError> {
        let index = self.position(raw).ok_or(KeyringError::UnknownKey)?;
        Arc::make_mut(&mut self.0)[..=index].rotate_right(1);
        Ok(())
    }

    /// Removes a key; nothing happens if it is not there.
    pub fn remove(&mut self, raw: &[u8]) -> Result<(), KeyringError> {
        match self.position(raw) {
            Some(0) => return Err(KeyringError::PrimaryKey),
            Some(index) => drop(Arc::make_mut(&mut self.0).remove(index)),
            None => {}
        }
        Ok(())
    }

    fn position(&self, raw: &[u8]) -> Option<usize> {
        self.0.iter().position(|key| key.as_bytes() == raw)
    }
}
