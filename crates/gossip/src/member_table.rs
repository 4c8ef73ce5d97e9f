//! The node table: everyone this member has heard of, itself included.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use wire::message::gossip::State;
use wire::msgpack::Writer;

use crate::node::Node;
use crate::shared_bytes::SharedBytes;
use crate::suspicion::Suspicion;
use crate::{Time, limits};

/// Where a member stands in the table; stays the same while the member is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

/// Bytes of an encoded entry with a short name and few tags: what the encoder begins with.
const ENTRY_BYTES: usize = 128;

/// Members by name and in probing order, with the suspicions that run against them.
#[derive(Debug, Default)]
pub(crate) struct MemberTable {
    /// Rows may be those of other tables, too (see [`Self::adopt`]): a change copies a row first.
    rows: Vec<Option<Arc<Node>>>,
    vacant: Vec<Slot>,
    /// By name. Others choose the names, so that the key of the hashes is ours.
    index: HashTable<Slot>,
    hash_key: u64,
    /// In the order of the names.
    sorted: Vec<Slot>,
    /// The order in which members are probed and listed.
    order: Vec<Slot>,
    suspicions: BTreeMap<Slot, Suspicion>,
    /// Running suspicions by their end.
    expiries: BTreeSet<(Time, Slot)>,
    live: usize,
    /// Members that bear an address for a name, as it is written.
    named_by_address: usize,
    /// The table as it travels, until the next change and only while an exchange holds it.
    encoded: SharedBytes,
}

impl MemberTable {
    /// An empty table. The key is that of [`Seed::hashes`](crate::Seed).
    pub(crate) fn new(hash_key: u64) -> Self {
        MemberTable { hash_key, ..MemberTable::default() }
    }

    /// Members in any state.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Members that are neither dead nor left.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        self.index.find(self.hash(name), |slot| self.node(*slot).name.as_str() == name).copied()
    }

    /// The member that is named after an address.
    pub(crate) fn named_by(&self, address: IpAddr) -> Option<&Node> {
        // Hardly anybody is, and this is asked for every packet.
        if self.named_by_address == 0 { None } else { self.get(&address.to_string()) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.find(name).map(|slot| self.node(slot))
    }

    pub(crate) fn node(&self, slot: Slot) -> &Node {
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
        debug_assert!(self.find(node.name.as_str()).is_none(), "{} is in the table", node.name);
        let (Ok(place) | Err(place)) = self.place(node.name.as_str());
        let slot = self.add(Arc::new(node), rng);
        self.sorted.insert(place, slot);
        Some(slot)
    }

    /// Adds members as [`Self::insert`] does, as long as there is room, and shares their rows. They
    /// bear different names, none of which is in the table.
    pub(crate) fn adopt<'a>(
        &mut self,
        nodes: impl ExactSizeIterator<Item = &'a Arc<Node>>,
        rng: &mut SmallRng,
    ) {
        let room = limits::MEMBERS.saturating_sub(self.order.len());
        let nodes = nodes.take(room);
        let more = nodes.len();
        self.rows.reserve_exact(more);
        self.order.reserve_exact(more);
        self.sorted.reserve_exact(more);
        let (rows, key) = (&self.rows, self.hash_key);
        self.index.reserve(more, |slot| hash_in(rows, key, *slot));
        for node in nodes {
            let slot = self.add(Arc::clone(node), rng);
            self.sorted.push(slot);
        }
        let rows = &self.rows;
        let name = |slot: &Slot| rows[slot.0 as usize].as_ref().map(|node| node.name.as_str());
        self.sorted.sort_by(|one, other| name(one).cmp(&name(other)));
    }

    /// Adds a row everywhere but to the sorted ones.
    fn add(&mut self, node: Arc<Node>, rng: &mut SmallRng) -> Slot {
        let hash = self.hash(node.name.as_str());
        self.live += usize::from(node.is_live());
        self.named_by_address += usize::from(is_address(&node));
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
        let (rows, key) = (&self.rows, self.hash_key);
        self.index.insert_unique(hash, slot, |slot| hash_in(rows, key, *slot));
        self.order.push(slot);
        let last = self.order.len() - 1;
        if last > 0 {
            self.order.swap(last, rng.random_range(0..last));
        }
        self.encoded.clear();
        slot
    }

    /// Changes what is believed of a member. Ends nothing: see [`Self::clear_suspicion`].
    pub(crate) fn update(&mut self, slot: Slot, change: impl FnOnce(&mut Node)) {
        self.encoded.clear();
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
        let (index, key) = (&mut self.index, self.hash_key);
        let named_by_address = &mut self.named_by_address;
        let before = self.order.len();
        self.order.retain(|slot| {
            let row = &mut rows[slot.0 as usize];
            let stale = row.as_ref().is_some_and(|node| !node.is_live() && node.changed < cutoff);
            if *slot == own || !stale {
                return true;
            }
            *named_by_address -= usize::from(row.as_deref().is_some_and(is_address));
            if let Some(node) = row.take()
                && let Ok(entry) =
                    index.find_entry(hash_of(key, node.name.as_str()), |other| other == slot)
            {
                entry.remove();
            }
            vacant.push(*slot);
            false
        });
        if self.order.len() != before {
            self.sorted.retain(|slot| rows[slot.0 as usize].is_some());
        }
        self.order.shuffle(rng);
        self.encoded.clear();
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
            Ok(place) => (&self.sorted[..place], &self.sorted[place + 1..]),
            Err(place) => self.sorted.split_at(place),
        };
        after.iter().chain(before).copied().find(|slot| passes(self.node(*slot)))
    }

    /// Every entry as it travels. Exchanges that run at the same time share it, and nobody keeps it
    /// for longer.
    pub(crate) fn encoded(&mut self) -> Bytes {
        if let Some(encoded) = self.encoded.get() {
            return encoded;
        }
        let mut out = Vec::with_capacity(self.len() * ENTRY_BYTES);
        let mut writer = Writer::new(&mut out);
        for node in self.nodes() {
            node.write(&mut writer);
        }
        self.encoded.share(out)
    }

    fn hash(&self, name: &str) -> u64 {
        hash_of(self.hash_key, name)
    }

    /// Where a name stands among the sorted, or would.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.sorted.binary_search_by(|slot| self.node(*slot).name.as_str().cmp(name))
    }
}

fn is_address(node: &Node) -> bool {
    node.name.as_str().parse::<IpAddr>().is_ok()
}

fn hash_in(rows: &[Option<Arc<Node>>], key: u64, slot: Slot) -> u64 {
    rows[slot.0 as usize].as_ref().map_or(0, |node| hash_of(key, node.name.as_str()))
}

fn hash_of(key: u64, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(key);
    hasher.write(name.as_bytes());
    hasher.finish()
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
