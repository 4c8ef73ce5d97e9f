//! The catalogue behind the log: what applies commands, what readers see, and who waits.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use catalog::{
    Command, Key, ModifyIndex, Response, SessionId, Snapshot, State, Time, Watch, WatchId, Watches,
};
use tokio::sync::Notify;

use crate::http::Answers;
use crate::telemetry::{Applied, Telemetry};

/// What readers of the catalogue share. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Catalogue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The state of the last batch that was applied.
    published: ArcSwap<Snapshot>,
    waiting: Mutex<Waiting>,
    /// How often the whole state was replaced.
    replaced: AtomicU64,
    answers: Answers,
    proposed: Mutex<VecDeque<(Bytes, Command)>>,
}

#[derive(Default)]
struct Waiting {
    watches: Watches,
    /// Those who wait for the same are one group: ten thousand of them are entered once.
    groups: BTreeMap<Arc<[Watch]>, Group>,
    changes: HashMap<WatchId, Arc<Changes>>,
    /// How many wait in all groups.
    count: usize,
    /// For the one who keeps their times.
    sessions: BTreeSet<SessionId>,
}

struct Group {
    id: WatchId,
    watches: Arc<[Watch]>,
    changes: Arc<Changes>,
    count: usize,
}

/// What happened to something that a group waits for.
#[derive(Default)]
struct Changes {
    /// How often it was touched.
    count: AtomicU64,
    woken: Notify,
}

impl Changes {
    fn one_more(&self) {
        self.count.fetch_add(1, Ordering::Release);
        self.woken.notify_waiters();
    }
}

impl Waiting {
    /// Who is to be told of these changes.
    fn touched(&self, touched: &[Key]) -> Vec<Arc<Changes>> {
        let woken = self.watches.wake(touched).into_iter();
        woken.filter_map(|id| self.changes.get(&id).cloned()).collect()
    }

    fn enter(&mut self, watches: &[Watch]) -> (Arc<[Watch]>, Arc<Changes>) {
        self.count += 1;
        if let Some(group) = self.groups.get_mut(watches) {
            group.count += 1;
            return (group.watches.clone(), group.changes.clone());
        }
        let (watches, changes): (Arc<[Watch]>, Arc<Changes>) = (watches.into(), Arc::default());
        let id = self.watches.add(watches.iter().cloned());
        self.changes.insert(id, changes.clone());
        let group = Group { id, watches: watches.clone(), changes: changes.clone(), count: 1 };
        self.groups.insert(watches.clone(), group);
        (watches, changes)
    }

    fn leave(&mut self, watches: &[Watch]) {
        let Some(group) = self.groups.get_mut(watches) else { return };
        self.count -= 1;
        group.count -= 1;
        if group.count == 0 {
            self.watches.remove(group.id);
            self.changes.remove(&group.id);
            self.groups.remove(watches);
        }
    }
}

impl Catalogue {
    /// The state now.
    pub(crate) fn read(&self) -> Guard<Arc<Snapshot>> {
        self.shared.published.load()
    }

    /// Answers that several want.
    pub(crate) fn answers(&self) -> &Answers {
        &self.shared.answers
    }

    /// Encodes a command for the log, and keeps it: when it comes back from there it need not be
    /// read again. What is long, and mostly one piece, is not worth it; nor are more than can be
    /// on their way, for who hangs up while the log waits leaves its own behind.
    pub(crate) fn propose(&self, command: Command) -> Bytes {
        let bytes = Bytes::from(encode(&command));
        if bytes.len() <= PROPOSED_BYTES {
            let mut proposed = self.proposed();
            if proposed.len() < PROPOSED {
                proposed.push_back((bytes.clone(), command));
            }
        }
        bytes
    }

    /// A command of the log, if it was kept. They come in the order in which they were proposed;
    /// those that were refused do not come.
    fn take_proposed(&self, bytes: &[u8]) -> Option<Command> {
        if bytes.len() > PROPOSED_BYTES {
            return None;
        }
        let mut proposed = self.proposed();
        while let Some((own, command)) = proposed.pop_front() {
            if own == bytes {
                return Some(command);
            }
        }
        None
    }

    /// Keeps no commands any more: some may have been refused.
    pub(crate) fn forget_proposed(&self) {
        self.proposed().clear();
    }

    fn proposed(&self) -> MutexGuard<'_, VecDeque<(Bytes, Command)>> {
        self.shared.proposed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the whole state was replaced by another one, so far.
    pub(crate) fn replaced(&self) -> u64 {
        self.shared.replaced.load(Ordering::Acquire)
    }

    /// The sessions that came or went since this was asked last.
    pub(crate) fn take_sessions(&self) -> BTreeSet<SessionId> {
        std::mem::take(&mut self.waiting().sessions)
    }

    /// Enters somebody who waits for a change of any of `watches`.
    pub(crate) fn watch(&self, watches: &[Watch]) -> Watching {
        let (watches, changes) = self.waiting().enter(watches);
        let seen = changes.count.load(Ordering::Acquire);
        Watching { catalogue: self.clone(), watches, changes, seen }
    }

