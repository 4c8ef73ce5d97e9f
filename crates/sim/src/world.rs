//! The world: hosts, the network between them, and the order in which things happen.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;
use gossip::{DialId, Time, Token};
use serf::{Command, Event, Input, JoinTarget, Keyring, Outcome, Output, PersistId, Serf};
use wire::message::gossip::StreamMessage;
use wire::{Address, Key, NodeName, packet};

use crate::agenda::{Agenda, Next};
use crate::chance::Chance;
use crate::host::{Delivery, Habits, Host, HostId, HostPlan, Packet, Process, Purpose};
use crate::network::{AddressHasher, Network};
use crate::observation::{Observation, What};
use crate::old_agent::{self, OldAgent};
use crate::role::{self, Errand};
use crate::streams::Streams;
use crate::trace::{self, Trace};

/// How much of a world is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// What members say: facts, events, answers.
    Facts,
    /// And everything that travels between them.
    Everything,
}

/// How a world is to be.
#[derive(Clone, Copy, Debug)]
pub struct WorldOptions {
    /// Decides everything that the world decides.
    pub seed: u64,
    /// How much is to be seen.
    pub watch: Watch,
    /// Whether members compress what they send.
    pub compress: bool,
    /// Whether to keep lines to read.
    pub readable: bool,
}

/// What is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A datagram arrives.
    Datagram { to: SocketAddrV4, packet: Packet },
    /// Something of a stream arrives.
    Stream(u64),
    /// The deadline of a stream.
    StreamDeadline(u64),
    /// Something for a certain run of a host.
    Delivery(HostId, u32, Box<Delivery>),
    /// A member tries to join again.
    Join { host: HostId, run: u32, ignore_old_events: bool },
}

/// What went over the network, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams sent.
    pub datagrams: u64,
    /// Their bytes, without headers of the layers below.
    pub datagram_bytes: u64,
    /// Streams opened.
    pub streams: u64,
    /// Bytes of streams, both ways.
    pub stream_bytes: u64,
    /// Inputs handled.
    pub inputs: u64,
}

/// A world.
#[derive(Debug)]
pub struct World {
    pub(crate) now: Time,
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) hosts: Vec<Host>,
    /// When each host has something to do next. Close together: most times that a host was to be
    /// woken at are outdated when they come, and the host itself need not be looked at.
    wakes: Vec<Option<Time>>,
    /// Whether some have other habits than ours: hardly ever, and asked for every datagram.
    has_other_habits: bool,
    pub(crate) by_address: HashMap<SocketAddrV4, HostId, BuildHasherDefault<AddressHasher>>,
    /// The links.
    pub network: Network,
    pub(crate) chance: Chance,
    pub(crate) streams: Streams,
    pub(crate) trace: Trace,
    pub(crate) observed: Vec<Observation>,
    pub(crate) options: WorldOptions,
    pub(crate) traffic: Traffic,
    pub(crate) joined: Vec<HostId>,
    /// Whom all join, if not just anybody.
    pub(crate) door: Option<HostId>,
    /// See [`Self::freeze_states`].
    pub(crate) freezes: bool,
    tokens: u64,
    same_instant: (Time, u64),
}

/// Happenings of one instant beyond which the world is taken to stand still.
const STANDSTILL: u64 = 2_000_000;

impl World {
    /// An empty world.
    pub fn new(options: WorldOptions, network: Network) -> Self {
        World {
            now: Time::ZERO,
            agenda: Agenda::new(),
            hosts: Vec::new(),
            wakes: Vec::new(),
            has_other_habits: false,
            by_address: HashMap::default(),
            network,
            chance: Chance::new(options.seed, 1),
            streams: Streams::default(),
            trace: Trace::new(options.watch == Watch::Everything, options.readable),
            observed: Vec::new(),
            options,
            traffic: Traffic::default(),
            joined: Vec::new(),
            door: None,
            freezes: false,
            tokens: 0,
            same_instant: (Time::ZERO, 0),
        }
    }

    /// The world's time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// All hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host.
    pub fn host(&self, host: HostId) -> &Host {
        &self.hosts[host.0]
    }

