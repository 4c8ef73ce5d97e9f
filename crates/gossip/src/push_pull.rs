//! Exchanging whole states: the cure for everything that gossip has missed (specification A15).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use wire::message::gossip::{Ack, BorrowedNodeState, NodeTable, PushPull, State, StreamMessage};
use wire::msgpack::Writer;
use wire::planted::{Fault, planted};
use wire::{Incarnation, NodeName, SequenceNumber};

use crate::frozen::{FrozenState, FrozenTable, UserState};
use crate::interface::Token;
use crate::interface::{CommandError, ConnectionId, DialId, Event, Fact, Output, StreamRequest};
use crate::member_table::MemberTable;
use crate::membership::next_tick;
use crate::settling::Settling;
use crate::state_rules::Origin;
use crate::versions::Incompatible;
use crate::{Membership, Time, limits, versions};

/// Above this many members the interval between exchanges grows.
const UNSCALED_MEMBERS: f64 = 32.0;

/// Streams that we have opened, and states that wait to be merged.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    dialled: BTreeMap<DialId, Dialled>,
    last_dial: u64,
    pending: VecDeque<PendingMerge>,
    pub(crate) settling: Option<Settling>,
    /// See [`Membership::freeze_states`].
    pub(crate) frozen: bool,
}

/// What a stream was opened for.
#[derive(Debug)]
pub(crate) enum Dialled {
    /// A probe, beside the indirect ones.
    Probe(SequenceNumber),
    /// An exchange.
    Exchange {
        node: Option<NodeName>,
        to: SocketAddr,
        purpose: Purpose,
        /// Whether we knew nobody else when it began.
        alone: bool,
    },
}

/// Why we exchange states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Someone asked for it.
    Command { token: Token, join: bool },
    /// The interval was over.
    Periodic,
    /// We have joined shortly before.
    Settle,
}

/// What an exchange has brought.
#[derive(Clone, Debug)]
pub(crate) struct RemoteState {
    join: bool,
    entries: Entries,
    user_state: UserState,
}

/// The sender's table as an exchange has brought it.
#[derive(Clone, Debug)]
pub struct RemoteNodes(Entries);

/// Entries of another table, in its order.
#[derive(Clone, Debug)]
enum Entries {
    Read(NodeTable),
    Frozen(FrozenTable),
}

/// A state of which some entries are still to be merged.
#[derive(Debug)]
struct PendingMerge {
    from: SocketAddr,
    entries: Entries,
    /// How many of them are merged.
    done: usize,
    user_state: UserState,
    join: bool,
    /// None: we were asked.
    purpose: Option<Purpose>,
    /// Its entries that are neither dead nor left.
    live: usize,
    /// Whether but one of them is alive, which is the sender.
    alone: bool,
    /// Whether what it brings need not be told: see [`Origin::Door`].
    known: bool,
}

impl Exchanges {
    pub(crate) fn open(&mut self, purpose: Dialled) -> DialId {
        self.last_dial += 1;
        let dial = DialId(self.last_dial);
        self.dialled.insert(dial, purpose);
        dial
    }

    /// Whether another state would be more than may wait.
    fn is_full(&self, state: &RemoteState) -> bool {
        let waiting =
            |size: fn(&PendingMerge) -> usize| self.pending.iter().map(size).sum::<usize>();
        let entries = waiting(PendingMerge::left) + state.entries.len();
        let bytes = waiting(|merge| merge.user_state.len()) + state.user_state.len();
        let too_much = entries > limits::PENDING_ENTRIES || bytes > limits::PENDING_STATE_BYTES;
        self.pending.len() >= limits::PENDING_MERGES || (too_much && !self.pending.is_empty())
    }

    pub(crate) fn len(&self) -> usize {
        self.dialled.len() + self.pending.len()
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }
}

impl Membership {
    /// An accepted stream has brought a request. It is answered before anything of it is merged.
    pub(crate) fn request(
        &mut self,
        now: Time,
        connection: ConnectionId,
        from: SocketAddr,
        message: StreamMessage,
    ) {
        match message {
            StreamMessage::Ping(ping) if self.is_for_us(&ping.node) => {
                let ack = Ack { sequence_number: ping.sequence_number, payload: None };
                let reply = StreamRequest::Ack(ack);
                self.outputs.push_back(Output::Reply { connection, reply });
            }
            StreamMessage::PushPull(state) => self.asked(now, connection, from, state.into()),
            StreamMessage::User(message) => {
                self.outputs.push_back(Output::Close { connection });
                if !message.is_empty() {
                    self.event(Event::UserMessage { from, message });
                }
            }
            StreamMessage::Ping(_) | StreamMessage::Ack(_) | StreamMessage::Error(_) => {
                self.outputs.push_back(Output::Close { connection });
            }
        }
    }

