//! One client's conversation: its headers, who may say what when, and what is written in which
//! order.
//!
//! Commands are carried out strictly one after another, while the records of subscriptions go on
//! in between. Nothing is read and nothing is taken from subscriptions while the client owes us
//! too much reading, so what one client can pile up is bounded.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use serf::{QueryId, Time};
use tokio::net::TcpStream;
use tokio::time::Instant;
use wire::rpc::{
    AUTHENTICATION_REQUIRED, Command, Frame, Request, RequestHeader, RequestStream, ResponseHeader,
    StreamRecord, VERSION,
};

use super::Crowd;
use super::commands::{self, After, Reply};
use super::subscription::{Next, Subscription};
use crate::limits;
use crate::log::Level;
use crate::node::NodeHandle;
use crate::render::Plain;

/// Bytes taken from a client at once.
const CHUNK_BYTES: usize = 4 << 10;

type Running = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A client and everything it has going.
pub(super) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    node: NodeHandle,
    auth_key: Arc<str>,
    crowd: Crowd,
    accepted: Instant,
    requests: RequestStream,
    /// A header whose body has not come yet.
    headed: Option<(RequestHeader, Command)>,
    shook_hands: bool,
    authenticated: bool,
    /// That it sends commands before it has authenticated itself has been logged.
    warned: bool,
    output: Vec<u8>,
    written: usize,
    subscriptions: Vec<Subscription>,
    questions: Questions,
}

/// What woke the task.
enum Wake {
    NodeEnded,
    Ran(Reply),
    Writable,
    Readable,
    Record(u64, Next),
    Crowded,
}

