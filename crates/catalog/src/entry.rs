//! One key with its value, in one small allocation.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::{ModifyIndex, SessionId, Uuid};

/// Longest number: ten groups of seven bits.
const NUMBER_MAX: usize = 10;

/// One entry in one allocation: a hundred thousand small ones are to fit in 20 MiB.
///
/// ```text
/// key length ─ key ─ create ─ modify less create ─ lock index ─ flags ─ session ─ value
/// ```
///
/// Numbers are of variable length, least significant group of seven bits first; a session is 0,
/// or 1 and its sixteen bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry(Arc<[u8]>);

/// What an entry says, as borrowed fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The key's bytes.
    pub key: &'a [u8],
    /// The value's bytes.
    pub value: &'a [u8],
    /// The client's number, kept as it is.
    pub flags: u64,
    /// How often the key has been locked since the last plain write.
    pub lock_index: u64,
    /// Who holds the lock.
    pub session: Option<SessionId>,
    /// The write that made the entry.
    pub create: ModifyIndex,
    /// The write that changed it last.
    pub modify: ModifyIndex,
}

/// Appends a number.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front.
fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for at in 0..NUMBER_MAX {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Takes so many bytes off the front.
fn take_bytes<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// Takes the key off the front.
fn take_key<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(bytes)?).ok()?;
    let (key, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(key)
}

fn take_fields(mut bytes: &[u8]) -> Option<Fields<'_>> {
    let rest = &mut bytes;
    let key = take_key(rest)?;
    let create = take_number(rest)?;
    let modify = create.wrapping_add(take_number(rest)?);
    let (lock_index, flags) = (take_number(rest)?, take_number(rest)?);
    let session = match take_number(rest)? {
        0 => None,
        _ => Some(Uuid::from_bytes(take_bytes(rest)?)),
    };
    let (create, modify) = (ModifyIndex(create), ModifyIndex(modify));
    Some(Fields { key, value: rest, flags, lock_index, session, create, modify })
}

impl Entry {
    /// Packs the fields.
    #[must_use]
    pub fn new(fields: Fields<'_>) -> Self {
        let length = 6 * NUMBER_MAX + 16 + fields.key.len() + fields.value.len();
        let mut bytes = Vec::with_capacity(length);
        put_number(&mut bytes, fields.key.len() as u64);
        bytes.extend_from_slice(fields.key);
        put_number(&mut bytes, fields.create.0);
        put_number(&mut bytes, fields.modify.0.wrapping_sub(fields.create.0));
        put_number(&mut bytes, fields.lock_index);
        put_number(&mut bytes, fields.flags);
        match fields.session {
            None => bytes.push(0),
            Some(id) => {
                bytes.push(1);
                bytes.extend_from_slice(id.as_bytes());
            }
        }
        bytes.extend_from_slice(fields.value);
        Self(bytes.into())
    }

    /// What [`Entry::packed`] gave, if it is whole.
    #[must_use]
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        take_fields(bytes).map(|_| Self(bytes.into()))
    }

    /// An entry as it was packed up to version 2 of a snapshot, if it is whole: create, modify and
    /// lock index and flags of eight bytes, the session of sixteen, or zeros, the key's length of
    /// four, key, value.
    pub(crate) fn unpack_wide(mut bytes: &[u8]) -> Option<Self> {
        let mut number = || Some(u64::from_le_bytes(take_bytes(&mut bytes)?));
        let (create, modify) = (ModifyIndex(number()?), ModifyIndex(number()?));
        let (lock_index, flags) = (number()?, number()?);
        let session = Some(take_bytes(&mut bytes)?).filter(|id| *id != [0; 16]);
        let session = session.map(Uuid::from_bytes);
        let length = u32::from_le_bytes(take_bytes(&mut bytes)?) as usize;
        let (key, value) = bytes.split_at_checked(length)?;
        Some(Self::new(Fields { key, value, flags, lock_index, session, create, modify }))
    }

    /// The entry's bytes, as snapshots hold them.
    #[must_use]
    pub fn packed(&self) -> &[u8] {
        &self.0
    }

    /// The key's bytes.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        take_key(&mut &*self.0).unwrap_or_default()
    }

    /// Every field.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        take_fields(&self.0).expect("it was packed here, or looked at when it was unpacked")
    }
}

impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.packed())
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let packed = <&[u8]>::deserialize(deserializer)?;
        Self::unpack(packed).ok_or_else(|| serde::de::Error::custom("a torn entry"))
    }
}

impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_and_what_is_cut_is_not() {
        let numbers = [0, 1, 0x7f, 0x80, 1 << 32, u64::MAX];
        for (number, other) in numbers.into_iter().zip(numbers.into_iter().rev()) {
            for session in [None, Some(Uuid::from_bytes([7; 16]))] {
                let key = vec![b'k'; (number % 200) as usize];
                let fields = Fields {
                    key: &key,
                    value: b"",
                    flags: number,
                    lock_index: other,
                    session,
                    create: ModifyIndex(other),
                    modify: ModifyIndex(number),
                };
                let entry = Entry::new(fields);
                assert_eq!(entry.fields(), fields);
                assert_eq!(entry.key(), key);
                let packed = entry.packed();
                assert_eq!(Entry::unpack(packed), Some(entry.clone()));
                for cut in 0..packed.len() {
                    assert_eq!(Entry::unpack(&packed[..cut]), None);
                }
            }
        }
        assert_eq!(Entry::unpack(&[0xff; 40]), None, "a number without an end");
    }

    #[test]
    fn a_small_entry_is_hardly_longer_than_its_key_and_value() {
        let index = ModifyIndex(100_000);
        let (key, value) = (&[b'k'; 16], &[b'v'; 64]);
        let (flags, lock_index, session) = (0, 0, None);
        let fields =
            Fields { key, value, flags, lock_index, session, create: index, modify: index };
        assert!(Entry::new(fields).packed().len() <= 16 + 64 + 8);
    }
}
