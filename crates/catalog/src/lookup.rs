//! Reading for who answers many small questions, as DNS: by text that is folded already, without
//! a key of its own. A range allocates its place in a tree of more than one node, and nothing else.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::net::Ipv4Addr;
use std::ops::Bound;

use crate::check::{Check, CheckKey};
use crate::name::{NodeId, NodeName, ServiceName};
use crate::node::Node;
use crate::service::{Service, ServiceKey};
use crate::state::Snapshot;

/// A key of two or three parts, seen as texts, so that a range can begin at texts.
trait Place {
    fn parts(&self) -> [&str; 3];
}

impl Place for [&str; 3] {
    fn parts(&self) -> [&str; 3] {
        *self
    }
}

impl Place for CheckKey {
    fn parts(&self) -> [&str; 3] {
        [self.node.as_str(), self.id.as_str(), ""]
    }
}

impl Place for (ServiceName, ServiceKey) {
    fn parts(&self) -> [&str; 3] {
        [self.0.as_str(), self.1.node.as_str(), self.1.id.as_str()]
    }
}

impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Place + '_ {}

impl PartialOrd for dyn Place + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Place + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl<'a> Borrow<dyn Place + 'a> for CheckKey {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

impl<'a> Borrow<dyn Place + 'a> for (ServiceName, ServiceKey) {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

fn from<'a>(
    place: &'a (dyn Place + 'a),
) -> (Bound<&'a (dyn Place + 'a)>, Bound<&'a (dyn Place + 'a)>) {
    (Bound::Included(place), Bound::Unbounded)
}

/// An instance that was found by its service's name and is not read yet.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    snapshot: &'a Snapshot,
    key: &'a ServiceKey,
}

impl<'a> Found<'a> {
    /// Its rows.
    #[must_use]
    pub fn read(&self) -> Option<(&'a Node, &'a Service)> {
        let service = self.snapshot.services.get(self.key)?;
        Some((self.snapshot.nodes.get(&self.key.node)?, service))
    }

    /// The folded name of its node.
    #[must_use]
    pub fn node(&self) -> &'a NodeName {
        &self.key.node
    }

    /// The checks that its health follows from, by ID.
    pub fn checks(&self) -> impl Iterator<Item = &'a Check> + use<'a> {
        let (snapshot, key) = (self.snapshot, self.key);
        let start = [key.node.as_str(), "", ""];
        let mut rows = snapshot.checks.range_from::<dyn Place>(&start);
        let mut next = move || rows.next();
        std::iter::from_fn(move || {
            loop {
                let (place, check) = next()?;
                if place.node != key.node {
                    return None;
                }
                if check.service_id.is_empty() || same(check.service_id.as_str(), key.id.as_str()) {
                    return Some(&**check);
                }
            }
        })
    }
}

/// Whether a name is a folded one.
fn same(name: &str, folded: &str) -> bool {
    name == folded
        || if name.is_ascii() {
            name.eq_ignore_ascii_case(folded)
        } else {
            name.to_lowercase() == folded
        }
}

impl Snapshot {
    /// The instances of a service, by a folded name: by node and ID.
    pub fn find_instances<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Found<'a>> {
        self.found(&self.service_names, name)
    }

    /// The instances that give mesh access to a service, by a folded name.
    pub fn find_connect_instances<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Found<'a>> {
        self.found(&self.connect_names, name)
    }

    fn found<'a>(
        &'a self,
        index: &'a imbl::OrdSet<(ServiceName, ServiceKey)>,
        name: &'a str,
    ) -> impl Iterator<Item = Found<'a>> {
        let start = [name, "", ""];
        index
            .range::<_, dyn Place + '_>(from(&start))
            .take_while(move |(owner, _)| owner.as_str() == name)
            .map(|(_, key)| Found { snapshot: self, key })
    }

    /// The node of a folded name.
    #[must_use]
    pub fn find_node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name).map(|node| &**node)
    }

    /// The node of a folded identity, or of the beginning of one if there is no second.
    #[must_use]
    pub fn find_node_by_id(&self, beginning: &str) -> Option<&Node> {
        let range = (Bound::Included(beginning), Bound::Unbounded);
        let mut ids = self.node_ids.range::<_, str>(range);
        let begins = |id: &NodeId| id.as_str().starts_with(beginning);
        let (_, name) = ids.next().filter(|(id, _)| begins(id))?;
        if ids.next().is_some_and(|(id, _)| begins(id)) {
            return None;
        }
        self.nodes.get(name).map(|node| &**node)
    }

    /// The virtual address of a service, by a folded name.
    #[must_use]
    pub fn find_virtual_address(&self, name: &str) -> Option<Ipv4Addr> {
        let number = self.virtual_numbers.get(name)?;
        Some(crate::virtual_address::address(*number))
    }

    /// Every instance of every service, by node and ID.
    pub fn instance_list(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(|(_, row)| &**row)
    }
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

by_text!(NodeName NodeId ServiceName);
