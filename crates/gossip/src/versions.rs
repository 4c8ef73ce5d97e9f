//! Which protocol versions go together (specification A9).

use wire::message::gossip::{NodeTable, State};
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
    remote: &NodeTable,
) -> Result<(), Incompatible> {
    let local = local
        .filter(|node| node.versions.protocol_max != 0)
        .map(|node| (node.name.as_str(), node.state, node.versions));
    let remote = remote
        .iter()
        .filter_map(|entry| Some((entry.name, entry.state, announced(entry.versions)?)));
    let (mut protocol, mut delegate) = (Range::ALL, Range::ALL);
    remote.clone().chain(local.clone()).for_each(|(_, state, versions)| {
        if state == State::Alive {
            protocol.narrow(versions.protocol_min, versions.protocol_max);
            delegate.narrow(versions.delegate_min, versions.delegate_max);
        }
        protocol.is_spoken(versions.protocol_cur);
        delegate.is_spoken(versions.delegate_cur);
    });
    if protocol.holds() && delegate.holds() {
        return Ok(());
    }
    for (name, _, versions) in remote.chain(local) {
        understood(name, "protocol", versions.protocol_cur, protocol.understood)?;
        understood(name, "delegate protocol", versions.delegate_cur, delegate.understood)?;
    }
    Ok(())
}

/// Versions of one protocol, from the oldest to the newest.
struct Range {
    /// What all living members understand.
    understood: (u8, u8),
    /// What anybody speaks.
    spoken: (u8, u8),
}

impl Range {
    /// Of nobody.
    const ALL: Range = Range { understood: (0, u8::MAX), spoken: (u8::MAX, 0) };

    fn narrow(&mut self, min: u8, max: u8) {
        self.understood = (self.understood.0.max(min), self.understood.1.min(max));
    }

    fn is_spoken(&mut self, version: u8) {
        self.spoken = (self.spoken.0.min(version), self.spoken.1.max(version));
    }

    fn holds(&self) -> bool {
        self.understood.0 <= self.spoken.0 && self.spoken.1 <= self.understood.1
    }
}

fn understood(
    node: &str,
    protocol: &'static str,
    spoken: u8,
    (min, max): (u8, u8),
) -> Result<(), Incompatible> {
    if (min..=max).contains(&spoken) {
        return Ok(());
    }
    Err(Incompatible { node: node.into(), protocol, spoken, min, max })
}

#[cfg(test)]
mod tests;
