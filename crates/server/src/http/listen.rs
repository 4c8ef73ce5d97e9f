//! Sockets: who may connect, and how many at once.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent::log::Level;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::net::sockopt;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::server::TlsStream;

use super::head::{Guarded, Stage};
use super::route::{Peer, Site};
use super::tls::{HTTP_2, Tls};

/// Where requests come in.
pub(crate) enum Listener {
    /// At an address.
    Tcp(TcpListener),
    /// At a path.
    Unix(UnixListener),
}

/// How long a client that is turned away is given to read why.
const FAREWELL: Duration = Duration::from_millis(10);
/// How much longer than it may be a head is in fact.
const HEAD_SLACK: usize = 4096;
/// How often a client of HTTP/2 must show that it is still there.
const PING_EVERY: Duration = Duration::from_secs(60);
/// After so long without a word the other end of a connection is asked whether it is there, and
/// again; as often as the system has it.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// Descriptors that connections leave to everything else, unless that were more than half of all:
/// a thousand questions to recursors, some hundred files of the log, members, checks.
const RESERVED: u64 = 2048;
/// How often it is logged that there is no place left.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// After an accept that failed for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections there are, and how many each address has.
#[derive(Clone)]
pub(crate) struct Places {
    taken: Arc<Mutex<Taken>>,
    most_each: Arc<AtomicUsize>,
    most: usize,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Sockets in the file system have no address.
    by: HashMap<Option<IpAddr>, usize>,
    /// When it was last logged that no place was left.
    told: Option<Instant>,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
enum Full {
    /// The address has all that it may have.
    Address,
    /// All are taken. Whether that is to be logged.
    All { is_news: bool },
}

impl Places {
    /// At most `most_each` for each address, and in all as many as leave some of the descriptors
    /// that this process may have to everything else: to its log, the pools, checks and DNS.
    pub(crate) fn new(most_each: usize) -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = descriptors - RESERVED.min(descriptors / 2);
        Self::with(most_each, usize::try_from(most).unwrap_or(usize::MAX))
    }

    fn with(most_each: usize, most: usize) -> Self {
        Self { taken: Arc::default(), most_each: Arc::new(most_each.into()), most }
    }

    /// From now on at most `most` new ones for each address.
    pub(crate) fn limit(&self, most: usize) {
        self.most_each.store(most, Ordering::Relaxed);
    }

    /// Takes a place, given back when what is returned is dropped.
    fn take(&self, address: Option<IpAddr>) -> Result<Place, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            let now = Instant::now();
            let is_news = taken.told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY);
            if is_news {
                taken.told = Some(now);
            }
            return Err(Full::All { is_news });
        }
        let count = taken.by.get(&address).copied().unwrap_or_default();
        if address.is_some() && count >= self.most_each.load(Ordering::Relaxed) {
            return Err(Full::Address);
        }
        taken.by.insert(address, count + 1);
        taken.all += 1;
        drop(taken);
        Ok(Place { places: self.clone(), address })
    }
}

struct Place {
    places: Places,
    address: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(count) = taken.by.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by.remove(&self.address);
            }
        }
    }
}

/// How connections of one listener are served. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Service {
    /// What is served.
    pub(crate) site: Arc<Site>,
    /// How many connections each address may have, over all listeners.
    pub(crate) places: Places,
    /// Longest head, in bytes.
    pub(crate) head_max: usize,
    /// TLS, unless the listener is a plain one.
    pub(crate) tls: Option<Arc<Tls>>,
}

