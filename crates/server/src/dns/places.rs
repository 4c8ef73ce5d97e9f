//! Places for questions that recursors are asked. Nobody takes all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, getrlimit};

use super::budget::network;

/// Questions that recursors are being asked. Each has a socket; who asks more of them is told that
/// it failed.
const MOST: usize = 1024;

/// So many, and who has them.
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
}

/// A place as long as it is held.
pub(super) struct Place<'a> {
    places: &'a Places,
    network: IpAddr,
}

impl Default for Places {
    /// As many as take a quarter of the descriptors that this process may have.
    fn default() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::new(usize::try_from(descriptors / 4).unwrap_or(MOST).min(MOST))
    }
}

impl Places {
    fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for who asks from there, if one is left for its network: a quarter of all, and three
    /// quarters for loopback addresses, which stand for every program of this machine.
    pub(super) fn take(&self, source: IpAddr) -> Option<Place<'_>> {
        let quarters = if source.is_loopback() { 3 } else { 1 };
        let share = (self.most * quarters / 4).max(1);
        let network = network(source);
        let mut taken = self.taken();
        let own = taken.by.get(&network).copied().unwrap_or_default();
        if taken.all >= self.most || own >= share {
            return None;
        }
        taken.all += 1;
        taken.by.insert(network, own + 1);
        Some(Place { places: self, network })
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How many of them are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.most - self.taken().all
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        let Some(own) = taken.by.get_mut(&self.network) else { return };
        *own -= 1;
        if *own == 0 {
            taken.by.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places() {
        let places = Places::new(100);
        let take = |from: &str| places.take(from.parse().expect("an address"));
        let take_all = |from: &str| std::iter::from_fn(|| take(from)).collect::<Vec<_>>();
        let own = take_all("127.0.0.1");
        assert_eq!(own.len(), 75);
        let remote = take_all("192.0.2.1");
        assert!(take("192.0.2.2").is_none() && take("198.51.100.1").is_none());
        assert_eq!(remote.len(), 25);
        drop(own);
        let others = ["198.51.100.1", "203.0.113.1", "2001:db8::1"].map(take_all);
        assert_eq!(others.each_ref().map(Vec::len), [25; 3]);
        assert_eq!(places.left(), 0);
        drop((remote, others));
        assert_eq!(places.left(), 100);
        assert!(places.taken().by.is_empty());
    }
}
