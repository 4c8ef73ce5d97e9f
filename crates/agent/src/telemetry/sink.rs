//! Sending metrics away: lines to statsd in datagrams, to statsite over one stream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Gauge, Metrics, key};
use crate::log::{Level, Log};

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
pub struct Sinks {
    /// Over UDP.
    pub statsd: String,
    /// Over TCP.
    pub statsite: String,
}

impl Sinks {
    /// Whether there is any.
    pub fn any(&self) -> bool {
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
    pub(super) fn push(&mut self, name: &str, value: f64, letters: &str) {
        let line = format!("{name}:{value:.6}|{letters}\n");
        if self.text.len() + line.len() <= PENDING_BYTES {
            self.text.push_str(&line);
            self.wake.notify_one();
        }
    }
}

/// Sends what is counted from now on, for ever. `gauges` is asked once a second. A sink that
/// cannot be reached is logged once, and tried again.
pub fn run(
    metrics: Metrics,
    log: Log,
    sinks: Sinks,
    gauges: impl Fn() -> Vec<Gauge>,
) -> impl Future<Output = ()> {
    let wake = Arc::new(Notify::new());
    metrics.inner().pending = Some(Pending { text: String::new(), wake: Arc::clone(&wake) });
    let statsd = Datagrams {
        address: sinks.statsd,
        socket: None,
        retry: Instant::now(),
        complaint: Complaint::new("statsd", log.clone()),
    };
    let statsite = Stream {
        address: sinks.statsite,
        stream: None,
        retry: Instant::now(),
        complaint: Complaint::new("statsite", log),
    };
    send(metrics, statsd, statsite, wake, gauges)
}

async fn send(
    metrics: Metrics,
    mut statsd: Datagrams,
    mut statsite: Stream,
    wake: Arc<Notify>,
    gauges: impl Fn() -> Vec<Gauge>,
) {
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
    for row in inner.gauge_rows(gauges) {
        if let Some(pending) = &mut inner.pending {
            pending.push(&key::flat(row.name, &row.labels), row.value, "g");
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

/// What the operator is told of a sink that does not work.
struct Complaint {
    sink: &'static str,
    log: Log,
    made: bool,
}

impl Complaint {
    fn new(sink: &'static str, log: Log) -> Self {
        Complaint { sink, log, made: false }
    }

    fn make(&mut self, address: &str, error: &io::Error) {
        if std::mem::replace(&mut self.made, true) {
            return;
        }
        let (sink, why) = (self.sink, gotext::errno_text(error));
        let text = format_args!("Failed to send metrics to {sink} '{address}': {why}");
        self.log.line(Level::Warn, "agent", text);
    }
}

struct Datagrams {
    address: String,
    socket: Option<UdpSocket>,
    retry: Instant,
    /// Made once: whether a datagram arrives is seen by chance, so nothing says that it is well.
    complaint: Complaint,
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
            match connect_datagrams(&self.address).await {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => self.complaint.make(&self.address, &error),
            }
        }
        let Some(socket) = &self.socket else { return };
        for piece in datagrams(text) {
            // Nobody listening is an error of the next datagram; neither stops the rest.
            let sent = tokio::time::timeout(PATIENCE, socket.send(piece.as_bytes())).await;
            if let Ok(Err(error)) = sent {
                self.complaint.make(&self.address, &error);
            }
        }
    }
}

async fn connect_datagrams(address: &str) -> io::Result<UdpSocket> {
    let to = tokio::net::lookup_host(address).await?.next().ok_or(io::ErrorKind::NotFound)?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from).await?;
    socket.connect(to).await?;
    Ok(socket)
}

struct Stream {
    address: String,
    stream: Option<TcpStream>,
    retry: Instant,
    /// Made once until it works again.
    complaint: Complaint,
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
            match in_time(TcpStream::connect(&self.address)).await {
                Ok(stream) => {
                    self.stream = Some(stream);
                    self.complaint.made = false;
                }
                Err(error) => self.complaint.make(&self.address, &error),
            }
        }
        let Some(stream) = &mut self.stream else { return };
        if let Err(error) = in_time(stream.write_all(text.as_bytes())).await {
            self.complaint.make(&self.address, &error);
            self.stream = None;
        }
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