/// Why the conversation is over.
enum Over {
    /// The client has closed, or is not understood any more: what it is owed is still sent.
    Close,
    /// As `Close`; then the agent shuts down.
    Shutdown,
    /// Nothing can be sent.
    Broken,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        node: NodeHandle,
        auth_key: Arc<str>,
        crowd: Crowd,
    ) -> Self {
        Connection {
            stream,
            peer,
            node,
            auth_key,
            crowd,
            accepted: Instant::now(),
            requests: RequestStream::new(),
            headed: None,
            shook_hands: false,
            authenticated: false,
            warned: false,
            output: Vec::new(),
            written: 0,
            subscriptions: Vec::new(),
            questions: Questions::default(),
        }
    }

    /// Serves the client to the end of one of us.
    pub(super) async fn run(mut self) {
        let over = self.converse().await;
        if !matches!(over, Over::Broken) {
            // One who does not read what it asked for is not waited for.
            let _ = tokio::time::timeout(limits::RPC_FLUSH, self.flush()).await;
        }
        if matches!(over, Over::Shutdown) {
            let node = self.node.clone();
            // Others must not wait for this client's task, which the end of the agent waits for.
            tokio::spawn(async move { node.shutdown().await });
        }
    }

    async fn converse(&mut self) -> Over {
        let node = self.node.clone();
        let ended = node.ended();
        tokio::pin!(ended);
        let others = Arc::clone(&self.crowd.waits);
        let mut running: Option<Running> = None;
        loop {
            if running.is_none() && self.owed() < limits::RPC_OUTPUT_BYTES {
                match self.next_command() {
                    Ok(command) => running = command,
                    Err(over) => return over,
                }
            }
            let has_room = self.owed() < limits::RPC_OUTPUT_BYTES;
            let is_stranger = !self.is_known();
            let wake = tokio::select! {
                biased;
                _ = &mut ended => Wake::NodeEnded,
                () = others.notified(), if is_stranger => Wake::Crowded,
                reply = run(&mut running) => Wake::Ran(reply),
                _ = self.stream.writable(), if self.owed() > 0 => Wake::Writable,
                _ = self.stream.readable(), if running.is_none() && has_room => Wake::Readable,
                (sequence, next) = next_record(&mut self.subscriptions), if has_room => {
                    Wake::Record(sequence, next)
                }
            };
            let result = match wake {
                // Whatever runs is not answered any more, as in the real agent.
                Wake::NodeEnded => Err(Over::Close),
                Wake::Ran(reply) => {
                    running = None;
                    self.reply(reply)
                }
                Wake::Writable => self.write(),
                Wake::Readable => self.read(),
                Wake::Record(sequence, next) => {
                    self.record(sequence, next);
                    Ok(())
                }
                Wake::Crowded => self.give_way(),
            };
            if let Err(over) = result {
                return over;
            }
        }
    }

    /// Bytes that the client has not taken yet.
    fn owed(&self) -> usize {
        self.output.len() - self.written
    }

    /// The next command that is to be carried out, if one is whole. Those that are refused are
    /// answered here.
    fn next_command(&mut self) -> Result<Option<Running>, Over> {
        while self.owed() < limits::RPC_OUTPUT_BYTES {
            if self.headed.is_none() {
                let header = self.requests.next_header().map_err(|error| {
                    self.log_error(format_args!("failed to decode request header: {error}"));
                    Over::Close
                })?;
                let Some(header) = header else { return Ok(None) };
                self.node.metrics().count("agent.ipc.command", 1);
                self.headed = self.admit(header)?;
                continue;
            }
            let Some((header, command)) = self.headed.take() else { return Ok(None) };
            match self.requests.next_body(command) {
                Ok(Some(request)) => {
                    if let Some(running) = self.start(header.sequence, request) {
                        return Ok(Some(running));
                    }
                }
                Ok(None) => {
                    self.headed = Some((header, command));
                    return Ok(None);
                }
                Err(error) => {
                    self.log_error(format_args!(
                        "Failed to evaluate request: decode failed: {error}"
                    ));
                    return Err(Over::Close);
                }
            }
        }
        Ok(None)
    }

    /// Decides whether the command of a header may be given now; if so, its body comes next.
    fn admit(&mut self, header: RequestHeader) -> Result<Option<(RequestHeader, Command)>, Over> {
        let command = Command::from_name(&header.command);
        if !self.shook_hands && command != Some(Command::Handshake) {
            self.refuse(header.sequence, "Handshake required");
            self.log_error(format_args!("Failed to evaluate request: Handshake required"));
            return Err(Over::Close);
        }
        let may_come_first = matches!(command, Some(Command::Handshake | Command::Auth));
        if !self.auth_key.is_empty() && !self.authenticated && !may_come_first {
            // Once for each client, however many it sends.
            if !std::mem::replace(&mut self.warned, true) {
                let log = self.node.log();
                log.line(Level::Warn, "agent.ipc", "Client sending commands before auth");
            }
            self.node.metrics().count("agent.ipc.unauthenticated", 1);
            // Its body, if any, will be taken for the next header.
            self.refuse(header.sequence, AUTHENTICATION_REQUIRED);
            return Ok(None);
        }
        let Some(command) = command else {
            self.refuse(header.sequence, "Unsupported command");
            let name = Plain(header.command);
            self.log_error(format_args!(
                "Failed to evaluate request: command '{name}' not recognized"
            ));
            return Err(Over::Close);
        };
        Ok(Some((header, command)))
    }

    /// Carries out what concerns only this connection; everything else becomes a future.
    fn start(&mut self, sequence: u64, request: Request) -> Option<Running> {
        match request {
            Request::Handshake { version } => {
                let error = if version != VERSION {
                    "Unsupported IPC version"
                } else if self.shook_hands {
                    "Handshake already performed"
                } else {
                    self.shook_hands = true;
                    self.trust_if_known();
                    ""
                };
                self.refuse(sequence, error);
            }
            Request::Auth { key } => {
                let right = aws_lc_rs::constant_time::verify_slices_are_equal(
                    key.as_bytes(),
                    self.auth_key.as_bytes(),
                );
                self.authenticated |= right.is_ok();
                self.trust_if_known();
                let error = if right.is_ok() { "" } else { "Invalid authentication token" };
                self.refuse(sequence, error);
            }
            Request::Stop { sequence: stopped } => {
                self.subscriptions.retain(|subscription| {
                    let stops = subscription.source.is_stream() || subscription.source.is_monitor();
                    !(stops && subscription.sequence == stopped)
                });
                self.refuse(sequence, "");
            }
            Request::Respond { id, payload } => match self.questions.find(self.node.now(), id) {
                None => self.refuse(sequence, "No pending queries matching ID"),
                Some(query) => {
                    let payload = payload.unwrap_or_default();
                    let node = self.node.clone();
                    return Some(Box::pin(commands::respond(node, sequence, query, payload)));
                }
            },
            request => {
                if let Some(error) = self.refusal(sequence, &request) {
                    self.refuse(sequence, &error);
                    return None;
                }
                let client = format!("ipc.client: {}", self.peer);
                let node = self.node.clone();
                return Some(Box::pin(commands::run(node, client, sequence, request)));
            }
        }
        None
    }

    /// Whether it may give every command.
    fn is_known(&self) -> bool {
        self.shook_hands && (self.authenticated || self.auth_key.is_empty())
    }

    /// Strangers may send little.
    fn trust_if_known(&mut self) {
        if self.is_known() {
            self.requests.trust();
        }
    }

    /// Leaves its place to another client, if it had the time to become known.
    fn give_way(&self) -> Result<(), Over> {
        if self.accepted.elapsed() < self.crowd.patience {
            return Ok(());
        }
        self.node.metrics().count("agent.ipc.gave_way", 1);
        let text = format_args!("Closing client {}, silent too long: others wait", self.peer);
        self.node.log().line(Level::Debug, "agent.ipc", text);
        Err(Over::Broken)
    }

    /// What this connection has against another subscription.
    fn refusal(&self, sequence: u64, request: &Request) -> Option<String> {
        let exists = |what: fn(&super::subscription::Source) -> bool| {
            self.subscriptions.iter().any(|subscription| what(&subscription.source))
        };
        match request {
            Request::Stream { filter } => {
                if filter.len() > limits::STREAM_FILTER_BYTES
                    || filter.split(',').count() > limits::STREAM_FILTERS
                {
                    return Some(format!(
                        "Too many event filters: one stream may have {}, of {} bytes together",
                        limits::STREAM_FILTERS,
                        limits::STREAM_FILTER_BYTES
                    ));
                }
                if commands::parse_stream_filter(filter).is_err() {
                    return Some("Invalid event filter".to_owned());
                }
                let mut own = self.subscriptions.iter().filter(|s| s.source.is_stream());
                if own.any(|subscription| subscription.sequence == sequence) {
                    return Some("Stream with given sequence exists".to_owned());
                }
                (self.subscriptions.len() >= limits::RPC_STREAMS)
                    .then(|| "Too many streams on one connection".to_owned())
            }
            Request::Monitor { log_level } => {
                if Level::parse(log_level).is_none() {
                    return Some(format!("Unknown log level: {}", log_level.to_uppercase()));
                }
                exists(|source| source.is_monitor()).then(|| "Monitor already exists".to_owned())
            }
            _ => None,
        }
    }

    /// Answers with nothing but a header; an empty error is success.
    fn refuse(&mut self, sequence: u64, error: &str) {
        ResponseHeader { sequence, error: error.to_owned() }.encode(&mut self.output);
    }

    fn reply(&mut self, reply: Reply) -> Result<(), Over> {
        self.refuse(reply.sequence, &reply.error);
        self.output.extend_from_slice(&reply.body);
        match reply.after {
            After::Nothing => Ok(()),
            After::Subscribe(source) => {
                self.subscriptions.push(Subscription { sequence: reply.sequence, source });
                Ok(())
            }
            After::Shutdown => Err(Over::Shutdown),
        }
    }

    fn record(&mut self, sequence: u64, next: Next) {
        match next {
            Next::Log(record) => self.push_record(sequence, &record),
            Next::Stream(record) => self.push_record(sequence, &record),
            Next::Query(record) => self.push_record(sequence, &record),
            Next::Question { query, deadline, mut record } => {
                let number = self.questions.ask(self.node.now(), query, deadline);
                if let StreamRecord::Query { id, .. } = &mut record {
                    *id = number;
                }
                self.push_record(sequence, &record);
            }
            Next::Dropped(count) => self.node.log().line(
                Level::Warn,
                "agent.ipc",
                format_args!("Dropping logs to ipc.client: {} ({count} messages)", self.peer),
            ),
            // Taken off the list where it was found.
            Next::End => {}
        }
    }

    fn push_record(&mut self, sequence: u64, record: &impl Frame) {
        self.refuse(sequence, "");
        record.encode(&mut self.output);
    }

    fn read(&mut self) -> Result<(), Over> {
        let mut chunk = [0; CHUNK_BYTES];
        match self.stream.try_read(&mut chunk) {
            Ok(0) => {
                if self.headed.is_some() {
                    self.log_error(format_args!("Failed to evaluate request: decode failed: EOF"));
                }
                Err(Over::Close)
            }
            Ok(count) => {
                self.requests.push(&chunk[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Over::Broken),
        }
    }

    fn write(&mut self) -> Result<(), Over> {
        match self.stream.try_write(&self.output[self.written..]) {
            Ok(count) => self.written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Over::Broken),
        }
        if self.owed() == 0 {
            self.written = 0;
            if self.output.capacity() > 2 * limits::RPC_OUTPUT_BYTES {
                self.output = Vec::new();
            }
            self.output.clear();
        }
        Ok(())
    }

    async fn flush(&mut self) {
        while self.owed() > 0 {
            if self.stream.writable().await.is_err() || self.write().is_err() {
                return;
            }
        }
        // The client sees the end behind its last answer, whatever it has sent meanwhile.
        let _ = socket2::SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
    }

    fn log_error(&self, what: std::fmt::Arguments<'_>) {
        self.node.log().line(Level::Err, "agent.ipc", what);
    }
}

