use std::net::SocketAddr;

use wire::message::Coordinate;
use wire::message::serf::{Filter, MemberRecord, Query, QueryResponse, Relay};

use super::super::conflict::Vote;
use super::*;
use crate::interface::{MessageKind, QueryId, QueryProgress, QueryRequest, QueryTimeout};
use crate::limits;

fn request(name: &str) -> QueryRequest {
    QueryRequest { name: name.into(), request_ack: true, ..QueryRequest::default() }
}

/// The Serf messages that packets carry on their own, and where they go.
fn sent(outputs: &[Output]) -> Vec<(SocketAddr, SerfMessage)> {
    let direct = |output: &Output| match output {
        Output::Packet { to, body, .. } if body.first() == Some(&8) => {
            Some((*to, SerfMessage::decode(&body[1..]).unwrap()))
        }
        _ => None,
    };
    outputs.iter().filter_map(direct).collect()
}

fn delivered(outputs: &[Output]) -> Vec<QueryId> {
    let id = |output: &Output| match output {
        Output::Event(Event::Query { query, .. }) => Some(*query),
        _ => None,
    };
    outputs.iter().filter_map(id).collect()
}

fn progress(outputs: &[Output]) -> Vec<&QueryProgress> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::QueryProgress { progress, .. } => Some(progress),
            _ => None,
        })
        .collect()
}

fn response(id: QueryId, from: &str, flags: u32) -> QueryResponse {
    let payload = (flags == 0).then(|| Bytes::from(format!("from {from}")));
    QueryResponse { lamport_time: id.lamport_time, id: id.id, from: name(from), flags, payload }
}

fn ask(serf: &mut Serf, request: QueryRequest) -> (QueryId, Vec<Output>) {
    let out = command(serf, at(0), Command::Query(request));
    match outcome(&out) {
        Some(Outcome::QuerySent { query }) => (*query, out),
        other => panic!("not sent: {other:?}"),
    }
}

#[test]
fn the_recorded_edges_of_the_window() {
    let mut serf = serf();
    assert!(serf.on_query(at(0), query(600, 1)));
    assert!(!serf.on_query(at(0), query(88, 1)));
    assert!(serf.on_query(at(0), query(89, 1)));
    assert!(!serf.on_query(at(0), query(89, 1)), "seen");
    assert!(serf.on_query(at(0), query(89, 2)), "another of the same time");
    assert_eq!(delivered(&outputs(&mut serf)).len(), 3);
}

#[test]
fn a_snapshot_sets_the_minimum() {
    let state = SnapshotState { query_clock: time(43), ..SnapshotState::default() };
    let mut serf = with(config(), Some(state));
    assert_eq!(serf.statistics().query_time, time(44));
    assert!(!serf.on_query(at(0), query(43, 1)));
    assert!(serf.on_query(at(0), query(44, 1)));
}

/// Trap 20: a query that is not for us is for those behind us.
#[test]
fn a_filtered_query_is_passed_on_but_neither_acked_nor_delivered() {
    let mut serf = serf();
    let filters = Some(vec![Filter::Nodes(vec!["other".into()]).encode()]);
    assert!(serf.on_query(at(0), Query { filters, flags: Query::FLAG_ACK, ..query(5, 1) }));
    let out = outputs(&mut serf);
    assert!(delivered(&out).is_empty() && sent(&out).is_empty());
    let empty = Some(vec![Bytes::new()]);
    assert!(serf.on_query(at(0), Query { filters: empty, ..query(6, 1) }));
    let out = outputs(&mut serf);
    assert!(delivered(&out).is_empty());
    assert!(facts(&out).iter().any(|fact| matches!(fact, Fact::MessageDropped { .. })));
}

/// Trap 21: not anchored, and a missing tag is empty.
#[test]
fn filters_on_own_tags() {
    let tags = [("role".to_owned(), "web".to_owned())].into();
    let mut serf = with(Config { tags, ..config() }, None);
    let mut selects = |time, tag: &str, expression: &str| {
        let filter = Filter::Tag { tag: tag.into(), expression: expression.into() }.encode();
        serf.on_query(at(0), Query { filters: Some(vec![filter]), ..query(time, 1) });
        !delivered(&outputs(&mut serf)).is_empty()
    };
    assert!(selects(1, "role", "e"));
    assert!(!selects(2, "role", "^e"));
    assert!(selects(3, "dc", "^$"));
    assert!(!selects(4, "role", "("));
}

