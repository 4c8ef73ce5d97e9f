//! `?near=`: rows in the order of their nodes' round trips.

use std::time::Duration;

use catalog::{NodeName, Snapshot};
use serf::Coordinate;

use crate::endpoint::Reader;
use crate::request::Request;

/// The agent's own node.
const OWN: &str = "_agent";

fn place(snapshot: &Snapshot, node: &NodeName) -> Option<Coordinate> {
    let row = snapshot.node_coordinates(&node.fold()).next()?;
    let place = &row.coordinate;
    Some(Coordinate {
        vec: place.vector.to_vec(),
        error: place.error,
        adjustment: place.adjustment,
        height: place.height,
    })
}

/// Sorts rows by the distance of their nodes from the one that the request names.
pub(crate) fn sort<T>(
    request: &Request,
    reader: &Reader<'_>,
    rows: &mut [T],
    node: impl Fn(&T) -> &NodeName,
) {
    let Some(near) = request.query.filled("near") else { return };
    let near = if near == OWN { &reader.agent.node } else { near };
    sort_from(reader.snapshot, &NodeName::from(near), rows, node);
}

/// Sorts rows by the distance of their nodes from `near`. Rows of nodes without a place come last;
/// without a place of `near`, all stay as they are.
pub(crate) fn sort_from<T>(
    snapshot: &Snapshot,
    near: &NodeName,
    rows: &mut [T],
    node: impl Fn(&T) -> &NodeName,
) {
    let Some(origin) = place(snapshot, near) else { return };
    rows.sort_by_cached_key(|row| {
        let place = place(snapshot, node(row));
        place.map_or(Duration::MAX, |place| serf::distance(&origin, &place))
    });
}
