//! Whatever comes in, in whatever order: nothing panics, and what must hold holds.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use gossip::{
    Command, Config, ConnectionId, DialId, Event, Input, IntentKind, Membership, Output, Priority,
    Profile, Subject, Time, Token, UserBroadcast,
};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::message::gossip::{
    Ack, Alive, Dead, IndirectPing, Message, Nack, NodeState, Ping, PushPull, State, StreamMessage,
    Suspect,
};
use wire::{Address, Incarnation, LamportTime, NodeName, SequenceNumber};

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Bytes(Vec<u8>),
    Message(Message),
    Request { from: u8, message: StreamMessage },
    Response { dial: u64, message: StreamMessage },
    DialFailed(u64),
    SendFailed(u8),
    Command(Command),
    Broadcast { waits: bool, subject: Option<(NodeName, u64, IntentKind)> },
    Certify { node: NodeName, incarnation: u32 },
    Forget(NodeName),
}

fn ip(last: u8) -> Address {
    IpAddr::from([10, 0, 0, last]).into()
}

fn node_name() -> impl Strategy<Value = NodeName> {
    prop_oneof![Just("us"), Just("a"), Just("b"), Just("c"), Just("")].prop_map(NodeName::from)
}

fn incarnation() -> impl Strategy<Value = Incarnation> {
    prop_oneof![8 => 0u32..6, 1 => any::<u32>(), 1 => Just(u32::MAX)].prop_map(Incarnation)
}

fn an_address() -> impl Strategy<Value = Address> {
    prop_oneof![
        8 => (1u8..5).prop_map(ip),
        1 => vec(any::<u8>(), 0..=16).prop_map(|raw| Address::from_bytes(&raw).unwrap()),
    ]
}

fn versions() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => Just(Bytes::from_static(&[1, 5, 2, 2, 5, 5])),
        1 => vec(0u8..7, 0..8).prop_map(Bytes::from),
    ]
}

fn meta() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..3).prop_map(Bytes::from)
}

