//! The one task that owns the Serf machine.
//!
//! It feeds the machine with datagrams, the messages of streams, the time and what callers ask,
//! and carries out what the machine says. Nothing here waits for anything but the next of these:
//! streams, files and handlers have tasks of their own that report back.
//!
//! ```text
//!   UDP socket ──┐                                   ┌──▶ packets, dials, replies
//!   TCP listener ├─▶ select ─▶ Serf::handle ─▶ drain ┼──▶ callers
//!   requests ────┤                 ▲                 ├──▶ handlers, streams, facts
//!   arrivals ────┘                 └── timer         └──▶ snapshot, files
//! ```

mod outputs;
mod subscribers;
mod transport;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serf::{
    Command, ConnectionId, Coordinate, DialId, Event, Input, Keyring, Member, Outcome, PersistId,
    QueryId, QueryProgress, QueryRequest, Seed, Serf, Statistics, TagChange, Tags, Time, Token,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use wire::NodeName;
use wire::message::gossip::StreamMessage;

use crate::evidence::{Record, Ring};
use crate::files::snapshot::{Snapshot, SnapshotFile};
use crate::handlers;
use crate::limits;
use crate::log::{Level, Log};
use crate::node::{Ended, FactSink, NodeSettings, StartError};
use crate::platform::Datagrams;
use crate::platform::alarm::Alarm;
use crate::random;
use crate::streams;
use crate::telemetry::{Kind, Metrics, Series};
use subscribers::{EventSubscribers, EvidenceSubscribers};
use transport::Outbox;

/// What callers ask of the task.
pub(crate) enum Request {
    /// Let the machine do this.
    Command { command: Command, reply: oneshot::Sender<Outcome> },
    /// Ask a query.
    Query {
        request: QueryRequest,
        reply: oneshot::Sender<Result<mpsc::UnboundedReceiver<QueryProgress>, String>>,
    },
    /// Change the tags, on disk first if there is a file for them.
    SetTags { change: TagChange, reply: oneshot::Sender<Outcome> },
    /// All members.
    Members { reply: oneshot::Sender<Vec<Member>> },
    /// The numbers.
    Statistics { reply: oneshot::Sender<Statistics> },
    /// The own tags.
    Tags { reply: oneshot::Sender<Tags> },
    /// A coordinate.
    Coordinate { name: String, reply: oneshot::Sender<Option<Coordinate>> },
    /// Every event from now on.
    Subscribe { client: String, sender: mpsc::Sender<Arc<Event>> },
    /// What is known about somebody's health.
    Evidence { node: Option<String>, reply: oneshot::Sender<Vec<Record>> },
    /// Everything about anybody's health from now on.
    SubscribeEvidence { client: String, sender: mpsc::Sender<Record> },
    /// End.
    Shutdown,
}

/// What the tasks of the driver report back.
enum Arrival {
    /// A request has come in on a stream; dropping `reply` closes it.
    Request { from: SocketAddr, message: StreamMessage, reply: oneshot::Sender<Vec<Bytes>> },
    /// The answer to a dial; `taken` lets the stream go.
    Response { dial: DialId, message: StreamMessage, taken: oneshot::Sender<()> },
    /// A dial has failed.
    DialFailed { dial: DialId, why: String },
    /// An accepted stream has failed.
    StreamDropped { from: SocketAddr, why: String },
    /// A file was written, or not.
    Persisted { id: PersistId, result: Result<(), String> },
    /// The snapshot has brought the leave to disk as well as it could.
    LeaveOnDisk,
}

/// Who waits for the end of a command.
enum Caller {
    Outcome(oneshot::Sender<Outcome>),
    /// As `Outcome`; the answer also waits for the snapshot.
    Leave(oneshot::Sender<Outcome>),
    Query(oneshot::Sender<Result<mpsc::UnboundedReceiver<QueryProgress>, String>>),
}

/// What [`start`] leaves to the caller.
pub(crate) struct Started {
    pub(crate) requests: mpsc::UnboundedSender<Request>,
    pub(crate) ended: watch::Receiver<Option<Ended>>,
    pub(crate) name: NodeName,
    pub(crate) bind: SocketAddr,
    pub(crate) zero: Instant,
}

/// The machine's time: since `zero`.
pub(crate) fn time_since(zero: Instant) -> Time {
    Time::ZERO + zero.elapsed()
}

/// How many accepted streams of the same kind of trouble are left out between two log lines.
const STREAM_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How long no stream is accepted after the system could not accept one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Everything the task owns.
struct Driver {
    machine: Serf,
    zero: Instant,
    log: Log,
    socket: Arc<Datagrams>,
    outbox: Outbox,
    datagram: Vec<u8>,
    arrivals: mpsc::UnboundedSender<Arrival>,
    compress: bool,
    stream_patience: Duration,
    streams: streams::Shared,
    next_connection: u64,
    replies: BTreeMap<ConnectionId, oneshot::Sender<Vec<Bytes>>>,
    next_token: u64,
    callers: BTreeMap<Token, Caller>,
    queries: BTreeMap<QueryId, mpsc::UnboundedSender<QueryProgress>>,
    keyring_file: Option<PathBuf>,
    tags_file: Option<PathBuf>,
    snapshot: Option<Snapshot>,
    /// Whether the leave is on its way to the disk.
    leave_on_its_way: bool,
    /// A leave that is over but waits for the disk.
    held_leave: Option<(oneshot::Sender<Outcome>, Outcome)>,
    has_left: bool,
    handlers: mpsc::UnboundedSender<handlers::Input>,
    events: EventSubscribers,
    evidence: Ring,
    evidence_subscribers: EvidenceSubscribers,
    facts: FactSink,
    metrics: Metrics,
    received: Series,
    sent: Series,
    /// When a failed stream was logged last, and how many were not since.
    stream_log: Option<(Instant, u64)>,
    name_lost: bool,
}

/// Binds, reads, builds the machine, and starts the task.
pub(crate) fn start(
    settings: NodeSettings,
    log: Log,
    handlers: mpsc::UnboundedSender<handlers::Input>,
) -> Result<Started, StartError> {
    let fail = |text: String| StartError(format!("Error creating Serf: {text}"));
    let zero = Instant::now();
    let mut config = settings.serf;
    let (mut file, mut restored) = (None, None);
    if let Some(path) = &settings.snapshot_path {
        let opened = SnapshotFile::open(path, config.rejoin_after_leave, &log);
        let (opened, state) =
            opened.map_err(|why| fail(format!("Failed to setup snapshot: {why}")))?;
        restored = Some(state.clone());
        file = Some((opened, state));
    }
    let memberlist = |why: String| fail(format!("Failed to create memberlist: {why}"));
    let keyring = keyring(&settings.keyring).map_err(memberlist)?;
    let (listener, socket) = transport::bind(settings.bind).map_err(memberlist)?;
    let alarm = Alarm::new().map_err(|error| memberlist(error.to_string()))?;
    let bind = listener.local_addr().map_err(|error| memberlist(error.to_string()))?;
    config.gossip.bind_port = bind.port();
    if config.gossip.advertise_port == 0 {
        config.gossip.advertise_port = bind.port();
    }
    let name = config.gossip.name.clone();
    let stream_patience = config.gossip.tcp_timeout;
    let rejoin_after_leave = config.rejoin_after_leave;
    let seed = Seed { choices: random::u64(), hashes: random::u64() };
    let machine = Serf::new(config, keyring, restored, seed, time_since(zero))
        .map_err(|error| fail(error.to_string()))?;

    let (requests, request_queue) = mpsc::unbounded_channel();
    let (arrivals, arrival_queue) = mpsc::unbounded_channel();
    let (end, ended) = watch::channel(None);
    let snapshot = file.map(|(file, state)| {
        Snapshot::start(file, state, rejoin_after_leave, log.clone(), settings.metrics.clone())
    });
    let entered = |name| settings.metrics.enter(Kind::Counter, name, &[]);
    let (received, sent) = (entered("memberlist.udp.received"), entered("memberlist.udp.sent"));
    let driver = Driver {
        machine,
        zero,
        log,
        socket: Arc::new(socket),
        outbox: Outbox::new(bind, settings.compression),
        datagram: Vec::new(),
        arrivals,
        compress: settings.compression,
        stream_patience,
        streams: streams::Shared::new(),
        next_connection: 0,
        replies: BTreeMap::new(),
        next_token: 0,
        callers: BTreeMap::new(),
        queries: BTreeMap::new(),
        keyring_file: settings.keyring_file,
        tags_file: settings.tags_file,
        snapshot,
        leave_on_its_way: false,
        held_leave: None,
        has_left: false,
        handlers,
        events: EventSubscribers::new(),
        evidence: Ring::default(),
        evidence_subscribers: EvidenceSubscribers::new(),
        facts: settings.facts,
        metrics: settings.metrics,
        received,
        sent,
        stream_log: None,
        name_lost: false,
    };
    tokio::spawn(driver.run(listener, alarm, request_queue, arrival_queue, end));
    Ok(Started { requests, ended, name, bind, zero })
}

fn keyring(keys: &[Bytes]) -> Result<Option<Keyring>, String> {
    let text = |error: wire::KeyringError| error.to_string();
    let keys: Vec<wire::Key> =
        keys.iter().map(|key| wire::Key::new(key)).collect::<Result<_, _>>().map_err(text)?;
    let mut keys = keys.into_iter();
    Ok(keys.next().map(|primary| Keyring::with_keys(primary, keys)))
}

impl Driver {
    async fn run(
        mut self,
        listener: TcpListener,
        mut alarm: Alarm,
        mut requests: mpsc::UnboundedReceiver<Request>,
        mut arrivals: mpsc::UnboundedReceiver<Arrival>,
        end: watch::Sender<Option<Ended>>,
    ) {
        let mut armed: Option<Time> = None;
        let mut acceptor = Acceptor::new(listener, self.streams.clone());
        let socket = Arc::clone(&self.socket);
        loop {
            self.carry_out();
            if self.name_lost {
                break;
            }
            self.arm(&mut alarm, &mut armed);
            tokio::select! {
                ready = socket.readable() => {
                    if ready.is_ok() {
                        self.receive();
                    }
                }
                () = alarm.rings(), if armed.is_some() => {
                    armed = None;
                    self.tick();
                }
                Some(arrival) = arrivals.recv() => self.arrive(arrival),
                accepted = acceptor.next() => match accepted {
                    Ok(accepted) => self.serve(accepted),
                    Err(error) => self.complain(format_args!("Error accepting TCP connection: {error}")),
                },
                request = requests.recv() => match request {
                    None | Some(Request::Shutdown) => break,
                    Some(request) => self.answer(request),
                },
                _ = socket.writable(), if self.outbox.is_waiting() => {
                    if let Some(to) = self.outbox.flush(&socket) {
                        self.machine.handle(time_since(self.zero), Input::SendFailed { to });
                    }
                }
            }
        }
        drop(acceptor);
        drop(socket);
        self.finish(end).await;
    }

