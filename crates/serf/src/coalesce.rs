//! Coalescing: many events of a short while become few. Specification "Gossip wire protocol and
//! behaviour", B16.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::Time;
use wire::{LamportTime, NodeName};

use crate::interface::{Event, Member, MemberEventKind};
use crate::limits;

/// When to flush: `period` after the first event held or `quiet` after the last one, whichever
/// is earlier.
#[derive(Clone, Copy, Debug)]
struct Window {
    period: Duration,
    quiet: Duration,
    open_until: Option<Time>,
}

impl Window {
    /// None unless both periods are above zero: no coalescing then.
    fn new(period: Duration, quiet: Duration) -> Option<Self> {
        let both = !period.is_zero() && !quiet.is_zero();
        both.then_some(Window { period, quiet, open_until: None })
    }

    /// Notes an event; the time to flush.
    fn extend(&mut self, now: Time) -> Time {
        let until = *self.open_until.get_or_insert(now + self.period);
        until.min(now + self.quiet)
    }
}

/// Keeps the latest event of each member.
///
/// Unlike the reference, a flush empties it: there an update comes again at every later flush.
#[derive(Debug)]
pub(crate) struct MemberCoalescer {
    window: Window,
    latest: BTreeMap<NodeName, (MemberEventKind, Member)>,
    delivered: BTreeMap<NodeName, MemberEventKind>,
}

impl MemberCoalescer {
    pub(crate) fn new(period: Duration, quiet: Duration) -> Option<Self> {
        let window = Window::new(period, quiet)?;
        Some(MemberCoalescer { window, latest: BTreeMap::new(), delivered: BTreeMap::new() })
    }

    /// Takes an event; returns when to flush. More than a bounded number is to be flushed at once.
    pub(crate) fn hold(&mut self, now: Time, kind: MemberEventKind, member: Member) -> Time {
        self.latest.insert(member.name.clone(), (kind, member));
        let flush = self.window.extend(now);
        if self.latest.len() >= limits::COALESCED_EVENTS { now } else { flush }
    }

    /// What is to be delivered, one event per kind. What was delivered last for a member is not
    /// delivered again, save for updates: they differ in what they say.
    pub(crate) fn flush(&mut self) -> Vec<Event> {
        self.window.open_until = None;
        let mut by_kind: BTreeMap<MemberEventKind, Vec<Member>> = BTreeMap::new();
        for (name, (kind, member)) in std::mem::take(&mut self.latest) {
            let repeated = self.delivered.get(&name) == Some(&kind);
            if repeated && kind != MemberEventKind::Update {
                continue;
            }
            if kind == MemberEventKind::Reap {
                // Erased: what comes next for the name is another story, and memory is bounded.
                self.delivered.remove(&name);
            } else {
                self.delivered.insert(name, kind);
            }
            by_kind.entry(kind).or_default().push(member);
        }
        by_kind.into_iter().map(|(kind, members)| Event::Member { kind, members }).collect()
    }
}

/// A user event on its way to the application.
type UserEvents = Vec<Event>;

/// Keeps, of the user events of one name, those with the highest time.
#[derive(Debug)]
pub(crate) struct UserCoalescer {
    window: Window,
    latest: BTreeMap<String, (LamportTime, UserEvents)>,
    held: usize,
}

impl UserCoalescer {
    pub(crate) fn new(period: Duration, quiet: Duration) -> Option<Self> {
        Some(UserCoalescer {
            window: Window::new(period, quiet)?,
            latest: BTreeMap::new(),
            held: 0,
        })
    }

    /// Takes an event of that name and time; returns when to flush. More than a bounded number
    /// is to be flushed at once.
    pub(crate) fn hold(&mut self, now: Time, name: &str, time: LamportTime, event: Event) -> Time {
        match self.latest.get_mut(name) {
            Some((held, _)) if *held > time => {}
            Some((held, events)) if *held == time => {
                events.push(event);
                self.held += 1;
            }
            other => {
                let replaced = other.map_or(0, |(_, events)| events.len());
                self.held = self.held + 1 - replaced;
                self.latest.insert(name.to_owned(), (time, vec![event]));
            }
        }
        let flush = self.window.extend(now);
        if self.held >= limits::COALESCED_EVENTS { now } else { flush }
    }

    /// What is to be delivered.
    pub(crate) fn flush(&mut self) -> Vec<Event> {
        self.window.open_until = None;
        self.held = 0;
        std::mem::take(&mut self.latest).into_values().flat_map(|(_, events)| events).collect()
    }
}

#[cfg(test)]
mod tests;
