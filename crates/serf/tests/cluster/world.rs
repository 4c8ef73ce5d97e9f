//! A small network in virtual time: packets and streams with a delay, hosts that can be killed,
//! cut off and started again. The same seed gives the same run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serf::snapshot::SnapshotState;
use serf::{
    Command, Config, ConnectionId, DialId, Event, Fact, Input, JoinTarget, Keyring,
    MemberEventKind, MemberStatus, Outcome, Output, Persist, PersistId, Profile, QueryId,
    QueryProgress, Serf, Time, Token,
};
use wire::packet;
use wire::stream::{self, Progress, Role, StreamDecoder};

/// Something on its way.
enum Mail {
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Request { dialer: usize, dial: DialId, from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Response { dialer: usize, dial: DialId, bytes: Vec<u8> },
    Refused { dialer: usize, dial: DialId },
    Persisted { host: usize, id: PersistId },
}

/// One machine and everything that came out of it.
pub(crate) struct Host {
    pub config: Config,
    pub address: SocketAddr,
    pub serf: Option<Serf>,
    /// Hosts of different islands do not hear each other.
    pub island: u8,
    pub events: Vec<Event>,
    pub facts: Vec<Fact>,
    pub outcomes: BTreeMap<Token, Outcome>,
    pub progress: Vec<(QueryId, QueryProgress)>,
    pub snapshot: String,
    pub keyring: Vec<Vec<u8>>,
    pub shut_down: bool,
    /// Times that the machine asked to be woken.
    pub wakes: usize,
    /// Every packet body sent, if wanted.
    pub sent: Option<Vec<Vec<u8>>>,
    dials: BTreeMap<ConnectionId, (usize, DialId)>,
}

type DropRule = Box<dyn Fn(usize, &[u8]) -> bool>;

pub(crate) struct World {
    pub now: Time,
    pub hosts: Vec<Host>,
    /// Packets that are lost: from which host, and the plain body.
    pub drop_rule: Option<DropRule>,
    pub loss: f64,
    mail: BTreeMap<(Time, u64), Mail>,
    rng: SmallRng,
    counter: u64,
}

pub(crate) fn name(index: usize) -> String {
    format!("n{index}")
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + index as u8], 7946))
}

