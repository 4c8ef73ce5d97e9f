//! The members as this layer knows them. Specification "Gossip wire protocol and behaviour", B5
//! and B6.
//!
//! Not the node table of the layer below: that one forgets a dead member within a minute, this
//! one keeps it for a day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gossip::Time;
use wire::msgpack::Writer;
use wire::{Incarnation, LamportTime, NodeName};

use crate::interface::{Member, MemberStatus};
use crate::limits;

/// A member and what only this machine needs to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) member: Member,
    /// Time of the last intent that counted.
    pub(crate) status_time: LamportTime,
    /// What that intent was.
    pub(crate) intent: IntentDirection,
    /// When it failed or left.
    pub(crate) gone_since: Option<Time>,
    /// Of the last report from the layer below.
    pub(crate) incarnation: Incarnation,
}

impl Entry {
    /// Bytes of its status time as it travels.
    pub(crate) fn time_len(&self) -> usize {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.write_text(self.member.name.as_str());
        writer.write_u64(self.status_time.0);
        bytes.len()
    }

    /// The last time that is not a guess.
    pub(crate) fn certain_time(&self) -> LamportTime {
        match self.intent {
            IntentDirection::ListedLeave => LamportTime(self.status_time.0.saturating_sub(1)),
            IntentDirection::Join | IntentDirection::Leave => self.status_time,
        }
    }
}

/// Members in the order of their names. A copy is made when they change while somebody else holds
/// them.
pub(crate) type Entries = Arc<Vec<Arc<Entry>>>;

/// All members, and which of them have failed or left.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// In the order of their names. They may be those of other tables, too (see [`Self::adopt`]): a
    /// change copies an entry first.
    entries: Entries,
    failed: BTreeSet<NodeName>,
    left: BTreeSet<NodeName>,
    version: u64,
    /// Bytes of all status times as they travel, where states are frozen.
    times_len: Option<usize>,
}

impl Table {
    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.place(name).ok().map(|place| &*self.entries[place])
    }

    /// As [`Self::get`], for many names in their order: `place` is where the next is looked for
    /// first, and begins as 0.
    pub(crate) fn get_next(&self, name: &str, place: &mut usize) -> Option<&Entry> {
        let is_next = |entry: &Arc<Entry>| entry.member.name.as_str() == name;
        if !self.entries.get(*place).is_some_and(is_next) {
            *place = self.place(name).ok()?;
        }
        let entry = self.entries.get(*place)?;
        *place += 1;
        Some(entry)
    }

    /// For everything but name, status and status time; the latter have their own verbs.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        let place = self.place(name).ok()?;
        Some(Arc::make_mut(&mut Arc::make_mut(&mut self.entries)[place]))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|entry| &**entry)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What [`Self::iter`] gives now, to keep.
    pub(crate) fn freeze(&self) -> Entries {
        Arc::clone(&self.entries)
    }

    /// Bytes of all status times as they travel; kept from the first time on.
    pub(crate) fn times_len(&mut self) -> usize {
        let length = self.times_len.unwrap_or_else(|| self.iter().map(Entry::time_len).sum());
        *self.times_len.insert(length)
    }

    /// Whether it has adopted the very entry that another table has at that place.
    pub(crate) fn shares(&self, place: usize, entry: &Arc<Entry>) -> bool {
        self.entries.get(place).is_some_and(|own| Arc::ptr_eq(own, entry))
    }

    pub(crate) fn failed(&self) -> &BTreeSet<NodeName> {
        &self.failed
    }

    pub(crate) fn left(&self) -> &BTreeSet<NodeName> {
        &self.left
    }

    /// Changes with what a push/pull says of the table.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether another member than `own` is alive.
    pub(crate) fn another_is_alive(&self, own: &NodeName) -> bool {
        self.iter().any(|e| e.member.status == MemberStatus::Alive && e.member.name != *own)
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        let name = entry.member.name.clone();
        let status = entry.member.status;
        let place = self.place(name.as_str());
        if let Some(length) = &mut self.times_len {
            *length += entry.time_len();
            *length -= place.map_or(0, |place| self.entries[place].time_len());
        }
        let entry = Arc::new(entry);
        let entries = Arc::make_mut(&mut self.entries);
        match place {
            Ok(place) => entries[place] = entry,
            Err(place) => entries.insert(place, entry),
        }
        self.list(&name, status);
        self.version += 1;
    }

    /// Takes in living members of names that differ, and shares what is stored of them. Names that
    /// it has are passed over.
    /// With each comes its [`Entry::time_len`].
    pub(crate) fn adopt<'a>(&mut self, entries: impl Iterator<Item = (&'a Arc<Entry>, usize)>) {
        let mut unknown: Vec<Arc<Entry>> = Vec::new();
        let mut added = 0;
        for (entry, length) in entries {
            if self.get(entry.member.name.as_str()).is_none() {
                unknown.push(Arc::clone(entry));
                added += length;
            }
        }
        if let Some(length) = &mut self.times_len {
            *length += added;
        }
        let all = Arc::make_mut(&mut self.entries);
        all.append(&mut unknown);
        all.sort_by(|one, other| one.member.name.cmp(&other.member.name));
        self.version += 1;
    }

    pub(crate) fn set_status(&mut self, name: &NodeName, status: MemberStatus) {
        if let Some(entry) = self.get_mut(name.as_str()) {
            entry.member.status = status;
            self.list(name, status);
            self.version += 1;
        }
    }

    pub(crate) fn set_intent(
        &mut self,
        name: &NodeName,
        intent: IntentDirection,
        time: LamportTime,
    ) {
        let measured = self.times_len.is_some();
        let Some(entry) = self.get_mut(name.as_str()) else { return };
        let before = if measured { entry.time_len() } else { 0 };
        entry.status_time = time;
        entry.intent = intent;
        let after = if measured { entry.time_len() } else { 0 };
        self.times_len = self.times_len.map(|length| length + after - before);
        self.version += 1;
    }

    pub(crate) fn remove(&mut self, name: &NodeName) -> Option<Entry> {
        let place = self.place(name.as_str()).ok()?;
        let entry = Arc::make_mut(&mut self.entries).remove(place);
        if let Some(length) = &mut self.times_len {
            *length -= entry.time_len();
        }
        self.list(name, MemberStatus::None);
        self.version += 1;
        Some(Arc::unwrap_or_clone(entry))
    }

    /// Those of the failed and left that have been gone for longest, `count` at most.
    pub(crate) fn longest_gone(&self, count: usize) -> Vec<NodeName> {
        let gone = self.failed.iter().chain(&self.left);
        let since = |name: &NodeName| self.get(name.as_str()).and_then(|entry| entry.gone_since);
        let mut gone: Vec<_> = gone.map(|name| (since(name), name)).collect();
        gone.sort();
        gone.into_iter().take(count).map(|(_, name)| name.clone()).collect()
    }

    /// When the first of the failed and left is to be erased.
    pub(crate) fn next_expiry(&self, failed_for: Duration, left_for: Duration) -> Option<Time> {
        let expiry = |names: &BTreeSet<NodeName>, after| {
            names.iter().filter_map(|name| Some(self.get(name.as_str())?.gone_since? + after)).min()
        };
        expiry(&self.failed, failed_for).into_iter().chain(expiry(&self.left, left_for)).min()
    }

    /// Failed and left members whose time is over.
    pub(crate) fn expired(
        &self,
        now: Time,
        failed_for: Duration,
        left_for: Duration,
    ) -> Vec<NodeName> {
        let over = |name: &NodeName, after| {
            self.get(name.as_str())
                .and_then(|e| e.gone_since)
                .is_some_and(|since| now.since(since) > after)
        };
        let failed = self.failed.iter().filter(|name| over(name, failed_for));
        let left = self.left.iter().filter(|name| over(name, left_for));
        failed.chain(left).cloned().collect()
    }

    /// Where a name stands among the entries, or would.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.member.name.as_str().cmp(name))
    }

    fn list(&mut self, name: &NodeName, status: MemberStatus) {
        let sides =
            [(&mut self.failed, MemberStatus::Failed), (&mut self.left, MemberStatus::Left)];
        for (side, belongs) in sides {
            if status == belongs {
                side.insert(name.clone());
            } else {
                side.remove(name);
            }
        }
    }
}

