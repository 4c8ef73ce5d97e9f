//! One request and its answer, with no more of HTTP than the server's answers need.

use std::fmt::Write;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Puts a request together.
pub(crate) fn request(method: &str, path: &str, body: &str, out: &mut String) {
    write!(out, "{method} {path} HTTP/1.1\r\nHost: bench\r\n").unwrap();
    if method != "GET" {
        write!(out, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    write!(out, "\r\n{body}").unwrap();
}

/// A connection that is kept, with what came in on it.
pub(crate) struct Exchange {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Exchange {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, bytes: Vec::new() }
    }

    pub(crate) async fn send(&mut self, request: &str) -> io::Result<()> {
        self.stream.write_all(request.as_bytes()).await
    }

    /// Waits for a whole answer: its status.
    pub(crate) async fn answered(&mut self) -> io::Result<u16> {
        // Nothing is kept for those that wait.
        self.stream.readable().await?;
        self.bytes.reserve(1024);
        let head = loop {
            if let Some(end) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let (status, length) = read_head(&self.bytes[..head])
            .ok_or_else(|| io::Error::other("an answer without status and length"))?;
        self.bytes.reserve(length);
        while self.bytes.len() < head + length {
            self.more().await?;
        }
        self.bytes.drain(..head + length);
        Ok(status)
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.bytes).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn read_head(head: &[u8]) -> Option<(u16, usize)> {
    let text = str::from_utf8(head).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    Some((status, length?.parse().ok()?))
}
