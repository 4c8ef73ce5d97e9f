#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serf::{Fact, KeyStep};
use wire::Incarnation;

use super::*;

/// The lines that facts make, without their times.
fn lines(facts: &[Fact]) -> Vec<String> {
    let log = Log::silent();
    let mut renderer = Renderer::new("own".into(), true, log.clone(), Metrics::new());
    for fact in facts {
        renderer.take(fact);
    }
    log.subscribe(Level::Trace).remembered.iter().map(|line| line.text[20..].to_owned()).collect()
}

fn member(kind: MemberEventKind, forced: bool) -> Fact {
    let address = Some("127.0.0.1".parse().unwrap());
    Fact::Member { kind, forced, name: "node1".into(), address }
}

fn key_failure(operation: &'static str, step: KeyStep, message: &str) -> Fact {
    Fact::KeyFailure { operation, step, message: message.into() }
}

#[test]
fn recorded_lines_are_worded_as_recorded() {
    let address: SocketAddr = "127.0.0.1:7946".parse().unwrap();
    let other = Some(address);
    let own: Option<SocketAddr> = Some("127.0.0.3:7946".parse().unwrap());
    assert_eq!(
        lines(&[
            member(MemberEventKind::Join, false),
            member(MemberEventKind::Update, false),
            member(MemberEventKind::Failed, false),
            member(MemberEventKind::Leave, true),
            member(MemberEventKind::Reap, false),
            member(MemberEventKind::Reap, true),
            Fact::MessageReceived {
                kind: MessageKind::Query,
                subject: "_serf_list-keys".into(),
                bytes: 44,
            },
            Fact::Query { name: "_serf_list-keys".into() },
            key_failure("list-keys", KeyStep::Find, "Keyring is empty (encryption not enabled)"),
            key_failure("use-key", KeyStep::Change, "Requested key is not in the keyring"),
            Fact::NameConflict {
                name: "own".into(),
                ours: true,
                existing: own,
                state: State::Alive,
                other,
            },
            Fact::ConflictVote { matching: 0, responses: 1, kept: false },
            Fact::Rejoining { name: "with space".into(), address },
            Fact::RejoinFailed,
        ]),
        [
            "[INFO] serf: EventMemberJoin: node1 127.0.0.1",
            "[INFO] serf: EventMemberUpdate: node1",
            "[INFO] serf: EventMemberFailed: node1 127.0.0.1",
            "[INFO] serf: EventMemberLeave (forced): node1 127.0.0.1",
            "[INFO] serf: EventMemberReap: node1",
            "[INFO] serf: EventMemberReap (forced): node1 127.0.0.1",
            "[DEBUG] serf: messageQueryType: _serf_list-keys",
            "[INFO] serf: Received list-keys query",
            "[ERR] serf: Keyring is empty (encryption not enabled)",
            "[ERR] serf: Failed to change primary key: Requested key is not in the keyring",
            "[ERR] memberlist: Conflicting address for own. Mine: 127.0.0.3:7946 \
             Theirs: 127.0.0.1:7946 Old state: 0",
            "[ERR] serf: Node name conflicts with another node at 127.0.0.1:7946. \
             Names must be unique! (Resolution enabled: true)",
            "[WARN] serf: minority in name conflict resolution, quitting [0 / 1]",
            "[INFO] serf: Attempting re-join to previously known node: with space: 127.0.0.1:7946",
            "[WARN] serf: Failed to re-join any previously known node",
        ]
    );
}

#[test]
fn that_others_quarrel_about_a_name_hides_no_claim_to_ours() {
    let claim = |name: &str, ours| Fact::NameConflict {
        name: name.into(),
        ours,
        existing: "127.0.0.3:7946".parse().ok(),
        state: State::Alive,
        other: "127.0.0.1:7946".parse().ok(),
    };
    let lines = lines(&[claim("b", false), claim("c", false), claim("own", true)]);
    let about = |name: &str| {
        lines.iter().filter(|line| line.contains(&format!("address for {name}."))).count()
    };
    assert_eq!([about("b"), about("c"), about("own")], [1, 0, 1], "{lines:?}");
}

#[test]
fn a_death_tells_how_many_confirmed_it() {
    let (node, incarnation) = (NodeName::from("b"), Incarnation(1));
    let confirmed = |confirmations| gossip::Fact::Confirmed {
        node: node.clone(),
        incarnation,
        by: "c".into(),
        health: None,
        confirmations,
        suspected_for: Duration::from_secs(1),
    };
    let suspected =
        gossip::Fact::Suspected { node: node.clone(), incarnation, by: "own".into(), health: None };
    let died = gossip::Fact::Died {
        node: node.clone(),
        incarnation,
        by: "own".into(),
        suspected_for: Some(Duration::from_secs(4)),
    };
    let facts: Vec<Fact> =
        [suspected, confirmed(1), confirmed(2), died].into_iter().map(Fact::Gossip).collect();
    assert_eq!(
        lines(&facts),
        ["[INFO] memberlist: Marking b as failed, suspect timeout reached (2 peer confirmations)"]
    );
}

/// In the real agent's words, which alerts look for. What comes back to us from before a restart is
/// our own message.
#[test]
fn a_refutation_tells_what_was_said_and_by_whom() {
    let refuted = |claim, by: Option<&str>| {
        let (by, incarnation) = (by.map(NodeName::from), Incarnation(2));
        Fact::Gossip(gossip::Fact::Refuted { claim, by, incarnation })
    };
    assert_eq!(
        lines(&[
            refuted(Claim::Suspect, Some("b")),
            refuted(Claim::Dead, None),
            refuted(Claim::Alive, None),
        ]),
        [
            "[WARN] memberlist: Refuting a suspect message (from: b)",
            "[WARN] memberlist: Refuting a dead message (from: own)",
            "[WARN] memberlist: Refuting an alive message for 'own'",
        ]
    );
}