/// Queries that the client has been told of and may answer, by the numbers that it knows.
#[derive(Default)]
struct Questions {
    open: BTreeMap<u64, (QueryId, Time)>,
    last: u64,
    /// So many may be remembered before those that are over are looked for.
    clean_at: usize,
}

impl Questions {
    /// Remembers a query and gives it a number. At the limit the oldest is forgotten.
    fn ask(&mut self, now: Time, query: QueryId, deadline: Time) -> u64 {
        if self.open.len() >= self.clean_at {
            self.open.retain(|_, (_, deadline)| now <= *deadline);
            if self.open.len() >= limits::RPC_QUESTIONS {
                self.open.pop_first();
            }
            // Twice as many: the cost for each query stays the same, however many are open.
            self.clean_at = (2 * self.open.len()).clamp(64, limits::RPC_QUESTIONS);
        }
        self.last += 1;
        self.open.insert(self.last, (query, deadline));
        self.last
    }

    /// The query behind a number, while it can be answered.
    fn find(&mut self, now: Time, number: u64) -> Option<QueryId> {
        let (query, deadline) = *self.open.get(&number)?;
        if now > deadline {
            self.open.remove(&number);
            return None;
        }
        Some(query)
    }
}

/// The end of the command that runs, if one does.
async fn run(running: &mut Option<Running>) -> Reply {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

/// The next record of any subscription; those that have ended are taken off the list. Each gets
/// its turn: the one that was served goes to the end.
async fn next_record(subscriptions: &mut Vec<Subscription>) -> (u64, Next) {
    poll_fn(|context| {
        for index in 0..subscriptions.len() {
            let Poll::Ready(next) = subscriptions[index].source.poll_next(context) else {
                continue;
            };
            let sequence = subscriptions[index].sequence;
            let is_over = matches!(next, Next::End | Next::Query(wire::rpc::QueryRecord::Done));
            if is_over {
                subscriptions.remove(index);
            } else {
                subscriptions[index..].rotate_left(1);
            }
            return Poll::Ready((sequence, next));
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests;
