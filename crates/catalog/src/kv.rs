//! Keys and values: entries, tombstones, locks.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::entry::{Entry, Fields};
use crate::error::Error;
use crate::mark::Mark;
use crate::name::{ModifyIndex, SessionId, Time, Uuid};
use crate::state::{Snapshot, Write};
use crate::watch::Key;

/// What was deleted: a key, or everything under a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    /// The write that deleted it.
    pub modify: ModifyIndex,
    /// When.
    pub time: Time,
}

/// The tables of this noun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kv {
    pub(crate) entries: OrdSet<Entry>,
    pub(crate) held: OrdSet<(SessionId, Arc<[u8]>)>,
    pub(crate) tombstones: OrdMap<Arc<[u8]>, Tombstone>,
    /// Keys that may not be locked before a time.
    pub(crate) lock_delays: OrdMap<Arc<[u8]>, Time>,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvVerb {
    /// Whatever is there.
    Set,
    /// Only if the modify index is the given one; zero: only if absent.
    Cas,
    /// And take the lock.
    Lock,
    /// And give the lock back.
    Unlock,
    /// Remove the key.
    Delete,
    /// Remove the key if the modify index is the given one.
    DeleteCas,
    /// Remove every key that begins with this one.
    DeleteTree,
}

/// One write of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvWrite {
    /// What to do.
    pub verb: KvVerb,
    /// The key, or the prefix of [`KvVerb::DeleteTree`].
    #[serde(with = "bytes")]
    pub key: Box<[u8]>,
    /// The new value.
    #[serde(with = "bytes")]
    pub value: Box<[u8]>,
    /// The new flags.
    pub flags: u64,
    /// What the modify index must be, for the `Cas` forms.
    pub index: ModifyIndex,
    /// The session as the client gave it, for lock and unlock.
    pub session: Box<str>,
}

/// Why a conditional write did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Stale,
    Held,
    Delayed,
    NotHolder,
}

impl Snapshot {
    /// The entry of a key.
    #[must_use]
    pub fn kv_get(&self, key: &[u8]) -> Option<&Entry> {
        self.kv.entries.get(key)
    }

    /// The entries whose keys begin with `prefix`, in the order of their bytes.
    pub fn kv_list<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = &'a Entry> {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        self.kv.entries.range::<_, [u8]>(range).take_while(move |e| e.key().starts_with(prefix))
    }

    /// Whether there is something that [`crate::Command::Reap`] would forget: a deletion before
    /// `before`, or a lock delay that was over then.
    #[must_use]
    pub fn kv_reapable(&self, before: Time) -> bool {
        self.kv.tombstones.values().any(|stone| stone.time < before)
            || self.kv.lock_delays.values().any(|until| *until < before)
    }

    /// The index of the whole table: that of a missing key.
    #[must_use]
    pub fn kv_index(&self) -> ModifyIndex {
        self.mark(&Mark::Kv)
    }

    /// The index of a list: the last change of its entries and of what was deleted among them; the
    /// table's where there is neither, and for the empty prefix.
    #[must_use]
    pub fn kv_list_index(&self, prefix: &[u8]) -> ModifyIndex {
        if prefix.is_empty() {
            return self.kv_index();
        }
        let entries = self.kv_list(prefix).map(|entry| entry.fields().modify).max();
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let deleted = self.kv.tombstones.range::<_, [u8]>(range);
        let deleted = deleted.take_while(|(key, _)| key.starts_with(prefix));
        let deleted = deleted.map(|(_, stone)| stone.modify).max();
        entries.max(deleted).unwrap_or_else(|| self.kv_index())
    }
}

