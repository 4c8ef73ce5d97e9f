//! The Serf machine, driven by any sequence of inputs.
//!
//! The harness is a driver as the agent is one, only that the tape decides what comes from the
//! network, in which order, and how much time passes. After every input it checks what must hold
//! whatever came in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use gossip::limits as gossip_limits;
use serf::snapshot::SnapshotState;
use serf::{
    Command, Config, ConnectionId, DialId, Event, Input, JoinTarget, KeyOperation, Keyring,
    MemberStatus, Output, PersistId, Profile, QueryId, QueryProgress, QueryRequest, QueryTimeout,
    Serf, Statistics, TagChange, Tags, Time, Token,
};
use wire::message::gossip::{
    Ack, Alive, Dead, Message, NodeState, Ping, PushPull, State, StreamMessage, Suspect,
};
use wire::message::serf::{
    BufferedEvent, Filter, JoinIntent, LeaveIntent, Query, QueryResponse, SerfMessage,
    SerfPushPull, UserEvent, UserEvents,
};
use wire::{Address, Incarnation, Key, LamportTime, NodeName, compound, packet};

use crate::tape::Tape;

/// Inputs of one run; more brings nothing but time.
const STEPS: usize = 400;

/// Most outputs that one input may bring about: a state exchange of the size that fits a tape
/// speaks of a few thousand members, and a few outputs concern each.
const OUTPUTS_PER_INPUT: usize = 1 << 16;

/// Floods of up to 2,040 messages in one run; more of them have at most 255. Three fill a queue.
/// They take a hundred times as long as anything else: libFuzzer goes without, the test has them.
const GREAT_FLOODS: usize = if cfg!(fuzzing) { 0 } else { 3 };

/// How often a machine may want to be woken again at one and the same time. Merges come in slices.
const WAKES_AT_ONCE: usize = 256;

/// The largest datagram that UDP carries over IPv4.
const DATAGRAM_BYTES: usize = 65_507;

/// Names that the tape can speak of; the first is our own.
const NAMES: [&str; 6] = ["us", "a", "b", "c", "d", ""];

fn name(choice: u8) -> NodeName {
    NAMES[usize::from(choice) % NAMES.len()].into()
}

fn address(choice: u8) -> SocketAddr {
    let last = choice % NAMES.len() as u8;
    SocketAddr::from(([10, 0, 0, last], 7946))
}

fn ip(choice: u8) -> Address {
    Address::from(IpAddr::from([10, 0, 0, choice % NAMES.len() as u8]))
}

/// Small numbers mostly, and now and then one from an end of the range.
fn lamport(tape: &mut Tape<'_>) -> LamportTime {
    LamportTime(match tape.byte() {
        255 => u64::MAX,
        254 => u64::MAX - u64::from(tape.byte()),
        253 => tape.number(),
        small => u64::from(small),
    })
}

fn incarnation(tape: &mut Tape<'_>) -> Incarnation {
    Incarnation(match tape.byte() {
        255 => u32::MAX,
        254 => u32::MAX - u32::from(tape.byte()),
        small => u32::from(small % 16),
    })
}

fn payload(tape: &mut Tape<'_>) -> Option<Bytes> {
    let text = tape.text();
    (!text.is_empty()).then(|| Bytes::from(text))
}

fn key(choice: u8) -> Bytes {
    // Some are too short to be one.
    let length = [16, 24, 32, 5][usize::from(choice) % 4];
    Bytes::from(vec![choice / 4 % 4; length])
}

fn config(flags: u8, extra: u8) -> Config {
    let mut below = gossip::Config::new(Profile::Lan, NAMES[0].into(), ip(0), 7946);
    if flags & 2 != 0 {
        below.label = Bytes::from_static(b"blue-dc");
    }
    below.encrypt_verify_incoming = flags & 4 == 0;
    below.eager_gossip = flags & 8 == 0;
    if extra & 1 != 0 {
        below.dead_node_reclaim_time = Duration::from_secs(30);
    }
    let mut config = Config { coordinates: flags & 16 == 0, ..Config::new(below) };
    if flags & 32 != 0 {
        config.coalesce_period = Duration::ZERO;
        config.user_coalesce_period = Duration::ZERO;
    }
    config.persist_keyring = flags & 64 != 0;
    config.rejoin_after_leave = extra & 2 != 0;
    config.validate_node_names = extra & 4 != 0;
    config.protocol = 5 - (extra >> 4) % 4;
    config
}

