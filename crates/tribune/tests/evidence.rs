//! `why` and `members -evidence` against a scripted agent.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command as Process;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value as Json;
use wire::rpc::{
    Command, Evidence, EvidenceKind, EvidenceReply, Frame, Member, MembersReply, Request,
    RequestStream, ResponseHeader, UNSUPPORTED_COMMAND,
};
use wire::{Address, Incarnation, Versions};

fn member(name: &str, status: &'static str) -> Member {
    Member {
        name: name.into(),
        address: Address::from(std::net::IpAddr::from(Ipv4Addr::new(10, 0, 0, 3))),
        port: 7946,
        tags: BTreeMap::new(),
        status: status.into(),
        versions: Versions::default(),
    }
}

fn evidence() -> Vec<Evidence> {
    let suspect = Evidence {
        node: "node3".into(),
        incarnation: Incarnation(4),
        kind: EvidenceKind::Suspect,
        by: "node1".into(),
        health: Some(2),
        time_unix_ms: 1_795_350_000_000,
        suspected_for: Duration::ZERO,
    };
    let dead = Evidence {
        kind: EvidenceKind::Dead,
        health: None,
        suspected_for: Duration::from_millis(2500),
        ..suspect.clone()
    };
    vec![suspect, dead]
}

/// Serves one connection; `knows` is whether it keeps evidence.
fn serve(stream: &mut TcpStream, knows: bool) {
    let mut requests = RequestStream::new();
    let mut waiting = None;
    loop {
        if waiting.is_none() {
            waiting = requests.next_header().unwrap();
        }
        let request = waiting.as_ref().and_then(|header| {
            let command = Command::from_name(&header.command).unwrap();
            requests.next_body(command).unwrap()
        });
        let Some(request) = request else {
            let mut buffer = [0; 256];
            match stream.read(&mut buffer).unwrap() {
                0 => return,
                length => requests.push(&buffer[..length]),
            }
            continue;
        };
        let sequence = waiting.take().unwrap().sequence;
        let mut answer = Vec::new();
        let mut head = |error: &str| {
            ResponseHeader { sequence, error: error.into() }.encode(&mut answer);
        };
        match request {
            Request::Evidence { .. } if !knows => {
                head(UNSUPPORTED_COMMAND);
                stream.write_all(&answer).unwrap();
                return;
            }
            Request::Evidence { node } => {
                head("");
                let mut evidence = evidence();
                evidence.retain(|piece| node.is_empty() || piece.node == node);
                EvidenceReply { evidence }.encode(&mut answer);
            }
            Request::Members | Request::MembersFiltered(_) => {
                head("");
                let members = vec![member("node1", "alive"), member("node3", "failed")];
                MembersReply { members }.encode(&mut answer);
            }
            _ => head(""),
        }
        stream.write_all(&answer).unwrap();
    }
}

fn agent(knows: bool) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, std::thread::spawn(move || serve(&mut listener.accept().unwrap().0, knows)))
}

fn run(knows: bool, arguments: &[&str]) -> (String, Option<i32>) {
    let (address, thread) = agent(knows);
    let mut command = Process::new(env!("CARGO_BIN_EXE_tribune"));
    let output = command.args(arguments).env("SERF_RPC_ADDR", address).output().unwrap();
    thread.join().unwrap();
    assert!(output.stderr.is_empty());
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn why_tells_the_story_in_order() {
    let (story, code) = run(true, &["why", "node3"]);
    let lines: Vec<&str> = story.lines().collect();
    assert_eq!(lines[0], "node3 at 10.0.0.3:7946 is failed");
    assert!(lines[1].starts_with("  2026-11-22 12:20:00.000 UTC ("), "{story}");
    assert!(lines[1].ends_with("): node1 (health 2) suspects it in incarnation 4"), "{story}");
    assert!(
        lines[2]
            .ends_with("): node1 declares it failed in incarnation 4, after 2.5s under suspicion"),
        "{story}"
    );
    assert_eq!((lines.len(), code), (3, Some(0)));
}

#[test]
fn why_says_so_if_there_is_nothing_to_tell() {
    let (text, code) = run(true, &["serf", "why", "node1"]);
    assert!(text.ends_with("no evidence\n"), "{text}");
    assert_eq!(code, Some(1));
    let unknown = run(true, &["why", "nobody"]);
    assert_eq!(unknown, ("No node named \"nobody\" is known\n".into(), Some(1)));
    let foreign = run(false, &["why", "node3"]);
    assert_eq!(
        foreign,
        ("This agent keeps no evidence: only Tribune's agents do\n".into(), Some(1))
    );
}

#[test]
fn members_show_evidence_only_if_asked() {
    let (plain, _) = run(true, &["serf", "members"]);
    assert_eq!(plain, "node1  10.0.0.3:7946  alive   \nnode3  10.0.0.3:7946  failed\n");
    let (text, _) = run(true, &["serf", "members", "-evidence"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("no evidence"), "{text}");
    assert!(lines[1].contains("dead by node1 ") && lines[1].ends_with("evidence: 2"), "{text}");

    let json =
        |arguments: &[&str]| -> Json { serde_json::from_str(&run(true, arguments).0).unwrap() };
    let plain = json(&["serf", "members", "-format=json"]);
    assert!(plain["members"][1].get("evidence").is_none());
    let full = json(&["serf", "members", "-format=json", "-evidence"]);
    assert_eq!(full["members"][0]["evidence"], Json::Array(vec![]));
    let pieces = &full["members"][1]["evidence"];
    assert_eq!(pieces[0]["health"], 2);
    assert_eq!(pieces[1]["health"], Json::Null);
    assert_eq!(pieces[1]["suspected_for_ns"], 2_500_000_000_u64);
}