impl Write<'_> {
    /// Applies one write, or says why its condition does not hold.
    pub(crate) fn kv(&mut self, op: &KvWrite) -> Result<Result<(), Refused>, Error> {
        let old = self.root.kv.entries.get(&*op.key).cloned();
        let old = old.as_ref().map(Entry::fields);
        let stale = old.map_or(ModifyIndex::ZERO, |old| old.modify) != op.index;
        match op.verb {
            KvVerb::Cas if stale => return Ok(Err(Refused::Stale)),
            KvVerb::Set | KvVerb::Cas => {
                let session = old.and_then(|old| old.session);
                self.kv_put(op, old, 0, session);
            }
            KvVerb::Lock => return self.kv_lock(op, old),
            KvVerb::Unlock => {
                let holder = named_session(op)?;
                let held = old.filter(|old| holder.is_some() && old.session == holder);
                let Some(held) = held else {
                    return Ok(Err(Refused::NotHolder));
                };
                self.kv_put(op, old, held.lock_index, None);
            }
            KvVerb::DeleteCas if old.is_some() && stale => return Ok(Err(Refused::Stale)),
            KvVerb::Delete | KvVerb::DeleteCas => {
                if old.is_some() {
                    self.kv_remove(&op.key);
                    self.kv_bury(&op.key);
                }
            }
            KvVerb::DeleteTree => {
                let keys: Vec<_> =
                    self.root.kv_list(&op.key).map(|entry| entry.key().to_vec()).collect();
                for key in &keys {
                    self.kv_remove(key);
                }
                if !keys.is_empty() {
                    self.kv_bury(&op.key);
                }
            }
        }
        Ok(Ok(()))
    }

    fn kv_lock(
        &mut self,
        op: &KvWrite,
        old: Option<Fields<'_>>,
    ) -> Result<Result<(), Refused>, Error> {
        let holder = named_session(op)?
            .filter(|id| self.root.sessions.get(id).is_some())
            .ok_or_else(|| Error::InvalidSession(op.session.clone()))?;
        let current = old.and_then(|old| old.session);
        if current.is_some_and(|current| current != holder) {
            return Ok(Err(Refused::Held));
        }
        if current.is_none() {
            if self.root.kv.lock_delays.get(&*op.key).is_some_and(|&until| until > self.now) {
                return Ok(Err(Refused::Delayed));
            }
            self.root.kv.lock_delays.remove(&*op.key);
        }
        let taken = u64::from(current.is_none());
        let lock_index = old.map_or(0, |old| old.lock_index).saturating_add(taken);
        self.kv_put(op, old, lock_index, Some(holder));
        Ok(Ok(()))
    }

    /// Writes an entry, unless it says already what it is to say.
    fn kv_put(
        &mut self,
        op: &KvWrite,
        old: Option<Fields<'_>>,
        lock_index: u64,
        session: Option<SessionId>,
    ) {
        let mut fields = Fields {
            key: &op.key,
            value: &op.value,
            flags: op.flags,
            lock_index,
            session,
            create: old.map_or(self.index, |old| old.create),
            modify: old.map_or(self.index, |old| old.modify),
        };
        if old == Some(fields) {
            return;
        }
        fields.modify = self.index;
        self.kv_hold(&op.key, old.and_then(|old| old.session), session);
        self.root.kv.entries.insert(Entry::new(fields));
        self.kv_changed(&op.key);
    }

    fn kv_hold(&mut self, key: &[u8], old: Option<SessionId>, new: Option<SessionId>) {
        if old == new {
            return;
        }
        let key: Arc<[u8]> = key.into();
        if let Some(old) = old {
            self.root.kv.held.remove(&(old, key.clone()));
        }
        if let Some(new) = new {
            self.root.kv.held.insert((new, key));
        }
    }

    fn kv_changed(&mut self, key: &[u8]) {
        self.bump(Mark::Kv);
        self.touched.push(Key::Kv(key.into()));
    }

    fn kv_remove(&mut self, key: &[u8]) {
        if let Some(entry) = self.root.kv.entries.remove(key) {
            self.kv_hold(key, entry.fields().session, None);
            self.kv_changed(key);
        }
    }

    fn kv_bury(&mut self, key: &[u8]) {
        let stone = Tombstone { modify: self.index, time: self.now };
        self.root.kv.tombstones.insert(key.into(), stone);
    }

    /// A session is gone: its keys are given back or deleted, and may not be locked before `until`.
    pub(crate) fn kv_invalidate(&mut self, session: SessionId, delete: bool, until: Option<Time>) {
        let from = (session, Arc::from([].as_slice()));
        let held: Vec<Arc<[u8]>> = (self.root.kv.held.range(from..))
            .take_while(|(holder, _)| *holder == session)
            .map(|(_, key)| key.clone())
            .collect();
        for key in held {
            let Some(entry) = self.root.kv.entries.get(&*key).cloned() else { continue };
            if let Some(until) = until {
                self.root.kv.lock_delays.insert(key.clone(), until);
            }
            if delete {
                self.kv_remove(&key);
                self.kv_bury(&key);
            } else {
                self.kv_hold(&key, Some(session), None);
                let fields = Fields { session: None, modify: self.index, ..entry.fields() };
                self.root.kv.entries.insert(Entry::new(fields));
                self.kv_changed(&key);
            }
        }
    }

    /// Forgets deletions before a time, and lock delays that are over.
    pub(crate) fn kv_reap(&mut self, before: Time) {
        let now = self.now;
        let kv = &mut self.root.kv;
        let old = kv.tombstones.iter().filter(|(_, stone)| stone.time < before);
        for key in old.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            kv.tombstones.remove(&key);
        }
        let over = kv.lock_delays.iter().filter(|(_, until)| **until <= now);
        for key in over.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            kv.lock_delays.remove(&key);
        }
    }
}

/// The session that an operation names: `None` if no session can have that name.
fn named_session(op: &KvWrite) -> Result<Option<SessionId>, Error> {
    if op.session.is_empty() {
        return Err(Error::MissingSession);
    }
    Ok(Uuid::parse(&op.session))
}

/// Bytes as one piece; by itself serde takes them one at a time.
pub(crate) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<[u8]>, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Into::into)
    }
}
