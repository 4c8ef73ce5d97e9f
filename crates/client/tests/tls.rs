//! The HTTP client over TLS, against a server with a certificate of its own authority.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use client::http::{Http, Request, Settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n[\"dc1\"]";

fn file(name: &str) -> String {
    format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn acceptor(with_client: bool) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server-key.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if with_client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("authority.pem")).unwrap()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

/// Answers one request; what goes wrong is the client's to tell.
async fn serve_one(listener: TcpListener, acceptor: TlsAcceptor) {
    let (stream, _) = listener.accept().await.unwrap();
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let _ = stream.write_all(ANSWER).await;
    let _ = stream.shutdown().await;
}

/// What a client with these settings gets, after `https://ADDRESS` was put into them.
fn ask(with_client: bool, change: impl Fn(&mut Settings, SocketAddr)) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings =
            Settings { address: format!("https://{address}"), ..Settings::default() };
        change(&mut settings, address);
        let http = Http::new(&settings).map_err(|error| error.to_string())?;
        let server = tokio::spawn(serve_one(listener, acceptor(with_client)));
        let answer = http.read(Request::get("/v1/catalog/datacenters")).await;
        server.await.unwrap();
        match answer {
            Ok(body) => Ok(String::from_utf8(body).unwrap()),
            Err(error) => {
                let url = format!("https://{address}/v1/catalog/datacenters");
                Err(error.to_string().replace(&url, "URL"))
            }
        }
    })
}

fn failure(reason: &str) -> Result<String, String> {
    Err(format!("Get \"URL\": tls: failed to verify certificate: x509: {reason}"))
}

fn answered() -> Result<String, String> {
    Ok("[\"dc1\"]".to_owned())
}

#[test]
fn a_server_is_trusted_by_its_authority_or_not_at_all() {
    // The system's authorities, whichever they are, have not signed this.
    let unknown = failure("certificate signed by unknown authority");
    assert_eq!(ask(false, |_, _| {}), unknown);
    assert_eq!(ask(false, |settings, _| settings.tls.verify = false), answered());
    assert_eq!(ask(false, |settings, _| settings.tls.ca_file = file("authority.pem")), answered());
    // An address without a scheme, and TLS by the variable.
    let by_variable = ask(false, |settings, address| {
        settings.address = address.to_string();
        settings.https = true;
        settings.tls.ca_file = file("authority.pem");
    });
    assert_eq!(by_variable, answered());
}

#[test]
fn the_name_of_the_server_must_be_in_its_certificate() {
    let named = |name: &str| {
        ask(false, |settings, _| {
            settings.tls.ca_file = file("authority.pem");
            settings.tls.server_name = name.to_owned();
        })
    };
    assert_eq!(named("server.dc1.consul"), answered());
    assert_eq!(
        named("other.example"),
        failure("certificate is valid for server.dc1.consul, localhost, not other.example")
    );
    assert_eq!(named("10.0.0.1"), failure("certificate is valid for 127.0.0.1, not 10.0.0.1"));
}

#[test]
fn clients_show_a_certificate_where_one_is_wanted() {
    let shown = ask(true, |settings, _| {
        settings.tls.ca_file = file("authority.pem");
        settings.tls.certificate = file("server.pem");
        settings.tls.key = file("server-key.pem");
    });
    assert_eq!(shown, answered());
    let none = ask(true, |settings, _| settings.tls.ca_file = file("authority.pem"));
    assert!(none.is_err(), "{none:?}");
}

#[test]
fn files_that_hold_no_certificates_are_named() {
    let told = |change: fn(&mut Settings)| ask(false, |settings, _| change(settings)).unwrap_err();
    let readme = file("README.md");
    let no_pem = told(|settings| settings.tls.ca_file = file("README.md"));
    assert_eq!(no_pem, format!("Error loading CA File: Couldn't parse PEM in: {readme}"));
    let path = told(|settings| settings.tls.ca_path = file(""));
    assert_eq!(path, format!("Error loading CA Path: Couldn't parse PEM in: {readme}"));
    let key = told(|settings| {
        settings.tls.certificate = file("server.pem");
        settings.tls.key = file("README.md");
    });
    assert_eq!(key, "tls: failed to find any PEM data in key input");
}
