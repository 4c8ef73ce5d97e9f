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

use crate::frozen::{FrozenTable, Summary};
use crate::node::Node;
use crate::shared_bytes::SharedBytes;
use crate::suspicion::Suspicion;
use crate::{Time, limits};

/// Where a member stands in the table; stays the same while the member is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

impl Slot {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Bytes of an encoded entry with a short name and few tags: what the encoder begins with.
const ENTRY_BYTES: usize = 128;

/// Members by name and in probing order, with the suspicions that run against them.
#[derive(Debug, Default)]
pub(crate) struct MemberTable {
    /// Rows may be those of other tables, too (see [`Self::adopt`]): a change copies a row first.
    list: Arc<List>,
    vacant: Vec<Slot>,
    /// By name. Others choose the names, so that the key of the hashes is ours.
    index: HashTable<Slot>,
    hash_key: u64,
    /// In the order of the names.
    sorted: Vec<Slot>,
    suspicions: BTreeMap<Slot, Suspicion>,
    /// Running suspicions by their end.
    expiries: BTreeSet<(Time, Slot)>,
    live: usize,
    /// Members that bear an address for a name, as it is written.
    named_by_address: usize,
    /// The table as it travels, until the next change and only while an exchange holds it.
    encoded: SharedBytes,
    /// What a frozen table says of itself, where tables are frozen.
    summary: Option<Summary>,
}

/// What a frozen table shares with the one that it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub(crate) rows: Vec<Option<Arc<Node>>>,
    /// The order in which members are probed and listed.
    pub(crate) order: Vec<Slot>,
}

impl MemberTable {
    /// An empty table. The key is that of [`Seed::hashes`](crate::Seed).
    pub(crate) fn new(hash_key: u64) -> Self {
        MemberTable { hash_key, ..MemberTable::default() }
    }

    /// Members in any state.
    pub(crate) fn len(&self) -> usize {
        self.list.order.len()
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
        self.list.rows[slot.index()].as_ref().expect("a slot is only held while its member is in")
    }

