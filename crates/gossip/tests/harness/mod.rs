//! A network of members in virtual time: everything happens in one thread, in an order that the
//! seed decides.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use gossip::{
    Command, Config, ConnectionId, DialId, Event, Fact, Input, Membership, Outcome, Output,
    Profile, StreamRequest, Time, Token,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use wire::message::gossip::{NodeTable, PushPull, State, StreamMessage};
use wire::msgpack::Reader;

/// What the links do to packets and streams.
#[derive(Clone, Debug)]
pub struct Links {
    pub min_delay: Duration,
    pub max_delay: Duration,
    /// Of packets; streams repeat what is lost.
    pub loss: f64,
    /// Extra time of a state exchange: connecting, compressing, decoding.
    pub stream_cost: Duration,
}

impl Default for Links {
    fn default() -> Self {
        Links {
            min_delay: Duration::from_micros(100),
            max_delay: Duration::from_micros(500),
            loss: 0.0,
            stream_cost: Duration::from_millis(1),
        }
    }
}

#[derive(Debug)]
enum Delivery {
    Wake,
    Packet { from: usize, body: Bytes },
    Request { from: usize, dial: DialId, message: StreamMessage },
    Response { dial: DialId, message: StreamMessage },
    Failed { dial: DialId, why: &'static str },
}

pub struct Host {
    pub machine: Membership,
    pub address: SocketAddr,
    /// Stopped hosts lose what is sent to them; paused ones get it later.
    pub up: bool,
    pub paused: bool,
    pub deaf: bool,
    backlog: Vec<Delivery>,
    wake: Option<Time>,
    pub events: Vec<(Time, Event)>,
    pub facts: Vec<(Time, Fact)>,
    pub done: BTreeMap<Token, (Time, Outcome)>,
    pub wakes: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub streams_dialled: u64,
}

pub struct Network {
    pub now: Time,
    pub hosts: Vec<Host>,
    pub links: Links,
    pub rng: SmallRng,
    /// Pairs that do not hear each other, either way.
    pub cut: BTreeSet<(usize, usize)>,
    by_address: BTreeMap<SocketAddr, usize>,
    queue: BTreeMap<(Time, u64), (usize, Delivery)>,
    number: u64,
    next_token: u64,
    /// Keep what the hosts report (turned off for large clusters).
    pub record: bool,
    pub trace: Vec<u8>,
    pub tracing: bool,
}

pub fn address(index: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, (index / 250) as u8, (index % 250) as u8 + 1))
}

pub fn config(index: usize, profile: Profile) -> Config {
    Config::new(profile, name(index).as_str().into(), address(index).into(), 7946)
}