    /// How many wait.
    pub(crate) fn watchers(&self) -> usize {
        self.waiting().count
    }

    /// Short, and never across an await.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, snapshot: Snapshot, touched: &[Key]) {
        self.shared.published.store(Arc::new(snapshot));
        self.shared.answers.clear();
        let mut waiting = self.waiting();
        waiting.sessions.extend(touched.iter().filter_map(|key| match key {
            Key::Session(id) => Some(*id),
            _ => None,
        }));
        let woken = waiting.touched(touched);
        drop(waiting);
        woken.iter().for_each(|changes| changes.one_more());
    }

    /// Publishes a state that has nothing to do with the one before, and wakes everybody.
    fn replace(&self, snapshot: Snapshot) {
        self.shared.published.store(Arc::new(snapshot));
        self.shared.answers.clear();
        self.shared.replaced.fetch_add(1, Ordering::Release);
        let everybody: Vec<_> = self.waiting().changes.values().cloned().collect();
        everybody.iter().for_each(|changes| changes.one_more());
    }
}

/// Somebody who waits. Who is dropped waits no more.
pub(crate) struct Watching {
    catalogue: Catalogue,
    watches: Arc<[Watch]>,
    changes: Arc<Changes>,
    /// How many changes there were when this was made or last returned.
    seen: u64,
}

impl Watching {
    /// Returns when something that is watched was touched since this was made or last returned.
    pub(crate) async fn woken(&mut self) {
        loop {
            // Whatever comes after it was made ends it.
            let next = self.changes.woken.notified();
            let count = self.changes.count.load(Ordering::Acquire);
            if count != self.seen {
                self.seen = count;
                return;
            }
            next.await;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.catalogue.waiting().leave(&self.watches);
    }
}

/// The machine that the log feeds.
pub(crate) struct Replica {
    state: State,
    catalogue: Catalogue,
    telemetry: Arc<Telemetry>,
}

impl Replica {
    pub(crate) fn new(catalogue: Catalogue, telemetry: Arc<Telemetry>) -> Self {
        Self { state: State::default(), catalogue, telemetry }
    }
}

/// Bytes that most commands have room in.
const USUAL_BYTES: usize = 512;
/// Longer commands are not kept while the log has them.
const PROPOSED_BYTES: usize = 4 << 10;
/// Commands that are kept: as many as wait for the log and are in one of its entries.
const PROPOSED: usize = 4096;

/// A command as it stands in the log.
pub(crate) fn encode(command: &Command) -> Vec<u8> {
    postcard::to_extend(command, Vec::with_capacity(USUAL_BYTES))
        .expect("commands are plain data, and memory takes every byte")
}

/// Only what this program wrote is in the log, and its checksum held.
fn decode(bytes: &[u8]) -> Command {
    postcard::from_bytes(bytes)
        .expect("a command of the log is one of those that this version knows")
}

impl raft::Machine for Replica {
    type Reply = Response;
    type Image = Snapshot;

    fn apply(&mut self, first_index: u64, clock_ms: u64, batch: &raft::Batch) -> Vec<Response> {
        let mut replies = Vec::new();
        let mut applied = Vec::new();
        for (index, bytes) in (first_index..).zip(batch.commands()) {
            let command = self.catalogue.take_proposed(bytes).unwrap_or_else(|| decode(bytes));
            debug_assert_eq!(command, decode(bytes));
            let (kind, started) = (Applied::kind(&command), Instant::now());
            let answer = self.state.apply(ModifyIndex(index), Time(clock_ms), [command]);
            applied.push(Applied::new(kind, started.elapsed()));
            replies.extend(answer);
        }
        self.telemetry.applied(&applied);
        let touched = self.state.take_touched();
        if self.state.take_replaced() {
            self.catalogue.replace(self.state.snapshot());
        } else {
            self.catalogue.publish(self.state.snapshot(), &touched);
        }
        replies
    }

    fn image(&self) -> Snapshot {
        self.state.snapshot()
    }

    fn save(image: &Snapshot, out: &mut dyn io::Write) -> io::Result<()> {
        image.save(out)
    }

    fn restore(&mut self, input: &mut dyn io::Read) -> io::Result<()> {
        let snapshot = Snapshot::restore(input)?;
        self.state = State::new(snapshot.clone());
        self.catalogue.replace(snapshot);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn removal(node: usize) -> Command {
        let (service, check) = ("".into(), "".into());
        Command::Deregister { node: node.to_string().as_str().into(), service, check }
    }

    #[test]
    fn commands_that_never_come_back_are_kept_in_bounds() {
        let catalogue = Catalogue::default();
        let sent: Vec<_> = (0..PROPOSED + 10).map(|n| catalogue.propose(removal(n))).collect();
        assert_eq!(catalogue.proposed().len(), PROPOSED);
        // The first were given up on: the others are found behind them, the last are read.
        assert_eq!(catalogue.take_proposed(&sent[5]), Some(removal(5)));
        assert_eq!(catalogue.take_proposed(&sent[PROPOSED]), None);
        assert_eq!(decode(&sent[PROPOSED]), removal(PROPOSED));
        assert!(catalogue.proposed().is_empty());
    }
}
