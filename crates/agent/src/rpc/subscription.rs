//! What one client has subscribed to: events, the log, the answers to a query.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serf::{Event, Member, QueryId, QueryProgress, Time};
use tokio::sync::mpsc;
use wire::rpc::{Evidence, LogRecord, QueryRecord, StreamRecord};

use crate::event_filter::EventFilter;
use crate::evidence;
use crate::log::{self, Line};

/// One subscription; its records carry the number of the request that made it.
pub(super) struct Subscription {
    pub(super) sequence: u64,
    pub(super) source: Source,
}

/// Where the records come from.
pub(super) enum Source {
    /// `stream`: events that pass, each once for every filter that it passes, and evidence.
    Stream {
        filters: Vec<EventFilter>,
        events: Option<mpsc::Receiver<Arc<Event>>>,
        evidence: Option<mpsc::Receiver<evidence::Record>>,
        /// The event under way, and for how many filters it is still to be sent.
        repeat: Option<(Arc<Event>, usize)>,
    },
    /// `monitor`: what was remembered, then what comes.
    Monitor { remembered: VecDeque<Line>, lines: log::Subscription },
    /// `query`: what comes back, to its end.
    Query(mpsc::UnboundedReceiver<QueryProgress>),
}

/// What a subscription has to say next.
pub(super) enum Next {
    /// A record without a number of its own.
    Log(LogRecord),
    /// An event that is no query, or evidence.
    Stream(StreamRecord),
    /// A query; its record is given a number by the connection.
    Question { query: QueryId, deadline: Time, record: StreamRecord },
    /// An acknowledgement, an answer, or the end.
    Query(QueryRecord),
    /// So many messages of the log were dropped.
    Dropped(u64),
    /// Nothing more will come.
    End,
}

impl Source {
    /// Whether it belongs to `stream` (and not to the others, whose numbers may coincide).
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Source::Stream { .. })
    }

    pub(super) fn is_monitor(&self) -> bool {
        matches!(self, Source::Monitor { .. })
    }

    /// The next record, if there is one.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        match self {
            Source::Monitor { remembered, lines } => poll_monitor(remembered, lines, context),
            Source::Query(progress) => progress.poll_recv(context).map(|progress| match progress {
                Some(QueryProgress::Ack { from }) => {
                    Next::Query(QueryRecord::Ack { from: from.to_string() })
                }
                Some(QueryProgress::Response { from, payload }) => {
                    Next::Query(QueryRecord::Response { from: from.to_string(), payload })
                }
                Some(QueryProgress::Done) => Next::Query(QueryRecord::Done),
                None => Next::End,
            }),
            Source::Stream { filters, events, evidence, repeat } => {
                if let Some(evidence) = evidence
                    && let Poll::Ready(Some(record)) = evidence.poll_recv(context)
                {
                    let record = StreamRecord::Evidence(to_evidence(&record));
                    return Poll::Ready(Next::Stream(record));
                }
                let Some(events) = events else { return Poll::Pending };
                poll_events(filters, events, repeat, context)
            }
        }
    }
}

fn poll_monitor(
    remembered: &mut VecDeque<Line>,
    lines: &mut log::Subscription,
    context: &mut Context<'_>,
) -> Poll<Next> {
    let record = |line: Line| Next::Log(LogRecord { log: line.text.to_string() });
    if let Some(line) = remembered.pop_front() {
        return Poll::Ready(record(line));
    }
    if let Poll::Ready(line) = pin!(lines.next()).poll(context) {
        return Poll::Ready(line.map_or(Next::End, record));
    }
    // Said only to one who has caught up: the words are a line of the log themselves, and would
    // be dropped again, and said again, without end.
    match lines.take_dropped() {
        0 => Poll::Pending,
        count => Poll::Ready(Next::Dropped(count)),
    }
}

fn poll_events(
    filters: &[EventFilter],
    events: &mut mpsc::Receiver<Arc<Event>>,
    repeat: &mut Option<(Arc<Event>, usize)>,
    context: &mut Context<'_>,
) -> Poll<Next> {
    loop {
        if let Some((event, left)) = repeat {
            let next = next_of(event);
            *left -= 1;
            if *left == 0 {
                *repeat = None;
            }
            return Poll::Ready(next);
        }
        match events.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(Next::End),
            Poll::Ready(Some(event)) => {
                let matching = filters.iter().filter(|filter| filter.matches(&event)).count();
                if matching > 0 {
                    *repeat = Some((event, matching));
                }
            }
        }
    }
}

fn next_of(event: &Event) -> Next {
    match event {
        Event::Member { kind, members } => Next::Stream(StreamRecord::Members {
            event: Cow::Borrowed(kind.as_str()),
            members: members.iter().map(to_member).collect(),
        }),
        Event::User { lamport_time, name, payload, coalesce } => Next::Stream(StreamRecord::User {
            lamport_time: lamport_time.0,
            name: name.clone(),
            payload: payload.clone(),
            coalesce: *coalesce,
        }),
        Event::Query { query, name, payload, deadline, .. } => Next::Question {
            query: *query,
            deadline: *deadline,
            record: StreamRecord::Query {
                id: 0,
                lamport_time: query.lamport_time.0,
                name: name.clone(),
                payload: payload.clone(),
            },
        },
    }
}

/// A member as the RPC describes it.
pub(super) fn to_member(member: &Member) -> wire::rpc::Member {
    wire::rpc::Member {
        name: member.name.to_string(),
        address: member.address,
        port: member.port,
        tags: (*member.tags).clone(),
        status: Cow::Borrowed(member.status.as_str()),
        versions: member.versions,
    }
}

/// A record of evidence as the RPC describes it.
pub(super) fn to_evidence(record: &evidence::Record) -> Evidence {
    let since_1970 = record.at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Evidence {
        node: record.node.to_string(),
        incarnation: record.incarnation.unwrap_or_default(),
        kind: record.kind.to_wire(),
        by: record.by.as_ref().map(ToString::to_string).unwrap_or_default(),
        health: record.health.map(u32::from),
        time_unix_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
        suspected_for: record.suspected_for.unwrap_or_default(),
    }
}
