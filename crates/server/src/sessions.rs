//! The times to live of sessions. They are kept by the leader alone, and start anew with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::{Command, Kind, Session, SessionId, Snapshot, Watch};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::Store;

/// A session ends after this many times its time to live.
const GRACE: u32 = 2;

/// How long until a session is looked at again that could not be ended.
const AGAIN: Duration = Duration::from_secs(1);

/// When which session ends. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct SessionTimers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ends: Mutex<Ends>,
    /// Told when the first end is another one.
    first: Notify,
}

/// The ends, by session and by time.
#[derive(Default)]
struct Ends {
    by_session: HashMap<SessionId, Instant>,
    by_time: BTreeSet<(Instant, SessionId)>,
}

impl Ends {
    /// Sets an end; true if it is now the first one.
    fn set(&mut self, id: SessionId, end: Instant) -> bool {
        self.forget(id);
        self.by_session.insert(id, end);
        self.by_time.insert((end, id));
        self.by_time.first() == Some(&(end, id))
    }

    fn forget(&mut self, id: SessionId) {
        if let Some(end) = self.by_session.remove(&id) {
            self.by_time.remove(&(end, id));
        }
    }

    /// Begins with sessions that are not known yet, and forgets those that are gone.
    fn follow(&mut self, snapshot: &Snapshot, now: Instant) {
        let gone = |id: &&SessionId| snapshot.session(id).is_none();
        let gone: Vec<SessionId> = self.by_session.keys().filter(gone).copied().collect();
        gone.into_iter().for_each(|id| self.forget(id));
        for session in snapshot.session_list() {
            if let Some(life) = life(session)
                && !self.by_session.contains_key(&session.id)
            {
                self.set(session.id, now + life);
            }
        }
    }

    fn first(&self) -> Option<(Instant, SessionId)> {
        self.by_time.first().copied()
    }
}

impl SessionTimers {
    /// Starts the time of a session from the beginning.
    pub(crate) fn renew(&self, session: &Session) {
        let Some(life) = life(session) else { return };
        if self.ends().set(session.id, Instant::now() + life) {
            self.shared.first.notify_one();
        }
    }

    /// Starts the times of all sessions from the beginning: the state is another one.
    pub(crate) fn begin_again(&self, snapshot: &Snapshot) {
        let mut ends = self.ends();
        *ends = Ends::default();
        ends.follow(snapshot, Instant::now());
        drop(ends);
        self.shared.first.notify_one();
    }

    /// Short, and never across an await.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends sessions whose time is over, for ever.
    pub(crate) async fn run(self, store: Store) {
        let changes = store.catalogue().watch(vec![Watch::Any(Kind::Sessions)]);
        self.ends().follow(&store.catalogue().read(), Instant::now());
        loop {
            let first = self.ends().first();
            let due = async {
                match first {
                    Some((end, _)) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.shared.first.notified() => continue,
                () = changes.woken() => {
                    self.ends().follow(&store.catalogue().read(), Instant::now());
                    continue;
                }
            }
            let over = self.ends().first().filter(|(end, _)| *end <= Instant::now());
            let Some((_, id)) = over else { continue };
            if store.write(&Command::SessionDestroy(id)).await.is_ok() {
                self.ends().forget(id);
            } else {
                self.ends().set(id, Instant::now() + AGAIN);
            }
        }
    }
}

fn life(session: &Session) -> Option<Duration> {
    let ttl = u64::try_from(api::session::ttl_ns(session)).ok().filter(|ns| *ns > 0)?;
    Some(Duration::from_nanos(ttl).saturating_mul(GRACE))
}

#[cfg(test)]
mod tests;
