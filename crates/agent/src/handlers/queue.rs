//! The events that wait for the handlers.
//!
//! At most a fixed number. When it is reached, member events are merged first: of each member only
//! the latest stays. If that frees no place, the oldest event is dropped and counted.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serf::Event;
use wire::NodeName;

#[derive(Debug)]
pub(super) struct Queue {
    events: VecDeque<Arc<Event>>,
    limit: usize,
    /// Whether a member event came since the last merge: without, another merge frees nothing.
    unmerged: bool,
    dropped: u64,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Queue { events: VecDeque::new(), limit, unmerged: false, dropped: 0 }
    }

    /// Adds an event. True when this is the first time since [`Queue::take_dropped`] that another
    /// had to go for it.
    pub(super) fn push(&mut self, event: Arc<Event>) -> bool {
        self.unmerged |= matches!(*event, Event::Member { .. });
        self.events.push_back(event);
        if self.events.len() > self.limit && self.unmerged {
            self.merge();
        }
        if self.events.len() <= self.limit {
            return false;
        }
        self.events.pop_front();
        self.dropped += 1;
        self.dropped == 1
    }

    pub(super) fn pop(&mut self) -> Option<Arc<Event>> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // What a long backlog needed is not kept for ever.
            self.events.shrink_to(8);
        }
        event
    }

    /// How many events were dropped since the last call, if any.
    pub(super) fn take_dropped(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.dropped)).filter(|dropped| *dropped > 0)
    }

    /// Keeps of each member only the latest event.
    fn merge(&mut self) {
        self.unmerged = false;
        let mut seen: BTreeSet<NodeName> = BTreeSet::new();
        let mut kept: VecDeque<Arc<Event>> = VecDeque::with_capacity(self.events.len());
        for event in self.events.drain(..).rev() {
            let Event::Member { kind, members } = &*event else {
                kept.push_front(event);
                continue;
            };
            let fresh: Vec<_> =
                members.iter().filter(|member| seen.insert(member.name.clone())).cloned().collect();
            if fresh.len() == members.len() {
                kept.push_front(event);
            } else if !fresh.is_empty() {
                kept.push_front(Arc::new(Event::Member { kind: *kind, members: fresh }));
            }
        }
        self.events = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serf::{Member, MemberEventKind, MemberStatus};
    use wire::{Address, LamportTime, Versions};

    fn user(number: u64) -> Arc<Event> {
        Arc::new(Event::User {
            lamport_time: LamportTime(number),
            name: "e".into(),
            payload: None,
            coalesce: false,
        })
    }

    fn member(kind: MemberEventKind, names: &[&str]) -> Arc<Event> {
        let members = names
            .iter()
            .map(|name| Member {
                name: NodeName::from(*name),
                address: Address::default(),
                port: 1,
                tags: Arc::default(),
                status: MemberStatus::Alive,
                versions: Versions::default(),
            })
            .collect();
        Arc::new(Event::Member { kind, members })
    }

    fn drain(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|event| match &*event {
                Event::Member { kind, members } => {
                    let names: Vec<_> = members.iter().map(|m| m.name.to_string()).collect();
                    format!("{} {}", kind.as_str(), names.join(","))
                }
                Event::User { lamport_time, .. } => format!("user {lamport_time}"),
                Event::Query { .. } => "query".to_owned(),
            })
            .collect()
    }

    #[test]
    fn the_oldest_go_when_nothing_can_be_merged() {
        let mut queue = Queue::new(3);
        let firsts: Vec<bool> = (0..6).map(|number| queue.push(user(number))).collect();
        assert_eq!(firsts, [false, false, false, true, false, false]);
        assert_eq!(drain(&mut queue), ["user 3", "user 4", "user 5"]);
        assert_eq!(queue.take_dropped(), Some(3));
        assert_eq!(queue.take_dropped(), None);
    }

    #[test]
    fn member_events_are_merged_before_anything_is_dropped() {
        let mut queue = Queue::new(3);
        queue.push(member(MemberEventKind::Join, &["a", "b"]));
        queue.push(user(1));
        queue.push(member(MemberEventKind::Failed, &["a"]));
        assert!(!queue.push(member(MemberEventKind::Leave, &["a"])));
        assert_eq!(drain(&mut queue), ["member-join b", "user 1", "member-leave a"]);
        assert_eq!(queue.take_dropped(), None);
    }

    #[test]
    fn merging_that_frees_nothing_drops() {
        let mut queue = Queue::new(2);
        queue.push(member(MemberEventKind::Join, &["a"]));
        queue.push(member(MemberEventKind::Join, &["b"]));
        assert!(queue.push(member(MemberEventKind::Join, &["c"])));
        assert_eq!(drain(&mut queue), ["member-join b", "member-join c"]);
    }
}
