//! Sockets: who may connect, and how many at once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::head::{Guarded, Stage};
use super::route::{Peer, Site};

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
/// After an accept that failed for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections each address has.
#[derive(Clone)]
pub(crate) struct Places {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

impl Places {
    /// At most `most` for each address.
    pub(crate) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// Takes a place, given back when what is returned is dropped.
    fn take(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.most {
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

/// Serves one listener, for ever.
pub(crate) async fn serve(listener: Listener, site: Arc<Site>, places: Places, head_max: usize) {
    loop {
        match &listener {
            Listener::Tcp(tcp) => match tcp.accept().await {
                Ok((stream, from)) => {
                    let _ = stream.set_nodelay(true);
                    let site = site.clone();
                    match places.take(from.ip()) {
                        Some(place) => {
                            let peer = Peer::Address(from.ip());
                            tokio::spawn(async move {
                                connection(stream, site, peer, head_max).await;
                                drop(place);
                            });
                        }
                        None => drop(tokio::spawn(turn_away(stream))),
                    }
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Listener::Unix(unix) => match unix.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, site.clone(), Peer::Local, head_max));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
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

async fn connection<S>(stream: S, site: Arc<Site>, peer: Peer, head_max: usize)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let stage = Stage::new();
    let stream = Guarded::new(stream, stage.clone());
    let service = service_fn(move |request| {
        stage.serving();
        let (site, stage) = (site.clone(), stage.clone());
        async move {
            let answer = site.answer(request, peer).await;
            stage.answered();
            Ok::<_, Infallible>(answer)
        }
    });
    // A client that breaks the protocol is answered or hung up on; there is nobody to tell.
    let _ = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(head_max.saturating_add(HEAD_SLACK).max(8192))
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
