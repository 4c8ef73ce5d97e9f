//! Whole members on loopback addresses.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use serf::{Config, MemberStatus, Profile};
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use wire::Address;

use super::*;
use crate::evidence::Kind;
use crate::node::{KeyCommand, Node, NodeHandle};

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tribune-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(name: &str, ip: &str) -> NodeSettings {
    let ip: IpAddr = ip.parse().unwrap();
    let gossip = gossip::Config::new(Profile::Local, name.into(), Address::from(ip), 0);
    NodeSettings {
        bind: SocketAddr::new(ip, 0),
        serf: Config::new(gossip),
        keyring: Vec::new(),
        keyring_file: None,
        tags_file: None,
        snapshot_path: None,
        compression: true,
        handlers: Vec::new(),
        metrics: Metrics::new(),
        facts: Box::new(|_| {}),
    }
}

fn run(settings: NodeSettings) -> NodeHandle {
    Node::start(settings, Log::silent()).unwrap()
}

async fn join(node: &NodeHandle, other: &NodeHandle) -> Result<usize, String> {
    node.join(vec![other.bind_address().to_string()], false).await
}

async fn status(node: &NodeHandle, name: &str) -> Option<MemberStatus> {
    let members = node.members().await;
    members.into_iter().find(|member| member.name.as_str() == name).map(|member| member.status)
}

async fn until_status(node: &NodeHandle, name: &str, wanted: MemberStatus) {
    let seen = async {
        while status(node, name).await != Some(wanted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
}

#[tokio::test]
async fn members_meet_over_ipv6() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        return; // A machine without IPv6 has nothing to show here.
    }
    let (one, two) = (run(settings("one", "::1")), run(settings("two", "::1")));
    assert_eq!(join(&one, &two).await, Ok(1));
    until_status(&two, "one", MemberStatus::Alive).await;
    let own = one.members().await;
    let addresses: Vec<_> = own.iter().map(|member| member.address.to_ip().unwrap()).collect();
    assert_eq!(addresses, ["::1".parse::<IpAddr>().unwrap(); 2]);
}

/// On a socket of both families, sources of IPv4 come in their IPv6 form.
#[tokio::test]
async fn a_member_on_both_families_meets_one_of_ipv4() {
    if UdpSocket::bind("[::]:0").await.is_err() {
        return;
    }
    let mut both = settings("both", "127.0.0.1");
    both.bind = "[::]:0".parse().unwrap();
    let (both, four) = (run(both), run(settings("four", "127.0.0.1")));
    assert_eq!(join(&both, &four).await, Ok(1));
    until_status(&four, "both", MemberStatus::Alive).await;
    let port = both.bind_address().port();
    assert_eq!(four.join(vec![format!("127.0.0.1:{port}")], false).await, Ok(1));
}

#[tokio::test]
async fn silent_streams_keep_nobody_out() {
    let (one, two) = (run(settings("one", "127.0.0.1")), run(settings("two", "127.0.0.1")));
    let mut silent = Vec::new();
    for _ in 0..limits::INCOMING_STREAMS + 40 {
        silent.push(TcpStream::connect(one.bind_address()).await.unwrap());
    }
    // Profile local gives a join one second, which is what a silent stream is allowed in a crowd.
    let joined = async { while join(&two, &one).await != Ok(1) {} };
    tokio::time::timeout(PATIENCE, joined).await.unwrap();
    until_status(&one, "two", MemberStatus::Alive).await;
}

