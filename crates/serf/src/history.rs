//! What was seen lately: the buffers that tell new user events and queries from old and repeated
//! ones. Specification "Gossip wire protocol and behaviour", B8 and B9.

use wire::LamportTime;
use wire::message::serf::{BufferedEvent, UserEvents};
use wire::planted::{Fault, planted};

use crate::limits;

/// What became of something that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// New: to be delivered and passed on.
    Fresh,
    /// Older than what is wanted, or than the buffer reaches.
    Old,
    /// Seen before.
    Repeated,
    /// The buffer is full of others of that time.
    Crowded,
}

/// A ring of Lamport times; a time has the slot of its remainder, and a time that meets another
/// in its slot, older or newer, takes its place.
#[derive(Debug)]
struct Ring<T> {
    slots: Vec<Option<(LamportTime, T)>>,
    size: u64,
    minimum: LamportTime,
}

impl<T> Ring<T> {
    fn new(size: usize, minimum: LamportTime) -> Self {
        Ring { slots: Vec::new(), size: size.max(1) as u64, minimum }
    }

    /// Whether `time` is still of interest while the clock shows `now`.
    fn admits(&self, time: LamportTime, now: LamportTime) -> bool {
        let inside = time.0 >= now.0.saturating_sub(self.size);
        time >= self.minimum && (inside || planted(Fault::WindowIgnored))
    }

    fn slot(&mut self, time: LamportTime) -> &mut Option<(LamportTime, T)> {
        if self.slots.is_empty() {
            // Not before the first use: an idle member keeps no buffers.
            self.slots.resize_with(self.size as usize, || None);
        }
        let index = (time.0 % self.size) as usize;
        &mut self.slots[index]
    }
}

/// The user events of the last times; peers get it whole in a push/pull.
#[derive(Debug)]
pub(crate) struct EventHistory {
    ring: Ring<Vec<BufferedEvent>>,
    bytes: usize,
    version: u64,
}

impl EventHistory {
    /// Events before `minimum` are not wanted.
    pub(crate) fn new(size: usize, minimum: LamportTime) -> Self {
        EventHistory { ring: Ring::new(size, minimum), bytes: 0, version: 0 }
    }

    /// From now on events before `minimum` are not wanted; it never falls.
    pub(crate) fn raise_minimum(&mut self, minimum: LamportTime) {
        self.ring.minimum = self.ring.minimum.max(minimum);
    }

    /// Judges an event, and remembers it if it is fresh. `now` is the event clock.
    pub(crate) fn see(
        &mut self,
        time: LamportTime,
        event: &BufferedEvent,
        now: LamportTime,
    ) -> Verdict {
        if !self.ring.admits(time, now) {
            return Verdict::Old;
        }
        let bytes = cost(event);
        let total = self.bytes;
        let slot = self.ring.slot(time);
        let freed = match slot {
            Some((held, events)) if *held == time => {
                if events.contains(event) && !planted(Fault::RepeatedEventTaken) {
                    return Verdict::Repeated;
                }
                if events.len() >= limits::EVENTS_PER_TIME {
                    return Verdict::Crowded;
                }
                0
            }
            Some((_, events)) => events.iter().map(cost).sum(),
            None => 0,
        };
        if total - freed + bytes > limits::EVENT_BUFFER_BYTES {
            return Verdict::Crowded;
        }
        match slot {
            Some((held, events)) if *held == time => events.push(event.clone()),
            other => *other = Some((time, vec![event.clone()])),
        }
        self.bytes = total - freed + bytes;
        self.version += 1;
        Verdict::Fresh
    }

    /// Changes with the content.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The ring as it travels: all slots, mostly empty.
    pub(crate) fn to_slots(&self) -> Vec<Option<UserEvents>> {
        let mut slots: Vec<_> = self
            .ring
            .slots
            .iter()
            .map(|slot| {
                let (lamport_time, events) = slot.as_ref()?;
                Some(UserEvents { lamport_time: *lamport_time, events: events.clone() })
            })
            .collect();
        slots.resize(self.ring.size as usize, None);
        slots
    }
}

fn cost(event: &BufferedEvent) -> usize {
    let content = event.name.len() + event.payload.as_ref().map_or(0, bytes::Bytes::len);
    content + limits::EVENT_OVERHEAD_BYTES
}

/// The ids of the queries of the last times.
#[derive(Debug)]
pub(crate) struct QueryHistory {
    ring: Ring<Vec<u32>>,
}

impl QueryHistory {
    /// Queries before `minimum` are not wanted.
    pub(crate) fn new(size: usize, minimum: LamportTime) -> Self {
        QueryHistory { ring: Ring::new(size, minimum) }
    }

    /// Whether a query of that time is wanted at all. `now` is the query clock.
    pub(crate) fn see(&mut self, time: LamportTime, id: u32, now: LamportTime) -> Verdict {
        if !self.ring.admits(time, now) {
            return Verdict::Old;
        }
        match self.ring.slot(time) {
            Some((held, ids)) if *held == time => {
                if ids.contains(&id) {
                    return Verdict::Repeated;
                }
                if ids.len() >= limits::QUERIES_PER_TIME {
                    return Verdict::Crowded;
                }
                ids.push(id);
            }
            other => *other = Some((time, vec![id])),
        }
        Verdict::Fresh
    }
}

#[cfg(test)]
mod tests;
