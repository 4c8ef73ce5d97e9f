//! Reading for who answers many small questions, as DNS: by text that is folded already, without
//! a key of its own, and without allocating.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::net::Ipv4Addr;

use crate::check::Check;
use crate::instances::{Health, Instance};
use crate::name::{NodeName, ServiceName, folded_cmp};
use crate::node::Node;
use crate::service::Service;
use crate::sorted::Sorted;
use crate::state::Snapshot;

/// The instances that a service's name has, by node and ID.
#[derive(Clone, Copy, Debug)]
pub struct Instances<'a> {
    snapshot: &'a Snapshot,
    list: Option<&'a Sorted<Instance>>,
}

impl<'a> Instances<'a> {
    /// Of no service.
    pub(crate) fn none(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, list: None }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.map_or(0, Sorted::len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at a place, from 0.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<Found<'a>> {
        let instance = self.list?.get(place)?;
        let node = instance.node.as_deref()?;
        Some(Found { snapshot: self.snapshot, node, instance })
    }
}

/// An instance that was found by its service's name.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    snapshot: &'a Snapshot,
    node: &'a Node,
    instance: &'a Instance,
}

impl<'a> Found<'a> {
    /// Its node's row.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Its own row.
    #[must_use]
    pub fn service(&self) -> &'a Service {
        &self.instance.service
    }

    /// The worst status of [`Found::checks`].
    #[must_use]
    pub fn health(&self) -> Health {
        self.instance.health
    }

    /// Its address, or that of its node if it has none, where that is one of IPv4 and neither has
    /// another for either family.
    #[must_use]
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.instance.address.map(Ipv4Addr::from)
    }

    /// The checks that its health follows from, by ID. This allocates.
    pub fn checks(&self) -> impl Iterator<Item = &'a Check> + use<'a> {
        let service = self.service();
        self.snapshot.node_checks(&service.node).filter(move |check| {
            let id = check.service_id.as_str();
            id.is_empty() || folded_cmp(id, service.id.as_str()).is_eq()
        })
    }
}

impl Snapshot {
    /// The instances of a service, by a folded name.
    #[must_use]
    pub fn find_instances(&self, name: &str) -> Instances<'_> {
        Instances { snapshot: self, list: self.instances.get(name) }
    }

    /// The instances that give mesh access to a service, by a folded name.
    #[must_use]
    pub fn find_connect_instances(&self, name: &str) -> Instances<'_> {
        Instances { snapshot: self, list: self.connect_instances.get(name) }
    }

    /// The node of a folded name.
    #[must_use]
    pub fn find_node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name).map(|node| &**node)
    }

    /// The node of a folded identity, or of the beginning of one if there is no second.
    #[must_use]
    pub fn find_node_by_id(&self, beginning: &str) -> Option<&Node> {
        let order = |node: &_| starts(node, beginning);
        let place = self.node_ids.find(|node| order(node).then(Ordering::Greater));
        let place = place.unwrap_or_else(|place| place);
        let node = self.node_ids.get(place).filter(|node| order(node).is_eq())?;
        let second = self.node_ids.get(place + 1).is_some_and(|node| order(node).is_eq());
        (!second).then_some(&**node)
    }

    /// The virtual address of a service, by a folded name.
    #[must_use]
    pub fn find_virtual_address(&self, name: &str) -> Option<Ipv4Addr> {
        let number = self.virtual_numbers.get(name)?;
        Some(crate::virtual_address::address(*number))
    }
}

/// How the beginning of a node's identity stands to another one.
fn starts(node: &Node, beginning: &str) -> Ordering {
    let id = node.id.as_str();
    folded_cmp(id.get(..beginning.len()).unwrap_or(id), beginning)
}

macro_rules! by_text {
    ($($name:ident)*) => {$(
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }
    )*};
}

by_text!(NodeName ServiceName);