#[tokio::test]
async fn another_key_stays_out_and_key_changes_are_kept() {
    let scratch = Scratch::new("driver-keys");
    let sealed = |name: &str, byte: u8| {
        let file = scratch.path(name);
        std::fs::write(&file, "[]").unwrap();
        let keyring = vec![Bytes::from(vec![byte; 32])];
        let mut settings = settings(name, "127.0.0.1");
        settings.serf.persist_keyring = true;
        NodeSettings { keyring, keyring_file: Some(file), ..settings }
    };
    let (one, two) = (run(sealed("one", 1)), run(sealed("two", 1)));
    let (stranger, plain) = (run(sealed("stranger", 2)), run(settings("plain", "127.0.0.1")));
    for outsider in [&stranger, &plain] {
        let why = join(outsider, &one).await.unwrap_err();
        assert!(why.contains("Failed to join 127.0.0.1: "), "{why}");
    }
    assert_eq!(join(&two, &one).await, Ok(1));
    until_status(&one, "two", MemberStatus::Alive).await;
    let key = "AwMDAwMDAwMDAwMDAwMDAw==".to_owned();
    let report = one.keys(KeyCommand::Install(key.clone())).await.unwrap();
    assert_eq!((report.responses, report.errors, &report.failure), (2, 0, &None));
    for name in ["one", "two"] {
        let kept = crate::files::keyring::read(&scratch.path(name)).unwrap();
        assert_eq!(kept, [vec![1; 32], vec![3; 16]]);
    }
    // Where the file cannot be written the change has not happened.
    std::fs::remove_dir_all(&scratch.0).unwrap();
    let report = one.keys(KeyCommand::Use(key)).await.unwrap();
    assert_eq!(report.errors, 2);
    assert!(report.messages.values().all(|why| why.starts_with("Failed to write keyring file")));
    assert_eq!(status(&one, "stranger").await, None);
}

#[tokio::test]
async fn labels_keep_pools_apart() {
    let labelled = |name: &str, label: &'static str| {
        let mut settings = settings(name, "127.0.0.1");
        settings.serf.gossip.label = Bytes::from_static(label.as_bytes());
        run(settings)
    };
    let (one, two) = (labelled("one", "blue"), labelled("two", "blue"));
    let (green, none) = (labelled("green", "green"), labelled("none", ""));
    assert_eq!(join(&two, &one).await, Ok(1));
    for outsider in [&green, &none] {
        assert!(join(outsider, &one).await.is_err());
        assert!(join(&one, outsider).await.is_err());
    }
    assert_eq!(one.members().await.len(), 2);
}

