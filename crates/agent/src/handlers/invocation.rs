//! What a script is given: environment variables and standard input.

use bytes::Bytes;
use serf::{Event, Member, Tags};
use wire::Address;

/// What one script is given for one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    /// Over what is inherited. Of two tags whose names become one variable, one survives.
    pub(super) environment: Vec<(String, String)>,
    /// Standard input; the script sees its end.
    pub(super) input: Bytes,
    /// Whether a script that does not read its input is worth a log line.
    pub(super) reports_unread_input: bool,
}

impl Invocation {
    pub(super) fn new(event: &Event, own_name: &str, own_tags: &Tags) -> Self {
        let mut environment = Vec::new();
        let mut set = |name: &str, value: &str| environment.push((name.into(), value.into()));
        set("SERF_EVENT", super::event_type(event));
        set("SERF_SELF_NAME", own_name);
        set("SERF_SELF_ROLE", role(own_tags));
        for (name, value) in own_tags {
            set(&format!("SERF_TAG_{}", variable_name(name)), value);
        }
        let input = match event {
            Event::Member { members, .. } => Bytes::from(member_lines(members)),
            Event::User { lamport_time, name, payload, .. } => {
                set("SERF_USER_EVENT", name);
                set("SERF_USER_LTIME", &lamport_time.to_string());
                payload_line(payload.as_ref())
            }
            Event::Query { query, name, payload, .. } => {
                set("SERF_QUERY_NAME", name);
                set("SERF_QUERY_LTIME", &query.lamport_time.to_string());
                payload_line(payload.as_ref())
            }
        };
        let reports_unread_input = !matches!(event, Event::Member { .. });
        Invocation { environment, input, reports_unread_input }
    }
}

fn role(tags: &Tags) -> &str {
    tags.get("role").map(String::as_str).unwrap_or_default()
}

/// The name of a tag as part of the name of a variable.
///
/// Upper-cased character by character with Unicode's one-to-one mapping, so that characters which
/// become several stay themselves; then everything outside `A-Z 0-9 _` is `_`.
fn variable_name(tag: &str) -> String {
    tag.chars()
        .map(|character| {
            let mut upper = character.to_uppercase();
            let single = upper.next().filter(|_| upper.next().is_none()).unwrap_or(character);
            match single {
                'A'..='Z' | '0'..='9' | '_' => single,
                _ => '_',
            }
        })
        .collect()
}

/// One line per member: name, address, role and tags, parted by tabs.
fn member_lines(members: &[Member]) -> String {
    let mut lines = String::new();
    for member in members {
        let tags: Vec<String> =
            member.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.push_str(&clean(member.name.as_str()));
        lines.push('\t');
        lines.push_str(&address_text(&member.address));
        lines.push('\t');
        lines.push_str(&clean(role(&member.tags)));
        lines.push('\t');
        lines.push_str(&clean(&tags.join(",")));
        lines.push('\n');
    }
    lines
}

/// Tabs and newlines part fields and lines; backslashes are left alone.
fn clean(text: &str) -> String {
    text.replace('\t', "\\t").replace('\n', "\\n")
}

/// An address of a length that is none is shown as the real agent shows it.
fn address_text(address: &Address) -> String {
    match address.to_ip() {
        Some(ip) => ip.to_string(),
        None if address.is_empty() => "<nil>".to_owned(),
        None => {
            let digits: String =
                address.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("?{digits}")
        }
    }
}

/// The payload, ended by a newline unless it is empty.
fn payload_line(payload: Option<&Bytes>) -> Bytes {
    let Some(payload) = payload else { return Bytes::new() };
    if payload.is_empty() || payload.ends_with(b"\n") {
        return payload.clone();
    }
    let mut line = Vec::with_capacity(payload.len() + 1);
    line.extend_from_slice(payload);
    line.push(b'\n');
    Bytes::from(line)
}

#[cfg(test)]
mod tests;
