//! What a participant says of itself, in one tag.

use std::fmt;

use serf::Tags;

/// A participant's record: `PRIORITY:ELIGIBLE:CLAIM` in the tag `_floating_NAME`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Higher is preferred.
    pub priority: u32,
    /// Whether it could hold the role.
    pub eligible: bool,
    /// The Lamport number under which it holds the role; 0: it does not.
    pub claim: u64,
}

impl Record {
    /// The name of the tag that carries the record of the role `role`.
    pub fn tag(role: &str) -> String {
        format!("_floating_{role}")
    }

    /// The record in a member's tags; None if it does not take part (or speaks nonsense).
    pub fn from_tags(tags: &Tags, role: &str) -> Option<Record> {
        let mut parts = tags.get(&Record::tag(role))?.split(':');
        let record = Record {
            priority: parts.next()?.parse().ok()?,
            eligible: match parts.next()? {
                "1" => true,
                "0" => false,
                _ => return None,
            },
            claim: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(record)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.priority, u8::from(self.eligible), self.claim)
    }
}
