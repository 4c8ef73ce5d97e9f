#![allow(clippy::unwrap_used)]

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;

use super::check;
use crate::environment::Environment;
use crate::outcome::{Outcome, Status};
use crate::target::Tls;
use crate::testing::{Authority, SHORT, deadline, holds, listen_as, refusing, says};
use crate::trust::Trust;

async fn plain(address: &str) -> Outcome {
    check(address, None, deadline(), &Environment::default()).await
}

fn named(name: &str) -> Tls {
    Tls { server_name: name.to_owned(), skip_verify: false }
}

async fn secure(address: impl ToString, tls: &Tls, environment: &Environment) -> Outcome {
    check(&address.to_string(), Some(tls), deadline(), environment).await
}

#[tokio::test]
async fn connects() {
    let address = holds(b"").await;
    let expected = Outcome::passing(format!("TCP connect {address}: Success"));
    assert_eq!(plain(&address.to_string()).await, expected);
}

#[tokio::test]
async fn a_name_and_no_host() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["localhost", ""] {
        let expected = Outcome::passing(format!("TCP connect {host}:{port}: Success"));
        assert_eq!(plain(&format!("{host}:{port}")).await, expected);
    }
}

#[tokio::test]
async fn go_s_words_for_what_cannot_be_dialled() {
    let address = refusing().await;
    for (target, text) in [
        (address.to_string(), format!("dial tcp {address}: connect: connection refused")),
        (":1".to_owned(), "dial tcp :1: connect: connection refused".to_owned()),
        ("127.0.0.1".into(), "dial tcp: address 127.0.0.1: missing port in address".into()),
        ("::1:80".into(), "dial tcp: address ::1:80: too many colons in address".into()),
        ("127.0.0.1:99999".into(), "dial tcp: address 99999: invalid port".into()),
        ("127.0.0.1:x".into(), "dial tcp: lookup tcp/x: unknown port".into()),
        ("no-such.invalid:80".into(), "dial tcp: lookup no-such.invalid: no such host".into()),
    ] {
        assert_eq!(plain(&target).await, Outcome::critical(text), "{target}");
    }
}

/// A listener whose queue is full, with the connections that fill it.
fn deaf() -> (socket2::Socket, Vec<std::net::TcpStream>, String) {
    use socket2::{Domain, Socket, Type};
    let address = std::net::SocketAddr::from((crate::testing::own_address(), 0));
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    // Linux takes one more than it was told.
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, SHORT) {
        waiting.push(stream);
        assert!(waiting.len() < 10, "the queue never fills");
    }
    (listener, waiting, address.to_string())
}

#[tokio::test]
async fn silence_has_its_time() {
    let (_listener, _waiting, address) = deaf();
    let found = check(&address, None, Instant::now() + SHORT, &Environment::default()).await;
    assert_eq!(found, Outcome::critical(format!("dial tcp {address}: i/o timeout")));
}

#[tokio::test]
async fn shakes_hands() {
    let authority = Authority::new();
    let address = authority.listen(&["web.example"], "x", |_| async {}).await;
    let known = authority.environment();
    let expected = Outcome::passing(format!("TCP+TLS connect {address}: Success"));
    assert_eq!(secure(address, &named("web.example"), &known).await, expected);

    let critical =
        |text: &str| Outcome::critical(format!("tls: failed to verify certificate: {text}"));
    let found = secure(address, &named("web.example"), &Environment::default()).await;
    assert_eq!(found, critical("x509: certificate signed by unknown authority"));
    let found = secure(address, &named("other.example"), &known).await;
    assert_eq!(found, critical("x509: certificate is valid for web.example, not other.example"));
    let found = secure(address, &Tls::default(), &known).await;
    let ip = address.ip();
    let text = format!(
        "x509: cannot validate certificate for {ip} because it doesn't contain any IP SANs"
    );
    assert_eq!(found, critical(&text));

    for server_name in ["", "other.example"] {
        let any = Tls { server_name: server_name.to_owned(), skip_verify: true };
        assert_eq!(secure(address, &any, &Environment::default()).await, expected);
    }
}

#[tokio::test]
async fn certificates_for_addresses() {
    let authority = Authority::new();
    let address = authority.listen(&["127.0.0.77", "10.1.2.3"], "x", |_| async {}).await;
    let known = authority.environment();
    let found = secure(address, &named("10.1.2.3"), &known).await;
    assert_eq!(found.status, Status::Passing);
    let found = secure(address, &Tls::default(), &known).await;
    let expected = format!(
        "tls: failed to verify certificate: x509: certificate is valid for 127.0.0.77, 10.1.2.3, not {}",
        address.ip()
    );
    assert_eq!(found, Outcome::critical(expected));
}

