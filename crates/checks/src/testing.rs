//! Servers that behave as a test wants them to.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use hyper::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::environment::Environment;
use crate::limits::Limits;
use crate::trust::Trust;

/// Far more than anything here needs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// For what has to run into its time limit.
pub(crate) const SHORT: Duration = Duration::from_millis(500);

pub(crate) fn limits(timeout: Duration) -> Limits {
    Limits { timeout, output_max_bytes: Limits::OUTPUT_MAX_BYTES }
}

pub(crate) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// An address that no other test of this process has.
pub(crate) fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 9, high, low)
}

/// Where nobody listens.
pub(crate) async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// Hands each connection to `serve`.
pub(crate) async fn listen<F, R>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((own_address(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Says some bytes to whoever has said something, and hangs up.
pub(crate) async fn says(bytes: &'static [u8]) -> SocketAddr {
    listen(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(bytes).await;
    })
    .await
}

/// Listens, but has nothing to say and says so.
pub(crate) async fn ends() -> SocketAddr {
    listen(|mut stream| async move {
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

/// Says some bytes, and then nothing, without hanging up.
pub(crate) async fn holds(bytes: &'static [u8]) -> SocketAddr {
    listen(move |mut stream| async move {
        let _ = stream.write_all(bytes).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

/// Accepts connections and says a byte now and then.
pub(crate) async fn trickles(head: &'static [u8], bytes: &'static [u8]) -> SocketAddr {
    listen(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(head).await;
        for byte in bytes.iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// Says the same again and again, as fast as it can.
pub(crate) async fn floods(head: &'static [u8], bytes: &'static [u8]) -> SocketAddr {
    listen(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(head).await;
        while stream.write_all(bytes).await.is_ok() {}
    })
    .await
}

/// The requests that a server has seen.
pub(crate) type Requests = Arc<Mutex<Vec<String>>>;

/// One request of HTTP/1, with its body.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    loop {
        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
            break;
        }
        let so_far = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                break;
            }
        }
    }
    String::from_utf8(text).unwrap()
}

/// Answers each request as `answer` says, and hangs up.
pub(crate) async fn http_server(
    answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
) -> (SocketAddr, Requests) {
    let requests = Requests::default();
    let seen = requests.clone();
    let address = listen(move |mut stream| {
        let (answer, seen) = (answer.clone(), seen.clone());
        async move {
            let request = read_request(&mut stream).await;
            let text = answer(&request);
            seen.lock().unwrap().push(request);
            let _ = stream.write_all(text.as_bytes()).await;
        }
    })
    .await;
    (address, requests)
}

/// Serves HTTP/2 with `answer`, until the other end goes.
pub(crate) async fn serve_http2<S, F, R>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<h2::RecvStream>, SendResponse<Bytes>) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond));
    }
}

/// Sends an answer with a body and, perhaps, trailers.
pub(crate) fn respond(
    mut send: SendResponse<Bytes>,
    head: Response<()>,
    body: Bytes,
    trailers: Option<hyper::HeaderMap>,
) {
    let Ok(mut stream) = send.send_response(head, false) else { return };
    let _ = stream.send_data(body, trailers.is_none());
    if let Some(trailers) = trailers {
        let _ = stream.send_trailers(trailers);
    }
}

/// Somebody who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Checks that trust this one alone.
    pub(crate) fn environment(&self) -> Environment {
        let trust = Trust::only([self.certificate()]).unwrap();
        Environment { trust, ..Environment::default() }
    }

    pub(crate) fn issue(
        &self,
        params: CertificateParams,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.der().clone()], key)
    }

    pub(crate) fn issue_for(
        &self,
        names: &[&str],
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.issue(CertificateParams::new(names).unwrap())
    }

    /// Shakes hands with whoever comes, then hands on to `serve`.
    pub(crate) async fn listen<F, R>(&self, names: &[&str], protocol: &str, serve: F) -> SocketAddr
    where
        F: Fn(TlsStream<TcpStream>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let own = self.issue_for(names);
        listen_as(own, None, protocol, serve).await
    }

    /// The same, for clients with a certificate of this authority.
    pub(crate) async fn listen_for_known<F, R>(&self, names: &[&str], serve: F) -> SocketAddr
    where
        F: Fn(TlsStream<TcpStream>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        listen_as(self.issue_for(names), Some(self.certificate()), "http/1.1", serve).await
    }
}

/// A server of TLS with any certificate.
pub(crate) async fn listen_as<F, R>(
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    clients: Option<CertificateDer<'static>>,
    protocol: &str,
    serve: F,
) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(root) => {
            let mut roots = RootCertStore::empty();
            roots.add(root).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}
