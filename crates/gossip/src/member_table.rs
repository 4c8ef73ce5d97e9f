//! The node table: everyone this member has heard of, itself included.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use wire::NodeName;
use wire::message::gossip::State;
use wire::msgpack::Writer;

use crate::node::Node;
use crate::suspicion::Suspicion;
use crate::{Time, limits};

/// Where a member stands in the table; stays the same while the member is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

/// Members by name and in probing order, with the suspicions that run against them.
#[derive(Debug, Default)]
pub(crate) struct MemberTable {
    entries: Vec<Option<Entry>>,
    vacant: Vec<Slot>,
    by_name: BTreeMap<NodeName, Slot>,
    /// The order in which members are probed and listed.
    order: Vec<Slot>,
    /// Running suspicions by their end.
    expiries: BTreeSet<(Time, Slot)>,
    live: usize,
    /// The table as it travels, until the next change.
    encoded: Option<Bytes>,
}

#[derive(Debug)]
struct Entry {
    node: Node,
    suspicion: Option<Box<Suspicion>>,
}

impl MemberTable {
    /// Members in any state.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Members that are neither dead nor left.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.find(name).map(|slot| self.node(slot))
    }

    pub(crate) fn node(&self, slot: Slot) -> &Node {
        &self.entry(slot).node
    }

    /// In the order of the list.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> + Clone {
        self.order.iter().map(|slot| self.node(*slot))
    }

    /// The member at a place of the list.
    pub(crate) fn at(&self, index: usize) -> Option<Slot> {
        self.order.get(index).copied()
    }

    /// Adds a member of an unknown name at a random place of the list, which bounds the expected
    /// time to its first probe. None if the table is full.
    pub(crate) fn insert(&mut self, node: Node, rng: &mut SmallRng) -> Option<Slot> {
        debug_assert!(!self.by_name.contains_key(node.name.as_str()));
        if self.order.len() >= limits::MEMBERS {
            return None;
        }
        let name = node.name.clone();
        self.live += usize::from(node.is_live());
        let entry = Some(Entry { node, suspicion: None });
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.entries[slot.0 as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                Slot((self.entries.len() - 1) as u32)
            }
        };
        self.by_name.insert(name, slot);
        self.order.push(slot);
        let last = self.order.len() - 1;
        if last > 0 {
            self.order.swap(last, rng.random_range(0..last));
        }
        self.encoded = None;
        Some(slot)
    }

    /// Changes what is believed of a member. Ends nothing: see [`Self::clear_suspicion`].
    pub(crate) fn update(&mut self, slot: Slot, change: impl FnOnce(&mut Node)) {
        self.encoded = None;
        let node = &mut self.entry_mut(slot).node;
        let before = node.is_live();
        change(node);
        match (before, node.is_live()) {
            (false, true) => self.live += 1,
            (true, false) => self.live -= 1,
            _ => {}
        }
    }

    /// Starts the next round of probes: forgets those that have been dead or left since before
    /// `cutoff` (save `own`, which stays even when it has left), and shuffles the rest.
    pub(crate) fn next_round(&mut self, own: Slot, cutoff: Time, rng: &mut SmallRng) {
        let entries = &mut self.entries;
        let (by_name, vacant) = (&mut self.by_name, &mut self.vacant);
        let before = self.order.len();
        self.order.retain(|slot| {
            let entry = &mut entries[slot.0 as usize];
            let stale = entry
                .as_ref()
                .is_some_and(|entry| !entry.node.is_live() && entry.node.changed < cutoff);
            if *slot == own {
                return true;
            }
            if stale && let Some(entry) = entry.take() {
                by_name.remove(entry.node.name.as_str());
                vacant.push(*slot);
            }
            !stale
        });
        if self.order.len() != before {
            self.encoded = None;
        }
        self.order.shuffle(rng);
    }

    pub(crate) fn suspect(&mut self, slot: Slot, suspicion: Suspicion) {
        self.clear_suspicion(slot);
        self.expiries.insert((suspicion.deadline(), slot));
        self.entry_mut(slot).suspicion = Some(Box::new(suspicion));
    }

    /// Changes a running suspicion, if there is one, and keeps its timer right.
    pub(crate) fn with_suspicion<R>(
        &mut self,
        slot: Slot,
        change: impl FnOnce(&mut Suspicion) -> R,
    ) -> Option<R> {
        let suspicion = self.entries[slot.0 as usize].as_mut()?.suspicion.as_mut()?;
        let before = suspicion.deadline();
        let result = change(suspicion);
        if suspicion.deadline() != before {
            self.expiries.remove(&(before, slot));
            self.expiries.insert((suspicion.deadline(), slot));
        }
        Some(result)
    }

    pub(crate) fn clear_suspicion(&mut self, slot: Slot) -> Option<Box<Suspicion>> {
        let suspicion = self.entry_mut(slot).suspicion.take()?;
        self.expiries.remove(&(suspicion.deadline(), slot));
        Some(suspicion)
    }

    /// The suspicion that ends next.
    pub(crate) fn next_expiry(&self) -> Option<(Time, Slot)> {
        self.expiries.first().copied()
    }

    /// Up to `count` different members that pass, each as likely as any other.
    pub(crate) fn sample(
        &self,
        count: usize,
        rng: &mut SmallRng,
        passes: impl Fn(&Node) -> bool,
    ) -> Vec<Slot> {
        let mut chosen = Vec::with_capacity(count);
        let total = self.order.len();
        if total > count.saturating_mul(3) {
            // Cheap where most members pass, which is the rule.
            for _ in 0..count.saturating_mul(8) {
                if chosen.len() == count {
                    return chosen;
                }
                let slot = self.order[rng.random_range(0..total)];
                if !chosen.contains(&slot) && passes(self.node(slot)) {
                    chosen.push(slot);
                }
            }
        }
        if chosen.len() < count {
            let mut rest: Vec<Slot> = self
                .order
                .iter()
                .copied()
                .filter(|slot| !chosen.contains(slot) && passes(self.node(*slot)))
                .collect();
            let (picked, _) = rest.partial_shuffle(rng, count - chosen.len());
            chosen.extend_from_slice(picked);
        }
        chosen
    }

    /// The first member after that name, going round, that passes.
    pub(crate) fn successor(&self, name: &str, passes: impl Fn(&Node) -> bool) -> Option<Slot> {
        let after = self.by_name.range::<str, _>((Bound::Excluded(name), Bound::Unbounded));
        let before = self.by_name.range::<str, _>((Bound::Unbounded, Bound::Excluded(name)));
        after.chain(before).map(|(_, slot)| *slot).find(|slot| passes(self.node(*slot)))
    }

    /// Every entry as it travels, encoded once per change of the table.
    pub(crate) fn encoded(&mut self) -> Bytes {
        if let Some(encoded) = &self.encoded {
            return encoded.clone();
        }
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        for node in self.nodes() {
            node.to_state().write(&mut writer);
        }
        let encoded = Bytes::from(out);
        self.encoded = Some(encoded.clone());
        encoded
    }

    fn entry(&self, slot: Slot) -> &Entry {
        self.entries[slot.0 as usize].as_ref().expect("a slot is only held while its member is in")
    }

    fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        self.entries[slot.0 as usize].as_mut().expect("a slot is only held while its member is in")
    }
}

/// Whether gossip goes to this member: not to the departed, to the dead only for a while (so
/// that they see their obituary and refute it).
pub(crate) fn hears_gossip(node: &Node, dead_since: Time) -> bool {
    match node.state {
        State::Alive | State::Suspect => true,
        State::Dead => node.changed >= dead_since,
        State::Left => false,
    }
}

#[cfg(test)]
mod tests;
