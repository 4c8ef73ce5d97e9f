//! Node tables as they are read.

use std::fmt;

use bytes::Bytes;

use super::{BorrowedNodeState, NodeState, State};
use crate::message::fields::usual_versions;
use crate::{Address, Incarnation};

/// The entries of a node table, in their order.
///
/// A table may have thousands of them, of which nearly all say what is known. They share their
/// memory, so that none costs an allocation of its own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NodeTable {
    entries: Vec<Entry>,
    names: String,
    /// Tags and versions.
    bytes: Vec<u8>,
}

/// What is of one size, and where the rest of it ends. It begins where that of the one before ends.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    address: Address,
    port: u16,
    incarnation: Incarnation,
    state: State,
    name_end: usize,
    meta_end: usize,
    versions_end: usize,
}

impl NodeTable {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry at that place, from 0.
    pub fn get(&self, place: usize) -> Option<BorrowedNodeState<'_>> {
        let entry = self.entries.get(place)?;
        let before = place.checked_sub(1).and_then(|before| self.entries.get(before));
        let (name, meta) = before.map_or((0, 0), |before| (before.name_end, before.versions_end));
        Some(BorrowedNodeState {
            name: &self.names[name..entry.name_end],
            address: entry.address,
            port: entry.port,
            meta: &self.bytes[meta..entry.meta_end],
            incarnation: entry.incarnation,
            state: entry.state,
            versions: &self.bytes[entry.meta_end..entry.versions_end],
        })
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = BorrowedNodeState<'_>> + Clone {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// Adds an entry behind the others.
    pub fn push(&mut self, node: BorrowedNodeState<'_>) {
        self.names.push_str(node.name);
        self.bytes.extend_from_slice(node.meta);
        let meta_end = self.bytes.len();
        self.bytes.extend_from_slice(node.versions);
        self.entries.push(Entry {
            address: node.address,
            port: node.port,
            incarnation: node.incarnation,
            state: node.state,
            name_end: self.names.len(),
            meta_end,
            versions_end: self.bytes.len(),
        });
    }
}

impl fmt::Debug for NodeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<NodeState> for NodeTable {
    fn from_iter<I: IntoIterator<Item = NodeState>>(nodes: I) -> Self {
        let mut table = NodeTable::default();
        table.extend(nodes);
        table
    }
}

impl Extend<NodeState> for NodeTable {
    fn extend<I: IntoIterator<Item = NodeState>>(&mut self, nodes: I) {
        nodes.into_iter().for_each(|node| self.push(node.borrowed()));
    }
}

impl NodeState {
    /// The same, left where it is.
    pub fn borrowed(&self) -> BorrowedNodeState<'_> {
        BorrowedNodeState {
            name: self.name.as_str(),
            address: self.address,
            port: self.port,
            meta: &self.meta,
            incarnation: self.incarnation,
            state: self.state,
            versions: &self.versions,
        }
    }
}

impl BorrowedNodeState<'_> {
    /// A copy to keep.
    pub fn to_state(&self) -> NodeState {
        NodeState {
            name: self.name.into(),
            address: self.address,
            port: self.port,
            meta: Bytes::copy_from_slice(self.meta),
            incarnation: self.incarnation,
            state: self.state,
            versions: usual_versions(self.versions),
        }
    }
}
