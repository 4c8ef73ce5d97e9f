//! Streams: whole messages that take their time, but either arrive or fail.

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;
use gossip::{ConnectionId, DialId, Time};
use serf::{FrozenState, Input, Serf};
use wire::message::gossip::{BorrowedNodeState, State, StreamMessage, kind};
use wire::stream::{self, Progress, Role, StreamDecoder};
use wire::{Incarnation, NodeName, Security};

use crate::host::{Delivery, HostId};
use crate::observation::What;
use crate::trace::{self, Trace};
use crate::world::{Happening, World};

/// The streams that are open.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<u64, Stream>,
    last: u64,
    pub(crate) compression: Compression,
    /// States that were taken in without being encoded.
    pub(crate) frozen: u64,
}

/// How many bytes frozen states would have, had they been compressed.
#[derive(Debug)]
pub(crate) struct Compression {
    /// Up to this length every state is compressed, to know it.
    pub(crate) exact_up_to: usize,
    /// Of the longer ones: how many there were.
    longer: u64,
    /// Of the longer ones that were compressed: how long they were before, and after.
    sampled: (u128, u128),
}

/// One in so many of the longer states is compressed.
const SAMPLED: u64 = 16;

impl Default for Compression {
    fn default() -> Self {
        Compression { exact_up_to: 64 << 10, longer: 0, sampled: (0, 0) }
    }
}

impl Compression {
    /// The length of a state, compressed. Long ones are taken to become shorter in the ratio of
    /// those that are compressed to see: states of members that agree differ in their order only.
    fn length(&mut self, state: &FrozenState, length: usize) -> usize {
        let compressed = || stream::compress(&Serf::encode_frozen(state)).len();
        if length <= self.exact_up_to {
            return compressed();
        }
        let (before, after) = &mut self.sampled;
        if self.longer.is_multiple_of(SAMPLED) {
            *before += length as u128;
            *after += compressed() as u128;
        }
        self.longer += 1;
        (length as u128 * *after / *before) as usize
    }
}

#[derive(Debug)]
struct Stream {
    dialer: HostId,
    /// The run of the dialer: a later one knows nothing of it.
    run: u32,
    dial: DialId,
    to: SocketAddrV4,
    phase: Phase,
}

/// What is on its way, and whereto.
#[derive(Debug)]
enum Phase {
    Request(Written),
    /// Taken by a process, which has not answered yet.
    Taken,
    Answer(HostId, Written),
    /// Closed, or refused; why.
    End(&'static str),
}

/// What one side has written.
#[derive(Debug)]
enum Written {
    /// Neither sealed nor labelled, as segments.
    Plain(Vec<Bytes>),
    Sealed(Bytes),
    /// Not encoded, and how many bytes it would have: see [`World::freeze_states`].
    Frozen(FrozenState, usize),
}

/// Segments are sent again this often while nothing gets through.
const AGAIN: Duration = Duration::from_secs(1);

impl Written {
    fn len(&self) -> usize {
        match self {
            Written::Plain(segments) => segments.iter().map(Bytes::len).sum(),
            Written::Sealed(bytes) => bytes.len(),
            Written::Frozen(_, length) => *length,
        }
    }

    fn hash(&self, trace: &mut Trace) {
        match self {
            Written::Plain(segments) => segments.iter().for_each(|part| trace.written(part)),
            Written::Sealed(bytes) => trace.written(bytes),
            Written::Frozen(..) => {}
        }
    }

    fn read(&self, role: Role, security: &Security) -> Progress {
        let mut decoder = StreamDecoder::new(role, security.clone());
        match self {
            Written::Sealed(bytes) => decoder.feed(bytes),
            // Whoever is to read it is told of it otherwise.
            Written::Frozen(..) => Progress::NeedMore,
            Written::Plain(segments) => {
                let progress = segments.iter().map(|segment| decoder.feed(segment));
                let mut progress = progress.filter(|progress| *progress != Progress::NeedMore);
                progress.next().unwrap_or(Progress::NeedMore)
            }
        }
    }
}

impl World {
    pub(crate) fn dial(
        &mut self,
        id: HostId,
        dial: DialId,
        to: SocketAddr,
        deadline: Time,
        request: Vec<Bytes>,
    ) {
        let SocketAddr::V4(to) = to else { return };
        let request = self.as_old_agent(id, request);
        self.observe_stream(id, &request, |message| What::Dialled { dial, message });
        let host = &self.hosts[id.0];
        let run = host.runs;
        let deadline = host.clock.world(deadline);
        let written = self.write(id, true, request);
        written.hash(&mut self.trace);
        self.traffic.streams += 1;
        self.traffic.stream_bytes += written.len() as u64;
        self.streams.last += 1;
        let number = self.streams.last;
        self.agenda.enter(deadline, Happening::StreamDeadline(number));
        let target = self.by_address.get(&to).copied();
        let target = target.filter(|target| {
            self.network.reaches(id, *target) && self.network.reaches(*target, id)
        });
        let bytes = written.len();
        let mut phase = Phase::Request(written);
        let arrival = match target {
            // Nobody there: not even a refusal.
            None => self.now + AGAIN,
            Some(target) => {
                let round_trip = self.network.base_delay(id, target) * 2;
                if self.hosts[target.0].process.is_none() {
                    phase = Phase::End("connect: connection refused");
                    self.now + round_trip
                } else {
                    let chance = &mut self.chance;
                    self.network.segment(self.now, id, target, bytes, chance) + round_trip
                }
            }
        };
        self.streams.open.insert(number, Stream { dialer: id, run, dial, to, phase });
        self.agenda.enter(arrival, Happening::Stream(number));
    }

