//! What one source says, and all of them together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gotext::GoDuration;
use gotext::decode::{Number, Value};
use gotext::object::Object;

use crate::schema::Kind;
use crate::table::{Effect, Initial, Row, row_of_key, rows};

/// A service, a check or a watch of a file. The names in it are those of the configuration, in
/// small letters; what their values mean has not been looked at.
#[derive(Clone, PartialEq)]
pub struct Definition {
    /// The file, as it was named.
    pub file: String,
    /// The definition.
    pub object: Object,
}

/// Values by key, of the types of their rows.
#[derive(Clone, Default, PartialEq)]
pub struct Layer {
    values: BTreeMap<&'static str, Value>,
    /// The services, of `service` and `services`.
    pub(crate) services: Vec<Definition>,
    /// The checks, of `check` and `checks`.
    pub(crate) checks: Vec<Definition>,
    /// The watches.
    pub(crate) watches: Vec<Definition>,
}

/// Without the definition, which may hold a token.
impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Without values: keys and tokens are among them.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Layer {
    /// What `-dev` says.
    pub(crate) fn dev() -> Self {
        let mut layer = Layer::default();
        for row in rows() {
            if let Some(text) = row.dev {
                layer.set(row, written(row.kind, text));
            }
        }
        layer
    }

    /// Takes a value over an older one: lists are appended, objects go name by name, the rest is
    /// replaced.
    pub(crate) fn set(&mut self, row: &'static Row, value: Value) {
        match (self.values.get_mut(row.name()), value) {
            (Some(Value::List(list)), Value::List(more)) => list.extend(more),
            (Some(Value::Object(fields)), Value::Object(more)) => {
                let newer: BTreeSet<_> = more.iter().map(|(name, _)| name).collect();
                fields.retain(|(name, _)| !newer.contains(name));
                fields.extend(more);
            }
            (_, value) => {
                self.values.insert(row.name(), value);
            }
        }
    }

    /// Lays a later source over this one.
    pub(crate) fn merge(&mut self, later: Layer) {
        for (name, value) in later.values {
            if let Some(row) = row_of_key(name) {
                self.set(row, value);
            }
        }
        self.services.extend(later.services);
        self.checks.extend(later.checks);
        self.watches.extend(later.watches);
    }

    /// Puts the values of old names under the new ones, unless those have values themselves; lists
    /// are joined. The lines tell the operator.
    pub(crate) fn replace_old_names(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        for row in rows() {
            let Effect::Replaced(new) = row.effect else { continue };
            let Some(value) = self.values.remove(row.name()) else { continue };
            // What was a block of its own is named as such.
            let (old, shown) = match row.name().split_once(".nofreelistsync") {
                Some((block, _)) => (block, new.rsplit_once('.').map_or(new, |(block, _)| block)),
                None => (row.name(), new),
            };
            warnings
                .push(format!("The '{old}' field is deprecated. Use the '{shown}' field instead."));
            // Whoever named the datacenter of the rules wanted them.
            if row.name() == "acl_datacenter"
                && let Some(enabled) = row_of_key("acl.enabled")
            {
                self.set(enabled, Value::Bool(true));
            }
            let Some(row) = row_of_key(new) else { continue };
            let value = if new.ends_with(".tls_min_version") { tls_version(value) } else { value };
            if matches!(row.kind, Kind::List) || !self.values.contains_key(new) {
                self.set(row, value);
            }
        }
        warnings
    }

    /// The value that some source has given.
    pub fn given(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A text, or the default of its row.
    pub fn text(&self, key: &str) -> &str {
        match self.values.get(key) {
            Some(Value::Text(text)) => text,
            _ => initial(key),
        }
    }

    /// A switch, or the default of its row.
    pub fn bool(&self, key: &str) -> bool {
        self.given_bool(key).unwrap_or_else(|| initial(key) == "true")
    }

    /// A switch that some source has given.
    pub(crate) fn given_bool(&self, key: &str) -> Option<bool> {
        match self.values.get(key) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// A whole number, or the default of its row.
    pub fn int(&self, key: &str) -> i64 {
        self.given_int(key).or_else(|| initial(key).parse().ok()).unwrap_or(0)
    }

    /// A whole number that some source has given.
    pub(crate) fn given_int(&self, key: &str) -> Option<i64> {
        match self.values.get(key) {
            Some(Value::Number(number)) => number.as_str().parse().ok(),
            _ => None,
        }
    }

    /// A number, or the default of its row.
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.values.get(key) {
            Some(Value::Number(number)) => Some(number.float()),
            _ => initial(key).parse().ok(),
        }
    }

    /// A duration, or the default of its row. Whether it is one was checked before.
    pub fn duration(&self, key: &str) -> GoDuration {
        GoDuration::parse(self.text(key)).unwrap_or_default()
    }

    /// A list of texts, empty without a source.
    pub fn list(&self, key: &str) -> Vec<String> {
        match self.values.get(key) {
            Some(Value::List(items)) => items.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// Texts by name, none without a source.
    pub fn texts(&self, key: &str) -> BTreeMap<String, String> {
        match self.values.get(key) {
            Some(Value::Object(fields)) => {
                fields.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
            }
            _ => BTreeMap::new(),
        }
    }

    /// The keys whose values differ and that a reload does not take into use, in the order of the
    /// table.
    pub(crate) fn changes_ignored_by_reload(&self, new: &Layer) -> Vec<&'static str> {
        rows()
            .filter(|row| !row.reloadable && row.effect != Effect::Without)
            .map(Row::name)
            .filter(|name| self.values.get(name) != new.values.get(name))
            .collect()
    }
}

/// The new name of a version of TLS.
fn tls_version(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(match text.as_str() {
            "tls10" => "TLSv1_0".to_owned(),
            "tls11" => "TLSv1_1".to_owned(),
            "tls12" => "TLSv1_2".to_owned(),
            "tls13" => "TLSv1_3".to_owned(),
            _ => text,
        }),
        other => other,
    }
}

fn initial(key: &str) -> &'static str {
    let row = row_of_key(key);
    debug_assert!(row.is_some(), "no option is called {key}");
    match row.map(|row| row.initial) {
        Some(Initial::Is(text)) => text,
        _ => "",
    }
}

/// A text of the table or of the command line as a value; what is no number is 0.
pub(crate) fn written(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Bool => Value::Bool(gotext::parse_bool(text).unwrap_or(false)),
        Kind::Int | Kind::Unsigned(_) => {
            Value::Number(Number::from(gotext::parse_int(text).unwrap_or(0)))
        }
        Kind::List => Value::List(vec![Value::Text(text.to_owned())]),
        Kind::Map(_) => {
            let (name, value) = text.split_once(':').unwrap_or((text, ""));
            Value::Object(vec![(name.to_owned(), Value::Text(value.to_owned()))])
        }
        _ => Value::Text(text.to_owned()),
    }
}
