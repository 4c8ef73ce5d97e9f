//! JSON as Go's encoder writes it.
//!
//! Two-space indent, `<`, `>` and `&` escaped, invalid UTF-8 as `\ufffd`, an absent list as
//! `null`. Byte-exact, for the files and the outputs that scripts compare.

use std::fmt::Write;

use crate::decode::Value;

/// A JSON value to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// An absent list, map or value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text; bytes that are not UTF-8 are written as `\ufffd`.
    Text(Vec<u8>),
    /// A list.
    List(Vec<Json>),
    /// An object, written in this order: sort the keys by bytes where it stands for a map.
    Object(Vec<(String, Json)>),
    /// A text that is JSON already, written as it is.
    Verbatim(Box<str>),
}

/// A value that was read, as Go writes what it has no type for: maps sorted, numbers as floats.
impl From<&Value> for Json {
    fn from(value: &Value) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(_) => Json::Verbatim(value.to_string().into()),
            Value::Text(text) => Json::text(text.as_str()),
            Value::List(items) => Json::List(items.iter().map(Json::from).collect()),
            Value::Object(fields) => {
                let mut fields: Vec<_> =
                    fields.iter().map(|(key, value)| (key.clone(), Json::from(value))).collect();
                fields.sort_by(|a, b| a.0.cmp(&b.0));
                Json::Object(fields)
            }
        }
    }
}

impl Json {
    /// A text value.
    pub fn text(text: impl Into<Vec<u8>>) -> Json {
        Json::Text(text.into())
    }

    /// A record, in the order given.
    pub fn record<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A map of texts, sorted by the bytes of the keys.
    pub fn map<K: AsRef<str>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, V)>) -> Json {
        let mut fields: Vec<(String, Json)> = pairs
            .into_iter()
            .map(|(key, value)| (key.as_ref().to_owned(), Json::text(value.as_ref())))
            .collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        Json::Object(fields)
    }

    /// A list of texts; `null` for an empty one, as Go writes a list nothing was appended to.
    pub fn list_or_null(items: Vec<Json>) -> Json {
        if items.is_empty() { Json::Null } else { Json::List(items) }
    }

    /// Over several lines with an indent of two spaces; no newline at the end.
    pub fn indented(&self) -> String {
        self.indented_by("  ")
    }

    /// Over several lines with an indent of this text; no newline at the end.
    pub fn indented_by(&self, indent: &str) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(Depth { indent, depth: 0 }));
        out
    }

    /// On one line without spaces.
    pub fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None);
        out
    }

    fn write(&self, out: &mut String, depth: Option<Depth<'_>>) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Json::Text(text) => write_text(out, text),
            Json::Verbatim(text) => out.push_str(text),
            Json::List(items) => {
                write_items(out, depth, ['[', ']'], items, |out, inner, item| {
                    item.write(out, inner);
                });
            }
            Json::Object(fields) => {
                write_items(out, depth, ['{', '}'], fields, |out, inner, (key, value)| {
                    write_text(out, key.as_bytes());
                    out.push_str(if inner.is_some() { ": " } else { ":" });
                    value.write(out, inner);
                });
            }
        }
    }
}

/// How deep a line is, and what stands for one step.
#[derive(Clone, Copy)]
struct Depth<'a> {
    indent: &'a str,
    depth: usize,
}

fn write_items<T>(
    out: &mut String,
    depth: Option<Depth<'_>>,
    [open, close]: [char; 2],
    items: &[T],
    mut write_item: impl FnMut(&mut String, Option<Depth<'_>>, &T),
) {
    let inner = depth.map(|line| Depth { depth: line.depth + 1, ..line });
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        new_line(out, inner);
        write_item(out, inner, item);
    }
    if !items.is_empty() {
        new_line(out, depth);
    }
    out.push(close);
}

fn new_line(out: &mut String, depth: Option<Depth<'_>>) {
    if let Some(line) = depth {
        out.push('\n');
        out.extend(std::iter::repeat_n(line.indent, line.depth));
    }
}

fn write_text(out: &mut String, text: &[u8]) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(out, "\\u{:04x}", character as u32);
                }
                other => out.push(other),
            }
        }
        // Each stray byte on its own, as Go counts them.
        out.extend(chunk.invalid().iter().map(|_| "\\ufffd"));
    }
    out.push('"');
}
