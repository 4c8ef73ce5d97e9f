//! What has an index of its own: the last write that concerned it.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::name::{ModifyIndex, NodeName, ServiceName};

/// What a write moves besides its rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Mark {
    /// All keys.
    Kv,
    /// The nodes, and as recorded every write of a service.
    Nodes,
    /// The services.
    Services,
    /// The checks.
    Checks,
    /// The sessions.
    Sessions,
    /// The coordinates.
    Coordinates,
    /// One node and its services.
    Node(NodeName),
    /// One service: its instances, their nodes, and the checks of both.
    Service(ServiceName),
    /// When a node was removed last.
    NodeExtinction,
    /// When a service lost its last instance.
    ServiceExtinction,
    /// The prepared queries.
    Queries,
}

/// Those without a name, in order: the first six stand before those that have one.
const UNNAMED: [Mark; 9] = [
    Mark::Kv,
    Mark::Nodes,
    Mark::Services,
    Mark::Checks,
    Mark::Sessions,
    Mark::Coordinates,
    Mark::NodeExtinction,
    Mark::ServiceExtinction,
    Mark::Queries,
];
const BEFORE_NAMED: usize = 6;

/// Where a mark stands.
enum Place<'a> {
    Unnamed(usize),
    Node(&'a NodeName),
    Service(&'a ServiceName),
}

impl Mark {
    fn place(&self) -> Place<'_> {
        Place::Unnamed(match self {
            Self::Node(name) => return Place::Node(name),
            Self::Service(name) => return Place::Service(name),
            Self::Kv => 0,
            Self::Nodes => 1,
            Self::Services => 2,
            Self::Checks => 3,
            Self::Sessions => 4,
            Self::Coordinates => 5,
            Self::NodeExtinction => 6,
            Self::ServiceExtinction => 7,
            Self::Queries => 8,
        })
    }
}

/// The index of each mark that has one. Every write moves some without a name: they are not looked
/// for among the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// Zero where there is none: no write has that index.
    unnamed: [ModifyIndex; UNNAMED.len()],
    nodes: OrdMap<NodeName, ModifyIndex>,
    services: OrdMap<ServiceName, ModifyIndex>,
}

impl Marks {
    pub(crate) fn get(&self, mark: &Mark) -> Option<ModifyIndex> {
        match mark.place() {
            Place::Unnamed(at) => Some(self.unnamed[at]).filter(|own| *own != ModifyIndex::ZERO),
            Place::Node(name) => self.nodes.get(name).copied(),
            Place::Service(name) => self.services.get(name).copied(),
        }
    }

    pub(crate) fn set(&mut self, mark: Mark, index: ModifyIndex) {
        match mark {
            Mark::Node(name) => drop(self.nodes.insert(name, index)),
            Mark::Service(name) => drop(self.services.insert(name, index)),
            unnamed => {
                if let Place::Unnamed(at) = unnamed.place() {
                    self.unnamed[at] = index;
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, mark: &Mark) {
        match mark.place() {
            Place::Unnamed(at) => self.unnamed[at] = ModifyIndex::ZERO,
            Place::Node(name) => drop(self.nodes.remove(name)),
            Place::Service(name) => drop(self.services.remove(name)),
        }
    }

    /// All in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Mark, ModifyIndex)> {
        let of_mark = |mark: Mark| self.get(&mark).map(|index| (mark, index));
        let (before, behind) = UNNAMED.split_at(BEFORE_NAMED);
        let nodes = self.nodes.iter().map(|(name, index)| (Mark::Node(name.clone()), *index));
        let services =
            self.services.iter().map(|(name, index)| (Mark::Service(name.clone()), *index));
        (before.iter().cloned().filter_map(of_mark))
            .chain(nodes)
            .chain(services)
            .chain(behind.iter().cloned().filter_map(of_mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_kept_in_their_order_and_forgotten() {
        let mut all = UNNAMED.to_vec();
        all.extend(["b", "a"].map(|name| Mark::Node(name.into())));
        all.extend(["d", "c"].map(|name| Mark::Service(name.into())));
        let mut marks = Marks::default();
        for (mark, index) in all.iter().zip(1..) {
            assert_eq!(marks.get(mark), None);
            marks.set(mark.clone(), ModifyIndex(index));
            assert_eq!(marks.get(mark), Some(ModifyIndex(index)));
        }
        all.sort();
        assert!(marks.iter().map(|(mark, _)| mark).eq(all.iter().cloned()));
        for mark in &all {
            marks.remove(mark);
        }
        assert_eq!(marks.iter().count(), 0);
    }
}
