//! Objects as Go's decoder fills records from them: names in any case, `null` for what is absent,
//! and Go's words for a value of another type.
//!
//! ```
//! use gotext::object::Object;
//!
//! let mut body = Object::parse(br#"{"NAME": "web", "Port": 80, "Tags": null}"#)?;
//! assert_eq!(body.field::<String>("Name")?, "web");
//! assert_eq!(body.field::<i64>("Port")?, 80);
//! assert_eq!(body.optional::<Vec<String>>("Tags")?, None);
//! body.finish()?;
//! # Ok::<(), gotext::object::ObjectError>(())
//! ```

use std::collections::BTreeMap;

use crate::base64::{Base64Error, decode_base64};
use crate::decode::{DecodeError, Value, first_value};
use crate::duration::{DurationError, GoDuration};

/// Why a text does not fill a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It is no JSON.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A value of another type than the record's. Go names its own type behind "into Go", which
    /// nobody can rely on.
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    Type {
        /// The kind of the value, with its digits if it is a number that does not fit.
        found: String,
        /// The value, or the field of a struct.
        place: String,
        /// The type of the field.
        wanted: &'static str,
    },
    /// A name that no field has.
    #[error("json: unknown field \"{0}\"")]
    Unknown(String),
    /// A duration that is none.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// Bytes that are not in base64.
    #[error(transparent)]
    Base64(#[from] Base64Error),
}

impl ObjectError {
    /// The error of a value, as that of a field.
    fn of_field(self, name: &str) -> Self {
        match self {
            Self::Type { found, place, wanted } if place == VALUE => {
                Self::Type { found, place: format!("struct field {name}"), wanted }
            }
            other => other,
        }
    }

    /// The same with what Go calls the struct in front of the field's name.
    #[must_use]
    pub fn within(self, owner: &str) -> Self {
        match self {
            Self::Type { found, place, wanted } => {
                let place = place.replacen("struct field ", &format!("struct field {owner}."), 1);
                Self::Type { found, place, wanted }
            }
            other => other,
        }
    }
}

/// What a field can be.
pub trait FromValue: Sized {
    /// Reads a value that is not `null`.
    ///
    /// # Errors
    ///
    /// [`ObjectError`], mostly of another type.
    fn from_value(value: Value) -> Result<Self, ObjectError>;
}

/// What a type error is about, unless it is known to be a field.
const VALUE: &str = "value";

fn wrong<T>(value: &Value, wanted: &'static str) -> Result<T, ObjectError> {
    Err(ObjectError::Type { found: value.json_kind().to_owned(), place: VALUE.to_owned(), wanted })
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        Ok(value)
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        match value {
            Value::Text(text) => Ok(text),
            other => wrong(&other, "string"),
        }
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        match value {
            Value::Bool(value) => Ok(value),
            other => wrong(&other, "bool"),
        }
    }
}

fn number<T: std::str::FromStr>(value: &Value, wanted: &'static str) -> Result<T, ObjectError> {
    let Value::Number(number) = value else { return wrong(value, wanted) };
    let unfit = |_| ObjectError::Type {
        found: format!("number {}", number.as_str()),
        place: VALUE.to_owned(),
        wanted,
    };
    number.as_str().parse().map_err(unfit)
}

impl FromValue for i64 {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        number(&value, "int")
    }
}

impl FromValue for u64 {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        number(&value, "uint64")
    }
}

impl FromValue for f64 {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        number(&value, "float64")
    }
}

impl<T: FromValue + Default> FromValue for Vec<T> {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        let Value::List(items) = value else { return wrong(&value, "[]interface {}") };
        items.into_iter().map(item).collect()
    }
}

/// A map; an absent value is the empty one.
impl<T: FromValue + Default> FromValue for BTreeMap<String, T> {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        let Value::Object(fields) = value else { return wrong(&value, "map[string]interface {}") };
        fields.into_iter().map(|(key, value)| Ok((key, item(value)?))).collect()
    }
}

fn item<T: FromValue + Default>(value: Value) -> Result<T, ObjectError> {
    if value == Value::Null { Ok(T::default()) } else { T::from_value(value) }
}

/// Bytes, written in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl FromValue for Base64 {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        match value {
            Value::Text(text) => Ok(Self(decode_base64(&text)?)),
            other => wrong(&other, "[]uint8"),
        }
    }
}

