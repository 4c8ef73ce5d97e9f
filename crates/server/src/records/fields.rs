//! Values of records, and the fields of those that are maps.

use gotext::decode::{Number, Value as Form};
use wire::msgpack::Value;

/// A map of named values. The names are in alphabetical order, as Consul writes them.
pub(super) fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    debug_assert!(fields.is_sorted_by(|a, b| a.0 < b.0), "names out of order");
    Value::Map(fields.into_iter().map(|(name, value)| (text(name), value)).collect())
}

pub(super) fn text(text: &str) -> Value {
    Value::Raw(text.as_bytes().to_vec())
}

/// A list of texts; nil for none.
pub(super) fn texts<'a>(list: Option<impl IntoIterator<Item = &'a str>>) -> Value {
    list.map_or(Value::Nil, |list| Value::Array(list.into_iter().map(text).collect()))
}

/// Texts by name; nil for none.
pub(super) fn pairs(pairs: &catalog::Pairs) -> Value {
    let pair = |(key, value): &(Box<str>, Box<str>)| (text(key), text(value));
    pairs.as_ref().map_or(Value::Nil, |pairs| Value::Map(pairs.iter().map(pair).collect()))
}

/// A number of a signed field.
pub(super) fn signed(number: i64) -> Value {
    u64::try_from(number).map_or(Value::Signed(number), Value::Unsigned)
}

/// The fields of JSON that is kept as it came; nil for none.
pub(super) fn json(kept: Option<&str>) -> Value {
    let value = kept.and_then(|kept| serde_json::from_str(kept).ok());
    value.as_ref().map_or(Value::Nil, of_json)
}

fn of_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => signed(number),
            (None, Some(number)) => Value::Unsigned(number),
            (None, None) => Value::Double(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(value) => text(value),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(of_json).collect()),
        serde_json::Value::Object(fields) => {
            Value::Map(fields.iter().map(|(name, value)| (text(name), of_json(value))).collect())
        }
    }
}

/// A value in the form that requests have. What has no such form is null.
pub(super) fn form(value: Value) -> Form {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let signed = |number: i64| Form::Number(Number::from(number));
    match value {
        Value::Nil | Value::Extension(..) => Form::Null,
        Value::Bool(value) => Form::Bool(value),
        // Nothing that is read in this form needs the highest bit.
        Value::Unsigned(number) => signed(i64::try_from(number).unwrap_or(i64::MAX)),
        Value::Signed(number) => signed(number),
        Value::Single(number) => Form::Number(Number::from(f64::from(number))),
        Value::Double(number) => Form::Number(Number::from(number)),
        Value::Raw(bytes) | Value::Binary(bytes) => Form::Text(text(bytes)),
        Value::Array(items) => Form::List(items.into_iter().map(form).collect()),
        Value::Map(fields) => {
            let field = |(name, value): (Value, Value)| {
                let (Value::Raw(name) | Value::Binary(name)) = name else { return None };
                Some((text(name), form(value)))
            };
            Form::Object(fields.into_iter().filter_map(field).collect())
        }
    }
}

/// The number in a field, 0 if it is not there.
pub(super) fn number(record: &Value, name: &str) -> u64 {
    match record.get(name) {
        Some(Value::Unsigned(number)) => *number,
        Some(Value::Signed(number)) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

/// The number in a field that may be below zero.
pub(super) fn signed_number(record: &Value, name: &str) -> i64 {
    match record.get(name) {
        Some(Value::Signed(number)) => *number,
        _ => i64::try_from(number(record, name)).unwrap_or(i64::MAX),
    }
}

/// The floating-point number in a field.
pub(super) fn float(record: &Value, name: &str) -> f64 {
    record.get(name).map_or(0.0, as_float)
}

pub(super) fn as_float(value: &Value) -> f64 {
    match value {
        Value::Double(number) => *number,
        Value::Single(number) => f64::from(*number),
        Value::Unsigned(number) => *number as f64,
        Value::Signed(number) => *number as f64,
        _ => 0.0,
    }
}

/// The bytes in a field.
pub(super) fn bytes<'a>(record: &'a Value, name: &str) -> &'a [u8] {
    record.get(name).and_then(Value::as_bytes).unwrap_or_default()
}

/// The text in a field.
pub(super) fn string(record: &Value, name: &str) -> Box<str> {
    String::from_utf8_lossy(bytes(record, name)).into()
}

/// The truth in a field.
pub(super) fn truth(record: &Value, name: &str) -> bool {
    matches!(record.get(name), Some(Value::Bool(true)))
}

/// The list in a field; none for nil.
pub(super) fn list<'a>(record: &'a Value, name: &str) -> Option<&'a [Value]> {
    match record.get(name) {
        Some(Value::Array(items)) => Some(items),
        _ => None,
    }
}
