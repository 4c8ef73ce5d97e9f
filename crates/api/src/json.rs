//! JSON as Consul's API writes it: compact, `<`, `>`, `&` and the two line separators escaped.

mod writer;

use bytes::Bytes;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::answer::Body;
use writer::Writer;

/// A value as the body of an answer.
#[must_use]
pub fn body<T: Serialize + ?Sized>(value: &T) -> Body {
    Body::Json(Bytes::from(encode(value)))
}

/// A value in compact form.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut writer = Writer::new();
    value.serialize(&mut writer).expect("memory takes every byte, and what we show shows itself");
    writer.finish()
}

/// Compact JSON over several lines, with an indent of four spaces and a newline at the end.
#[must_use]
pub fn indent(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    let mut bytes = compact.iter().copied().peekable();
    let new_line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 4));
    };
    while let Some(byte) = bytes.next() {
        if in_text {
            out.push(byte);
            in_text = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => {
                in_text = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                if let Some(&close @ (b'}' | b']')) = bytes.peek() {
                    bytes.next();
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            other => out.push(other),
        }
    }
    out.push(b'\n');
    out
}

/// JSON that is kept as it came.
pub(crate) struct Kept<'a>(pub(crate) &'a str);

impl Kept<'_> {
    /// Of a check that nobody defined.
    pub(crate) const NO_DEFINITION: &'static str = "{}";
    /// Of a service that is no proxy.
    pub(crate) const NO_PROXY: &'static str = r#"{"Mode":"","MeshGateway":{},"Expose":{}}"#;
}

impl Serialize for Kept<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What almost every row has need not be looked at a thousand times.
        if matches!(self.0, Self::NO_DEFINITION | Self::NO_PROXY) {
            let mut raw = serializer.serialize_struct(writer::RAW, 1)?;
            raw.serialize_field(writer::RAW, self.0)?;
            return raw.end();
        }
        match serde_json::from_str::<&RawValue>(self.0) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => serializer.serialize_none(),
        }
    }
}

/// Bytes that may not be UTF-8, shown as Go shows them: each stray byte as U+FFFD.
pub(crate) struct Lossy<'a>(pub(crate) &'a [u8]);

impl Serialize for Lossy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_str(&gotext::decode::lossy(self.0)),
        }
    }
}

/// Bytes in base64; `null` if there are none.
pub(crate) struct Base64<'a>(pub(crate) &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            return serializer.serialize_none();
        }
        // [`Writer`] writes bytes so.
        serializer.serialize_bytes(self.0)
    }
}

#[cfg(test)]
mod tests;