    /// Sets the alarm to the machine's next deadline, if that has changed.
    fn arm(&self, alarm: &mut Alarm, armed: &mut Option<Time>) {
        let next = self.machine.next_timeout();
        if next == *armed {
            return;
        }
        *armed = next;
        if let Some(next) = next {
            alarm.set(self.zero + next.since(Time::ZERO));
        }
    }

    /// One timer drives everything, so its work is counted under the one name that the real agent
    /// has for such work.
    fn tick(&mut self) {
        let started = Instant::now();
        self.machine.handle(time_since(self.zero), Input::Timeout);
        self.carry_out();
        self.metrics.time("memberlist.gossip", started.elapsed());
    }

    /// Takes what the socket has, up to a bound, so that timers and callers get their turn.
    fn receive(&mut self) {
        let mut datagram = std::mem::take(&mut self.datagram);
        for _ in 0..limits::DATAGRAMS_PER_TURN {
            datagram.clear();
            // Only the pages that datagrams really fill are ever touched.
            datagram.reserve(limits::DATAGRAM_BYTES);
            let Ok((length, source)) = self.socket.try_recv_buf_from(&mut datagram) else { break };
            if length == 0 {
                continue;
            }
            self.metrics.record([(self.received, length as f64)]);
            let from = transport::canonical(source);
            let input = Input::Packet { from, bytes: &datagram };
            self.machine.handle(time_since(self.zero), input);
            self.carry_out();
        }
        self.datagram = datagram;
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = time_since(self.zero);
        match arrival {
            Arrival::Request { from, message, reply } => {
                let connection = ConnectionId(self.next_connection);
                self.next_connection += 1;
                self.replies.insert(connection, reply);
                self.machine.handle(now, Input::Request { connection, from, message });
                self.carry_out();
                // Answered in the same call; what was not is closed.
                self.replies.remove(&connection);
            }
            Arrival::Response { dial, message, taken } => {
                self.machine.handle(now, Input::Response { dial, message });
                // The stream may have been given up meanwhile.
                let _ = taken.send(());
            }
            Arrival::DialFailed { dial, why } => {
                self.machine.handle(now, Input::DialFailed { dial, why });
            }
            Arrival::StreamDropped { from, why } => {
                let fact = gossip::Fact::StreamDropped { from, why };
                (self.facts)(&serf::Fact::Gossip(fact));
            }
            Arrival::Persisted { id, result } => {
                self.machine.handle(now, Input::Persisted { id, result });
            }
            Arrival::LeaveOnDisk => {
                self.leave_on_its_way = false;
                if let Some((reply, outcome)) = self.held_leave.take() {
                    // A caller that has gone does not mind.
                    let _ = reply.send(outcome);
                }
            }
        }
    }

