//! The machine: its state, and what the driver may call.

mod adopt;
mod conflict;
mod exchange;
mod intents;
mod internal_queries;
mod join;
mod keys;
mod leave;
mod members;
mod queries;
mod tags;
#[cfg(test)]
mod tests;
mod user_events;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use gossip::{
    FrozenState, IntentKind, Keyring, Membership, Priority, Security, Seed, Subject, Time, Token,
    UserBroadcast, UserState,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use wire::message::Coordinate;
use wire::message::serf::{SerfMessage, kind};
use wire::planted::{Fault, planted};
use wire::{Incarnation, LamportTime, NodeName};

use crate::certificates::Certificates;
use crate::config::Config;
use crate::coordinates::Coordinates;
use crate::filter::FilterCache;
use crate::history::{EventHistory, QueryHistory};
use crate::interface::{
    Command, Error, Event, Fact, Input, Member, MemberEventKind, MemberStatus, MessageKind,
    Outcome, Output, PersistId, Statistics, Tags,
};
use crate::lamport::LamportClock;
use crate::limits;
use crate::open_queries::OpenQueries;
use crate::pipeline::Pipeline;
use crate::snapshot::SnapshotState;
use crate::table::{Entry, IntentDirection, Intents, Table};
use crate::timers::Timers;

pub use adopt::Known;

use exchange::UserStateCache;
use join::JoinTask;
use keys::KeyTasks;
use queries::OwnQuery;
use tags::TagTasks;

/// Why a configuration cannot work. The first texts are those of the real agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The Serf protocol is older than any understood.
    #[error("Protocol version '{0}' too low. Must be in range: [2, 5]")]
    ProtocolTooLow(u8),
    /// The Serf protocol is newer than any understood.
    #[error("Protocol version '{0}' too high. Must be in range: [2, 5]")]
    ProtocolTooHigh(u8),
    /// Events could be larger than any member takes.
    #[error("user event size limit exceeds limit of 9216 bytes")]
    EventLimitTooHigh,
    /// The encoded tags are too long.
    #[error("Encoded length of tags exceeds limit of 512 bytes")]
    TagsTooBig,
    /// `validate_node_names` is on and the own name does not pass.
    #[error(
        "the node name {0:?} is not valid: use at most 128 letters, digits, dashes and dots, or turn off validate_node_names"
    )]
    InvalidName(String),
    /// The layer below refuses its settings.
    #[error("Failed to create memberlist: {0}")]
    Gossip(#[from] gossip::ConfigError),
}

/// How far a member is with its departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Leaving,
    Left,
    Shutdown,
}

/// What has a deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Reap,
    Reconnect,
    QueueCheck,
    RecordClock,
    FlushMembers,
    FlushUsers,
    LeavePropagated,
    /// A query of our own ends.
    OwnQuery(LamportTime),
    /// A leaving member is to be erased.
    Prune(NodeName),
}

/// Whom the end of a command of the layer below concerns.
#[derive(Debug)]
enum Waiting {
    Join(JoinTask),
    Rejoin,
    Reconnect,
    LeaveIntent,
    LeaveAnnounced,
    ForceLeave(Token),
    TagsAnnounced(Token),
}

/// What goes on once something is on disk.
#[derive(Debug)]
enum Persisting {
    Tags,
    Keyring,
}

/// The three Lamport clocks.
#[derive(Debug)]
struct Clocks {
    member: LamportClock,
    event: LamportClock,
    query: LamportClock,
}

/// What is being taken in, for facts about it.
#[derive(Debug, Default)]
struct Source {
    from: Option<std::net::SocketAddr>,
    kind: Option<MessageKind>,
    /// Whether a time in it was found to be absurd: one fact is enough.
    is_absurd: bool,
}

