//! Network coordinates of nodes, as stored data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mark::Mark;
use crate::name::{ModifyIndex, NodeName};
use crate::state::{Snapshot, Write};
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

impl Coordinate {
    /// The estimated round trip to another place; zero where a place makes no sense.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Duration {
        let squares =
            self.vector.iter().zip(&other.vector).map(|(own, other)| (own - other).powi(2));
        let raw = squares.sum::<f64>().sqrt() + self.height + other.height;
        let adjusted = raw + self.adjustment + other.adjustment;
        let seconds = if adjusted > 0.0 { adjusted } else { raw };
        // The cast truncates and saturates: that is the members' arithmetic.
        Duration::from_nanos((seconds * 1.0e9) as u64)
    }
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

    /// Sorts rows by the distance of their nodes from `near`. Rows of nodes without a place come
    /// last; without a place of `near`, all stay as they are.
    pub fn sort_near<T>(&self, near: &NodeName, rows: &mut [T], node: impl Fn(&T) -> &NodeName) {
        let Some(origin) = self.place(near) else { return };
        rows.sort_by_cached_key(|row| {
            self.place(node(row)).map_or(Duration::MAX, |place| origin.distance(place))
        });
    }

    /// Where a node is. To look for a segment allocates, and mostly there is none.
    pub(crate) fn place(&self, node: &NodeName) -> Option<&Coordinate> {
        let row = match self.segmented {
            false => self.coordinates.get(&(node.fold(), "".into())).map(|row| &**row),
            true => self.node_coordinates(node).next(),
        };
        Some(&row?.coordinate)
    }

    /// Enters a coordinate under its folded node.
    pub(crate) fn coordinate_enter(&mut self, node: NodeName, row: NodeCoordinate) {
        self.segmented |= !row.segment.is_empty();
        self.coordinates.insert((node, row.segment.clone()), row);
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
            self.root.coordinate_enter(node.clone(), update.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(first: f64, adjustment: f64) -> Coordinate {
        let vector = [first, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0];
        Coordinate { vector, error: 1.0, adjustment, height: 0.5 }
    }

    #[test]
    fn distance_counts_heights_and_adjustments_unless_they_leave_none() {
        let origin = Coordinate { vector: [0.0; 8], ..at(0.0, 0.0) };
        assert_eq!(origin.distance(&at(3.0, 0.0)), Duration::from_secs(6));
        assert_eq!(origin.distance(&at(3.0, -2.0)), Duration::from_secs(4));
        assert_eq!(at(3.0, -9.0).distance(&origin), Duration::from_secs(6));
        assert_eq!(origin.distance(&at(f64::NAN, 0.0)), Duration::ZERO);
    }
}
