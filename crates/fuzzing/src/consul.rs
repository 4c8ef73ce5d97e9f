//! What comes to a server of Consul's API: bodies of requests, and archives of the state.

use api::{Agent, Answer, Failure, Handler, Method, Proposal, Query, Reader, Request};
use archive::{Meta, Records};
use catalog::{ModifyIndex, Snapshot, State, Time, Uuid};
use local::{CheckDefinition, ServiceDefinition};

/// The calls whose bodies are read, by the first byte of an input; two further kinds are
/// definitions of a service and of a check.
pub(crate) const CALLS: [&str; 7] = [
    "/v1/catalog/register",
    "/v1/catalog/deregister",
    "/v1/coordinate/update",
    "/v1/operator/autopilot/configuration",
    "/v1/session/create",
    "/v1/txn",
    "/v1/query",
];
pub(crate) const SERVICE: usize = CALLS.len();
pub(crate) const CHECK: usize = CALLS.len() + 1;

/// Most bytes of a body, and of an archive when it is unpacked.
const LIMIT: usize = 1 << 20;

pub(crate) fn body(input: &[u8]) {
    let Some((&kind, body)) = input.split_first() else { return };
    match usize::from(kind) % (CALLS.len() + 2) {
        SERVICE => match ServiceDefinition::parse(body) {
            Ok(service) => {
                let _ = service.validate();
                let _ = service.complaints();
            }
            Err(refused) => assert!(!refused.to_string().is_empty()),
        },
        CHECK => match CheckDefinition::parse(body) {
            Ok(check) => {
                let _ = check.validate();
                assert!(!check.is_alias() || !check.is_script());
            }
            Err(refused) => assert!(!refused.to_string().is_empty()),
        },
        call => written(CALLS[call], body),
    }
}

/// Whatever is written is there once, the same everywhere, and survives a snapshot.
fn written(path: &str, body: &[u8]) {
    let mut states = [State::default(), State::default()];
    let node = br#"{"Node": "n", "Address": "10.0.0.1", "Service": {"Service": "web"}}"#;
    for state in &mut states {
        put(state, 1, "/v1/catalog/register", node).expect("a node and its service");
    }
    let [first, second] = states.each_mut().map(|state| put(state, 2, path, body));
    match (first, second) {
        (Ok(_), Ok(_)) => {}
        (Err(first), Err(second)) => {
            assert_eq!(first, second);
            assert!((400..600).contains(&first.status), "{first:?}");
        }
        (first, second) => panic!("{first:?} and then {second:?}"),
    }
    let [saved, again] = states.map(|state| saved(&state.snapshot()));
    assert!(saved == again, "two servers differ");
    let restored = Snapshot::restore(&mut &saved[..]).expect("what was saved");
    assert!(self::saved(&restored) == saved, "a snapshot is another one after it was restored");
    for query in restored.query_list() {
        if let Ok(Some(found)) = restored.query_lookup(&format!("{}x-1", query.name)) {
            let mut chosen = Vec::new();
            restored.query_run(&found, false, &mut chosen, None);
            assert!(chosen.len() <= 1);
        }
    }
}

fn saved(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.save(&mut bytes).expect("memory takes everything");
    bytes
}

pub(crate) fn put(
    state: &mut State,
    index: u64,
    path: &str,
    body: &[u8],
) -> Result<Answer, Failure> {
    let row = api::find(path).expect("an endpoint").endpoint;
    let write = row.handlers.iter().find_map(|(method, handler)| match handler {
        Handler::Write(write) if matches!(method, Method::Put | Method::Post) => Some(write),
        _ => None,
    });
    let request = Request {
        method: Method::Put,
        tail: Box::default(),
        query: Query::default(),
        body: body.to_vec().into(),
        token: Box::default(),
        source: None,
    };
    let agent = Agent {
        datacenter: "dc1".into(),
        node: "n".into(),
        kv_value_max_bytes: LIMIT,
        txn_max_bytes: LIMIT,
        session_ttl_min_ns: 10_000_000_000,
        coordinates: true,
    };
    let snapshot = state.snapshot();
    let reader = Reader { snapshot: &snapshot, agent: &agent, fresh: Uuid::from_bytes([7; 16]) };
    match write.expect("it writes")(&request, &reader)? {
        Proposal::Answer(answer) => Ok(answer),
        Proposal::Command(command, then) => {
            let mut responses = state.apply(ModifyIndex(index), Time(1_000), [command]);
            then(responses.pop().expect("a response for each command"))
        }
    }
}

pub(crate) fn archive(input: &[u8]) {
    if let Some((meta, read)) = unpacked(input) {
        state(&read);
        assert_eq!(unpacked(&packed(&meta, &read)).map(|(_, again)| again), Some(read));
    }
    // What stands behind the sums, which nobody guesses.
    state(input);
    let whole = unpacked(&packed(&Meta::default(), input));
    assert_eq!(whole.map(|(_, read)| read), Some(input.to_vec()));
}

/// The description and the state in an archive.
pub(crate) fn unpacked(bytes: &[u8]) -> Option<(Meta, Vec<u8>)> {
    let (meta, state) = archive::read(bytes, LIMIT as u64, |state| {
        let mut bytes = Vec::new();
        state.read_to_end(&mut bytes).map(|_| bytes)
    })
    .ok()?;
    Some((meta, state.ok()?))
}

fn packed(meta: &Meta, state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive::write(&mut bytes, meta, |out| out.write_all(state)).expect("memory takes every byte");
    bytes
}

fn state(bytes: &[u8]) {
    let _ = Records::new(bytes, LIMIT).last_index();
    let mut length = 0;
    let mut records = Records::new(bytes, LIMIT);
    loop {
        match records.next_record() {
            Ok(Some(record)) => {
                length += record.length;
                assert!(!archive::type_name(record.kind).is_empty());
                let _ = (archive::is_known(record.kind), record.key());
            }
            Ok(None) => break,
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(length <= bytes.len());
}
