//! One stream's life: an accepted one brings a request and takes an answer, a dialled one the
//! other way round. Deadlines and byte budgets are kept here; what the messages mean is not known.
//!
//! Specification "Gossip wire protocol and behaviour", A1 and A6.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serf::Security;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use wire::message::gossip::StreamMessage;
use wire::stream::{self, Progress, Role, StreamDecoder, StreamFailure};

use crate::limits;
use crate::random;

/// Bytes taken from a stream at once.
const CHUNK_BYTES: usize = 8 << 10;

/// How long a compressed message is kept at most.
const COMPRESSED_KEPT: Duration = Duration::from_secs(1);

/// What all streams of a member share.
#[derive(Clone)]
pub(crate) struct Shared {
    budget: Arc<AtomicUsize>,
    /// One decoded message at a time: a few kilobytes may expand to the largest size allowed, and
    /// nobody may multiply that. Held until the machine has taken the message.
    turn: Arc<Semaphore>,
    /// Rings while further streams wait to be served.
    crowd: Arc<Notify>,
    /// What was compressed last, for a moment: many may be told the same state one after another.
    compressed: Arc<Mutex<Option<Compressed>>>,
}

/// A message and its compressed form.
struct Compressed {
    message: Vec<Bytes>,
    bytes: Bytes,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Shared {
            budget: Arc::new(AtomicUsize::new(limits::STREAM_BYTES_TOTAL)),
            turn: Arc::new(Semaphore::new(1)),
            crowd: Arc::new(Notify::new()),
            compressed: Arc::default(),
        }
    }

    /// Compresses a message, unless that has just been done.
    fn compress(&self, message: &[Bytes]) -> Bytes {
        // Whoever has panicked has not changed it.
        let mut last = self.compressed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.message == message) {
            return last.bytes.clone();
        }
        let bytes = Bytes::from(stream::compress(message));
        if last.is_none() {
            let compressed = Arc::downgrade(&self.compressed);
            tokio::spawn(async move {
                tokio::time::sleep(COMPRESSED_KEPT).await;
                if let Some(compressed) = compressed.upgrade() {
                    *compressed.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
            });
        }
        *last = Some(Compressed { message: message.to_vec(), bytes: bytes.clone() });
        bytes
    }

    /// Ends the accepted streams that have had their time and have brought no whole request.
    pub(crate) fn ask_to_give_way(&self) {
        self.crowd.notify_waiters();
    }
}

/// How this end speaks.
pub(crate) struct Settings {
    pub(crate) security: Security,
    pub(crate) compress: bool,
    pub(crate) shared: Shared,
}

/// Why a stream was given up, for the log or for the machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamEnd {
    #[error("{0}")]
    Dial(String),
    #[error("{verb} tcp {local}->{peer}: {why}")]
    Io { verb: &'static str, local: SocketAddr, peer: SocketAddr, why: String },
    #[error("EOF")]
    Closed,
    #[error(transparent)]
    Failed(#[from] stream::StreamError),
    #[error("too many streams hold too many bytes")]
    OverBudget,
    #[error("no whole request in time, and others wait")]
    Crowded,
}

/// Serves an accepted stream: reads one request until the deadline, hands it to `ask`, writes the
/// answer that comes back, if any. The error says what went wrong on the way to the request.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    patience: Duration,
    settings: Settings,
    ask: impl FnOnce(StreamMessage, oneshot::Sender<Vec<Bytes>>),
) -> Result<(), StreamEnd> {
    let mut exchange = Exchange::new(stream, peer, Instant::now() + patience, settings)?;
    exchange.gives_way_after = Some(Instant::now() + limits::CROWDED_PATIENCE);
    let decoder = StreamDecoder::new(Role::Listener, exchange.settings.security.clone());
    let (sender, answer) = oneshot::channel();
    let received = exchange.receive(decoder, |message| {
        ask(message, sender);
        answer
    });
    let reply = match received.await {
        // The machine closes a stream by forgetting it.
        Ok(reply) => reply.unwrap_or_default(),
        Err(Refusal { end, answer }) => {
            if let Some(message) = answer {
                exchange.deadline = Instant::now() + patience;
                exchange.send(&[message.encode().into()], false).await?;
            }
            return Err(end);
        }
    };
    if reply.is_empty() {
        return Ok(());
    }
    exchange.deadline = Instant::now() + patience;
    exchange.send(&reply, false).await
}

/// Dials, writes the request and reads the answer, all before the deadline. None where the
/// request has no answer.
pub(crate) async fn dial<T>(
    to: SocketAddr,
    deadline: Instant,
    request: &[Bytes],
    settings: Settings,
    take: impl FnOnce(StreamMessage) -> oneshot::Receiver<T>,
) -> Result<(), StreamEnd> {
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
    let connected = timeout_at(deadline, TcpStream::connect(to)).await;
    let stream = connected
        .unwrap_or_else(|_| Err(timed_out()))
        .map_err(|error| StreamEnd::Dial(gotext::dial_error(to, &error)))?;
    let mut exchange = Exchange::new(stream, to, deadline, settings)?;
    exchange.send(request, true).await?;
    if !expects_answer(request) {
        return Ok(());
    }
    let decoder = StreamDecoder::new(Role::Dialer, exchange.settings.security.clone());
    let received = exchange.receive(decoder, take);
    received.await.map(drop).map_err(|refusal| refusal.end)
}

/// Everything but a message of the layer above is answered.
fn expects_answer(request: &[Bytes]) -> bool {
    const USER: u8 = 8;
    request.iter().find_map(|segment| segment.first()).is_some_and(|kind| *kind != USER)
}

/// What ends a stream before its message was taken.
struct Refusal {
    end: StreamEnd,
    answer: Option<StreamMessage>,
}

