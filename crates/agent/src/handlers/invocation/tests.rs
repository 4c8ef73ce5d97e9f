use std::sync::Arc;

use serf::{MemberEventKind, MemberStatus, QueryId};
use wire::{LamportTime, Versions};

use super::*;

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn user(payload: Option<&'static [u8]>) -> Event {
    Event::User {
        lamport_time: LamportTime(7),
        name: "deploy".into(),
        payload: payload.map(Bytes::from_static),
        coalesce: true,
    }
}

#[test]
fn names_of_tags_become_names_of_variables() {
    for (tag, variable) in [
        ("my-tag.x", "MY_TAG_X"),
        ("Ünï", "_N_"),
        ("straße", "STRA_E"),
        ("1st", "1ST"),
        ("a b\tc", "A_B_C"),
        ("", ""),
    ] {
        assert_eq!(variable_name(tag), variable, "{tag:?}");
    }
}

#[test]
fn a_script_knows_the_event_and_its_member() {
    let own = tags(&[("role", "web"), ("dc", "east")]);
    let invocation = Invocation::new(&user(None), "node1", &own);
    let shown: Vec<String> =
        invocation.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        shown,
        [
            "SERF_EVENT=user",
            "SERF_SELF_NAME=node1",
            "SERF_SELF_ROLE=web",
            "SERF_TAG_DC=east",
            "SERF_TAG_ROLE=web",
            "SERF_USER_EVENT=deploy",
            "SERF_USER_LTIME=7",
        ]
    );
    let query = Event::Query {
        query: QueryId { lamport_time: LamportTime(9), id: 1 },
        name: "load".into(),
        payload: None,
        deadline: serf::Time::ZERO,
        source_node: String::new(),
    };
    let environment = Invocation::new(&query, "node1", &Tags::new()).environment;
    let has = |name: &str, value: &str| environment.contains(&(name.into(), value.into()));
    assert!(has("SERF_QUERY_NAME", "load") && has("SERF_QUERY_LTIME", "9"));
    assert!(has("SERF_SELF_ROLE", ""));
}

#[test]
fn a_payload_ends_in_a_newline_unless_it_is_empty() {
    for (payload, input) in [
        (None, &b""[..]),
        (Some(&b""[..]), b""),
        (Some(b"x"), b"x\n"),
        (Some(b"x\n"), b"x\n"),
        (Some(b"\n"), b"\n"),
        (Some(b"\0\xff"), b"\0\xff\n"),
    ] {
        assert_eq!(Invocation::new(&user(payload), "n", &Tags::new()).input, input);
    }
}

#[test]
fn members_stand_one_to_a_line() {
    let member = |name: &str, ip: &str, pairs: &[(&str, &str)]| Member {
        name: name.into(),
        address: ip.parse::<std::net::IpAddr>().expect("an address").into(),
        port: 7946,
        tags: Arc::new(tags(pairs)),
        status: MemberStatus::Alive,
        versions: Versions::default(),
    };
    let members = vec![
        member("a", "127.0.0.1", &[("role", "web"), ("dc", "x,y")]),
        member("t\tn\nb\\", "fd00::1", &[]),
    ];
    let event = Event::Member { kind: MemberEventKind::Join, members };
    let invocation = Invocation::new(&event, "n", &Tags::new());
    let lines = "a\t127.0.0.1\tweb\tdc=x,y,role=web\nt\\tn\\nb\\\tfd00::1\t\t\n";
    assert_eq!(invocation.input, lines);
    assert!(!invocation.reports_unread_input);
}
