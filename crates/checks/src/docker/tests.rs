#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

use super::{Demultiplexer, check};
use crate::environment::Environment;
use crate::limits::Limits;
use crate::outcome::{Outcome, Status};
use crate::testing::{PATIENCE, Requests, SHORT, limits, read_request};
use crate::transport::Reader;

/// What stands in for the Docker daemon.
struct Daemon {
    socket: PathBuf,
    requests: Requests,
}

impl Daemon {
    /// Answers each request as `answer` says.
    fn new(name: &str, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Daemon {
        let file = format!("tribune-{}-{name}.sock", std::process::id());
        let socket = std::env::temp_dir().join(file);
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let requests: Requests = Arc::default();
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move {
                    let request = read_request(&mut stream).await;
                    let reply = answer(&request);
                    seen.lock().unwrap().push(request);
                    match reply {
                        Reply::All(bytes) => drop(stream.write_all(&bytes).await),
                        Reply::Begin(bytes) => {
                            let _ = stream.write_all(&bytes).await;
                            std::future::pending::<()>().await;
                        }
                        Reply::Again(head, bytes) => {
                            let _ = stream.write_all(&head).await;
                            while stream.write_all(&bytes).await.is_ok() {}
                        }
                    }
                });
            }
        });
        Daemon { socket, requests }
    }

    fn environment(&self) -> Environment {
        Environment { docker_socket: self.socket.clone(), ..Environment::default() }
    }

    async fn check(&self, limits: Limits) -> Outcome {
        check("abc", &["run".to_owned(), "it".to_owned()], limits, &self.environment()).await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
    }
}

enum Reply {
    /// These bytes, and an end.
    All(Vec<u8>),
    /// These bytes, and no end.
    Begin(Vec<u8>),
    /// The first bytes, then the others for ever.
    Again(Vec<u8>, Vec<u8>),
}

fn json(code: &str, text: &str) -> Reply {
    let length = text.len();
    Reply::All(format!("HTTP/1.1 {code}\r\nContent-Length: {length}\r\n\r\n{text}").into())
}

const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";

fn piece(stream: u8, text: &str) -> Vec<u8> {
    let mut piece = vec![stream, 0, 0, 0];
    piece.extend_from_slice(&(text.len() as u32).to_be_bytes());
    piece.extend_from_slice(text.as_bytes());
    piece
}

/// A daemon whose programs print `output` and end with `code`.
fn daemon(name: &str, output: Vec<u8>, code: i64) -> Daemon {
    Daemon::new(name, move |request| match request.split(' ').nth(1).unwrap() {
        "/containers/abc/exec" => json("201 Created", "{\"Id\":\"e1\"}"),
        "/exec/e1/start" => Reply::All([STREAM, &output].concat()),
        "/exec/e1/json" => json("200 OK", &format!("{{\"Running\":false,\"ExitCode\":{code}}}")),
        other => panic!("{other}"),
    })
}

#[tokio::test]
async fn exit_codes_and_output() {
    for (code, status) in
        [(0, Status::Passing), (1, Status::Warning), (2, Status::Critical), (126, Status::Critical)]
    {
        let output = [piece(1, "out\n"), piece(2, "err\n"), piece(1, "")].concat();
        let daemon = daemon(&format!("code{code}"), output, code);
        let expected = Outcome { status, output: "out\nerr\n".to_owned() };
        assert_eq!(daemon.check(limits(PATIENCE)).await, expected);
    }
}

#[tokio::test]
async fn what_is_asked() {
    let daemon = daemon("asked", Vec::new(), 0);
    daemon.check(limits(PATIENCE)).await;
    let requests = daemon.requests.lock().unwrap();
    let firsts: Vec<&str> = requests.iter().map(|text| text.lines().next().unwrap()).collect();
    assert_eq!(
        firsts,
        [
            "POST /containers/abc/exec HTTP/1.1",
            "POST /exec/e1/start HTTP/1.1",
            "GET /exec/e1/json HTTP/1.1"
        ]
    );
    let bodies: Vec<&str> =
        requests.iter().map(|text| text.split_once("\r\n\r\n").unwrap().1).collect();
    assert_eq!(
        bodies,
        [
            r#"{"AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,"Cmd":["run","it"]}"#,
            r#"{"Detach":false,"Tty":false}"#,
            ""
        ]
    );
}

#[tokio::test]
async fn names_do_not_leave_their_place() {
    let daemon = Daemon::new("names", |_| json("404 Not Found", "{\"message\":\"no such\"}"));
    let found = check("a/../b?c", &[], limits(PATIENCE), &daemon.environment()).await;
    let expected = "create exec failed for container a/../b?c: status code 404: no such";
    assert_eq!(found, Outcome::critical(expected));
    let requests = daemon.requests.lock().unwrap();
    assert!(requests[0].starts_with("POST /containers/a%2F..%2Fb%3Fc/exec HTTP/1.1\r\n"));
}

#[tokio::test]
async fn only_the_last_bytes_are_kept() {
    let daemon = daemon("bound", piece(1, &"x".repeat(10_000)), 0);
    let bound = Limits { output_max_bytes: 3, ..limits(PATIENCE) };
    assert_eq!(daemon.check(bound).await.output, "Captured 3 of 10000 bytes\n...\nxxx");
}

#[tokio::test]
async fn no_daemon() {
    let environment = Environment::default();
    let missing = Environment { docker_socket: "/no/such.sock".into(), ..environment };
    let found = check("abc", &["true".to_owned()], limits(PATIENCE), &missing).await;
    let expected = "create exec failed for container abc: Post \"http://%2Fno%2Fsuch.sock/containers/abc/exec\": dial unix /no/such.sock: connect: no such file or directory";
    assert_eq!(found, Outcome::critical(expected));
}

