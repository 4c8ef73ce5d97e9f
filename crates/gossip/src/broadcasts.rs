//! Everything that waits to be told: the membership's own queue, then those of the layer above.

use bytes::Bytes;
use wire::NodeName;
use wire::compound::PER_MESSAGE;
use wire::message::gossip::Message;

use crate::broadcast_queue::retransmit_limit;
use crate::broadcast_queue::{Broadcast, BroadcastQueue, Fetched, Room, Sends, Slot};
use crate::interface::{Priority, Subject, Token};
use crate::limits;

/// The queues, in the order in which they fill a packet.
#[derive(Debug)]
pub(crate) struct Broadcasts {
    retransmit_mult: u32,
    membership: BroadcastQueue,
    intents: BroadcastQueue,
    queries: BroadcastQueue,
    events: BroadcastQueue,
    /// What others tell as well: of members that have appeared in a crowd, and of their joins. It
    /// is told once, or not at all.
    hearsay: [BroadcastQueue; 2],
    user_members: usize,
}

/// Those of the queues that ticks look into; hearsay comes behind them.
const OWN_QUEUES: usize = 4;

/// What a packet is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Whatever is wanted most; its eager send, if due, remains due.
    Piggyback,
    /// Whatever is wanted most; random peers get it, so that no eager send is needed.
    Tick,
    /// Only what waits for its eager send, for that many peers.
    Eager(u32),
    /// Only hearsay, for that many peers.
    Hearsay(u32),
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
    /// Once, and not even that if somebody else tells it before: too much is to be told, and who
    /// misses it among so much makes sure by an exchange.
    Hearsay,
    /// Not at all: exchanges bring it to everybody.
    Never,
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
            hearsay: [
                BroadcastQueue::new(limits::HEARSAY, usize::MAX),
                BroadcastQueue::new(limits::HEARSAY, limits::QUEUE_BYTES),
            ],
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
        if urgency == Urgency::Never {
            return Vec::from_iter(waiter);
        }
        let slot = Some(Slot { node: node.clone(), intent: None });
        let transmits = match urgency {
            Urgency::LastSends(sends) => retransmit_limit(self.retransmit_mult, members)
                .saturating_sub(u32::try_from(sends).unwrap_or(u32::MAX)),
            Urgency::Eager | Urgency::Ticks | Urgency::Hearsay | Urgency::Never => 0,
        };
        let fresh = matches!(urgency, Urgency::Eager | Urgency::Hearsay);
        let message = message.encode().into();
        let [hearsay, _] = &mut self.hearsay;
        let queue = if urgency == Urgency::Hearsay {
            hearsay
        } else {
            hearsay.drop_about(node.as_str());
            &mut self.membership
        };
        queue.push(Broadcast { message, slot, waiter, fresh, transmits })
    }

    /// Queues a message of the layer above. Returns the waiters that are through.
    pub(crate) fn push_user(
        &mut self,
        priority: Priority,
        subject: Subject,
        message: &Bytes,
        waiter: Option<Token>,
        urgency: Urgency,
    ) -> Vec<Token> {
        let holds = |node: &NodeName| self.intents.holds(node.as_str());
        if urgency == Urgency::Never
            && !matches!(&subject, Subject::Intent { node, .. } if holds(node))
        {
            return Vec::from_iter(waiter);
        }
        let fresh = matches!(urgency, Urgency::Eager | Urgency::Hearsay);
        let slot = match subject {
            Subject::None => None,
            Subject::Intent { node, time, kind } => Some(Slot { node, intent: Some((time, kind)) }),
        };
        let message = Message::User(message.clone()).encode().into();
        let [_, hearsay] = &mut self.hearsay;
        let node = slot.as_ref().map(|slot| slot.node.as_str());
        let queue = match node {
            // It takes the place of what else is told of that member.
            Some(node) if urgency == Urgency::Hearsay && !self.intents.holds(node) => hearsay,
            Some(node) => {
                hearsay.drop_about(node);
                self.user(priority)
            }
            None => self.user(priority),
        };
        queue.push(Broadcast { message, slot, waiter, fresh, transmits: 0 })
    }

    pub(crate) fn len(&self) -> usize {
        self.queues().iter().map(|queue| queue.len()).sum()
    }

    pub(crate) fn membership_length(&self) -> usize {
        self.membership.len() + self.hearsay[0].len()
    }

    pub(crate) fn twice_queued(&self) -> Option<NodeName> {
        self.queues().iter().find_map(|queue| queue.twice_queued())
    }

    pub(crate) fn user_length(&self, priority: Priority) -> usize {
        match priority {
            Priority::Intent => self.intents.len() + self.hearsay[1].len(),
            Priority::Query => self.queries.len(),
            Priority::Event => self.events.len(),
        }
    }

    pub(crate) fn prune_user(&mut self, priority: Priority, max: usize) -> (usize, Vec<Token>) {
        self.user(priority).prune(max)
    }

    /// Whether nothing is left for ticks.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues()[..OWN_QUEUES].iter().all(|queue| queue.is_empty())
    }

    /// Whether something waits for its eager send, hearsay apart.
    pub(crate) fn has_fresh(&self) -> bool {
        self.queues()[..OWN_QUEUES].iter().any(|queue| queue.has_fresh())
    }

    pub(crate) fn has_hearsay(&self) -> bool {
        self.hearsay.iter().any(|queue| !queue.is_empty())
    }

    /// Somebody else has told of that member.
    pub(crate) fn heard_again(&mut self, node: &str) {
        self.hearsay[0].drop_about(node);
    }

    /// Somebody else has told of its join.
    pub(crate) fn join_heard_again(&mut self, node: &str) {
        self.hearsay[1].drop_about(node);
    }

    /// What others tell as well is not told any more.
    pub(crate) fn forget_hearsay(&mut self) {
        for queue in &mut self.hearsay {
            queue.clear();
        }
    }

    pub(crate) fn forget_fresh(&mut self) {
        for queue in self.queues_mut() {
            queue.forget_fresh();
        }
    }

    /// Takes what fits into `budget` bytes, in a cluster of `members` table entries.
    pub(crate) fn fetch(&mut self, budget: usize, members: usize, fill: Fill) -> Fetched {
        let mut all = Fetched::default();
        if self.queues().iter().all(|queue| queue.is_empty()) {
            return all;
        }
        let mult = self.retransmit_mult;
        let user_members = self.user_members;
        for (index, queue) in self.queues_mut().into_iter().enumerate() {
            let limit = budget.saturating_sub(all.used);
            let room = Room { overhead: PER_MESSAGE, limit };
            let known = if index == 0 { members } else { user_members };
            let limit = if index < OWN_QUEUES { retransmit_limit(mult, known) } else { 1 };
            let fetched = match fill {
                Fill::Piggyback | Fill::Tick if index >= OWN_QUEUES => continue,
                Fill::Hearsay(_) if index < OWN_QUEUES => continue,
                Fill::Piggyback => queue.fetch(room, Sends { limit, copies: 1 }, true),
                Fill::Tick => queue.fetch(room, Sends { limit, copies: 1 }, false),
                Fill::Eager(copies) | Fill::Hearsay(copies) => {
                    queue.fetch_fresh(room, Sends { limit, copies })
                }
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

    fn queues(&self) -> [&BroadcastQueue; 6] {
        let [members, joins] = &self.hearsay;
        [&self.membership, &self.intents, &self.queries, &self.events, members, joins]
    }

    fn queues_mut(&mut self) -> [&mut BroadcastQueue; 6] {
        let Broadcasts { membership, intents, queries, events, hearsay: [members, joins], .. } =
            self;
        [membership, intents, queries, events, members, joins]
    }
}