/// The machine, and what a driver has to remember about it.
struct Harness {
    serf: Serf,
    now: Time,
    dials: BTreeSet<DialId>,
    persists: Vec<PersistId>,
    queries: Vec<QueryId>,
    /// Numbers of probes that we were asked for, and who asks.
    probes: Vec<(SocketAddr, Ping)>,
    tokens: u64,
    unanswered: BTreeSet<Token>,
    connections: u64,
    /// The connection that has to be answered by the present input.
    open: BTreeSet<ConnectionId>,
    delivered: BTreeSet<(LamportTime, String, Option<Bytes>)>,
    own_queries: BTreeMap<QueryId, BTreeSet<(bool, NodeName)>>,
    before: Statistics,
    shut_down: bool,
    left: bool,
    /// Great floods so far.
    floods: usize,
}

pub(crate) fn run(input: &[u8]) {
    let mut tape = Tape::new(input);
    let (flags, extra) = (tape.byte(), tape.byte());
    let keyring = (flags & 1 != 0)
        .then(|| Keyring::new(Key::new(&key(0)).expect("the first choice has 16 bytes")));
    let snapshot =
        (flags & 128 != 0).then(|| SnapshotState::replay(tape.bytes(), extra & 2 != 0).0);
    let now = Time::from_nanos(1);
    let Ok(serf) = Serf::new(config(flags, extra), keyring, snapshot, u64::from(extra), now) else {
        panic!("settings of our own are refused");
    };
    let mut harness = Harness {
        before: serf.statistics(),
        serf,
        now,
        dials: BTreeSet::new(),
        persists: Vec::new(),
        queries: Vec::new(),
        probes: Vec::new(),
        tokens: 0,
        unanswered: BTreeSet::new(),
        connections: 0,
        open: BTreeSet::new(),
        delivered: BTreeSet::new(),
        own_queries: BTreeMap::new(),
        shut_down: false,
        left: false,
        floods: 0,
    };
    harness.check();
    for _ in 0..STEPS {
        if tape.is_empty() || harness.shut_down {
            break;
        }
        harness.step(&mut tape);
    }
    harness.end();
}

