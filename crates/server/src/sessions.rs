//! The times to live of sessions. They are kept by the leader alone, and start anew with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::{Command, Kind, Session, SessionId, Watch};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::catalogue::Catalogue;
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

    /// Starts the time of a session that came, and forgets one that is gone or has no end.
    fn follow(&mut self, id: SessionId, session: Option<&Session>, now: Instant) {
        match session.and_then(life) {
            Some(life) => drop(self.set(id, now + life)),
            None => self.forget(id),
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

    /// Follows what came and went since the last call. In another state than `followed` the times
    /// of all sessions start from the beginning.
    fn follow(&self, catalogue: &Catalogue, followed: &mut Option<u64>) {
        let state = catalogue.replaced();
        // Whatever changes after this is followed the next time, too.
        let changed = catalogue.take_sessions();
        let snapshot = catalogue.read();
        let now = Instant::now();
        let mut ends = self.ends();
        if followed.replace(state) == Some(state) {
            for id in changed {
                ends.follow(id, snapshot.session(&id), now);
            }
        } else {
            *ends = Ends::default();
            for session in snapshot.session_list() {
                ends.follow(session.id, Some(session), now);
            }
        }
    }

    /// Short, and never across an await.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends sessions whose time is over, for ever.
    pub(crate) async fn run(self, store: Store) {
        let catalogue = store.catalogue();
        let mut changes = catalogue.watch(&[Watch::Any(Kind::Sessions)]);
        let mut followed = None;
        loop {
            self.follow(catalogue, &mut followed);
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
                () = changes.woken() => continue,
            }
            let over = self.ends().first().filter(|(end, _)| *end <= Instant::now());
            let Some((_, id)) = over else { continue };
            if store.write(Command::SessionDestroy(id)).await.is_ok() {
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
