//! HCL 1, the notation of Consul's configuration files beside JSON, read into the values that the
//! reader of JSON makes.
//!
//! ```text
//! bytes ──▶ scanner: tokens with their places ──▶ parser ──▶ gotext::decode::Value
//! ```
//!
//! A file is an object without its braces. A key stands before `=` and a value, or before a block:
//!
//! ```text
//! datacenter = "east"                  # text, with escapes
//! ports { http = 0x2134 }              // a block
//! service "web" { tags = ["a", "b"] }  /* a block with a label */
//! motd = <<-END
//!   two
//!   lines
//!   END
//! ```
//!
//! What readers of the values must know:
//!
//! * A block is a list with one object, since it may stand more than once: `ports { } ports { }` is
//!   a list of two. An object within `[ ]` is just an object.
//! * A label is an object around the block: `service "web" { }` is `service { web { } }`.
//! * Of two equal keys with other values the last is kept.
//! * Whole numbers and those with a fraction differ only in how they are written.
//! * A key with `=` and nothing behind it at the very end is no mistake but ignored: so does the
//!   program whose files these are.
//!
//! Nothing is interpolated: `${…}` stays as it stands, quotes in it included. HCL 2 is another
//! language. A text that begins with `{` is taken for JSON, whose objects become blocks.
//!
//! The reader does not recurse deeper than [`DEPTH`] and takes no text above [`SIZE_BYTES`].
//!
//! ```
//! use gotext::decode::Value;
//!
//! let Value::Object(fields) = hcl::read(b"node_name = \"a\"\nports { http = 8500 }")? else {
//!     unreachable!("a file is an object");
//! };
//! assert_eq!(fields[0], ("node_name".to_owned(), Value::Text("a".to_owned())));
//! assert_eq!(fields[1].1.to_string(), "[map[http:8500]]");
//!
//! let error = hcl::read(b"ports {").unwrap_err();
//! assert_eq!(error.to_string(), "At 1:9: object expected closing RBRACE got: EOF");
//! # Ok::<(), hcl::HclError>(())
//! ```

mod parser;
mod scanner;

use std::borrow::Cow;

use gotext::decode::{DecodeError, Value, whole_value};

/// Deepest nesting of blocks and lists, labels included: the reader recurses.
pub const DEPTH: usize = 64;

/// Longest text, in bytes: a file of ten thousand services has some 2 MiB.
pub const SIZE_BYTES: usize = 8 << 20;

/// A place in a text, both counted from one; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character of the line.
    pub column: usize,
}

/// Why a text is not HCL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HclError {
    /// Something that cannot stand where it stands.
    #[error("At {}:{}: {problem}", .place.line, .place.column)]
    Syntax {
        /// Where it is.
        place: Place,
        /// What it is.
        problem: String,
    },
    /// The text begins as JSON does, and is none.
    #[error(transparent)]
    Json(#[from] DecodeError),
    /// Longer than [`SIZE_BYTES`].
    #[error("the text has {0} bytes, more than {SIZE_BYTES}")]
    TooLong(usize),
}

impl HclError {
    fn at(place: Place, problem: impl Into<String>) -> Self {
        HclError::Syntax { place, problem: problem.into() }
    }
}

/// Reads a text; the value is an object.
///
/// # Errors
///
/// [`HclError`] for the first thing that is wrong.
pub fn read(text: &[u8]) -> Result<Value, HclError> {
    if text.len() > SIZE_BYTES {
        return Err(HclError::TooLong(text.len()));
    }
    let text = match str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&text[..error.valid_up_to()]);
            return Err(HclError::at(scanner::end_of(&valid), "a byte that is not UTF-8"));
        }
    };
    if text.trim_start().starts_with('{') {
        return Ok(match whole_value(text.as_bytes())? {
            Value::Object(fields) => Value::Object(blocks(fields)),
            other => other,
        });
    }
    let text =
        if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { text.into() };
    parser::file(&text)
}

/// Objects of JSON as blocks. As deep as the reader of JSON goes, so that there is an end to it.
fn blocks(fields: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let block = |value| match value {
        Value::Object(fields) => Value::List(vec![Value::Object(blocks(fields))]),
        Value::List(items) => Value::List(items.into_iter().map(in_list).collect()),
        other => other,
    };
    fields.into_iter().map(|(key, value)| (key, block(value))).collect()
}

fn in_list(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(blocks(fields)),
        Value::List(items) => Value::List(items.into_iter().map(in_list).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
