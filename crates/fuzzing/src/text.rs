//! The readers of texts: files, and the notations of Go.

use std::net::SocketAddr;

use agent::event_filter::EventFilter;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use filter::{Filter, FilterError, View};
use gotext::decode::{Value, first_value, whole_value};
use gotext::{GoDuration, Json};
use serf::SnapshotRecord;
use serf::snapshot::{SnapshotState, SnapshotWarning};
use wire::NodeName;

/// Deepest nesting that two readers of JSON can be expected to agree on.
const SHALLOW: usize = 100;

/// Lines of an input that are taken for names.
const NAMES: usize = 4;

/// Largest whole number up to which every one is a 64-bit float.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(crate) fn snapshot(input: &[u8]) {
    snapshot_names(input);
    for rejoin in [false, true] {
        let (state, warnings) = SnapshotState::replay(input, rejoin);
        let lines = input.iter().filter(|&&byte| byte == b'\n').count();
        assert!(state.alive.len() + warnings.len() <= lines);
        assert!(rejoin || !warnings.contains(&SnapshotWarning::LeaveIgnored));
        let compacted = state.compacted();
        assert_eq!(SnapshotState::replay(&compacted, rejoin), (state.clone(), Vec::new()));
        let _ = state.wants_compaction(input.len() as u64);

        // A write that was cut off costs the line it was in, and nothing before it.
        let torn = format!("{compacted}alive: torn 10.0.0.1:79");
        assert_eq!(SnapshotState::replay(torn, rejoin).0, state);
    }
}

/// Whatever a member is called, as long as it stays on its line.
fn snapshot_names(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for name in text.lines().take(NAMES) {
        let (node, address) = (NodeName::from(name), SocketAddr::from(([10, 0, 0, 1], 7946)));
        let alive = SnapshotRecord::Alive { node: node.clone(), address };
        let (state, warnings) = SnapshotState::replay(alive.to_line(), false);
        assert_eq!((state.alive.get(&node), &warnings[..]), (Some(&address), &[][..]));
        let gone = alive.to_line() + &SnapshotRecord::NotAlive { node }.to_line();
        let expected = (SnapshotState::default(), Vec::new());
        assert_eq!(SnapshotState::replay(gone, false), expected);
    }
}

pub(crate) fn gotext(input: &[u8]) {
    json(input);
    let text = String::from_utf8_lossy(input);
    duration(&text);
    if let Some(Ok(number)) = input.get(..8).map(<[u8; 8]>::try_from) {
        duration(&GoDuration::from_nanoseconds(i64::from_le_bytes(number)).to_string());
    }
    let quoted = gotext::quote_bytes(input);
    assert!(quoted.starts_with('"') && quoted.ends_with('"') && quoted.len() >= 2);
    assert!(!quoted.contains(char::is_control));
    let _ = gotext::parse_bool(&text);
    let _ = gotext::parse_int(&text);
    address(&text);
    if let Ok(bytes) = STANDARD.decode(input) {
        assert_eq!(gotext::decode_base64(&text), Ok(bytes));
    }
    if let Ok(bytes) = gotext::decode_base64(&text) {
        assert!(bytes.len() <= text.len());
    }
}

fn duration(text: &str) {
    if let Ok(read) = GoDuration::parse(text) {
        assert_eq!(GoDuration::parse(&read.to_string()), Ok(read), "{text:?}");
    }
}

fn address(text: &str) {
    if let Ok((host, port)) = gotext::split_host_port(text)
        && let Ok(number) = gotext::parse_port(port)
    {
        let joined = gotext::join_host_port(host, number);
        let expected = number.to_string();
        assert_eq!(gotext::split_host_port(&joined), Ok((host, &expected[..])));
    }
}

fn json(input: &[u8]) {
    let (first, whole) = (first_value(input), whole_value(input));
    if let Ok(value) = &whole {
        assert_eq!(first.as_ref(), Ok(value));
        shown(value);
        let json = to_json(value);
        for written in [json.compact(), json.indented()] {
            let again = whole_value(written.as_bytes()).map(|value| to_json(&value));
            assert_eq!(again.as_ref(), Ok(&json), "{written}");
        }
    }
    // Another reader as a witness, where it follows the same rules: Go takes lone surrogates and
    // what is not UTF-8.
    let depth = input.iter().filter(|&&byte| byte == b'[' || byte == b'{').count();
    if depth < SHALLOW {
        let witness = serde_json::from_slice::<serde_json::Value>(input);
        let escaped = input.windows(2).any(|pair| pair == b"\\u");
        match (&whole, witness) {
            (Ok(value), Ok(witness)) if !escaped => assert!(agree(value, &witness), "{value:?}"),
            (Err(error), Ok(witness)) => panic!("{error} in what is {witness}"),
            (Ok(value), Err(error)) if !escaped && std::str::from_utf8(input).is_ok() => {
                panic!("{value:?} from what is not: {error}")
            }
            _ => {}
        }
    }
}

/// As errors show it.
fn shown(value: &Value) {
    let text = value.to_string();
    match value {
        Value::Number(number) => assert_eq!(text.parse(), Ok(number.float())),
        Value::List(_) => assert!(text.starts_with('[') && text.ends_with(']')),
        Value::Object(_) => assert!(text.starts_with("map[") && text.ends_with(']')),
        _ => {}
    }
    let kinds = [value.go_kind(), value.go_type(), value.json_kind()];
    assert!(kinds.iter().all(|kind| !kind.is_empty()));
}

/// Numbers that are not whole become null.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => match number.float() {
            whole if whole.fract() == 0.0 && whole.abs() < EXACT => Json::Int(whole as i64),
            _ => Json::Null,
        },
        Value::Text(text) => Json::text(text.as_str()),
        Value::List(items) => Json::List(items.iter().map(to_json).collect()),
        Value::Object(fields) => {
            Json::Object(fields.iter().map(|(key, value)| (key.clone(), to_json(value))).collect())
        }
    }
}

