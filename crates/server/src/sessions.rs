//! The times to live of sessions. They are kept by the leader alone, and start anew with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::{Command, Session, SessionId, Snapshot};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::Store;

/// A session ends after this many times its time to live.
const GRACE: u32 = 2;

/// When which session ends. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct SessionTimers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ends: Mutex<HashMap<SessionId, Instant>>,
    sooner: Notify,
}

impl SessionTimers {
    /// Starts the time of a session from the beginning.
    pub(crate) fn renew(&self, session: &Session) {
        let Some(life) = life(session) else { return };
        let mut ends = self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.insert(session.id, Instant::now() + life);
        drop(ends);
        self.shared.sooner.notify_one();
    }

    /// Starts the times of all sessions from the beginning: the state is another one.
    pub(crate) fn begin_again(&self, snapshot: &Snapshot) {
        self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.follow(snapshot);
        self.shared.sooner.notify_one();
    }

    /// Begins with the sessions that are there, and forgets those that are not.
    fn follow(&self, snapshot: &Snapshot) {
        let mut ends = self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|id, _| snapshot.session(id).is_some());
        for session in snapshot.session_list() {
            if let Some(life) = life(session) {
                ends.entry(session.id).or_insert_with(|| Instant::now() + life);
            }
        }
    }

    fn next(&self) -> Option<(Instant, SessionId)> {
        let ends = self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter().map(|(id, end)| (*end, *id)).min()
    }

    fn forget(&self, id: SessionId) {
        self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Ends sessions whose time is over, for ever.
    pub(crate) async fn run(self, store: Store) {
        let watch = || store.catalogue().watch(vec![catalog::Watch::Any(catalog::Kind::Sessions)]);
        let changes = watch();
        self.follow(&store.catalogue().read());
        loop {
            let next = self.next();
            let due = async {
                match next {
                    Some((end, _)) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.shared.sooner.notified() => continue,
                () = changes.woken() => {
                    self.follow(&store.catalogue().read());
                    continue;
                }
            }
            let Some((end, id)) = next else { continue };
            if end > Instant::now() {
                continue;
            }
            self.forget(id);
            if store.write(&Command::SessionDestroy(id)).await.is_err() {
                // Without a leader nobody can end it; the next round finds it again.
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.follow(&store.catalogue().read());
            }
        }
    }
}

fn life(session: &Session) -> Option<Duration> {
    let ttl = u64::try_from(api::session::ttl_ns(session)).ok().filter(|ns| *ns > 0)?;
    Some(Duration::from_nanos(ttl).saturating_mul(GRACE))
}