impl From<StreamEnd> for Refusal {
    fn from(end: StreamEnd) -> Self {
        Refusal { end, answer: None }
    }
}

impl From<StreamFailure> for Refusal {
    fn from(failure: StreamFailure) -> Self {
        Refusal { answer: failure.reply(), end: failure.error.into() }
    }
}

struct Exchange {
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    deadline: Instant,
    settings: Settings,
    /// Taken from the common budget, given back at the end.
    reserved: usize,
    /// Whether and when it ends if others wait for its place.
    gives_way_after: Option<Instant>,
}

impl Exchange {
    fn new(
        stream: TcpStream,
        peer: SocketAddr,
        deadline: Instant,
        settings: Settings,
    ) -> Result<Self, StreamEnd> {
        // Small messages in one direction each: waiting to fill a segment only delays them. Where
        // it cannot be set they are merely late.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().map_err(|error| StreamEnd::Io {
            verb: "read",
            local: peer,
            peer,
            why: gotext::errno_text(&error),
        })?;
        Ok(Exchange { stream, peer, local, deadline, settings, reserved: 0, gives_way_after: None })
    }

    /// Reads until the message is whole, hands it to `take`, and waits until the machine has
    /// taken it (or has dropped it, which is None).
    async fn receive<T>(
        &mut self,
        mut decoder: StreamDecoder,
        take: impl FnOnce(StreamMessage) -> oneshot::Receiver<T>,
    ) -> Result<Option<T>, Refusal> {
        let shared = self.settings.shared.clone();
        let mut chunk = Vec::new();
        loop {
            // A peer that says nothing costs no buffer.
            self.readable().await?;
            chunk.reserve(CHUNK_BYTES);
            let count = match self.stream.try_read_buf(&mut chunk) {
                Ok(0) => return Err(StreamEnd::Closed.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(self.io("read", &error).into()),
            };
            self.reserve(count).await?;
            // Never closed, so this only waits.
            let turn = shared.turn.acquire().await.ok();
            let progress = decoder.feed(&chunk);
            chunk.clear();
            match progress {
                Progress::NeedMore => drop(turn),
                Progress::Fail(failure) => return Err(failure.into()),
                Progress::Message(message) => return Ok(take(message).await.ok()),
            }
        }
    }

    /// Waits for bytes, unless it has to give way.
    async fn readable(&self) -> Result<(), StreamEnd> {
        let readable = self.in_time("read", |stream| stream.readable());
        let Some(patience) = self.gives_way_after else { return readable.await };
        tokio::pin!(readable);
        loop {
            tokio::select! {
                biased;
                result = &mut readable => return result,
                () = self.settings.shared.crowd.notified() => {
                    if Instant::now() >= patience {
                        return Err(StreamEnd::Crowded);
                    }
                }
            }
        }
    }

    /// Whether the peer is on this machine: what no wire carries need not be made shorter.
    fn stays_here(&self) -> bool {
        let peer = self.peer.ip().to_canonical();
        peer.is_loopback() || peer == self.local.ip().to_canonical()
    }

    async fn send(&mut self, message: &[Bytes], dialer: bool) -> Result<(), StreamEnd> {
        let compress = self.settings.compress && !self.stays_here();
        let compressed = compress.then(|| self.settings.shared.compress(message));
        let message = compressed.as_ref().map_or(message, std::slice::from_ref);
        let segments: Vec<&[u8]> = message.iter().map(|segment| &**segment).collect();
        let options = self.settings.security.stream_options(dialer, false);
        let mut nonce = [0; wire::seal::NONCE_BYTES];
        if options.key.is_some() {
            random::fill(&mut nonce);
        }
        let bytes = stream::encode(&segments, &options, nonce)?;
        let written = timeout_at(self.deadline, self.stream.write_all(&bytes)).await;
        let timed_out = || Err(io::Error::from(io::ErrorKind::TimedOut));
        written.unwrap_or_else(|_| timed_out()).map_err(|error| self.io("write", &error))
    }

    async fn in_time<'a, T, F>(
        &'a self,
        verb: &'static str,
        operation: impl FnOnce(&'a TcpStream) -> F,
    ) -> Result<T, StreamEnd>
    where
        F: Future<Output = io::Result<T>> + 'a,
    {
        let timed_out = || Err(io::Error::from(io::ErrorKind::TimedOut));
        let result = timeout_at(self.deadline, operation(&self.stream)).await;
        result.unwrap_or_else(|_| timed_out()).map_err(|error| self.io(verb, &error))
    }

    fn io(&self, verb: &'static str, error: &io::Error) -> StreamEnd {
        let own_deadline =
            error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none();
        let why = if own_deadline { "i/o timeout".to_owned() } else { gotext::errno_text(error) };
        StreamEnd::Io { verb, local: self.local, peer: self.peer, why }
    }

    /// Takes bytes from the common budget. While it is used up, those that have had their time
    /// are asked to give way, as for places: else some half-sent requests would keep out
    /// everybody, our own dials too.
    async fn reserve(&mut self, count: usize) -> Result<(), StreamEnd> {
        let shared = self.settings.shared.clone();
        let patience = Instant::now() + limits::CROWDED_PATIENCE + limits::CROWDED_PAUSE;
        let give_up = patience.min(self.deadline);
        let take = |left: usize| left.checked_sub(count);
        while shared.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            if Instant::now() >= give_up {
                return Err(StreamEnd::OverBudget);
            }
            shared.ask_to_give_way();
            tokio::time::sleep(limits::CROWDED_PAUSE).await;
        }
        self.reserved += count;
        Ok(())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.settings.shared.budget.fetch_add(self.reserved, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
