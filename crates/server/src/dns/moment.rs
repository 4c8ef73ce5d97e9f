//! What answers are made from: the same for all questions that are read in one go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::Guard;
use catalog::Snapshot;

use super::{Active, Dns};

/// The catalogue, the settings and the time. Never held across an await.
pub(super) struct Moment {
    pub(super) active: Arc<Active>,
    catalogue: Guard<Arc<Snapshot>>,
    readable: bool,
    pub(super) unix_seconds: u32,
}

impl Moment {
    /// The catalogue, if it may be read.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.readable.then_some(&**self.catalogue)
    }
}

/// When somebody led who is known to have written what is read here.
#[derive(Default)]
pub(super) struct Leadership {
    started: OnceLock<Instant>,
    /// Milliseconds since then, and one more; 0: never.
    last: AtomicU64,
}

impl Leadership {
    /// Notes whether there is a leader, and says how long ago there was one.
    fn age(&self, leads: bool) -> Option<Duration> {
        let elapsed = self.started.get_or_init(Instant::now).elapsed();
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1);
        if leads {
            self.last.store(now.saturating_add(1), Ordering::Relaxed);
            return Some(Duration::ZERO);
        }
        let last = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(now.saturating_sub(last)))
    }
}

impl Dns {
    /// Now.
    pub(super) fn moment(&self) -> Moment {
        self.moment_of(self.active.load_full())
    }

    /// Now, with settings of before.
    pub(super) fn moment_of(&self, active: Arc<Active>) -> Moment {
        let age = self.leadership.age((self.leads)(&self.store));
        let bound = if active.allow_stale { active.max_stale } else { Duration::ZERO };
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Moment {
            active,
            catalogue: self.store.catalogue().read(),
            readable: age.is_some_and(|age| age <= bound),
            // It wraps, as serials do.
            unix_seconds: since.as_secs() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_had_a_leader_has_no_age() {
        let leadership = Leadership::default();
        assert_eq!(leadership.age(false), None);
        assert_eq!(leadership.age(true), Some(Duration::ZERO));
        assert!(leadership.age(false).is_some());
    }
}
