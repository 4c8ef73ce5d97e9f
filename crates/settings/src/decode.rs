//! One source in JSON or HCL, checked against the table: names, types, and the complaints that
//! operators of the real agent know.

use gotext::decode::{Number, Value, whole_value};
use gotext::multi_error;
use gotext::object::{FromValue, Object};

use crate::Failure;
use crate::layer::{Definition, Layer};
use crate::nearest::nearest;
use crate::schema::{Field, Kind};
use crate::table::{Effect, Row, block, row_of_key, rows};

/// The notation of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// HCL 1.
    Hcl,
}

impl Format {
    /// The format of that name.
    pub fn called(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Format::Json),
            "hcl" => Some(Format::Hcl),
            _ => None,
        }
    }
}

/// Most unknown keys that one complaint names, as each is looked up among all known ones; and most
/// values of another type.
const COMPLAINTS: usize = 64;

/// Reads one source. `name` stands in complaints and in the definitions.
///
/// # Errors
///
/// `failed to parse NAME: ` and what is wrong: with the notation, with types, with keys.
pub(crate) fn decode(name: &str, format: Format, text: &[u8]) -> Result<Layer, Failure> {
    if text.trim_ascii().is_empty() {
        return Ok(Layer::default());
    }
    let failed =
        |why: &dyn std::fmt::Display| Failure::new(format!("failed to parse {name}: {why}"));
    let value = match format {
        Format::Json => whole_value(text).map_err(|error| failed(&error))?,
        Format::Hcl => hcl::read(text).map_err(|error| failed(&error))?,
    };
    let fields = match value {
        Value::Null => Vec::new(),
        Value::Object(fields) => fields,
        other => {
            let kind = other.json_kind();
            return Err(failed(&format!(
                "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
            )));
        }
    };
    let mut decoder = Decoder { format, name, ..Decoder::default() };
    decoder.block("", fields);
    decoder.finish()
}

struct Decoder<'a> {
    name: &'a str,
    format: Format,
    layer: Layer,
    /// Values of other types.
    problems: Vec<String>,
    /// Unknown keys, and a line about what was probably meant.
    unknown: Vec<(String, Option<String>)>,
}

