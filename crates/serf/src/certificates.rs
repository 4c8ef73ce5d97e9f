//! Death certificates: what is remembered of erased members, so that a third party with an old
//! view cannot bring them back. No peer has them; nothing of them travels.

use std::collections::{BTreeMap, BTreeSet};

use gossip::Time;
use wire::{LamportTime, NodeName};

use crate::limits;

/// The status times of erased members. The layer below holds the incarnations.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    by_name: BTreeMap<NodeName, (LamportTime, Time)>,
    by_expiry: BTreeSet<(Time, NodeName)>,
}

impl Certificates {
    /// Certifies a death. Returns a certificate that had to go for it.
    pub(crate) fn issue(
        &mut self,
        now: Time,
        name: NodeName,
        status_time: LamportTime,
        until: Time,
    ) -> Option<NodeName> {
        self.withdraw(&name);
        self.expire(now);
        let evicted = (self.by_name.len() >= limits::CERTIFICATES)
            .then(|| self.by_expiry.pop_first())
            .flatten()
            .map(|(_, name)| name);
        if let Some(name) = &evicted {
            self.by_name.remove(name);
        }
        self.by_expiry.insert((until, name.clone()));
        self.by_name.insert(name, (status_time, until));
        evicted
    }

    /// The status time up to which the member of that name is dead.
    pub(crate) fn status_time(&self, now: Time, name: &str) -> Option<LamportTime> {
        let (status_time, until) = self.by_name.get(name)?;
        (now < *until).then_some(*status_time)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn withdraw(&mut self, name: &NodeName) {
        if let Some((_, until)) = self.by_name.remove(name) {
            self.by_expiry.remove(&(until, name.clone()));
        }
    }

    fn expire(&mut self, now: Time) {
        while self.by_expiry.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, name)) = self.by_expiry.pop_first() {
                self.by_name.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