#[test]
fn what_strangers_cause_is_logged_once_and_cannot_forge_lines() {
    let dropped = Fact::Gossip(gossip::Fact::PacketDropped {
        from: "127.0.0.1:9".parse().unwrap(),
        why: "bad\n2026/11/22 12:00:00 [ERR] forged".into(),
    });
    let lines = lines(&vec![dropped; 100]);
    assert_eq!(
        lines,
        ["[WARN] memberlist: Dropped a datagram: bad\\n2026/11/22 12:00:00 [ERR] forged \
          from=127.0.0.1:9"]
    );
}

#[test]
fn streams_that_bring_nothing_are_counted_and_logged_once() {
    let metrics = Metrics::new();
    let mut renderer = Renderer::new("own".into(), true, Log::silent(), metrics.clone());
    let dropped = Fact::Gossip(gossip::Fact::StreamDropped {
        from: "127.0.0.1:9".parse().unwrap(),
        why: "EOF".into(),
    });
    for _ in 0..3 {
        renderer.take(&dropped);
    }
    let dump = metrics.dump(&[]);
    assert!(dump.contains("'serf-agent.memberlist.stream.dropped': Count: 3 "), "{dump}");
    assert_eq!(
        lines(&vec![dropped; 100]),
        ["[WARN] memberlist: Dropped a stream: EOF from=127.0.0.1:9"]
    );
}

#[test]
fn what_is_dropped_is_told_with_its_sender() {
    let from = Some("127.0.0.1:9".parse().unwrap());
    let why = "nothing has reached its Lamport time, 7".to_owned();
    assert_eq!(
        lines(&[Fact::MessageDropped { from, kind: Some(MessageKind::UserEvent), why }]),
        ["[WARN] serf: Dropped a message: nothing has reached its Lamport time, 7 \
          type=messageUserEventType from=127.0.0.1:9"]
    );
    let filter = |from| Fact::FilterUnsupported {
        expression: "a**".to_owned(),
        why: "invalid".to_owned(),
        query: "load".to_owned(),
        asker: "web-1".to_owned(),
        from,
    };
    let line = "[WARN] serf: failed to compile filter regex (a**): invalid; in query 'load' from \
                'web-1' from=";
    assert_eq!(lines(&[filter(from)]), [format!("{line}127.0.0.1:9")]);
    assert_eq!(lines(&[filter(None)]), [format!("{line}ourselves")]);
}

#[test]
fn facts_are_counted_under_recorded_names() {
    let metrics = Metrics::new();
    let mut renderer = Renderer::new("own".into(), true, Log::silent(), metrics.clone());
    renderer.take(&member(MemberEventKind::Join, false));
    renderer.take(&Fact::UserEvent { name: "dep.loy x".into() });
    renderer.take(&Fact::QueryAck { duplicate: true });
    let dump = metrics.dump(&[]);
    for name in [
        "serf-agent.serf.member.join",
        "serf-agent.memberlist.msg.alive",
        "serf-agent.serf.events",
        "serf-agent.serf.events.dep.loy_x",
        "serf-agent.serf.query_duplicate_acks",
    ] {
        assert!(dump.contains(&format!("'{name}': Count: 1 ")), "{name}\n{dump}");
    }
}

/// The names, kinds and units of the real agent's, as a sink beside both receives them.
#[test]
fn metrics_of_probes_coordinates_and_broadcasts_have_the_real_names() {
    let metrics = Metrics::new();
    let mut renderer = Renderer::new("own".into(), true, Log::silent(), metrics.clone());
    let took = Duration::from_millis(3);
    for fact in [
        Fact::Gossip(gossip::Fact::Probed { took, degraded: false }),
        Fact::Gossip(gossip::Fact::Probed { took, degraded: true }),
        Fact::Gossip(gossip::Fact::FewConfirmations { node: "a".into(), confirmations: 1 }),
        Fact::Gossip(gossip::Fact::BroadcastsSent { lengths: vec![17, 17], copies: 3 }),
        Fact::Gossip(gossip::Fact::HealthChanged { score: 1 }),
        Fact::Gossip(gossip::Fact::HealthChanged { score: 2 }),
        Fact::CoordinateMoved { by: Duration::from_micros(1500) },
        Fact::CoordinateRejected { node: "a".into(), why: "far away".into() },
    ] {
        renderer.take(&fact);
    }
    let dump = metrics.dump(&[]);
    let lines: Vec<&str> = dump.lines().map(|line| line.split_once("][").unwrap().1).collect();
    let expected = [
        "G] 'serf-agent.memberlist.health.score': 2.000",
        "C] 'serf-agent.memberlist.degraded.probe': Count: 1 Sum: 1.000 ",
        "C] 'serf-agent.memberlist.degraded.timeout': Count: 1 Sum: 1.000 ",
        "C] 'serf-agent.serf.coordinate.rejected': Count: 1 Sum: 1.000 ",
        "S] 'serf-agent.memberlist.probeNode': Count: 2 Sum: 6.000 ",
        "S] 'serf-agent.serf.coordinate.adjustment-ms': Count: 1 Sum: 1.500 ",
        "S] 'serf-agent.serf.msgs.sent': Count: 6 Sum: 102.000 ",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}