/// Whether a member wants in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntentDirection {
    Join,
    Leave,
    /// A leave of which only a push/pull told: its time is a guess.
    ListedLeave,
}

impl IntentDirection {
    /// Whether an intent of a certain time is news where one of this direction and another time
    /// is known. Of a join and a leave of the same time the join counts: no member gives both of
    /// its own the same time, so the leave is a guess, or an operator's who did not know of it.
    pub(crate) fn gives_way(self, held: LamportTime, to: IntentDirection, at: LamportTime) -> bool {
        let refuted = self != IntentDirection::Join && to == IntentDirection::Join;
        at > held || (refuted && at == held)
    }
}

/// The latest intent of each member that is not known yet.
#[derive(Debug)]
pub(crate) struct Intents {
    by_name: BTreeMap<NodeName, (IntentDirection, LamportTime, Time)>,
    by_age: BTreeSet<(Time, NodeName)>,
    lifetime: Duration,
    /// Listed leaves of known members that seem to have come back since, each with the incarnation
    /// that the member is in and the listed time. They count if it departs without a sign of life.
    pub(crate) passed_over: BTreeMap<NodeName, (Incarnation, Option<LamportTime>)>,
}

impl Intents {
    pub(crate) fn new(lifetime: Duration) -> Self {
        let (by_name, by_age, passed_over) = Default::default();
        Intents { by_name, by_age, lifetime, passed_over }
    }

    /// Remembers an intent if it is news; only news is passed on.
    pub(crate) fn put(
        &mut self,
        now: Time,
        name: &NodeName,
        direction: IntentDirection,
        time: LamportTime,
    ) -> bool {
        self.expire(now);
        if let Some(&(known, held, set)) = self.by_name.get(name) {
            if !known.gives_way(held, direction, time) {
                return false;
            }
            self.by_age.remove(&(set, name.clone()));
        }
        self.by_name.insert(name.clone(), (direction, time, now));
        self.by_age.insert((now, name.clone()));
        if self.by_name.len() > limits::RECENT_INTENTS
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_name.remove(&oldest);
        }
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len() + self.passed_over.len()
    }

    pub(crate) fn get(&self, now: Time, name: &str) -> Option<(IntentDirection, LamportTime)> {
        let &(direction, time, set) = self.by_name.get(name)?;
        (now.since(set) <= self.lifetime).then_some((direction, time))
    }

    fn expire(&mut self, now: Time) {
        while self.by_age.first().is_some_and(|(set, _)| now.since(*set) > self.lifetime) {
            if let Some((_, name)) = self.by_age.pop_first() {
                self.by_name.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
