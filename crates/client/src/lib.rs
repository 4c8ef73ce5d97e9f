//! What talks to an agent: Serf's RPC here, Consul's HTTP API in [`http`].
//!
//! A blocking client for an agent's RPC: Serf's own agents and Tribune's alike.
//!
//! One [`Client`] is one connection. Calls block until the agent has answered; there is no time
//! limit, because some answers (`leave`, `join`) come when the work is done. Subscriptions to
//! events, to the log and to the answers of a query are read with [`Client::next_record`]; calls
//! may be made in between, records that arrive meanwhile are kept. No threads, no runtime.
//!
//! ```text
//!   call ──▶ request ──▶ agent
//!        ◀── answer  ◀──
//!   next_record ◀── records of all subscriptions, in order of arrival
//! ```
//!
//! ```no_run
//! use client::{Client, Record};
//!
//! let mut client = Client::connect("127.0.0.1:7373", "")?;
//! for member in client.members()? {
//!     println!("{} is {}", member.name, member.status);
//! }
//! let events = client.stream("member-join,user:deploy")?;
//! while let Some((subscription, record)) = client.next_record()? {
//!     assert_eq!(subscription, events);
//!     if let Record::Event(event) = record {
//!         println!("{event:?}");
//!     }
//! }
//! # Ok::<(), client::Error>(())
//! ```

mod calls;
mod connect;
mod error;
pub mod http;
pub mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

pub use bytes::Bytes;
pub use error::Error;
pub use wire::rpc::{
    Coordinate, EventRequest, Evidence, EvidenceKind, KeyReport, Member, MembersFilter,
    QueryRecord, QueryRequest, Stats, StreamRecord,
};
pub use wire::{Address, Incarnation, Versions};

use wire::rpc::{
    AUTHENTICATION_REQUIRED, Frame, LogRecord, Request, ResponseHeader, ResponseStream,
    UNSUPPORTED_COMMAND,
};

/// Largest number of records kept while a call waits for its answer. An agent that sends more
/// than this before answering is given up: it keeps no more than 512 itself.
const KEPT_RECORDS: usize = 1 << 16;

/// A subscription of one connection, until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscription(u64);

/// What a subscription brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An event, from [`Client::stream`].
    Event(StreamRecord),
    /// A log message without its final newline, from [`Client::monitor`].
    Log(String),
    /// An answer, from [`Client::query`]. After [`QueryRecord::Done`] nothing follows.
    Query(QueryRecord),
}

/// Which body the records of a subscription have.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Event,
    Log,
    Query,
}

/// A connection to an agent.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    responses: ResponseStream,
    sender: Arc<Sender>,
    open: BTreeMap<Subscription, Kind>,
    kept: VecDeque<(Subscription, Record)>,
}

/// The sending half, which a [`Stopper`] shares.
#[derive(Debug)]
struct Sender {
    state: Mutex<SenderState>,
}

#[derive(Debug)]
struct SenderState {
    stream: TcpStream,
    last_sequence: u64,
    /// Stop requests of [`Stopper`]s, by their sequence numbers.
    stops: BTreeMap<u64, Subscription>,
}

impl Sender {
    fn send(&self, request: &Request) -> Result<u64, Error> {
        let mut state = self.lock();
        state.last_sequence += 1;
        let sequence = state.last_sequence;
        if let Request::Stop { sequence: stopped } = request {
            state.stops.insert(sequence, Subscription(*stopped));
        }
        let mut bytes = Vec::new();
        request.encode(sequence, &mut bytes);
        state.stream.write_all(&bytes).map_err(|_| Error::Closed)?;
        Ok(sequence)
    }

