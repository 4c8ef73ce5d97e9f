//! The flags of `tribune agent`, for the parser of the command line and its help.

use crate::schema::Kind;
use crate::table::{Initial, Row, rows};

/// How the value of a flag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// May stand alone, takes a value only with `=`.
    Switch,
    /// A whole number.
    Number,
    /// Any text; the last one counts. Durations are looked at by [`crate::load`].
    Text,
    /// Any text; each one counts.
    List,
}

/// A flag as a parser wants it.
#[derive(Clone, Copy, Debug)]
pub struct AgentFlag {
    /// Without a dash.
    pub name: &'static str,
    /// How its value is written.
    pub kind: FlagKind,
    /// What stands for the value in help texts; empty for switches.
    pub value_name: &'static str,
    /// The value without it, as help texts show it; empty: none.
    pub default: &'static str,
    /// The flag to use instead of it, if it is deprecated.
    pub replaced_by: Option<&'static str>,
    /// What it is for.
    pub help: &'static str,
}

/// Every flag, sorted by name.
pub fn flags() -> Vec<AgentFlag> {
    let mut flags: Vec<_> = rows().flat_map(of_row).collect();
    flags.sort_by_key(|flag| flag.name);
    flags
}

fn of_row(row: &'static Row) -> impl Iterator<Item = AgentFlag> {
    let kind = match row.kind {
        Kind::Bool => FlagKind::Switch,
        Kind::Int | Kind::Unsigned(_) => FlagKind::Number,
        Kind::List | Kind::Map(_) => FlagKind::List,
        _ => FlagKind::Text,
    };
    let default = match row.initial {
        Initial::Empty => "",
        Initial::Is(text) | Initial::Described(text) => text,
    };
    let make = move |flag: crate::Flag, replaced_by| AgentFlag {
        name: flag.name,
        kind,
        value_name: flag.value_name,
        default,
        replaced_by,
        help: row.help,
    };
    let current = row.flag.map(|flag| make(flag, None));
    let old = row.old_flag.map(|flag| make(flag, row.flag.map(|flag| flag.name)));
    current.into_iter().chain(old)
}
