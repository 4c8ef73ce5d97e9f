//! An encoding that many share and nobody keeps.

use std::sync::{Arc, Weak};

use bytes::Bytes;

/// Bytes that stay for as long as somebody else holds them: one encoding for all exchanges that
/// run at the same time, and no memory when none does.
///
/// The bytes are a vector's and not in the shared allocation itself, which outlives its content
/// while a weak reference is left.
#[derive(Debug, Default)]
pub struct SharedBytes(Weak<Vec<u8>>);

impl SharedBytes {
    /// What was shared last, unless everybody has let go of it.
    pub fn get(&self) -> Option<Bytes> {
        self.0.upgrade().map(|bytes| Bytes::from_owner(Owner(bytes)))
    }

    /// Shares these from now on. Who holds others keeps them.
    pub fn share(&mut self, bytes: Vec<u8>) -> Bytes {
        let bytes = Arc::new(bytes);
        self.0 = Arc::downgrade(&bytes);
        Bytes::from_owner(Owner(bytes))
    }

    /// Shares nothing any more.
    pub fn clear(&mut self) {
        self.0 = Weak::new();
    }
}

struct Owner(Arc<Vec<u8>>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
