//! Which events a handler or a stream wants: the text form of a filter and what it matches.

use std::fmt;

use serf::{Event, MemberEventKind};

/// One item of a filter. A list of items is a list of filters: an event that two of them match is
/// delivered twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventFilter {
    /// `*`: every event.
    Any,
    /// `member-join` and its like.
    Member(MemberEventKind),
    /// `user`, or `user:NAME` for the events of one name.
    User(Option<String>),
    /// `query`, or `query:NAME` for the queries of one name.
    Query(Option<String>),
}

/// An item that is none of the known types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid event filter")]
pub struct InvalidFilter {
    /// The item as it was written.
    pub item: String,
}

/// Parses a comma-separated list of items; an empty text means everything.
///
/// Specification "Serf agent …", section 12: no spaces are trimmed, and an empty name (`user:`)
/// matches all of its type.
pub fn parse(text: &str) -> Result<Vec<EventFilter>, InvalidFilter> {
    let text = if text.is_empty() { "*" } else { text };
    text.split(',').map(parse_item).collect()
}

fn parse_item(item: &str) -> Result<EventFilter, InvalidFilter> {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    if let Some(name) = item.strip_prefix("user:") {
        return Ok(EventFilter::User(named(name)));
    }
    if let Some(name) = item.strip_prefix("query:") {
        return Ok(EventFilter::Query(named(name)));
    }
    match item {
        "*" => Ok(EventFilter::Any),
        "member-join" => Ok(EventFilter::Member(MemberEventKind::Join)),
        "member-leave" => Ok(EventFilter::Member(MemberEventKind::Leave)),
        "member-failed" => Ok(EventFilter::Member(MemberEventKind::Failed)),
        "member-update" => Ok(EventFilter::Member(MemberEventKind::Update)),
        "member-reap" => Ok(EventFilter::Member(MemberEventKind::Reap)),
        "user" => Ok(EventFilter::User(None)),
        "query" => Ok(EventFilter::Query(None)),
        _ => Err(InvalidFilter { item: item.to_owned() }),
    }
}

impl EventFilter {
    /// Whether the event passes.
    pub fn matches(&self, event: &Event) -> bool {
        fn is(wanted: &Option<String>, name: &str) -> bool {
            wanted.as_deref().is_none_or(|wanted| wanted == name)
        }
        match (self, event) {
            (EventFilter::Any, _) => true,
            (EventFilter::Member(wanted), Event::Member { kind, .. }) => wanted == kind,
            (EventFilter::User(wanted), Event::User { name, .. }) => is(wanted, name),
            (EventFilter::Query(wanted), Event::Query { name, .. }) => is(wanted, name),
            _ => false,
        }
    }
}

impl fmt::Display for EventFilter {
    /// `TYPE:NAME` as the command `info` shows it; the name is empty where none is given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventFilter::Any => f.write_str("*:"),
            EventFilter::Member(kind) => write!(f, "{}:", kind.as_str()),
            EventFilter::User(name) => write!(f, "user:{}", name.as_deref().unwrap_or_default()),
            EventFilter::Query(name) => write!(f, "query:{}", name.as_deref().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;
