//! Values in the notation of Go's source code, as `monitor` shows events.

use std::fmt::Write;

use wire::msgpack::Value;

/// The value as Go's `%#v` shows it. Bytes on their own are `[]byte`, inside others `[]uint8`.
pub(crate) fn go_syntax(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Binary(bytes) => write_bytes(&mut text, "byte", bytes),
        other => write_value(&mut text, other),
    }
    text
}

fn write_value(text: &mut String, value: &Value) {
    // Writing to a string does not fail.
    let _ = match value {
        Value::Nil => write!(text, "<nil>"),
        Value::Bool(value) => write!(text, "{value}"),
        // The decoder makes small numbers signed and others unsigned, which Go shows in hex.
        Value::Unsigned(value @ 0..=127) => write!(text, "{value}"),
        Value::Unsigned(value) => write!(text, "{value:#x}"),
        Value::Signed(value) => write!(text, "{value}"),
        Value::Single(value) => write!(text, "{value}"),
        Value::Double(value) => write!(text, "{value}"),
        Value::Raw(raw) => write!(text, "{}", gotext::quote_bytes(raw)),
        Value::Binary(bytes) | Value::Extension(_, bytes) => {
            write_bytes(text, "uint8", bytes);
            Ok(())
        }
        Value::Array(values) => {
            text.push_str("[]interface {}{");
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                write_value(text, value);
            }
            write!(text, "}}")
        }
        Value::Map(pairs) => {
            text.push_str("map[interface {}]interface {}{");
            let mut pairs: Vec<_> = pairs.iter().collect();
            pairs.sort_by(|a, b| a.0.as_bytes().cmp(&b.0.as_bytes()));
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                write_value(text, key);
                text.push(':');
                write_value(text, value);
            }
            write!(text, "}}")
        }
    };
}

fn write_bytes(text: &mut String, element: &str, bytes: &[u8]) {
    text.push_str(&format!("[]{element}{{"));
    for (index, byte) in bytes.iter().enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        text.push_str(&format!("{separator}{byte:#x}"));
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_recorded() {
        let raw = |text: &str| Value::Raw(text.as_bytes().to_vec());
        assert_eq!(go_syntax(&Value::Binary(b"ab".to_vec())), "[]byte{0x61, 0x62}");
        assert_eq!(go_syntax(&Value::Binary(vec![])), "[]byte{}");
        let member = Value::Map(vec![
            (raw("Tags"), Value::Map(vec![(raw("dc"), raw("east"))])),
            (raw("Addr"), Value::Binary(vec![0x7f, 0, 0, 1])),
            (raw("Port"), Value::Unsigned(7946)),
            (raw("ProtocolMin"), Value::Unsigned(1)),
            (raw("Status"), Value::Nil),
        ]);
        assert_eq!(
            go_syntax(&Value::Array(vec![member, Value::Bool(true)])),
            "[]interface {}{map[interface {}]interface {}{\"Addr\":[]uint8{0x7f, 0x0, 0x0, 0x1}, \
             \"Port\":0x1f0a, \"ProtocolMin\":1, \"Status\":<nil>, \
             \"Tags\":map[interface {}]interface {}{\"dc\":\"east\"}}, true}"
        );
    }
}
