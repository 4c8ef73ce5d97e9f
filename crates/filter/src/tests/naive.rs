//! The language against a reading of its rules that is as simple as can be, over random
//! expressions and rows; and texts that are no expressions.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use crate::{Field, Filter, Kind};

const FIELDS: &[Field] = &[
    ("Name", Kind::Text),
    ("Port", Kind::Int),
    ("Up", Kind::Bool),
    ("Tags", Kind::List(&Kind::Text)),
    ("Meta", Kind::Map(&Kind::Text)),
    ("Checks", Kind::List(&Kind::Record(&[("Status", Kind::Text)]))),
];

#[derive(Clone, Debug)]
struct Row {
    name: String,
    port: i64,
    up: bool,
    tags: Vec<String>,
    meta: BTreeMap<String, String>,
    checks: Vec<String>,
}

#[derive(Clone, Debug)]
enum Ask {
    Name(String),
    NamePart(String),
    NameBegins(String),
    Port(i64),
    Up(bool),
    Tag(String),
    Tags,
    Meta(String, String),
    Key(String),
    Metas,
    Status(String),
    Checks,
}

#[derive(Clone, Debug)]
enum Plan {
    Ask(Ask, bool),
    Not(Box<Plan>),
    And(Box<Plan>, Box<Plan>),
    Or(Box<Plan>, Box<Plan>),
}

impl Plan {
    fn text(&self) -> String {
        match self {
            Plan::Not(inner) => format!("not {}", inner.text()),
            Plan::And(a, b) => format!("({} and {})", a.text(), b.text()),
            Plan::Or(a, b) => format!("({}\n or\t{} )", a.text(), b.text()),
            Plan::Ask(ask, negated) => {
                let (equal, not) = if *negated { ("!=", " not") } else { ("==", "") };
                match ask {
                    Ask::Name(x) => format!("Name{equal}`{x}`"),
                    Ask::NamePart(x) => format!("Name{not} contains \"{x}\""),
                    Ask::NameBegins(x) => format!("Name{not} matches \"^{x}\""),
                    Ask::Port(x) => format!("Port {equal} {x}"),
                    Ask::Up(x) => format!("Up {equal} {x}"),
                    Ask::Tag(x) => format!("\"{x}\"{not} in Tags"),
                    Ask::Tags => format!("Tags is{not} empty"),
                    Ask::Meta(k, x) => format!("Meta[\"{k}\"] {equal} \"{x}\""),
                    Ask::Key(k) => format!("Meta{not} contains `{k}`"),
                    Ask::Metas => format!("Meta is{not} empty"),
                    Ask::Status(x) => format!("Checks.Status {equal} \"{x}\""),
                    Ask::Checks => format!("Checks is{not} empty"),
                }
            }
        }
    }

    fn holds(&self, row: &Row) -> bool {
        match self {
            Plan::Not(inner) => !inner.holds(row),
            Plan::And(a, b) => a.holds(row) & b.holds(row),
            Plan::Or(a, b) => a.holds(row) | b.holds(row),
            Plan::Ask(Ask::Status(x), negated) => {
                row.checks.iter().any(|status| (status == x) != *negated)
            }
            Plan::Ask(ask, negated) => {
                negated
                    ^ match ask {
                        Ask::Name(x) => row.name == *x,
                        Ask::NamePart(x) => row.name.contains(x),
                        Ask::NameBegins(x) => row.name.starts_with(x),
                        Ask::Port(x) => row.port == *x,
                        Ask::Up(x) => row.up == *x,
                        Ask::Tag(x) => row.tags.contains(x),
                        Ask::Tags => row.tags.is_empty(),
                        Ask::Meta(k, x) => row.meta.get(k) == Some(x),
                        Ask::Key(k) => row.meta.contains_key(k),
                        Ask::Metas => row.meta.is_empty(),
                        Ask::Status(_) | Ask::Checks => row.checks.is_empty(),
                    }
            }
        }
    }
}

/// Few letters, so that equal texts are met.
fn word() -> impl Strategy<Value = String> {
    "[abé]{0,2}"
}

fn row() -> impl Strategy<Value = Row> {
    let words = || proptest::collection::vec(word(), 0..3);
    let meta = proptest::collection::btree_map(word(), word(), 0..3);
    (word(), -2..3i64, any::<bool>(), words(), meta, words())
        .prop_map(|(name, port, up, tags, meta, checks)| Row { name, port, up, tags, meta, checks })
}

fn plan() -> impl Strategy<Value = Plan> {
    let ask = prop_oneof![
        word().prop_map(Ask::Name),
        word().prop_map(Ask::NamePart),
        word().prop_map(Ask::NameBegins),
        (-2..3i64).prop_map(Ask::Port),
        any::<bool>().prop_map(Ask::Up),
        word().prop_map(Ask::Tag),
        Just(Ask::Tags),
        (word(), word()).prop_map(|(key, value)| Ask::Meta(key, value)),
        word().prop_map(Ask::Key),
        Just(Ask::Metas),
        word().prop_map(Ask::Status),
        Just(Ask::Checks),
    ];
    let leaf = (ask, any::<bool>()).prop_map(|(ask, negated)| Plan::Ask(ask, negated));
    leaf.prop_recursive(5, 24, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|plan| Plan::Not(Box::new(plan))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Plan::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Plan::Or(Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_the_naive_reading(plan in plan(), row in row()) {
        let checks: Vec<_> = row.checks.iter().map(|status| json!({"Status": status})).collect();
        let value = json!({
            "Name": row.name, "Port": row.port, "Up": row.up, "Tags": row.tags,
            "Meta": row.meta, "Checks": checks,
        });
        let text = plan.text();
        let filter = Filter::new(&text, FIELDS).unwrap();
        prop_assert_eq!(filter.matches(&value), plan.holds(&row), "{}", text);
    }

    /// Pieces of expressions in any order: no panic, and an error is one that can be shown.
    #[test]
    fn pieces_in_any_order(pieces in proptest::collection::vec(0..PIECES.len(), 0..24)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        if let Err(error) = Filter::new(&text, FIELDS) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_text(text in any::<String>()) {
        let _ = Filter::new(&text, FIELDS);
    }
}

const PIECES: &[&str] = &[
    "Name", "Port", "Meta", "Tags", ".", "[", "]", "\"", "`", "\\", "(", ")", " ", "\n", "==",
    "!=", "not", "in", "is", "empty", "contains", "matches", "and", "or", "-", "0", "12", "é",
    "\\x41", "\\u00e9", "\\777",
];
