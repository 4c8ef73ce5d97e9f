//! `/v1/kv/`: keys and values (consul-http, "KV").

use bytes::Bytes;
use catalog::{Command, Key, KvVerb, KvWrite, ModifyIndex, Watch};

use crate::answer::{Answer, Body, Failure};
use crate::endpoint::{Proposal, Reader};
use crate::json;
use crate::request::{Method, Request};
use crate::rows::KvRow;

pub(crate) fn get(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let key = &*request.tail;
    if request.query.has("keys") {
        return Ok(keys(request, reader));
    }
    if request.query.has("recurse") {
        let rows: Vec<_> = reader.snapshot.kv_list(key).map(KvRow::new).collect();
        let status = if rows.is_empty() { None } else { Some(json::body(&rows)) };
        return Ok(list(status, reader, key));
    }
    if key.is_empty() {
        return Err(Failure::bad("Missing key name"));
    }
    let watch = Watch::Key(Key::Kv(key.into()));
    let Some(entry) = reader.snapshot.kv_get(key) else {
        return Ok(missing().at(reader.snapshot.kv_index(), [watch]));
    };
    let answer = if request.query.has("raw") {
        raw(entry.fields().value)
    } else {
        Answer::new(json::body(&[KvRow::new(entry)]))
    };
    Ok(answer.at(entry.fields().modify, [watch]))
}

fn missing() -> Answer {
    Answer::new(Body::Empty).status(404)
}

/// The value alone, kept from being taken for a page.
fn raw(value: &[u8]) -> Answer {
    let mut answer = Answer::new(Body::Bytes("text/plain", Bytes::copy_from_slice(value)));
    answer.headers.push(("X-Content-Type-Options", "nosniff".into()));
    answer.headers.push(("Content-Security-Policy", "sandbox".into()));
    answer
}

fn list(found: Option<Body>, reader: &Reader<'_>, prefix: &[u8]) -> Answer {
    found
        .map_or_else(missing, Answer::new)
        .at(reader.snapshot.kv_list_index(prefix), [Watch::Prefix(prefix.into())])
}

/// The names alone, cut behind the first separator after the prefix.
fn keys(request: &Request, reader: &Reader<'_>) -> Answer {
    let prefix = &*request.tail;
    let query = &request.query;
    let separator = query.first("separator").or(query.first("seperator"));
    let separator = separator.filter(|separator| !separator.is_empty());
    let mut names: Vec<json::Lossy<'_>> = Vec::new();
    let mut last: Option<&[u8]> = None;
    for entry in reader.snapshot.kv_list(prefix) {
        let key = entry.key();
        let name = separator.map_or(key, |separator| cut(key, prefix.len(), separator.as_bytes()));
        if last != Some(name) {
            names.push(json::Lossy(name));
            last = Some(name);
        }
    }
    let found = !names.is_empty() || prefix.is_empty();
    list(found.then(|| json::body(&names)), reader, prefix)
}

fn cut<'a>(key: &'a [u8], from: usize, separator: &[u8]) -> &'a [u8] {
    let at = key[from..].windows(separator.len()).position(|window| window == separator);
    at.map_or(key, |at| &key[..from + at + separator.len()])
}

pub(crate) fn write(request: &Request, _: &Reader<'_>) -> Result<Proposal, Failure> {
    if request.method == Method::Delete { delete(request) } else { put(request) }
}

fn put(request: &Request) -> Result<Proposal, Failure> {
    if request.tail.is_empty() {
        return Err(Failure::bad("Missing key name"));
    }
    conflicting(request, &["cas", "acquire", "release"])?;
    let query = &request.query;
    let flags = query.first("flags").map(number).transpose()?.unwrap_or(0);
    let index = query.first("cas").map(number).transpose()?;
    let (verb, session) = if index.is_some() {
        (KvVerb::Cas, "")
    } else if let Some(session) = query.first("acquire") {
        (KvVerb::Lock, session)
    } else if let Some(session) = query.first("release") {
        (KvVerb::Unlock, session)
    } else {
        (KvVerb::Set, "")
    };
    Ok(propose(KvWrite {
        verb,
        key: request.tail.clone(),
        value: (&*request.body).into(),
        flags,
        index: ModifyIndex(index.unwrap_or(0)),
        session: session.into(),
    }))
}

fn delete(request: &Request) -> Result<Proposal, Failure> {
    conflicting(request, &["recurse", "cas"])?;
    let index = request.query.first("cas").map(number).transpose()?;
    let verb = if request.query.has("recurse") {
        KvVerb::DeleteTree
    } else if request.tail.is_empty() {
        return Err(Failure::bad("Missing key name"));
    } else if index.is_some() {
        KvVerb::DeleteCas
    } else {
        KvVerb::Delete
    };
    Ok(propose(KvWrite {
        verb,
        key: request.tail.clone(),
        value: Box::default(),
        flags: 0,
        index: ModifyIndex(index.unwrap_or(0)),
        session: "".into(),
    }))
}

fn propose(write: KvWrite) -> Proposal {
    Proposal::written("raft apply failed: ", Command::Kv(write))
}

/// Refuses more than one condition.
fn conflicting(request: &Request, conditions: &[&str]) -> Result<(), Failure> {
    let given = conditions.iter().filter(|name| request.query.has(name)).count();
    if given > 1 {
        return Err(Failure::bad(format!("Conflicting flags: {}", request.query.encode())));
    }
    Ok(())
}

/// A whole number as Go's parser takes it: digits alone.
pub(crate) fn number(text: &str) -> Result<u64, Failure> {
    let why = if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else if let Ok(number) = text.parse() {
        return Ok(number);
    } else {
        "value out of range"
    };
    Err(Failure::internal(format!("strconv.ParseUint: parsing {}: {why}", gotext::quote(text))))
}
