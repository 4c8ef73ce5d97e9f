use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use wire::Key;
use wire::message::serf::{KeyRequest, KeyResponse, Query, QueryResponse};

use super::*;
use crate::interface::{KeyOperation, KeyReport, KeyStep, Persist, PersistId};

fn key(byte: u8, length: usize) -> Vec<u8> {
    vec![byte; length]
}

fn ring(keys: impl IntoIterator<Item = Vec<u8>>) -> Keyring {
    let mut keys = keys.into_iter().map(|raw| Key::new(&raw).unwrap());
    let primary = keys.next().unwrap();
    Keyring::with_keys(primary, keys)
}

fn encrypted(persist_keyring: bool) -> Serf {
    let keyring = ring([key(1, 16), key(2, 16)]);
    with_keys(Config { persist_keyring, ..config() }, Some(keyring), None)
}

fn own_keys(serf: &Serf) -> Vec<u8> {
    serf.security().keyring.as_ref().unwrap().keys().iter().map(|k| k.as_bytes()[0]).collect()
}

fn key_query(at: u64, operation: &str, payload: Option<Bytes>) -> SerfMessage {
    SerfMessage::Query(Query {
        timeout_ns: 10_000_000_000,
        name: format!("_serf_{operation}"),
        payload,
        ..query(at, 1)
    })
}

fn request(raw: Vec<u8>) -> Option<Bytes> {
    Some(SerfMessage::KeyRequest(KeyRequest { key: raw.into() }).encode().into())
}

fn answer(outputs: &[Output]) -> Option<KeyResponse> {
    outputs.iter().find_map(|output| {
        let Output::Packet { body, .. } = output else { return None };
        let Ok(SerfMessage::QueryResponse(response)) = SerfMessage::decode(body.get(1..)?) else {
            return None;
        };
        match SerfMessage::decode(&response.payload?) {
            Ok(SerfMessage::KeyResponse(response)) => Some(response),
            _ => None,
        }
    })
}

fn persist(outputs: &[Output]) -> Option<(PersistId, Vec<u8>)> {
    outputs.iter().find_map(|output| match output {
        Output::Persist { id, what: Persist::Keyring(keys) } => {
            Some((*id, keys.iter().map(|key| key[0]).collect()))
        }
        _ => None,
    })
}

#[test]
fn operations_and_their_recorded_texts() {
    let refusals = [
        ("use-key", key(9, 16), "Requested key is not in the keyring"),
        ("remove-key", key(1, 16), "Removing the primary key is not allowed"),
        ("install-key", key(9, 15), "key size must be 16, 24 or 32 bytes"),
    ];
    for (query, raw, message) in refusals {
        let mut serf = encrypted(false);
        let out = receive(&mut serf, at(0), key_query(5, query, request(raw)));
        let expected = KeyResponse { message: message.into(), ..KeyResponse::default() };
        assert_eq!(answer(&out), Some(expected));
        assert_eq!(own_keys(&serf), [1, 2]);
    }
    let successes = [
        ("install-key", 3, vec![1, 2, 3]),
        ("install-key", 2, vec![1, 2]),
        ("use-key", 2, vec![2, 1]),
        ("remove-key", 2, vec![1]),
        ("remove-key", 9, vec![1, 2]),
    ];
    for (query, byte, keys) in successes {
        let mut serf = encrypted(false);
        let out = receive(&mut serf, at(0), key_query(5, query, request(key(byte, 16))));
        assert_eq!(answer(&out), Some(KeyResponse { result: true, ..KeyResponse::default() }));
        assert_eq!(own_keys(&serf), keys, "{query} {byte}");
    }
}

#[test]
fn a_member_without_encryption_says_so() {
    let texts = [
        ("install-key", "No keyring to modify (encryption not enabled)"),
        ("list-keys", "Keyring is empty (encryption not enabled)"),
    ];
    for (query, text) in texts {
        let mut serf = serf();
        let out = receive(&mut serf, at(0), key_query(5, query, request(key(1, 16))));
        let answer = answer(&out).unwrap();
        assert_eq!((answer.result, answer.message.as_str()), (false, text));
    }
}

/// Trap 20: the reference skips the first byte without looking whether there is one.
#[test]
fn requests_that_cannot_be_read_are_refused() {
    for payload in [
        None,
        Some(Bytes::new()),
        Some(Bytes::from_static(b"\x07")),
        Some(Bytes::from_static(b"\x07\xc3")),
    ] {
        let mut serf = encrypted(false);
        let out = receive(&mut serf, at(0), key_query(5, "install-key", payload));
        let answer = answer(&out).unwrap();
        assert!(!answer.result && !answer.message.is_empty());
    }
}

#[test]
fn a_change_is_in_force_and_answered_once_it_is_on_disk() {
    let mut serf = encrypted(true);
    let out = receive(&mut serf, at(0), key_query(5, "install-key", request(key(3, 16))));
    let (id, keys) = persist(&out).unwrap();
    assert_eq!(keys, [1, 2, 3]);
    assert_eq!((answer(&out), own_keys(&serf)), (None, vec![1, 2]));
    // A second one waits for the first.
    let out = receive(&mut serf, at(1), key_query(6, "use-key", request(key(3, 16))));
    assert_eq!((answer(&out), persist(&out)), (None, None));

    serf.handle(at(2), Input::Persisted { id, result: Ok(()) });
    let out = outputs(&mut serf);
    assert!(answer(&out).unwrap().result);
    assert_eq!(own_keys(&serf), [1, 2, 3]);
    let (id, keys) = persist(&out).unwrap();
    assert_eq!(keys, [3, 1, 2]);

    serf.handle(at(3), Input::Persisted { id, result: Err("disk full".into()) });
    let out = outputs(&mut serf);
    let failed = |fact: &&Fact| {
        matches!(fact, Fact::KeyFailure { operation: "use-key", step: KeyStep::Write, message }
            if message == "disk full")
    };
    assert_eq!(facts(&out).into_iter().filter(failed).count(), 1, "{out:?}");
    let answer = answer(&out).unwrap();
    assert_eq!((answer.result, answer.message.as_str()), (false, "disk full"));
    assert_eq!(own_keys(&serf), [1, 2, 3], "nothing has happened");
}

