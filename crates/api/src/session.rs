//! `/v1/session/`: sessions, which locks hang on (consul-http, "Sessions and locks").

use catalog::{
    Behavior, CheckId, Command, Key, Kind, ModifyIndex, NodeName, Response, SERF_HEALTH, Session,
    Uuid, Watch,
};
use gotext::GoDuration;
use gotext::decode::Value;
use gotext::object::{FromValue, Nanoseconds, Object, ObjectError};
use serde::Serialize;

use crate::answer::{Answer, Failure};
use crate::endpoint::{Agent, Proposal, Reader};
use crate::json;
use crate::request::Request;
use crate::rows::SessionRow;

const SECOND_NS: i64 = 1_000_000_000;
/// The longest time to live.
const TTL_MAX_NS: i64 = 24 * 3600 * SECOND_NS;
/// A delay of fewer nanoseconds is meant in seconds.
const SECONDS_BELOW: i64 = 1000;
const LOCK_DELAY_NS: i64 = 15 * SECOND_NS;

/// The time to live that a session was made with, in nanoseconds; 0 for none.
#[must_use]
pub fn ttl_ns(session: &Session) -> i64 {
    GoDuration::parse(&session.ttl).map_or(0, GoDuration::as_nanoseconds)
}

pub(crate) fn create(request: &Request, reader: &Reader<'_>) -> Result<Proposal, Failure> {
    let mut session = Session {
        id: reader.fresh,
        name: "".into(),
        node: NodeName::from(&*reader.agent.node),
        lock_delay_ns: LOCK_DELAY_NS,
        behavior: Behavior::Release,
        ttl: "".into(),
        node_checks: None,
        service_checks: None,
        checks: None,
        create: ModifyIndex::ZERO,
        modify: ModifyIndex::ZERO,
    };
    let mut behavior = String::new();
    read_body(request, &mut session, &mut behavior).map_err(|error| {
        Failure::bad(format!("Request decode failed: {}", error.within(".Alias")))
    })?;
    session.behavior = match behavior.as_str() {
        "" | "release" => Behavior::Release,
        "delete" => Behavior::Delete,
        other => return Err(Failure::internal(format!("Invalid Behavior setting '{other}'"))),
    };
    check_ttl(&session.ttl, reader.agent)?;
    let id = session.id;
    let then = move |response| match response {
        Response::Refused(error) => Err(Failure::internal(format!("apply failed: {error}"))),
        _ => Ok(made(id)),
    };
    Ok(Proposal::Command(Command::SessionCreate(Box::new(session)), Box::new(then)))
}

fn made(id: Uuid) -> Answer {
    #[derive(Serialize)]
    struct Made {
        #[serde(rename = "ID")]
        id: String,
    }
    Answer::new(json::body(&Made { id: id.to_string() }))
}

fn read_body(
    request: &Request,
    session: &mut Session,
    behavior: &mut String,
) -> Result<(), ObjectError> {
    let mut body =
        if request.body.is_empty() { Object::default() } else { Object::parse(&request.body)? };
    if let Some(Nanoseconds(Some(delay))) = body.optional("LockDelay")? {
        session.lock_delay_ns =
            if delay < SECONDS_BELOW { delay.saturating_mul(SECOND_NS) } else { delay };
    }
    let own: String = body.field("Node")?;
    if !own.is_empty() {
        session.node = NodeName::from(own.as_str());
    }
    session.name = body.field::<String>("Name")?.into();
    session.ttl = body.field::<String>("TTL")?.into();
    *behavior = body.field("Behavior")?;
    let checks = listed(&mut body, "Checks")?;
    let node_checks = listed(&mut body, "NodeChecks")?;
    if let Some(list) = body.objects("ServiceChecks")? {
        let id = |mut check: Object| check.field::<String>("ID").map(|id| CheckId::from(&*id));
        session.service_checks = Some(list.into_iter().map(id).collect::<Result<_, _>>()?);
    }
    (session.checks, session.node_checks) = attached(checks, node_checks);
    Ok(())
}

type Checks = Option<Box<[CheckId]>>;

