//! `agent/monitor`: the log as it is written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use agent::log::{Level, Subscription};
use api::{Failure, Request};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use serde_json::json;

use super::Outcome;
use crate::http::{Reply, Site};

/// Bytes of lines that go into one piece, if so many wait.
const PIECE_BYTES: usize = 64 << 10;

/// Lines from now on, of at least a level.
pub(super) fn follow(site: &Site, request: &Request) -> Outcome {
    let asked = request.query.filled("loglevel").unwrap_or("INFO");
    let level = Level::parse(if asked.eq_ignore_ascii_case("error") { "ERR" } else { asked });
    let level = level.ok_or_else(|| Failure::bad(format!("Unknown log level: {asked}")))?;
    let lines = site.shell.log.subscribe(level);
    Ok(Reply::streamed(Lines { lines, json: request.query.has("logjson") }))
}

struct Lines {
    lines: Subscription,
    json: bool,
}

impl Body for Lines {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let mut text = String::new();
        let dropped = this.lines.take_dropped();
        if dropped > 0 {
            let message = format!("{dropped} lines were left out: they were not read in time");
            text = match this.json {
                true => json!({ "@level": "warn", "@message": message }).to_string(),
                false => message,
            };
            text.push('\n');
        }
        while text.len() < PIECE_BYTES {
            let Poll::Ready(line) = this.lines.poll_next(context) else { break };
            let Some(line) = line else { break };
            match line.record.filter(|_| this.json) {
                Some(record) => text.push_str(&record.json()),
                None => text.push_str(&line.text),
            }
            text.push('\n');
        }
        match text.is_empty() {
            // There is always a log: it does not end before the connection.
            true => Poll::Pending,
            false => Poll::Ready(Some(Ok(Frame::data(text.into())))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use agent::log::{Line, Log, Sink};
    use http_body_util::BodyExt;

    use super::*;

    struct Nowhere;

    impl Sink for Nowhere {
        fn write(&mut self, _: &Line) {}
    }

    #[tokio::test]
    async fn lines_come_as_text_and_as_json() {
        for json in [false, true] {
            let log = Log::consul(Level::Warn, Box::new(Nowhere), None);
            log.line(Level::Err, "agent", "of before");
            let mut body = Lines { lines: log.subscribe(Level::Info), json };
            log.line(Level::Debug, "agent", "too fine");
            let fields = [("method", "GET".into())];
            log.entry(Level::Err, "agent.http", "Request error", fields);
            log.line(Level::Info, "agent", "next");
            let bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
            let text = std::str::from_utf8(&bytes).unwrap();
            let lines: Vec<_> = text.lines().collect();
            assert_eq!(lines.len(), 2, "{text}");
            if json {
                let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
                assert_eq!(line["@level"], "error");
                assert_eq!(line["@module"], "agent.http");
                assert_eq!(line["@message"], "Request error");
                assert_eq!(line["method"], "GET");
                assert!(!line["@timestamp"].as_str().unwrap().is_empty());
            } else {
                assert!(lines[0].ends_with("[ERROR] agent.http: Request error: method=GET"));
            }
        }
    }
}
