//! Network coordinates of nodes, as stored data.

use serde::{Deserialize, Serialize};

use crate::name::{ModifyIndex, NodeName};
use crate::state::{Mark, Snapshot, Write};
use crate::watch::Key;

/// Where a node is in the space of round-trip times, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinate {
    /// The Euclidean part.
    pub vector: [f64; 8],
    /// How sure the node is of it, 0 to 1.5.
    pub error: f64,
    /// A correction that was learnt.
    pub adjustment: f64,
    /// The distance to the core of the network.
    pub height: f64,
}

/// The coordinate of a node in one segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeCoordinate {
    /// The node.
    pub node: NodeName,
    /// The segment, empty for the only one.
    pub segment: Box<str>,
    /// Where it is.
    pub coordinate: Coordinate,
}

/// The key of a coordinate: folded node, segment.
pub(crate) type CoordinateKey = (NodeName, Box<str>);

impl Snapshot {
    /// All coordinates by node and segment.
    pub fn coordinates(&self) -> impl Iterator<Item = &NodeCoordinate> {
        self.coordinates.iter().map(|(_, row)| &**row)
    }

    /// The coordinates of a node by segment.
    pub fn node_coordinates(&self, node: &NodeName) -> impl Iterator<Item = &NodeCoordinate> {
        let node = node.fold();
        let from: CoordinateKey = (node.clone(), "".into());
        self.coordinates
            .starting_at(from)
            .take_while(move |(key, _)| key.0 == node)
            .map(|(_, row)| &**row)
    }

    /// The index of every answer about coordinates.
    #[must_use]
    pub fn coordinate_index(&self) -> ModifyIndex {
        self.mark(&Mark::Coordinates)
    }
}

impl Write<'_> {
    /// Takes a batch of coordinates; those of unknown nodes are dropped.
    pub(crate) fn coordinates_set(&mut self, batch: &[NodeCoordinate]) {
        for update in batch {
            let node = update.node.fold();
            let key = (node.clone(), update.segment.clone());
            let same = self.root.coordinates.get(&key).is_some_and(|old| **old == *update);
            if same || self.root.nodes.get(&node).is_none() {
                continue;
            }
            self.root.coordinates.insert(key, update.clone());
            self.coordinate_changed(node);
        }
    }

    pub(crate) fn coordinates_delete(&mut self, node: &NodeName) {
        let segments: Vec<_> =
            self.root.node_coordinates(node).map(|row| row.segment.clone()).collect();
        for segment in segments {
            self.root.coordinates.remove(&(node.clone(), segment));
            self.coordinate_changed(node.clone());
        }
    }

    fn coordinate_changed(&mut self, node: NodeName) {
        self.bump(Mark::Coordinates);
        self.touched.push(Key::Coordinate(node));
    }
}
