//! The node table: everyone this member has heard of, itself included.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
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
    /// Rows may be those of other tables, too (see [`Self::adopt`]): a change copies a row first.
    rows: Vec<Option<Arc<Node>>>,
    vacant: Vec<Slot>,
    /// In the order of the names.
    by_name: Vec<Slot>,
    /// The order in which members are probed and listed.
    order: Vec<Slot>,
    suspicions: BTreeMap<Slot, Suspicion>,
    /// Running suspicions by their end.
    expiries: BTreeSet<(Time, Slot)>,
    live: usize,
    /// The table as it travels, until the next change and only while an exchange holds it.
    encoded: Option<Weak<[u8]>>,
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
        self.place(name).ok().map(|place| self.by_name[place])
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.find(name).map(|slot| self.node(slot))
    }

    pub(crate) fn node(&self, slot: Slot) -> &Node {
        self.row(slot)
    }

    /// The row of a member, for tables that are to share it.
    pub(crate) fn row(&self, slot: Slot) -> &Arc<Node> {
        self.rows[slot.0 as usize].as_ref().expect("a slot is only held while its member is in")
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
        if self.order.len() >= limits::MEMBERS {
            return None;
        }
        let place = self.place(node.name.as_str());
        debug_assert!(place.is_err(), "{} is in the table", node.name);
        let (Ok(place) | Err(place)) = place;
        let slot = self.add(Arc::new(node), rng);
        self.by_name.insert(place, slot);
        Some(slot)
    }

    /// Adds members as [`Self::insert`] does, as long as there is room, and shares their rows. They
    /// bear different names, none of which is in the table.
    pub(crate) fn adopt<'a>(
        &mut self,
        nodes: impl Iterator<Item = &'a Arc<Node>>,
        rng: &mut SmallRng,
    ) {
        for node in nodes.take(limits::MEMBERS.saturating_sub(self.order.len())) {
            let slot = self.add(Arc::clone(node), rng);
            self.by_name.push(slot);
        }
        let rows = &self.rows;
        let name = |slot: &Slot| rows[slot.0 as usize].as_ref().map(|node| node.name.as_str());
        self.by_name.sort_by(|one, other| name(one).cmp(&name(other)));
    }

    /// Adds a row everywhere but to the names.
    fn add(&mut self, node: Arc<Node>, rng: &mut SmallRng) -> Slot {
        self.live += usize::from(node.is_live());
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.rows[slot.0 as usize] = Some(node);
                slot
            }
            None => {
                self.rows.push(Some(node));
                Slot((self.rows.len() - 1) as u32)
            }
        };
        self.order.push(slot);
        let last = self.order.len() - 1;
        if last > 0 {
            self.order.swap(last, rng.random_range(0..last));
        }
        self.encoded = None;
        slot
    }

    /// Changes what is believed of a member. Ends nothing: see [`Self::clear_suspicion`].
    pub(crate) fn update(&mut self, slot: Slot, change: impl FnOnce(&mut Node)) {
        self.encoded = None;
        let row = self.rows[slot.0 as usize].as_mut();
        let row = row.expect("a slot is only held while its member is in");
        let node = Arc::make_mut(row);
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
        let (rows, vacant) = (&mut self.rows, &mut self.vacant);
        let before = self.order.len();
        self.order.retain(|slot| {
            let row = &mut rows[slot.0 as usize];
            let stale = row.as_ref().is_some_and(|node| !node.is_live() && node.changed < cutoff);
            if *slot == own || !stale {
                return true;
            }
            *row = None;
            vacant.push(*slot);
            false
        });
        if self.order.len() != before {
            self.by_name.retain(|slot| rows[slot.0 as usize].is_some());
        }
        self.order.shuffle(rng);
        self.encoded = None;
    }

    pub(crate) fn suspect(&mut self, slot: Slot, suspicion: Suspicion) {
        self.clear_suspicion(slot);
        self.expiries.insert((suspicion.deadline(), slot));
        self.suspicions.insert(slot, suspicion);
    }

    /// Changes a running suspicion, if there is one, and keeps its timer right.
    pub(crate) fn with_suspicion<R>(
        &mut self,
        slot: Slot,
        change: impl FnOnce(&mut Suspicion) -> R,
    ) -> Option<R> {
        let suspicion = self.suspicions.get_mut(&slot)?;
        let before = suspicion.deadline();
        let result = change(suspicion);
        if suspicion.deadline() != before {
            self.expiries.remove(&(before, slot));
            self.expiries.insert((suspicion.deadline(), slot));
        }
        Some(result)
    }

    pub(crate) fn clear_suspicion(&mut self, slot: Slot) -> Option<Suspicion> {
        let suspicion = self.suspicions.remove(&slot)?;
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
        let (before, after) = match self.place(name) {
            Ok(place) => (&self.by_name[..place], &self.by_name[place + 1..]),
            Err(place) => self.by_name.split_at(place),
        };
        after.iter().chain(before).copied().find(|slot| passes(self.node(*slot)))
    }

    /// Every entry as it travels. Exchanges that run at the same time share it, and nobody keeps it
    /// for longer.
    pub(crate) fn encoded(&mut self) -> Bytes {
        let encoded = self.encoded.as_ref().and_then(Weak::upgrade).unwrap_or_else(|| {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out);
            for node in self.nodes() {
                node.to_state().write(&mut writer);
            }
            Arc::from(out)
        });
        self.encoded = Some(Arc::downgrade(&encoded));
        Bytes::from_owner(encoded)
    }

    /// Where a name stands among the names, or would.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.by_name.binary_search_by(|slot| self.node(*slot).name.as_str().cmp(name))
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
