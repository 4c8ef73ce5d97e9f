#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;

/// Far more than anything here needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A folder of its own for one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tribune-tls-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a certificate for localhost, its key, and its authority.
    fn identity(&self, issuer: &Issuer) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        let write = |file: &str, kind: &str, der: &[u8]| {
            let text = STANDARD.encode(der);
            let text = format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n");
            fs::write(self.0.join(file), text).unwrap();
        };
        write("cert.pem", "CERTIFICATE", certificate.der());
        write("key.pem", "PRIVATE KEY", &key.serialize_der());
        write("ca.pem", "CERTIFICATE", issuer.der());
    }

    fn settings(&self) -> TlsListener {
        TlsListener {
            ca_file: Some(self.0.join("ca.pem")),
            ca_path: None,
            cert_file: Some(self.0.join("cert.pem")),
            key_file: Some(self.0.join("key.pem")),
            min_version: TlsVersion::V1_2,
            cipher_suites: Vec::new(),
            verify_incoming: false,
            verify_outgoing: false,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that says one word to everybody who gets in.
async fn served(tls: Arc<Tls>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Some(mut stream) = tls.accept_tcp(stream).await {
                let _ = stream.write_all(b"hello").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    address
}

/// What a client reads that trusts an authority, and shows the certificate of a folder if it has
/// one.
async fn told(
    address: SocketAddr,
    trusted: &Issuer,
    own: Option<&Folder>,
) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(folder) => {
            let (chain, key) = identity(&folder.settings()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let exchange = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    };
    let told: std::io::Result<String> = timeout(PATIENCE, exchange).await.unwrap();
    told.map_err(|error| error.to_string())
}

#[tokio::test]
async fn clients_are_let_in_as_the_settings_say() {
    let (folder, stranger) = (Folder::new("ours"), Folder::new("theirs"));
    let (ours, theirs) = (authority(), authority());
    folder.identity(&ours);
    stranger.identity(&theirs);

    let anybody = served(Arc::new(Tls::new(folder.settings(), PATIENCE).unwrap())).await;
    assert_eq!(told(anybody, &ours, None).await.unwrap(), "hello");

    let known = TlsListener { verify_incoming: true, ..folder.settings() };
    let known = served(Arc::new(Tls::new(known, PATIENCE).unwrap())).await;
    assert!(told(known, &ours, None).await.is_err());
    assert!(told(known, &ours, Some(&stranger)).await.is_err());
    assert_eq!(told(known, &ours, Some(&folder)).await.unwrap(), "hello");

    // The client of these tests speaks 1.2 alone.
    let newer = TlsListener { min_version: TlsVersion::V1_3, ..folder.settings() };
    let newer = served(Arc::new(Tls::new(newer, PATIENCE).unwrap())).await;
    assert!(told(newer, &ours, None).await.is_err());
}

#[tokio::test]
async fn certificates_are_read_again() {
    let folder = Folder::new("reload");
    let (old, new) = (authority(), authority());
    folder.identity(&old);
    let tls = Arc::new(Tls::new(folder.settings(), PATIENCE).unwrap());
    let address = served(tls.clone()).await;
    assert_eq!(told(address, &old, None).await.unwrap(), "hello");
    folder.identity(&new);
    assert!(told(address, &new, None).await.is_err());
    tls.reload().unwrap();
    assert_eq!(told(address, &new, None).await.unwrap(), "hello");
    // What cannot be read changes nothing.
    fs::write(folder.0.join("cert.pem"), "nonsense").unwrap();
    let why = tls.reload().unwrap_err().to_string();
    let wanted = "tls: failed to find any PEM data in certificate input";
    assert_eq!(why, format!("Failed to load cert/key pair: {wanted}"));
    assert_eq!(told(address, &new, None).await.unwrap(), "hello");
}

#[tokio::test]
async fn plain_http_is_told_so() {
    let folder = Folder::new("plain");
    folder.identity(&authority());
    let address = served(Arc::new(Tls::new(folder.settings(), PATIENCE).unwrap())).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, NOT_TLS);
}

#[tokio::test]
async fn a_handshake_has_a_time() {
    let folder = Folder::new("silent");
    folder.identity(&authority());
    let tls = Tls::new(folder.settings(), Duration::from_millis(50)).unwrap();
    let address = served(Arc::new(tls)).await;
    for sent in [&b""[..], b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(read.is_err() || answer.is_empty());
    }
}