#[test]
fn flags_say_who_acks_and_who_passes_on() {
    let mut serf = serf();
    let flags = Query::FLAG_ACK | Query::FLAG_NO_BROADCAST;
    // Acks do not depend on the timeout.
    let query = Query { flags, timeout_ns: -5, ..query(5, 77) };
    assert!(!serf.on_query(at(0), query.clone()));
    serf.settle(at(0));
    let out = outputs(&mut serf);
    let ack = QueryResponse { payload: None, ..response(delivered(&out)[0], "alpha", 1) };
    assert_eq!(sent(&out), [("127.0.0.9:7946".parse().unwrap(), SerfMessage::QueryResponse(ack))]);
}

#[test]
fn a_response_goes_out_once_in_time_and_in_size() {
    let mut serf = serf();
    serf.on_query(at(0), query(5, 77));
    let id = delivered(&outputs(&mut serf))[0];
    let respond = |serf: &mut Serf, now, payload: usize| {
        let payload = vec![b'x'; payload].into();
        command(serf, now, Command::Respond { query: id, payload })
    };
    let big = respond(&mut serf, at(1), 1024);
    assert_eq!(failure(&big).as_deref(), Some("response exceeds limit of 1024 bytes"));
    let out = respond(&mut serf, at(1000), 4);
    assert!(matches!(outcome(&out), Some(Outcome::Ok)));
    let [(_, SerfMessage::QueryResponse(sent))] = &sent(&out)[..] else { panic!("{out:?}") };
    assert_eq!((sent.flags, sent.payload.as_deref()), (0, Some(&b"xxxx"[..])));
    assert_eq!(failure(&respond(&mut serf, at(1000), 4)).as_deref(), Some("response already sent"));
    serf.on_query(at(2000), query(6, 78));
    let late = delivered(&outputs(&mut serf))[0];
    let command = Command::Respond { query: late, payload: Bytes::new() };
    let out = super::command(&mut serf, at(3001), command);
    assert_eq!(failure(&out).as_deref(), Some("response is past the deadline"));
}

#[test]
fn a_timeout_from_the_wire_is_bounded() {
    let mut serf = serf();
    for (index, timeout_ns) in [i64::MAX, i64::MIN, -1, 0].into_iter().enumerate() {
        serf.on_query(at(500), Query { timeout_ns, ..query(10 + index as u64, 1) });
    }
    let deadlines: Vec<Time> = outputs(&mut serf)
        .into_iter()
        .filter_map(|output| match output {
            Output::Event(Event::Query { deadline, .. }) => Some(deadline),
            _ => None,
        })
        .collect();
    let past = at(500).as_nanos() - 1;
    let expected = [at(500 + 24 * 3600 * 1000), Time::ZERO, Time::from_nanos(past), at(500)];
    assert_eq!(deadlines, expected);
}

#[test]
fn we_answer_ourselves_after_the_query_was_confirmed() {
    let mut serf = serf();
    let (id, out) = ask(&mut serf, request("uptime"));
    assert_eq!(delivered(&out), [id]);
    let confirmed = out.iter().position(|o| matches!(o, Output::Done { .. })).unwrap();
    let acked = out.iter().position(|o| matches!(o, Output::QueryProgress { .. })).unwrap();
    assert!(confirmed < acked);
    assert!(sent(&out).is_empty(), "not through the network");
    let out = command(&mut serf, at(10), Command::Respond { query: id, payload: "3 days".into() });
    let expected = QueryProgress::Response { from: name("alpha"), payload: Some("3 days".into()) };
    assert_eq!(progress(&out), [&expected]);
    // One member: gossip interval × 16 × ceil(log10(2)).
    assert_eq!(progress(&wake(&mut serf, at(3199))).len(), 0);
    assert_eq!(progress(&wake(&mut serf, at(3200))), [&QueryProgress::Done]);
    assert_eq!(progress(&wake(&mut serf, at(9999))).len(), 0);
}

