//! `?near=`: rows in the order of their nodes' round trips.

use catalog::NodeName;

use crate::endpoint::Reader;
use crate::request::Request;

/// The agent's own node.
const OWN: &str = "_agent";

/// Sorts rows by the distance of their nodes from the one that the request names.
pub(crate) fn sort<T>(
    request: &Request,
    reader: &Reader<'_>,
    rows: &mut [T],
    node: impl Fn(&T) -> &NodeName,
) {
    let Some(near) = request.query.filled("near") else { return };
    let near = if near == OWN { &reader.agent.node } else { near };
    reader.snapshot.sort_near(&NodeName::from(near), rows, node);
}
