//! Other servers that questions are passed to.
//!
//! Each question goes out from a socket of its own, with an identity of its own, both by chance,
//! and only an answer from where it was sent, with that identity and that question, is believed,
//! if all of it can be read.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ::dns::{Step, Transport, belongs, is_readable, payload_bytes, said};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use settings::{Recursor, RecursorStrategy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::asking::{Sent, Turn};
use super::upstream::Upstream;
use super::warnings::Warnings;
use crate::random;

/// Messages that are no answer: after so many the recursor is taken for silent.
const STRAYS: usize = 32;
/// What each has where the settings give them no time: as in the client that Consul asks with.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of a reply over UDP to a question without EDNS.
const PLAIN_BYTES: usize = 512;

/// The recursors, and how they are asked.
pub(super) struct Recursors {
    upstreams: Vec<Upstream>,
    strategy: RecursorStrategy,
    pub(super) timeout: Duration,
}

impl Recursors {
    pub(super) fn new(names: &[String], strategy: RecursorStrategy, timeout: Duration) -> Self {
        let upstreams =
            names.iter().filter_map(|name| Recursor::read(name)).map(Upstream::new).collect();
        let timeout = if timeout.is_zero() { TIMEOUT } else { timeout };
        Self { upstreams, strategy, timeout }
    }

    /// Passes a question on as it is, over the same transport; the first reply that says something
    /// about the name.
    pub(super) async fn forward(
        &self,
        query: &[u8],
        transport: Transport,
        turn: &Turn<'_>,
        warnings: &Warnings,
    ) -> Option<Vec<u8>> {
        let most = payload_bytes(query);
        for upstream in self.order() {
            let reply = self.reply(&upstream, query, transport, most, turn, warnings).await;
            let Some(reply) = reply else { continue };
            if says_something(&reply) {
                return Some(reply);
            }
            if turn.crowded() {
                return None;
            }
            warnings.recursor(&upstream.recursor, &format_args!("it says {}", code(&reply)));
        }
        None
    }

    /// Asks for the address of a name; the first reply, whatever it says.
    pub(super) async fn chase(
        &self,
        query: &[u8],
        turn: &Turn<'_>,
        warnings: &Warnings,
    ) -> Option<Vec<u8>> {
        let (udp, most) = (Transport::Udp, PLAIN_BYTES);
        for upstream in self.order() {
            let reply = self.reply(&upstream, query, udp, most, turn, warnings).await;
            if reply.is_some() {
                return reply;
            }
        }
        None
    }

    /// One recursor's reply, if it gives one in time.
    async fn reply(
        &self,
        upstream: &Upstream,
        query: &[u8],
        transport: Transport,
        most: usize,
        turn: &Turn<'_>,
        warnings: &Warnings,
    ) -> Option<Vec<u8>> {
        match timeout(self.timeout, ask(upstream, query, transport, most, turn)).await {
            Ok(Ok(reply)) => return Some(reply),
            Ok(Err(error)) => warnings.recursor(&upstream.recursor, &error),
            Err(_) => warnings
                .recursor(&upstream.recursor, &format_args!("no answer within {:?}", self.timeout)),
        }
        None
    }

    fn order(&self) -> Vec<Upstream> {
        let mut upstreams = self.upstreams.clone();
        if self.strategy == RecursorStrategy::Random {
            upstreams.shuffle(&mut SmallRng::from_seed(random::seed()));
        }
        upstreams
    }
}

/// Whether it is about the name, or a part of what is: then there is nothing to ask others for.
fn says_something(reply: &[u8]) -> bool {
    const CUT: u8 = 2;
    const NO_ERROR: u8 = 0;
    const NO_SUCH_NAME: u8 = 3;
    let flags = reply.get(2).copied().unwrap_or_default();
    let code = reply.get(3).map_or(u8::MAX, |byte| byte & 15);
    flags & CUT != 0 || matches!(code, NO_ERROR | NO_SUCH_NAME)
}

/// What a reply's code is called.
fn code(reply: &[u8]) -> &'static str {
    match said(Some(reply)) {
        Step::Replied { rcode, .. } => rcode,
        _ => "nothing",
    }
}

/// One recursor's reply, with the identity of the question as it came.
async fn ask(
    upstream: &Upstream,
    query: &[u8],
    transport: Transport,
    most: usize,
    turn: &Turn<'_>,
) -> io::Result<Vec<u8>> {
    let address = upstream.address().await?;
    let mut sent = query.to_vec();
    let (Some(own), Some(theirs)) = (query.first_chunk::<2>(), sent.first_chunk_mut::<2>()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    *theirs = random::identity();
    let mut reply = match transport {
        Transport::Udp | Transport::UdpShort => ask_udp(address, &sent, most, turn).await?,
        Transport::Tcp => ask_tcp(address, &sent, turn).await?,
    };
    if !is_readable(&reply) {
        return Err(io::Error::other("the reply has records that cannot be read"));
    }
    if let Some(identity) = reply.first_chunk_mut::<2>() {
        *identity = *own;
    }
    Ok(reply)
}

/// What says that a message answers something.
fn is_reply(query: &[u8], message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0x80 != 0) && belongs(query, message)
}

/// What tells a question from those of others, once it leaves from a port of ours.
fn sent(query: &[u8], from: SocketAddr) -> Sent {
    (from.port(), query.first_chunk().copied().unwrap_or_default())
}

async fn ask_udp(
    address: SocketAddr,
    query: &[u8],
    most: usize,
    turn: &Turn<'_>,
) -> io::Result<Vec<u8>> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // The system chooses the port by chance, and passes on what comes from `address` alone.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    let _on_its_way = turn.sends(sent(query, socket.local_addr()?));
    socket.send(query).await?;
    let mut reply = vec![0; most.saturating_add(1)];
    for _ in 0..STRAYS {
        let length = socket.recv(&mut reply).await?;
        let message = reply.get(..length).unwrap_or_default();
        if !is_reply(query, message) {
            continue;
        }
        if length > most {
            // Who asked could not take it.
            return Err(io::Error::other("the reply is longer than who asked can take"));
        }
        reply.truncate(length);
        return Ok(reply);
    }
    Err(io::Error::other("too many messages that are no reply to the question"))
}

async fn ask_tcp(address: SocketAddr, query: &[u8], turn: &Turn<'_>) -> io::Result<Vec<u8>> {
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let _on_its_way = turn.sends(sent(query, stream.local_addr()?));
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(query);
    stream.write_all(&frame).await?;
    let length = stream.read_u16().await?;
    let mut reply = Vec::new();
    stream.take(length.into()).read_to_end(&mut reply).await?;
    if reply.len() == usize::from(length) && is_reply(query, &reply) {
        Ok(reply)
    } else {
        Err(io::Error::other("a message that is no reply to the question"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_the_usual_time() {
        let of = |time| Recursors::new(&[], RecursorStrategy::Sequential, time).timeout;
        assert_eq!(of(Duration::ZERO), Duration::from_secs(2));
        assert_eq!(of(Duration::from_millis(1)), Duration::from_millis(1));
    }

    #[test]
    fn a_cut_reply_says_something_whatever_its_code() {
        assert!(says_something(&[0, 0, 0x80, 0]));
        assert!(says_something(&[0, 0, 0x80, 3]));
        assert!(!says_something(&[0, 0, 0x80, 2]));
        assert!(!says_something(&[0, 0, 0x80, 5]));
        assert!(says_something(&[0, 0, 0x82, 2]));
        assert!(!says_something(&[]));
    }
}
