//! States that members in one process exchange as they are.
//!
//! In a large world nearly all rows of any two tables are the same in memory, and a member need
//! not read what it has itself. The machine takes such a state as it takes one that came as bytes:
//! the same entries in the same order and slices.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use wire::message::gossip::State;
use wire::msgpack::Writer;

use crate::Node;
use crate::member_table::{List, Slot};
use crate::versions::Spoken;

/// A table as it was at one moment. It is copied only if it changes while somebody holds this.
#[derive(Clone, Debug)]
pub struct FrozenTable {
    pub(crate) list: Arc<List>,
    pub(crate) summary: Summary,
}

/// What is asked of a table as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) alive: usize,
    pub(crate) live: usize,
    /// Bytes of its entries as they travel.
    pub(crate) encoded: usize,
    /// By those that were in it, too: it may ask for more than those that are in it now.
    pub(crate) spoken: Spoken,
}

/// The state of the layer above, as an exchange brings it.
#[derive(Clone, Debug)]
pub enum UserState {
    /// From its type byte.
    Encoded(Bytes),
    /// As that layer has frozen it.
    Frozen(FrozenUserState),
}

/// A state of the layer above that was not encoded.
#[derive(Clone, Debug)]
pub struct FrozenUserState {
    /// What only that layer understands.
    pub state: Arc<dyn Any + Send + Sync>,
    /// Its bytes, had it been encoded.
    pub length: usize,
}

/// Both sides of an exchange that is no join: what [`PushPull`](wire::message::gossip::PushPull) is
/// to those that are encoded.
#[derive(Clone, Debug)]
pub struct FrozenState {
    /// The sender's table.
    pub table: FrozenTable,
    /// The state of its layer above.
    pub user_state: FrozenUserState,
}

impl FrozenTable {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.list.order.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.list.order.is_empty()
    }

    /// Bytes of its entries, had they been encoded.
    pub fn encoded_len(&self) -> usize {
        self.summary.encoded
    }

    /// Its entries as they travel.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.encoded_len());
        let mut writer = Writer::new(&mut out);
        self.nodes().for_each(|node| node.write(&mut writer));
        out.into()
    }

    pub(crate) fn row(&self, place: usize) -> Option<(Slot, &Arc<Node>)> {
        let slot = *self.list.order.get(place)?;
        Some((slot, self.list.rows.get(slot.index())?.as_ref()?))
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> + Clone {
        (0..self.len()).filter_map(|place| Some(&**self.row(place)?.1))
    }
}

impl Summary {
    pub(crate) fn of<'a>(nodes: impl Iterator<Item = &'a Node>) -> Self {
        let mut summary = Summary { alive: 0, live: 0, encoded: 0, spoken: Spoken::NOTHING };
        nodes.for_each(|node| summary.add(node));
        summary
    }

    pub(crate) fn add(&mut self, node: &Node) {
        self.add_encoded(node, node.encoded_len());
    }

    /// A node of which is known how many bytes it takes.
    pub(crate) fn add_encoded(&mut self, node: &Node, length: usize) {
        self.alive += usize::from(node.state == State::Alive);
        self.live += usize::from(node.is_live());
        self.encoded += length;
        self.spoken.add_node(node);
    }

    /// Of what it spoke and understood account is still taken.
    pub(crate) fn remove(&mut self, node: &Node) {
        self.alive -= usize::from(node.state == State::Alive);
        self.live -= usize::from(node.is_live());
        self.encoded -= node.encoded_len();
    }
}

impl UserState {
    pub(crate) fn len(&self) -> usize {
        match self {
            UserState::Encoded(bytes) => bytes.len(),
            UserState::Frozen(frozen) => frozen.length,
        }
    }
}
