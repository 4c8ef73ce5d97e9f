//! How values are written, and the records that files may hold.

mod definitions;

pub use definitions::{CHECK, SERVICE};

/// How a value is written.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number; a fraction is cut off.
    Int,
    /// A whole number from 0; the text is the word for it in errors.
    Unsigned(&'static str),
    /// A number.
    Float,
    /// A text.
    Text,
    /// A text such as `1m30s`.
    Duration,
    /// A list of texts.
    List,
    /// An object with any names, whose values are of one kind.
    Map(&'static Kind),
    /// Anything, kept as it is.
    Any,
    /// An object with these names.
    Record(&'static [Field]),
    /// A list of such objects.
    Records(&'static [Field]),
    /// A list of objects, each kept as it is.
    Objects,
}

/// A name in a record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// Another one that is taken for it; empty: none.
    pub alias: &'static str,
    /// How its value is written.
    pub kind: Kind,
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, alias: "", kind }
}

impl Field {
    const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = alias;
        self
    }

    /// Whether a key of a file means this field.
    pub(crate) fn is_called(&self, key: &str) -> bool {
        self.name.eq_ignore_ascii_case(key)
            || (!self.alias.is_empty() && self.alias.eq_ignore_ascii_case(key))
    }
}

impl Kind {
    /// The word for it on the reference page.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Bool => "boolean",
            Kind::Int | Kind::Unsigned(_) => "number",
            Kind::Float => "number, fractions too",
            Kind::Text => "text",
            Kind::Duration => "duration",
            Kind::List => "list of texts",
            Kind::Map(_) => "map",
            Kind::Any => "object",
            Kind::Record(_) => "object",
            Kind::Records(_) | Kind::Objects => "list of objects",
        }
    }
}