/// The three steps of `docs/upgrade-from-serf.md`: at each, members of it and of the one before
/// understand each other.
#[tokio::test]
async fn encryption_is_turned_on_member_by_member() {
    let at_step = |name: &str, step: u8| {
        let mut settings = settings(name, "127.0.0.1");
        settings.keyring = vec![Bytes::from_static(&[7; 32]); usize::from(step > 0)];
        settings.serf.gossip.encrypt_verify_outgoing = step > 1;
        settings.serf.gossip.encrypt_verify_incoming = step > 2;
        run(settings)
    };
    for step in 0..3 {
        let (behind, ahead) = (at_step("behind", step), at_step("ahead", step + 1));
        assert_eq!(join(&ahead, &behind).await, Ok(1), "{step}");
        assert_eq!(join(&behind, &ahead).await, Ok(1), "{step}");
        ahead.user_event("news".into(), None, false).await.unwrap();
        let heard = async {
            while behind.statistics().await.event_time.0 < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.unwrap();
    }
    // Two steps apart they do not.
    let (behind, ahead) = (at_step("behind", 0), at_step("ahead", 3));
    assert!(join(&ahead, &behind).await.is_err());
}

#[tokio::test]
async fn tags_are_kept_and_too_long_ones_are_not() {
    let scratch = Scratch::new("driver-tags");
    let file = scratch.path("tags");
    let tags_file = Some(file.clone());
    let node = run(NodeSettings { tags_file, ..settings("one", "127.0.0.1") });
    let tags = |value: &str| Tags::from([("role".to_owned(), value.to_owned())]);
    node.set_tags(tags("web")).await.unwrap();
    assert_eq!(node.tags().await, tags("web"));
    let why = node.set_tags(tags(&"x".repeat(600))).await.unwrap_err();
    assert_eq!(why, "Encoded length of tags exceeds limit of 512 bytes");
    assert_eq!(crate::files::tags::read(&file).unwrap(), Some(tags("web")));
    assert_eq!(node.tags().await, tags("web"));
}

#[tokio::test]
async fn changes_of_tags_at_once_are_all_kept() {
    let scratch = Scratch::new("driver-tags-at-once");
    let file = scratch.path("tags");
    let tags_file = Some(file.clone());
    let node = run(NodeSettings { tags_file, ..settings("one", "127.0.0.1") });
    let changes: Vec<_> = (0..20)
        .map(|number| {
            let node = node.clone();
            let set = Tags::from([(format!("t{number}"), "v".repeat(number))]);
            let delete = vec![format!("t{}", number + 1)];
            tokio::spawn(async move { node.edit_tags(delete, set).await })
        })
        .collect();
    for change in changes {
        change.await.unwrap().unwrap();
    }
    // What is written whole is also what is announced.
    let kept = crate::files::tags::read(&file).unwrap().unwrap();
    assert_eq!(kept, node.tags().await);
    let own = node.members().await.remove(0);
    assert_eq!(*own.tags, kept);
    assert!(kept.contains_key("t19"), "{kept:?}");
    // Each in its turn: of two neighbours one was deleted after the other was set, or neither.
    assert_eq!(kept.len(), 20);
}

#[tokio::test]
async fn a_killed_member_comes_back_through_its_snapshot() {
    let scratch = Scratch::new("driver-snapshot");
    let path = scratch.path("snapshot");
    let one = run(settings("one", "127.0.0.1"));
    let with_snapshot =
        || NodeSettings { snapshot_path: Some(path.clone()), ..settings("two", "127.0.0.1") };
    let two = run(with_snapshot());
    assert_eq!(join(&two, &one).await, Ok(1));
    let address = one.bind_address();
    let line = format!("alive: one {address}\n");
    let written = async {
        while !std::fs::read_to_string(&path).unwrap().contains(&line) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    // Without a farewell: what is on disk now is all that a kill leaves.
    let left_over = std::fs::read(&path).unwrap();
    two.shutdown().await;
    until_status(&one, "two", MemberStatus::Failed).await;
    let evidence = one.evidence(Some("two".to_owned())).await;
    let piece = |kind: Kind| evidence.iter().find(|record| record.kind == kind).unwrap();
    assert!(piece(Kind::ProbeFailed).helpers.is_some());
    let suspected = piece(Kind::Suspected);
    assert_eq!(
        (suspected.by.as_ref().unwrap().as_str(), suspected.health.is_some()),
        ("one", true)
    );
    assert!(piece(Kind::Died).suspected_for.unwrap() >= Duration::from_secs(3));
    std::fs::write(&path, left_over).unwrap();
    let mut again = with_snapshot();
    // The same address: from another one the name would be in conflict.
    again.bind = two.bind_address();
    let again = run(again);
    until_status(&again, "one", MemberStatus::Alive).await;
    until_status(&one, "two", MemberStatus::Alive).await;
    // A leave is on disk before it is answered.
    again.leave().await.unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("\nleave\n"));
    until_status(&one, "two", MemberStatus::Left).await;
}

/// A datagram that cannot be sent is no reason to end anything.
#[tokio::test]
async fn unreachable_addresses_are_told_to_the_caller() {
    let node = run(settings("one", "127.0.0.1"));
    let why = node.join(vec!["127.0.0.1:1".into(), "[::1".into()], false).await.unwrap_err();
    assert!(why.starts_with("2 errors occurred:\n"), "{why}");
    assert!(
        why.contains("Failed to join 127.0.0.1: dial tcp 127.0.0.1:1: connect: connection refused")
    );
    assert_eq!(status(&node, "one").await, Some(MemberStatus::Alive));
    let taken = NodeSettings { bind: node.bind_address(), ..settings("two", "127.0.0.1") };
    let why = Node::start(taken, Log::silent()).err().unwrap().to_string();
    let text =
        "Error creating Serf: Failed to create memberlist: Could not set up network transport";
    assert!(why.starts_with(text) && why.ends_with("bind: address already in use"), "{why}");
}
