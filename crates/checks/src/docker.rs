//! A program in a running container, by the API of the Docker daemon: make an exec, start it and
//! read its output, ask for its exit code.
//!
//! When the time is over we stop to wait; the API has no way to end what was started.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use crate::capture::Capture;
use crate::environment::Environment;
use crate::limits::{DOCKER_ANSWER_BYTES, Limits};
use crate::outcome::{Outcome, Status};
use crate::platform;
use crate::script;
use crate::transport::{self, BodyEnd, Head, Reader, TransportError};

/// What the daemon was asked for when it failed.
#[derive(Debug, thiserror::Error)]
#[error("{step} exec failed for container {container}: {why}")]
struct DockerError {
    step: &'static str,
    container: String,
    #[source]
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(
        "{operation} \"http://{host}{path}\": dial unix {socket}: connect: {}",
        gotext::errno_text(error)
    )]
    Dial {
        operation: &'static str,
        host: String,
        path: String,
        socket: String,
        #[source]
        error: io::Error,
    },
    #[error("{0}")]
    Transport(#[from] TransportError),
    #[error("status code {}: {message}", .code.as_str())]
    Refused { code: hyper::StatusCode, message: String },
    #[error("cannot read the answer of the daemon")]
    Malformed,
    #[error("{0}")]
    Request(#[from] hyper::http::Error),
}

/// One run of a check.
pub(crate) async fn check(
    container: &str,
    args: &[String],
    limits: Limits,
    environment: &Environment,
) -> Outcome {
    let daemon = Daemon { socket: &environment.docker_socket, deadline: limits.deadline() };
    let mut output = Demultiplexer::new(limits.output_max_bytes);
    match daemon.run(container, args, &mut output).await {
        Ok(code) => Outcome { status: Status::of_exit_code(code), output: output.capture.report() },
        Err(DockerError { why: Why::Transport(TransportError::TimedOut), .. }) => {
            script::timed_out(limits.timeout, &output.capture)
        }
        Err(error) => Outcome::critical(error),
    }
}

struct Daemon<'a> {
    socket: &'a Path,
    deadline: Instant,
}

impl Daemon<'_> {
    /// The exit code, if the daemon knows one.
    async fn run(
        &self,
        container: &str,
        args: &[String],
        output: &mut Demultiplexer,
    ) -> Result<Option<i64>, DockerError> {
        let failed = |step| move |why| DockerError { step, container: container.to_owned(), why };
        let create = json!({
            "AttachStdin": false,
            "AttachStdout": true,
            "AttachStderr": true,
            "Tty": false,
            "Cmd": args,
        });
        let path = format!("/containers/{}/exec", escaped_segment(container));
        let made = self.ask("POST", path, create).await.map_err(failed("create"))?;
        let Some(id) = made["Id"].as_str().filter(|id| !id.is_empty()) else {
            return Err(failed("create")(Why::Malformed));
        };
        let path = format!("/exec/{}", escaped_segment(id));
        self.start(format!("{path}/start"), output).await.map_err(failed("start"))?;
        loop {
            let state = self.ask("GET", format!("{path}/json"), Value::Null).await;
            let state = state.map_err(failed("inspect"))?;
            if state["Running"] != true {
                return Ok(state["ExitCode"].as_i64());
            }
            // The output has ended a moment before the program. There is nothing to wait for.
            sleep(INSPECT_AGAIN).await;
        }
    }

    async fn start(&self, path: String, output: &mut Demultiplexer) -> Result<(), Why> {
        let start = json!({ "Detach": false, "Tty": false });
        let (head, end) = self.send("POST", path, start, output).await?;
        if !head.code.is_success() {
            return Err(refused(&head, output.refusal.text()));
        }
        match end {
            BodyEnd::Complete(_) => Ok(()),
            BodyEnd::Unread => Err(Why::Malformed),
            BodyEnd::Broken(error) => Err(error.into()),
            BodyEnd::TimedOut => Err(TransportError::TimedOut.into()),
        }
    }

    /// A question with an answer in JSON.
    async fn ask(&self, method: &'static str, path: String, body: Value) -> Result<Value, Why> {
        let mut answer = JsonAnswer(Vec::new());
        let (head, end) = self.send(method, path, body, &mut answer).await?;
        let text = || String::from_utf8_lossy(&answer.0);
        match end {
            _ if !head.code.is_success() => Err(refused(&head, text().into_owned())),
            BodyEnd::Complete(_) => serde_json::from_slice(&answer.0).map_err(|_| Why::Malformed),
            BodyEnd::Unread => Err(Why::Malformed),
            BodyEnd::Broken(error) => Err(error.into()),
            BodyEnd::TimedOut => Err(TransportError::TimedOut.into()),
        }
    }

    async fn send(
        &self,
        method: &'static str,
        path: String,
        body: Value,
        reader: &mut impl Reader,
    ) -> Result<(Head, BodyEnd), Why> {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let mut request = Request::builder()
            .method(method)
            .uri(&path)
            .header(header::HOST, "docker")
            .header(header::USER_AGENT, "Consul Health Check")
            .header(header::CONNECTION, "close");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body))?;
        let connected = timeout_at(self.deadline, platform::connect_local(self.socket)).await;
        let socket = self.socket.display().to_string();
        let stream = connected.map_err(|_| TransportError::TimedOut)?.map_err(|error| {
            let operation = if method == "POST" { "Post" } else { "Get" };
            Why::Dial { operation, host: escaped_segment(&socket), path, socket, error }
        })?;
        Ok(transport::over_http1(stream, request, self.deadline, reader).await?)
    }
}