/// A length of time: a text like `10s`, or a number of nanoseconds. Another type counts as absent,
/// as it does for Consul.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nanoseconds(pub Option<i64>);

impl FromValue for Nanoseconds {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        Ok(Self(match value {
            Value::Text(text) => Some(GoDuration::parse(&text)?.as_nanoseconds()),
            // A float of Go's, cut to a whole number.
            Value::Number(number) => Some(number.float() as i64),
            _ => None,
        }))
    }
}

/// An object whose fields are taken out one after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    fields: Vec<(String, Value)>,
}

impl FromValue for Object {
    fn from_value(value: Value) -> Result<Self, ObjectError> {
        match value {
            Value::Object(fields) => Ok(Self { fields }),
            other => wrong(&other, "struct"),
        }
    }
}

impl Object {
    /// Reads the first value of a text; what follows it is ignored, and `null` is an empty object.
    ///
    /// # Errors
    ///
    /// For what is no JSON and for what is no object.
    pub fn parse(text: &[u8]) -> Result<Self, ObjectError> {
        item(first_value(text)?)
    }

    /// Takes a field. The name is matched in any case; of several the last one counts, and `null`
    /// is none.
    ///
    /// # Errors
    ///
    /// A value of another type.
    pub fn optional<T: FromValue>(&mut self, name: &str) -> Result<Option<T>, ObjectError> {
        let Some(at) = self.fields.iter().rposition(|(key, _)| same_name(key, name)) else {
            return Ok(None);
        };
        let (_, found) = self.fields.remove(at);
        self.fields.retain(|(key, _)| !same_name(key, name));
        match found {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some).map_err(|error| error.of_field(name)),
        }
    }

    /// As [`Object::optional`]; what is absent is the empty value.
    ///
    /// # Errors
    ///
    /// A value of another type.
    pub fn field<T: FromValue + Default>(&mut self, name: &str) -> Result<T, ObjectError> {
        Ok(self.optional(name)?.unwrap_or_default())
    }

    /// A field that has several names: the first that is there counts.
    ///
    /// # Errors
    ///
    /// A value of another type under any of them.
    pub fn aliased<T: FromValue>(&mut self, names: &[&str]) -> Result<Option<T>, ObjectError> {
        let mut found = None;
        for name in names {
            let value = self.optional(name)?;
            found = found.or(value);
        }
        Ok(found)
    }

    /// Takes a list of objects. A `null` in it is refused: Go's program ends on one.
    ///
    /// # Errors
    ///
    /// A value of another type, the elements included.
    pub fn objects(&mut self, name: &str) -> Result<Option<Vec<Object>>, ObjectError> {
        let Some(values) = self.optional::<Value>(name)? else { return Ok(None) };
        objects(values).map(Some)
    }

    /// Refuses `null` where an object must stand, if it stands there at all.
    ///
    /// # Errors
    ///
    /// A type error about the field.
    pub fn refuse_null(&self, name: &str) -> Result<(), ObjectError> {
        let is_null =
            |(key, value): &(String, Value)| same_name(key, name) && *value == Value::Null;
        if self.fields.iter().any(is_null) {
            return wrong(&Value::Null, "struct")
                .map_err(|error: ObjectError| error.of_field(name));
        }
        Ok(())
    }

    /// Whether a field of this name is left.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(key, _)| same_name(key, name))
    }

    /// The fields that were not taken.
    pub fn rest(self) -> Vec<(String, Value)> {
        self.fields
    }

    /// Refuses what was not taken.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Unknown`] for the first field that is left.
    pub fn finish(self) -> Result<(), ObjectError> {
        match self.fields.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(ObjectError::Unknown(name)),
        }
    }
}

/// A list of objects, none of them `null`.
///
/// # Errors
///
/// A value of another type.
pub fn objects(value: Value) -> Result<Vec<Object>, ObjectError> {
    match value {
        Value::List(items) => items.into_iter().map(Object::from_value).collect(),
        other => wrong(&other, "[]struct"),
    }
}

/// Go folds more than ASCII, but only for the long s and the Kelvin sign.
fn same_name(key: &str, name: &str) -> bool {
    key.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests;
