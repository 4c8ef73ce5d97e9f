//! Sending metrics away: lines to statsd in datagrams, to statsite over one stream.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Gauge, Metrics};

/// Lines gather this long before they are sent together.
const FLUSH: Duration = Duration::from_millis(100);

/// Between readings of the gauges.
const GAUGES: Duration = Duration::from_secs(1);

/// Largest datagram; lines are never cut.
const DATAGRAM_BYTES: usize = 1400;

/// Bytes that wait between two flushes, or while a sink cannot be reached; above it lines are
/// dropped, as they are when a datagram is lost.
const PENDING_BYTES: usize = 64 << 10;

/// Between attempts to reach a sink.
const RECONNECT: Duration = Duration::from_secs(10);

/// Longest wait for a sink to take what it is sent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where metrics are sent, as configured; empty texts are no sinks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sinks {
    /// Over UDP.
    pub(crate) statsd: String,
    /// Over TCP.
    pub(crate) statsite: String,
}

impl Sinks {
    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        !self.statsd.is_empty() || !self.statsite.is_empty()
    }
}

/// Lines that wait for the next flush.
#[derive(Default)]
pub(super) struct Pending {
    text: String,
    wake: Arc<Notify>,
}

impl Pending {
    pub(super) fn push(&mut self, line: &str) {
        if self.text.len() + line.len() <= PENDING_BYTES {
            self.text.push_str(line);
            self.wake.notify_one();
        }
    }
}

/// Sends what is counted from now on, for ever. `gauges` is asked once a second.
pub(crate) fn run(
    metrics: Metrics,
    sinks: Sinks,
    host: Option<String>,
    gauges: impl Fn() -> Vec<Gauge>,
) -> impl Future<Output = ()> {
    let wake = Arc::new(Notify::new());
    {
        let mut inner = metrics.inner();
        inner.host = host;
        inner.pending = Some(Pending { text: String::new(), wake: Arc::clone(&wake) });
    }
    send(metrics, sinks, wake, gauges)
}

async fn send(metrics: Metrics, sinks: Sinks, wake: Arc<Notify>, gauges: impl Fn() -> Vec<Gauge>) {
    let mut statsd = Datagrams { address: sinks.statsd, socket: None, retry: Instant::now() };
    let mut statsite = Stream { address: sinks.statsite, stream: None, retry: Instant::now() };
    let mut next_gauges = Instant::now() + GAUGES;
    let mut next_flush = None;
    loop {
        let due = next_flush.unwrap_or(next_gauges).min(next_gauges);
        tokio::select! {
            () = wake.notified(), if next_flush.is_none() => {
                next_flush = Some(Instant::now() + FLUSH);
                continue;
            }
            () = sleep_until(due) => {}
        }
        let now = Instant::now();
        if now >= next_gauges {
            next_gauges = now + GAUGES;
            note_gauges(&metrics, &gauges());
        }
        if next_flush.is_some_and(|flush| now >= flush) {
            next_flush = None;
            let text = metrics.inner().pending.as_mut().map(|p| std::mem::take(&mut p.text));
            let text = text.unwrap_or_default();
            statsd.send(&text).await;
            statsite.send(&text).await;
        }
    }
}

fn note_gauges(metrics: &Metrics, gauges: &[Gauge]) {
    let mut inner = metrics.inner();
    for (name, value) in gauges {
        let line = format!("{}:{value:.6}|g\n", inner.gauge_name(name));
        if let Some(pending) = &mut inner.pending {
            pending.push(&line);
        }
    }
}

/// Cuts a text into pieces of whole lines, none longer than a datagram unless one line is.
pub(super) fn datagrams(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = if rest.len() <= DATAGRAM_BYTES {
            rest.len()
        } else {
            let within = rest.as_bytes()[..DATAGRAM_BYTES].iter().rposition(|b| *b == b'\n');
            within.or_else(|| rest.find('\n')).map_or(rest.len(), |newline| newline + 1)
        };
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

struct Datagrams {
    address: String,
    socket: Option<UdpSocket>,
    retry: Instant,
}

impl Datagrams {
    async fn send(&mut self, text: &str) {
        if self.address.is_empty() || text.is_empty() {
            return;
        }
        if self.socket.is_none() {
            if Instant::now() < self.retry {
                return;
            }
            self.retry = Instant::now() + RECONNECT;
            self.socket = connect_datagrams(&self.address).await;
        }
        let Some(socket) = &self.socket else { return };
        for piece in datagrams(text) {
            // Nobody listening is an error of the next datagram; neither stops the rest.
            let _ = tokio::time::timeout(PATIENCE, socket.send(piece.as_bytes())).await;
        }
    }
}

async fn connect_datagrams(address: &str) -> Option<UdpSocket> {
    let to = tokio::net::lookup_host(address).await.ok()?.next()?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from).await.ok()?;
    socket.connect(to).await.ok()?;
    Some(socket)
}

struct Stream {
    address: String,
    stream: Option<TcpStream>,
    retry: Instant,
}

impl Stream {
    async fn send(&mut self, text: &str) {
        if self.address.is_empty() || text.is_empty() {
            return;
        }
        if self.stream.is_none() {
            if Instant::now() < self.retry {
                return;
            }
            self.retry = Instant::now() + RECONNECT;
            let dialled = tokio::time::timeout(PATIENCE, TcpStream::connect(&self.address)).await;
            self.stream = dialled.ok().and_then(Result::ok);
        }
        let Some(stream) = &mut self.stream else { return };
        let written = tokio::time::timeout(PATIENCE, stream.write_all(text.as_bytes())).await;
        if !matches!(written, Ok(Ok(()))) {
            self.stream = None;
        }
    }
}