pub fn name(index: usize) -> String {
    format!("n{index:03}")
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Network {
            now: Time::ZERO + Duration::from_secs(1000),
            hosts: Vec::new(),
            links: Links::default(),
            rng: SmallRng::seed_from_u64(seed),
            cut: BTreeSet::new(),
            by_address: BTreeMap::new(),
            queue: BTreeMap::new(),
            number: 0,
            next_token: 0,
            record: true,
            trace: Vec::new(),
            tracing: false,
        }
    }

    pub fn with_hosts(seed: u64, count: usize, adapt: impl Fn(&mut Config)) -> Self {
        let mut network = Network::new(seed);
        for index in 0..count {
            let mut config = config(index, Profile::Lan);
            adapt(&mut config);
            network.add(config);
        }
        network
    }

    pub fn add(&mut self, config: Config) -> usize {
        let index = self.hosts.len();
        let address =
            SocketAddr::new(config.advertise_address.to_ip().unwrap(), config.advertise_port);
        let seed: u64 = self.rng.random();
        let mut machine = Membership::new(config, None, seed, self.now).unwrap();
        machine.start(self.now);
        self.by_address.insert(address, index);
        self.hosts.push(Host {
            machine,
            address,
            up: true,
            paused: false,
            deaf: false,
            backlog: Vec::new(),
            wake: None,
            events: Vec::new(),
            facts: Vec::new(),
            done: BTreeMap::new(),
            wakes: 0,
            packets_sent: 0,
            bytes_sent: 0,
            streams_dialled: 0,
        });
        self.drain(index);
        index
    }

    /// Replaces a stopped host by a fresh process of the same name and address.
    pub fn restart(&mut self, index: usize, config: Config) {
        let seed: u64 = self.rng.random();
        let mut machine = Membership::new(config, None, seed, self.now).unwrap();
        machine.start(self.now);
        let host = &mut self.hosts[index];
        host.machine = machine;
        host.up = true;
        host.wake = None;
        self.drain(index);
    }

    pub fn kill(&mut self, index: usize) {
        self.hosts[index].up = false;
    }

    pub fn pause(&mut self, index: usize) {
        self.hosts[index].paused = true;
    }

    pub fn resume(&mut self, index: usize) {
        self.hosts[index].paused = false;
        for delivery in std::mem::take(&mut self.hosts[index].backlog) {
            self.schedule(Duration::ZERO, index, delivery);
        }
        let wake = self.hosts[index].wake;
        if wake.is_some_and(|wake| wake <= self.now) {
            // Waiting packets are read before the late timer, as drivers should.
            self.schedule(Duration::from_micros(1), index, Delivery::Wake);
        }
    }

    pub fn command(&mut self, index: usize, command: Command) -> Token {
        self.next_token += 1;
        let token = Token(self.next_token);
        let now = self.now;
        self.hosts[index].machine.handle(now, Input::Command { token, command });
        self.drain(index);
        token
    }

    pub fn join(&mut self, index: usize, to: usize) -> Token {
        let to = self.hosts[to].address;
        self.command(index, Command::PushPull { to, name: None, join: true })
    }

    /// All join the first.
    pub fn join_all(&mut self) {
        for index in 1..self.hosts.len() {
            self.join(index, 0);
        }
    }

    /// Lets a caller act on a machine, then carries out what it wants.
    pub fn with<R>(&mut self, index: usize, act: impl FnOnce(&mut Membership, Time) -> R) -> R {
        let result = act(&mut self.hosts[index].machine, self.now);
        self.drain(index);
        result
    }

    pub fn inject(&mut self, index: usize, from: SocketAddr, bytes: &[u8]) {
        let now = self.now;
        self.hosts[index].machine.handle(now, Input::Packet { from, bytes });
        self.drain(index);
    }

    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(end, |_| false);
    }

    /// Runs until a condition holds (checked after every step) or the time is over. True if it
    /// held.
    pub fn run_until(&mut self, end: Time, mut holds: impl FnMut(&Network) -> bool) -> bool {
        loop {
            if holds(self) {
                return true;
            }
            let Some((&(time, number), _)) = self.queue.first_key_value() else { break };
            if time > end {
                break;
            }
            let (to, delivery) = self.queue.remove(&(time, number)).unwrap();
            self.now = self.now.max(time);
            self.deliver(to, delivery);
        }
        self.now = self.now.max(end);
        holds(self)
    }

    /// Carries out whatever comes next, if anything does.
    pub fn step(&mut self) {
        if let Some(((time, _), (to, delivery))) = self.queue.pop_first() {
            self.now = self.now.max(time);
            self.deliver(to, delivery);
        }
    }

    pub fn sees(&self, index: usize, other: usize) -> Option<State> {
        self.hosts[index].machine.node(&name(other)).map(|node| node.state)
    }

    /// Every host that is up sees every host that is up as alive.
    pub fn whole(&self) -> bool {
        let up: Vec<usize> = (0..self.hosts.len()).filter(|index| self.hosts[*index].up).collect();
        up.iter().all(|index| self.hosts[*index].machine.live_count() >= up.len())
            && up
                .iter()
                .all(|index| up.iter().all(|other| self.sees(*index, *other) == Some(State::Alive)))
    }

    pub fn facts(&self) -> impl Iterator<Item = &(Time, Fact)> {
        self.hosts.iter().flat_map(|host| &host.facts)
    }

    fn deliver(&mut self, to: usize, delivery: Delivery) {
        let host = &mut self.hosts[to];
        if !host.up {
            if let Delivery::Request { from, dial, .. } = delivery {
                self.schedule(
                    Duration::from_micros(200),
                    from,
                    Delivery::Failed { dial, why: "connection refused" },
                );
            }
            return;
        }
        if host.paused {
            if !matches!(delivery, Delivery::Wake) {
                host.backlog.push(delivery);
            }
            return;
        }
        let now = self.now;
        match delivery {
            Delivery::Wake => {
                if host.wake.is_none_or(|wake| wake > now) {
                    return;
                }
                host.wake = None;
                host.wakes += 1;
                host.machine.handle(now, Input::Timeout);
            }
            Delivery::Packet { from, body } => {
                let source = self.hosts[from].address;
                let input = Input::Packet { from: source, bytes: &body };
                self.hosts[to].machine.handle(now, input);
            }
            Delivery::Request { from, dial, message } => {
                let source = SocketAddr::new(self.hosts[from].address.ip(), 40_000);
                // The dial's number names the connection; the harness remembers the dialler.
                let connection = ConnectionId(((from as u64) << 32) | dial.0);
                let input = Input::Request { connection, from: source, message };
                self.hosts[to].machine.handle(now, input);
            }
            Delivery::Response { dial, message } => {
                host.machine.handle(now, Input::Response { dial, message });
            }
            Delivery::Failed { dial, why } => {
                host.machine.handle(now, Input::DialFailed { dial, why: why.to_owned() });
            }
        }
        self.drain(to);
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.hosts[index].machine.poll_output() {
            if self.tracing {
                self.trace.extend_from_slice(format!("{index} {output:?}\n").as_bytes());
            }
            self.carry_out(index, output);
        }
        let host = &mut self.hosts[index];
        let next = host.machine.next_timeout();
        if let Some(next) = next
            && host.wake.is_none_or(|wake| next < wake || wake < self.now)
        {
            let delay = next.since(self.now);
            host.wake = Some(next.max(self.now));
            self.schedule(delay, index, Delivery::Wake);
        } else {
            host.wake = next.map(|next| next.max(self.now));
            if let Some(wake) = host.wake {
                let delay = wake.since(self.now);
                self.schedule(delay, index, Delivery::Wake);
            }
        }
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        match output {
            Output::Packet { to, body, .. } => {
                let host = &mut self.hosts[index];
                host.packets_sent += 1;
                host.bytes_sent += body.len() as u64;
                let Some(&target) = self.by_address.get(&to) else { return };
                let lost = self.rng.random_bool(self.links.loss);
                if lost || self.is_cut(index, target) || self.hosts[target].deaf {
                    return;
                }
                let delay = self.delay();
                self.schedule(delay, target, Delivery::Packet { from: index, body });
            }
            Output::Dial { dial, to, deadline, request } => {
                self.hosts[index].streams_dialled += 1;
                let target = self.by_address.get(&to).copied();
                match target {
                    Some(target) if !self.is_cut(index, target) => {
                        let message = stream_message(request);
                        let delay = self.delay() + self.delay() + self.links.stream_cost;
                        let delivery = Delivery::Request { from: index, dial, message };
                        self.schedule(delay, target, delivery);
                    }
                    _ => {
                        let delay = deadline.since(self.now);
                        let failed = Delivery::Failed { dial, why: "i/o timeout" };
                        self.schedule(delay, index, failed);
                    }
                }
            }
            Output::Reply { connection, reply } => {
                let (dialler, dial) = unpack(connection);
                let message = stream_message(reply);
                let delay = self.delay() + self.links.stream_cost;
                self.schedule(delay, dialler, Delivery::Response { dial, message });
            }
            Output::Close { connection } => {
                let (dialler, dial) = unpack(connection);
                self.schedule(self.links.min_delay, dialler, Delivery::Failed { dial, why: "EOF" });
            }
            Output::Event(event) => {
                if self.record {
                    self.hosts[index].events.push((self.now, event));
                }
            }
            Output::Fact(fact) => {
                if self.record {
                    self.hosts[index].facts.push((self.now, fact));
                }
            }
            Output::Done { token, outcome } => {
                let before = self.hosts[index].done.insert(token, (self.now, outcome));
                assert!(before.is_none(), "{token:?} answered twice");
            }
        }
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    fn delay(&mut self) -> Duration {
        self.rng.random_range(self.links.min_delay..=self.links.max_delay)
    }

    fn schedule(&mut self, delay: Duration, to: usize, delivery: Delivery) {
        self.number += 1;
        self.queue.insert((self.now + delay, self.number), (to, delivery));
    }
}

