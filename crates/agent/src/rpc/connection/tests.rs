#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use serf::{Config, Profile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::rpc::{LogRecord, MembersReply, Request, ResponseHeader, ResponseStream, Stats};
use wire::{Address, LamportTime, NodeName};

use super::*;
use crate::log::Log;
use crate::node::{Node, NodeSettings};
use crate::rpc::{Places, serve_in};

/// A member that nobody else knows, on a port of its own.
fn node(log: &Log) -> NodeHandle {
    let ip: std::net::IpAddr = "127.0.0.1".parse().unwrap();
    let name = NodeName::from("node1");
    let gossip = gossip::Config::new(Profile::Lan, name, Address::from(ip), 0);
    let mut serf = Config::new(gossip);
    serf.tags = [("role".to_owned(), "web".to_owned())].into();
    let settings = NodeSettings {
        bind: SocketAddr::new(ip, 0),
        serf,
        keyring: Vec::new(),
        keyring_file: None,
        tags_file: None,
        snapshot_path: None,
        compression: true,
        handlers: crate::handlers::HandlerSpec::parse("user:x,user:x=./a.sh").unwrap(),
        facts: Box::new(|_| {}),
        metrics: crate::telemetry::Metrics::new(),
    };
    Node::start(settings, log.clone()).unwrap()
}

struct Agent {
    address: SocketAddr,
    node: NodeHandle,
    server: tokio::task::JoinHandle<()>,
}

async fn agent(auth_key: &str) -> Agent {
    agent_with(auth_key, Places::new(8, Duration::ZERO)).await
}

async fn agent_with(auth_key: &str, places: Places) -> Agent {
    let node = node(&Log::silent());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve_in(places, listener, node.clone(), auth_key.to_owned()));
    Agent { address, node, server }
}