    /// A stream of ours has brought its answer.
    pub(crate) fn response(&mut self, now: Time, dial: DialId, message: StreamMessage) {
        let (to, purpose, alone) = match self.exchanges.dialled.remove(&dial) {
            None => return,
            Some(Dialled::Probe(probed)) => {
                if let StreamMessage::Ack(ack) = message {
                    self.stream_ack(probed, ack.sequence_number);
                }
                return;
            }
            Some(Dialled::Exchange { node, to, purpose, alone }) => {
                self.fact(Fact::PushPullReached { node, to });
                (to, purpose, alone)
            }
        };
        match message {
            StreamMessage::PushPull(state) => self.answered(now, to, purpose, alone, state.into()),
            StreamMessage::Error(text) => {
                self.exchange_failed(now, to, purpose, format!("remote error: {text}"));
            }
            _ => {
                self.exchange_failed(now, to, purpose, "unexpected answer to push/pull".to_owned())
            }
        }
    }

    /// As [`Self::response`], where states are frozen.
    pub(crate) fn frozen_response(&mut self, now: Time, dial: DialId, state: FrozenState) {
        let dialled = self.exchanges.dialled.remove(&dial);
        if let Some(Dialled::Exchange { node, to, purpose, alone }) = dialled {
            self.fact(Fact::PushPullReached { node, to });
            self.answered(now, to, purpose, alone, state.into());
        }
    }

    fn answered(
        &mut self,
        now: Time,
        to: SocketAddr,
        purpose: Purpose,
        alone: bool,
        state: RemoteState,
    ) {
        if let Err(error) = state.check_versions(&mut self.table) {
            return self.exchange_failed(now, to, purpose, error.to_string());
        }
        let known = self.is_known(purpose, alone);
        self.merge_later(now, to, state, Some(purpose), known);
    }

    pub(crate) fn dial_failed(&mut self, now: Time, dial: DialId, why: String) {
        if let Some(Dialled::Exchange { to, purpose, .. }) = self.exchanges.dialled.remove(&dial) {
            self.exchange_failed(now, to, purpose, why);
        }
    }

    /// Starts the exchanges that are due.
    pub(crate) fn exchange_timeout(&mut self, now: Time) {
        if let Some(due) = self.timers.push_pull.filter(|due| *due <= now) {
            self.timers.push_pull = Some(next_tick(due, self.scaled_push_pull_interval(), now));
            self.exchange_with_anyone(now, Purpose::Periodic);
        }
        if self.timers.settle.is_some_and(|due| due <= now) {
            self.timers.settle = None;
            match self.door_to_ask() {
                Some(door) => self.exchange(now, None, door, Purpose::Settle),
                None => self.exchange_with_anyone(now, Purpose::Settle),
            }
        }
    }

    /// Merges some entries of what waits, so that packets get their turn between.
    pub(crate) fn merge_slice(&mut self, now: Time) {
        let mut budget = limits::MERGE_SLICE;
        while let Some(mut merge) = self.exchanges.pending.pop_front() {
            while budget > 0 && merge.left() > 0 {
                let place = merge.done;
                budget -= 1;
                merge.done += 1;
                match &merge.entries {
                    Entries::Read(table) => {
                        let Some(entry) = table.get(place) else { continue };
                        self.merge_entry(now, entry, merge.origin(&entry));
                    }
                    Entries::Frozen(table) => {
                        let Some((slot, row)) = table.row(place) else { continue };
                        if !self.table.shares(slot, row) {
                            let versions = row.versions.to_bytes();
                            let entry = row.borrowed(&versions);
                            self.merge_entry(now, entry, merge.origin(&entry));
                        }
                    }
                }
            }
            if merge.left() > 0 {
                self.exchanges.pending.push_front(merge);
                return;
            }
            self.merged(now, merge);
            if budget == 0 {
                return;
            }
        }
    }

    /// The interval between exchanges: it grows with the logarithm of the table.
    pub(crate) fn scaled_push_pull_interval(&self) -> Duration {
        scale(self.config.push_pull_interval, self.table.len())
    }

    /// Starts an exchange, with a member or just with whom is at an address.
    pub(crate) fn exchange(
        &mut self,
        now: Time,
        node: Option<NodeName>,
        to: SocketAddr,
        purpose: Purpose,
    ) {
        let alone = self.is_alone();
        let node_is_unnamed = node.is_none();
        let dial = self.exchanges.open(Dialled::Exchange { node, to, purpose, alone });
        let join = matches!(purpose, Purpose::Command { join: true, .. });
        let asks_door = purpose == Purpose::Settle && node_is_unnamed;
        let request = if asks_door && self.table.live() > limits::USUAL_MEMBERS {
            // So many ask it that reading what all of them know would keep it from answering.
            let mut own = Vec::new();
            self.local().write(&mut Writer::new(&mut own));
            StreamRequest::Pull { own: own.into() }
        } else if self.exchanges.frozen && !join {
            StreamRequest::Frozen(self.table.freeze())
        } else {
            let node_count = self.table.len();
            StreamRequest::PushPull { join, node_count, nodes: self.table.encoded() }
        };
        let deadline = now + self.config.tcp_timeout;
        if purpose == Purpose::Settle {
            // It is not quiet while an answer is awaited.
            self.quiet_counts_from(deadline);
        }
        self.outputs.push_back(Output::Dial { dial, to, deadline, request });
    }

