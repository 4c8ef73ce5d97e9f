#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

#[tokio::test(flavor = "current_thread")]
async fn a_healthy_member_is_believed_ill_only_after_failures_in_a_row() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    let ms = Duration::from_millis;
    let check = Check::new(&url, ms(1), Duration::from_secs(20), 3).unwrap();
    let (sender, mut health) = watch::channel(Err("not checked yet".to_owned()));
    let checking = tokio::spawn(check.run(sender));
    let (asked, mut questions) = tokio::sync::mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        for status in [500, 200, 500, 500, 204, 500, 500, 500, 200] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).await.unwrap();
            assert!(request[..count].starts_with(b"GET /health HTTP/1.1\r\n"));
            asked.send(status).unwrap();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut seen = Vec::new();
    for _ in 0..4 {
        health.changed().await.unwrap();
        seen.push(health.borrow_and_update().is_ok());
    }
    server.await.unwrap();
    checking.abort();
    let mut statuses = Vec::new();
    while let Ok(status) = questions.try_recv() {
        statuses.push(status);
    }
    assert_eq!(statuses.len(), 9);
    // At once at the start; two failures in a row are forgiven, three are not.
    assert_eq!(seen, [false, true, false, true]);
}