#[tokio::test]
async fn daemons_that_refuse() {
    let made = || json("201 Created", "{\"Id\":\"e1\"}");
    type Answer = fn(&str) -> Option<Reply>;
    let at_create: Answer = |path| path.ends_with("/exec").then(|| json("500 No", "plain words\n"));
    let at_start: Answer =
        |path| path.ends_with("/start").then(|| json("409 No", "{\"message\":\"paused\"}"));
    let at_inspect: Answer =
        |path| path.ends_with("/json").then(|| json("404 No", "{\"message\":\"gone\"}"));
    let no_id: Answer = |path| path.ends_with("/exec").then(|| json("201 Created", "{}"));
    let no_json: Answer = |path| path.ends_with("/exec").then(|| json("201 Created", "x"));
    let too_long: Answer =
        |path| path.ends_with("/exec").then(|| json("201 Created", &" ".repeat(100_000)));
    let no_stream: Answer = |path| {
        path.ends_with("/start").then(|| Reply::All([STREAM, b"\x01\x01\x01\x01text"].concat()))
    };
    for (number, (answer, why)) in [
        (at_create, "create exec failed for container abc: status code 500: plain words"),
        (at_start, "start exec failed for container abc: status code 409: paused"),
        (at_inspect, "inspect exec failed for container abc: status code 404: gone"),
        (no_id, "create exec failed for container abc: cannot read the answer of the daemon"),
        (no_json, "create exec failed for container abc: cannot read the answer of the daemon"),
        (too_long, "create exec failed for container abc: cannot read the answer of the daemon"),
        (no_stream, "start exec failed for container abc: cannot read the answer of the daemon"),
    ]
    .into_iter()
    .enumerate()
    {
        let daemon = Daemon::new(&format!("refuse{number}"), move |request| {
            let path = request.split(' ').nth(1).unwrap();
            answer(path).unwrap_or_else(|| {
                if path.ends_with("/exec") { made() } else { Reply::All(STREAM.to_vec()) }
            })
        });
        assert_eq!(daemon.check(limits(PATIENCE)).await, Outcome::critical(why));
    }
}

#[tokio::test]
async fn programs_that_have_not_quite_ended() {
    let asked = AtomicUsize::new(0);
    let daemon = Daemon::new("running", move |request| match request.split(' ').nth(1).unwrap() {
        "/containers/abc/exec" => json("201 Created", "{\"Id\":\"e1\"}"),
        "/exec/e1/start" => Reply::All(STREAM.to_vec()),
        _ if asked.fetch_add(1, Ordering::Relaxed) < 2 => {
            json("200 OK", "{\"Running\":true,\"ExitCode\":null}")
        }
        _ => json("200 OK", "{\"Running\":false,\"ExitCode\":0}"),
    });
    assert_eq!(daemon.check(limits(PATIENCE)).await, Outcome::passing(""));
}

#[tokio::test]
async fn everything_has_its_time() {
    type Step = (&'static str, fn() -> Reply, &'static str);
    let steps: [Step; 3] = [
        ("create", || Reply::Begin(Vec::new()), ""),
        ("start", || Reply::Begin([STREAM, &piece(1, "so far\n")].concat()), "\n\nso far\n"),
        ("forever", || json("200 OK", "{\"Running\":true}"), ""),
    ];
    for (step, reply, output) in steps {
        let daemon = Daemon::new(&format!("time-{step}"), move |request| {
            let path = request.split(' ').nth(1).unwrap();
            match (path, step) {
                ("/containers/abc/exec", "create")
                | ("/exec/e1/start", "start")
                | ("/exec/e1/json", "forever") => reply(),
                ("/containers/abc/exec", _) => json("201 Created", "{\"Id\":\"e1\"}"),
                _ => Reply::All(STREAM.to_vec()),
            }
        });
        let found = daemon.check(limits(SHORT)).await;
        let expected = format!("Timed out (500ms) running check{output}");
        assert_eq!(found, Outcome::critical(expected), "{step}");
    }
}

#[tokio::test]
async fn floods_end_with_the_time() {
    let daemon = Daemon::new("flood", |request| match request.split(' ').nth(1).unwrap() {
        "/containers/abc/exec" => json("201 Created", "{\"Id\":\"e1\"}"),
        _ => Reply::Again(STREAM.to_vec(), piece(1, &"y\n".repeat(1000))),
    });
    let found = daemon.check(limits(SHORT)).await;
    assert_eq!(found.status, Status::Critical);
    let head = "Timed out (500ms) running check\n\nCaptured 4096 of ";
    assert!(found.output.starts_with(head), "{}", found.output);
    assert!(found.output.len() < 4096 + 100);
}

#[test]
fn pieces_may_come_in_any_way() {
    let all = [piece(1, "hello "), piece(2, ""), piece(2, "world"), piece(0, "!")].concat();
    for size in 1..=all.len() {
        let mut output = Demultiplexer::new(100);
        assert!(all.chunks(size).all(|chunk| output.push(chunk)));
        assert_eq!(output.capture.text(), "hello world!");
    }
    assert!(!Demultiplexer::new(100).push(b"\x03\0\0\0\0\0\0\x01x"));
    assert!(!Demultiplexer::new(100).push(b"plain text"));
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(pieces: Vec<Vec<u8>>) {
        let mut output = Demultiplexer::new(4);
        let _ = pieces.iter().all(|piece| output.push(piece));
        prop_assert!(output.capture.text().chars().count() <= 4);
    }
}