    fn exchange_with_anyone(&mut self, now: Time, purpose: Purpose) {
        let local = self.config.name.clone();
        let passes = |node: &crate::Node| node.state == State::Alive && node.name != local;
        let peer = self.table.sample(1, &mut self.rng, passes).first().copied();
        let Some(peer) = peer.map(|slot| self.table.node(slot)) else { return };
        if let Some(to) = peer.socket_address() {
            self.exchange(now, Some(peer.name.clone()), to, purpose);
        }
    }

    fn exchange_failed(&mut self, now: Time, to: SocketAddr, purpose: Purpose, why: String) {
        let commanded = matches!(purpose, Purpose::Command { .. });
        self.fact(Fact::PushPullFailed { to, why: why.clone(), commanded });
        self.leave_door(to);
        if purpose == Purpose::Settle {
            self.unsettled(now);
        }
        if let Purpose::Command { token, .. } = purpose {
            self.done(token, Err(CommandError::Exchange(why)));
        }
    }

    pub(crate) fn asked(
        &mut self,
        now: Time,
        connection: ConnectionId,
        from: SocketAddr,
        state: RemoteState,
    ) {
        if planted(Fault::ReplyAfterMerge) {
            self.merge_later(now, from, state.clone(), None, false);
        }
        let reply = self.reply(now, &state);
        self.outputs.push_back(Output::Reply { connection, reply });
        if let Err(error) = state.check_versions(&mut self.table) {
            return self.fact(Fact::MergeRefused { from, why: error.to_string() });
        }
        if self.exchanges.is_full(&state) {
            let why = "too many state exchanges at a time".to_owned();
            return self.fact(Fact::MergeRefused { from, why });
        }
        self.merge_later(now, from, state, None, false);
    }

    /// Our state as the answer. A joiner whose death is certified finds itself in it, as left:
    /// it refutes that with a higher incarnation, which the certificates of all members let pass.
    fn reply(&mut self, now: Time, asked: &RemoteState) -> StreamRequest {
        let Entries::Read(entries) = &asked.entries else {
            return StreamRequest::Frozen(self.table.freeze());
        };
        let mut node_count = self.table.len();
        let mut nodes = self.table.encoded();
        let living = || entries.iter().filter(|entry| entry.state == State::Alive);
        if asked.join
            && let (Some(joiner), 1) = (living().next(), living().count())
            && self.table.find(joiner.name).is_none()
            && let Some(incarnation) =
                self.certificates.covers(now, joiner.name, joiner.incarnation)
        {
            let entry = BorrowedNodeState { incarnation, state: State::Left, ..joiner };
            let mut longer = nodes.to_vec();
            entry.write(&mut Writer::new(&mut longer));
            nodes = longer.into();
            node_count += 1;
        }
        StreamRequest::PushPull { join: asked.join, node_count, nodes }
    }

    fn merge_later(
        &mut self,
        now: Time,
        from: SocketAddr,
        state: RemoteState,
        purpose: Option<Purpose>,
        known: bool,
    ) {
        let idle = self.exchanges.pending.is_empty();
        let RemoteState { join, entries, user_state } = state;
        let (alive, live) = entries.alive_and_live();
        let (done, alone) = (0, alive == 1);
        let merge =
            PendingMerge { from, entries, done, user_state, join, purpose, live, alone, known };
        self.exchanges.pending.push_back(merge);
        if idle {
            self.merge_slice(now);
        }
    }

    /// Whether the answer's entries need not be told, see [`Origin::Door`].
    fn is_known(&self, purpose: Purpose, alone: bool) -> bool {
        match purpose {
            Purpose::Command { join, .. } => join && alone && self.config.settle_exchange,
            Purpose::Settle => self.exchanges.settling.is_some_and(Settling::is_in_a_crowd),
            Purpose::Periodic => false,
        }
    }

