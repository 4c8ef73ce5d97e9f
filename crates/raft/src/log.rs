//! The log: entries, the vote, and how far both are known to be committed.
//!
//! Two stores of the same shape, each behind openraft's traits and each under its test suite:
//! [`disk`] for servers and [`memory`] for `-dev`.

pub(crate) mod disk;
pub(crate) mod memory;

use std::io;
use std::ops::{Bound, RangeBounds};

use crate::types::{StorageError, StorageIoError};

/// The first index of a range and the one behind its last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let first = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (first, end.max(first))
}

fn unreadable(error: &io::Error) -> StorageError {
    StorageIoError::read_logs(error).into()
}

#[cfg(test)]
mod tests;
