#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use bytes::Bytes;
use h2::server::SendResponse;
use hyper::{HeaderMap, Response};
use proptest::prelude::*;
use tokio::time::Instant;

use super::{check, decode, percent_decoded, request};
use crate::environment::Environment;
use crate::outcome::{Outcome, Status};
use crate::target::Tls;
use crate::testing::{
    Authority, SHORT, deadline, ends, holds, listen, refusing, respond, says, serve_http2,
};

async fn plain(target: impl ToString) -> Outcome {
    check(&target.to_string(), None, deadline(), &Environment::default()).await
}

fn status(code: u32, message: &str) -> HeaderMap {
    let mut lines = HeaderMap::new();
    lines.insert("grpc-status", code.into());
    if !message.is_empty() {
        lines.insert("grpc-message", message.parse().unwrap());
    }
    lines
}

fn ok_head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

/// A message of the service's answer.
fn answer(status: u8) -> Bytes {
    let mut body = vec![0, 0, 0, 0, 2, 8, status];
    if status == 0 {
        // The number that is not written.
        body = vec![0; 5];
    }
    body.into()
}

/// A server of the health service: each service is as its name says.
async fn serve_health<S>(stream: S)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    serve_http2(stream, |request, mut send: SendResponse<Bytes>| async move {
        let (parts, mut body) = request.into_parts();
        assert_eq!(parts.uri.path(), "/grpc.health.v1.Health/Check");
        assert_eq!(parts.method, "POST");
        assert_eq!(parts.headers["content-type"], "application/grpc");
        assert_eq!(parts.headers["te"], "trailers");
        let mut message = Vec::new();
        while let Some(Ok(bytes)) = body.data().await {
            message.extend_from_slice(&bytes);
        }
        assert_eq!(message[..4], [0; 4]);
        assert_eq!(usize::from(message[4]), message.len() - 5);
        let service = if message.len() == 5 { &[] } else { &message[7..] };
        let trailers = |code, text: &str| Some(status(code, text));
        match service {
            b"" => respond(send, ok_head(), answer(1), trailers(0, "")),
            b"bad" => respond(send, ok_head(), answer(2), trailers(0, "")),
            b"unknown" => respond(send, ok_head(), answer(0), trailers(0, "")),
            b"error" => respond(send, ok_head(), Bytes::new(), trailers(13, "a%20b%")),
            b"missing" => {
                let mut head = ok_head();
                head.headers_mut().extend(status(5, "unknown service"));
                let _ = send.send_response(head, true);
            }
            b"page" => {
                let head = Response::builder().status(404).body(()).unwrap();
                respond(send, head, Bytes::from_static(b"not here"), None);
            }
            b"none" => respond(send, ok_head(), answer(1), None),
            b"long" => respond(send, ok_head(), vec![0; 5000].into(), trailers(0, "")),
            b"short" => respond(send, ok_head(), Bytes::from_static(b"\0\0"), trailers(0, "")),
            b"reset" => send.send_reset(h2::Reason::REFUSED_STREAM),
            b"silent" => std::future::pending().await,
            b"halting" => {
                let mut stream = send.send_response(ok_head(), false).unwrap();
                stream.send_data(answer(1), false).unwrap();
                std::future::pending().await
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
}

async fn server() -> SocketAddr {
    listen(serve_health).await
}

#[tokio::test]
async fn serving_passes() {
    let address = server().await;
    for target in [address.to_string(), format!("{address}/")] {
        let expected = Outcome::passing(format!("gRPC check {target}: success"));
        assert_eq!(plain(&target).await, expected);
    }
}

#[tokio::test]
async fn a_port_of_this_machine() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async { serve_health(listener.accept().await.unwrap().0).await };
    let found = tokio::select! {
        found = plain(format!(":{port}")) => found,
        () = serve => panic!("nobody asked"),
    };
    assert_eq!(found, Outcome::passing(format!("gRPC check :{port}: success")));
}

#[tokio::test]
async fn everything_else_is_critical() {
    let address = server().await;
    for (service, text) in [
        ("bad", "service is NOT_SERVING"),
        ("unknown", "service is UNKNOWN"),
        ("error", "rpc error: code = Internal desc = a b%"),
        ("missing", "rpc error: code = NotFound desc = unknown service"),
        (
            "page",
            "rpc error: code = Unimplemented desc = unexpected HTTP status code received from server: 404 (Not Found)",
        ),
        ("none", "rpc error: code = Internal desc = server closed the stream without a status"),
        ("long", "rpc error: code = Internal desc = received a message of more than 4096 bytes"),
        (
            "reset",
            "rpc error: code = Unavailable desc = stream terminated by RST_STREAM with error code: REFUSED_STREAM",
        ),
        ("short", "rpc error: code = Internal desc = cannot read the answer of the server"),
    ] {
        let found = plain(format!("{address}/{service}")).await;
        assert_eq!(found, Outcome::critical(text), "{service}");
    }
}

#[tokio::test]
async fn silence_has_its_time() {
    let address = server().await;
    let timeout = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
    for target in
        [format!("{address}/silent"), format!("{address}/halting"), holds(b"").await.to_string()]
    {
        let limit = Instant::now() + SHORT;
        let found = check(&target, None, limit, &Environment::default()).await;
        assert_eq!(found, Outcome::critical(timeout), "{target}");
    }
}

#[tokio::test]
async fn nobody_there_or_somebody_else() {
    let address = refusing().await;
    let unavailable = "rpc error: code = Unavailable desc = connection error: desc = ";
    let expected = format!(
        "{unavailable}\"transport: Error while dialing: dial tcp {address}: connect: connection refused\""
    );
    assert_eq!(plain(address).await, Outcome::critical(expected));
    let expected = format!("{unavailable}\"error reading server preface: EOF\"");
    assert_eq!(plain(ends().await).await, Outcome::critical(expected));
    let found = plain(says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await).await;
    assert!(found.output.starts_with(unavailable), "{}", found.output);
    let found = plain("127.0.0.1:1/a b").await;
    assert_eq!(found.status, Status::Critical);
}

#[tokio::test]
async fn secure_servers() {
    let authority = Authority::new();
    let address = authority.listen(&["web.example"], "h2", serve_health).await;
    let known = authority.environment();
    let target = address.to_string();
    let tls = Tls { server_name: "web.example".to_owned(), skip_verify: false };
    let well = Outcome::passing(format!("gRPC check {address}: success"));
    assert_eq!(check(&target, Some(&tls), deadline(), &known).await, well);
    let any = Tls { skip_verify: true, ..Tls::default() };
    assert_eq!(check(&target, Some(&any), deadline(), &Environment::default()).await, well);
    let found = check(&target, Some(&tls), deadline(), &Environment::default()).await;
    let expected = "rpc error: code = Unavailable desc = connection error: desc = \"transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority\"";
    assert_eq!(found, Outcome::critical(expected));
}

#[test]
fn long_names_have_long_lengths() {
    let service = "s".repeat(300);
    let body = request("http", "h:1", &service).unwrap().into_body();
    assert_eq!(body[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
    assert_eq!(body.len(), 5 + 303);
}

#[test]
fn unknown_fields_are_skipped() {
    let message = b"\x12\x03abc\x08\x01\x1d1234\x2112345678\x30\x80\x01";
    let mut body = vec![0, 0, 0, 0, message.len() as u8];
    body.extend_from_slice(message);
    assert_eq!(decode(&body).unwrap(), super::SERVING);
}

#[test]
fn messages_are_percent_decoded() {
    assert_eq!(percent_decoded(b"a%20b%zz%4"), "a b%zz%4");
    assert_eq!(percent_decoded(b"%C3%A9%"), "é%");
}

proptest! {
    #[test]
    fn decoding_never_panics(body: Vec<u8>) {
        let _ = decode(&body);
        let mut framed = vec![0, 0, 0, 0, body.len().min(255) as u8];
        framed.extend_from_slice(&body[..body.len().min(255)]);
        let _ = decode(&framed);
        let _ = percent_decoded(&body);
    }
}