impl Default for Decoder<'_> {
    fn default() -> Self {
        Decoder {
            name: "",
            format: Format::Json,
            layer: Layer::default(),
            problems: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

impl Decoder<'_> {
    /// Takes the fields of the block at `prefix` (such as `ports.`, or nothing at the top).
    fn block(&mut self, prefix: &str, fields: Vec<(String, Value)>) {
        for (key, value) in fields {
            let path = format!("{prefix}{key}");
            // A dot in a key leads nowhere.
            let known = !key.contains('.');
            if let Some(row) = row_of_key(&path).filter(|_| known) {
                self.row(row, value);
            } else if let Some(name) = block(&path).filter(|_| known) {
                match self.single(value) {
                    Value::Null => {}
                    Value::Object(fields) => self.block(&format!("{name}."), fields),
                    other => self.not_a_map(name, &other),
                }
            } else {
                self.not_known(path, hint_for_key);
            }
        }
    }

    fn row(&mut self, row: &'static Row, value: Value) {
        let Some(value) = self.value(row.name(), row.kind, value) else { return };
        let (list, items) = match row.name() {
            "service" => (&mut self.layer.services, vec![value]),
            "services" => (&mut self.layer.services, items(value)),
            "check" => (&mut self.layer.checks, vec![value]),
            "checks" => (&mut self.layer.checks, items(value)),
            "watches" => (&mut self.layer.watches, items(value)),
            _ => return self.layer.set(row, value),
        };
        let objects = items.into_iter().filter_map(|item| Object::from_value(item).ok());
        list.extend(objects.map(|object| Definition { file: self.name.to_owned(), object }));
    }

    /// A value in the form that its kind has; nothing if it is `null` or was complained about.
    fn value(&mut self, path: &str, kind: Kind, value: Value) -> Option<Value> {
        let value = match kind {
            Kind::List | Kind::Records(_) | Kind::Objects => value,
            _ => self.single(value),
        };
        match (kind, value) {
            (_, Value::Null) => None,
            (Kind::Bool, value @ Value::Bool(_))
            | (Kind::Text | Kind::Duration, value @ Value::Text(_))
            | (Kind::Float, value @ Value::Number(_)) => Some(value),
            (Kind::Int, Value::Number(number)) => Some(whole(&number)),
            (Kind::Unsigned(_), Value::Number(number)) => self.unsigned(path, &number),
            (Kind::Any, value @ Value::Object(_)) => Some(self.any(value)),
            (Kind::Map(kind), Value::Object(fields)) => Some(self.map(path, *kind, fields)),
            (Kind::Record(names), Value::Object(fields)) => Some(self.record(path, names, fields)),
            (Kind::List, Value::List(items)) => Some(self.list(path, Kind::Text, items)),
            (Kind::Records(names), Value::List(items)) => {
                Some(self.list(path, Kind::Record(names), items))
            }
            (Kind::Objects, Value::List(items)) => Some(self.list(path, Kind::Any, items)),
            (Kind::List | Kind::Records(_) | Kind::Objects, other) => {
                self.problem(format!(
                    "'{path}': source data must be an array or slice, got {}",
                    self.go_kind(&other)
                ));
                None
            }
            (Kind::Map(_) | Kind::Any | Kind::Record(_), other) => {
                self.not_a_map(path, &other);
                None
            }
            (Kind::Bool, other) => self.wrong_type(path, "bool", &other),
            (Kind::Int, other) => self.wrong_type(path, "int", &other),
            (Kind::Unsigned(word), other) => self.wrong_type(path, word, &other),
            (Kind::Float, other) => self.wrong_type(path, "float64", &other),
            (Kind::Text | Kind::Duration, other) => self.wrong_type(path, "string", &other),
        }
    }

    /// A list of one stands for its element.
    fn single(&self, value: Value) -> Value {
        match value {
            Value::List(mut items) if items.len() == 1 => items.remove(0),
            other => other,
        }
    }

    /// A value that is kept as it is; in HCL a block is an object.
    fn any(&self, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let plain = |(name, value)| (name, self.any(value));
                Value::Object(fields.into_iter().map(plain).collect())
            }
            Value::List(mut items) => match items.as_slice() {
                [Value::Object(_)] if self.format == Format::Hcl => self.any(items.remove(0)),
                _ => Value::List(items.into_iter().map(|item| self.any(item)).collect()),
            },
            other => other,
        }
    }

    fn map(&mut self, path: &str, kind: Kind, fields: Vec<(String, Value)>) -> Value {
        let mut taken = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let value = match (kind, value) {
                (Kind::Text, Value::Null) => Some(Value::Text(String::new())),
                (kind, value) => self.value(&format!("{path}[{name}]"), kind, value),
            };
            taken.extend(value.map(|value| (name, value)));
        }
        Value::Object(taken)
    }

    fn record(&mut self, path: &str, names: &[Field], fields: Vec<(String, Value)>) -> Value {
        let mut taken: Vec<(String, Value)> = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            let Some(field) = names.iter().find(|field| field.is_called(&key)) else {
                self.not_known(format!("{path}.{key}"), |unknown| {
                    let meant = nearest(&key, names.iter().map(|field| field.name))?;
                    Some(format!("did you mean '{path}.{meant}' instead of '{unknown}'?"))
                });
                continue;
            };
            let value = self.value(&format!("{path}.{}", field.name), field.kind, value);
            if let Some(value) = value {
                // Of two names for one field, or two cases of one name, the last counts.
                taken.retain(|(name, _)| name != field.name);
                taken.push((field.name.to_owned(), value));
            }
        }
        Value::Object(taken)
    }

    fn list(&mut self, path: &str, kind: Kind, items: Vec<Value>) -> Value {
        let mut taken = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            taken.extend(match (kind, item) {
                (Kind::Text, Value::Null) => Some(Value::Text(String::new())),
                (_, Value::Null) => Some(Value::Object(Vec::new())),
                (kind, item) => self.value(&format!("{path}[{index}]"), kind, item),
            });
        }
        Value::List(taken)
    }

    fn unsigned(&mut self, path: &str, number: &Number) -> Option<Value> {
        let value = whole(number);
        if number.float() >= 0.0 {
            return Some(value);
        }
        let shown = match self.format {
            Format::Json => format!("{:.6}", number.float()),
            Format::Hcl => number.as_str().to_owned(),
        };
        self.problem(format!("cannot parse '{path}', {shown} overflows uint"));
        None
    }

    fn wrong_type(&mut self, path: &str, expected: &str, value: &Value) -> Option<Value> {
        let found = match value {
            Value::Number(_) => self.go_kind(value),
            other => other.go_type(),
        };
        self.problem(format!(
            "'{path}' expected type '{expected}', got unconvertible type '{found}', value: \
             '{value}'"
        ));
        None
    }

    fn not_a_map(&mut self, path: &str, value: &Value) {
        self.problem(format!("'{path}' expected a map, got '{}'", self.go_kind(value)));
    }

    /// HCL has whole numbers.
    fn go_kind(&self, value: &Value) -> &'static str {
        match value {
            Value::Number(number)
                if self.format == Format::Hcl && number.as_str().parse::<i64>().is_ok() =>
            {
                "int"
            }
            other => other.go_kind(),
        }
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < COMPLAINTS {
            self.problems.push(problem);
        }
    }

    fn not_known(&mut self, path: String, hint: impl FnOnce(&str) -> Option<String>) {
        if self.unknown.len() < COMPLAINTS {
            let hint = hint(&path);
            self.unknown.push((path, hint));
        }
    }

    fn finish(mut self) -> Result<Layer, Failure> {
        let failed = |why: String| Failure::new(format!("failed to parse {}: {why}", self.name));
        if !self.problems.is_empty() {
            self.problems.sort();
            let mut text = format!("{} error(s) decoding:\n", self.problems.len());
            for line in &self.problems {
                text.push_str("\n* ");
                text.push_str(line);
            }
            return Err(failed(text));
        }
        if self.unknown.is_empty() {
            return Ok(self.layer);
        }
        self.unknown.sort();
        let lines: Vec<_> =
            self.unknown.iter().map(|(key, _)| format!("invalid config key {key}")).collect();
        let failure = failed(multi_error(&lines));
        let hints: Vec<_> = self.unknown.into_iter().filter_map(|(_, hint)| hint).collect();
        Err(if hints.is_empty() { failure } else { failure.hint(hints.join("\n")) })
    }
}

/// A line about what was probably meant by an unknown key outside definitions.
fn hint_for_key(unknown: &str) -> Option<String> {
    if let (Some(_), Some((block, key))) = (row_of_key(unknown), unknown.rsplit_once('.')) {
        return Some(format!("'{key}' stands in the block '{block}', which a dot cannot say"));
    }
    let current = rows().filter(|row| !matches!(row.effect, Effect::Replaced(_)));
    let meant = nearest(unknown, current.filter_map(|row| row.key))?;
    Some(format!("did you mean '{meant}' instead of '{unknown}'?"))
}

/// Fractions are cut off.
fn whole(number: &Number) -> Value {
    let digits = number.as_str().parse().unwrap_or_else(|_| number.float() as i64);
    Value::Number(Number::from(digits))
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::List(items) => items,
        other => vec![other],
    }
}
