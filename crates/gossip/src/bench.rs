//! A single machine on the bench, for tests: messages in, what it did out.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use wire::message::gossip::{
    Alive, Dead, Message, NodeState, PushPull, State, StreamMessage, Suspect,
};
use wire::{Address, Incarnation};

use crate::broadcasts::Fill;
use crate::interface::{ConnectionId, Event, Fact, Input, Output};
use crate::{Config, Membership, Profile, Time};

pub(crate) const USUAL: &[u8] = &[1, 5, 2, 2, 5, 5];

pub(crate) struct Bench {
    pub(crate) machine: Membership,
    pub(crate) now: Time,
}

pub(crate) fn ip(last: u8) -> Address {
    IpAddr::from([10, 0, 0, last]).into()
}

pub(crate) fn alive(node: &str, incarnation: u32) -> Alive {
    let last = node.bytes().last().unwrap_or_default();
    Alive {
        incarnation: Incarnation(incarnation),
        node: node.into(),
        address: ip(last),
        port: 7946,
        meta: Bytes::from_static(b"tags"),
        versions: Bytes::from_static(USUAL),
    }
}

pub(crate) fn suspect(node: &str, incarnation: u32, from: &str) -> Suspect {
    let incarnation = Incarnation(incarnation);
    Suspect { incarnation, node: node.into(), from: from.into(), health: None }
}

pub(crate) fn dead(node: &str, incarnation: u32, from: &str) -> Dead {
    Dead { incarnation: Incarnation(incarnation), node: node.into(), from: from.into() }
}

impl Bench {
    pub(crate) fn with(adapt: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(Profile::Local, "us".into(), ip(1), 7946);
        adapt(&mut config);
        let now = Time::ZERO + Duration::from_secs(100);
        let mut machine = Membership::new(config, None, 1_u64, now).unwrap();
        machine.start(now);
        let mut bench = Bench { machine, now };
        bench.outputs();
        bench
    }

    pub(crate) fn new() -> Self {
        Bench::with(|_| {})
    }

    pub(crate) fn packet(&mut self, message: &Message) -> Vec<Output> {
        let from = SocketAddr::from(([10, 0, 0, 9], 7946));
        self.machine.handle(self.now, Input::Packet { from, bytes: &message.encode() });
        self.outputs()
    }

    pub(crate) fn alive(&mut self, alive: Alive) -> Vec<Output> {
        self.packet(&Message::Alive(alive))
    }

    pub(crate) fn suspect(&mut self, suspect: Suspect) -> Vec<Output> {
        self.packet(&Message::Suspect(suspect))
    }

    pub(crate) fn dead(&mut self, dead: Dead) -> Vec<Output> {
        self.packet(&Message::Dead(dead))
    }

    pub(crate) fn push_pull(&mut self, from: u8, join: bool, nodes: Vec<NodeState>) -> Vec<Output> {
        let from = SocketAddr::from(([10, 0, 0, from], 50_000));
        let nodes = nodes.into_iter().collect();
        let state = PushPull { join, nodes, user_state: Bytes::new() };
        let message = StreamMessage::PushPull(state);
        let connection = ConnectionId(1);
        self.machine.handle(self.now, Input::Request { connection, from, message });
        self.outputs()
    }

    pub(crate) fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.machine.poll_output()).collect()
    }

    pub(crate) fn state(&self, node: &str) -> Option<(State, u32)> {
        self.machine.node(node).map(|node| (node.state, node.incarnation.0))
    }

    /// What waits to be told, decoded.
    pub(crate) fn queued(&mut self) -> Vec<Message> {
        let messages = self.machine.fetch(1 << 20, Fill::Piggyback);
        messages.iter().map(|message| Message::decode(message).unwrap()).collect()
    }

    pub(crate) fn queued_about(&mut self, name: &str) -> Option<Message> {
        self.queued().into_iter().find(|message| match message {
            Message::Alive(alive) => alive.node.as_str() == name,
            Message::Suspect(suspect) => suspect.node.as_str() == name,
            Message::Dead(dead) => dead.node.as_str() == name,
            _ => false,
        })
    }
}

/// The events of the layer above, in short.
pub(crate) fn events(outputs: &[Output]) -> Vec<String> {
    let short = |output: &Output| match output {
        Output::Event(Event::Joined(node)) => Some(format!("joined {}", node.name)),
        Output::Event(Event::Updated(node)) => Some(format!("updated {}", node.name)),
        Output::Event(Event::Departed(node)) => Some(format!("departed {}", node.name)),
        Output::Event(Event::Conflict { other, .. }) => Some(format!("conflict {}", other.name)),
        _ => None,
    };
    outputs.iter().filter_map(short).collect()
}

pub(crate) fn facts<'a>(outputs: &'a [Output]) -> Vec<&'a Fact> {
    let fact = |output: &'a Output| match output {
        Output::Fact(fact) => Some(fact),
        _ => None,
    };
    outputs.iter().filter_map(fact).collect()
}

pub(crate) fn entry(alive: Alive, state: State) -> NodeState {
    NodeState {
        name: alive.node,
        address: alive.address,
        port: alive.port,
        meta: alive.meta,
        incarnation: alive.incarnation,
        state,
        versions: alive.versions,
    }
}

/// The packets among the outputs: to whom, and the messages in it.
pub(crate) fn packets(outputs: &[Output]) -> Vec<(SocketAddr, Vec<Message>)> {
    let packet = |output: &Output| match output {
        Output::Packet { to, body, .. } => {
            let mut messages = Vec::new();
            wire::packet::open(body, &wire::Security::default(), |part| {
                messages.push(part.unwrap());
            });
            Some((*to, messages))
        }
        _ => None,
    };
    outputs.iter().filter_map(packet).collect()
}

impl Bench {
    /// Lets time pass, waking the machine whenever it wants.
    pub(crate) fn pass(&mut self, duration: Duration) -> Vec<Output> {
        let end = self.now + duration;
        let mut outputs = Vec::new();
        while let Some(next) = self.machine.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.machine.handle(self.now, Input::Timeout);
            outputs.extend(self.outputs());
        }
        self.now = end;
        outputs
    }
}