fn unpack(connection: ConnectionId) -> (usize, DialId) {
    ((connection.0 >> 32) as usize, DialId(connection.0 & 0xffff_ffff))
}

/// What the other side of a stream reads.
pub fn stream_message(request: StreamRequest) -> StreamMessage {
    match request {
        StreamRequest::Ping(ping) => StreamMessage::Ping(ping),
        StreamRequest::Ack(ack) => StreamMessage::Ack(ack),
        StreamRequest::Frozen(_) => panic!("nobody freezes states here"),
        StreamRequest::Pull { own } => push_pull(false, 1, &own),
        StreamRequest::PushPull { join, node_count, nodes } => push_pull(join, node_count, &nodes),
    }
}

fn push_pull(join: bool, node_count: usize, entries: &[u8]) -> StreamMessage {
    let mut reader = Reader::new(entries);
    let mut nodes = NodeTable::default();
    (0..node_count).for_each(|_| nodes.read_entry(&mut reader).unwrap());
    assert_eq!(nodes.len(), node_count);
    StreamMessage::PushPull(PushPull { join, nodes, user_state: Bytes::new() })
}

/// In the middle and the last of a set of durations.
pub fn median_and_last(mut durations: Vec<Duration>) -> (Duration, Duration) {
    durations.sort();
    (durations[durations.len() / 2], *durations.last().unwrap())
}