    fn answer(&mut self, request: Request) {
        // Callers that have gone meanwhile do not mind that their answers are dropped.
        match request {
            Request::Command { command: Command::Leave, reply } => {
                self.command(Command::Leave, Caller::Leave(reply));
            }
            Request::Command { command, reply } => self.command(command, Caller::Outcome(reply)),
            Request::Query { request, reply } => {
                self.command(Command::Query(request), Caller::Query(reply));
            }
            Request::SetTags { change, reply } => {
                let persist = self.tags_file.is_some();
                self.command(Command::SetTags { change, persist }, Caller::Outcome(reply));
            }
            Request::Members { reply } => {
                let _ = reply.send(self.machine.members().cloned().collect());
            }
            Request::Statistics { reply } => {
                let _ = reply.send(self.machine.statistics());
            }
            Request::Tags { reply } => {
                let _ = reply.send(self.machine.tags().clone());
            }
            Request::Coordinate { name, reply } => {
                let _ = reply.send(self.machine.coordinate(&name).cloned());
            }
            Request::Subscribe { client, sender } => self.events.add(client, sender),
            Request::Evidence { node, reply } => {
                let _ = reply.send(self.evidence.about(node.as_deref()));
            }
            Request::SubscribeEvidence { client, sender } => {
                self.evidence_subscribers.add(client, sender);
            }
            // Ends the loop before it comes here.
            Request::Shutdown => {}
        }
    }

