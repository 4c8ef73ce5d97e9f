//! Sockets: who may connect, and how many at once.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
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
/// After an accept that failed for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections each address has.
#[derive(Clone)]
pub(crate) struct Places {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: Arc<AtomicUsize>,
}

impl Places {
    /// At most `most` for each address.
    pub(crate) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most: Arc::new(most.into()) }
    }

    /// From now on at most `most` new ones for each address.
    pub(crate) fn limit(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Takes a place, given back when what is returned is dropped.
    fn take(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.most.load(Ordering::Relaxed) {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { places: self.clone(), address })
    }
}

struct Place {
    places: Places,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
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
                // An IPv4 address stays one where a socket takes both.
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                match service.places.take(from.ip()) {
                    Some(place) => {
                        let service = service.clone();
                        tokio::spawn(async move {
                            service.tcp(stream, from).await;
                            drop(place);
                        });
                    }
                    // Who expects TLS could not read why.
                    None if service.tls.is_some() => {}
                    None => drop(tokio::spawn(turn_away(stream))),
                }
            }),
            Listener::Unix(unix) => unix.accept().await.map(|(stream, _)| {
                let service = service.clone();
                tokio::spawn(async move { service.local(stream).await });
            }),
        };
        if accepted.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Service {
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