#[test]
fn answers_are_collected_once_per_member_and_only_in_time() {
    let mut serf = serf();
    let (id, _) = ask(&mut serf, request("uptime"));
    let wrong = QueryId { id: id.id ^ 1, ..id };
    let unknown = QueryId { lamport_time: time(99), ..id };
    let messages = [
        response(id, "bravo", 1),
        response(id, "bravo", 1),
        response(id, "bravo", 0),
        response(id, "bravo", 0),
        response(wrong, "charlie", 0),
        response(unknown, "charlie", 0),
    ];
    let mut out = Vec::new();
    for message in messages {
        out.extend(receive(&mut serf, at(1), SerfMessage::QueryResponse(message)));
    }
    assert_eq!(progress(&out).len(), 2);
    let facts = facts(&out);
    assert!(matches!(
        facts[..],
        [
            Fact::QueryAck { duplicate: false },
            Fact::QueryAck { duplicate: true },
            Fact::QueryResponse { duplicate: false },
            Fact::QueryResponse { duplicate: true },
        ]
    ));
    let late = SerfMessage::QueryResponse(response(id, "charlie", 0));
    assert_eq!(progress(&receive(&mut serf, at(3201), late)), [&QueryProgress::Done]);
}

#[test]
fn a_flood_of_forged_answers_is_cut() {
    let mut serf = serf();
    let (id, _) = ask(&mut serf, request("uptime"));
    let mut taken = 0;
    for index in 0..500 {
        let forged = response(id, &format!("forged-{index}"), 0);
        taken += progress(&receive(&mut serf, at(1), SerfMessage::QueryResponse(forged))).len();
    }
    assert_eq!(taken, limits::QUERY_ANSWERS_MIN);
}

#[test]
fn acks_that_were_not_wanted_are_dropped() {
    let mut serf = serf();
    let (id, out) = ask(&mut serf, QueryRequest { request_ack: false, ..request("uptime") });
    assert!(progress(&out).is_empty());
    let ack = SerfMessage::QueryResponse(response(id, "bravo", 1));
    assert!(progress(&receive(&mut serf, at(1), ack)).is_empty());
}

#[test]
fn a_negative_timeout_ends_at_once() {
    let mut serf = serf();
    let timeout = Some(QueryTimeout(-1));
    let query = Command::Query(QueryRequest { timeout, ..request("uptime") });
    let out = command(&mut serf, at(10), query);
    assert_eq!(progress(&out), [&QueryProgress::Done]);
}

#[test]
fn refusals() {
    let mut serf = serf();
    let big = QueryRequest { payload: Some(vec![0; 1024].into()), ..request("uptime") };
    let out = command(&mut serf, at(0), Command::Query(big));
    assert_eq!(failure(&out).as_deref(), Some("query exceeds limit of 1024 bytes"));
    for protocol in [2, 3] {
        let mut old = with(Config { protocol, ..config() }, None);
        let out = command(&mut old, at(0), Command::Query(request("uptime")));
        assert_eq!(failure(&out).as_deref(), Some("Feature not supported"));
        // But answering is open to all.
        old.on_query(at(0), query(5, 1));
        assert_eq!(delivered(&outputs(&mut old)).len(), 1);
    }
}

/// Trap 25: what counts is the newest membership protocol that a member understands.
#[test]
fn answers_are_relayed_through_members_that_can() {
    let mut serf = serf();
    let old = NodeState { versions: Bytes::from_static(&[1, 4, 2, 2, 5, 5]), ..node("old", 2, 1) };
    serf.on_joined(at(0), &old);
    serf.on_joined(at(0), &node("gone", 4, 1));
    serf.on_departed(at(0), &node("gone", 4, 1));
    let able =
        NodeState { versions: Bytes::from_static(&[1, 5, 2, 2, 5, 2]), ..node("able", 3, 1) };
    serf.on_joined(at(0), &able);
    serf.on_query(at(0), Query { relay_factor: 2, flags: Query::FLAG_ACK, ..query(5, 77) });
    serf.settle(at(0));
    let out = outputs(&mut serf);
    let ack = response(delivered(&out)[0], "alpha", 1);
    let relay = Relay {
        destination_address: ip(9),
        destination_port: 7946,
        destination_zone: String::new(),
        destination_name: "asker".into(),
        message: SerfMessage::QueryResponse(ack.clone()).encode().into(),
    };
    let expected = [
        ("127.0.0.9:7946".parse().unwrap(), SerfMessage::QueryResponse(ack)),
        ("127.0.0.3:7946".parse().unwrap(), SerfMessage::Relay(relay)),
    ];
    assert_eq!(sent(&out), expected);
    // Four members are known: too few for a factor of four.
    serf.on_query(at(0), Query { relay_factor: 4, flags: Query::FLAG_ACK, ..query(6, 77) });
    serf.settle(at(0));
    assert_eq!(sent(&outputs(&mut serf)).len(), 1);
}

