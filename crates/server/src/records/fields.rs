//! The fields of records that were read.

use gotext::decode::{Number, Value as Form};
use wire::msgpack::Value;

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