/// A list of checks: the Serf check if it is not given, nothing if it is `null`.
fn listed(body: &mut Object, name: &str) -> Result<Checks, ObjectError> {
    if !body.has(name) {
        return Ok(Some([CheckId::from(SERF_HEALTH)].into()));
    }
    let given: Option<Vec<String>> = match body.optional::<Value>(name)? {
        None => None,
        Some(value) => Some(Vec::from_value(value)?),
    };
    Ok(given.map(|names| names.iter().map(|name| CheckId::from(&**name)).collect()))
}

/// What of `Checks`, the older list, and of `NodeChecks` counts.
fn attached(checks: Checks, node_checks: Checks) -> (Checks, Checks) {
    let is_empty = |list: &Checks| list.as_ref().is_none_or(|list| list.is_empty());
    if is_empty(&checks) {
        return (None, Some(Box::default()));
    }
    let is_default =
        checks.as_deref().is_some_and(|list| list.len() == 1 && list[0].as_str() == SERF_HEALTH);
    if is_default || is_empty(&node_checks) {
        return (None, node_checks);
    }
    (checks, node_checks)
}

fn check_ttl(ttl: &str, agent: &Agent) -> Result<(), Failure> {
    if ttl.is_empty() {
        return Ok(());
    }
    let parsed = GoDuration::parse(ttl)
        .map_err(|why| Failure::internal(format!("Session TTL '{ttl}' invalid: {why}")))?;
    let ns = parsed.as_nanoseconds();
    if ns != 0 && !(agent.session_ttl_min_ns..=TTL_MAX_NS).contains(&ns) {
        return Err(Failure::internal(format!(
            "Invalid Session TTL '{ns}', must be between [{}={}]",
            GoDuration::from_nanoseconds(agent.session_ttl_min_ns),
            GoDuration::from_nanoseconds(TTL_MAX_NS),
        )));
    }
    Ok(())
}

pub(crate) fn destroy(request: &Request, _: &Reader<'_>) -> Result<Proposal, Failure> {
    let id = named(request)?;
    Ok(match Uuid::parse(&id) {
        Some(id) => Proposal::written("apply failed: ", Command::SessionDestroy(id)),
        None => Proposal::Answer(Answer::truth(true)),
    })
}

fn named(request: &Request) -> Result<String, Failure> {
    if request.tail.is_empty() {
        return Err(Failure::bad("Missing session"));
    }
    Ok(request.tail_text().into_owned())
}

/// Answers a renewal; the caller resets the session's timer.
///
/// # Errors
///
/// 404 for a session that does not exist.
pub fn renew(request: &Request, reader: &Reader<'_>) -> Result<(Session, Answer), Failure> {
    let id = named(request)?;
    let found = Uuid::parse(&id).and_then(|id| reader.snapshot.session(&id));
    let session = found.ok_or_else(|| Failure::new(404, format!("Session id '{id}' not found")))?;
    Ok((session.clone(), Answer::new(json::body(&[SessionRow::new(session)]))))
}

pub(crate) fn info(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let id = Uuid::parse(&named(request)?);
    let found = id.and_then(|id| reader.snapshot.session(&id));
    let rows: Vec<_> = found.into_iter().map(SessionRow::new).collect();
    let watch = id.map(|id| Watch::Key(Key::Session(id)));
    Ok(Answer::new(json::body(&rows)).at(reader.snapshot.session_index(), watch))
}

pub(crate) fn of_node(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    if request.tail.is_empty() {
        return Err(Failure::bad("Missing node name"));
    }
    let node = NodeName::from(&*request.tail_text()).fold();
    Ok(list(reader, reader.snapshot.node_sessions(&node)))
}

pub(crate) fn all(_: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    Ok(list(reader, reader.snapshot.session_list()))
}

fn list<'a>(reader: &Reader<'_>, sessions: impl Iterator<Item = &'a Session>) -> Answer {
    let rows: Vec<_> = sessions.map(SessionRow::new).collect();
    Answer::new(json::body(&rows)).at(reader.snapshot.session_index(), [Watch::Any(Kind::Sessions)])
}