    /// What is on its way has arrived, if nothing stands in its way.
    pub(crate) fn stream_arrives(&mut self, number: u64) {
        let Some(stream) = self.streams.open.get(&number) else { return };
        let (dialer, to) = (stream.dialer, stream.to);
        let passes = |world: &World, a: HostId, b: HostId| {
            world.network.reaches(a, b) && world.network.reaches(b, a)
        };
        match &stream.phase {
            Phase::Request(_) => {
                let target = self.by_address.get(&to).copied();
                match target.filter(|target| passes(self, dialer, *target)) {
                    None => self.agenda.enter(self.now + AGAIN, Happening::Stream(number)),
                    Some(target) if self.hosts[target.0].process.is_none() => {
                        self.stream_fails(number, "connect: connection refused");
                    }
                    Some(target) => self.deliver(target, Delivery::Request { stream: number }),
                }
            }
            Phase::Answer(listener, _) => {
                if passes(self, *listener, dialer) {
                    self.stream_answers(number);
                } else {
                    self.agenda.enter(self.now + AGAIN, Happening::Stream(number));
                }
            }
            Phase::End(why) => self.stream_fails(number, why),
            Phase::Taken => {}
        }
    }

    pub(crate) fn stream_deadline(&mut self, number: u64) {
        self.stream_fails(number, "i/o timeout");
    }

    fn stream_fails(&mut self, number: u64, why: &'static str) {
        if let Some(Stream { dialer, run, dial, .. }) = self.streams.open.remove(&number)
            && self.hosts[dialer.0].process.as_ref().is_some_and(|p| p.run == run)
        {
            self.deliver(dialer, Delivery::DialFailed { dial, why });
        }
    }

    fn stream_answers(&mut self, number: u64) {
        let Some(Stream { dialer, run, dial, phase, .. }) = self.streams.open.remove(&number)
        else {
            return;
        };
        let (Phase::Answer(_, written), Some(process)) = (phase, &self.hosts[dialer.0].process)
        else {
            return;
        };
        if process.run != run {
            return;
        }
        let written = match written {
            Written::Frozen(state, _) => {
                self.streams.frozen += 1;
                return self.deliver(dialer, Delivery::FrozenResponse { dial, state });
            }
            written => written,
        };
        let delivery = match written.read(Role::Dialer, process.serf.security()) {
            Progress::Message(message) => Delivery::Response { dial, message },
            Progress::NeedMore | Progress::Fail(_) => {
                Delivery::DialFailed { dial, why: "the answer cannot be read" }
            }
        };
        self.deliver(dialer, delivery);
    }

    /// A process takes a request from its listener.
    pub(crate) fn handle_request(&mut self, id: HostId, number: u64) {
        let Some(stream) = self.streams.open.get_mut(&number) else { return };
        let Phase::Request(written) = std::mem::replace(&mut stream.phase, Phase::Taken) else {
            return;
        };
        let dialer = stream.dialer;
        let Some(process) = &self.hosts[id.0].process else { return };
        let connection = ConnectionId(number);
        // From any port: it says nothing about the member.
        let mut from = self.hosts[dialer.0].address;
        from.set_port(40_000 + (number % 20_000) as u16);
        let from = SocketAddr::V4(from);
        if let Written::Frozen(state, length) = written {
            self.streams.frozen += 1;
            self.trace.number(length as u64);
            return self.input(id, Input::FrozenRequest { connection, from, state });
        }
        let message = match written.read(Role::Listener, process.serf.security()) {
            Progress::Message(message) => message,
            Progress::NeedMore => return self.reply(id, connection, None),
            Progress::Fail(failure) => {
                let reply = failure.reply().map(|message| vec![message.encode().into()]);
                return self.reply(id, connection, reply);
            }
        };
        self.trace.number(written.len() as u64);
        if self.trace.is_readable() {
            let dialer = self.hosts[dialer.0].name.clone();
            self.explain(id, || {
                format!("is asked by {dialer}: {}", trace::describe_stream(&message))
            });
        }
        if self.watches_everything() {
            let news = self.news(id, &message);
            let message = message.clone();
            self.observe(id, What::Asked { connection, from: dialer, message, news });
        }
        self.input(id, Input::Request { connection, from, message });
    }

