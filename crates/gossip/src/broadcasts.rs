//! Everything that waits to be told: the membership's own queue, then those of the layer above.

use bytes::Bytes;
use wire::NodeName;
use wire::compound::PER_MESSAGE;
use wire::message::gossip::Message;

use crate::broadcast_queue::retransmit_limit;
use crate::broadcast_queue::{Broadcast, BroadcastQueue, Fetched, Room, Sends, Slot};
use crate::interface::{Priority, Subject, Token};
use crate::limits;

/// The four queues, in the order in which they fill a packet.
#[derive(Debug)]
pub(crate) struct Broadcasts {
    retransmit_mult: u32,
    membership: BroadcastQueue,
    intents: BroadcastQueue,
    queries: BroadcastQueue,
    events: BroadcastQueue,
    user_members: usize,
}

/// What a packet is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Whatever is wanted most; its eager send, if due, remains due.
    Piggyback,
    /// Whatever is wanted most; random peers get it, so that no eager send is needed.
    Tick,
    /// Only what waits for its eager send, for that many peers.
    Eager(u32),
}

/// How a broadcast starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// With an eager send.
    Eager,
    /// On the ticks.
    Ticks,
    /// On the ticks, and only for its last few sends: nearly everybody knows it already.
    LastSends(usize),
}

impl Broadcasts {
    pub(crate) fn new(retransmit_mult: u32) -> Self {
        Broadcasts {
            retransmit_mult,
            // One slot per node of a table that is bounded itself.
            membership: BroadcastQueue::new(limits::MEMBERS, usize::MAX),
            intents: BroadcastQueue::new(limits::INTENTS, limits::QUEUE_BYTES),
            queries: BroadcastQueue::new(limits::BROADCASTS, limits::QUEUE_BYTES),
            events: BroadcastQueue::new(limits::BROADCASTS, limits::QUEUE_BYTES),
            user_members: 1,
        }
    }

    pub(crate) fn set_user_members(&mut self, members: usize) {
        self.user_members = members;
    }

    /// Queues a message about a node, in a cluster of `members` table entries. Returns the
    /// waiters that are through.
    pub(crate) fn push_membership(
        &mut self,
        members: usize,
        node: NodeName,
        message: &Message,
        waiter: Option<Token>,
        urgency: Urgency,
    ) -> Vec<Token> {
        let slot = Some(Slot { node, intent: None });
        let transmits = match urgency {
            Urgency::Eager | Urgency::Ticks => 0,
            Urgency::LastSends(sends) => retransmit_limit(self.retransmit_mult, members)
                .saturating_sub(u32::try_from(sends).unwrap_or(u32::MAX)),
        };
        let fresh = urgency == Urgency::Eager;
        let message = message.encode().into();
        self.membership.push(Broadcast { message, slot, waiter, fresh, transmits })
    }

    /// Queues a message of the layer above. Returns the waiters that are through.
    pub(crate) fn push_user(
        &mut self,
        priority: Priority,
        subject: Subject,
        message: &Bytes,
        waiter: Option<Token>,
        fresh: bool,
    ) -> Vec<Token> {
        let slot = match subject {
            Subject::None => None,
            Subject::Intent { node, time, kind } => Some(Slot { node, intent: Some((time, kind)) }),
        };
        let message = Message::User(message.clone()).encode().into();
        self.user(priority).push(Broadcast { message, slot, waiter, fresh, transmits: 0 })
    }

    pub(crate) fn len(&self) -> usize {
        self.queues().iter().map(|queue| queue.len()).sum()
    }

    pub(crate) fn membership_length(&self) -> usize {
        self.membership.len()
    }

    pub(crate) fn twice_queued(&self) -> Option<NodeName> {
        self.queues().iter().find_map(|queue| queue.twice_queued())
    }

    pub(crate) fn user_length(&self, priority: Priority) -> usize {
        match priority {
            Priority::Intent => self.intents.len(),
            Priority::Query => self.queries.len(),
            Priority::Event => self.events.len(),
        }
    }

    pub(crate) fn prune_user(&mut self, priority: Priority, max: usize) -> (usize, Vec<Token>) {
        self.user(priority).prune(max)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queues().iter().all(|queue| queue.is_empty())
    }

    pub(crate) fn has_fresh(&self) -> bool {
        self.queues().iter().any(|queue| queue.has_fresh())
    }

    pub(crate) fn forget_fresh(&mut self) {
        for queue in self.queues_mut() {
            queue.forget_fresh();
        }
    }

    /// Takes what fits into `budget` bytes, in a cluster of `members` table entries.
    pub(crate) fn fetch(&mut self, budget: usize, members: usize, fill: Fill) -> Fetched {
        let mult = self.retransmit_mult;
        let user_members = self.user_members;
        let mut all = Fetched::default();
        for (index, queue) in self.queues_mut().into_iter().enumerate() {
            let limit = budget.saturating_sub(all.used);
            let room = Room { overhead: PER_MESSAGE, limit };
            let known = if index == 0 { members } else { user_members };
            let limit = retransmit_limit(mult, known);
            let fetched = match fill {
                Fill::Piggyback => queue.fetch(room, Sends { limit, copies: 1 }, true),
                Fill::Tick => queue.fetch(room, Sends { limit, copies: 1 }, false),
                Fill::Eager(copies) => queue.fetch_fresh(room, Sends { limit, copies }),
            };
            all.messages.extend(fetched.messages);
            all.finished.extend(fetched.finished);
            all.used += fetched.used;
        }
        all
    }

    fn user(&mut self, priority: Priority) -> &mut BroadcastQueue {
        match priority {
            Priority::Intent => &mut self.intents,
            Priority::Query => &mut self.queries,
            Priority::Event => &mut self.events,
        }
    }

    fn queues(&self) -> [&BroadcastQueue; 4] {
        [&self.membership, &self.intents, &self.queries, &self.events]
    }

    fn queues_mut(&mut self) -> [&mut BroadcastQueue; 4] {
        [&mut self.membership, &mut self.intents, &mut self.queries, &mut self.events]
    }
}