#[test]
fn a_relay_is_passed_on_unread() {
    let mut serf = serf();
    let relay = |address, message: &'static [u8]| Relay {
        destination_address: address,
        destination_port: 7946,
        destination_zone: String::new(),
        destination_name: String::new(),
        message: Bytes::from_static(message),
    };
    serf.on_user_message(at(0), SerfMessage::Relay(relay(ip(9), b"\x63anything")).encode().into());
    serf.settle(at(0));
    let out = outputs(&mut serf);
    let packet =
        |o: &&Output| matches!(o, Output::Packet { body, .. } if &body[..] == b"\x08\x63anything");
    assert_eq!(out.iter().filter(packet).count(), 1);
    for bad in [relay(Address::default(), b"x"), relay(ip(9), b"")] {
        let out = receive(&mut serf, at(0), SerfMessage::Relay(bad));
        assert!(matches!(facts(&out)[..], [Fact::MessageDropped { .. }]));
    }
}

/// One that is for ourselves is read, and may hold another: the work must have an end soon.
#[test]
fn relays_within_relays_are_bounded() {
    let mut serf = serf();
    let response = QueryResponse {
        lamport_time: time(9),
        id: 1,
        from: name("bravo"),
        flags: 0,
        payload: None,
    };
    let mut message = Bytes::from(SerfMessage::QueryResponse(response).encode());
    let mut depth = 0;
    while message.len() <= limits::ANSWER_BYTES {
        depth += 1;
        let relay = Relay {
            destination_address: ip(1),
            destination_port: 7946,
            destination_zone: String::new(),
            destination_name: String::new(),
            message,
        };
        message = SerfMessage::Relay(relay).encode().into();
    }
    assert!(depth > 500);
    serf.on_user_message(at(0), message.clone());
    serf.settle(at(0));
    let out = outputs(&mut serf);
    assert!(matches!(facts(&out)[..], [Fact::MessageDropped { .. }]), "too long");
    assert!(serf.loopback.is_empty());
}

#[test]
fn what_is_longer_than_any_message_is_dropped() {
    let mut serf = serf();
    let long = |length: usize| {
        let payload = Some(vec![7; length].into());
        SerfMessage::Query(Query { payload, ..query(5, 1) })
    };
    let dropped =
        |out: &[Output]| facts(out).iter().any(|fact| matches!(fact, Fact::MessageDropped { .. }));
    assert!(dropped(&receive(&mut serf, at(0), long(limits::MESSAGE_BYTES))));
    assert_eq!(serf.statistics().query_time, time(1), "not even looked at");
    assert!(!dropped(&receive(&mut serf, at(0), long(9 * 1024))));
    assert_eq!(serf.statistics().query_time, time(6));
}

#[test]
fn a_query_with_too_many_filters_is_ignored() {
    let mut serf = serf();
    let filter = |index: usize| Filter::Tag { tag: "t".into(), expression: format!("|{index}") };
    let with = |id: u32, count: usize| {
        let filters = (0..count).map(|index| filter(index).encode()).collect();
        SerfMessage::Query(Query { filters: Some(filters), ..query(5, id) })
    };
    let delivered =
        |out: &[Output]| out.iter().any(|o| matches!(o, Output::Event(Event::Query { .. })));
    assert!(delivered(&receive(&mut serf, at(0), with(1, limits::FILTERS))));
    let out = receive(&mut serf, at(0), with(2, limits::FILTERS + 1));
    assert!(!delivered(&out));
    assert!(facts(&out).iter().any(|fact| matches!(
        fact,
        Fact::MessageDropped { kind: Some(MessageKind::Query), why, .. }
            if why.starts_with("it has too many filters")
    )));
    let filters = (0..=limits::FILTERS).map(filter).collect();
    let request = QueryRequest { name: "q".into(), filters, ..QueryRequest::default() };
    let why = failure(&command(&mut serf, at(0), Command::Query(request)));
    assert_eq!(why.as_deref(), Some("query exceeds limit of 64 filters"));
    assert!(serf.own_queries.is_empty());
}

