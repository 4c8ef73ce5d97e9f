#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::channel::Channel;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// Serves one end of a pipe; every request is answered by its path.
fn served() -> DuplexStream {
    served_with(1 << 16, |path| Full::new(Bytes::from(path.to_owned())))
}

/// Serves one end of a pipe that takes so many bytes; every request is answered by a body.
fn served_with<B>(pipe_bytes: usize, answer: impl Fn(&str) -> B + Send + 'static) -> DuplexStream
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let (client, server) = duplex(pipe_bytes);
    let stage = Stage::new();
    let guarded = Guarded::new(server, stage.clone());
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        stage.serving();
        let body = stage.clone().until_sent(answer(request.uri().path()));
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

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_slow_to_come_is_no_silence() {
    let (mut sender, channel) = Channel::<Bytes>::new(1);
    let channel = std::sync::Mutex::new(Some(channel));
    let mut client = served_with(1 << 16, move |_| channel.lock().unwrap().take().unwrap());
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    for piece in ["one", "two"] {
        sleep(IDLE_TIME * 3).await;
        sender.send_data(piece.into()).await.unwrap();
        while !answer.ends_with(format!("{piece}\r\n").as_bytes()) {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "{piece}");
        }
    }
    // Silence begins behind it.
    drop(sender);
    let begun = Instant::now();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"0\r\n\r\n"));
    assert!(begun.elapsed() <= IDLE_TIME + HEAD_TIME, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_of_an_answer_is_hung_up_on_and_who_is_slow_is_not() {
    const LONG: usize = 1 << 16;
    let long = |_: &str| Full::new(Bytes::from(vec![b'x'; LONG]));
    // A pipelined request must not hide that nothing is read.
    for requests in [1, 2] {
        let mut client = served_with(1 << 10, long);
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(requests);
        client.write_all(&request).await.unwrap();
        let mut piece = [0; 4 << 10];
        for _ in 0..4 {
            sleep(IDLE_TIME * 2 / 3).await;
            client.read_exact(&mut piece).await.unwrap();
        }
        sleep(IDLE_TIME + HEAD_TIME).await;
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.len() <= 1 << 10, "{}", rest.len());
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