#[test]
fn a_disk_that_does_not_answer_holds_a_bounded_number_of_requests() {
    let mut serf = encrypted(true);
    for index in 0..40 {
        receive(&mut serf, at(0), key_query(5 + index, "install-key", request(key(3, 16))));
    }
    assert!(serf.key_tasks.waiting.len() <= crate::limits::KEY_OPERATIONS);
}

#[test]
fn a_listing_shows_what_fits() {
    let keys = (0..60).map(|byte| key(byte, 32));
    let mut serf = with_keys(config(), Some(ring(keys)), None);
    let out = receive(&mut serf, at(0), key_query(5, "list-keys", request(Vec::new())));
    let truncated = answer(&out).unwrap();
    assert!(truncated.result);
    assert_eq!(truncated.message, "truncated key list response, showing first 17 of 60 keys");
    let listed = truncated.keys.unwrap();
    assert_eq!(listed.len(), 17, "as recorded for a name of five bytes");
    assert_eq!(listed[0], BASE64.encode(key(0, 32)));
    assert_eq!(truncated.primary_key, listed[0]);

    let mut serf = encrypted(false);
    let out = receive(&mut serf, at(0), key_query(5, "list-keys", None));
    let answer = answer(&out).unwrap();
    assert_eq!((answer.result, answer.message.as_str(), answer.keys.unwrap().len()), (true, "", 2));
}

fn operate(serf: &mut Serf, answers: &[(&str, KeyResponse)], live: usize) -> Option<KeyReport> {
    for index in 0..live - 1 {
        let name = format!("n{index}");
        meet(serf, &node(&name, 10 + index as u8, 1));
    }
    let mut out = command(serf, at(0), Command::Keys(KeyOperation::List));
    let (&lamport_time, own) = serf.own_queries.first_key_value().unwrap();
    let id = own.id;
    for (from, response) in answers {
        let payload = Some(SerfMessage::KeyResponse(response.clone()).encode().into());
        let response = QueryResponse { lamport_time, id, from: name(from), flags: 0, payload };
        out.extend(receive(serf, at(1), SerfMessage::QueryResponse(response)));
    }
    report(&out)
}

fn report(outputs: &[Output]) -> Option<KeyReport> {
    match outcome(outputs) {
        Some(Outcome::Keys(report)) => Some(report.clone()),
        _ => None,
    }
}

fn good(keys: &[&str]) -> KeyResponse {
    KeyResponse {
        result: true,
        message: String::new(),
        keys: Some(keys.iter().map(|k| (*k).to_owned()).collect()),
        primary_key: keys[0].to_owned(),
    }
}

#[test]
fn one_member_alone_is_a_whole_cluster() {
    let mut serf = encrypted(false);
    let out = command(&mut serf, at(0), Command::Keys(KeyOperation::Install(key(3, 16).into())));
    let report = report(&out).unwrap();
    assert_eq!((report.nodes, report.responses, report.errors, report.failure), (1, 1, 0, None));
    assert_eq!(own_keys(&serf), [1, 2, 3]);
}

/// Trap 26: a message is not a failure.
#[test]
fn a_report_ends_when_all_have_answered_and_sums_up() {
    let mut serf = encrypted(false);
    let truncated = KeyResponse { message: "showing some".into(), ..good(&["a", "b"]) };
    let answers = [("n0", good(&["a"])), ("n1", truncated)];
    let report = operate(&mut serf, &answers, 3).unwrap();
    assert_eq!((report.nodes, report.responses, report.errors), (3, 3, 0));
    assert_eq!(report.failure, None);
    assert_eq!(report.messages, [(name("n1"), "showing some".to_owned())].into());
    assert_eq!((report.keys["a"], report.keys["b"], report.primary_keys["a"]), (2, 1, 2));
    assert!(serf.own_queries.is_empty());
}

#[test]
fn a_report_of_failures() {
    let mut serf = encrypted(false);
    let bad = KeyResponse { message: "no".into(), ..KeyResponse::default() };
    let failed = operate(&mut serf, &[("n0", bad), ("n1", good(&["a"]))], 3).unwrap();
    assert_eq!(failed.failure.as_deref(), Some("1/3 nodes reported failure"));

    let mut serf = encrypted(false);
    assert!(operate(&mut serf, &[("n0", good(&["a"]))], 3).is_none());
    let late = report(&wake(&mut serf, at(10_000))).unwrap();
    assert_eq!(late.failure.as_deref(), Some("2/3 nodes reported success"));
}

#[test]
fn answers_that_cannot_be_read_are_errors() {
    let mut count = super::super::keys::KeyCount { caller: Token(1), report: KeyReport::default() };
    for payload in [None, Some(&b""[..]), Some(b"\x08"), Some(b"\x06\xc0")] {
        let fact = count.take(name("n0"), payload);
        assert!(matches!(fact, Some(Fact::KeyResponseMalformed { .. })));
    }
    assert_eq!(count.into_report().1.errors, 4);
}

#[test]
fn an_old_protocol_cannot_ask() {
    let mut serf = with(Config { protocol: 3, ..config() }, None);
    let out = command(&mut serf, at(0), Command::Keys(KeyOperation::List));
    assert_eq!(failure(&out).as_deref(), Some("Feature not supported"));
}