    fn command(&mut self, command: Command, caller: Caller) {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.callers.insert(token, caller);
        self.machine.handle(time_since(self.zero), Input::Command { token, command });
    }

    /// Serves an accepted stream on a task of its own.
    fn serve(&mut self, accepted: Accepted) {
        let Accepted { stream, peer, permit } = accepted;
        let (settings, patience) = (self.stream_settings(), self.stream_patience);
        let arrivals = self.arrivals.clone();
        self.metrics.count("memberlist.tcp.accept", 1);
        self.log.line(Level::Debug, "memberlist", format_args!("Stream connection from={peer}"));
        tokio::spawn(async move {
            let ask = |message, reply| {
                // Without a driver the answer is dropped, which closes the stream.
                let _ = arrivals.send(Arrival::Request { from: peer, message, reply });
            };
            if let Err(error) = streams::serve(stream, peer, patience, settings, ask).await {
                let why = error.to_string();
                let _ = arrivals.send(Arrival::StreamDropped { from: peer, why });
            }
            drop(permit);
        });
    }

    fn stream_settings(&self) -> streams::Settings {
        streams::Settings {
            security: self.machine.security().clone(),
            compress: self.compress,
            shared: self.streams.clone(),
        }
    }

    /// Logs trouble with streams, but not each one of a flood.
    fn complain(&mut self, what: std::fmt::Arguments<'_>) {
        let now = Instant::now();
        let silent = match &mut self.stream_log {
            Some((last, left_out)) if now.duration_since(*last) < STREAM_LOG_INTERVAL => {
                *left_out += 1;
                return;
            }
            Some((_, left_out)) => *left_out,
            None => 0,
        };
        self.stream_log = Some((now, 0));
        if silent > 0 {
            self.log.line(Level::Err, "memberlist", format_args!("{what} (and {silent} before)"));
        } else {
            self.log.line(Level::Err, "memberlist", what);
        }
    }

