//! One deadline per thing that waits.

use std::collections::{BTreeMap, BTreeSet};

use gossip::Time;

/// Deadlines by key, armed only while there is something to do: an idle member has none.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    by_time: BTreeSet<(Time, K)>,
    by_key: BTreeMap<K, Time>,
    /// The earliest: asked for far more often than it changes.
    next: Option<Time>,
}

impl<K: Ord + Clone> Timers<K> {
    pub(crate) fn new() -> Self {
        Timers { by_time: BTreeSet::new(), by_key: BTreeMap::new(), next: None }
    }

    /// Sets or moves the deadline of `key`.
    pub(crate) fn set(&mut self, key: K, at: Time) {
        self.cancel(&key);
        self.by_time.insert((at, key.clone()));
        self.by_key.insert(key, at);
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Sets the deadline of `key` unless it has one.
    pub(crate) fn arm(&mut self, key: K, at: Time) {
        if !self.is_set(&key) {
            self.set(key, at);
        }
    }

    /// Sets the deadline of `key`, or moves it forward; never puts it off.
    pub(crate) fn set_earlier(&mut self, key: K, at: Time) {
        if self.by_key.get(&key).is_none_or(|armed| at < *armed) {
            self.set(key, at);
        }
    }

    pub(crate) fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&(at, key.clone()));
            self.find_next();
        }
    }

    fn find_next(&mut self) {
        self.next = self.by_time.first().map(|(at, _)| *at);
    }

    pub(crate) fn is_set(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.next
    }

    /// The earliest key whose deadline has passed; it is disarmed.
    pub(crate) fn expired(&mut self, now: Time) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        self.find_next();
        Some(key)
    }
}

#[cfg(test)]
mod tests;
