//! What is to happen when.

use std::collections::{BTreeMap, BTreeSet};

use catalog::CheckId;

use crate::time::Time;

/// Something that is to happen once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The catalogue's view of the node is to be compared.
    FullSync,
    /// What a check was told is not true any longer.
    Ttl(CheckId),
    /// A check has been critical for so long that its service is to go.
    Reap(CheckId),
    /// A check's output has waited long enough.
    Deferred(CheckId),
}

/// At most one time for each of them.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    times: BTreeMap<Timer, Time>,
    order: BTreeSet<(Time, Timer)>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, time: Time) {
        self.clear(&timer);
        self.times.insert(timer.clone(), time);
        self.order.insert((time, timer));
    }

    pub(crate) fn clear(&mut self, timer: &Timer) {
        if let Some(time) = self.times.remove(timer) {
            self.order.remove(&(time, timer.clone()));
        }
    }

    pub(crate) fn get(&self, timer: &Timer) -> Option<Time> {
        self.times.get(timer).copied()
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.order.first().map(|(time, _)| *time)
    }

    /// Takes the first that is due.
    pub(crate) fn due(&mut self, now: Time) -> Option<Timer> {
        let (time, _) = self.order.first()?;
        if *time > now {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.times.remove(&timer);
        Some(timer)
    }
}
