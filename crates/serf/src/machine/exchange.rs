//! The Serf half of a push/pull. Specification "Gossip wire protocol and behaviour", B7.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use gossip::{FrozenState, FrozenUserState, RemoteNodes, SharedBytes, StreamRequest, Time, Token};
use wire::message::gossip::{PushPullHeader, StreamMessage};
use wire::message::serf::{SerfMessage, SerfPushPull, StatusTimes, UserEvent, UserEvents, kind};
use wire::msgpack::Writer;
use wire::planted::{Fault, planted};
use wire::{Incarnation, LamportTime, NodeName};

use super::join::JoinTask;
use super::{Phase, Serf, Waiting};
use crate::interface::Fact;
use crate::table::Entries;

/// The own state, encoded once for all peers until it changes, and only while an exchange holds it.
#[derive(Debug)]
pub(super) struct UserStateCache {
    key: StateKey,
    encoded: SharedBytes,
}

/// The own state for members of the same process, which need not read what they share.
#[derive(Debug)]
struct FrozenOwnState {
    /// With the status times, and of whom.
    entries: Entries,
    /// All but the status times.
    rest: SerfPushPull,
}

/// The clocks of a state: of members, of events, of queries.
type Clocks = [LamportTime; 3];

/// Everything that the own state is made of, as numbers that change with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StateKey {
    clocks: Clocks,
    table: u64,
    events: u64,
}

impl Serf {
    /// What is written to a stream for a request of the layer below.
    pub(super) fn segments(&mut self, request: StreamRequest) -> Vec<Bytes> {
        match request {
            StreamRequest::PushPull { join, node_count, nodes } => {
                let user_state = self.encoded_state();
                vec![header(join, node_count, user_state.len()), nodes, user_state]
            }
            StreamRequest::Pull { own } => {
                let user_state = self.own_status();
                vec![header(false, 1, user_state.len()), own, user_state]
            }
            StreamRequest::Frozen(table) => {
                let user_state = self.frozen_state();
                let length = header(false, table.len(), user_state.length).len()
                    + table.encoded_len()
                    + user_state.length;
                self.frozen.push_back((FrozenState { table, user_state }, length));
                Vec::new()
            }
            StreamRequest::Ping(ping) => vec![StreamMessage::Ping(ping).encode().into()],
            StreamRequest::Ack(ack) => vec![StreamMessage::Ack(ack).encode().into()],
        }
    }

    pub(super) fn encoded_state(&mut self) -> Bytes {
        let key = self.state_key();
        let known = self.user_state.as_ref().filter(|cache| cache.key == key);
        if let Some(encoded) = known.and_then(|cache| cache.encoded.get()) {
            return encoded;
        }
        let mut encoded = SharedBytes::default();
        let times = self.table.iter().map(|entry| (entry.member.name.as_str(), entry.status_time));
        let times = times.collect();
        let bytes = encoded.share(SerfMessage::PushPull(self.own_state(times)).encode());
        self.user_state = Some(UserStateCache { key, encoded });
        bytes
    }

    /// The own state without what it tells of others.
    fn own_status(&self) -> Bytes {
        let own = self.table.get(self.name.as_str());
        let times = own.map(|entry| (entry.member.name.as_str(), entry.status_time));
        let state = SerfPushPull {
            lamport_time: self.clocks.member.time(),
            status_lamport_times: times.into_iter().collect(),
            left_members: Vec::new(),
            event_lamport_time: self.clocks.event.time(),
            events: Some(Vec::new()),
            query_lamport_time: self.clocks.query.time(),
        };
        SerfMessage::PushPull(state).encode().into()
    }

    fn frozen_state(&mut self) -> FrozenUserState {
        let entries = self.table.freeze();
        let message = SerfMessage::PushPull(self.own_state(StatusTimes::default()));
        let head = |times: usize| {
            let mut out = Vec::new();
            Writer::new(&mut out).write_map(times);
            out.len()
        };
        let length =
            message.encode().len() - head(0) + head(entries.len()) + self.table.times_len();
        let SerfMessage::PushPull(rest) = message else { unreachable!("it was made above") };
        FrozenUserState { state: Arc::new(FrozenOwnState { entries, rest }), length }
    }

    /// What a frozen state is as it would have been written to a stream.
    pub fn encode_frozen(state: &FrozenState) -> Vec<Bytes> {
        let FrozenState { table, user_state } = state;
        let own = user_state.state.downcast_ref::<FrozenOwnState>();
        let user_state = own.map_or_else(Bytes::new, |FrozenOwnState { entries, rest }| {
            let times = entries.iter();
            let times = times.map(|entry| (entry.member.name.as_str(), entry.status_time));
            let state = SerfPushPull { status_lamport_times: times.collect(), ..rest.clone() };
            SerfMessage::PushPull(state).encode().into()
        });
        vec![header(false, table.len(), user_state.len()), table.encode(), user_state]
    }

    fn state_key(&self) -> StateKey {
        let clocks = [self.clocks.member, self.clocks.event, self.clocks.query];
        StateKey {
            clocks: clocks.map(|clock| clock.time()),
            table: self.table.version(),
            events: self.events.version(),
        }
    }

