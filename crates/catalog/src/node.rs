//! Nodes: who has which name, and what goes with a node.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::addresses;
use crate::check::{CheckKey, SERF_HEALTH};
use crate::error::Error;
use crate::mark::Mark;
use crate::name::{CheckId, ModifyIndex, NodeId, NodeName, Pairs, folded_cmp};
use crate::state::{Snapshot, Write};
use crate::watch::Key;

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its identity; nodes that others registered may have none.
    pub id: NodeId,
    /// Its name as given.
    pub name: NodeName,
    /// Its address, unchecked.
    pub address: Box<str>,
    /// Further addresses by purpose.
    pub tagged_addresses: Pairs,
    /// The node's metadata.
    pub meta: Pairs,
    /// Its locality, JSON kept as it came.
    pub locality: Option<Box<str>>,
    /// The write that made it.
    pub create: ModifyIndex,
    /// The write that changed it last.
    pub modify: ModifyIndex,
}

impl Node {
    /// Whether another row says the same, but for how the name is written and the indexes.
    fn says_of_itself(&self, other: &Self) -> bool {
        let Self { id, name: _, address, tagged_addresses, meta, locality, create: _, modify: _ } =
            self;
        *id == other.id
            && *address == other.address
            && *tagged_addresses == other.tagged_addresses
            && *meta == other.meta
            && *locality == other.locality
    }
}

impl Snapshot {
    /// The node of a name.
    #[must_use]
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.get(&name.fold()).map(|node| &**node)
    }

    /// The node of an identity.
    #[must_use]
    pub fn node_by_id(&self, id: &NodeId) -> Option<&Node> {
        let order = |node: &Arc<Node>| folded_cmp(node.id.as_str(), id.as_str());
        let place = self.node_ids.find(order).ok()?;
        self.node_ids.get(place).map(|node| &**node)
    }

    /// All nodes by name.
    pub fn node_list(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().map(|(_, node)| &**node)
    }

    /// The index of the list of nodes.
    #[must_use]
    pub fn node_list_index(&self) -> ModifyIndex {
        self.mark(&Mark::Nodes)
    }

    /// The index of one node with its services; of the last node's removal if it does not exist.
    #[must_use]
    pub fn node_index(&self, name: &NodeName) -> ModifyIndex {
        let own = self.mark(&Mark::Node(name.fold()));
        if own == ModifyIndex::ZERO { self.mark(&Mark::NodeExtinction) } else { own }
    }
}

impl Snapshot {
    /// Enters a node in the table, by its identity and its address, and at its instances.
    pub(crate) fn link_node(&mut self, key: NodeName, node: impl Into<Arc<Node>>) {
        let row: Arc<Node> = node.into();
        if !row.id.is_empty() {
            self.node_ids.put(row.clone(), |other| by_id(other, &row));
        }
        addresses::put(&mut self.node_addresses, &row);
        self.nodes.insert(key.clone(), row);
        self.link_instances_of(&key);
    }

    /// Takes a node, if it is there, out of the table and the indexes; its instances keep it.
    pub(crate) fn unlink_node(&mut self, key: &NodeName) -> bool {
        let Some(row) = self.nodes.remove(key) else { return false };
        // Rows of another program may share an identity: it is that of the one that came last.
        let holds = |other: &Arc<Node>| by_id(other, &row);
        let holder = self.node_ids.find(holds).ok().and_then(|place| self.node_ids.get(place));
        if holder.is_some_and(|holder| Arc::ptr_eq(holder, &row)) {
            self.node_ids.remove(holds);
        }
        addresses::remove(&mut self.node_addresses, &row);
        true
    }
}

fn by_id(one: &Node, other: &Node) -> Ordering {
    folded_cmp(one.id.as_str(), other.id.as_str())
}

impl Write<'_> {
    /// Writes a node, unless it says already what it is to say. A known identity under a new name
    /// is a renaming: the old name goes, with everything on it.
    pub(crate) fn node_set(&mut self, mut row: Node) -> Result<(), Error> {
        let key = row.name.fold();
        let mut old = self.root.nodes.get(&key).cloned();
        let id = row.id.fold();
        if !id.is_empty() {
            let known = self.root.node_by_id(&id).map(|node| node.name.fold());
            if known.as_ref() != Some(&key) {
                self.node_name_free(&row, known.is_none())?;
            }
            if let Some(former) = known.filter(|former| *former != key) {
                let renamed = self.root.nodes.get(&former).cloned();
                self.node_delete(&former);
                old = renamed.or(old);
            }
        }
        if old.as_ref().is_some_and(|old| old.says_of_itself(&row) && old.name.fold() == key) {
            return Ok(());
        }
        row.create = old.as_ref().map_or(self.index, |old| old.create);
        row.modify = self.index;
        self.root.unlink_node(&key);
        self.root.link_node(key.clone(), row);
        self.bump(Mark::Nodes);
        self.bump(Mark::Node(key.clone()));
        self.touched.push(Key::Node(key.clone()));
        self.touch_services_of(&key, true);
        Ok(())
    }

    /// Whether a node with an identity may take a name: not from a node that is alive.
    fn node_name_free(&self, node: &Node, newcomer: bool) -> Result<(), Error> {
        let key = node.name.fold();
        let Some(owner) = self.root.nodes.get(&key) else { return Ok(()) };
        if owner.id.fold() == node.id.fold() || (newcomer && owner.id.is_empty()) {
            return Ok(());
        }
        let serf = CheckKey { node: key, id: CheckId::from(SERF_HEALTH).fold() };
        if self.root.checks.get(&serf).is_none_or(|check| check.is_critical()) {
            return Ok(());
        }
        Err(Error::NameReserved {
            id: node.id.clone(),
            name: node.name.clone(),
            owner: owner.id.clone(),
            owner_name: owner.name.clone(),
            owner_address: owner.address.clone(),
        })
    }

    /// Removes a node with its services, checks, coordinates and sessions.
    pub(crate) fn node_delete(&mut self, name: &NodeName) {
        let key = name.fold();
        if self.root.nodes.get(&key).is_none() {
            return;
        }
        let services: Vec<_> = self.root.services_of(&key).map(|row| row.id.clone()).collect();
        for id in services {
            self.service_delete(&key, &id);
        }
        let checks: Vec<_> = self.root.node_checks(&key).map(|check| check.id.clone()).collect();
        for id in checks {
            self.check_delete(&key, &id);
        }
        self.sessions_of_node(&key);
        self.coordinates_delete(&key);
        self.root.unlink_node(&key);
        self.root.marks.remove(&Mark::Node(key.clone()));
        self.bump(Mark::Nodes);
        self.bump(Mark::NodeExtinction);
        self.touched.push(Key::Node(key));
    }
}
