//! One configuration file: a JSON object, with the rules and the complaints of the real agent.

use std::collections::BTreeMap;

use gotext::GoDuration;
use gotext::decode::{self, Value};
use serf::Tags;

use super::Failure;
use super::layer::Layer;
use super::options::{Kind, OPTIONS, OptionRow};

/// Reads the text of a file. The failure's message is the REASON behind `Error decoding 'PATH': `,
/// and lines with suggestions for mistyped keys.
pub fn decode(text: &[u8]) -> Result<Layer, Failure> {
    const FORM: &str = "a configuration file is one JSON object of keys and values";
    let fields = match decode::first_value(text) {
        Ok(Value::Null) => return Ok(Layer::default()),
        Ok(Value::Object(fields)) => fields,
        Ok(other) => {
            let why = format!("'' expected a map, got '{}'", other.go_kind());
            return Err(Failure::new(why).hint(FORM));
        }
        Err(error) => return Err(Failure::new(error.to_string()).hint(FORM)),
    };
    let mut decoder = Decoder::default();
    decoder.object("", fields);
    decoder.finish()
}

#[derive(Default)]
struct Decoder {
    layer: Layer,
    problems: Vec<String>,
    suggestions: Vec<String>,
    /// Texts of durations, which are looked at only if the structure is right.
    durations: BTreeMap<&'static str, (&'static OptionRow, String)>,
}

impl Decoder {
    /// Takes the fields of the object that stands at `prefix` (such as `mdns.`, or nothing at the
    /// top).
    fn object(&mut self, prefix: &str, fields: Vec<(String, Value)>) {
        let mut unknown = Vec::new();
        for (key, value) in fields {
            let path = format!("{prefix}{key}");
            if let Some(row) = row_of(&path) {
                self.field(row, value);
            } else if let Some(object) = object_of(&path) {
                match value {
                    Value::Null => {}
                    Value::Object(fields) => self.object(&format!("{object}."), fields),
                    other => self.not_a_map(object, &other),
                }
            } else {
                unknown.push(key);
            }
        }
        if unknown.is_empty() {
            return;
        }
        unknown.sort();
        let place = prefix.trim_end_matches('.');
        self.problems.push(format!("'{place}' has invalid keys: {}", unknown.join(", ")));
        for key in &unknown {
            if let Some(known) = nearest(&format!("{prefix}{key}")) {
                self.suggestions.push(format!("did you mean '{known}' instead of '{key}'?"));
            }
        }
    }

    fn field(&mut self, row: &'static OptionRow, value: Value) {
        let name = row.name();
        match (row.kind, value) {
            (_, Value::Null) => {}
            (Kind::Bool, Value::Bool(value)) => self.layer.set_bool(row, value),
            (Kind::Int, Value::Number(value)) => self.layer.set_int(row, value.float() as i64),
            (Kind::Text, Value::Text(text)) => self.layer.set_text(row, text),
            (Kind::Duration, Value::Text(text)) => {
                self.durations.insert(name, (row, text));
            }
            (Kind::List, Value::List(items)) => {
                let items = items
                    .into_iter()
                    .enumerate()
                    .filter_map(|(index, item)| self.element(&format!("{name}[{index}]"), item))
                    .collect();
                self.layer.append(row, items);
            }
            (Kind::List, other) => self.problems.push(format!(
                "'{name}': source data must be an array or slice, got {}",
                other.go_kind()
            )),
            (Kind::Tags, Value::Object(fields)) => {
                let mut tags = Tags::new();
                for (key, value) in fields {
                    if let Some(text) = self.element(&format!("{name}[{key}]"), value) {
                        tags.insert(key, text);
                    }
                }
                self.layer.add_tags(row, tags);
            }
            (Kind::Tags, other) => self.not_a_map(name, &other),
            (Kind::Bool, other) => self.wrong_type(name, "bool", &other),
            (Kind::Int, other) => self.wrong_type(name, "int", &other),
            (Kind::Text | Kind::Duration, other) => self.wrong_type(name, "string", &other),
        }
    }

    /// An element of a list or a tag; null is the empty text.
    fn element(&mut self, path: &str, value: Value) -> Option<String> {
        match value {
            Value::Text(text) => Some(text),
            Value::Null => Some(String::new()),
            other => {
                self.wrong_type(path, "string", &other);
                None
            }
        }
    }

    fn wrong_type(&mut self, path: &str, expected: &str, value: &Value) {
        self.problems.push(format!(
            "'{path}' expected type '{expected}', got unconvertible type '{}', value: '{value}'",
            value.go_type()
        ));
    }

    fn not_a_map(&mut self, path: &str, value: &Value) {
        self.problems.push(format!("'{path}' expected a map, got '{}'", value.go_kind()));
    }

    fn finish(mut self) -> Result<Layer, Failure> {
        if !self.problems.is_empty() {
            self.problems.sort();
            let mut text = format!("{} error(s) decoding:\n", self.problems.len());
            for line in self.problems.iter().chain(&self.suggestions) {
                text.push_str("\n* ");
                text.push_str(line);
            }
            return Err(Failure::new(text));
        }
        // In the order of the table, so that the same file always gets the same complaint.
        for row in OPTIONS {
            if let Some((row, text)) = self.durations.remove(row.name()) {
                if text.is_empty() {
                    continue;
                }
                let duration = GoDuration::parse(&text).map_err(|error| {
                    let name = row.name();
                    Failure::new(error.to_string()).hint(format!(
                        "'{name}' is '{text}'; write a duration with its unit, such as 30s or 1h"
                    ))
                })?;
                self.layer.set_duration(row, duration);
            }
        }
        Ok(self.layer)
    }
}

/// The option of a key, whatever its case.
fn row_of(path: &str) -> Option<&'static OptionRow> {
    OPTIONS.iter().find(|row| row.key.is_some_and(|key| key.eq_ignore_ascii_case(path)))
}

/// The name of an object that holds options, whatever its case.
fn object_of(path: &str) -> Option<&'static str> {
    let mut objects = OPTIONS.iter().filter_map(|row| Some(row.key?.split_once('.')?.0));
    objects.find(|object| object.eq_ignore_ascii_case(path))
}

/// The known key that was probably meant.
fn nearest(mistyped: &str) -> Option<&'static str> {
    let mistyped = mistyped.to_ascii_lowercase();
    let limit = (mistyped.chars().count() / 3).clamp(1, 3);
    OPTIONS
        .iter()
        .filter_map(|row| row.key)
        .map(|key| (distance(&mistyped, key), key))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// How many characters must be changed, added or taken away (Levenshtein); texts of absurd length
/// are far from everything.
fn distance(left: &str, right: &str) -> usize {
    const LONGEST: usize = 64;
    if left.len() > LONGEST {
        return usize::MAX;
    }
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests;