fn agree(ours: &Value, witness: &serde_json::Value) -> bool {
    use serde_json::Value as Witness;
    match (ours, witness) {
        (Value::Null, Witness::Null) => true,
        (Value::Bool(ours), Witness::Bool(witness)) => ours == witness,
        // The witness rounds a little differently in the last place.
        (Value::Number(ours), Witness::Number(witness)) => {
            witness.as_f64().is_some_and(|witness| {
                let ours = ours.float();
                (ours - witness).abs() <= ours.abs() * f64::EPSILON * 4.0
            })
        }
        (Value::Text(ours), Witness::String(witness)) => ours == witness,
        (Value::List(ours), Witness::Array(witness)) => {
            ours.len() == witness.len() && ours.iter().zip(witness).all(|(a, b)| agree(a, b))
        }
        (Value::Object(ours), Witness::Object(witness)) => {
            ours.len() == witness.len()
                && ours.iter().all(|(key, ours)| witness.get(key).is_some_and(|w| agree(ours, w)))
        }
        _ => false,
    }
}

/// One file of the agent's configuration, in either notation.
struct OneFile<'a>(&'a [u8]);

impl settings::Files for OneFile<'_> {
    fn open(&self, _: &str) -> std::io::Result<settings::Content> {
        Ok(settings::Content::File(self.0.to_vec()))
    }
    fn is_directory(&self, _: &str) -> Option<bool> {
        None
    }
}

pub(crate) fn settings(input: &[u8]) {
    let interface = |name: &str, address: [u8; 4]| settings::Interface {
        name: name.to_owned(),
        address: address.into(),
        prefix: 8,
        up: true,
        default_route: name != "lo",
    };
    let interfaces = vec![interface("lo", [127, 0, 0, 1]), interface("eth0", [10, 0, 0, 5])];
    let host = settings::Host { name: "host".to_owned(), interfaces };
    for path in ["c.json", "c.hcl"] {
        let flags = [("dev", "true"), ("config-file", path)].map(|(name, value)| {
            settings::FlagSetting { name: name.to_owned(), value: value.to_owned() }
        });
        match settings::load(&flags, &OneFile(input), &host) {
            Ok(settings) => {
                let _ = settings.check_after_banner();
                // What does not start is not reloaded to.
                if settings.check_start().is_ok() {
                    assert_eq!(settings.check_reload(&settings), Ok(Vec::new()));
                }
                assert!(settings.network.http.iter().all(|address| match address {
                    settings::ListenAddress::Tcp(address) => address.port() != 0,
                    settings::ListenAddress::Unix(_) => true,
                }));
            }
            Err(failure) => assert!(!failure.message.is_empty()),
        }
    }
}

/// Whatever is read can be written as JSON, whose objects become blocks: that says the same.
pub(crate) fn hcl(input: &[u8]) {
    let json = match hcl::read(input) {
        Ok(value) => match json_without_blocks(&value) {
            Some(json) => json,
            None => return,
        },
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let text = serde_json::to_string(&json).expect("texts, numbers, lists and objects");
    let again = hcl::read(text.as_bytes()).map(|value| json_without_blocks(&value));
    assert_eq!(again, Ok(Some(json)));
}

/// The value as JSON, blocks as plain objects; nothing for numbers that only JSON's readers round.
fn json_without_blocks(value: &Value) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => Json::Number(number.as_str().parse::<i64>().ok()?.into()),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => {
            let mut items: Vec<Json> =
                items.iter().map(json_without_blocks).collect::<Option<_>>()?;
            match items.pop_if(|item| item.is_object()) {
                Some(block) if items.is_empty() => block,
                last => Json::Array(items.into_iter().chain(last).collect()),
            }
        }
        Value::Object(fields) => {
            let field =
                |(key, value): &(String, Value)| Some((key.clone(), json_without_blocks(value)?));
            Json::Object(fields.iter().map(field).collect::<Option<_>>()?)
        }
    })
}

/// A row whose every field is the same text.
struct Uniform;

impl filter::Record for Uniform {
    fn get(&self, _: &str) -> Option<View<'_>> {
        Some(View::Text("alpha"))
    }
    fn is_empty(&self) -> bool {
        false
    }
}

pub(crate) fn filter(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for fields in [filter::fields::NODE, filter::fields::SERVICE_ENTRY] {
        match Filter::new(&text, fields) {
            Ok(found) => match Filter::new(&format!("not ({text})"), fields) {
                Ok(opposite) => assert_ne!(found.matches(&Uniform), opposite.matches(&Uniform)),
                Err(error) => {
                    assert!(matches!(error, FilterError::TooLong | FilterError::TooDeep));
                }
            },
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

pub(crate) fn config(input: &[u8]) {
    match agent::config::decode_text(input) {
        Ok(layer) => {
            let _ = agent::config::log_level(&layer);
            assert!(layer.changes_ignored_by_reload(&layer).is_empty());
        }
        Err(failure) => assert!(!failure.message.is_empty()),
    }
    let list = String::from_utf8_lossy(input);
    if let Ok(filters) = agent::event_filter::parse(&list) {
        assert_eq!(filters.len(), list.split(',').count());
        for filter in filters.iter().filter(|filter| is_named(filter)) {
            let again = agent::event_filter::parse(&filter.to_string());
            assert_eq!(again.as_deref(), Ok(std::slice::from_ref(filter)));
        }
    }
}

fn is_named(filter: &EventFilter) -> bool {
    matches!(filter, EventFilter::User(Some(_)) | EventFilter::Query(Some(_)))
}