    fn own_state(&self, times: StatusTimes) -> SerfPushPull {
        SerfPushPull {
            lamport_time: self.clocks.member.time(),
            status_lamport_times: times,
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
        nodes: &RemoteNodes,
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
        self.witness_clocks(clocks_of(&state));
        let own_time = state.status_lamport_times.get(self.name.as_str());
        self.answer_hidden_leave(now, token, own_time, &state.left_members);
        self.merge_members(now, nodes, &state);
        // Before the events: they are what is not wanted. Only for our own joins.
        if join && self.ignores_old_events(token) && !planted(Fault::OldEventsTaken) {
            let minimum = state.event_lamport_time.min(self.clocks.event.time());
            self.events.raise_minimum(minimum);
        }
        self.take_events(now, state.events.into_iter().flatten().flatten());
    }

    /// As [`Self::on_remote_state`], of an exchange that is no join.
    pub(super) fn on_frozen_state(
        &mut self,
        now: Time,
        nodes: &RemoteNodes,
        frozen: &FrozenUserState,
        token: Option<Token>,
    ) {
        let Some(state) = frozen.state.downcast_ref::<FrozenOwnState>() else { return };
        let FrozenOwnState { entries, rest } = state;
        let left = &rest.left_members;
        self.witness_clocks(clocks_of(rest));
        let time_of = |node: &NodeName| {
            let place = entries.binary_search_by(|entry| entry.member.name.cmp(node)).ok()?;
            Some(entries[place].status_time)
        };
        self.answer_hidden_leave(now, token, time_of(&self.name), left);
        for (node, time) in self.not_back(left, nodes, time_of) {
            self.on_listed_leave(now, node, time);
        }
        let mut place = 0;
        for (there, entry) in entries.iter().enumerate() {
            // What both have adopted has the oldest of all times, and nobody has guessed it.
            let name = &entry.member.name;
            if !self.table.shares(there, entry) && left.binary_search(name).is_err() {
                self.on_listed_time(now, name.as_str(), entry.status_time, &mut place);
            }
        }
        self.take_events(now, rest.events.iter().flatten().flatten().cloned());
    }

    fn witness_clocks(&mut self, [member, event, query]: Clocks) {
        let mut absurd = None;
        let clocks = &mut self.clocks;
        for (clock, theirs) in
            [(&mut clocks.member, member), (&mut clocks.event, event), (&mut clocks.query, query)]
        {
            if !clock.witness_clock(theirs) {
                absurd.get_or_insert(theirs);
            }
        }
        if let Some(time) = absurd {
            self.dropped_as_absurd(time);
        }
    }

    fn take_events(&mut self, now: Time, slots: impl Iterator<Item = UserEvents>) {
        for slot in slots {
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
    fn answer_hidden_leave(
        &mut self,
        now: Time,
        token: Option<Token>,
        theirs: Option<LamportTime>,
        left: &[NodeName],
    ) {
        let own = self.table.get(self.name.as_str()).map(|entry| entry.status_time);
        let Some(theirs) = theirs else { return };
        let told_before = std::mem::replace(&mut self.was_told_own_time, true);
        let known =
            own.is_some_and(|own| theirs > own && (told_before || own != LamportTime::default()));
        let listed = left.contains(&self.name);
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
    fn merge_members(&mut self, now: Time, nodes: &RemoteNodes, state: &SerfPushPull) {
        let times = &state.status_lamport_times;
        if planted(Fault::StatusTimesFirst) {
            times.iter().for_each(|(node, time)| self.on_listed_time(now, node, time, &mut 0));
        }
        let time_of = |node: &NodeName| times.get(node.as_str());
        for (node, time) in self.not_back(&state.left_members, nodes, time_of) {
            self.on_listed_leave(now, node, time);
        }
        let left: BTreeSet<&str> = state.left_members.iter().map(NodeName::as_str).collect();
        let mut place = 0;
        for (node, time) in times.iter().filter(|(node, _)| !left.contains(node)) {
            self.on_listed_time(now, node, time, &mut place);
        }
    }

    /// Those of the left who have not come back since, and the listed times: in an incarnation that
    /// the sender has not heard of, or of which it has forgotten all. A leave is of the run that it
    /// ended. What is said of ourselves is not for others to know: we refute it. Of the others the
    /// leave is kept: we may have slept until the sender had forgotten the rest.
    fn not_back<'a>(
        &mut self,
        left: &'a [NodeName],
        nodes: &RemoteNodes,
        time_of: impl Fn(&NodeName) -> Option<LamportTime>,
    ) -> Vec<(&'a NodeName, Option<LamportTime>)> {
        let here = |name: &'a NodeName| {
            let node = self.gossip.node(name.as_str()).filter(|node| node.is_live())?;
            (*name != self.name).then_some((name.as_str(), node.incarnation))
        };
        let mut back: BTreeMap<&str, Incarnation> = left.iter().filter_map(here).collect();
        if !back.is_empty() {
            for (name, known) in nodes.incarnations() {
                if back.get(name).is_some_and(|incarnation| known >= *incarnation) {
                    back.remove(name);
                }
            }
        }
        let mut not_back = Vec::new();
        for name in left {
            let time = time_of(name);
            match back.get(name.as_str()) {
                None => not_back.push((name, time)),
                Some(incarnation) if self.table.get(name.as_str()).is_some() => {
                    self.intents.passed_over.insert(name.clone(), (*incarnation, time));
                }
                Some(_) => {}
            }
        }
        not_back
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

fn clocks_of(state: &SerfPushPull) -> Clocks {
    [state.lamport_time, state.event_lamport_time, state.query_lamport_time]
}

fn header(join: bool, nodes: usize, user_state_length: usize) -> Bytes {
    let mut out = Vec::new();
    PushPullHeader { join, nodes, user_state_length }.write(&mut Writer::new(&mut out));
    out.into()
}
