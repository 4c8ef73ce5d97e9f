//! `/v1/query`: prepared queries, kept and run (consul-http, "Prepared queries").

mod body;
mod rows;

use catalog::{Command, Error, Key, Kind, PreparedQuery, QueryWrite, Response, Uuid, Watch};
use gotext::object::ObjectError;
use serde::Serialize;

use crate::answer::{Answer, Body, Failure};
use crate::consistency::Consistency;
use crate::endpoint::{Endpoint, Proposal, Reader};
use crate::json;
use crate::request::Request;
use crate::rows::{Absent, EntryRow};
use rows::{ExecuteRow, ExplainRow, QueryRow, ReadMeta};

/// Everything about one query.
const ONE: &str = "/v1/query/";
const EXECUTE: &str = "/execute";
const EXPLAIN: &str = "/explain";

/// What is done with a prepared query besides keeping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryUse {
    /// Its row is read or written.
    Row,
    /// It is run.
    Execute,
    /// It is shown as it would be run.
    Explain,
}

impl QueryUse {
    /// What a path below [`Endpoint::path`] asks for; nothing for another endpoint.
    #[must_use]
    pub fn of(endpoint: &Endpoint, tail: &[u8]) -> Option<Self> {
        (endpoint.path == ONE).then(|| {
            if tail.ends_with(EXECUTE.as_bytes()) {
                Self::Execute
            } else if tail.ends_with(EXPLAIN.as_bytes()) {
                Self::Explain
            } else {
                Self::Row
            }
        })
    }

    /// The methods that are answered: these paths look at them by themselves.
    #[must_use]
    pub fn methods(self) -> &'static str {
        if self == Self::Row { "GET,PUT,DELETE" } else { "GET" }
    }
}

pub(crate) fn list(_: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let rows: Vec<_> = reader.snapshot.query_list().map(QueryRow::new).collect();
    let index = reader.snapshot.query_index();
    Ok(Answer::new(json::body(&rows)).at(index, [Watch::Any(Kind::Queries)]))
}

/// One query, run or explained or as it stands.
pub(crate) fn read(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let tail = request.tail_text();
    if let Some(name) = tail.strip_suffix(EXECUTE) {
        return execute(request, reader, name);
    }
    if let Some(name) = tail.strip_suffix(EXPLAIN) {
        return explain(request, reader, name);
    }
    let found = identity(&tail).map_err(Failure::internal)?;
    let row = found.and_then(|id| reader.snapshot.query(&id)).ok_or_else(not_found)?;
    let watch = Watch::Key(Key::Query(row.id));
    Ok(Answer::new(json::body(&[QueryRow::new(row)])).at(reader.snapshot.query_index(), [watch]))
}

fn not_found() -> Failure {
    Failure::new(404, "Query not found")
}

/// The ID in a path; none for 36 characters that are no ID.
fn identity(text: &str) -> Result<Option<Uuid>, String> {
    if text.len() != 36 {
        return Err("failed prepared query lookup: index error: UUID must be 36 characters".into());
    }
    Ok(Uuid::parse(text))
}

fn lookup<'a>(
    reader: &Reader<'a>,
    name: &str,
) -> Result<std::borrow::Cow<'a, PreparedQuery>, Failure> {
    let found = reader.snapshot.query_lookup(name);
    found.map_err(|error| Failure::internal(error.to_string()))?.ok_or_else(not_found)
}

fn explain(request: &Request, reader: &Reader<'_>, name: &str) -> Result<Answer, Failure> {
    let query = lookup(reader, name)?;
    let meta = ReadMeta::new(Consistency::read(&request.query)?);
    Ok(Answer::new(json::body(&ExplainRow { query: QueryRow::new(&query), meta })))
}

fn execute(request: &Request, reader: &Reader<'_>, name: &str) -> Result<Answer, Failure> {
    let (limit, connect) = match parameters(request) {
        Ok(parameters) => parameters,
        // Consul looks at them before it asks anybody.
        Err(why) => {
            return Ok(Answer { meta: false, ..Answer::new(Body::Text(why)).status(500) });
        }
    };
    let query = lookup(reader, name).map_err(|failure| match failure.status {
        // What a cache would have asked for has no status of its own.
        404 if request.query.has("cached") => Failure::internal(failure.text),
        _ => failure,
    })?;
    let mut chosen = Vec::new();
    let run = reader.snapshot.query_run(&query, connect, &mut chosen, None);
    shuffle(&mut chosen, &reader.fresh);
    let asked = request.query.first("near").unwrap_or_default();
    let near = reader.snapshot.query_near(&query, asked, &reader.agent.node, request.source);
    if let Some(near) = near {
        reader.snapshot.query_sort(run.instances, near, &mut chosen);
    }
    chosen.truncate(limit.unwrap_or(usize::MAX));
    let own = &*reader.agent.datacenter;
    let found = chosen.iter().filter_map(|chosen| run.instances.get(chosen.place));
    let found = found.map(|instance| EntryRow {
        node: instance.node(),
        service: instance.service(),
        checks: reader.snapshot.health_of(instance.service()).collect(),
        datacenter: own,
        absent: Absent::Null,
    });
    let row = ExecuteRow {
        service: query.service.service.as_str(),
        nodes: found.collect(),
        ttl: &query.dns_ttl,
        datacenter: if run.peer.is_some() { "" } else { own },
        peer: run.peer.unwrap_or_default(),
        failovers: run.failovers,
        meta: ReadMeta::new(Consistency::read(&request.query)?),
    };
    Ok(Answer::new(json::body(&row)))
}