/// A clock at the end of time: the second query would take the place of the first, whose
/// caller would wait for ever.
#[test]
fn at_the_end_of_time_one_query_runs_at_a_time() {
    let mut serf = serf();
    serf.clocks.query.restore(time(u64::MAX));
    let ask = || Command::Query(QueryRequest { name: "q".into(), ..QueryRequest::default() });
    let first = command(&mut serf, at(0), ask());
    assert!(matches!(outcome(&first), Some(Outcome::QuerySent { .. })));
    assert!(failure(&command(&mut serf, at(0), ask())).is_some());
    wake(&mut serf, at(60_000));
    assert!(matches!(
        outcome(&command(&mut serf, at(60_000), ask())),
        Some(Outcome::QuerySent { .. })
    ));
}

#[test]
fn internal_queries_are_not_delivered() {
    let mut serf = serf();
    for (index, name) in ["_serf_ping", "_serf_nonsense", "_serf_"].into_iter().enumerate() {
        let out = receive(
            &mut serf,
            at(0),
            SerfMessage::Query(Query { name: name.into(), ..query(5 + index as u64, 1) }),
        );
        assert!(delivered(&out).is_empty());
        let failed = facts(&out).iter().any(|f| matches!(f, Fact::InternalQueryFailed { .. }));
        assert_eq!(failed, name != "_serf_ping");
    }
}

fn conflict(serf: &mut Serf, about: &'static str, at_time: u64) -> Option<SerfMessage> {
    let query =
        Query { name: "_serf_conflict".into(), payload: Some(about.into()), ..query(at_time, 1) };
    let out = receive(serf, at(0), SerfMessage::Query(query));
    let [(_, SerfMessage::QueryResponse(response))] = &sent(&out)[..] else { return None };
    Some(SerfMessage::decode(response.payload.as_deref().unwrap()).unwrap())
}

#[test]
fn votes_are_cast_by_all_but_those_who_bear_the_name() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_departed(at(0), &node("bravo", 2, 1));
    let Some(SerfMessage::ConflictResponse(Some(record))) = conflict(&mut serf, "bravo", 5) else {
        panic!("no vote")
    };
    assert_eq!((record.address, record.port, record.status), (ip(2), 7946, 4));
    assert_eq!(conflict(&mut serf, "stranger", 6), Some(SerfMessage::ConflictResponse(None)));
    assert_eq!(conflict(&mut serf, "alpha", 7), None);
}

fn vote(record: Option<(Address, u16)>) -> Vec<u8> {
    let record = record.map(|(address, port)| MemberRecord {
        name: name("alpha"),
        address,
        port,
        tags: Default::default(),
        status: 1,
        versions: Default::default(),
    });
    SerfMessage::ConflictResponse(record).encode()
}

/// Trap 24: nobody's vote is no majority; and half the votes is not one either.
#[test]
fn a_majority_keeps_the_name() {
    let mapped =
        Address::from_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]).unwrap();
    let ours = Some((ip(1), 7946));
    let theirs = Some((ip(2), 7946));
    let table = [
        (vec![], false),
        (vec![ours, ours], true),
        (vec![ours, theirs], false),
        (vec![ours, ours, theirs], true),
        (vec![ours, None], false),
        (vec![ours, Some((ip(1), 7947))], false),
        (vec![Some((mapped, 7946))], true),
    ];
    for (votes, kept) in table {
        let mut serf = serf();
        serf.on_conflict(at(0), &node("alpha", 1, 1), &node("alpha", 66, 1));
        serf.on_conflict(at(0), &node("alpha", 1, 1), &node("alpha", 66, 1));
        serf.settle(at(0));
        assert_eq!(serf.own_queries.len(), 1, "one vote at a time");
        let (&lamport_time, own) = serf.own_queries.first_key_value().unwrap();
        let id = QueryId { lamport_time, id: own.id };
        for (index, record) in votes.iter().enumerate() {
            let payload = Some(vote(*record).into());
            let response = QueryResponse { payload, ..response(id, &format!("voter-{index}"), 0) };
            receive(&mut serf, at(1), SerfMessage::QueryResponse(response));
        }
        let out = wake(&mut serf, at(3200));
        let told = facts(&out).iter().any(|f| {
            matches!(
                f,
                Fact::ConflictVote { responses, kept: k, .. }
                    if *responses == votes.len() && *k == kept
            )
        });
        assert!(told, "{votes:?}");
        assert_eq!(out.iter().any(|o| matches!(o, Output::Shutdown)), !kept, "{votes:?}");
    }
}