    fn take_stop(&self, sequence: u64) -> Option<Subscription> {
        self.lock().stops.remove(&sequence)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SenderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends subscriptions of a [`Client`] from another thread, for instance on a signal, while the
/// client waits in [`Client::next_record`].
#[derive(Clone, Debug)]
pub struct Stopper {
    sender: Arc<Sender>,
}

impl Stopper {
    /// Asks the agent to end the subscription, without waiting. When the last one has ended,
    /// [`Client::next_record`] returns None.
    pub fn stop(&self, subscription: Subscription) -> Result<(), Error> {
        self.sender.send(&Request::Stop { sequence: subscription.0 }).map(drop)
    }
}

impl Client {
    /// Connects within ten seconds, agrees on the protocol and, if the token is not empty, shows
    /// it. The address is `host:port`.
    ///
    /// An agent that wants no token refuses every one, so pass the empty one there.
    pub fn connect(address: &str, token: &str) -> Result<Client, Error> {
        let stream = connect::dial(address)?;
        let sending = stream.try_clone().map_err(|_| Error::Closed)?;
        let mut client = Client {
            stream,
            responses: ResponseStream::new(),
            sender: Arc::new(Sender {
                state: Mutex::new(SenderState {
                    stream: sending,
                    last_sequence: 0,
                    stops: BTreeMap::new(),
                }),
            }),
            open: BTreeMap::new(),
            kept: VecDeque::new(),
        };
        client.call(&Request::Handshake { version: wire::rpc::VERSION })?;
        if !token.is_empty() {
            client.call(&Request::Auth { key: token.to_owned() })?;
        }
        Ok(client)
    }

    /// A handle that ends subscriptions from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper { sender: Arc::clone(&self.sender) }
    }

    /// Waits for the next record of any subscription. None when no subscription is open.
    pub fn next_record(&mut self) -> Result<Option<(Subscription, Record)>, Error> {
        loop {
            if let Some(record) = self.kept.pop_front() {
                return Ok(Some(record));
            }
            if self.open.is_empty() {
                return Ok(None);
            }
            let header = self.next_header()?;
            self.take_unasked(&header)?;
        }
    }

    /// A command whose answer has no body.
    fn call(&mut self, request: &Request) -> Result<(), Error> {
        let (_, header) = self.exchange(request)?;
        if header.error.is_empty() { Ok(()) } else { Err(Error::Agent(header.error)) }
    }

    /// A command whose answer has a body, also where it is an error.
    fn call_for<B: Frame>(&mut self, request: &Request) -> Result<B, Error> {
        let (body, error) = self.call_for_both(request)?;
        if error.is_empty() { Ok(body) } else { Err(Error::Agent(error)) }
    }

    fn call_for_both<B: Frame>(&mut self, request: &Request) -> Result<(B, String), Error> {
        let (_, header) = self.exchange(request)?;
        if header.error == UNSUPPORTED_COMMAND {
            return Err(Error::Unsupported);
        }
        if header.error == AUTHENTICATION_REQUIRED {
            return Err(Error::Agent(header.error));
        }
        Ok((self.next_body()?, header.error))
    }

    fn subscribe(&mut self, request: &Request, kind: Kind) -> Result<Subscription, Error> {
        let (sequence, header) = self.exchange(request)?;
        if !header.error.is_empty() {
            return Err(Error::Agent(header.error));
        }
        let subscription = Subscription(sequence);
        self.open.insert(subscription, kind);
        Ok(subscription)
    }

    /// Sends a request and waits for the header of its answer.
    fn exchange(&mut self, request: &Request) -> Result<(u64, ResponseHeader), Error> {
        let sequence = self.sender.send(request)?;
        loop {
            let header = self.next_header()?;
            if header.sequence == sequence {
                self.note_stopped(sequence);
                return Ok((sequence, header));
            }
            self.take_unasked(&header)?;
        }
    }

    /// Takes in what belongs to a header that no call is waiting for.
    fn take_unasked(&mut self, header: &ResponseHeader) -> Result<(), Error> {
        let subscription = Subscription(header.sequence);
        let record = match self.open.get(&subscription) {
            Some(Kind::Event) => Record::Event(self.next_body()?),
            Some(Kind::Log) => Record::Log(self.next_body::<LogRecord>()?.log),
            Some(Kind::Query) => Record::Query(self.next_body()?),
            None => {
                let stopped = self.note_stopped(header.sequence);
                // An agent that wants a token refuses a command with a body twice.
                if stopped || header.error == AUTHENTICATION_REQUIRED {
                    return Ok(());
                }
                return Err(Error::UnexpectedAnswer(header.sequence));
            }
        };
        if record == Record::Query(QueryRecord::Done) {
            self.open.remove(&subscription);
        }
        if self.kept.len() == KEPT_RECORDS {
            return Err(Error::TooManyRecords(KEPT_RECORDS));
        }
        self.kept.push_back((subscription, record));
        Ok(())
    }

    /// Whether this was the answer to a stop request.
    fn note_stopped(&mut self, sequence: u64) -> bool {
        let Some(stopped) = self.sender.take_stop(sequence) else { return false };
        self.open.remove(&stopped);
        true
    }

    fn next_header(&mut self) -> Result<ResponseHeader, Error> {
        loop {
            match self.responses.next_header()? {
                Some(header) => return Ok(header),
                None => self.receive()?,
            }
        }
    }

    fn next_body<B: Frame>(&mut self) -> Result<B, Error> {
        loop {
            match self.responses.next_body()? {
                Some(body) => return Ok(body),
                None => self.receive()?,
            }
        }
    }

    /// Waits for more bytes.
    fn receive(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Error::Closed),
                Ok(length) => {
                    self.responses.push(&buffer[..length]);
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Error::Closed),
            }
        }
    }
}