/// How long until the daemon is asked again for an exit code that it does not have yet.
const INSPECT_AGAIN: Duration = Duration::from_millis(50);

/// Errors of the daemon are JSON with one text.
fn refused(head: &Head, body: String) -> Why {
    let parsed: Option<Value> = serde_json::from_str(&body).ok();
    let message = parsed.as_ref().and_then(|parsed| parsed["message"].as_str());
    let message = message.map_or_else(|| body.trim_end().to_owned(), str::to_owned);
    Why::Refused { code: head.code, message }
}

/// One part of a path: nothing in it ends it.
fn escaped_segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// An answer of a bounded length.
struct JsonAnswer(Vec<u8>);

impl Reader for JsonAnswer {
    fn push(&mut self, bytes: &[u8]) -> bool {
        if self.0.len() + bytes.len() > DOCKER_ANSWER_BYTES {
            return false;
        }
        self.0.extend_from_slice(bytes);
        true
    }
}

/// Standard output and standard error of a program, which come in pieces: eight bytes (which of
/// the two, three zeros, length), then as many bytes.
struct Demultiplexer {
    capture: Capture,
    /// What came as it is: if the daemon refuses to start, this is why.
    refusal: Capture,
    prefix: [u8; 8],
    prefix_count: usize,
    /// How much of a piece is still to come.
    left: usize,
}

impl Demultiplexer {
    fn new(max_bytes: usize) -> Demultiplexer {
        Demultiplexer {
            capture: Capture::new(max_bytes),
            refusal: Capture::new(DOCKER_REFUSAL_BYTES),
            prefix: [0; 8],
            prefix_count: 0,
            left: 0,
        }
    }
}

/// What is kept of the reason why a program was not started.
const DOCKER_REFUSAL_BYTES: usize = 1024;

impl Reader for Demultiplexer {
    fn push(&mut self, mut bytes: &[u8]) -> bool {
        self.refusal.push(bytes);
        while !bytes.is_empty() {
            if self.left > 0 {
                let (piece, rest) = bytes.split_at(bytes.len().min(self.left));
                self.capture.push(piece);
                self.left -= piece.len();
                bytes = rest;
                continue;
            }
            let wanted = &mut self.prefix[self.prefix_count..];
            let (piece, rest) = bytes.split_at(bytes.len().min(wanted.len()));
            wanted[..piece.len()].copy_from_slice(piece);
            self.prefix_count += piece.len();
            bytes = rest;
            if self.prefix_count == self.prefix.len() {
                let [stream, 0, 0, 0, length @ ..] = self.prefix else { return false };
                if stream > 2 {
                    return false;
                }
                self.left = u32::from_be_bytes(length) as usize;
                self.prefix_count = 0;
            }
        }
        true
    }
}

#[cfg(all(test, unix))]
mod tests;
