//! The names and numbers that rows are known by.
//!
//! Names are stored as they were given and looked up without regard to case: tables have the folded
//! name as their key, rows the given one.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The number of a write. A row carries those of its creation and of its last change, a table that
/// of the last write that concerned it. Zero means never.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ModifyIndex(pub u64);

impl ModifyIndex {
    /// Never; no write has this index.
    pub const ZERO: Self = Self(0);
}

/// The proposer's clock: milliseconds since 1970. It comes with the log entry and never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(Arc<str>);

        // Names are mostly compared with their like, and rows share them.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                if Arc::ptr_eq(&self.0, &other.0) {
                    return Ordering::Equal;
                }
                self.0.cmp(&other.0)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// The text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether nothing was given.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// The name as tables are keyed by it; shares the text if it is folded already.
            #[must_use]
            pub fn fold(&self) -> Self {
                match folded(&self.0) {
                    Cow::Owned(folded) if *folded != *self.0 => Self(folded.into()),
                    _ => self.clone(),
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

/// A name as tables are keyed by it. Mostly it is so already, and names are folded often.
pub(crate) fn folded(text: &str) -> Cow<'_, str> {
    // Without an early end: that is faster for what is short.
    let differs = |byte: u8| !byte.is_ascii() | byte.is_ascii_uppercase();
    if !text.bytes().fold(false, |found, byte| found | differs(byte)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.to_lowercase())
}

/// The order of two names as it is when they are folded.
pub(crate) fn folded_cmp(one: &str, other: &str) -> Ordering {
    let (left, right) = (one.as_bytes(), other.as_bytes());
    let mut pairs = left.iter().zip(right);
    // Mostly the first bytes that differ are those that decide.
    let same = pairs.position(|(left, right)| !left.eq_ignore_ascii_case(right));
    let same = same.unwrap_or(left.len().min(right.len()));
    let of_ascii = |text: &[u8]| text[..text.len().min(same + 1)].is_ascii();
    if of_ascii(left) && of_ascii(right) {
        let next = |text: &[u8]| text.get(same).map(u8::to_ascii_lowercase);
        next(left).cmp(&next(right))
    } else {
        one.to_lowercase().cmp(&other.to_lowercase())
    }
}

names! {
    /// A node's name.
    NodeName
    /// A node's identity, a UUID as it was given; it stays when the name changes. Empty for none.
    NodeId
    /// What a service is asked for by.
    ServiceName
    /// One instance of a service on its node.
    ServiceId
    /// One check on its node.
    CheckId
}

/// A UUID, as a number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uuid([u8; 16]);

/// A session's identity.
pub type SessionId = Uuid;

impl Uuid {
    /// Of its sixteen bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its sixteen bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the form 8-4-4-4-12, in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 36 {
            return None;
        }
        let mut bytes = [0; 16];
        let mut digits = 0;
        for (at, &byte) in text.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16)?;
            bytes[digits / 2] = bytes[digits / 2] << 4 | digit as u8;
            digits += 1;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Texts by name, sorted; `None` where the client gave none, which shows as `null`.
pub type Pairs<V = Box<str>> = Option<Box<[(Box<str>, V)]>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_read_in_either_case_and_nothing_else_is() {
        let text = "aaaaaaaa-0000-0000-0000-00000000000F";
        let read = Uuid::parse(text).map(|id| id.to_string());
        assert_eq!(read, Some(text.to_lowercase()));
        for bad in [
            "",
            "x",
            "aaaaaaaa-0000-0000-0000-00000000000",
            "aaaaaaaa000000000000000000000001",
            "zaaaaaaa-0000-0000-0000-00000000000f",
            "aaaaaaaa-0000-0000-000000000000-000f",
        ] {
            assert_eq!(Uuid::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_stand_in_the_order_of_their_folded_forms() {
        let names = [
            "",
            "a",
            "A",
            "ab",
            "aB",
            "B",
            "Z",
            "[",
            "_",
            "a-1",
            "A-10",
            "a\u{3a3}",
            "a\u{3a3}b",
            "\u{212a}",
            "k",
            "\u{e9}",
            "\u{c9}",
            "e\u{301}",
            "\u{10400}",
        ];
        for (one, other) in names.iter().flat_map(|one| names.map(|other| (one, other))) {
            let wanted = one.to_lowercase().cmp(&other.to_lowercase());
            assert_eq!(folded_cmp(one, other), wanted, "{one} and {other}");
        }
    }

    #[test]
    fn folding_shares_what_is_folded() {
        let name = NodeName::from("web-1");
        assert!(Arc::ptr_eq(&name.0, &name.fold().0));
        assert_eq!(NodeName::from("WEB-1").fold(), name);
    }
}