#[tokio::test]
async fn certificates_for_nobody() {
    let authority = Authority::new();
    let address = authority.listen(&[], "x", |_| async {}).await;
    let found = secure(address, &named("web.example"), &authority.environment()).await;
    let expected = "tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match web.example";
    assert_eq!(found, Outcome::critical(expected));
}

#[tokio::test]
async fn certificates_have_their_time() {
    let authority = Authority::new();
    let known = authority.environment();
    let mut over = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    over.not_before = date_time_ymd(2001, 1, 1);
    over.not_after = date_time_ymd(2002, 2, 3);
    let address = listen_as(authority.issue(over), None, "x", |_| async {}).await;
    let found = secure(address, &named("web.example"), &known).await.output;
    let head = "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2";
    assert!(found.starts_with(head), "{found}");
    assert!(found.ends_with("Z is after 2002-02-03T00:00:00Z"), "{found}");

    let mut early = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    early.not_before = date_time_ymd(3001, 1, 1);
    early.not_after = date_time_ymd(3002, 1, 1);
    let address = listen_as(authority.issue(early), None, "x", |_| async {}).await;
    let found = secure(address, &named("web.example"), &known).await.output;
    assert!(found.ends_with("Z is before 3001-01-01T00:00:00Z"), "{found}");
}

/// What `openssl req -x509` makes: signed by itself, and allowed to sign others.
fn own_authority(from: i32, to: i32) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    (certificate, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

#[tokio::test]
async fn servers_that_are_their_own_authority() {
    let (certificate, key) = own_authority(2000, 4000);
    let trust = Trust::only([certificate.clone()]).unwrap();
    let known = Environment { trust, ..Environment::default() };
    let address = listen_as((vec![certificate], key), None, "x", |_| async {}).await;
    let well = Outcome::passing(format!("TCP+TLS connect {address}: Success"));
    assert_eq!(secure(address, &named("web.example"), &known).await, well);
    let refused =
        |why: &str| Outcome::critical(format!("tls: failed to verify certificate: x509: {why}"));
    let unknown = refused("certificate signed by unknown authority");
    assert_eq!(secure(address, &named("web.example"), &Environment::default()).await, unknown);
    // The wrong name is told, whoever has signed it.
    let other = refused("certificate is valid for web.example, not other.example");
    for environment in [&known, &Environment::default()] {
        assert_eq!(secure(address, &named("other.example"), environment).await, other);
    }
    // Of the same name, but with another key.
    let (namesake, key) = own_authority(2000, 4000);
    let address = listen_as((vec![namesake], key), None, "x", |_| async {}).await;
    assert_eq!(secure(address, &named("web.example"), &known).await, unknown);

    let (late, key) = own_authority(2000, 2001);
    let trust = Trust::only([late.clone()]).unwrap();
    let known = Environment { trust, ..Environment::default() };
    let address = listen_as((vec![late], key), None, "x", |_| async {}).await;
    let found = secure(address, &named("other.example"), &known).await.output;
    assert!(found.ends_with("Z is after 2001-01-01T00:00:00Z"), "{found}");
}

#[tokio::test]
async fn servers_that_do_not_speak_tls() {
    let not_tls = "tls: first record does not look like a TLS handshake";
    for (bytes, text) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], not_tls),
        (b"220 mail.example ESMTP\r\n", not_tls),
        (b"x", not_tls),
        (b"", "EOF"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "remote error: tls: handshake failure"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "remote error: tls: protocol version not supported"),
    ] {
        let found = secure(says(bytes).await, &named("a"), &Environment::default()).await;
        assert_eq!(found, Outcome::critical(text), "{bytes:?}");
    }
}

#[tokio::test]
async fn silence_instead_of_a_handshake() {
    for bytes in [&b""[..], b"\x16\x03\x03\x40\x00"] {
        let address = holds(bytes).await.to_string();
        let tls = named("a");
        let environment = Environment::default();
        let found = check(&address, Some(&tls), Instant::now() + SHORT, &environment).await;
        assert_eq!(found, Outcome::critical("context deadline exceeded"));
    }
}

#[tokio::test]
async fn names_that_are_none() {
    let address = holds(b"").await;
    let found = secure(address, &named("a b"), &Environment::default()).await;
    let expected = "x509: certificate is not valid for any names, but wanted to match a b";
    assert_eq!(found, Outcome::critical(expected));
}
