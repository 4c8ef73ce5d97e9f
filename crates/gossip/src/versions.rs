//! Which protocol versions go together (specification A9).

use wire::message::gossip::{NodeState, State};
use wire::{NodeName, Versions};

use crate::Node;

/// A member that cannot understand all the others, or that they cannot understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Node '{node}' {protocol} version ({spoken}) is incompatible: [{min}, {max}]")]
pub(crate) struct Incompatible {
    node: NodeName,
    protocol: &'static str,
    spoken: u8,
    min: u8,
    max: u8,
}

/// The versions that raw bytes announce. None where they announce nothing: fewer than six
/// bytes, or a newest version of 0, which some peers send for members they know too little of.
/// Such members are left out of account, since one of them would part the cluster.
pub(crate) fn announced(raw: &[u8]) -> Option<Versions> {
    Versions::from_bytes(raw).filter(|versions| versions.protocol_max != 0)
}

/// Whether the start of a version field is nonsense, so that its alive is to be ignored.
pub(crate) fn is_nonsense(raw: &[u8]) -> bool {
    matches!(raw, [min, max, _, ..] if *max != 0 && (*min == 0 || min > max))
}

/// Every member of both tables must speak what all living members understand.
pub(crate) fn check<'a>(
    local: impl Iterator<Item = &'a Node> + Clone,
    remote: &[NodeState],
) -> Result<(), Incompatible> {
    let local = local
        .filter(|node| node.versions.protocol_max != 0)
        .map(|node| (&node.name, node.state, node.versions));
    let remote = remote
        .iter()
        .filter_map(|entry| Some((&entry.name, entry.state, announced(&entry.versions)?)));
    let mut protocol = (0, u8::MAX);
    let mut delegate = (0, u8::MAX);
    for (_, state, versions) in remote.clone().chain(local.clone()) {
        if state == State::Alive {
            narrow(&mut protocol, versions.protocol_min, versions.protocol_max);
            narrow(&mut delegate, versions.delegate_min, versions.delegate_max);
        }
    }
    for (name, _, versions) in remote.chain(local) {
        understood(name, "protocol", versions.protocol_cur, protocol)?;
        understood(name, "delegate protocol", versions.delegate_cur, delegate)?;
    }
    Ok(())
}

fn narrow(range: &mut (u8, u8), min: u8, max: u8) {
    *range = (range.0.max(min), range.1.min(max));
}

fn understood(
    node: &NodeName,
    protocol: &'static str,
    spoken: u8,
    (min, max): (u8, u8),
) -> Result<(), Incompatible> {
    if (min..=max).contains(&spoken) {
        return Ok(());
    }
    Err(Incompatible { node: node.clone(), protocol, spoken, min, max })
}

#[cfg(test)]
mod tests;
