//! TLS of the listeners: who this server is, whom it lets in, and what it says to who does not
//! speak TLS.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite};
use settings::{TlsListener, TlsVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What Go says to plain HTTP.
const NOT_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// How long a client is given to read it: what it sent is taken meanwhile, lest the answer be lost.
const FAREWELL: Duration = Duration::from_millis(100);

/// How the protocol is called that is chosen in the handshake.
pub(super) const HTTP_2: &[u8] = b"h2";

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A certificate or its key is not given.
    #[error("HTTPS needs both tls.https.cert_file and tls.https.key_file")]
    NoCertificate,
    /// A file cannot be read.
    #[error("Failed to load cert/key pair: {0}")]
    Certificate(String),
    /// Whom to trust is not known.
    #[error("Error loading from {0}")]
    Authority(String),
    /// Nobody can be let in.
    #[error("tls: {0}")]
    Verifier(String),
    /// The library does not take it.
    #[error("tls: {0}")]
    Settings(#[from] rustls::Error),
}

/// How long a handshake may take, and what is said in one.
pub(crate) struct Tls {
    settings: TlsListener,
    handshake_time: Duration,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads certificate, key and authorities.
    pub(crate) fn new(settings: TlsListener, handshake_time: Duration) -> Result<Self, TlsError> {
        let config = ArcSwap::new(config(&settings)?);
        Ok(Self { settings, handshake_time, config })
    }

    /// Reads the files again. Connections that are there go on with what they began with; on an
    /// error so does everything.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.config.store(config(&self.settings)?);
        Ok(())
    }

    /// Shakes hands over TCP. None: there is nobody to talk to.
    pub(super) async fn accept_tcp(&self, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let mut first = [0];
        match timeout(self.handshake_time, stream.peek(&mut first)).await {
            Ok(Ok(1)) => {}
            _ => return None,
        }
        // The first byte of a handshake is no letter; that of a method is.
        if first[0].is_ascii_alphabetic() {
            let _ = timeout(FAREWELL, refuse(&mut stream)).await;
            return None;
        }
        self.accept(stream).await
    }

    /// Shakes hands. None: there is nobody to talk to.
    pub(super) async fn accept<S>(&self, stream: S) -> Option<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        timeout(self.handshake_time, acceptor.accept(stream)).await.ok()?.ok()
    }
}

async fn refuse(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

fn config(settings: &TlsListener) -> Result<Arc<ServerConfig>, TlsError> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    if !settings.cipher_suites.is_empty() {
        provider.cipher_suites.retain(|suite| is_chosen(suite, &settings.cipher_suites));
    }
    let provider = Arc::new(provider);
    // What is older than 1.2 is not spoken, whatever is asked for.
    let versions: &[_] = match settings.min_version {
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
        _ => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions)?;
    let builder = if settings.verify_incoming {
        let roots = Arc::new(authorities(settings)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
        let verifier = verifier.build().map_err(|why| TlsError::Verifier(why.to_string()))?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let (chain, key) = identity(settings)?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The names choose among the suites of TLS 1.2; those of 1.3 are always there.
fn is_chosen(suite: &SupportedCipherSuite, names: &[String]) -> bool {
    suite.tls13().is_some() || names.contains(&format!("{:?}", suite.suite()))
}

/// Whether the files that settings name can be read and are what they should be, needed or not.
pub(crate) fn check_files(settings: &TlsListener) -> Result<(), TlsError> {
    authorities(settings)?;
    if settings.cert_file.is_some() && settings.key_file.is_some() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let (chain, key) = identity(settings)?;
        rustls::sign::CertifiedKey::from_der(chain, key, &provider)
            .map_err(|why| TlsError::Certificate(format!("tls: {why}")))?;
    }
    Ok(())
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(settings: &TlsListener) -> Result<Identity, TlsError> {
    let (Some(certificate), Some(key)) = (&settings.cert_file, &settings.key_file) else {
        return Err(TlsError::NoCertificate);
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate, TlsError::Certificate)?)
        .filter_map(Result::ok)
        .collect();
    if chain.is_empty() {
        let why = "tls: failed to find any PEM data in certificate input";
        return Err(TlsError::Certificate(why.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key, TlsError::Certificate)?).map_err(|_| {
        TlsError::Certificate("tls: failed to find any PEM data in key input".to_owned())
    })?;
    Ok((chain, key))
}

fn read(path: &Path, failure: impl Fn(String) -> TlsError) -> Result<Vec<u8>, TlsError> {
    let failed = |error| failure(gotext::path_error("open", &path.to_string_lossy(), &error));
    fs::read(path).map_err(failed)
}

/// Whom clients' certificates must come from: of a file, else of the files of a folder.
fn authorities(settings: &TlsListener) -> Result<RootCertStore, TlsError> {
    let mut files = Vec::new();
    if let Some(file) = &settings.ca_file {
        files.push(file.clone());
    } else if let Some(folder) = &settings.ca_path {
        let failed = |error| {
            let shown = folder.to_string_lossy();
            TlsError::Authority(format!("{shown}: {}", gotext::path_error("open", &shown, &error)))
        };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_file() {
                files.push(path);
            }
        }
    }
    let mut store = RootCertStore::empty();
    for file in files {
        let failed = |why| TlsError::Authority(format!("{}: {why}", file.display()));
        let text = read(&file, failed)?;
        let certificates = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
        if store.add_parsable_certificates(certificates).0 == 0 {
            return Err(failed(format!("Couldn't parse PEM in: {}", file.display())));
        }
    }
    Ok(store)
}

#[cfg(test)]
mod tests;