impl Harness {
    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.byte() % 16 {
            0 => self.pass(Duration::from_millis(u64::from(tape.byte()) * 20)),
            1 => self.pass(Duration::from_secs(1 << (tape.byte() % 20))),
            2 => {
                if let Some(at) = self.serf.next_timeout() {
                    self.now = self.now.max(at);
                    self.wake();
                }
            }
            3 => {
                let from = address(tape.byte());
                self.input(Input::Packet { from, bytes: tape.bytes() });
            }
            4 => {
                let from = address(tape.byte());
                self.body(from, tape.bytes());
            }
            5 => self.gossip_message(tape),
            6 => self.serf_message(tape),
            7 => self.answer_probe(tape),
            8 => self.request(tape),
            9 => self.response(tape),
            10 => self.dial_fails(tape),
            11 => self.input(Input::SendFailed { to: address(tape.byte()) }),
            12 => self.persisted(tape),
            13 => self.flood(tape),
            14 => self.join_others(tape),
            _ => self.command(tape),
        }
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.wake();
    }

    /// Wakes the machine until it wants to sleep.
    fn wake(&mut self) {
        for _ in 0..WAKES_AT_ONCE {
            self.input(Input::Timeout);
            match self.serf.next_timeout() {
                Some(at) if at <= self.now => {}
                _ => return,
            }
        }
        panic!("the machine does not come to rest at {:?}", self.now);
    }

    /// A datagram as a member with our keys sends it.
    fn body(&mut self, from: SocketAddr, body: &[u8]) {
        let mut bytes = Vec::new();
        let options = self.serf.security().packet_options(false, false);
        packet::seal(body, &options, [3; 12], &mut bytes);
        self.input(Input::Packet { from, bytes: &bytes });
    }

    fn message(&mut self, from: SocketAddr, message: &Message) {
        self.body(from, &message.encode());
    }

    fn serf(&mut self, from: SocketAddr, message: &SerfMessage) {
        self.message(from, &Message::User(message.encode().into()));
    }

    fn gossip_message(&mut self, tape: &mut Tape<'_>) {
        let (kind, node, other) = (tape.byte(), tape.byte(), tape.byte());
        let incarnation = incarnation(tape);
        let (from, subject) = (address(other), name(node));
        let message = match kind % 4 {
            0 => Message::Alive(alive(subject, node, incarnation, tape)),
            1 => Message::Suspect(Suspect {
                incarnation,
                node: subject,
                from: name(other),
                health: Some(kind / 4).filter(|health| *health < 8),
            }),
            2 => Message::Dead(Dead { incarnation, node: subject, from: name(other) }),
            _ => Message::Ping(Ping {
                sequence_number: wire::SequenceNumber(incarnation.0),
                node: subject.to_string(),
                source_address: ip(other),
                source_port: 7946,
                source_node: name(other).to_string(),
            }),
        };
        self.message(from, &message);
    }

    fn serf_message(&mut self, tape: &mut Tape<'_>) {
        let (kind, node) = (tape.byte(), tape.byte());
        let lamport_time = lamport(tape);
        let message = match kind % 6 {
            0 => SerfMessage::Join(JoinIntent { lamport_time, node: name(node) }),
            1 => {
                let prune = kind >= 128;
                SerfMessage::Leave(LeaveIntent { lamport_time, node: name(node), prune })
            }
            2 => SerfMessage::UserEvent(UserEvent {
                lamport_time,
                name: tape.text(),
                payload: payload(tape),
                coalesce: kind >= 128,
            }),
            3 => SerfMessage::Query(Query {
                lamport_time,
                id: u32::from(kind / 6),
                address: ip(node),
                port: 7946,
                source_node: name(node).to_string(),
                filters: None,
                flags: u32::from(tape.byte() % 4),
                relay_factor: tape.byte() % 4,
                timeout_ns: tape.number() as i64,
                name: internal(tape),
                payload: payload(tape),
            }),
            4 => {
                // An answer to one of our own, if there is one.
                let known = self.own_queries.keys().nth(usize::from(tape.byte() % 4)).copied();
                let known = known.unwrap_or(QueryId { lamport_time, id: 0 });
                SerfMessage::QueryResponse(QueryResponse {
                    lamport_time: known.lamport_time,
                    id: known.id,
                    from: name(node),
                    flags: u32::from(kind >= 128),
                    payload: payload(tape),
                })
            }
            _ => {
                let bytes = tape.bytes();
                return self.message(address(node), &Message::User(Bytes::copy_from_slice(bytes)));
            }
        };
        self.serf(address(node), &message);
    }

    fn answer_probe(&mut self, tape: &mut Tape<'_>) {
        let payload = payload(tape);
        if let Some((to, ping)) = self.probes.pop() {
            let sequence_number = ping.sequence_number;
            self.message(to, &Message::Ack(Ack { sequence_number, payload }));
        }
    }

    fn request(&mut self, tape: &mut Tape<'_>) {
        let from = address(tape.byte());
        let message = stream_message(tape);
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        if !matches!(message, StreamMessage::User(_)) {
            self.open.insert(connection);
        }
        self.input(Input::Request { connection, from, message });
        assert!(self.open.is_empty(), "a request is left without an answer");
    }

    fn response(&mut self, tape: &mut Tape<'_>) {
        let dial = self.dials.iter().nth(usize::from(tape.byte() % 4)).copied();
        let dial = dial.unwrap_or(DialId(u64::from(tape.byte())));
        self.dials.remove(&dial);
        let message = stream_message(tape);
        self.input(Input::Response { dial, message });
    }

    fn dial_fails(&mut self, tape: &mut Tape<'_>) {
        let dial = self.dials.iter().nth(usize::from(tape.byte() % 4)).copied();
        let dial = dial.unwrap_or(DialId(u64::from(tape.byte())));
        self.dials.remove(&dial);
        self.input(Input::DialFailed { dial, why: tape.text() });
    }

    fn persisted(&mut self, tape: &mut Tape<'_>) {
        let ok = tape.bit();
        let id = self.persists.pop().unwrap_or(PersistId(u64::from(tape.byte())));
        let result = if ok { Ok(()) } else { Err("no space left on device".to_owned()) };
        self.input(Input::Persisted { id, result });
    }

    /// Many messages that differ in a number, in packets as full as a real sender makes them; a
    /// few times in a run as many as fill queues, which takes its time.
    fn flood(&mut self, tape: &mut Tape<'_>) {
        let (kind, mut count) = (tape.byte(), usize::from(tape.byte()));
        if kind & 64 != 0 && self.floods < GREAT_FLOODS {
            self.floods += 1;
            count *= 8;
        }
        let first = lamport(tape).0;
        let messages: Vec<Vec<u8>> = (0..count as u64)
            .map(|number| {
                let lamport_time = LamportTime(first.wrapping_add(number / 4));
                let title = format!("{kind}-{number}");
                match kind % 4 {
                    0 => Message::Alive(alive(
                        title.as_str().into(),
                        number as u8,
                        Incarnation(1),
                        &mut Tape::new(&[]),
                    )),
                    1 => user(SerfMessage::Join(JoinIntent {
                        lamport_time,
                        node: title.as_str().into(),
                    })),
                    2 => user(SerfMessage::UserEvent(UserEvent {
                        lamport_time,
                        name: title,
                        payload: None,
                        coalesce: kind >= 128,
                    })),
                    _ => user(SerfMessage::Query(Query {
                        lamport_time,
                        id: number as u32,
                        address: ip(1),
                        port: 7946,
                        source_node: String::new(),
                        filters: None,
                        flags: u32::from(kind >= 128),
                        relay_factor: 0,
                        timeout_ns: 1 << 32,
                        name: title,
                        payload: None,
                    })),
                }
            })
            .map(|message| message.encode())
            .collect();
        for body in compound::assemble(&messages) {
            self.body(address(kind), &body);
        }
    }

    /// A few members come up at once, so that what follows has somebody to deal with.
    fn join_others(&mut self, tape: &mut Tape<'_>) {
        let which = tape.byte();
        for node in 1..5 {
            if which & 1 << node != 0 {
                let alive = alive(name(node), node, Incarnation(1), &mut Tape::new(&[]));
                self.message(address(node), &Message::Alive(alive));
            }
        }
    }

    fn command(&mut self, tape: &mut Tape<'_>) {
        let kind = tape.byte();
        let command = match kind % 8 {
            0 => Command::Join {
                targets: (0..tape.byte() % 4)
                    .map(|target| JoinTarget {
                        address: address(target + 1),
                        name: None,
                        label: target.to_string(),
                    })
                    .collect(),
                ignore_old_events: kind >= 128,
            },
            1 if kind >= 224 => Command::Leave,
            1 => Command::ForceLeave { node: name(tape.byte()), prune: kind >= 128 },
            2 => Command::UserEvent {
                name: tape.text(),
                payload: payload(tape),
                coalesce: kind >= 128,
            },
            3 => Command::Query(QueryRequest {
                name: tape.text(),
                payload: payload(tape),
                filters: if kind >= 128 {
                    vec![Filter::Tag { tag: tape.text(), expression: tape.text() }]
                } else {
                    Vec::new()
                },
                request_ack: kind & 64 != 0,
                relay_factor: tape.byte() % 4,
                timeout: tape.bit().then(|| QueryTimeout(tape.number() as i64)),
            }),
            4 => {
                let query = self.queries.pop();
                let query = query.unwrap_or(QueryId { lamport_time: LamportTime(1), id: 1 });
                Command::Respond { query, payload: payload(tape).unwrap_or_default() }
            }
            5 => Command::SetTags {
                change: if kind & 64 == 0 {
                    TagChange::Replace(Tags::from([(tape.text(), tape.text())]))
                } else {
                    let delete = vec![tape.text()];
                    TagChange::Edit { delete, set: Tags::from([(tape.text(), tape.text())]) }
                },
                persist: kind >= 128,
            },
            6 => Command::Keys(match kind / 8 % 4 {
                0 => KeyOperation::Install(key(tape.byte())),
                1 => KeyOperation::Use(key(tape.byte())),
                2 => KeyOperation::Remove(key(tape.byte())),
                _ => KeyOperation::List,
            }),
            _ => Command::Respond {
                query: QueryId { lamport_time: lamport(tape), id: u32::from(tape.byte()) },
                payload: Bytes::new(),
            },
        };
        self.tokens += 1;
        let token = Token(self.tokens);
        self.unanswered.insert(token);
        self.left |= matches!(command, Command::Leave);
        self.input(Input::Command { token, command });
    }

    fn input(&mut self, input: Input<'_>) {
        if !self.shut_down {
            self.serf.handle(self.now, input);
            self.check();
        }
    }

    /// Drains the machine, and checks what must hold after every input.
    fn check(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.serf.poll_output() {
            outputs += 1;
            assert!(outputs <= OUTPUTS_PER_INPUT, "outputs without end");
            self.output(output);
        }
        let (before, after) = (self.before, self.serf.statistics());
        assert!(after.member_time >= before.member_time, "the member clock went back");
        assert!(after.event_time >= before.event_time, "the event clock went back");
        assert!(after.query_time >= before.query_time, "the query clock went back");
        assert!(after.failed + after.left < after.members + usize::from(self.left));
        assert!(after.intent_queue <= gossip_limits::INTENTS);
        assert!(after.event_queue <= gossip_limits::BROADCASTS);
        assert!(after.query_queue <= gossip_limits::BROADCASTS);
        assert_eq!(after.members, self.serf.members().count());
        assert_eq!(self.serf.local().name.as_str(), NAMES[0]);
        let status = self.serf.local().status;
        assert!(self.left || status == MemberStatus::Alive, "we are taken to be {status:?}");
        self.before = after;
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Packet { to, body, .. } => self.sent(to, &body),
            Output::Dial { dial, deadline, request, .. } => {
                assert!(deadline >= self.now);
                assert!(self.dials.insert(dial), "two dials of one name");
                // Those that nobody lets fail are forgotten, as the tape has no way to them.
                let bytes = request.concat();
                assert!(StreamMessage::decode(&bytes).is_ok(), "a request that nobody can read");
            }
            Output::Reply { connection, reply } => {
                assert!(self.open.remove(&connection), "an answer to nothing");
                assert!(StreamMessage::decode(&reply.concat()).is_ok());
            }
            Output::Close { connection } => {
                self.open.remove(&connection);
            }
            Output::Persist { id, .. } => {
                assert!(!self.persists.contains(&id), "two writes of one name");
                self.persists.push(id);
            }
            Output::Snapshot(record) => {
                let line = record.to_line();
                assert_eq!(line.matches('\n').count(), 1, "{line:?}");
                let (_, warnings) = SnapshotState::replay(&line, false);
                assert!(warnings.is_empty(), "{line:?}: {warnings:?}");
            }
            Output::Event(event) => self.event(event),
            Output::Fact(_) => {}
            Output::QueryProgress { query, progress } => self.progress(query, progress),
            Output::Done { token, outcome } => {
                assert!(self.unanswered.remove(&token), "{token:?} is answered twice");
                if let serf::Outcome::QuerySent { query } = outcome {
                    self.own_queries.entry(query).or_default();
                }
            }
            Output::Shutdown => self.shut_down = true,
        }
    }

    fn sent(&mut self, to: SocketAddr, body: &[u8]) {
        assert!(!body.is_empty() && body.len() <= DATAGRAM_BYTES, "{} bytes", body.len());
        packet::open(body, &wire::Security::default(), |found| match found {
            Ok(Message::Ping(ping)) => {
                self.probes.push((to, ping));
                if self.probes.len() > STEPS {
                    self.probes.remove(0);
                }
            }
            Ok(_) => {}
            // User messages are passed on as they came.
            Err(error) => panic!("a packet that nobody can read: {error}"),
        });
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Member { members, .. } => assert!(!members.is_empty()),
            Event::User { lamport_time, name, payload, .. } => {
                let new = self.delivered.insert((lamport_time, name, payload));
                assert!(new, "an event of {lamport_time} is delivered twice");
            }
            Event::Query { query, .. } => self.queries.push(query),
        }
    }

    fn progress(&mut self, query: QueryId, progress: QueryProgress) {
        let seen = match progress {
            QueryProgress::Ack { from } => (true, from),
            QueryProgress::Response { from, .. } => (false, from),
            QueryProgress::Done => {
                assert!(self.own_queries.remove(&query).is_some(), "{query:?} ends twice");
                return;
            }
        };
        let Some(answers) = self.own_queries.get_mut(&query) else {
            panic!("an answer to {query:?}, which is not open");
        };
        assert!(answers.insert(seen), "an answer to {query:?} is delivered twice");
    }

    /// Lets everything come to its end: dials fail, files are written, a month passes. Then
    /// nobody may be left waiting.
    fn end(&mut self) {
        for _ in 0..64 {
            while let Some(dial) = self.dials.pop_first() {
                self.input(Input::DialFailed { dial, why: "i/o timeout".to_owned() });
            }
            while let Some(id) = self.persists.pop() {
                self.input(Input::Persisted { id, result: Ok(()) });
            }
            if self.unanswered.is_empty() && self.own_queries.is_empty() || self.shut_down {
                break;
            }
            self.pass(Duration::from_secs(12 * 3600));
        }
        if !self.shut_down {
            assert!(self.unanswered.is_empty(), "nobody answers {:?}", self.unanswered);
            assert!(self.own_queries.is_empty(), "{:?} never end", self.own_queries);
        }
        self.serf.shutdown(self.now);
        while let Some(output) = self.serf.poll_output() {
            self.output(output);
        }
        assert_eq!(self.serf.next_timeout(), None);
    }
}

