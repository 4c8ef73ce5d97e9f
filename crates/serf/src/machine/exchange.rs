//! The Serf half of a push/pull. Specification "Gossip wire protocol and behaviour", B7.

use std::collections::BTreeSet;

use bytes::Bytes;
use gossip::{SharedBytes, StreamRequest, Time, Token};
use wire::message::gossip::{PushPullHeader, StreamMessage};
use wire::message::serf::{SerfMessage, SerfPushPull, UserEvent, kind};
use wire::msgpack::Writer;
use wire::planted::{Fault, planted};
use wire::{LamportTime, NodeName};

use super::join::JoinTask;
use super::{Phase, Serf, Waiting};
use crate::interface::Fact;

/// The own state, encoded once for all peers until it changes, and only while an exchange holds it.
#[derive(Debug)]
pub(super) struct UserStateCache {
    key: StateKey,
    encoded: SharedBytes,
}

/// Everything that the own state is made of, as numbers that change with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StateKey {
    clocks: [LamportTime; 3],
    table: u64,
    events: u64,
}

impl Serf {
    /// What is written to a stream for a request of the layer below.
    pub(super) fn segments(&mut self, request: StreamRequest) -> Vec<Bytes> {
        match request {
            StreamRequest::PushPull { join, node_count, nodes } => {
                let user_state = self.encoded_state();
                let header =
                    PushPullHeader { join, nodes: node_count, user_state_length: user_state.len() };
                let mut out = Vec::new();
                header.write(&mut Writer::new(&mut out));
                vec![out.into(), nodes, user_state]
            }
            StreamRequest::Ping(ping) => vec![StreamMessage::Ping(ping).encode().into()],
            StreamRequest::Ack(ack) => vec![StreamMessage::Ack(ack).encode().into()],
        }
    }

    pub(super) fn encoded_state(&mut self) -> Bytes {
        let clocks = [self.clocks.member, self.clocks.event, self.clocks.query];
        let key = StateKey {
            clocks: clocks.map(|clock| clock.time()),
            table: self.table.version(),
            events: self.events.version(),
        };
        let known = self.user_state.as_ref().filter(|cache| cache.key == key);
        if let Some(encoded) = known.and_then(|cache| cache.encoded.get()) {
            return encoded;
        }
        let mut encoded = SharedBytes::default();
        let bytes = encoded.share(SerfMessage::PushPull(self.own_state()).encode());
        self.user_state = Some(UserStateCache { key, encoded });
        bytes
    }

    fn own_state(&self) -> SerfPushPull {
        let times = self.table.iter().map(|entry| (entry.member.name.as_str(), entry.status_time));
        SerfPushPull {
            lamport_time: self.clocks.member.time(),
            status_lamport_times: times.collect(),
            left_members: self.table.left().iter().cloned().collect(),
            event_lamport_time: self.clocks.event.time(),
            events: Some(self.events.to_slots()),
            query_lamport_time: self.clocks.query.time(),
        }
    }

    pub(super) fn on_remote_state(
        &mut self,
        now: Time,
        join: bool,
        state: &[u8],
        token: Option<Token>,
    ) {
        let state = match SerfMessage::decode(state) {
            Ok(SerfMessage::PushPull(state)) => state,
            Ok(_) => {
                return self.dropped(format!("a state that is not of type {}", kind::PUSH_PULL));
            }
            Err(error) => return self.dropped(format!("a peer's state cannot be read: {error}")),
        };
        let mut absurd = None;
        let clocks = &mut self.clocks;
        for (clock, theirs) in [
            (&mut clocks.member, state.lamport_time),
            (&mut clocks.event, state.event_lamport_time),
            (&mut clocks.query, state.query_lamport_time),
        ] {
            if !clock.witness_clock(theirs) {
                absurd.get_or_insert(theirs);
            }
        }
        if let Some(time) = absurd {
            self.dropped_as_absurd(time);
        }
        self.answer_hidden_leave(now, token, &state);
        self.merge_members(now, &state);
        // Before the events: they are what is not wanted. Only for our own joins.
        if join && self.ignores_old_events(token) && !planted(Fault::OldEventsTaken) {
            let minimum = state.event_lamport_time.min(self.clocks.event.time());
            self.events.raise_minimum(minimum);
        }
        for slot in state.events.into_iter().flatten().flatten() {
            for event in slot.events {
                let event = UserEvent {
                    lamport_time: slot.lamport_time,
                    name: event.name,
                    payload: event.payload,
                    coalesce: false,
                };
                self.on_user_event(now, event);
            }
        }
    }

    /// Only we ourselves raise the time of our joins: who has a later one for us, and does not
    /// list us as left, has heard of a leave, which may be one that others have made up (the
    /// time of a listed leave is a guess). It takes us for leaving, and would do so for ever.
    /// A join under way ends with an intent anyway. The first time that we are told in a run, if we
    /// have none yet, is from the run before.
    fn answer_hidden_leave(&mut self, now: Time, token: Option<Token>, state: &SerfPushPull) {
        let own = self.table.get(self.name.as_str()).map(|entry| entry.status_time);
        let Some(theirs) = state.status_lamport_times.get(self.name.as_str()) else { return };
        let told_before = std::mem::replace(&mut self.was_told_own_time, true);
        let known =
            own.is_some_and(|own| theirs > own && (told_before || own != LamportTime::default()));
        let listed = state.left_members.contains(&self.name);
        if self.phase == Phase::Running
            && known
            && !listed
            && self.join_under_way(token).is_none()
            && self.clocks.member.witness(theirs)
        {
            self.fact(Fact::LeaveRefuted);
            self.broadcast_join(now);
        }
    }

    /// Leaves first: a name that is on the left list has a status time too, and must not be taken
    /// for a joiner. None of it is passed on.
    fn merge_members(&mut self, now: Time, state: &SerfPushPull) {
        let times = &state.status_lamport_times;
        if planted(Fault::StatusTimesFirst) {
            times.iter().for_each(|(node, time)| self.on_listed_time(now, node, time, &mut 0));
        }
        for node in &state.left_members {
            self.on_listed_leave(now, node, times.get(node.as_str()));
        }
        let left: BTreeSet<&str> = state.left_members.iter().map(NodeName::as_str).collect();
        let mut place = 0;
        for (node, time) in times.iter().filter(|(node, _)| !left.contains(node)) {
            self.on_listed_time(now, node, time, &mut place);
        }
    }

    fn ignores_old_events(&self, token: Option<Token>) -> bool {
        self.join_under_way(token).is_some_and(|task| task.ignore_old_events)
    }

    fn join_under_way(&self, token: Option<Token>) -> Option<&JoinTask> {
        match token.and_then(|token| self.waiting.get(&token)) {
            Some(Waiting::Join(task)) => Some(task),
            _ => None,
        }
    }
}