/// The settings of a host, without coalescing.
pub(crate) fn config(index: usize) -> Config {
    let at = address(index);
    let below =
        gossip::Config::new(Profile::Lan, name(index).as_str().into(), at.ip().into(), at.port());
    Config {
        coalesce_period: Duration::ZERO,
        user_coalesce_period: Duration::ZERO,
        persist_keyring: true,
        ..Config::new(below)
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        World {
            now: Time::ZERO,
            hosts: Vec::new(),
            drop_rule: None,
            loss: 0.0,
            mail: BTreeMap::new(),
            rng: SmallRng::seed_from_u64(seed),
            counter: 0,
        }
    }

    /// A settled cluster of `size` hosts that all joined the first one.
    pub(crate) fn cluster(seed: u64, size: usize) -> Self {
        let mut world = World::new(seed);
        for index in 0..size {
            world.add(config(index), None);
        }
        for index in 1..size {
            world.join(index, 0, true);
        }
        let whole = |w: &World| w.hosts.iter().all(|h| h.alive_members() == size);
        assert!(world.run_until(Duration::from_secs(20), whole), "the cluster is not whole");
        world.run(Duration::from_secs(5));
        world
    }

    pub(crate) fn add(&mut self, config: Config, keyring: Option<Keyring>) -> usize {
        let index = self.hosts.len();
        self.hosts.push(Host {
            address: SocketAddr::new(
                config.gossip.advertise_address.to_ip().unwrap(),
                config.gossip.advertise_port,
            ),
            config,
            serf: None,
            island: 0,
            events: Vec::new(),
            facts: Vec::new(),
            outcomes: BTreeMap::new(),
            progress: Vec::new(),
            snapshot: String::new(),
            keyring: Vec::new(),
            shut_down: false,
            wakes: 0,
            sent: None,
            dials: BTreeMap::new(),
        });
        self.start(index, keyring);
        index
    }

    /// Starts a host, or starts it again from its snapshot.
    pub(crate) fn start(&mut self, index: usize, keyring: Option<Keyring>) {
        let seed: u64 = self.rng.random();
        let host = &mut self.hosts[index];
        let (state, _) = SnapshotState::replay(&host.snapshot, host.config.rejoin_after_leave);
        host.events.clear();
        let serf = Serf::new(host.config.clone(), keyring, Some(state), seed, self.now);
        host.serf = Some(serf.unwrap());
        self.carry_out(index);
    }

    pub(crate) fn kill(&mut self, index: usize) {
        self.hosts[index].serf = None;
    }

    pub(crate) fn command(&mut self, index: usize, command: Command) -> Token {
        self.counter += 1;
        let token = Token(self.counter);
        self.input(index, Input::Command { token, command });
        token
    }

    pub(crate) fn join(&mut self, index: usize, to: usize, ignore_old_events: bool) -> Token {
        let target = JoinTarget { address: self.hosts[to].address, name: None, label: name(to) };
        self.command(index, Command::Join { targets: vec![target], ignore_old_events })
    }

    /// Sends a datagram from nowhere.
    pub(crate) fn inject(&mut self, to: usize, bytes: &[u8]) {
        let from = SocketAddr::from(([10, 9, 9, 9], 7946));
        self.input(to, Input::Packet { from, bytes });
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }

    /// Runs until something holds; false if it does not within `limit`.
    pub(crate) fn run_until(&mut self, limit: Duration, holds: impl Fn(&World) -> bool) -> bool {
        let end = self.now + limit;
        let mut steps = 0;
        while !holds(self) {
            let (at, waker) = self.next();
            if at > end {
                self.now = end;
                return false;
            }
            self.now = at;
            match waker {
                Some(index) => {
                    self.hosts[index].wakes += 1;
                    self.input(index, Input::Timeout);
                }
                None => self.deliver(),
            }
            steps += 1;
            assert!(steps < 20_000_000, "the world spins at {:?}", self.now);
        }
        true
    }

    /// When the next thing happens, and which host wakes (None: mail arrives).
    fn next(&self) -> (Time, Option<usize>) {
        let end = Time::from_nanos(u64::MAX);
        let mail = self.mail.first_key_value().map_or(end, |((at, _), _)| *at);
        let timeout = |host: &Host| host.serf.as_ref().and_then(Serf::next_timeout);
        let wakes = self.hosts.iter().enumerate().filter_map(|(i, h)| Some((timeout(h)?, i)));
        match wakes.min() {
            Some((at, index)) if at < mail => (at.max(self.now), Some(index)),
            _ => (mail.max(self.now), None),
        }
    }

    fn deliver(&mut self) {
        let Some((_, mail)) = self.mail.pop_first() else { return };
        match mail {
            Mail::Packet { from, to, bytes } => {
                if let Some(index) = self.up(to) {
                    self.input(index, Input::Packet { from, bytes: &bytes });
                }
            }
            Mail::Request { dialer, dial, from, to, bytes } => match self.reachable(dialer, to) {
                Some(index) => self.request(index, dialer, dial, from, &bytes),
                None => self.post(Mail::Refused { dialer, dial }),
            },
            Mail::Response { dialer, dial, bytes } => self.response(dialer, dial, &bytes),
            Mail::Refused { dialer, dial } => {
                let why = "connect: connection refused".to_owned();
                self.input(dialer, Input::DialFailed { dial, why });
            }
            Mail::Persisted { host, id } => {
                self.input(host, Input::Persisted { id, result: Ok(()) });
            }
        }
    }

    fn request(
        &mut self,
        index: usize,
        dialer: usize,
        dial: DialId,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        let Some(serf) = &self.hosts[index].serf else { return };
        match StreamDecoder::new(Role::Listener, serf.security().clone()).feed(bytes) {
            Progress::Message(message) => {
                self.counter += 1;
                let connection = ConnectionId(self.counter);
                self.hosts[index].dials.insert(connection, (dialer, dial));
                self.input(index, Input::Request { connection, from, message });
            }
            _ => self.post(Mail::Refused { dialer, dial }),
        }
    }

    fn response(&mut self, dialer: usize, dial: DialId, bytes: &[u8]) {
        let Some(serf) = &self.hosts[dialer].serf else { return };
        match StreamDecoder::new(Role::Dialer, serf.security().clone()).feed(bytes) {
            Progress::Message(message) => self.input(dialer, Input::Response { dial, message }),
            _ => self.post(Mail::Refused { dialer, dial }),
        }
    }

    /// The running host at an address.
    fn up(&self, at: SocketAddr) -> Option<usize> {
        self.hosts.iter().position(|host| host.address == at && host.serf.is_some())
    }

    fn reachable(&self, from: usize, to: SocketAddr) -> Option<usize> {
        let island = self.hosts[from].island;
        self.up(to).filter(|index| self.hosts[*index].island == island)
    }

    fn post(&mut self, mail: Mail) {
        let delay = Duration::from_micros(self.rng.random_range(200..2000));
        self.counter += 1;
        self.mail.insert((self.now + delay, self.counter), mail);
    }

    fn input(&mut self, index: usize, input: Input<'_>) {
        if let Some(serf) = &mut self.hosts[index].serf {
            serf.handle(self.now, input);
            self.carry_out(index);
        }
    }

    fn nonce(&mut self) -> [u8; 12] {
        self.rng.random()
    }

    fn carry_out(&mut self, index: usize) {
        loop {
            let host = &mut self.hosts[index];
            let Some(output) = host.serf.as_mut().and_then(Serf::poll_output) else { return };
            match output {
                Output::Packet { to, body, crc } => self.send(index, to, &body, crc),
                Output::Dial { dial, to, request, .. } => {
                    let bytes = self.sealed(index, &request, true);
                    let from = SocketAddr::new(self.hosts[index].address.ip(), 40_000);
                    self.post(Mail::Request { dialer: index, dial, from, to, bytes });
                }
                Output::Reply { connection, reply } => {
                    let bytes = self.sealed(index, &reply, false);
                    if let Some((dialer, dial)) = self.hosts[index].dials.remove(&connection) {
                        self.post(Mail::Response { dialer, dial, bytes });
                    }
                }
                Output::Close { connection } => {
                    if let Some((dialer, dial)) = host.dials.remove(&connection) {
                        self.post(Mail::Refused { dialer, dial });
                    }
                }
                Output::Persist { id, what } => {
                    if let Persist::Keyring(keys) = what {
                        host.keyring = keys.iter().map(|key| key.to_vec()).collect();
                    }
                    self.post(Mail::Persisted { host: index, id });
                }
                Output::Snapshot(record) => host.snapshot.push_str(&record.to_line()),
                Output::Event(event) => host.events.push(event),
                Output::Fact(fact) => host.facts.push(fact),
                Output::QueryProgress { query, progress } => host.progress.push((query, progress)),
                Output::Done { token, outcome } => {
                    assert!(host.outcomes.insert(token, outcome).is_none(), "answered twice");
                }
                Output::Shutdown => {
                    host.shut_down = true;
                    host.serf = None;
                }
            }
        }
    }

    fn send(&mut self, index: usize, to: SocketAddr, body: &[u8], crc: bool) {
        let lost = self.drop_rule.as_ref().is_some_and(|rule| rule(index, body))
            || self.rng.random::<f64>() < self.loss;
        let nonce = self.nonce();
        let reachable = self.reachable(index, to).is_some();
        let host = &mut self.hosts[index];
        if let Some(sent) = &mut host.sent {
            sent.push(body.to_vec());
        }
        let Some(serf) = &host.serf else { return };
        let mut bytes = Vec::new();
        packet::seal(body, &serf.security().packet_options(crc, true), nonce, &mut bytes);
        if !lost && reachable {
            self.post(Mail::Packet { from: self.hosts[index].address, to, bytes });
        }
    }

    fn sealed(&mut self, index: usize, segments: &[bytes::Bytes], dialer: bool) -> Vec<u8> {
        let nonce = self.nonce();
        let serf = self.hosts[index].serf.as_ref().unwrap();
        let segments: Vec<&[u8]> = segments.iter().map(|segment| &segment[..]).collect();
        stream::encode(&segments, &serf.security().stream_options(dialer, true), nonce).unwrap()
    }
}

impl Host {
    pub(crate) fn status_of(&self, name: &str) -> Option<MemberStatus> {
        self.serf.as_ref()?.member(name).map(|member| member.status)
    }

    pub(crate) fn alive_members(&self) -> usize {
        let Some(serf) = &self.serf else { return 0 };
        serf.members().filter(|member| member.status == MemberStatus::Alive).count()
    }

    /// How often a user event of that name was delivered.
    pub(crate) fn user_events(&self, wanted: &str) -> usize {
        let is = |e: &&Event| matches!(e, Event::User { name, .. } if name == wanted);
        self.events.iter().filter(is).count()
    }

    /// The kinds of the events of one member, in order.
    pub(crate) fn member_events(&self, of: &str) -> Vec<MemberEventKind> {
        let kind = |event: &Event| match event {
            Event::Member { kind, members } => {
                members.iter().any(|m| m.name.as_str() == of).then_some(*kind)
            }
            _ => None,
        };
        self.events.iter().filter_map(kind).collect()
    }
}