/// Names that the machine answers itself, or any.
fn internal(tape: &mut Tape<'_>) -> String {
    match tape.byte() % 8 {
        0 => "_serf_ping".to_owned(),
        1 => "_serf_conflict".to_owned(),
        2 => "_serf_install-key".to_owned(),
        3 => "_serf_use-key".to_owned(),
        4 => "_serf_remove-key".to_owned(),
        5 => "_serf_list-keys".to_owned(),
        _ => tape.text(),
    }
}

fn user(message: SerfMessage) -> Message {
    Message::User(message.encode().into())
}

fn alive(node: NodeName, choice: u8, incarnation: Incarnation, tape: &mut Tape<'_>) -> Alive {
    let odd = tape.byte();
    Alive {
        incarnation,
        node,
        address: if odd & 1 != 0 { ip(tape.byte()) } else { ip(choice) },
        port: if odd & 2 != 0 { u16::from(tape.byte()) } else { 7946 },
        meta: if odd & 4 != 0 { Bytes::copy_from_slice(tape.bytes()) } else { Bytes::new() },
        versions: if odd & 8 != 0 {
            Bytes::copy_from_slice(tape.bytes())
        } else {
            Bytes::from_static(&[1, 5, 2, 2, 5, 5])
        },
    }
}

/// A message of a stream: any, or a state exchange made of what the tape says.
fn stream_message(tape: &mut Tape<'_>) -> StreamMessage {
    let kind = tape.byte();
    if kind & 1 == 0 {
        let any = StreamMessage::decode(tape.bytes());
        return any.unwrap_or_else(|error| StreamMessage::Error(error.to_string()));
    }
    let nodes = (0..tape.byte() % 8).map(|_| {
        let choice = tape.byte();
        let incarnation = incarnation(tape);
        let alive = alive(name(choice), choice, incarnation, tape);
        NodeState {
            name: alive.node,
            address: alive.address,
            port: alive.port,
            meta: alive.meta,
            incarnation: alive.incarnation,
            state: [State::Alive, State::Suspect, State::Dead, State::Left]
                [usize::from(tape.byte() % 4)],
            versions: alive.versions,
        }
    });
    let nodes = nodes.collect();
    let state = SerfPushPull {
        lamport_time: lamport(tape),
        status_lamport_times: (0..tape.byte() % 8)
            .map(|_| (name(tape.byte()), lamport(tape)))
            .collect(),
        left_members: (0..tape.byte() % 4).map(|_| name(tape.byte())).collect(),
        event_lamport_time: lamport(tape),
        events: Some(
            (0..tape.byte() % 8)
                .map(|_| {
                    let events = vec![BufferedEvent { name: tape.text(), payload: payload(tape) }];
                    Some(UserEvents { lamport_time: lamport(tape), events })
                })
                .collect(),
        ),
        query_lamport_time: lamport(tape),
    };
    StreamMessage::PushPull(PushPull {
        join: kind & 2 != 0,
        nodes,
        user_state: SerfMessage::PushPull(state).encode().into(),
    })
}