/// One member of a Serf cluster, without I/O.
#[derive(Debug)]
pub struct Serf {
    config: Config,
    name: NodeName,
    gossip: Membership,
    rng: SmallRng,
    outputs: VecDeque<Output>,
    /// Messages to ourselves: they do not need the network.
    loopback: VecDeque<Bytes>,
    source: Source,
    phase: Phase,
    timers: Timers<Timer>,
    clocks: Clocks,
    table: Table,
    intents: Intents,
    certificates: Certificates,
    events: EventHistory,
    queries: QueryHistory,
    open_queries: OpenQueries,
    own_queries: BTreeMap<LamportTime, OwnQuery>,
    vote_running: bool,
    filters: FilterCache,
    coordinates: Option<Coordinates>,
    pipeline: Pipeline,
    user_state: Option<UserStateCache>,
    waiting: BTreeMap<Token, Waiting>,
    persisting: BTreeMap<PersistId, Persisting>,
    key_tasks: KeyTasks,
    tag_tasks: TagTasks,
    /// Others have told us a time of ours since the start.
    was_told_own_time: bool,
    rejoin: Vec<(NodeName, std::net::SocketAddr)>,
    leave_waiter: Option<Token>,
    /// Whether a broadcast of our own leave was not through in time.
    leave_is_late: bool,
    last_id: u64,
    /// See [`Self::take_frozen`].
    frozen: VecDeque<(FrozenState, usize)>,
}

impl Serf {
    /// A member that announces itself; its first outputs (own join event, attempts to rejoin the
    /// members of `snapshot`) are ready to be drained. `snapshot` is None where no snapshot file
    /// is kept: nothing is recorded then.
    pub fn new(
        config: Config,
        keyring: Option<Keyring>,
        snapshot: Option<SnapshotState>,
        seed: impl Into<Seed>,
        now: Time,
    ) -> Result<Self, ConfigError> {
        validate(&config)?;
        let seed = seed.into();
        let mut rng = SmallRng::seed_from_u64(seed.choices);
        let mut below = config.gossip.clone();
        below.meta = tags::encode(config.protocol, &config.tags);
        below.versions.delegate_cur = config.protocol;
        let seed = Seed { choices: rand::Rng::random(&mut rng), ..seed };
        let gossip = Membership::new(below, keyring, seed, now)?;

        let mut clocks = Clocks {
            member: LamportClock::new(),
            event: LamportClock::new(),
            query: LamportClock::new(),
        };
        let (mut event_minimum, mut query_minimum) = (LamportTime(0), LamportTime(0));
        if let Some(state) = &snapshot {
            clocks.member.restore(state.clock);
            clocks.event.restore(state.event_clock);
            clocks.query.restore(state.query_clock);
            event_minimum = LamportTime(state.event_clock.0.saturating_add(1));
            query_minimum = LamportTime(state.query_clock.0.saturating_add(1));
        }
        let mut serf = Serf {
            name: config.gossip.name.clone(),
            gossip,
            rng,
            outputs: VecDeque::new(),
            loopback: VecDeque::new(),
            source: Source::default(),
            phase: Phase::Running,
            timers: Timers::new(),
            clocks,
            table: Table::default(),
            intents: Intents::new(config.recent_intent_timeout),
            certificates: Certificates::default(),
            events: EventHistory::new(config.event_buffer, event_minimum),
            queries: QueryHistory::new(config.query_buffer, query_minimum),
            open_queries: OpenQueries::default(),
            own_queries: BTreeMap::new(),
            vote_running: false,
            filters: FilterCache::default(),
            coordinates: config.coordinates.then(|| Coordinates::new(seed.hashes)),
            pipeline: Pipeline::new(&config, snapshot.as_ref()),
            user_state: None,
            waiting: BTreeMap::new(),
            persisting: BTreeMap::new(),
            key_tasks: KeyTasks::default(),
            tag_tasks: TagTasks::default(),
            was_told_own_time: false,
            rejoin: Vec::new(),
            leave_waiter: None,
            leave_is_late: false,
            last_id: 0,
            frozen: VecDeque::new(),
            config,
        };
        serf.begin(now, snapshot.unwrap_or_default());
        Ok(serf)
    }