struct Client {
    stream: TcpStream,
    responses: ResponseStream,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Client { stream, responses: ResponseStream::new() }
    }

    async fn send(&mut self, sequence: u64, request: Request) {
        let mut bytes = Vec::new();
        request.encode(sequence, &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn header(&mut self) -> (u64, String) {
        loop {
            if let Some(ResponseHeader { sequence, error }) = self.responses.next_header().unwrap()
            {
                return (sequence, error);
            }
            self.more().await;
        }
    }

    async fn body<B: Frame>(&mut self) -> B {
        loop {
            if let Some(body) = self.responses.next_body().unwrap() {
                return body;
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let mut chunk = [0; 4096];
        let count = in_time(self.stream.read(&mut chunk)).await.unwrap();
        assert_ne!(count, 0, "the agent has closed the connection");
        self.responses.push(&chunk[..count]);
    }

    async fn shake_hands(&mut self) {
        self.send(0, Request::Handshake { version: 1 }).await;
        assert_eq!(self.header().await, (0, String::new()));
    }

    async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        in_time(self.stream.read_to_end(&mut rest)).await.unwrap_or(0);
        rest.is_empty()
    }
}

/// Something that must happen, with a deadline far beyond any real one.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it must happen in time")
}

#[tokio::test(flavor = "current_thread")]
async fn authentication_may_be_tried_again() {
    let agent = agent("secret").await;
    let mut client = Client::connect(agent.address).await;
    client.shake_hands().await;
    client.send(1, Request::Auth { key: "wrong".into() }).await;
    assert_eq!(client.header().await, (1, "Invalid authentication token".into()));
    client.send(2, Request::Auth { key: "secret".into() }).await;
    assert_eq!(client.header().await, (2, String::new()));
    client.send(3, Request::Auth { key: "wrong".into() }).await;
    assert_eq!(client.header().await, (3, "Invalid authentication token".into()));
    client.send(4, Request::Members).await;
    assert_eq!(client.header().await, (4, String::new()));
    let reply: MembersReply = client.body().await;
    assert_eq!(reply.members.len(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn members_and_filters() {
    let agent = agent("").await;
    let mut client = Client::connect(agent.address).await;
    client.shake_hands().await;
    client.send(1, Request::Members).await;
    assert_eq!(client.header().await, (1, String::new()));
    let all: MembersReply = client.body().await;
    let member = &all.members[0];
    assert_eq!((member.name.as_str(), &*member.status), ("node1", "alive"));
    assert_eq!(member.port, agent.node.bind_address().port());
    assert_eq!(member.tags["role"], "web");
    let filter = |name: &str| {
        let name = name.to_owned();
        Request::MembersFiltered(wire::rpc::MembersFilter { name, ..Default::default() })
    };
    client.send(2, filter("nobody")).await;
    assert_eq!(client.header().await, (2, String::new()));
    assert!(client.body::<MembersReply>().await.members.is_empty());
    // A bad pattern is an error with a body, and the connection stays.
    client.send(3, filter("(")).await;
    let (sequence, error) = client.header().await;
    assert_eq!(sequence, 3);
    assert!(error.starts_with("Failed to compile regex: "), "{error}");
    assert!(client.body::<MembersReply>().await.members.is_empty());
    client.send(4, filter("node.*")).await;
    assert_eq!(client.header().await, (4, String::new()));
    assert_eq!(client.body::<MembersReply>().await.members.len(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn info_has_the_recorded_sections() {
    let agent = agent("").await;
    let mut client = Client::connect(agent.address).await;
    client.shake_hands().await;
    client.send(1, Request::Stats).await;
    client.header().await;
    let stats: Stats = client.body().await;
    let names = |section: &str| stats.sections[section].keys().cloned().collect::<Vec<_>>();
    assert_eq!(names("agent"), ["name"]);
    assert_eq!(names("runtime"), ["arch", "cpu_count", "goroutines", "max_procs", "os", "version"]);
    assert_eq!(names("tags"), ["role"]);
    assert_eq!(stats.sections["event_handlers"]["user:x"], "./a.sh");
    assert_eq!(
        names("serf"),
        [
            "coordinate_resets",
            "encrypted",
            "event_queue",
            "event_time",
            "failed",
            "health_score",
            "intent_queue",
            "left",
            "member_time",
            "members",
            "query_queue",
            "query_time"
        ]
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_monitor_sees_what_was_and_what_comes() {
    let agent = agent("").await;
    let log = agent.node.log().clone();
    log.line(Level::Err, "test", "before");
    let mut client = Client::connect(agent.address).await;
    client.shake_hands().await;
    let monitor = || Request::Monitor { log_level: "err".into() };
    client.send(70, monitor()).await;
    assert_eq!(client.header().await, (70, String::new()));
    assert_eq!(client.header().await, (70, String::new()));
    assert!(client.body::<LogRecord>().await.log.ends_with("[ERR] test: before"));
    client.send(71, monitor()).await;
    assert_eq!(client.header().await, (71, "Monitor already exists".into()));
    client.send(70, Request::Stream { filter: "user".into() }).await;
    assert_eq!(client.header().await, (70, String::new()));
    log.line(Level::Info, "test", "not shown");
    log.line(Level::Err, "test", "after\nsecond line");
    assert_eq!(client.header().await, (70, String::new()));
    assert!(client.body::<LogRecord>().await.log.ends_with("[ERR] test: after\nsecond line"));
    client.send(72, Request::Stop { sequence: 70 }).await;
    assert_eq!(client.header().await, (72, String::new()));
    client.send(73, monitor()).await;
    assert_eq!(client.header().await, (73, String::new()));
}

#[tokio::test(flavor = "current_thread")]
async fn streams_with_one_number_exclude_each_other() {
    let agent = agent("").await;
    let mut client = Client::connect(agent.address).await;
    client.shake_hands().await;
    let stream = |filter: &str| Request::Stream { filter: filter.into() };
    for (sequence, filter, error) in [
        (1, "*", ""),
        (1, "user", "Stream with given sequence exists"),
        (2, "evidence", ""),
        (3, "user,evidence", ""),
        (4, "evidence,nonsense", "Invalid event filter"),
        (
            5,
            &["*"; 65].join(","),
            "Too many event filters: one stream may have 64, of 8192 bytes together",
        ),
    ] {
        client.send(sequence, stream(filter)).await;
        assert_eq!(client.header().await, (sequence, error.to_owned()), "{filter}");
    }
}

#[test]
fn only_so_many_questions_stay_open() {
    let mut questions = Questions::default();
    let id = QueryId { lamport_time: LamportTime(1), id: 1 };
    let (now, later) = (Time::from_nanos(1), Time::from_nanos(2));
    let most = limits::RPC_QUESTIONS as u64;
    for _ in 0..2 * most {
        questions.ask(now, id, later);
        assert!(questions.open.len() <= limits::RPC_QUESTIONS);
    }
    assert_eq!(questions.find(now, 1), None, "the oldest have gone");
    assert_eq!(questions.find(now, 2 * most), Some(id));
    assert_eq!(questions.find(Time::from_nanos(3), 2 * most), None, "its time is over");
}

#[tokio::test(flavor = "current_thread")]
async fn a_client_that_never_reads_is_bounded_and_harms_nobody() {
    let agent = agent("").await;
    let log = agent.node.log().clone();
    let mut deaf = Client::connect(agent.address).await;
    deaf.shake_hands().await;
    deaf.send(1, Request::Monitor { log_level: "debug".into() }).await;
    deaf.header().await;
    let flood = "x".repeat(4000);
    for _ in 0..5_000 {
        log.line(Level::Debug, "test", &flood);
        tokio::task::yield_now().await;
    }
    let mut other = Client::connect(agent.address).await;
    other.shake_hands().await;
    other.send(1, Request::Members).await;
    assert_eq!(other.header().await, (1, String::new()));
    assert_eq!(other.body::<MembersReply>().await.members.len(), 1);
    // Once it reads again it learns that it has missed something.
    let mut last = String::new();
    while !last.contains("Dropping logs to ipc.client: ") {
        deaf.header().await;
        last = deaf.body::<LogRecord>().await.log;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_end_of_the_member_closes_every_connection() {
    let agent = agent("").await;
    let mut client = Client::connect(agent.address).await;
    client.shake_hands().await;
    in_time(agent.node.shutdown()).await;
    assert!(client.is_closed().await);
    in_time(agent.server).await.unwrap();
    assert!(TcpStream::connect(agent.address).await.is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn who_may_not_give_commands_gives_way() {
    let agent = agent_with("secret", Places::new(2, Duration::ZERO)).await;
    let mut idle = Client::connect(agent.address).await;
    idle.shake_hands().await;
    idle.send(1, Request::Auth { key: "secret".into() }).await;
    assert_eq!(idle.header().await, (1, String::new()));
    // Has a place, but may not use it.
    let mut stranger = Client::connect(agent.address).await;
    stranger.shake_hands().await;
    let mut third = Client::connect(agent.address).await;
    third.shake_hands().await;
    assert!(stranger.is_closed().await);
    third.send(1, Request::Auth { key: "secret".into() }).await;
    assert_eq!(third.header().await, (1, String::new()));
    // Now both may, and keep their places however long they say nothing.
    assert!(Client::connect(agent.address).await.is_closed().await);
    for client in [&mut idle, &mut third] {
        client.send(2, Request::Members).await;
        assert_eq!(client.header().await, (2, String::new()));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_client_has_time_for_its_handshake() {
    let agent = agent_with("", Places::new(1, Duration::from_secs(60))).await;
    let mut slow = Client::connect(agent.address).await;
    assert!(Client::connect(agent.address).await.is_closed().await);
    slow.shake_hands().await;
}