    /// The end: what is held comes out, the sockets close, the snapshot goes to disk.
    async fn finish(mut self, end: watch::Sender<Option<Ended>>) {
        let reason = if self.name_lost { Ended::NameLost } else { Ended::Shutdown };
        if reason == Ended::Shutdown {
            self.log.line(Level::Info, "agent", "requesting serf shutdown");
        }
        if !self.has_left {
            self.log.line(Level::Warn, "serf", "Shutdown without a Leave");
        }
        self.machine.shutdown(time_since(self.zero));
        self.carry_out();
        if reason == Ended::NameLost {
            self.log.line(Level::Warn, "agent", "Serf shutdown detected, quitting");
            self.log.line(Level::Info, "agent", "requesting serf shutdown");
        }
        let Driver { snapshot, log, .. } = self;
        if let Some(snapshot) = snapshot {
            snapshot.finish().await;
        }
        log.line(Level::Info, "agent", "shutdown complete");
        // Nobody may be interested any more.
        let _ = end.send(Some(reason));
    }
}

/// Accepts streams, as many as are served at the same time.
struct Acceptor {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    streams: streams::Shared,
    /// Not before this, after the system could not.
    pause: Option<tokio::time::Instant>,
    /// When those that hold places were asked last to give way.
    asked: Option<tokio::time::Instant>,
}

struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Acceptor {
    fn new(listener: TcpListener, streams: streams::Shared) -> Self {
        Acceptor {
            listener,
            permits: Arc::new(Semaphore::new(limits::INCOMING_STREAMS)),
            streams,
            pause: None,
            asked: None,
        }
    }

    /// The next stream. Safe to cancel.
    async fn next(&mut self) -> std::io::Result<Accepted> {
        if let Some(pause) = self.pause {
            tokio::time::sleep_until(pause).await;
            self.pause = None;
        }
        let permit = self.place().await;
        match self.listener.accept().await {
            Ok((stream, peer)) => Ok(Accepted { stream, peer: transport::canonical(peer), permit }),
            Err(error) => {
                self.pause = Some(tokio::time::Instant::now() + ACCEPT_PAUSE);
                Err(error)
            }
        }
    }

    /// A place for one more stream. While there is none, those that have said nothing whole for a
    /// while are asked to give way: else a peer that opens streams and is silent would keep
    /// everybody out.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                return Some(permit);
            }
            let now = tokio::time::Instant::now();
            let due = self.asked.map_or(now, |asked| asked + limits::CROWDED_PAUSE);
            if due <= now {
                self.asked = Some(now);
                self.streams.ask_to_give_way();
                continue;
            }
            let freed = Arc::clone(&self.permits).acquire_owned();
            // Never closed, so that it only waits for a place, or until it is time to ask again.
            if let Ok(permit) = tokio::time::timeout_at(due, freed).await {
                return permit.ok();
            }
        }
    }
}

#[cfg(test)]
mod tests;
