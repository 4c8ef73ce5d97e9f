#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// Serves one end of a pipe; every request is answered by its path.
fn served() -> DuplexStream {
    let (client, server) = duplex(1 << 16);
    let stage = Stage::new();
    let guarded = Guarded::new(server, stage.clone());
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        stage.serving();
        let body = Full::new(Bytes::from(request.uri().path().to_owned()));
        stage.answered();
        async move { Ok::<_, Infallible>(hyper::Response::new(body)) }
    });
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true).max_buf_size(8192);
    let serving = builder.serve_connection(TokioIo::new(guarded), service);
    tokio::spawn(async move {
        let _ = serving.await;
    });
    client
}

async fn exchange(request: &[u8]) -> String {
    let mut client = served();
    client.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn heads_that_are_not_understood_are_answered_in_words() {
    let (unsupported, encoding) = (
        "505 HTTP Version Not Supported: unsupported protocol version",
        "Unsupported transfer encoding",
    );
    for (request, status, body) in [
        ("GARBAGE\r\n\r\n", "400 Bad Request", "400 Bad Request"),
        ("GET / HTTP/2.0\r\n\r\n", unsupported, unsupported),
        ("GET / HTTP/1.10\r\n\r\n", "400 Bad Request", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nNoColon\r\n\r\n", "400 Bad Request", "400 Bad Request"),
        (
            "GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
            "400 Bad Request: invalid header name",
            "400 Bad Request: invalid header name",
        ),
        ("PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented", encoding),
    ] {
        let answer = exchange(request.as_bytes()).await;
        let wanted = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: \
             close\r\n\r\n{body}"
        );
        assert_eq!(answer, wanted, "{request:?}");
    }
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000));
    assert!(
        exchange(long.as_bytes()).await.ends_with("\r\n\r\n431 Request Header Fields Too Large")
    );
}

#[tokio::test]
async fn good_requests_pass_also_before_a_bad_one() {
    let mut client = served();
    for path in ["/a", "/HTTP/1.1 400 Bad Request"] {
        let path = path.replace(' ', "%20");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(path.as_bytes()) {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    client.write_all(b"nonsense\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\n400 Bad Request"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_a_time_and_so_has_silence() {
    for (sent, allowed) in [("", IDLE_TIME), ("GET / HT", HEAD_TIME)] {
        let mut client = served();
        let begun = Instant::now();
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "{sent:?}");
        let taken = begun.elapsed();
        assert!(taken >= allowed && taken <= allowed + HEAD_TIME, "{sent:?}: {taken:?}");
    }
}

#[test]
fn whatever_a_head_is_it_is_answered() {
    use proptest::prelude::*;
    let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    proptest!(|(head: Vec<u8>)| {
        let text = refusal::of(answer, &head).unwrap();
        prop_assert!(text.starts_with(b"HTTP/1.1 4") || text.starts_with(b"HTTP/1.1 5"));
    });
}
