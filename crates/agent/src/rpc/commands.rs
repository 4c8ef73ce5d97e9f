//! What each command does.

use bytes::Bytes;
use serf::{QueryId, QueryRequest, QueryTimeout};
use wire::message::serf::Filter;
use wire::rpc::{
    Coordinate, CoordinateReply, EvidenceReply, Frame, JoinReply, KeyReport, MembersFilter,
    MembersReply, Request,
};

use super::filter::MemberFilter;
use super::stats;
use super::subscription::{Source, to_evidence, to_member};
use crate::event_filter::{self, EventFilter, InvalidFilter};
use crate::limits;
use crate::log::Level;
use crate::node::{KeyCommand, NodeHandle};

/// The answer to a command, and what comes of it.
pub(super) struct Reply {
    pub(super) sequence: u64,
    /// Empty on success.
    pub(super) error: String,
    /// Encoded; empty for commands without one.
    pub(super) body: Vec<u8>,
    pub(super) after: After,
}

/// What a command brings about once it is answered.
pub(super) enum After {
    Nothing,
    /// Records follow.
    Subscribe(Source),
    /// The agent ends.
    Shutdown,
}

/// What a command has to say before it is made a [`Reply`].
struct Answer {
    error: String,
    body: Vec<u8>,
    after: After,
}

impl Answer {
    /// Of a command without a body.
    fn bare(result: Result<(), String>) -> Self {
        Answer { error: result.err().unwrap_or_default(), body: Vec::new(), after: After::Nothing }
    }

    /// Of a command with a body, which is sent on failure too.
    fn with(error: String, body: &impl Frame) -> Self {
        let mut encoded = Vec::new();
        body.encode(&mut encoded);
        Answer { error, body: encoded, after: After::Nothing }
    }

    fn subscribed(source: Source) -> Self {
        Answer { error: String::new(), body: Vec::new(), after: After::Subscribe(source) }
    }
}

/// Carries out one command; `client` is how the log names who gave it.
pub(super) async fn run(
    node: NodeHandle,
    client: String,
    sequence: u64,
    request: Request,
) -> Reply {
    let Answer { error, body, after } = match request {
        Request::Event(event) => {
            Answer::bare(node.user_event(event.name, event.payload, event.coalesce).await)
        }
        Request::ForceLeave { node: name, prune } => {
            Answer::bare(node.force_leave(&name, prune).await)
        }
        Request::Join { existing, replay } => join(&node, existing, replay).await,
        Request::Members => members(&node, None).await,
        Request::MembersFiltered(filter) => members(&node, Some(&filter)).await,
        Request::Tags { tags, delete } => Answer::bare(node.edit_tags(delete, tags).await),
        Request::Stream { filter } => stream(&node, client, &filter).await,
        Request::Monitor { log_level } => monitor(&node, &log_level),
        Request::Leave => leave(&node).await,
        Request::Query(query) => ask(&node, query).await,
        Request::InstallKey { key } => keys(&node, KeyCommand::Install(key)).await,
        Request::UseKey { key } => keys(&node, KeyCommand::Use(key)).await,
        Request::RemoveKey { key } => keys(&node, KeyCommand::Remove(key)).await,
        Request::ListKeys => keys(&node, KeyCommand::List).await,
        Request::Stats => Answer::with(String::new(), &stats::collect(&node).await),
        Request::GetCoordinate { node: name } => coordinate(&node, &name).await,
        Request::Evidence { node: name } => evidence(&node, name).await,
        // The connection's own.
        Request::Handshake { .. }
        | Request::Auth { .. }
        | Request::Stop { .. }
        | Request::Respond { .. } => Answer::bare(Ok(())),
    };
    Reply { sequence, error, body, after }
}

/// Answers a query that was sent to this connection.
pub(super) async fn respond(
    node: NodeHandle,
    sequence: u64,
    query: QueryId,
    payload: Bytes,
) -> Reply {
    let result = node.respond(query, payload).await;
    let error = match result {
        Ok(()) => String::new(),
        Err(why) => format!("failed to respond to key query: {why}"),
    };
    Reply { sequence, error, body: Vec::new(), after: After::Nothing }
}

async fn join(node: &NodeHandle, existing: Vec<String>, replay: bool) -> Answer {
    if existing.len() > limits::JOIN_ADDRESSES {
        let why = format!("too many addresses: one join may have {}", limits::JOIN_ADDRESSES);
        return Answer::with(why, &JoinReply { contacted: 0 });
    }
    let (error, contacted) = match node.join(existing, replay).await {
        Ok(contacted) => (String::new(), contacted as i64),
        Err(why) => (why, 0),
    };
    Answer::with(error, &JoinReply { contacted })
}

