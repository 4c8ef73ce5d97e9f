//! What is still to be told, in the order in which it is told: the transmit-limited queue.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use wire::planted::{Fault, planted};
use wire::{LamportTime, NodeName};

use crate::interface::{IntentKind, Token};

/// Broadcasts, each sent a limited number of times. The least sent comes first, then the longer
/// (so that packets fill up), then the newer.
#[derive(Debug)]
pub(crate) struct BroadcastQueue {
    /// None while nothing is queued, which is asked for with every packet.
    queued: Option<Box<Queued>>,
    /// Never starts again: two items with one number would be one item.
    next_number: u64,
    max_items: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Queued {
    items: BTreeMap<Order, Item>,
    slots: BTreeMap<NodeName, Order>,
    /// Those that wait for their eager send.
    fresh: BTreeSet<Order>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    transmits: u32,
    length: Reverse<usize>,
    number: Reverse<u64>,
}

#[derive(Debug)]
struct Item {
    message: Bytes,
    slot: Option<Slot>,
    waiter: Option<Token>,
    fresh: bool,
}

/// What a broadcast is about. A queue holds one broadcast per node.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) node: NodeName,
    /// Set for intents, of which the newer wins; otherwise whatever comes later does.
    pub(crate) intent: Option<(LamportTime, IntentKind)>,
}

/// What goes into the queue.
#[derive(Debug)]
pub(crate) struct Broadcast {
    pub(crate) message: Bytes,
    /// None: replaces nothing.
    pub(crate) slot: Option<Slot>,
    pub(crate) waiter: Option<Token>,
    /// Whether it wants an eager send.
    pub(crate) fresh: bool,
    /// How many of its sends it starts without.
    pub(crate) transmits: u32,
}

/// What one fetch took.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) messages: Vec<Bytes>,
    /// Bytes of the messages with their overhead.
    pub(crate) used: usize,
    /// Waiters of those that have used up their sends.
    pub(crate) finished: Vec<Token>,
}

/// Room in a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Bytes that each message costs beside its own.
    pub(crate) overhead: usize,
    pub(crate) limit: usize,
}

/// How a fetch counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sends {
    /// Each message is finished after this many.
    pub(crate) limit: u32,
    /// How many peers get what is fetched.
    pub(crate) copies: u32,
}

/// Sends of one broadcast in a cluster of `members`: mult × ⌈log10(members + 1)⌉.
pub(crate) fn retransmit_limit(mult: u32, members: usize) -> u32 {
    mult.saturating_mul((members as f64 + 1.0).log10().ceil() as u32)
}

