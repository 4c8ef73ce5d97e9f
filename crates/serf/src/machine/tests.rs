//! The rules of one member, seen from inside. Clusters are in the crate's `tests` folder.
#![allow(clippy::unwrap_used)]

mod exchanges;
mod intents;
mod keys;
mod lifecycle;
mod queries;
mod user_events;

use std::time::Duration;

use bytes::Bytes;
use gossip::{Keyring, Priority, Profile, Time, Token};
use wire::message::gossip::{NodeState, State};
use wire::message::serf::{Query, SerfMessage};
use wire::{Address, Incarnation, LamportTime, NodeName};

use super::Serf;
use crate::config::Config;
use crate::interface::{
    Command, Event, Fact, Input, MemberEventKind, MemberStatus, Outcome, Output,
};
use crate::snapshot::SnapshotState;

fn ip(last: u8) -> Address {
    std::net::IpAddr::from([127, 0, 0, last]).into()
}

fn config() -> Config {
    let below = gossip::Config::new(Profile::Lan, "alpha".into(), ip(1), 7946);
    // Without coalescing, so that events can be seen at once.
    Config {
        coalesce_period: Duration::ZERO,
        user_coalesce_period: Duration::ZERO,
        ..Config::new(below)
    }
}

fn at(ms: u64) -> Time {
    Time::ZERO + Duration::from_millis(ms)
}

fn serf() -> Serf {
    with(config(), None)
}

fn with(config: Config, snapshot: Option<SnapshotState>) -> Serf {
    with_keys(config, None, snapshot)
}

fn with_keys(config: Config, keyring: Option<Keyring>, snapshot: Option<SnapshotState>) -> Serf {
    let mut serf = Serf::new(config, keyring, snapshot, 7_u64, Time::ZERO).unwrap();
    outputs(&mut serf);
    serf
}

fn outputs(serf: &mut Serf) -> Vec<Output> {
    std::iter::from_fn(|| serf.poll_output()).collect()
}

fn node(name: &str, last: u8, incarnation: u32) -> NodeState {
    NodeState {
        name: name.into(),
        address: ip(last),
        port: 7946,
        meta: wire::message::encode_tags(&[("role".to_owned(), name.to_owned())].into()),
        incarnation: Incarnation(incarnation),
        state: State::Alive,
        versions: Bytes::from_static(&[1, 5, 2, 2, 5, 5]),
    }
}

/// Makes a member known to the layer below, too.
fn meet(serf: &mut Serf, node: &NodeState) {
    let alive = wire::message::gossip::Message::Alive(wire::message::gossip::Alive {
        incarnation: node.incarnation,
        node: node.name.clone(),
        address: node.address,
        port: node.port,
        meta: node.meta.clone(),
        versions: node.versions.clone(),
    });
    let mut packet = Vec::new();
    let options = serf.security().packet_options(false, false);
    wire::packet::seal(&alive.encode(), &options, [0; 12], &mut packet);
    let from = "127.0.0.99:7946".parse().unwrap();
    serf.handle(at(0), Input::Packet { from, bytes: &packet });
    outputs(serf);
}

fn status(serf: &Serf, name: &str) -> Option<MemberStatus> {
    serf.member(name).map(|member| member.status)
}

fn status_time(serf: &Serf, name: &str) -> u64 {
    serf.table.get(name).unwrap().status_time.0
}

/// Brings a message in as if it had come in a packet.
fn receive(serf: &mut Serf, now: Time, message: SerfMessage) -> Vec<Output> {
    serf.on_user_message(now, message.encode().into());
    serf.settle(now);
    outputs(serf)
}

fn command(serf: &mut Serf, now: Time, command: Command) -> Vec<Output> {
    serf.handle(now, Input::Command { token: Token(1), command });
    outputs(serf)
}

fn wake(serf: &mut Serf, now: Time) -> Vec<Output> {
    serf.handle(now, Input::Timeout);
    outputs(serf)
}

fn member_events(outputs: &[Output]) -> Vec<(MemberEventKind, String)> {
    let names = |output: &Output| match output {
        Output::Event(Event::Member { kind, members }) => {
            members.iter().map(|member| (*kind, member.name.to_string())).collect()
        }
        _ => Vec::new(),
    };
    outputs.iter().flat_map(names).collect()
}

fn user_events(outputs: &[Output]) -> Vec<(u64, String)> {
    let described = |output: &Output| match output {
        Output::Event(Event::User { lamport_time, name, .. }) => {
            Some((lamport_time.0, name.clone()))
        }
        _ => None,
    };
    outputs.iter().filter_map(described).collect()
}

/// All but those that only say that a message came in.
fn facts(outputs: &[Output]) -> Vec<&Fact> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Fact(Fact::MessageReceived { .. }) => None,
            Output::Fact(fact) => Some(fact),
            _ => None,
        })
        .collect()
}

fn outcome(outputs: &[Output]) -> Option<&Outcome> {
    outputs.iter().find_map(|output| match output {
        Output::Done { token: Token(1), outcome } => Some(outcome),
        _ => None,
    })
}

fn failure(outputs: &[Output]) -> Option<String> {
    match outcome(outputs) {
        Some(Outcome::Failed(error)) => Some(error.to_string()),
        _ => None,
    }
}

fn name(name: &str) -> NodeName {
    name.into()
}

fn time(time: u64) -> LamportTime {
    LamportTime(time)
}

/// A query from a member at 127.0.0.9.
fn query(at: u64, id: u32) -> Query {
    Query {
        lamport_time: time(at),
        id,
        address: ip(9),
        port: 7946,
        source_node: "asker".into(),
        filters: None,
        flags: 0,
        relay_factor: 0,
        timeout_ns: 1_000_000_000,
        name: "uptime".into(),
        payload: None,
    }
}

fn queued(serf: &Serf) -> [usize; 3] {
    [Priority::Intent, Priority::Query, Priority::Event]
        .map(|queue| serf.gossip.queue_length(queue))
}