/// How many instances at most, and whether those with mesh access are meant.
fn parameters(request: &Request) -> Result<(Option<usize>, bool), String> {
    let limit = match request.query.filled("limit") {
        None => None,
        Some(text) => {
            let quoted = gotext::quote(text);
            let number: i64 = decimal(text)
                .map_err(|why| format!("Bad limit: strconv.Atoi: parsing {quoted}: {why}"))?;
            usize::try_from(number).ok().filter(|limit| *limit > 0)
        }
    };
    let connect = match request.query.filled("connect") {
        None => false,
        Some(text) => gotext::parse_bool(text).map_err(|_| {
            let quoted = gotext::quote(text);
            let why = "Error parsing 'connect' value: strconv.ParseBool: parsing";
            format!("{why} {quoted}: invalid syntax")
        })?,
    };
    Ok((limit, connect))
}

fn decimal(text: &str) -> Result<i64, &'static str> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    text.parse().map_err(|_| "value out of range")
}

/// Puts rows in an order by chance, each equally likely as far as the seed allows.
fn shuffle<T>(rows: &mut [T], seed: &Uuid) {
    let [first, second] = [0, 8].map(|from| {
        let bytes = seed.as_bytes().iter().skip(from).take(8);
        bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    });
    let mut state = first;
    // SplitMix64 (Steele, Lea, Flood 2014), with the other half of the seed as its step.
    let step = second | 1;
    for last in (1..rows.len()).rev() {
        state = state.wrapping_add(step);
        let mut drawn = state;
        drawn = (drawn ^ drawn >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ drawn >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;
        let below = (u128::from(drawn) * (last as u128 + 1)) >> 64;
        rows.swap(last, below as usize);
    }
}

pub(crate) fn create(request: &Request, reader: &Reader<'_>) -> Result<Proposal, Failure> {
    let read = body::read(&request.body).map_err(|error| decode_failed(&error))?;
    if !read.id.is_empty() {
        return Err(Failure::internal("ID must be empty when creating a new prepared query"));
    }
    let query = body::check(read, reader.fresh)?;
    let made = Made { id: query.id.to_string() };
    Ok(propose(QueryWrite::Create(query), json::body(&made)))
}

#[derive(Serialize)]
struct Made {
    #[serde(rename = "ID")]
    id: String,
}

pub(crate) fn update(request: &Request, reader: &Reader<'_>) -> Result<Proposal, Failure> {
    // A body is not needed, but nothing is no query.
    let text: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    let read = body::read(text).map_err(|error| decode_failed(&error))?;
    let id = existing(request, reader)?;
    let query = body::check(read, id)?;
    Ok(propose(QueryWrite::Update(query), Body::Empty))
}

pub(crate) fn remove(request: &Request, reader: &Reader<'_>) -> Result<Proposal, Failure> {
    Ok(propose(QueryWrite::Delete(existing(request, reader)?), Body::Empty))
}

/// The query that a path names, which must be there.
fn existing(request: &Request, reader: &Reader<'_>) -> Result<Uuid, Failure> {
    let tail = request.tail_text();
    let id = identity(&tail)
        .map_err(|why| Failure::internal(format!("Prepared Query lookup failed: {why}")))?;
    id.filter(|id| reader.snapshot.query(id).is_some()).ok_or_else(|| {
        Failure::internal(format!("Cannot modify non-existent prepared query: '{tail}'"))
    })
}

fn propose(write: QueryWrite, answer: Body) -> Proposal {
    let then = |response| match response {
        Response::Refused(error @ Error::MissingQuery(_)) => {
            Err(Failure::internal(error.to_string()))
        }
        Response::Refused(error) => Err(refused(&error)),
        _ => Ok(Answer::new(answer)),
    };
    Proposal::Command(Command::Query(Box::new(write)), Box::new(then))
}

/// What the log's machine refuses.
fn refused(error: &Error) -> Failure {
    Failure::internal(format!("raft apply failed: {error}"))
}

fn decode_failed(error: &ObjectError) -> Failure {
    Failure::bad(format!("Request decode failed: {error}"))
}

#[cfg(test)]
mod tests;