    /// All entries are merged: now the state of the layer above, and whoever waits.
    fn merged(&mut self, now: Time, merge: PendingMerge) {
        // With ourselves in the list of those to join we may be the first who answers.
        let door = Some(merge.from).filter(|door| self.local().socket_address() != Some(*door));
        let lacked_members = self.table.live() > merge.live;
        let token = match merge.purpose {
            Some(Purpose::Command { token, .. }) => Some(token),
            _ => None,
        };
        if merge.user_state.len() > 0 {
            let PendingMerge { from, join, user_state: state, entries, .. } = merge;
            let nodes = RemoteNodes(entries);
            self.event(Event::RemoteState { from, join, nodes, state, token });
        }
        if let Some(token) = token {
            self.done(token, Ok(()));
        }
        if merge.purpose == Some(Purpose::Settle) {
            // The others settle, too.
            self.broadcasts.forget_hearsay();
            self.quiet_counts_from(now);
        }
        match merge.purpose {
            Some(Purpose::Command { join: true, .. }) if self.config.settle_exchange => {
                self.begin_to_settle(now, door);
                self.unsettled(now);
            }
            // They did not know of somebody: others are still on their way in.
            Some(Purpose::Settle) if lacked_members => {
                // Who came by the door is known there first. Who is not did not, and a pull has
                // not told of it either: others are to hear.
                door.into_iter().for_each(|door| self.leave_door(door));
                self.unsettled(now);
            }
            Some(Purpose::Settle) => self.confirm(now),
            _ => {}
        }
    }
}

impl From<PushPull> for RemoteState {
    fn from(PushPull { join, nodes, user_state }: PushPull) -> Self {
        let user_state = UserState::Encoded(user_state);
        RemoteState { join, entries: Entries::Read(nodes), user_state }
    }
}

impl From<FrozenState> for RemoteState {
    fn from(FrozenState { table, user_state }: FrozenState) -> Self {
        let user_state = UserState::Frozen(user_state);
        RemoteState { join: false, entries: Entries::Frozen(table), user_state }
    }
}

impl RemoteState {
    fn check_versions(&self, own: &mut MemberTable) -> Result<(), Incompatible> {
        match &self.entries {
            Entries::Read(table) => versions::check(own.nodes(), table),
            Entries::Frozen(table) => {
                let spoken = own.summary().spoken;
                versions::check_frozen(own.nodes(), spoken, table)
            }
        }
    }
}

impl RemoteNodes {
    /// Who is in it, in any state, and the newest incarnation that the sender knows.
    pub fn incarnations(&self) -> impl Iterator<Item = (&str, Incarnation)> {
        let (read, frozen) = match &self.0 {
            Entries::Read(table) => (Some(table), None),
            Entries::Frozen(table) => (None, Some(table)),
        };
        let read = read.into_iter().flat_map(NodeTable::iter);
        let frozen = frozen.into_iter().flat_map(FrozenTable::nodes);
        read.map(|entry| (entry.name, entry.incarnation))
            .chain(frozen.map(|node| (node.name.as_str(), node.incarnation)))
    }
}

impl From<NodeTable> for RemoteNodes {
    fn from(table: NodeTable) -> Self {
        RemoteNodes(Entries::Read(table))
    }
}

impl Entries {
    fn len(&self) -> usize {
        match self {
            Entries::Read(table) => table.len(),
            Entries::Frozen(table) => table.len(),
        }
    }

    fn alive_and_live(&self) -> (usize, usize) {
        match self {
            Entries::Read(table) => {
                let count = |state| table.iter().filter(|entry| entry.state == state).count();
                let alive = count(State::Alive);
                (alive, alive + count(State::Suspect))
            }
            Entries::Frozen(table) => (table.summary.alive, table.summary.live),
        }
    }
}

impl PendingMerge {
    /// How many entries are still to be merged.
    fn left(&self) -> usize {
        self.entries.len() - self.done
    }

    /// Whose word an entry is. Only the joiner's own is above death certificates: a stream's source
    /// has no useful port, so that a joiner is known by being alone in its table or by its address.
    fn origin(&self, entry: &BorrowedNodeState<'_>) -> Origin {
        match self.purpose {
            None => {}
            Some(_) if self.known => return Origin::Door,
            Some(Purpose::Command { join: true, .. } | Purpose::Settle) => {
                return Origin::Answer { joining: true };
            }
            Some(_) => return Origin::Answer { joining: false },
        }
        let same_address = || entry.address.to_ip() == Some(self.from.ip().to_canonical());
        let itself = self.alone || same_address() || planted(Fault::JoinersTableBelieved);
        Origin::Asked { joiner: self.join && itself }
    }
}

/// The interval for that many members: unscaled up to 32, then once more with each doubling.
fn scale(interval: Duration, members: usize) -> Duration {
    let members = members as f64;
    if members <= UNSCALED_MEMBERS {
        return interval;
    }
    let doublings = (members.log2() - UNSCALED_MEMBERS.log2()).ceil();
    interval.saturating_mul(doublings as u32 + 1)
}

#[cfg(test)]
mod tests;
