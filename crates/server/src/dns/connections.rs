//! How many TCP connections there are. Whoever comes is let in; where there are too many, the one
//! that has rested longest has to go: those who open connections and say nothing lose them to those
//! who ask. Who waits for an answer does not rest, and goes only where all others wait, too.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

/// All connections: each takes a descriptor and, while it rests, up to some 10 KiB.
pub(super) const MOST: usize = 512;
/// Connections of one address that is not a loopback address: those stand for every program of this
/// machine.
pub(super) const MOST_OF_ONE: usize = 128;
/// What is added to the number of who waits for an answer.
const WAITS: u64 = 1 << 63;

/// The connections that are open. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Connections {
    open: Arc<Mutex<Vec<Open>>>,
    /// Nobody is let in any more.
    ended: Arc<AtomicBool>,
    /// Counts what happens on connections: what happened later has the higher number.
    turn: Arc<AtomicU64>,
}

struct Open {
    id: u64,
    from: IpAddr,
    last: Arc<AtomicU64>,
    task: AbortHandle,
}

/// Says that something has happened on a connection.
pub(super) struct Used {
    last: Arc<AtomicU64>,
    turn: Arc<AtomicU64>,
}

impl Used {
    pub(super) fn now(&self) {
        self.last.store(self.turn.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// A question is being answered, until something else happens.
    pub(super) fn waits(&self) {
        self.last.store(WAITS | self.turn.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Takes a connection off the list when its task ends.
struct Entry {
    connections: Connections,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| one.id != self.id);
    }
}

impl Connections {
    /// Serves one more connection by a task of its own; whether another one had to go for it.
    pub(super) fn admit<F>(&self, from: IpAddr, serve: impl FnOnce(Used) -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let id = self.turn.fetch_add(1, Ordering::Relaxed);
        let last = Arc::new(AtomicU64::new(id));
        let work = serve(Used { last: last.clone(), turn: self.turn.clone() });
        let entry = Entry { connections: self.clone(), id };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ended.load(Ordering::Relaxed) {
            return false;
        }
        let ended = Self::surplus(&mut open, from);
        let task = tokio::spawn(async move {
            let _entry = entry;
            work.await;
        });
        open.push(Open { id, from, last, task: task.abort_handle() });
        drop(open);
        let crowded = ended.is_some();
        if let Some(ended) = ended {
            ended.task.abort();
        }
        crowded
    }

    /// Ends all connections; further ones are closed at once.
    pub(super) fn end(&self) {
        let open = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            self.ended.store(true, Ordering::Relaxed);
            std::mem::take(&mut *open)
        };
        for one in open {
            one.task.abort();
        }
    }

    /// Takes the one off that has to go for a connection from there.
    fn surplus(open: &mut Vec<Open>, from: IpAddr) -> Option<Open> {
        let of_one = !from.is_loopback()
            && open.iter().filter(|one| one.from == from).count() >= MOST_OF_ONE;
        if !of_one && open.len() < MOST {
            return None;
        }
        let (place, _) = open
            .iter()
            .enumerate()
            .filter(|(_, one)| !of_one || one.from == from)
            .min_by_key(|(_, one)| one.last.load(Ordering::Relaxed))?;
        Some(open.swap_remove(place))
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// One more connection, which rests but for what it says of itself now.
    fn admit(connections: &Connections, from: &str, says: impl FnOnce(&Used)) -> bool {
        let from = from.parse().expect("an address");
        connections.admit(from, |used| {
            says(&used);
            std::future::pending()
        })
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_goes_last() {
        let (connections, kept) = (Connections::default(), Mutex::new(Vec::new()));
        let keep = |used: &Used| {
            let Used { last, turn } = used;
            let used = Used { last: last.clone(), turn: turn.clone() };
            kept.lock().expect("nobody panics").push(used);
        };
        for _ in 0..MOST_OF_ONE {
            assert!(!admit(&connections, "192.0.2.1", keep));
        }
        let used = std::mem::take(&mut *kept.lock().expect("nobody panics"));
        used[0].waits();
        let waiting = connections.open.lock().expect("nobody panics")[0].id;
        let is_open = || {
            let open = connections.open.lock().expect("nobody panics");
            open.iter().any(|one| one.id == waiting)
        };
        for _ in 0..2 * MOST_OF_ONE {
            assert!(admit(&connections, "192.0.2.1", |_| ()));
            assert!(is_open());
        }
        assert_eq!(connections.len(), MOST_OF_ONE);
        assert!(!admit(&connections, "192.0.2.2", |_| ()), "another one has its own");
        used[0].now();
        for _ in 0..MOST_OF_ONE {
            assert!(admit(&connections, "192.0.2.1", |_| ()));
        }
        assert!(!is_open());
        for _ in 0..=MOST_OF_ONE {
            assert!(!admit(&connections, "127.0.0.1", |_| ()), "every program is there");
        }
    }
}
