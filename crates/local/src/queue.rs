//! What is to be pushed, what is on its way, and who waits for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::interface::{CallId, Key, Ticket};

/// The state of every name that is not known to be in sync.
///
/// A name is at most once on its way. What changes meanwhile is pushed again behind it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    dirty: BTreeSet<Key>,
    flying: BTreeSet<Key>,
    /// What could not be pushed, until the next full sync.
    held: BTreeSet<Key>,
    /// What was changed or pushed since the last full sync read the catalogue: what it read of
    /// them is old.
    touched: BTreeSet<Key>,
    flights: BTreeMap<CallId, Flight>,
    waiters: BTreeMap<Key, Vec<Ticket>>,
    open: BTreeMap<Ticket, usize>,
    calls: u64,
    tickets: u64,
}

/// A call that has not been answered.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The names that it writes, or the one that it removes.
    pub(crate) keys: Vec<Key>,
    /// Whether it removes.
    pub(crate) removes: bool,
    waiters: Vec<Ticket>,
}

impl Queue {
    pub(crate) fn mark(&mut self, key: Key) {
        self.held.remove(&key);
        self.touched.insert(key.clone());
        self.dirty.insert(key);
    }

    /// Takes back a mark: another call does it.
    pub(crate) fn forget(&mut self, key: &Key, done: &mut Vec<Ticket>) {
        self.held.remove(key);
        self.dirty.remove(key);
        self.settle(key, done);
    }

    /// A ticket for those of these names that are to be pushed.
    pub(crate) fn wait(&mut self, keys: &[Key], done: &mut Vec<Ticket>) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let pending: BTreeSet<&Key> = keys.iter().filter(|key| self.dirty.contains(key)).collect();
        if pending.is_empty() {
            done.push(ticket);
            return ticket;
        }
        self.open.insert(ticket, pending.len());
        for key in pending {
            self.waiters.entry(key.clone()).or_default().push(ticket);
        }
        ticket
    }

    pub(crate) fn dirty(&self) -> impl Iterator<Item = &Key> {
        self.dirty.iter()
    }

    /// What somebody waits for, dirty or not.
    pub(crate) fn waited_for(&self) -> impl Iterator<Item = &Key> {
        self.waiters.keys()
    }

    pub(crate) fn is_dirty(&self, key: &Key) -> bool {
        self.dirty.contains(key)
    }

    pub(crate) fn is_flying(&self, key: &Key) -> bool {
        self.flying.contains(key)
    }

    pub(crate) fn is_held(&self, key: &Key) -> bool {
        self.held.contains(key)
    }

    pub(crate) fn is_in_sync(&self, key: &Key) -> bool {
        !self.is_dirty(key) && !self.is_flying(key) && !self.is_held(key)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Sends names on their way.
    pub(crate) fn launch(&mut self, keys: Vec<Key>, removes: bool) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        let mut waiters = Vec::new();
        for key in &keys {
            self.dirty.remove(key);
            self.flying.insert(key.clone());
            self.touched.insert(key.clone());
            waiters.extend(self.waiters.remove(key).unwrap_or_default());
        }
        self.flights.insert(call, Flight { keys, removes, waiters });
        call
    }

    /// A call was answered; `None` for one that is not known.
    pub(crate) fn land(&mut self, call: CallId, done: &mut Vec<Ticket>) -> Option<Flight> {
        let mut flight = self.flights.remove(&call)?;
        for key in &flight.keys {
            self.flying.remove(key);
            self.touched.insert(key.clone());
        }
        for ticket in std::mem::take(&mut flight.waiters) {
            self.one_less(ticket, done);
        }
        Some(flight)
    }

    /// Leaves a name that could not be pushed until the next full sync, unless it has changed
    /// again.
    pub(crate) fn hold(&mut self, key: Key) {
        if !self.dirty.contains(&key) {
            self.held.insert(key);
        }
    }

    /// The catalogue is being read from now on.
    pub(crate) fn reading(&mut self) {
        self.touched.clear();
    }

    /// Whether what was read of a name can be compared with what it is to be. A name that was held
    /// is tried again in any case.
    pub(crate) fn comparable(&mut self, key: &Key) -> bool {
        let touched = self.touched.contains(key);
        if self.held.remove(key) && touched {
            self.dirty.insert(key.clone());
        }
        !touched && !self.dirty.contains(key) && !self.flying.contains(key)
    }

    /// All names that are held, to be tried again.
    pub(crate) fn held(&self) -> Vec<Key> {
        self.held.iter().cloned().collect()
    }

    /// Gives everything up.
    pub(crate) fn clear(&mut self, done: &mut Vec<Ticket>) {
        done.extend(std::mem::take(&mut self.open).into_keys());
        self.waiters.clear();
        self.dirty.clear();
        self.held.clear();
    }

    fn settle(&mut self, key: &Key, done: &mut Vec<Ticket>) {
        for ticket in self.waiters.remove(key).unwrap_or_default() {
            self.one_less(ticket, done);
        }
    }

    fn one_less(&mut self, ticket: Ticket, done: &mut Vec<Ticket>) {
        let Some(count) = self.open.get_mut(&ticket) else { return };
        *count -= 1;
        if *count == 0 {
            self.open.remove(&ticket);
            done.push(ticket);
        }
    }
}
