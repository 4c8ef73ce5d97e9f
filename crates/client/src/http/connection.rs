//! One connection to an agent: over TCP, over TLS, or over a socket of the file system.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::sniffed::Sniffed;
use super::tls;
use crate::connect::{CONNECT_LIMIT, dial};

/// After so long without a word the agent's machine is asked whether it is there, and again.
const PROBE_EVERY: Duration = Duration::from_secs(30);

/// What requests go over.
pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// Where connections go.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A `host:port` in the clear.
    Tcp(String),
    /// A `host:port` over TLS, and the name of its certificate.
    Tls(String, ServerName<'static>, Arc<ClientConfig>),
    /// The path of a socket.
    #[cfg_attr(not(unix), allow(dead_code))]
    Unix(String),
}

/// Connects; errors are in Go's words. The connection is driven by a task of the runtime and ends
/// with its sender.
pub(crate) async fn connect(target: &Target) -> Result<Sender, String> {
    match target {
        Target::Tcp(address) => drive(tcp(address).await?).await,
        Target::Tls(address, name, config) => {
            let stream = Sniffed::new(tcp(address).await?);
            let connector = TlsConnector::from(config.clone());
            match connector.connect(name.clone(), stream).into_fallible().await {
                Ok(stream) => drive(stream).await,
                Err((_, stream)) if stream.first() == b"HTTP/" => {
                    Err("http: server gave HTTP response to HTTPS client".to_owned())
                }
                Err((error, _)) => Err(tls_failure(&error)),
            }
        }
        Target::Unix(path) => unix(path).await,
    }
}

/// Finds out, while an answer is waited for, that the agent's machine is gone.
fn keep_alive(stream: &TcpStream) {
    let probes = socket2::TcpKeepalive::new().with_time(PROBE_EVERY).with_interval(PROBE_EVERY);
    // A socket that cannot be told works without it.
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&probes);
}

async fn tcp(address: &str) -> Result<TcpStream, String> {
    if let Ok(target) = address.parse::<SocketAddr>() {
        // No look-up, and so no thread for it.
        let connected = match timeout(CONNECT_LIMIT, TcpStream::connect(target)).await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let stream = connected.map_err(|error| gotext::dial_error(target, &error))?;
        let _ = stream.set_nodelay(true);
        keep_alive(&stream);
        return Ok(stream);
    }
    let address = address.to_owned();
    // Names are looked up by the system's library, which blocks.
    let stream = tokio::task::spawn_blocking(move || dial(&address))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let prepare = || {
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        keep_alive(&stream);
        Ok(stream)
    };
    prepare().map_err(|error: io::Error| gotext::errno_text(&error))
}

#[cfg(unix)]
async fn unix(path: &str) -> Result<Sender, String> {
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(|error| format!("dial unix {path}: connect: {}", gotext::errno_text(&error)))?;
    drive(stream).await
}

#[cfg(not(unix))]
async fn unix(path: &str) -> Result<Sender, String> {
    Err(format!("dial unix {path}: this system has no such sockets"))
}

async fn drive<S>(stream: S) -> Result<Sender, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // One kind of stream, so that the protocol is compiled once.
    let stream: Box<dyn Stream> = Box::new(stream);
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| super::reason(&error))?;
    // What ends the connection ends the exchange too, and is told there.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn tls_failure(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => tls::failure(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => gotext::errno_text(error),
    }
}