async fn members(node: &NodeHandle, filter: Option<&MembersFilter>) -> Answer {
    let filter = match filter.map(MemberFilter::new).transpose() {
        Ok(filter) => filter,
        Err(why) => {
            node.log().line(
                Level::Err,
                "agent.ipc",
                format_args!("Failed to evaluate request: {why}"),
            );
            return Answer::with(why, &MembersReply::default());
        }
    };
    let members = node.members().await;
    let members = members
        .iter()
        .filter(|member| filter.as_ref().is_none_or(|filter| filter.passes(member)))
        .map(to_member)
        .collect();
    Answer::with(String::new(), &MembersReply { members })
}

/// The item of a stream's filter that asks for evidence; no other item includes it.
const EVIDENCE: &str = "evidence";

/// What a stream asks for: filters of events, and whether it wants evidence too.
pub(super) fn parse_stream_filter(text: &str) -> Result<(Vec<EventFilter>, bool), InvalidFilter> {
    let (evidence, others): (Vec<&str>, Vec<&str>) =
        text.split(',').partition(|item| *item == EVIDENCE);
    let wants_evidence = !evidence.is_empty();
    if wants_evidence && others.is_empty() {
        return Ok((Vec::new(), true));
    }
    Ok((event_filter::parse(&others.join(","))?, wants_evidence))
}

async fn stream(node: &NodeHandle, client: String, filter: &str) -> Answer {
    let Ok((filters, wants_evidence)) = parse_stream_filter(filter) else {
        // Refused before it came here.
        return Answer::bare(Err("Invalid event filter".to_owned()));
    };
    let evidence = match wants_evidence {
        true => Some(node.subscribe_evidence(client.clone())),
        false => None,
    };
    let events = match filters.is_empty() {
        true => None,
        false => Some(node.subscribe_events(client)),
    };
    Answer::subscribed(Source::Stream { filters, events, evidence, repeat: None })
}

fn monitor(node: &NodeHandle, level: &str) -> Answer {
    let Some(level) = Level::parse(level) else {
        // Refused before it came here.
        return Answer::bare(Err(format!("Unknown log level: {}", level.to_uppercase())));
    };
    let mut lines = node.log().subscribe(level);
    let remembered = std::mem::take(&mut lines.remembered).into();
    Answer::subscribed(Source::Monitor { remembered, lines })
}

/// Answered when the leave is over; then the agent ends, even if the leave has failed.
async fn leave(node: &NodeHandle) -> Answer {
    node.log().line(Level::Info, "agent.ipc", "Graceful leave triggered");
    let result = node.leave().await;
    if let Err(why) = &result {
        node.log().line(Level::Err, "agent.ipc", format_args!("leave failed: {why}"));
    }
    Answer { after: After::Shutdown, ..Answer::bare(result) }
}

async fn ask(node: &NodeHandle, query: wire::rpc::QueryRequest) -> Answer {
    let mut filters = Vec::new();
    if !query.filter_nodes.is_empty() {
        filters.push(Filter::Nodes(query.filter_nodes));
    }
    for (tag, expression) in query.filter_tags.unwrap_or_default() {
        filters.push(Filter::Tag { tag, expression });
    }
    let request = QueryRequest {
        name: query.name,
        payload: query.payload,
        filters,
        request_ack: query.request_ack,
        relay_factor: query.relay_factor,
        timeout: (query.timeout_ns != 0).then_some(QueryTimeout(query.timeout_ns)),
    };
    match node.query(request).await {
        Ok(progress) => Answer::subscribed(Source::Query(progress)),
        Err(why) => Answer::bare(Err(why)),
    }
}

async fn keys(node: &NodeHandle, command: KeyCommand) -> Answer {
    let lists = command == KeyCommand::List;
    let (report, mut error) = match node.keys(command).await {
        Ok(report) => (report, String::new()),
        Err(why) => (serf::KeyReport::default(), why),
    };
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    if let Some(failure) = report.failure {
        error = failure;
    }
    let keys = report.keys.into_iter().map(|(key, members)| (key, count(members))).collect();
    let body = KeyReport {
        messages: report
            .messages
            .into_iter()
            .map(|(member, text)| (member.to_string(), text))
            .collect(),
        keys: lists.then_some(keys),
        nodes: count(report.nodes),
        errors: count(report.errors),
        responses: count(report.responses),
    };
    Answer::with(error, &body)
}

async fn coordinate(node: &NodeHandle, name: &str) -> Answer {
    let reply = match node.coordinate(name).await {
        None => CoordinateReply::default(),
        Some(known) => CoordinateReply {
            known: true,
            coordinate: Coordinate {
                vec: Some(known.vec),
                error: known.error,
                adjustment: known.adjustment,
                height: known.height,
            },
        },
    };
    Answer::with(String::new(), &reply)
}

async fn evidence(node: &NodeHandle, name: String) -> Answer {
    let name = (!name.is_empty()).then_some(name);
    let records = node.evidence(name).await;
    let evidence = records.iter().map(to_evidence).collect();
    Answer::with(String::new(), &EvidenceReply { evidence })
}
