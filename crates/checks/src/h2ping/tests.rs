#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::check;
use crate::environment::Environment;
use crate::outcome::{Outcome, Status};
use crate::target::Tls;
use crate::testing::{
    Authority, SHORT, deadline, ends, floods, holds, listen, refusing, says, serve_http2, trickles,
};

async fn plain(address: impl ToString) -> Outcome {
    check(&address.to_string(), None, deadline(), &Environment::default()).await
}

async fn plain_shortly(address: impl ToString) -> Outcome {
    check(&address.to_string(), None, Instant::now() + SHORT, &Environment::default()).await
}

fn well() -> Outcome {
    Outcome::passing("HTTP2 ping was successful")
}

#[tokio::test]
async fn servers_answer_pings() {
    let address = listen(|stream| serve_http2(stream, |_, _| async {})).await;
    assert_eq!(plain(address).await, well());
}

/// Frames of HTTP/2: nine bytes (length, kind, flags, stream), then as many as the length says.
async fn read_ping(stream: &mut TcpStream) -> [u8; 8] {
    stream.read_exact(&mut [0; 24]).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == 6 {
            return payload.try_into().unwrap();
        }
    }
}

#[tokio::test]
async fn the_answer_may_be_the_last_that_comes() {
    let address = listen(|mut stream| async move {
        let ping = read_ping(&mut stream).await;
        let pong = [b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x06\x01\0\0\0\0", &ping[..]].concat();
        stream.write_all(&pong).await.unwrap();
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    assert_eq!(plain(address.await).await, well());
}

#[tokio::test]
async fn answers_to_other_pings_do_not_count() {
    let address = listen(|mut stream| async move {
        read_ping(&mut stream).await;
        let pong = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x06\x01\0\0\0\0another.";
        stream.write_all(pong).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let expected = Outcome::critical("HTTP2 ping failed: context deadline exceeded");
    assert_eq!(plain_shortly(address.await).await, expected);
}

#[tokio::test]
async fn secure_servers_answer_pings() {
    let authority = Authority::new();
    let serve = |stream| serve_http2(stream, |_, _| async {});
    let address = authority.listen(&["web.example"], "h2", serve).await.to_string();
    let known = authority.environment();
    let tls = Tls { server_name: "web.example".to_owned(), skip_verify: false };
    assert_eq!(check(&address, Some(&tls), deadline(), &known).await, well());
    let unknown = check(&address, Some(&tls), deadline(), &Environment::default()).await;
    let expected = format!(
        "Failed to dial to {address}: tls: failed to verify certificate: x509: certificate signed by unknown authority"
    );
    assert_eq!(unknown, Outcome::critical(expected));
    let tls = Tls { server_name: String::new(), skip_verify: true };
    let found = check(&address, Some(&tls), deadline(), &Environment::default()).await;
    assert_eq!(found, well());
}

#[tokio::test]
async fn servers_of_another_protocol() {
    let authority = Authority::new();
    let address = authority.listen(&["web.example"], "http/1.1", |_| async {}).await.to_string();
    let tls = Tls { server_name: "web.example".to_owned(), skip_verify: false };
    let found = check(&address, Some(&tls), deadline(), &authority.environment()).await;
    let expected =
        format!("Failed to dial to {address}: remote error: tls: no application protocol");
    assert_eq!(found, Outcome::critical(expected));
    let found = plain(holds(b"HTTP/1.1 400 Bad Request\r\n\r\n").await).await;
    let head = "HTTP2 ping failed: http2: connection error";
    assert!(found.output.starts_with(head), "{}", found.output);
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"", b"\0\0\0\x04\0\0\0\0\0"] {
        let found = plain(says(bytes).await).await;
        assert_eq!(found.status, Status::Critical);
        assert!(found.output.starts_with("HTTP2 ping failed: "), "{}", found.output);
    }
    let found = plain(ends().await).await;
    assert_eq!(found, Outcome::critical("HTTP2 ping failed: EOF"));
}

#[tokio::test]
async fn nobody_there() {
    let address = refusing().await;
    let expected =
        format!("Failed to dial to {address}: dial tcp {address}: connect: connection refused");
    assert_eq!(plain(address).await, Outcome::critical(expected));
}

#[tokio::test]
async fn everything_else_has_its_time() {
    let expected = Outcome::critical("HTTP2 ping failed: context deadline exceeded");
    // Nothing; settings alone; frames that are none of ours, slowly.
    assert_eq!(plain_shortly(holds(b"").await).await, expected);
    assert_eq!(plain_shortly(holds(b"\0\0\0\x04\0\0\0\0\0").await).await, expected);
    let unknown_frame = b"\0\0\0\xfa\0\0\0\0\0";
    let address = trickles(b"\0\0\0\x04\0\0\0\0\0", unknown_frame).await;
    assert_eq!(plain_shortly(address).await, expected);
}

#[tokio::test]
async fn floods_end() {
    let pings = b"\0\0\x08\x06\0\0\0\0\0abcdefgh";
    let address = floods(b"\0\0\0\x04\0\0\0\0\0", pings).await;
    assert_eq!(plain_shortly(address).await.status, Status::Critical);
}
