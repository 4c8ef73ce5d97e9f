//! Questions over TCP: several on one connection, one after the other.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ::dns::Transport;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connections::Used;
use super::{Answer, Dns};
use crate::telemetry::Tally;

/// How long others may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// A connection may rest so long between two questions, and before the first.
    pub(super) idle: Duration,
    /// A question may be on its way so long once it has begun.
    pub(super) question: Duration,
    /// A reply may wait so long for the one who asked.
    pub(super) reply: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [idle, question, reply] = [10, 5, 5].map(Duration::from_secs);
        Self { idle, question, reply }
    }
}

/// What is read ahead: questions are short.
const AHEAD_BYTES: usize = 512;
/// Work for connections after which others of the runtime have their turn.
const TURN: Duration = Duration::from_micros(100);
/// What a connection keeps of each of its buffers from one question to the next: most messages fit.
const KEPT_BYTES: usize = 4096;
/// After an accept that failed for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The system's queues of a connection: the longest reply has room, and who reads nothing takes no
/// more than that of the machine's memory.
const SEND_BYTES: usize = 64 << 10;
const RECEIVE_BYTES: usize = 16 << 10;
/// Connections that the system keeps for us until they are accepted.
const BACKLOG: i32 = 1024;

/// A listener at that address.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // What is accepted has them, too.
    socket.set_send_buffer_size(SEND_BYTES)?;
    socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Takes connections, for ever.
pub(super) async fn serve(listener: TcpListener, dns: Arc<Dns>) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let server = dns.clone();
                let crowded = dns.connections.admit(from.ip().to_canonical(), |used| async move {
                    // A connection that breaks is over; there is nobody to tell.
                    let _ = converse(stream, from, &server, &used).await;
                });
                if crowded {
                    dns.telemetry.dns_connection_crowded();
                }
            }
            Err(error) => {
                dns.warnings.socket("tcp", &error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers question after question. What is no question is passed over; silence, slowness and the
/// end of the stream end it.
async fn converse(stream: TcpStream, from: SocketAddr, dns: &Dns, used: &Used) -> io::Result<()> {
    let Patience { idle, question, reply } = dns.patience;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(AHEAD_BYTES, stream);
    let (mut query, mut frame) = (Vec::new(), Vec::new());
    loop {
        let length = timeout(idle, stream.read_u16()).await??;
        used.now();
        query.clear();
        // It grows with what comes, not with what is announced.
        let mut whole = (&mut stream).take(length.into());
        in_time(dns, question, whole.read_to_end(&mut query)).await?;
        if query.len() != usize::from(length) {
            return Ok(());
        }
        used.waits();
        let started = Instant::now();
        let answered = answer(dns, from, &query, &mut frame, started).await;
        used.now();
        if answered {
            in_time(dns, reply, stream.get_mut().write_all(&frame)).await?;
            used.now();
        }
        [&mut query, &mut frame].into_iter().for_each(release);
    }
}

/// The turns of all connections, of which one has its own at a time: however many there are, others
/// of the runtime have theirs in between.
pub(super) struct Turns {
    one: Semaphore,
    /// Since others had theirs, in nanoseconds.
    worked: AtomicU64,
}

impl Default for Turns {
    fn default() -> Self {
        Self { one: Semaphore::new(1), worked: AtomicU64::new(0) }
    }
}

impl Turns {
    /// Does some work when it is its turn.
    async fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        let turn = self.one.acquire().await;
        let begun = Instant::now();
        let done = work();
        let worked = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let before = self.worked.fetch_add(worked, Ordering::Relaxed);
        if Duration::from_nanos(before.saturating_add(worked)) >= TURN {
            self.worked.store(0, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        drop(turn);
        done
    }
}

/// Gives back what a long message took.
fn release(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    }
}

/// What others do within a time; who does not is counted.
async fn in_time<T>(
    dns: &Dns,
    time: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match timeout(time, work).await {
        Ok(done) => done,
        Err(elapsed) => {
            dns.telemetry.dns_connection_slow();
            Err(elapsed.into())
        }
    }
}

/// Puts the reply into `frame`, with its length; whether there is one.
async fn answer(
    dns: &Dns,
    from: SocketAddr,
    query: &[u8],
    frame: &mut Vec<u8>,
    started: Instant,
) -> bool {
    frame.clear();
    let own = dns.turns.take(|| {
        let source = from.ip().to_canonical();
        let mut answerer = dns.answerer.lock().unwrap_or_else(PoisonError::into_inner);
        let own = answerer.answer(&dns.moment(), Transport::Tcp, source, query, &[], &mut ());
        if matches!(own, Answer::Ready) {
            put(frame, &answerer.reply);
        }
        own
    });
    match own.await {
        Answer::Ready => {}
        Answer::Ask(ask) => {
            let Some(reply) = dns.ask(ask, query, Transport::Tcp, from).await else { return false };
            put(frame, &reply);
        }
        Answer::Silent => {
            let mut tally = Tally::default();
            dns.telemetry.dns_unanswerable(&mut tally);
            dns.telemetry.dns_counted(&mut tally);
            return false;
        }
    }
    let Some(reply) = frame.get(2..) else { return false };
    dns.count(query, reply, started);
    true
}

/// A message as it stands in a stream. There are none that are longer than its length can say.
fn put(frame: &mut Vec<u8>, reply: &[u8]) {
    if let Ok(length) = u16::try_from(reply.len()) {
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The system doubles what it is asked for.
    #[tokio::test]
    async fn the_system_keeps_little_of_a_connection() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
        let at = listener.local_addr().expect("an address");
        let (client, accepted) = tokio::join!(TcpStream::connect(at), listener.accept());
        let (_client, (stream, _)) = (client.expect("a stream"), accepted.expect("a stream"));
        let stream = socket2::SockRef::from(&stream);
        assert!(stream.send_buffer_size().expect("a size") <= 2 * SEND_BYTES);
        assert!(stream.recv_buffer_size().expect("a size") <= 2 * RECEIVE_BYTES);
    }

    #[test]
    fn a_connection_keeps_no_room_for_long_messages() {
        let rest = |bytes| {
            let mut buffer = vec![0; bytes];
            release(&mut buffer);
            buffer.capacity()
        };
        assert_eq!(rest(KEPT_BYTES), KEPT_BYTES);
        assert_eq!(rest(1 << 16), 0);
    }
}
