//! Handlers of a running member.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serf::{Config, Profile, QueryProgress, QueryRequest, QueryTimeout};

use super::*;
use crate::node::{Node, NodeSettings};

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file that scripts write to, removed at the end.
struct Notes(PathBuf);

impl Notes {
    fn new(name: &str) -> Self {
        let name = format!("tribune-handlers-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        Notes(path)
    }

    /// The end of a script that notes what it prints.
    fn take(&self) -> String {
        format!(">> {}", self.0.display())
    }

    async fn until(&self, wanted: &str) {
        let written = async {
            while std::fs::read_to_string(&self.0).unwrap_or_default() != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, written).await.is_err() {
            assert_eq!(std::fs::read_to_string(&self.0).unwrap_or_default(), wanted);
        }
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn specs(texts: &[String]) -> Vec<HandlerSpec> {
    texts.iter().flat_map(|text| HandlerSpec::parse(text).unwrap()).collect()
}

fn node(handlers: &[String], log: &Log) -> NodeHandle {
    let ip: IpAddr = "127.0.0.1".parse().unwrap();
    let gossip = gossip::Config::new(Profile::Local, "one".into(), ip.into(), 0);
    let settings = NodeSettings {
        bind: SocketAddr::new(ip, 0),
        serf: Config::new(gossip),
        keyring: Vec::new(),
        keyring_file: None,
        tags_file: None,
        snapshot_path: None,
        compression: true,
        handlers: specs(handlers),
        metrics: crate::telemetry::Metrics::new(),
        facts: Box::new(|_| {}),
    };
    Node::start(settings, log.clone()).unwrap()
}

async fn send(node: &NodeHandle, name: &str) {
    node.user_event(name.to_owned(), None, false).await.unwrap();
}

/// Serially, in the order of the configuration; an event that passes two items of a list runs its
/// script twice.
#[tokio::test]
async fn handlers_run_one_after_another_in_order() {
    let notes = Notes::new("order");
    let take = notes.take();
    let first = format!("user:a=sleep 0.1; echo first $SERF_USER_EVENT {take}");
    let second = format!("user,user:a=echo second $SERF_USER_EVENT {take}");
    let failing = "user=exit 1".to_owned();
    let node = node(&[first, failing, second], &Log::silent());
    send(&node, "a").await;
    send(&node, "b").await;
    notes.until("first a\nsecond a\nsecond a\nsecond b\n").await;
}

#[tokio::test]
async fn other_handlers_are_taken_from_the_next_event_on() {
    let notes = Notes::new("replace");
    let take = notes.take();
    let node = node(&[format!("user=echo old {take}")], &Log::silent());
    send(&node, "a").await;
    notes.until("old\n").await;
    node.set_handlers(specs(&[format!("user=echo new {take}")]));
    send(&node, "b").await;
    notes.until("old\nnew\n").await;
    let shown: Vec<_> = node.handlers_at_start().iter().map(|spec| &spec.script).collect();
    assert!(shown[0].starts_with("echo old"), "info goes on showing those of the start");
}

/// Nothing waits for a script that hangs but the events of handlers, and those are bounded.
#[tokio::test]
async fn a_script_that_hangs_holds_up_nobody_else() {
    let notes = Notes::new("hangs");
    let take = notes.take();
    let log = Log::silent();
    let mut warnings = log.subscribe(Level::Warn);
    let hangs = "user:hang=while [ ! -e $0.go ]; do sleep 0.05; done"
        .replace("$0.go", &format!("{}.go", notes.0.display()));
    let last = format!("user:last=echo done {take}");
    let node = node(&[hangs, last], &log);
    let mut events = node.subscribe_events("test".to_owned());
    send(&node, "hang").await;
    send(&node, "last").await;
    for wanted in ["hang", "last"] {
        let seen = async {
            loop {
                if let Event::User { name, .. } = &*events.recv().await.unwrap() {
                    break name.clone();
                }
            }
        };
        assert_eq!(tokio::time::timeout(PATIENCE, seen).await.unwrap(), wanted);
    }
    assert_eq!(node.members().await.len(), 1);
    assert!(!notes.0.exists(), "its handlers wait");
    for number in 0..limits::HANDLER_EVENTS + 10 {
        send(&node, &format!("flood {number}")).await;
    }
    let go = PathBuf::from(format!("{}.go", notes.0.display()));
    std::fs::write(&go, "").unwrap();
    let told = async {
        let mut told = Vec::new();
        while !told.last().is_some_and(|text: &String| text.contains("have caught up")) {
            let line = warnings.next().await.unwrap();
            told.extend(Some(line.text.to_string()).filter(|text| text.contains("handlers")));
        }
        told
    };
    let told = tokio::time::timeout(PATIENCE, told).await.unwrap();
    std::fs::remove_file(&go).unwrap();
    assert_eq!(told.len(), 2, "once at the start and once at the end: {told:?}");
    assert!(told[0].contains("are too slow"), "{told:?}");
}

#[tokio::test]
async fn a_query_is_answered_by_what_a_script_prints() {
    let handlers = [
        "query:load=cat; echo ' and more' >&2",
        "query:load=echo too late",
        "query:fails=echo no; exit 2",
        "query:silent=true",
    ];
    let node = node(&handlers.map(str::to_owned), &Log::silent());
    for (name, wanted) in [("load", Some("q\n and more\n")), ("fails", None), ("silent", None)] {
        let request = QueryRequest {
            name: name.to_owned(),
            payload: Some(Bytes::from_static(b"q")),
            timeout: Some(QueryTimeout(1_000_000_000)),
            ..QueryRequest::default()
        };
        let mut progress = node.query(request).await.unwrap();
        let mut answers = Vec::new();
        while let Some(QueryProgress::Response { payload, .. }) = progress.recv().await {
            answers.extend(payload);
        }
        let wanted: Vec<Bytes> = wanted.into_iter().map(Bytes::from).collect();
        assert_eq!(answers, wanted, "{name}");
    }
}

#[test]
fn names_from_anybody_cannot_forge_lines_of_the_log() {
    let event = Event::User {
        lamport_time: wire::LamportTime(1),
        name: "x\n2026/11/22 12:00:00 [ERR] forged".into(),
        payload: None,
        coalesce: false,
    };
    assert_eq!(event_text(&event), "user-event: x\\n2026/11/22 12:00:00 [ERR] forged");
}