    fn begin(&mut self, now: Time, snapshot: SnapshotState) {
        self.announce_coordinate();
        self.table.insert(Entry {
            member: self.describe_local(),
            status_time: LamportTime(0),
            intent: IntentDirection::Join,
            gone_since: None,
            incarnation: Incarnation(0),
        });
        self.gossip.set_user_members(self.table.len());
        self.gossip.start(now);
        self.drain_gossip(now);
        self.start_rejoin(now, snapshot);
        self.settle(now);
    }

    /// Takes one input. Outputs are then to be drained with [`Self::poll_output`].
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Timeout => self.gossip.handle(now, gossip::Input::Timeout),
            Input::Packet { from, bytes } => {
                self.gossip.handle(now, gossip::Input::Packet { from, bytes });
            }
            Input::Request { connection, from, message } => {
                self.gossip.handle(now, gossip::Input::Request { connection, from, message });
            }
            Input::Response { dial, message } => {
                self.gossip.handle(now, gossip::Input::Response { dial, message });
            }
            Input::FrozenRequest { connection, from, state } => {
                self.gossip.handle(now, gossip::Input::FrozenRequest { connection, from, state });
            }
            Input::FrozenResponse { dial, state } => {
                self.gossip.handle(now, gossip::Input::FrozenResponse { dial, state });
            }
            Input::DialFailed { dial, why } => {
                self.gossip.handle(now, gossip::Input::DialFailed { dial, why });
            }
            Input::SendFailed { to } => {
                self.gossip.handle(now, gossip::Input::SendFailed { to });
            }
            Input::Persisted { id, result } => self.persisted(now, id, result),
            Input::Command { token, command } => self.command(now, token, command),
        }
        self.settle(now);
    }

    /// The next output, in the order in which they must be carried out.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // Who is idle keeps no room for more.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// From now on exchanges that are no joins come and go as they are, without being encoded: for
    /// worlds of members in one process, all of which do so. What [`Output::Dial`] and
    /// [`Output::Reply`] would have to write is empty then.
    pub fn freeze_states(&mut self) {
        self.gossip.freeze_states();
        self.table.times_len();
    }

    /// What the next output that writes nothing to a stream has instead, and how many bytes it
    /// would be.
    pub fn take_frozen(&mut self) -> Option<(FrozenState, usize)> {
        self.frozen.pop_front()
    }

    /// When [`Input::Timeout`] is wanted next; a time that has passed means at once.
    pub fn next_timeout(&self) -> Option<Time> {
        if self.phase == Phase::Shutdown {
            return None;
        }
        self.timers.next().into_iter().chain(self.gossip.next_timeout()).min()
    }

    /// All members in any status, this one included, by name.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.table.iter().map(|entry| &entry.member)
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.table.get(name).map(|entry| &entry.member)
    }

    /// This member's own entry.
    pub fn local(&self) -> &Member {
        self.member(self.name.as_str()).expect("the own member is put in first and never erased")
    }

    /// The own tags, as last set.
    pub fn tags(&self) -> &Tags {
        &self.config.tags
    }

    /// Numbers for `info` and metrics.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            members: self.table.len(),
            failed: self.table.failed().len(),
            left: self.table.left().len(),
            health_score: self.gossip.health_score(),
            member_time: self.clocks.member.time(),
            event_time: self.clocks.event.time(),
            query_time: self.clocks.query.time(),
            intent_queue: self.gossip.queue_length(Priority::Intent),
            event_queue: self.gossip.queue_length(Priority::Event),
            query_queue: self.gossip.queue_length(Priority::Query),
            encrypted: self.gossip.security().keyring.is_some(),
            coordinate_resets: self.coordinates.as_ref().map_or(0, |c| c.own().resets()),
        }
    }

    /// The coordinate of a member: the own one always, others once they have answered a probe;
    /// None for all while coordinates are off.
    pub fn coordinate(&self, name: &str) -> Option<&Coordinate> {
        let coordinates = self.coordinates.as_ref()?;
        if name == self.name.as_str() {
            return Some(coordinates.own().coordinate());
        }
        // Whom we erase may still answer a probe.
        coordinates.other(name).filter(|_| self.table.get(name).is_some())
    }

    /// The layer below, to look at.
    pub fn membership(&self) -> &Membership {
        &self.gossip
    }

    /// How many things of any kind it remembers, members included: what its memory grows with.
    pub fn held_items(&self) -> usize {
        let coordinates = self.coordinates.as_ref().map_or(0, Coordinates::len);
        self.gossip.held_items()
            + self.table.len()
            + self.intents.len()
            + self.certificates.len()
            + self.open_queries.len()
            + self.own_queries.len()
            + self.waiting.len()
            + self.persisting.len()
            + self.tag_tasks.waiting.len()
            + self.rejoin.len()
            + coordinates
    }

    /// How the driver seals and labels.
    pub fn security(&self) -> &Security {
        self.gossip.security()
    }

    /// Ends the machine: what coalescers hold comes out as events, nothing is taken in any more.
    /// Not a leave; see [`Command::Leave`].
    pub fn shutdown(&mut self, now: Time) {
        if self.phase == Phase::Shutdown {
            return;
        }
        self.flush_users();
        self.flush_members();
        self.record_clock();
        self.phase = Phase::Shutdown;
        let _ = now;
    }

    /// Carries out what an input has set off, until there is nothing left to do at `now`.
    fn settle(&mut self, now: Time) {
        if self.phase == Phase::Shutdown {
            while self.gossip.poll_output().is_some() {}
            return;
        }
        loop {
            self.drain_gossip(now);
            if let Some(message) = self.loopback.pop_front() {
                self.on_user_message(now, message);
                self.source = Source::default();
            } else if let Some(timer) = self.timers.expired(now) {
                self.on_timer(now, timer);
            } else {
                break;
            }
            if self.phase == Phase::Shutdown {
                return;
            }
        }
        if self.pipeline.clock_is_due(self.clocks.member.time()) {
            self.timers.arm(Timer::RecordClock, now + limits::SNAPSHOT_CLOCK_INTERVAL);
        }
        let queues = [Priority::Intent, Priority::Query, Priority::Event];
        let interval = self.config.queue_check_interval;
        if !interval.is_zero() && queues.iter().any(|queue| self.gossip.queue_length(*queue) > 0) {
            self.timers.arm(Timer::QueueCheck, now + interval);
        }
    }

    fn drain_gossip(&mut self, now: Time) {
        while let Some(output) = self.gossip.poll_output() {
            match output {
                gossip::Output::Packet { to, body, crc } => {
                    self.outputs.push_back(Output::Packet { to, body, crc });
                }
                gossip::Output::Dial { dial, to, deadline, request } => {
                    let request = self.segments(request);
                    self.outputs.push_back(Output::Dial { dial, to, deadline, request });
                }
                gossip::Output::Reply { connection, reply } => {
                    let reply = self.segments(reply);
                    self.outputs.push_back(Output::Reply { connection, reply });
                }
                gossip::Output::Close { connection } => {
                    self.outputs.push_back(Output::Close { connection });
                }
                gossip::Output::Event(event) => self.on_gossip_event(now, event),
                gossip::Output::Fact(fact) => self.fact(Fact::Gossip(fact)),
                gossip::Output::Done { token, outcome } => self.on_done(now, token, outcome),
            }
        }
    }

    fn on_gossip_event(&mut self, now: Time, event: gossip::Event) {
        match event {
            gossip::Event::Joined(node) => self.on_joined(now, &node),
            gossip::Event::Updated(node) => self.on_updated(now, &node),
            gossip::Event::Departed(node) => self.on_departed(now, &node),
            gossip::Event::UserMessage { from, message } => {
                self.source = Source { from: Some(from), ..Source::default() };
                self.on_user_message(now, message);
                self.source = Source::default();
            }
            gossip::Event::RemoteState { from, join, nodes, state, token } => {
                self.source = Source { from: Some(from), ..Source::default() };
                match state {
                    UserState::Encoded(state) => {
                        self.on_remote_state(now, join, &nodes, &state, token);
                    }
                    UserState::Frozen(state) => self.on_frozen_state(now, &nodes, &state, token),
                }
                self.source = Source::default();
            }
            gossip::Event::Conflict { existing, other } => self.on_conflict(now, &existing, &other),
            gossip::Event::RoundTrip { node, rtt, payload } => {
                self.on_round_trip(&node, rtt, payload.as_deref());
            }
        }
    }

    fn on_user_message(&mut self, now: Time, bytes: Bytes) {
        self.source = Source { from: self.source.from, ..Source::default() };
        let limit = match bytes.first() {
            Some(&(kind::QUERY_RESPONSE | kind::RELAY)) => limits::ANSWER_BYTES,
            _ => limits::MESSAGE_BYTES,
        };
        if bytes.len() > limit {
            return self.dropped(format!("{} bytes are more than any has", bytes.len()));
        }
        let message = match SerfMessage::decode(&bytes) {
            Ok(message) => message,
            // Nothing in a user message says nothing.
            Err(_) if bytes.is_empty() => return,
            Err(error) => return self.dropped(error.to_string()),
        };
        self.note_received(&message, bytes.len());
        let again = planted(Fault::PassedOnReencoded).then(|| Bytes::from(message.encode()));
        let bytes = again.unwrap_or(bytes);
        match message {
            SerfMessage::Leave(leave) => {
                if self.on_leave_intent(now, &leave) {
                    let kind = if leave.prune { IntentKind::Prune } else { IntentKind::Leave };
                    self.pass_on_intent(now, leave.node, leave.lamport_time, kind, bytes);
                }
            }
            SerfMessage::Join(join) => {
                if self.on_join_intent(now, &join) {
                    self.pass_on_intent(now, join.node, join.lamport_time, IntentKind::Join, bytes);
                } else {
                    self.gossip.join_heard_again(join.node.as_str());
                }
            }
            SerfMessage::UserEvent(event) => {
                if self.on_user_event(now, event) {
                    self.pass_on(now, Priority::Event, bytes);
                }
            }
            SerfMessage::Query(query) => {
                if self.on_query(now, query) {
                    self.pass_on(now, Priority::Query, bytes);
                }
            }
            SerfMessage::QueryResponse(response) => self.on_query_response(now, response),
            SerfMessage::Relay(relay) => self.on_relay(relay),
            SerfMessage::PushPull(_)
            | SerfMessage::ConflictResponse(_)
            | SerfMessage::KeyRequest(_)
            | SerfMessage::KeyResponse(_) => {
                self.dropped("a message that has no place here".to_owned());
            }
        }
    }

    fn note_received(&mut self, message: &SerfMessage, bytes: usize) {
        let (kind, subject) = match message {
            SerfMessage::Leave(leave) => (MessageKind::Leave, leave.node.to_string()),
            SerfMessage::Join(join) => (MessageKind::Join, join.node.to_string()),
            SerfMessage::UserEvent(event) => (MessageKind::UserEvent, event.name.clone()),
            SerfMessage::Query(query) => (MessageKind::Query, query.name.clone()),
            SerfMessage::QueryResponse(response) => {
                (MessageKind::QueryResponse, response.from.to_string())
            }
            SerfMessage::Relay(relay) => (MessageKind::Relay, relay.destination_name.clone()),
            // Those that come no other way than inside another.
            SerfMessage::PushPull(_)
            | SerfMessage::ConflictResponse(_)
            | SerfMessage::KeyRequest(_)
            | SerfMessage::KeyResponse(_) => return,
        };
        self.source.kind = Some(kind);
        self.fact(Fact::MessageReceived { kind, subject, bytes });
    }

    fn on_timer(&mut self, now: Time, timer: Timer) {
        match timer {
            Timer::Reap => self.reap(now),
            Timer::Reconnect => self.reconnect(now),
            Timer::QueueCheck => self.check_queues(),
            Timer::RecordClock => self.record_clock(),
            Timer::FlushMembers => self.flush_members(),
            Timer::FlushUsers => self.flush_users(),
            Timer::LeavePropagated => self.finish_leave(),
            Timer::OwnQuery(time) => self.finish_query(time),
            Timer::Prune(name) => self.prune_leaving(now, &name),
        }
    }

    fn command(&mut self, now: Time, token: Token, command: Command) {
        if self.phase == Phase::Shutdown {
            let error = match command {
                Command::Leave => Error::LeaveAfterShutdown,
                Command::Join { .. } => Error::JoinAfterLeave,
                _ => Error::Ended,
            };
            return self.failed(token, error);
        }
        match command {
            Command::Join { targets, ignore_old_events } => {
                self.start_join(now, token, targets, ignore_old_events);
            }
            Command::Leave => self.start_leave(now, token),
            Command::ForceLeave { node, prune } => self.force_leave(now, token, node, prune),
            Command::UserEvent { name, payload, coalesce } => {
                let outcome = self.send_user_event(now, name, payload, coalesce);
                self.ended(token, outcome);
            }
            Command::Query(request) => self.start_caller_query(now, token, request),
            Command::Respond { query, payload } => {
                let outcome = self.respond(now, query, payload);
                self.ended(token, outcome);
            }
            Command::SetTags { change, persist } => self.set_tags(now, token, change, persist),
            Command::Keys(operation) => self.start_key_operation(now, token, operation),
        }
    }

    fn on_done(&mut self, now: Time, token: Token, outcome: gossip::Outcome) {
        match self.waiting.remove(&token) {
            Some(Waiting::Join(task)) => self.join_answered(now, task, outcome),
            Some(Waiting::Rejoin) => self.rejoin_answered(now, outcome),
            Some(Waiting::LeaveIntent) => self.announce_leave(now, outcome),
            Some(Waiting::LeaveAnnounced) => self.leave_announced(now, outcome),
            Some(Waiting::ForceLeave(caller)) => {
                self.ended(caller, outcome.map_err(|_| Error::RemovalTimeout));
            }
            Some(Waiting::TagsAnnounced(caller)) => {
                self.ended(caller, outcome.map_err(|_| Error::UpdateTimeout));
            }
            Some(Waiting::Reconnect) | None => {}
        }
    }

    fn persisted(&mut self, now: Time, id: PersistId, result: Result<(), String>) {
        match self.persisting.remove(&id) {
            Some(Persisting::Tags) => self.tags_persisted(now, result),
            Some(Persisting::Keyring) => self.keyring_persisted(now, result),
            None => {}
        }
    }

    /// A number that no other token or write has.
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Gives the layer below a command to be answered to `waiting`.
    fn ask_gossip(&mut self, now: Time, waiting: Waiting, command: gossip::Command) {
        let token = Token(self.next_id());
        self.waiting.insert(token, waiting);
        self.gossip.handle(now, gossip::Input::Command { token, command });
    }

    fn pass_on(&mut self, now: Time, priority: Priority, message: Bytes) {
        let broadcast = UserBroadcast { priority, subject: Subject::None, message, waiter: None };
        self.gossip.broadcast(now, broadcast);
    }

    fn pass_on_intent(
        &mut self,
        now: Time,
        node: NodeName,
        time: LamportTime,
        kind: IntentKind,
        message: Bytes,
    ) {
        self.broadcast_intent(now, node, time, kind, message, None);
    }

    fn broadcast_intent(
        &mut self,
        now: Time,
        node: NodeName,
        time: LamportTime,
        kind: IntentKind,
        message: Bytes,
        waiter: Option<Waiting>,
    ) {
        let waiter = waiter.map(|waiting| {
            let token = Token(self.next_id());
            self.waiting.insert(token, waiting);
            (token, now + self.config.broadcast_timeout)
        });
        let subject = Subject::Intent { node, time, kind };
        let broadcast = UserBroadcast { priority: Priority::Intent, subject, message, waiter };
        self.gossip.broadcast(now, broadcast);
    }

    /// A member event: facts, the snapshot's record, the coalescer.
    fn emit_member(&mut self, now: Time, kind: MemberEventKind, member: Member, forced: bool) {
        self.fact(Fact::Member {
            kind,
            forced,
            name: member.name.clone(),
            address: member.address.to_ip(),
        });
        let clock = self.clocks.member.time();
        if let Some(flush) = self.pipeline.member(now, kind, member, clock, &mut self.outputs) {
            self.timers.set(Timer::FlushMembers, flush);
        }
    }

    fn emit_user(&mut self, now: Time, event: Event) {
        if let Some(flush) = self.pipeline.user(now, event, &mut self.outputs) {
            self.timers.set(Timer::FlushUsers, flush);
        }
    }

    fn flush_members(&mut self) {
        self.outputs.extend(self.pipeline.flush_members().into_iter().map(Output::Event));
    }

    fn flush_users(&mut self) {
        self.outputs.extend(self.pipeline.flush_users().into_iter().map(Output::Event));
    }

    fn record_clock(&mut self) {
        self.outputs.extend(self.pipeline.record_clock(self.clocks.member.time()));
    }

    fn check_queues(&mut self) {
        let max = match self.config.min_queue_depth {
            0 => self.config.max_queue_depth,
            least => least.max(2 * self.table.len()),
        };
        for queue in [Priority::Intent, Priority::Query, Priority::Event] {
            let length = self.gossip.queue_length(queue);
            let pruned = if length > max { self.gossip.prune_queue(queue, max) } else { 0 };
            let is_long = length >= self.config.queue_depth_warning;
            self.fact(Fact::QueueDepth { queue, length, is_long, pruned });
        }
    }

    fn describe_local(&self) -> Member {
        let node = self.gossip.local();
        Member {
            name: self.name.clone(),
            address: node.address,
            port: node.port,
            tags: Arc::new(self.config.tags.clone()),
            status: MemberStatus::Alive,
            versions: node.versions,
        }
    }

    fn fact(&mut self, fact: Fact) {
        self.outputs.push_back(Output::Fact(fact));
    }

    fn dropped(&mut self, why: String) {
        let (from, kind) = (self.source.from, self.source.kind);
        self.fact(Fact::MessageDropped { from, kind, why });
    }

    /// A time that is not believed. Of all in one message or exchange the first is a fact.
    fn dropped_as_absurd(&mut self, time: LamportTime) {
        if !std::mem::replace(&mut self.source.is_absurd, true) {
            self.dropped(format!("nothing has reached its Lamport time, {}", time.0));
        }
    }

    fn done(&mut self, token: Token, outcome: Outcome) {
        self.outputs.push_back(Output::Done { token, outcome });
    }

    fn failed(&mut self, token: Token, error: Error) {
        self.done(token, Outcome::Failed(error));
    }

    fn ended(&mut self, token: Token, result: Result<(), Error>) {
        self.done(token, result.map_or_else(Outcome::Failed, |()| Outcome::Ok));
    }
}

/// Whether a machine can be built from these settings.
pub fn validate(config: &Config) -> Result<(), ConfigError> {
    match config.protocol {
        0..2 => return Err(ConfigError::ProtocolTooLow(config.protocol)),
        2..=5 => {}
        _ => return Err(ConfigError::ProtocolTooHigh(config.protocol)),
    }
    if config.user_event_size_limit > limits::USER_EVENT_BYTES {
        return Err(ConfigError::EventLimitTooHigh);
    }
    let name = config.gossip.name.as_str();
    if config.validate_node_names && !members::is_valid_name(name) {
        return Err(ConfigError::InvalidName(name.to_owned()));
    }
    if tags::encode(config.protocol, &config.tags).len() > limits::META_BYTES {
        return Err(ConfigError::TagsTooBig);
    }
    Ok(gossip::validate(&config.gossip)?)
}
