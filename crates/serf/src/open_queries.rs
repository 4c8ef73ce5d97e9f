//! Queries of others (and our own to ourselves) that may still be answered.

use std::collections::{BTreeMap, BTreeSet};

use gossip::Time;
use wire::Address;

use crate::interface::QueryId;
use crate::limits;

/// What is needed to answer a query.
#[derive(Clone, Debug)]
pub(crate) struct OpenQuery {
    pub(crate) deadline: Time,
    pub(crate) address: Address,
    pub(crate) port: u16,
    pub(crate) source_node: String,
    pub(crate) relay_factor: u8,
    pub(crate) answered: bool,
}

/// The open queries; they go when their deadline has passed or newer ones need the room.
#[derive(Debug, Default)]
pub(crate) struct OpenQueries {
    by_id: BTreeMap<QueryId, OpenQuery>,
    by_deadline: BTreeSet<(Time, QueryId)>,
}

impl OpenQueries {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn insert(&mut self, now: Time, id: QueryId, query: OpenQuery) {
        while self.by_deadline.first().is_some_and(|(deadline, _)| *deadline < now) {
            if let Some((_, expired)) = self.by_deadline.pop_first() {
                self.by_id.remove(&expired);
            }
        }
        if self.by_id.len() >= limits::OPEN_QUERIES
            && let Some((oldest, query)) = self.by_id.pop_first()
        {
            // The one of the lowest time: deadlines are what their senders claim.
            self.by_deadline.remove(&(query.deadline, oldest));
        }
        self.by_deadline.insert((query.deadline, id));
        if let Some(replaced) = self.by_id.insert(id, query) {
            self.by_deadline.remove(&(replaced.deadline, id));
        }
    }

    pub(crate) fn get_mut(&mut self, id: &QueryId) -> Option<&mut OpenQuery> {
        self.by_id.get_mut(id)
    }
}

#[cfg(test)]
mod tests;