#[test]
fn votes_that_cannot_be_read_do_not_count() {
    let serf = serf();
    let mut tally = Vote::default();
    for payload in [None, Some(&b""[..]), Some(b"\x06"), Some(b"\x07\x80")] {
        tally.count(serf.gossip.local(), payload);
    }
    assert_eq!(tally.responses, 0);
}

#[test]
fn a_conflict_of_others_is_only_told() {
    let mut serf = serf();
    serf.on_conflict(at(0), &node("bravo", 2, 1), &node("bravo", 66, 1));
    assert!(serf.own_queries.is_empty());
    assert!(matches!(facts(&outputs(&mut serf))[..], [Fact::NameConflict { ours: false, .. }]));
    let mut serf = with(Config { resolve_name_conflicts: false, ..config() }, None);
    serf.on_conflict(at(0), &node("alpha", 1, 1), &node("alpha", 66, 1));
    assert!(serf.own_queries.is_empty());
}

#[test]
fn messages_that_have_no_place_are_dropped() {
    let mut serf = serf();
    for message in [&b"\x02\x80"[..], b"\x06\xc0", b"\x07\x80", b"\x08\x80", b"\x63", b"\x04"] {
        serf.on_user_message(at(0), Bytes::copy_from_slice(message));
        assert!(
            matches!(facts(&outputs(&mut serf))[..], [Fact::MessageDropped { .. }]),
            "{message:?}"
        );
    }
    serf.on_user_message(at(0), Bytes::new());
    assert!(outputs(&mut serf).is_empty());
}

#[test]
fn coordinates_come_from_direct_answers_of_members() {
    let mut serf = serf();
    assert!(serf.coordinate("alpha").is_some() && serf.coordinate("bravo").is_none());
    let payload =
        Coordinate { vec: vec![0.001; 8], error: 1.0, adjustment: 0.0, height: 1e-5 }.to_payload();
    let rtt = Duration::from_millis(20);
    serf.on_round_trip(&name("bravo"), rtt, Some(&payload));
    assert!(serf.coordinate("bravo").is_none(), "not a member");
    serf.on_joined(at(0), &node("bravo", 2, 1));
    outputs(&mut serf);
    serf.on_round_trip(&name("bravo"), rtt, None);
    serf.on_round_trip(&name("bravo"), rtt, Some(b""));
    assert!(outputs(&mut serf).is_empty());
    serf.on_round_trip(&name("bravo"), rtt, Some(b"\x02"));
    assert!(matches!(facts(&outputs(&mut serf))[..], [Fact::CoordinateRejected { .. }]));
    serf.on_round_trip(&name("bravo"), rtt, Some(&payload));
    assert!(serf.coordinate("bravo").is_some());
    serf.on_departed(at(0), &node("bravo", 2, 1));
    wake(&mut serf, at(25 * 3600 * 1000));
    assert!(serf.member("bravo").is_none() && serf.coordinate("bravo").is_none());

    let off = with(Config { coordinates: false, ..config() }, None);
    assert!(off.coordinate("alpha").is_none());
}

#[test]
fn recorded_messages_are_understood() {
    let shared = match std::env::var_os("TRIBUNE_SHARED") {
        Some(path) => std::path::PathBuf::from(path),
        None => std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let mut fed = 0;
    for file in std::fs::read_dir(shared.join("vectors/gossip")).unwrap() {
        let path = file.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("serf-") {
            continue;
        }
        let file: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let Some(hex) = vector["message_hex"].as_str() else { continue };
            let message: Vec<u8> = (0..hex.len() / 2)
                .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
                .collect();
            let mut serf = serf();
            serf.on_user_message(at(0), message.into());
            serf.settle(at(0));
            let out = outputs(&mut serf);
            let dropped = facts(&out).iter().any(|f| matches!(f, Fact::MessageDropped { .. }));
            assert!(!dropped, "{}: {} {:?}", path.display(), vector["description"], facts(&out));
            fed += 1;
        }
    }
    assert!(fed > 20, "{fed}");
}
