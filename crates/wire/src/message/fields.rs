//! Reading and writing the small values that fields are made of.

use bytes::Bytes;

use crate::msgpack::{Reader, Writer};
use crate::{Address, DecodeError, NodeName};

/// The version bytes that agents of Serf protocols 2 to 5 send, so that the usual member costs
/// no allocation for them.
static USUAL_VERSIONS: [[u8; 6]; 4] =
    [[1, 5, 2, 2, 5, 2], [1, 5, 2, 2, 5, 3], [1, 5, 2, 2, 5, 4], [1, 5, 2, 2, 5, 5]];

impl Reader<'_> {
    pub(super) fn read_string(&mut self) -> Result<String, DecodeError> {
        Ok(self.read_text()?.to_owned())
    }

    pub(super) fn read_name(&mut self) -> Result<NodeName, DecodeError> {
        Ok(NodeName::from(self.read_text()?))
    }

    pub(super) fn read_address(&mut self) -> Result<Address, DecodeError> {
        Ok(Address::from_bytes(self.read_bytes()?)?)
    }

    pub(super) fn read_owned_bytes(&mut self) -> Result<Bytes, DecodeError> {
        Ok(Bytes::copy_from_slice(self.read_bytes()?))
    }

    pub(super) fn read_payload(&mut self) -> Result<Option<Bytes>, DecodeError> {
        Ok(self.read_optional_bytes()?.map(Bytes::copy_from_slice))
    }

    pub(super) fn read_versions(&mut self) -> Result<Bytes, DecodeError> {
        Ok(usual_versions(self.read_bytes()?))
    }

    /// Takes these bytes if they are the next ones.
    #[inline]
    pub(super) fn take_if(&mut self, expected: &[u8]) -> Option<()> {
        self.rest().strip_prefix(expected)?;
        self.take(expected.len()).ok().map(drop)
    }

    /// Reads a list whose elements may each be dropped; nil is None. Fails above `limit` claimed
    /// elements.
    pub(super) fn read_list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        mut element: impl FnMut(&mut Self) -> Result<Option<T>, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.read_array()? else { return Ok(None) };
        within_limit(what, count, limit)?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.extend(element(self)?);
        }
        Ok(Some(list))
    }

    /// Reads one entry of a table that must survive a bad entry: where the entry is well-formed
    /// msgpack but cannot be ours (a name that is not text, an impossible address, an unknown
    /// state), it is skipped and None returned.
    pub(super) fn read_entry<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        let mut ahead = self.clone();
        match read(&mut ahead) {
            Ok(entry) => {
                *self = ahead;
                Ok(Some(entry))
            }
            Err(
                DecodeError::NotText | DecodeError::Address(_) | DecodeError::UnknownType { .. },
            ) => {
                self.skip()?;
                Ok(None)
            }
            Err(error) => {
                *self = ahead;
                Err(error)
            }
        }
    }
}

/// Version bytes to keep, without an allocation where they are the usual ones.
pub(super) fn usual_versions(raw: &[u8]) -> Bytes {
    let usual = USUAL_VERSIONS.iter().find(|usual| usual[..] == *raw);
    usual.map_or_else(|| Bytes::copy_from_slice(raw), |usual| Bytes::from_static(usual))
}

/// Fails if a claimed count or length is beyond its limit.
pub(crate) fn within_limit(
    what: &'static str,
    value: usize,
    limit: usize,
) -> Result<(), DecodeError> {
    if value <= limit {
        return Ok(());
    }
    Err(DecodeError::LimitExceeded { what, value: value as u64, limit: limit as u64 })
}

impl Writer<'_> {
    pub(super) fn field_text(&mut self, name: &str, value: &str) {
        self.write_text(name);
        self.write_text(value);
    }

    pub(crate) fn field_bytes(&mut self, name: &str, value: &[u8]) {
        self.write_text(name);
        self.write_bytes(value);
    }

    pub(super) fn field_payload(&mut self, name: &str, value: &Option<Bytes>) {
        self.write_text(name);
        self.write_optional_bytes(value.as_deref());
    }

    pub(crate) fn field_u64(&mut self, name: &str, value: impl Into<u64>) {
        self.write_text(name);
        self.write_u64(value.into());
    }

    pub(super) fn field_i64(&mut self, name: &str, value: i64) {
        self.write_text(name);
        self.write_i64(value);
    }

    pub(super) fn field_bool(&mut self, name: &str, value: bool) {
        self.write_text(name);
        self.write_bool(value);
    }

    pub(super) fn field_f64(&mut self, name: &str, value: f64) {
        self.write_text(name);
        self.write_f64(value);
    }
}