    /// The ids of all hosts.
    pub fn host_ids(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len()).map(HostId)
    }

    /// What that host's clock shows.
    pub fn local_time(&self, host: HostId) -> Time {
        self.hosts[host.0].clock.local(self.now)
    }

    /// What went over the network so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The record of what happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Takes what was observed since the last call.
    pub fn take_observed(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.observed)
    }

    /// Adds a host, switched off.
    pub fn add_host(&mut self, plan: HostPlan) -> HostId {
        let id = HostId(self.hosts.len());
        self.network.add_port(plan.zone);
        self.has_other_habits |= plan.habits != Habits::Own;
        let host = Host::new(plan, self.now);
        self.by_address.insert(host.address, id);
        self.hosts.push(host);
        self.wakes.push(None);
        id
    }

    /// Does what is next if that is before `until`; false (at `until`) if it is not.
    pub fn step(&mut self, until: Time) -> bool {
        let Some((at, next)) = self.agenda.next_before(until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(at);
        if self.same_instant.0 != self.now {
            self.same_instant = (self.now, 0);
        }
        self.same_instant.1 += 1;
        assert!(
            self.same_instant.1 < STANDSTILL,
            "time stands still at {}",
            trace::Stamp(self.now)
        );
        let happening = match next {
            Next::Wake(host) => {
                self.wake(host);
                return true;
            }
            Next::Thing(happening) => happening,
        };
        match happening {
            Happening::Datagram { to, packet } => {
                let Some(&host) = self.by_address.get(&to) else { return true };
                // A partition that began meanwhile stops what is on its way.
                if self.network.reaches(packet.sender, host) {
                    self.deliver(host, Delivery::Packet(packet));
                }
            }
            Happening::Stream(stream) => self.stream_arrives(stream),
            Happening::StreamDeadline(stream) => self.stream_deadline(stream),
            Happening::Delivery(host, run, delivery) => {
                if self.hosts[host.0].process.as_ref().is_some_and(|p| p.run == run) {
                    self.deliver(host, *delivery);
                }
            }
            Happening::Join { host, run, ignore_old_events } => {
                if self.hosts[host.0].process.as_ref().is_some_and(|p| p.run == run) {
                    self.hosts[host.0].joins_again = false;
                    self.join(host, ignore_old_events);
                }
            }
        }
        true
    }

    /// Runs until then, whoever watches.
    pub fn run_until(&mut self, until: Time, mut watch: impl FnMut(&World, &[Observation])) {
        while self.step(until) {
            if !self.observed.is_empty() {
                let mut observed = self.take_observed();
                watch(self, &observed);
                // Its memory is used again.
                observed.clear();
                self.observed = observed;
            }
        }
    }

    /// Gives a member a command. The token is that of the observation of its end.
    pub fn command(&mut self, host: HostId, command: Command) -> Token {
        self.command_for(host, command, Purpose::Reported)
    }

    pub(crate) fn command_for(
        &mut self,
        host: HostId,
        command: Command,
        purpose: Purpose,
    ) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        let changes_keys = matches!(command, Command::Keys(_));
        assert!(!(self.freezes && changes_keys), "what is frozen is read with any key");
        if let Some(process) = &mut self.hosts[host.0].process {
            process.leaving |= matches!(command, Command::Leave);
            self.hosts[host.0].pending.insert(token, purpose);
            self.deliver(host, Delivery::Command { token, command: Box::new(command) });
        }
        token
    }

    /// Has it join through up to three others that have joined before, until one answers.
    pub fn join(&mut self, host: HostId, ignore_old_events: bool) {
        let others: Vec<HostId> = self.joined.iter().copied().filter(|id| *id != host).collect();
        let mut targets = Vec::new();
        let mut door = self.door.filter(|door| *door != host);
        for _ in 0..others.len().min(3) {
            let anybody = others[self.chance.below(others.len())];
            let target = door.take().unwrap_or(anybody);
            let address = SocketAddr::V4(self.hosts[target.0].address);
            targets.push(JoinTarget { address, name: None, label: address.to_string() });
        }
        if !self.joined.contains(&host) {
            self.joined.push(host);
        }
        if !targets.is_empty() {
            let command = Command::Join { targets, ignore_old_events };
            self.command_for(host, command, Purpose::Join { ignore_old_events });
        }
    }

    /// Starts its process; what its disk says is known to it.
    pub fn start(&mut self, id: HostId) {
        let seed = self.chance.number();
        let host = &mut self.hosts[id.0];
        host.runs += 1;
        let snapshot = host.snapshot.then(|| host.disk.replay());
        if let Some(plan) = host.role {
            role::initial_tags(plan, &mut host.config.tags);
        }
        let local = host.clock.local(self.now);
        let keyring = host.keyring.clone();
        let mut serf = Serf::new(host.config.clone(), keyring, snapshot, seed, local)
            .expect("the plans of hosts are valid");
        if self.freezes {
            serf.freeze_states();
        }
        let old_agent = (host.habits == Habits::OldAgent).then(OldAgent::default);
        let (run, started) = (host.runs, self.now);
        host.process =
            Some(Process { serf, run, started, leaving: false, old_agent, player: None });
        host.disturbed_at = self.now;
        self.note(id, || "starts".to_owned());
        self.observe(id, What::Began);
        self.drain(id);
        self.start_role(id);
        self.reschedule(id);
    }

    pub(crate) fn end(&mut self, id: HostId, now: Time) {
        let host = &mut self.hosts[id.0];
        host.process = None;
        host.inbox.clear();
        host.inbox_bytes = 0;
        self.wakes[id.0] = None;
        host.paused_until = Time::ZERO;
        host.busy_until = Time::ZERO;
        host.disturbed_at = now;
        host.pending.clear();
        host.joins_again = false;
        self.observe(id, What::Ended);
    }

    /// Its process does not run for that long; what comes meanwhile waits.
    pub fn pause(&mut self, id: HostId, duration: Duration) {
        let until = self.now + duration;
        let host = &mut self.hosts[id.0];
        if host.process.is_some() {
            host.paused_until = host.paused_until.max(until);
            host.disturbed_at = host.paused_until;
            self.note(id, || format!("is paused for {duration:?}"));
            self.reschedule(id);
        }
    }

    /// Whatever was in its way is gone.
    pub(crate) fn release(&mut self, id: HostId) {
        let now = self.now;
        let host = &mut self.hosts[id.0];
        host.work = Duration::ZERO;
        host.paused_until = host.paused_until.min(now);
        host.disk.failing = false;
        host.disturbed_at = now;
        self.reschedule(id);
    }

    /// Every input takes it that much processor time.
    pub fn set_work(&mut self, id: HostId, work: Duration) {
        let now = self.now;
        self.hosts[id.0].work = work;
        self.hosts[id.0].disturbed_at = now;
        self.note(id, || format!("takes {work:?} for an input"));
    }

    /// Its clock runs at another rate.
    pub fn set_clock_rate(&mut self, id: HostId, rate: f64) {
        let now = self.now;
        self.hosts[id.0].clock.set_rate(now, rate);
        self.note(id, || format!("has a clock that runs at {rate:.4}"));
        self.reschedule(id);
    }

    /// Its clock jumps ahead, as after a suspension.
    pub fn jump_clock(&mut self, id: HostId, by: Duration) {
        let now = self.now;
        self.hosts[id.0].clock.jump(now, by);
        self.hosts[id.0].disturbed_at = now;
        self.note(id, || format!("has a clock that jumps ahead by {by:?}"));
        self.reschedule(id);
    }

    /// Its next process has another address. Only while it is off.
    pub fn move_host(&mut self, id: HostId, address: SocketAddrV4) {
        let host = &mut self.hosts[id.0];
        self.by_address.remove(&host.address);
        host.address = address;
        host.config.gossip.advertise_address = Address::from(std::net::IpAddr::V4(*address.ip()));
        host.config.gossip.advertise_port = address.port();
        host.config.gossip.bind_port = address.port();
        self.by_address.insert(address, id);
    }

    /// Its next process has another name. Only while it is off.
    pub fn rename_host(&mut self, id: HostId, name: NodeName) {
        let host = &mut self.hosts[id.0];
        host.name = name.clone();
        host.config.gossip.name = name;
        host.disk = crate::disk::Disk::default();
    }

    /// What cannot be seen by a member but explains what it does: for those who read the trace.
    pub(crate) fn remark(&mut self, text: impl FnOnce() -> String) {
        self.trace.line(self.now, || format!("-- {}", text()));
    }

    pub(crate) fn note(&mut self, host: HostId, text: impl FnOnce() -> String) {
        self.trace.number(host.0 as u64);
        self.explain(host, text);
    }

    /// A line about a host that explains what it does: no part of the hash.
    pub(crate) fn explain(&mut self, host: HostId, text: impl FnOnce() -> String) {
        let name = &self.hosts[host.0].name;
        self.trace.line(self.now, || format!("{name} {}", text()));
    }

    pub(crate) fn observe(&mut self, host: HostId, what: What) {
        self.observed.push(Observation { host, what });
    }

    pub(crate) fn watches_everything(&self) -> bool {
        self.options.watch == Watch::Everything
    }

    /// Something for a host: handled at once if it is free, else it waits.
    pub(crate) fn deliver(&mut self, id: HostId, delivery: Delivery) {
        let host = &mut self.hosts[id.0];
        if host.process.is_none() {
            return;
        }
        if host.free_at() > self.now || !host.inbox.is_empty() {
            host.push(delivery);
        } else {
            self.handle(id, delivery);
        }
        self.reschedule(id);
    }

    fn wake(&mut self, id: HostId) {
        if self.wakes[id.0] != Some(self.now) {
            return;
        }
        self.wakes[id.0] = None;
        let host = &mut self.hosts[id.0];
        if host.process.is_some() && host.free_at() <= self.now {
            // As the agent does it: first whatever has arrived, then the time.
            match host.pop() {
                Some(delivery) => self.handle(id, delivery),
                None => self.handle_timeout(id),
            }
        }
        self.reschedule(id);
    }

    /// Enters when the host has something to do next.
    pub(crate) fn reschedule(&mut self, id: HostId) {
        self.wake_role(id);
        let host = &mut self.hosts[id.0];
        let Some(process) = &host.process else { return };
        let free = host.free_at().max(self.now);
        let next = if host.inbox.is_empty() {
            process.serf.next_timeout().map(|local| host.clock.world(local).max(free))
        } else {
            Some(free)
        };
        if next != self.wakes[id.0] {
            self.wakes[id.0] = next;
            if let Some(at) = next {
                self.agenda.enter_wake(at, id);
            }
        }
    }

    fn handle_timeout(&mut self, id: HostId) {
        self.input(id, Input::Timeout);
    }

    fn handle(&mut self, id: HostId, delivery: Delivery) {
        match delivery {
            Delivery::Packet(Packet { from, sender, bytes, damaged, key }) => {
                self.trace.bytes(&bytes);
                if self.watches_everything() {
                    let intact = !damaged && self.could_open(id, sender, key.as_ref());
                    let bytes = bytes.clone();
                    self.observe(id, What::Received { from: sender, bytes, intact });
                }
                self.input(id, Input::Packet { from: SocketAddr::V4(from), bytes: &bytes });
            }
            Delivery::Request { stream } => self.handle_request(id, stream),
            Delivery::Response { dial, message } => self.handle_response(id, dial, message),
            Delivery::FrozenResponse { dial, state } => {
                // As any answer is noted, but nobody reads the trace where states are frozen.
                self.trace.number(id.0 as u64);
                self.input(id, Input::FrozenResponse { dial, state });
            }
            Delivery::DialFailed { dial, why } => {
                self.note(id, || format!("has a stream that failed: {why}"));
                self.input(id, Input::DialFailed { dial, why: why.to_owned() });
            }
            Delivery::Persisted { id: write, failed } => {
                let result =
                    if failed { Err("no space left on device".to_owned()) } else { Ok(()) };
                self.input(id, Input::Persisted { id: write, result });
            }
            Delivery::Role(errand) => self.handle_errand(id, errand),
            Delivery::Command { token, command } => {
                self.note(id, || format!("is told: {}", describe_command(&command)));
                self.input(id, Input::Command { token, command: *command });
            }
        }
    }

    fn handle_response(&mut self, id: HostId, dial: DialId, message: StreamMessage) {
        self.note(id, || format!("is answered: {}", trace::describe_stream(&message)));
        if self.watches_everything() {
            let message = message.clone();
            self.observe(id, What::Answered { dial, message });
        }
        self.input(id, Input::Response { dial, message });
    }

    pub(crate) fn input(&mut self, id: HostId, input: Input<'_>) {
        let host = &mut self.hosts[id.0];
        let Some(process) = &mut host.process else { return };
        let local = host.clock.local(self.now);
        self.trace.number(self.now.as_nanos() ^ ((id.0 as u64) << 48));
        self.traffic.inputs += 1;
        process.serf.handle(local, input);
        if !host.work.is_zero() {
            host.busy_until = self.now + host.work.mul_f64(0.5 + self.chance.share());
        }
        self.drain(id);
    }

    pub(crate) fn drain(&mut self, id: HostId) {
        while let Some(output) =
            self.hosts[id.0].process.as_mut().and_then(|process| process.serf.poll_output())
        {
            self.output(id, output);
        }
        if self.watches_everything() {
            self.observe(id, What::Handled);
        }
    }

    fn output(&mut self, id: HostId, output: Output) {
        match output {
            Output::Packet { to, body, crc } => self.send(id, to, body, crc),
            Output::Dial { dial, to, deadline, request } => {
                self.dial(id, dial, to, deadline, request);
            }
            Output::Reply { connection, reply } => self.reply(id, connection, Some(reply)),
            Output::Close { connection } => self.reply(id, connection, None),
            Output::Persist { id: write, what } => self.persist(id, write, what),
            Output::Snapshot(record) => {
                let host = &mut self.hosts[id.0];
                let local = host.clock.local(self.now);
                host.disk.append(local, &record);
            }
            Output::Event(event) => self.event(id, event),
            Output::Fact(fact) => {
                self.trace.said(&fact);
                self.note(id, || format!("  {fact:?}"));
                let host = &mut self.hosts[id.0];
                if let Some(process) = &mut host.process
                    && let (Some(old), serf::Fact::Member { name, .. }) =
                        (&mut process.old_agent, &fact)
                {
                    old.note(process.serf.membership(), name);
                }
                if matches!(fact, serf::Fact::Member { .. }) {
                    self.members_changed(id);
                }
                self.observe(id, What::Fact(fact));
            }
            Output::QueryProgress { query, progress } => {
                self.trace.said(&progress);
                self.note(id, || format!("  query {} {progress:?}", query.lamport_time));
                self.observe(id, What::Progress(query, progress));
            }
            Output::Done { token, outcome } => self.done(id, token, outcome),
            Output::Shutdown => {
                self.note(id, || "has lost its name and shuts down".to_owned());
                let now = self.now;
                self.hosts[id.0].disk.close(now);
                self.end(id, now);
            }
        }
    }

    /// Sends a body from that host to up to three others, as its member would.
    pub(crate) fn inject(&mut self, from: HostId, body: Bytes) {
        let others: Vec<SocketAddrV4> = self
            .host_ids()
            .filter(|id| *id != from && self.hosts[id.0].process.is_some())
            .map(|id| self.hosts[id.0].address)
            .collect();
        for _ in 0..others.len().min(3) {
            let to = others[self.chance.below(others.len())];
            self.send(from, SocketAddr::V4(to), body.clone(), false);
        }
    }

    fn persist(&mut self, id: HostId, write: PersistId, what: serf::Persist) {
        let host = &mut self.hosts[id.0];
        let failed = host.disk.failing;
        host.disk.failed_writes += u64::from(failed);
        if !failed && let serf::Persist::Keyring(keys) = &what {
            let mut keys = keys.iter().filter_map(|key| Key::new(key).ok());
            host.keyring = keys.next().map(|primary| Keyring::with_keys(primary, keys));
        }
        let run = host.runs;
        let at = self.now + host.disk.write_time;
        let delivery = Delivery::Persisted { id: write, failed };
        self.agenda.enter(at, Happening::Delivery(id, run, Box::new(delivery)));
    }

    fn event(&mut self, id: HostId, event: Event) {
        self.trace.said(&event);
        self.note(id, || format!("  event: {}", describe_event(&event)));
        if let Event::Query { query, .. } = &event {
            // The application thinks for a moment, then answers.
            let (query, payload) = (*query, Bytes::from(self.hosts[id.0].name.to_string()));
            let command = Box::new(Command::Respond { query, payload });
            self.tokens += 1;
            let token = Token(self.tokens);
            self.hosts[id.0].pending.insert(token, Purpose::Ignored);
            let at = self.now + self.chance.between(Duration::ZERO, Duration::from_millis(30));
            let run = self.hosts[id.0].runs;
            let delivery = Delivery::Command { token, command };
            self.agenda.enter(at, Happening::Delivery(id, run, Box::new(delivery)));
        }
        self.observe(id, What::Event(event));
    }

    fn done(&mut self, id: HostId, token: Token, outcome: Outcome) {
        self.trace.said(&outcome);
        match self.hosts[id.0].pending.remove(&token) {
            Some(Purpose::Join { ignore_old_events }) => {
                if !matches!(outcome, Outcome::Joined { contacted: 1.., .. }) {
                    let wait = Duration::from_secs(5).mul_f64(1.0 + self.chance.share());
                    let run = self.hosts[id.0].runs;
                    self.hosts[id.0].joins_again = true;
                    let again = Happening::Join { host: id, run, ignore_old_events };
                    self.agenda.enter(self.now + wait, again);
                }
            }
            Some(Purpose::Leave) => {
                self.note(id, || "has left".to_owned());
                let now = self.now;
                self.hosts[id.0].disk.close(now);
                self.observe(id, What::Done(token, outcome));
                self.end(id, now);
            }
            Some(Purpose::Exchange) => self.errand(id, Duration::ZERO, Errand::Exchanged(token)),
            Some(Purpose::Reported) => {
                self.note(id, || format!("  done: {outcome:?}"));
                self.observe(id, What::Done(token, outcome));
            }
            Some(Purpose::Ignored) | None => {}
        }
    }

    fn send(&mut self, id: HostId, to: SocketAddr, body: Bytes, crc: bool) {
        let SocketAddr::V4(address) = to else { return };
        let body = match self.hosts[id.0].process.as_ref().and_then(|p| p.old_agent.as_ref()) {
            Some(old) => old.packet(body),
            None => body,
        };
        let target = self.by_address.get(&address).copied();
        if self.trace.is_readable() {
            let name = target.map(|target| self.hosts[target.0].name.clone());
            let name = name.map_or(address.to_string(), |name| name.to_string());
            self.explain(id, || format!("→ {name}: {}", trace::describe(&body)));
        }
        if self.watches_everything() {
            self.observe(id, What::Sent { to: target, address, body: body.clone(), crc });
        }
        let reader = target.filter(|target| self.could_read(*target, &body, crc));
        let mut bytes = self.sealed(id, body, crc);
        self.traffic.datagrams += 1;
        self.traffic.datagram_bytes += bytes.len() as u64;
        let Some(target) = reader else { return };
        let arrivals = self.network.datagram(self.now, id, target, bytes.len(), &mut self.chance);
        let keyring = self.hosts[id.0].serf().and_then(|serf| serf.security().keyring.as_ref());
        let key = keyring.map(|keyring| keyring.primary().clone());
        let protected = crc || key.is_some();
        for at in [arrivals.first, arrivals.second].into_iter().flatten() {
            let (bytes, damaged) = if arrivals.damaged {
                match self.damage(&bytes, protected) {
                    Some(bytes) => (bytes, true),
                    None => continue,
                }
            } else if arrivals.second.is_some() {
                (bytes.clone(), false)
            } else {
                (std::mem::take(&mut bytes), false)
            };
            let from = self.hosts[id.0].address;
            let packet = Packet { from, sender: id, bytes, damaged, key: key.clone() };
            self.agenda.enter(at, Happening::Datagram { to: address, packet });
        }
    }

    /// What the receiver's checksum or seal would notice is damaged anywhere; anything else was
    /// caught by the checksum of the datagram itself, unless it was cut short.
    fn damage(&mut self, bytes: &Bytes, protected: bool) -> Option<Bytes> {
        if protected && bytes.len() > 5 {
            let mut damaged = bytes.to_vec();
            let place = 5 + self.chance.below(damaged.len() - 5);
            damaged[place] ^= 1 << self.chance.below(8);
            return Some(damaged.into());
        }
        let kept = self.chance.below(bytes.len());
        (kept > 0 && self.chance.happens(0.5)).then(|| bytes.slice(..kept))
    }

    /// Whether the habits of that host let it read such a body.
    fn could_read(&self, target: HostId, body: &[u8], crc: bool) -> bool {
        if !self.has_other_habits {
            return true;
        }
        match self.hosts[target.0].habits {
            Habits::Own => true,
            Habits::OldAgent => old_agent::unreadable(body).is_none(),
            Habits::NoChecksums => !crc,
        }
    }

    fn sealed(&mut self, id: HostId, body: Bytes, crc: bool) -> Bytes {
        let Some(serf) = self.hosts[id.0].process.as_ref().map(|process| &process.serf) else {
            return body;
        };
        let options = serf.security().packet_options(crc, self.options.compress);
        if !crc && !options.compress && options.key.is_none() && options.label.is_empty() {
            return body;
        }
        let mut nonce = [0; 12];
        if options.key.is_some() {
            self.chance.fill(&mut nonce);
        }
        let mut out = Vec::with_capacity(body.len() + 64);
        packet::seal(&body, &options, nonce, &mut out);
        out.into()
    }

    /// Whether labels and keys let `to` read what `from` sends now.
    pub(crate) fn understand(&self, from: HostId, to: HostId) -> bool {
        let Some(serf) = self.hosts[from.0].serf() else { return false };
        let key = serf.security().keyring.as_ref().map(Keyring::primary);
        self.could_open(to, from, key)
    }

    /// Whether `to` can now read what `from` has sealed with that key.
    fn could_open(&self, to: HostId, from: HostId, key: Option<&Key>) -> bool {
        let Some(to) = self.hosts[to.0].serf().map(Serf::security) else { return false };
        let opens = match (key, &to.keyring) {
            (None, None) => true,
            (Some(key), Some(keyring)) => keyring.keys().contains(key),
            _ => false,
        };
        opens && self.hosts[from.0].config.gossip.label == to.label
    }
}

fn describe_command(command: &Command) -> String {
    match command {
        Command::Join { targets, ignore_old_events } => {
            let labels: Vec<&str> = targets.iter().map(|target| target.label.as_str()).collect();
            let old = if *ignore_old_events { ", old events unwanted" } else { "" };
            format!("join {}{old}", labels.join(" "))
        }
        Command::Keys(operation) => match operation {
            serf::KeyOperation::Install(_) => "install a key".to_owned(),
            serf::KeyOperation::Use(_) => "use a key".to_owned(),
            serf::KeyOperation::Remove(_) => "remove a key".to_owned(),
            serf::KeyOperation::List => "list keys".to_owned(),
        },
        other => format!("{other:?}"),
    }
}

fn describe_event(event: &Event) -> String {
    match event {
        Event::Member { kind, members } => {
            let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            format!("{} {}", kind.as_str(), names.join(" "))
        }
        Event::User { lamport_time, name, .. } => format!("user {name:?} t{lamport_time}"),
        Event::Query { query, name, .. } => format!("query {name:?} t{}", query.lamport_time),
    }
}
