//! Values without a schema.

use super::reader::Head;
use super::{Reader, Writer};
use crate::{DecodeError, limits};

/// Any value, as it stood on the wire; what tells two encodings of one meaning apart is kept as
/// far as a reader could act on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A number in an unsigned form, the positive fixnum included.
    Unsigned(u64),
    /// A number in a signed form.
    Signed(i64),
    /// A floating-point number of 32 bits.
    Single(f32),
    /// A floating-point number of 64 bits.
    Double(f64),
    /// A string, or in the gossip dialect also bytes.
    Raw(Vec<u8>),
    /// Bytes in a bin form.
    Binary(Vec<u8>),
    /// A list.
    Array(Vec<Value>),
    /// A map in wire order, duplicates included.
    Map(Vec<(Value, Value)>),
    /// An extension: its kind and its bytes. Never sent by any known peer.
    Extension(u8, Vec<u8>),
}

impl Value {
    /// Reads one value.
    pub fn read(reader: &mut Reader<'_>) -> Result<Value, DecodeError> {
        Value::read_nested(reader, limits::MSGPACK_DEPTH)
    }

    /// The string or bytes inside, in whatever form they came.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Raw(bytes) | Value::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text inside a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Raw(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The value under a key of a map; the last one where there are several.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Value::Map(pairs) = self else { return None };
        pairs.iter().rev().find(|(name, _)| name.as_text() == Some(key)).map(|(_, value)| value)
    }

    fn read_nested(reader: &mut Reader<'_>, depth: usize) -> Result<Value, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        Ok(match reader.read_head()? {
            Head::Nil => Value::Nil,
            Head::Bool(value) => Value::Bool(value),
            Head::Unsigned(value) => Value::Unsigned(value),
            Head::Signed(value) => Value::Signed(value),
            Head::Single(value) => Value::Single(value),
            Head::Double(value) => Value::Double(value),
            Head::Raw(length) => Value::Raw(reader.take(length as usize)?.to_vec()),
            Head::Binary(length) => Value::Binary(reader.take(length as usize)?.to_vec()),
            Head::Extension(kind, length) => {
                Value::Extension(kind, reader.take(length as usize)?.to_vec())
            }
            Head::Array(count) => {
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(Value::read_nested(reader, depth)?);
                }
                Value::Array(values)
            }
            Head::Map(count) => {
                let mut pairs = Vec::new();
                for _ in 0..count {
                    let key = Value::read_nested(reader, depth)?;
                    pairs.push((key, Value::read_nested(reader, depth)?));
                }
                Value::Map(pairs)
            }
        })
    }
}

impl Writer<'_> {
    /// Writes a value in the shortest form that this writer's dialect and habit have for it.
    pub fn write_value(&mut self, value: &Value) {
        match value {
            Value::Nil => self.write_nil(),
            Value::Bool(value) => self.write_bool(*value),
            Value::Unsigned(value) => self.write_u64(*value),
            Value::Signed(value) => self.write_i64(*value),
            Value::Single(value) => self.write_f32(*value),
            Value::Double(value) => self.write_f64(*value),
            Value::Raw(bytes) => self.write_raw(bytes),
            Value::Binary(bytes) => self.write_bytes(bytes),
            Value::Array(values) => {
                self.write_array(values.len());
                values.iter().for_each(|value| self.write_value(value));
            }
            Value::Map(pairs) => {
                self.write_map(pairs.len());
                for (key, value) in pairs {
                    self.write_value(key);
                    self.write_value(value);
                }
            }
            Value::Extension(kind, bytes) => self.write_extension(*kind, bytes),
        }
    }
}