impl BroadcastQueue {
    pub(crate) fn new(max_items: usize, max_bytes: usize) -> Self {
        BroadcastQueue { queued: None, next_number: 0, max_items, max_bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.queued.as_ref().map_or(0, |queued| queued.items.len())
    }

    /// A node with more than one item.
    pub(crate) fn twice_queued(&self) -> Option<NodeName> {
        let mut seen = HashSet::new();
        let items = self.queued.iter().flat_map(|queued| queued.items.values());
        let slots = items.filter_map(|item| item.slot.as_ref());
        slots.map(|slot| &slot.node).find(|node| !seen.insert(*node)).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queued.is_none()
    }

    pub(crate) fn has_fresh(&self) -> bool {
        self.queued.as_ref().is_some_and(|queued| !queued.fresh.is_empty())
    }

    /// Drops everything. Nobody waits for it.
    pub(crate) fn clear(&mut self) {
        self.queued = None;
    }

    /// Queues it in place of what its slot holds. Returns the waiters that have nothing more to
    /// wait for: those of what was replaced or crowded out, and its own if it is old news.
    pub(crate) fn push(&mut self, broadcast: Broadcast) -> Vec<Token> {
        let mut finished = Vec::new();
        if let Some(slot) = &broadcast.slot
            && let Some(queued) = &self.queued
            && let Some(order) = queued.slots.get(&slot.node).copied()
            && !planted(Fault::OldBroadcastKept)
        {
            let queued = queued.items.get(&order).and_then(|item| item.slot.as_ref());
            if queued.is_some_and(|queued| queued.outranks(slot)) {
                finished.extend(broadcast.waiter);
                return finished;
            }
            finished.extend(self.remove(order).and_then(|item| item.waiter));
        }
        self.next_number += 1;
        let order = Order {
            transmits: broadcast.transmits,
            length: Reverse(broadcast.message.len()),
            number: Reverse(self.next_number),
        };
        let Broadcast { message, slot, waiter, fresh, .. } = broadcast;
        self.insert(order, Item { message, slot, waiter, fresh });
        while let Some(queued) = &self.queued
            && (queued.items.len() > self.max_items || queued.bytes > self.max_bytes)
        {
            let Some((&last, _)) = queued.items.last_key_value() else { break };
            finished.extend(self.remove(last).and_then(|item| item.waiter));
        }
        finished
    }

    /// Whether one is about that node.
    pub(crate) fn holds(&self, node: &str) -> bool {
        self.queued.as_ref().is_some_and(|queued| queued.slots.contains_key(node))
    }

    /// Drops what is about that node. Nobody waits for it.
    pub(crate) fn drop_about(&mut self, node: &str) {
        if let Some(queued) = &self.queued
            && let Some(order) = queued.slots.get(node).copied()
        {
            self.remove(order);
        }
    }

    /// Takes what fits, most wanted first. Unless `keep_fresh`, what was taken needs no eager send
    /// any more (a gossip tick tells random peers, a piggyback only one).
    pub(crate) fn fetch(&mut self, room: Room, sends: Sends, keep_fresh: bool) -> Fetched {
        let mut taken = Vec::new();
        let mut used = 0;
        let mut level = 0;
        while let Some(queued) = &self.queued
            && let Some(free) = room.limit.checked_sub(used + room.overhead)
            && free > 0
        {
            let first =
                Order { transmits: level, length: Reverse(free), number: Reverse(u64::MAX) };
            let Some((&order, _)) = queued.items.range(first..).next() else { break };
            if order.transmits > level {
                level = order.transmits;
                continue;
            }
            used += room.overhead + order.length.0;
            taken.extend(self.remove(order).map(|item| (order, item)));
        }
        self.account(taken, used, sends, keep_fresh)
    }

    /// As `fetch`, but only those that wait for their eager send.
    pub(crate) fn fetch_fresh(&mut self, room: Room, sends: Sends) -> Fetched {
        let mut chosen = Vec::new();
        let mut used = 0;
        for order in self.queued.iter().flat_map(|queued| &queued.fresh) {
            let cost = room.overhead + order.length.0;
            if used + cost <= room.limit {
                used += cost;
                chosen.push(*order);
            } else if room.limit - used <= room.overhead {
                break;
            }
        }
        let taken = chosen
            .into_iter()
            .filter_map(|order| self.remove(order).map(|item| (order, item)))
            .collect();
        self.account(taken, used, sends, false)
    }

    /// No queued message waits for an eager send any more; they go out on ticks.
    pub(crate) fn forget_fresh(&mut self) {
        let Some(queued) = &mut self.queued else { return };
        for order in std::mem::take(&mut queued.fresh) {
            if let Some(item) = queued.items.get_mut(&order) {
                item.fresh = false;
            }
        }
    }

    /// Drops the least wanted until `max` remain. Returns how many were dropped, and their
    /// waiters.
    pub(crate) fn prune(&mut self, max: usize) -> (usize, Vec<Token>) {
        let mut dropped = 0;
        let mut finished = Vec::new();
        while let Some(queued) = &self.queued
            && queued.items.len() > max
        {
            let Some((&last, _)) = queued.items.last_key_value() else { break };
            finished.extend(self.remove(last).and_then(|item| item.waiter));
            dropped += 1;
        }
        (dropped, finished)
    }

    /// Counts the sends of what was taken and puts back what has some left.
    fn account(
        &mut self,
        taken: Vec<(Order, Item)>,
        used: usize,
        sends: Sends,
        keep_fresh: bool,
    ) -> Fetched {
        let mut fetched = Fetched { used, ..Fetched::default() };
        for (mut order, mut item) in taken {
            fetched.messages.push(item.message.clone());
            order.transmits = order.transmits.saturating_add(sends.copies);
            if order.transmits >= sends.limit {
                fetched.finished.extend(item.waiter);
            } else {
                item.fresh &= keep_fresh;
                self.insert(order, item);
            }
        }
        fetched
    }

    fn insert(&mut self, order: Order, item: Item) {
        let queued = self.queued.get_or_insert_default();
        if let Some(slot) = &item.slot {
            queued.slots.insert(slot.node.clone(), order);
        }
        if item.fresh {
            queued.fresh.insert(order);
        }
        queued.bytes += item.message.len();
        queued.items.insert(order, item);
    }

    fn remove(&mut self, order: Order) -> Option<Item> {
        let queued = self.queued.as_mut()?;
        let item = queued.items.remove(&order)?;
        queued.bytes -= item.message.len();
        queued.fresh.remove(&order);
        if let Some(slot) = &item.slot {
            queued.slots.remove(&slot.node);
        }
        if queued.items.is_empty() {
            self.queued = None;
        }
        Some(item)
    }
}

impl Slot {
    /// Whether this one, already queued, is to stay in place of `newcomer`.
    fn outranks(&self, newcomer: &Slot) -> bool {
        let (Some((time, kind)), Some((new_time, new_kind))) = (self.intent, newcomer.intent)
        else {
            return false;
        };
        let would_undo_prune = kind == IntentKind::Prune && new_kind == IntentKind::Leave;
        new_time < time || would_undo_prune
    }
}

#[cfg(test)]
mod tests;