fn alive() -> impl Strategy<Value = Alive> {
    (incarnation(), node_name(), an_address(), 0u16..3, meta(), versions()).prop_map(
        |(incarnation, node, address, port, meta, versions)| Alive {
            incarnation,
            node,
            address,
            port,
            meta,
            versions,
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let number = || (0u32..12).prop_map(SequenceNumber);
    let ping =
        (number(), node_name(), an_address(), 0u16..3).prop_map(|(n, node, address, port)| Ping {
            sequence_number: n,
            node: node.to_string(),
            source_address: address,
            source_port: port,
            source_node: "x".to_owned(),
        });
    let indirect = (number(), node_name(), an_address(), 0u16..3, any::<bool>()).prop_map(
        |(n, node, target, port, nack)| IndirectPing {
            sequence_number: n,
            target,
            port,
            node: node.to_string(),
            nack,
            ..IndirectPing::default()
        },
    );
    prop_oneof![
        4 => alive().prop_map(Message::Alive),
        4 => (incarnation(), node_name(), node_name(), proptest::option::of(any::<u8>())).prop_map(
            |(incarnation, node, from, health)| {
                Message::Suspect(Suspect { incarnation, node, from, health })
            }
        ),
        4 => (incarnation(), node_name(), node_name())
            .prop_map(|(incarnation, node, from)| Message::Dead(Dead { incarnation, node, from })),
        1 => ping.prop_map(Message::Ping),
        1 => indirect.prop_map(Message::IndirectPing),
        1 => (number(), proptest::option::of(meta())).prop_map(|(sequence_number, payload)| {
            Message::Ack(Ack { sequence_number, payload })
        }),
        1 => number().prop_map(|sequence_number| Message::Nack(Nack { sequence_number })),
        1 => meta().prop_map(Message::User),
    ]
}

fn stream_message() -> impl Strategy<Value = StreamMessage> {
    let state =
        prop_oneof![Just(State::Alive), Just(State::Suspect), Just(State::Dead), Just(State::Left)];
    let entry = (alive(), state).prop_map(|(alive, state)| NodeState {
        name: alive.node,
        address: alive.address,
        port: alive.port,
        meta: alive.meta,
        incarnation: alive.incarnation,
        state,
        versions: alive.versions,
    });
    prop_oneof![
        6 => (any::<bool>(), vec(entry, 0..6), meta()).prop_map(|(join, nodes, user_state)| {
            let nodes = nodes.into_iter().collect();
            StreamMessage::PushPull(PushPull { join, nodes, user_state })
        }),
        1 => meta().prop_map(StreamMessage::User),
        1 => Just(StreamMessage::Ping(Ping::default())),
        1 => Just(StreamMessage::Ack(Ack::default())),
        1 => Just(StreamMessage::Error("no".to_owned())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let command = prop_oneof![
        4 => any::<bool>().prop_map(|join| Command::PushPull {
            to: SocketAddr::from(([10, 0, 0, 2], 1)),
            name: None,
            join,
        }),
        2 => vec(any::<u8>(), 0..600).prop_map(|meta| Command::UpdateMeta {
            meta: meta.into(),
            timeout: Duration::from_millis(500),
        }),
        1 => Just(Command::Leave { timeout: Duration::from_millis(500) }),
    ];
    let kind =
        prop_oneof![Just(IntentKind::Join), Just(IntentKind::Leave), Just(IntentKind::Prune)];
    prop_oneof![
        6 => (0u64..3000).prop_map(Step::Pass),
        1 => (0u64..1 << 34).prop_map(Step::Pass),
        2 => vec(any::<u8>(), 0..60).prop_map(Step::Bytes),
        12 => message().prop_map(Step::Message),
        3 => (1u8..5, stream_message())
            .prop_map(|(from, message)| Step::Request { from, message }),
        3 => (0u64..8, stream_message())
            .prop_map(|(dial, message)| Step::Response { dial, message }),
        1 => (0u64..8).prop_map(Step::DialFailed),
        1 => (1u8..5).prop_map(Step::SendFailed),
        1 => command.prop_map(Step::Command),
        2 => (any::<bool>(),
              proptest::option::of((node_name(), 0u64..5, kind)))
            .prop_map(|(waits, subject)| Step::Broadcast { waits, subject }),
        1 => (node_name(), 0u32..6)
            .prop_map(|(node, incarnation)| Step::Certify { node, incarnation }),
        1 => node_name().prop_map(Step::Forget),
    ]
}

struct Run {
    machine: Membership,
    now: Time,
    incarnation: Incarnation,
    left: bool,
    tokens: BTreeSet<Token>,
    /// Who is up, by the events alone.
    up: BTreeSet<NodeName>,
    dialled: BTreeSet<DialId>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let config = Config::new(Profile::Local, "us".into(), ip(1), 7946);
        let now = Time::ZERO + Duration::from_secs(50);
        let mut machine = Membership::new(config, None, seed, now).unwrap();
        machine.start(now);
        Run {
            machine,
            now,
            incarnation: Incarnation(1),
            left: false,
            tokens: BTreeSet::new(),
            up: BTreeSet::new(),
            dialled: BTreeSet::new(),
        }
    }

    fn take(&mut self, number: u64, step: Step) {
        let from = SocketAddr::from(([10, 0, 0, 2], 7946));
        let now = self.now;
        match step {
            Step::Pass(ms) => self.pass(Duration::from_millis(ms)),
            Step::Bytes(bytes) => self.machine.handle(now, Input::Packet { from, bytes: &bytes }),
            Step::Message(message) => {
                let bytes = message.encode();
                self.machine.handle(now, Input::Packet { from, bytes: &bytes });
            }
            Step::Request { from, message } => {
                let from = SocketAddr::from(([10, 0, 0, from], 50_000));
                let connection = ConnectionId(number);
                self.machine.handle(now, Input::Request { connection, from, message });
            }
            Step::Response { dial, message } => {
                self.machine.handle(now, Input::Response { dial: DialId(dial), message });
            }
            Step::DialFailed(dial) => {
                let why = "no".to_owned();
                self.machine.handle(now, Input::DialFailed { dial: DialId(dial), why });
            }
            Step::SendFailed(last) => {
                let to = SocketAddr::from(([10, 0, 0, last], 7946));
                self.machine.handle(now, Input::SendFailed { to });
            }
            Step::Command(command) => {
                self.left |= matches!(command, Command::Leave { .. });
                let token = Token(number);
                self.tokens.insert(token);
                self.machine.handle(now, Input::Command { token, command });
            }
            Step::Broadcast { waits, subject } => {
                let waiter = waits.then(|| {
                    self.tokens.insert(Token(number));
                    (Token(number), now + Duration::from_secs(1))
                });
                let subject = match subject {
                    None => Subject::None,
                    Some((node, time, kind)) => {
                        Subject::Intent { node, time: LamportTime(time), kind }
                    }
                };
                let broadcast = UserBroadcast {
                    priority: Priority::Intent,
                    subject,
                    message: Bytes::from_static(b"\x00 an intent"),
                    waiter,
                };
                self.machine.broadcast(now, broadcast);
            }
            Step::Certify { node, incarnation } => {
                let until = now + Duration::from_secs(10);
                self.machine.certify_death(node, Incarnation(incarnation), until);
            }
            Step::Forget(node) => self.machine.forget_death(node.as_str()),
        }
        self.check();
    }

    /// In short steps for a while, the rest at once, as if asleep.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..200 {
            let Some(next) = self.machine.next_timeout().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.machine.handle(self.now, Input::Timeout);
            self.check();
        }
        self.now = end;
        for _ in 0..50 {
            if self.machine.next_timeout().is_none_or(|next| next > end) {
                return;
            }
            self.machine.handle(self.now, Input::Timeout);
            self.check();
        }
        panic!("time does not pass: {:?}", self.machine.next_timeout());
    }

    fn check(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Done { token, .. } => {
                    assert!(self.tokens.remove(&token), "{token:?} answered twice or unasked");
                }
                Output::Event(Event::Joined(node)) => {
                    assert!(self.up.insert(node.name.clone()), "{} joined twice", node.name);
                }
                Output::Event(Event::Departed(node)) => {
                    assert!(self.up.remove(&node.name), "{} departed twice", node.name);
                }
                Output::Event(Event::Updated(node)) => assert!(self.up.contains(&node.name)),
                Output::Packet { body, .. } => {
                    assert!(body.len() <= 1402, "{}", body.len());
                    wire::packet::open(&body, &wire::Security::default(), |part| {
                        assert!(part.is_ok(), "we send what cannot be read: {part:?}");
                    });
                }
                Output::Dial { dial, .. } => assert!(self.dialled.insert(dial)),
                _ => {}
            }
        }
        let own = self.machine.local();
        assert!(own.incarnation >= self.incarnation, "our incarnation fell");
        self.incarnation = own.incarnation;
        let expected = if self.left { State::Left } else { State::Alive };
        assert_eq!(own.state, expected);
        let names: Vec<_> = self.machine.nodes().map(|node| node.name.clone()).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "a name twice");
        let live: BTreeSet<NodeName> =
            self.machine.nodes().filter(|node| node.is_live()).map(|n| n.name.clone()).collect();
        assert_eq!(live, self.up, "table and events differ");
        assert_eq!(self.machine.live_count(), live.len());
        assert!(self.machine.queue_length(Priority::Intent) <= 5 + 60, "slots");
        assert!(self.machine.health_score() < 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_inputs_in_any_order(seed in any::<u64>(), steps in vec(step(), 1..60)) {
        let mut run = Run::new(seed);
        for (number, step) in steps.into_iter().enumerate() {
            run.take(number as u64, step);
        }
    }
}
