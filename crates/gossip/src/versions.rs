//! Which protocol versions go together (specification A9).

use wire::message::gossip::{NodeTable, State};
use wire::{NodeName, Versions};

use crate::Node;
use crate::frozen::FrozenTable;

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
    remote: &'a NodeTable,
) -> Result<(), Incompatible> {
    let remote = remote
        .iter()
        .filter_map(|entry| Some((entry.name, entry.state, announced(entry.versions)?)));
    check_each(remote, local.filter_map(told))
}

/// As [`check`], where it is known what both tables speak, or perhaps more than that.
pub(crate) fn check_frozen<'a>(
    local: impl Iterator<Item = &'a Node> + Clone,
    spoken: Spoken,
    remote: &'a FrozenTable,
) -> Result<(), Incompatible> {
    if spoken.and(remote.summary.spoken).holds() {
        return Ok(());
    }
    check_each(remote.nodes().filter_map(told), local.filter_map(told))
}

/// What is said of a member that has told its versions.
type Told<'a> = (&'a str, State, Versions);

fn told(node: &Node) -> Option<Told<'_>> {
    let told = node.versions.protocol_max != 0;
    told.then(|| (node.name.as_str(), node.state, node.versions))
}

fn check_each<'a>(
    remote: impl Iterator<Item = Told<'a>> + Clone,
    local: impl Iterator<Item = Told<'a>> + Clone,
) -> Result<(), Incompatible> {
    let mut spoken = Spoken::NOTHING;
    remote.clone().chain(local.clone()).for_each(|told| spoken.add(told));
    if spoken.holds() {
        return Ok(());
    }
    let Spoken { protocol, delegate } = spoken;
    for (name, _, versions) in remote.chain(local) {
        understood(name, "protocol", versions.protocol_cur, protocol.understood)?;
        understood(name, "delegate protocol", versions.delegate_cur, delegate.understood)?;
    }
    Ok(())
}

/// What some members speak and understand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoken {
    protocol: Range,
    delegate: Range,
}

impl Spoken {
    pub(crate) const NOTHING: Spoken = Spoken { protocol: Range::ALL, delegate: Range::ALL };

    pub(crate) fn add_node(&mut self, node: &Node) {
        told(node).into_iter().for_each(|told| self.add(told));
    }

    fn add(&mut self, (_, state, versions): Told<'_>) {
        if state == State::Alive {
            self.protocol.narrow(versions.protocol_min, versions.protocol_max);
            self.delegate.narrow(versions.delegate_min, versions.delegate_max);
        }
        self.protocol.is_spoken(versions.protocol_cur);
        self.delegate.is_spoken(versions.delegate_cur);
    }

    fn and(self, other: Spoken) -> Spoken {
        Spoken {
            protocol: self.protocol.and(other.protocol),
            delegate: self.delegate.and(other.delegate),
        }
    }

    fn holds(&self) -> bool {
        self.protocol.holds() && self.delegate.holds()
    }
}

/// Versions of one protocol, from the oldest to the newest.
#[derive(Clone, Copy, Debug)]
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

    fn and(self, other: Range) -> Range {
        let (understood, spoken) = (self.understood, self.spoken);
        Range {
            understood: (
                understood.0.max(other.understood.0),
                understood.1.min(other.understood.1),
            ),
            spoken: (spoken.0.min(other.spoken.0), spoken.1.max(other.spoken.1)),
        }
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
