//! Lines in the form of Consul's agent: a message with fields, as text and as JSON.

use std::fmt::{Display, Write};
use std::time::SystemTime;

use chrono::{DateTime, Local};
use gotext::Json;

use super::Level;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, in quotes where it has blanks in it.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Texts, in quotes and brackets.
    List(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

/// What a line was made of.
#[derive(Clone, Debug)]
pub struct Record {
    at: DateTime<Local>,
    level: Level,
    component: String,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Record {
    /// A message of now. In a pool, the parts of its member are named after it.
    pub(super) fn new(
        level: Level,
        component: &str,
        pool: Option<&'static str>,
        message: &dyn Display,
        fields: Vec<(&'static str, Value)>,
    ) -> Self {
        let (component, message) = match pool {
            None => (component.to_owned(), message.to_string()),
            Some(pool) => {
                let part = if component == "memberlist" { component } else { "serf" };
                (format!("agent.server.{part}.{pool}"), format!("{part}: {message}"))
            }
        };
        Self { at: SystemTime::now().into(), level, component, message, fields }
    }

    /// `2006-01-02T15:04:05.000Z0700 [LEVEL] component: message: key=value`.
    pub(super) fn text(&self) -> String {
        let mut line = self.time("%.3f", "%z");
        let level = format!("[{}]", level_name(self.level));
        // Writing to a string cannot fail.
        let _ = write!(line, " {level:7} ");
        if !self.component.is_empty() {
            line.push_str(&self.component);
            line.push_str(": ");
        }
        line.push_str(self.message.trim_end_matches('\n'));
        push_fields(&mut line, &self.fields);
        line
    }

    /// The time, with the fraction of a second and the zone in these forms.
    fn time(&self, fraction: &str, zone: &str) -> String {
        let zone = if self.at.offset().local_minus_utc() == 0 { "Z" } else { zone };
        self.at.format(&format!("%Y-%m-%dT%H:%M:%S{fraction}{zone}")).to_string()
    }

    /// One JSON object: level, message, component and time, then the fields by name.
    #[must_use]
    pub fn json(&self) -> String {
        let mut fields = vec![
            ("@level", Json::text(level_name(self.level).to_ascii_lowercase())),
            ("@message", Json::text(self.message.trim_end_matches('\n'))),
            ("@module", Json::text(self.component.as_str())),
            ("@timestamp", Json::text(self.time("%.6f", "%:z"))),
        ];
        let mut own: Vec<_> = self.fields.iter().collect();
        own.sort_by_key(|(name, _)| *name);
        fields.extend(own.into_iter().map(|(name, value)| (*name, json_value(value))));
        let named = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        Json::Object(named.collect()).compact()
    }
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::text(text.as_str()),
        Value::Number(number) => Json::Int(*number),
        Value::List(items) => {
            Json::List(items.iter().map(|item| Json::text(item.as_str())).collect())
        }
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Err => "ERROR",
        other => other.as_str(),
    }
}

/// Puts `: key=value key="v v"` behind a message; texts of several lines stand below it, each of
/// their lines behind a bar.
pub(super) fn push_fields(line: &mut String, fields: &[(&'static str, Value)]) {
    let is_long = |value: &Value| matches!(value, Value::Text(text) if text.contains('\n'));
    if !fields.is_empty() {
        line.push(':');
    }
    for (name, value) in fields.iter().filter(|(_, value)| !is_long(value)) {
        // Writing to a string cannot fail.
        let _ = write!(line, " {name}=");
        match value {
            Value::Text(text) if is_plain(text) => line.push_str(text),
            Value::Text(text) => line.push_str(&gotext::quote(text)),
            Value::Number(number) => drop(write!(line, "{number}")),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| gotext::quote(item)).collect();
                let _ = write!(line, "[{}]", items.join(", "));
            }
        }
    }
    for (name, value) in fields {
        let Value::Text(text) = value else { continue };
        if !is_long(value) {
            continue;
        }
        let _ = write!(line, "\n  {name}=");
        for part in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            let quoted = gotext::quote(part);
            // Quotes need no escape where none stand around.
            let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            let _ = write!(line, "\n  | {}", inner.replace("\\\"", "\""));
        }
        line.push_str("\n  ");
    }
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(|character| character.is_whitespace() || character.is_control())
        && !text.contains('"')
}
