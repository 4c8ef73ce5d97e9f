//! Rows as they come from a snapshot, ours or another program's: entered as they are, with their
//! indexes, and with what follows from them.

use std::sync::Arc;

use crate::autopilot::Autopilot;
use crate::check::Check;
use crate::coordinate::NodeCoordinate;
use crate::entry::Entry;
use crate::kv::Tombstone;
use crate::name::{ModifyIndex, ServiceName, Time};
use crate::node::Node;
use crate::query::PreparedQuery;
use crate::service::Service;
use crate::session::Session;
use crate::state::Snapshot;

/// One row of some table.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A key.
    Entry(Entry),
    /// A key that was deleted.
    Tombstone {
        /// The key, or the prefix of all that were.
        key: Arc<[u8]>,
        /// The write that deleted it.
        modify: ModifyIndex,
        /// When, for who forgets it.
        time: Time,
    },
    /// A node.
    Node(Node),
    /// An instance of a service.
    Service(Box<Service>),
    /// A check.
    Check(Box<Check>),
    /// A session.
    Session(Session),
    /// A coordinate.
    Coordinate(NodeCoordinate),
    /// The number of the virtual address of a service, whose name is folded.
    VirtualAddress(ServiceName, u32),
    /// How servers are kept in order.
    Autopilot(Autopilot),
    /// A prepared query.
    Query(Box<PreparedQuery>),
}

impl Snapshot {
    /// Enters a row over what stands in its place. Nothing is checked, and no index moves.
    pub fn enter(&mut self, row: Row) {
        match row {
            Row::Entry(entry) => {
                let old = self.kv.entries.get(entry.key()).and_then(|old| old.fields().session);
                if let Some(session) = old {
                    self.kv.held.remove(&(session, entry.key().into()));
                }
                if let Some(session) = entry.fields().session {
                    self.kv.held.insert((session, entry.key().into()));
                }
                self.kv.entries.insert(entry);
            }
            Row::Tombstone { key, modify, time } => {
                self.kv.tombstones.insert(key, Tombstone { modify, time });
            }
            Row::Node(node) => self.enter_node(Arc::new(node)),
            Row::Service(mut service) => {
                self.share_service(&mut service);
                self.enter_service(Arc::from(service));
            }
            Row::Check(mut check) => {
                self.share_check(&mut check);
                self.enter_check(Arc::from(check));
            }
            Row::Session(session) => self.session_enter(session),
            Row::Coordinate(row) => self.coordinate_enter(row.node.fold(), row),
            Row::VirtualAddress(name, number) => self.link_virtual(name, number),
            Row::Autopilot(row) => self.autopilot = Some(Arc::new(row)),
            Row::Query(query) => self.query_enter(*query),
        }
    }

    /// As [`Row::Node`].
    pub(crate) fn enter_node(&mut self, node: Arc<Node>) {
        let key = node.name.fold();
        self.unlink_node(&key);
        self.link_node(key, node);
    }

    /// As [`Row::Service`].
    pub(crate) fn enter_service(&mut self, service: Arc<Service>) {
        if let Some(old) = self.services.insert(service.key(), service.clone()) {
            self.unlink_service(&old);
        }
        self.link_service(&service);
    }

    /// As [`Row::Check`].
    pub(crate) fn enter_check(&mut self, check: Arc<Check>) {
        let old = self.checks.insert(check.key(), check.clone());
        self.check_moved(old.as_deref(), Some(&check));
    }

    /// Lets the last command have been a later one.
    pub fn enter_last_index(&mut self, index: ModifyIndex) {
        self.index = index.max(self.index);
    }

    /// The keys that were deleted, with the writes that deleted them, by key.
    pub fn tombstones(&self) -> impl Iterator<Item = (&[u8], ModifyIndex)> {
        self.kv.tombstones.iter().map(|(key, stone)| (&**key, stone.modify))
    }

    /// The numbers of the virtual addresses in 240.0.0.0/4, by service.
    pub fn virtual_addresses(&self) -> impl Iterator<Item = (&ServiceName, u32)> {
        self.virtual_numbers.iter().map(|(name, number)| (name, *number))
    }
}