    /// What a push/pull says to be alive that its receiver does not know as that.
    fn news(&self, id: HostId, message: &StreamMessage) -> Vec<(NodeName, Incarnation)> {
        let (StreamMessage::PushPull(state), Some(serf)) = (message, self.hosts[id.0].serf())
        else {
            return Vec::new();
        };
        let known = |entry: &BorrowedNodeState<'_>| {
            let node = serf.membership().node(entry.name);
            node.is_some_and(|node| node.is_live())
        };
        let living = state.nodes.iter().filter(|entry| entry.state == State::Alive);
        living.filter(|e| !known(e)).map(|e| (e.name.into(), e.incarnation)).collect()
    }

    /// Answers a request, or closes the stream without an answer.
    pub(crate) fn reply(
        &mut self,
        id: HostId,
        connection: ConnectionId,
        reply: Option<Vec<Bytes>>,
    ) {
        let reply = reply.map(|segments| self.as_old_agent(id, segments));
        match &reply {
            Some(segments) => self.observe_stream(id, segments, |message| What::Replied {
                connection,
                message: Some(message),
            }),
            None => self.observe(id, What::Replied { connection, message: None }),
        }
        let phase = match reply {
            None => Phase::End("EOF"),
            Some(segments) => Phase::Answer(id, self.write(id, false, segments)),
        };
        let mut bytes = 0;
        if let Phase::Answer(_, written) = &phase {
            written.hash(&mut self.trace);
            bytes = written.len();
        }
        self.traffic.stream_bytes += bytes as u64;
        let Some(stream) = self.streams.open.get_mut(&connection.0) else { return };
        stream.phase = phase;
        let dialer = stream.dialer;
        let arrival = self.network.segment(self.now, id, dialer, bytes, &mut self.chance);
        self.agenda.enter(arrival, Happening::Stream(connection.0));
    }

    fn as_old_agent(&self, id: HostId, segments: Vec<Bytes>) -> Vec<Bytes> {
        match &self.hosts[id.0].process {
            Some(process) => match &process.old_agent {
                Some(old) => old.stream(process.serf.membership(), segments),
                None => segments,
            },
            None => segments,
        }
    }

    fn observe_stream(
        &mut self,
        id: HostId,
        segments: &[Bytes],
        what: impl FnOnce(StreamMessage) -> What,
    ) {
        if !self.watches_everything() {
            return;
        }
        let plain = Written::Plain(segments.to_vec());
        let answer = segments.first().and_then(|s| s.first());
        let role = match answer {
            Some(&(kind::ACK | kind::ERROR)) => Role::Dialer,
            _ => Role::Listener,
        };
        if let Progress::Message(message) = plain.read(role, &Security::default()) {
            self.observe(id, what(message));
        }
    }

    fn write(&mut self, id: HostId, dialer: bool, segments: Vec<Bytes>) -> Written {
        let Some(serf) = self.hosts[id.0].process.as_mut().map(|p| &mut p.serf) else {
            return Written::Plain(segments);
        };
        let frozen = if segments.is_empty() { serf.take_frozen() } else { None };
        let options = Serf::security(serf).stream_options(dialer, self.options.compress);
        if let Some((state, mut length)) = frozen {
            if options.compress {
                length = self.streams.compression.length(&state, length);
            }
            if options.key.is_some() {
                // Chance goes on as if it were sealed.
                self.chance.fill(&mut [0; 12]);
            }
            return Written::Frozen(state, stream::encoded_len(length, &options));
        }
        if options.key.is_none() && options.label.is_empty() && !options.compress {
            return Written::Plain(segments);
        }
        let mut nonce = [0; 12];
        if options.key.is_some() {
            self.chance.fill(&mut nonce);
        }
        let pieces: Vec<&[u8]> = segments.iter().map(|segment| &segment[..]).collect();
        match stream::encode(&pieces, &options, nonce) {
            Ok(bytes) => Written::Sealed(bytes.into()),
            Err(_) => Written::Plain(segments),
        }
    }
}