    /// In the order of the list.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> + Clone {
        self.list.order.iter().map(|slot| self.node(*slot))
    }

    /// The member at a place of the list.
    pub(crate) fn at(&self, index: usize) -> Option<Slot> {
        self.list.order.get(index).copied()
    }

    /// Adds a member of an unknown name at a random place of the list, which bounds the expected
    /// time to its first probe. None if the table is full.
    pub(crate) fn insert(&mut self, node: Node, rng: &mut SmallRng) -> Option<Slot> {
        if self.len() >= limits::MEMBERS {
            return None;
        }
        debug_assert!(self.find(node.name.as_str()).is_none(), "{} is in the table", node.name);
        let (Ok(place) | Err(place)) = self.place(node.name.as_str());
        let (is_live, is_address) = (node.is_live(), is_address(&node));
        if let Some(summary) = &mut self.summary {
            summary.add(&node);
        }
        self.count(is_live, is_address);
        let slot = self.places().add(Arc::new(node), rng);
        self.sorted.insert(place, slot);
        Some(slot)
    }

    /// Adds members as [`Self::insert`] does, as long as there is room, and shares their rows. They
    /// bear different names, none of which is in the table.
    pub(crate) fn adopt<'a>(
        &mut self,
        nodes: impl ExactSizeIterator<Item = &'a KnownNode> + Clone,
        rng: &mut SmallRng,
    ) {
        let room = limits::MEMBERS.saturating_sub(self.len());
        let nodes = nodes.take(room);
        let more = nodes.len();
        let list = Arc::make_mut(&mut self.list);
        list.rows.reserve_exact(more);
        list.order.reserve_exact(more);
        self.sorted.reserve_exact(more);
        let (rows, key) = (&self.list.rows, self.hash_key);
        self.index.reserve(more, |slot| hash_in(rows, key, *slot));
        for known in nodes.clone() {
            if let Some(summary) = &mut self.summary {
                summary.add_encoded(&known.node, known.encoded_len);
            }
            self.count(known.node.is_live(), known.is_address);
        }
        let mut places = self.places();
        let slots: Vec<Slot> =
            nodes.map(|known| places.add(Arc::clone(&known.node), rng)).collect();
        self.sorted.extend(slots);
        let rows = &self.list.rows;
        let name = |slot: &Slot| rows[slot.index()].as_ref().map(|node| node.name.as_str());
        self.sorted.sort_by(|one, other| name(one).cmp(&name(other)));
    }

    /// A row is to be added.
    fn count(&mut self, is_live: bool, is_address: bool) {
        self.encoded.clear();
        self.live += usize::from(is_live);
        self.named_by_address += usize::from(is_address);
    }

    fn places(&mut self) -> Places<'_> {
        let List { rows, order } = Arc::make_mut(&mut self.list);
        Places {
            rows,
            vacant: &mut self.vacant,
            index: &mut self.index,
            hash_key: self.hash_key,
            order,
        }
    }

    /// Changes what is believed of a member. Ends nothing: see [`Self::clear_suspicion`].
    pub(crate) fn update(&mut self, slot: Slot, change: impl FnOnce(&mut Node)) {
        self.encoded.clear();
        let row = Arc::make_mut(&mut self.list).rows[slot.index()].as_mut();
        let row = row.expect("a slot is only held while its member is in");
        let node = Arc::make_mut(row);
        let before = node.is_live();
        if let Some(summary) = &mut self.summary {
            summary.remove(node);
        }
        change(node);
        if let Some(summary) = &mut self.summary {
            summary.add(node);
        }
        match (before, node.is_live()) {
            (false, true) => self.live += 1,
            (true, false) => self.live -= 1,
            _ => {}
        }
    }

    /// Starts the next round of probes: forgets those that have been dead or left since before
    /// `cutoff` (save `own`, which stays even when it has left), and shuffles the rest.
    pub(crate) fn next_round(&mut self, own: Slot, cutoff: Time, rng: &mut SmallRng) {
        let List { rows, order } = Arc::make_mut(&mut self.list);
        let vacant = &mut self.vacant;
        let (index, key) = (&mut self.index, self.hash_key);
        let (named_by_address, summary) = (&mut self.named_by_address, &mut self.summary);
        let before = order.len();
        order.retain(|slot| {
            let row = &mut rows[slot.index()];
            let stale = row.as_ref().is_some_and(|node| !node.is_live() && node.changed < cutoff);
            if *slot == own || !stale {
                return true;
            }
            *named_by_address -= usize::from(row.as_deref().is_some_and(is_address));
            if let (Some(summary), Some(node)) = (summary.as_mut(), row.as_deref()) {
                summary.remove(node);
            }
            if let Some(node) = row.take()
                && let Ok(entry) =
                    index.find_entry(hash_of(key, node.name.as_str()), |other| other == slot)
            {
                entry.remove();
            }
            vacant.push(*slot);
            false
        });
        if order.len() != before {
            self.sorted.retain(|slot| rows[slot.index()].is_some());
        }
        order.shuffle(rng);
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
        let order = &self.list.order;
        let total = order.len();
        if total > count.saturating_mul(3) {
            // Cheap where most members pass, which is the rule.
            for _ in 0..count.saturating_mul(8) {
                if chosen.len() == count {
                    return chosen;
                }
                let slot = order[rng.random_range(0..total)];
                if !chosen.contains(&slot) && passes(self.node(slot)) {
                    chosen.push(slot);
                }
            }
        }
        if chosen.len() < count {
            let mut rest: Vec<Slot> = order
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

    /// What [`Self::encoded`] says, for members of the same process.
    pub(crate) fn freeze(&mut self) -> FrozenTable {
        let summary = self.summary();
        FrozenTable { list: Arc::clone(&self.list), summary }
    }

    /// It is kept from the first time on.
    pub(crate) fn summary(&mut self) -> Summary {
        let summary = self.summary.unwrap_or_else(|| Summary::of(self.nodes()));
        *self.summary.insert(summary)
    }

    /// Whether it has adopted the very row that another table has in that slot, so that both say
    /// of a member that it is alive, and the same otherwise.
    pub(crate) fn shares(&self, slot: Slot, row: &Arc<Node>) -> bool {
        // Of those who adopt the same members each has them in the same slots, or in the next.
        let rows = self.list.rows.get(slot.index().saturating_sub(1)..).unwrap_or_default();
        rows.iter().take(3).flatten().any(|own| Arc::ptr_eq(own, row))
    }

    fn hash(&self, name: &str) -> u64 {
        hash_of(self.hash_key, name)
    }

    /// Where a name stands among the sorted, or would.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.sorted.binary_search_by(|slot| self.node(*slot).name.as_str().cmp(name))
    }
}

/// A member that many tables adopt, and what they would otherwise all have to find out of it.
#[derive(Clone, Debug)]
pub struct KnownNode {
    node: Arc<Node>,
    encoded_len: usize,
    is_address: bool,
}

impl KnownNode {
    pub(crate) fn new(node: Node) -> Self {
        let (encoded_len, is_address) = (node.encoded_len(), is_address(&node));
        KnownNode { node: Arc::new(node), encoded_len, is_address }
    }

    /// What is known of it.
    pub fn node(&self) -> &Node {
        &self.node
    }
}

/// Where a row has its place, save among the sorted.
struct Places<'a> {
    rows: &'a mut Vec<Option<Arc<Node>>>,
    vacant: &'a mut Vec<Slot>,
    index: &'a mut HashTable<Slot>,
    hash_key: u64,
    order: &'a mut Vec<Slot>,
}

impl Places<'_> {
    fn add(&mut self, node: Arc<Node>, rng: &mut SmallRng) -> Slot {
        let hash = hash_of(self.hash_key, node.name.as_str());
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.rows[slot.index()] = Some(node);
                slot
            }
            None => {
                self.rows.push(Some(node));
                Slot((self.rows.len() - 1) as u32)
            }
        };
        let (rows, key) = (&*self.rows, self.hash_key);
        self.index.insert_unique(hash, slot, |slot| hash_in(rows, key, *slot));
        self.order.push(slot);
        let last = self.order.len() - 1;
        if last > 0 {
            self.order.swap(last, rng.random_range(0..last));
        }
        slot
    }
}

fn is_address(node: &Node) -> bool {
    node.name.as_str().parse::<IpAddr>().is_ok()
}

fn hash_in(rows: &[Option<Arc<Node>>], key: u64, slot: Slot) -> u64 {
    rows[slot.index()].as_ref().map_or(0, |node| hash_of(key, node.name.as_str()))
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