/// Serves one listener, for ever.
pub(crate) async fn serve(listener: Listener, service: Service) {
    loop {
        let accepted = match &listener {
            Listener::Tcp(tcp) => tcp.accept().await.map(|(stream, from)| {
                let _ = stream.set_nodelay(true);
                keep_alive(&stream);
                // An IPv4 address stays one where a socket takes both.
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                match service.places.take(Some(from.ip())) {
                    Ok(place) => {
                        let service = service.clone();
                        tokio::spawn(async move {
                            service.tcp(stream, from).await;
                            drop(place);
                        });
                    }
                    // Who expects TLS could not read why.
                    Err(Full::Address) if service.tls.is_some() => {}
                    Err(Full::Address) => drop(tokio::spawn(turn_away(stream))),
                    Err(Full::All { is_news }) => service.full(is_news),
                }
            }),
            Listener::Unix(unix) => {
                unix.accept().await.map(|(stream, _)| match service.places.take(None) {
                    Ok(place) => {
                        let service = service.clone();
                        tokio::spawn(async move {
                            service.local(stream).await;
                            drop(place);
                        });
                    }
                    Err(full) => service.full(full == Full::All { is_news: true }),
                })
            }
        };
        if accepted.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Finds out about clients that are gone without a word, also while they are sent nothing.
fn keep_alive(stream: &TcpStream) {
    // A socket that cannot be told works without it.
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, PROBE_EVERY);
    let _ = sockopt::set_tcp_keepintvl(stream, PROBE_EVERY);
}

impl Service {
    /// Says, now and then, that somebody was hung up on.
    fn full(&self, is_news: bool) {
        if is_news {
            let fields = [("connections", self.places.most.to_string().into())];
            let text = "Too many connections: new ones are closed at once. Let this process have \
                        more open files (LimitNOFILE, ulimit -n), or find out who does not hang up";
            self.site.shell.log.entry(Level::Warn, "agent.http", text, fields);
        }
    }

    async fn tcp(&self, stream: TcpStream, from: SocketAddr) {
        let peer = Peer::Address(from);
        match &self.tls {
            None => self.connection(stream, peer).await,
            // In a place of its own: who has no TLS need not make room for it.
            Some(tls) => {
                let accepted = Box::pin(tls.accept_tcp(stream)).await;
                if let Some(stream) = accepted {
                    Box::pin(self.secure(stream, peer)).await;
                }
            }
        }
    }

    async fn local(&self, stream: UnixStream) {
        match &self.tls {
            None => self.connection(stream, Peer::Local).await,
            Some(tls) => {
                if let Some(stream) = Box::pin(tls.accept(stream)).await {
                    Box::pin(self.secure(stream, Peer::Local)).await;
                }
            }
        }
    }

    /// Serves what was agreed on in the handshake.
    async fn secure<S>(&self, stream: TlsStream<S>, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if stream.get_ref().1.alpn_protocol() != Some(HTTP_2) {
            return self.connection(stream, peer).await;
        }
        // Its first request has the time of a head; from then on pings show that it is there.
        let stage = Stage::new();
        let stream = Guarded::new(stream, stage.clone());
        let site = self.site.clone();
        let service = service_fn(move |request| {
            stage.serving();
            site.clone().answer(request, peer, |content| content)
        });
        let headers_max = u32::try_from(self.head_max).unwrap_or(u32::MAX);
        // A client that breaks the protocol is hung up on; there is nobody to tell.
        let _ = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .max_header_list_size(headers_max)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn connection<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let stage = Stage::new();
        let stream = Guarded::new(stream, stage.clone());
        let site = self.site.clone();
        let service = service_fn(move |request| {
            stage.serving();
            let stage = stage.clone();
            site.clone().answer(request, peer, |content| stage.until_sent(content))
        });
        // A client that breaks the protocol is answered or hung up on; there is nobody to tell.
        let _ = http1::Builder::new()
            .title_case_headers(true)
            .max_buf_size(self.head_max.saturating_add(HEAD_SLACK).max(8192))
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }
}

async fn turn_away(mut stream: TcpStream) {
    const BODY: &str = "Your IP is issuing too many concurrent connections, please rate limit \
                        your calls\n";
    let text = format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    let _ = tokio::time::timeout(FAREWELL, stream.write_all(text.as_bytes())).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_end_for_each_address_and_for_all() {
        let places = Places::with(2, 3);
        let take = |last| places.take(Some([127, 0, 0, last].into()));
        let own = [take(1), take(1)];
        assert_eq!(take(1).err(), Some(Full::Address));
        let local = places.take(None);
        assert!(local.is_ok());
        assert_eq!(take(2).err(), Some(Full::All { is_news: true }));
        assert_eq!(places.take(None).err(), Some(Full::All { is_news: false }));
        drop(own);
        assert!(take(2).is_ok());
        drop(local);
        let taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(taken.all == 0 && taken.by.is_empty());
    }
}
