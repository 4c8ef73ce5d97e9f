//! From an expression to a filter: every selector has a type, every value is of it.

use pattern::{Pattern, PatternError};

use crate::fields::{Field, Kind};
use crate::limits::PATTERNS_COST;
use crate::row::{Record, View};
use crate::syntax::{self, Expression, Operator};

/// Why a text is no filter; the words are the recorded program's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It breaks the grammar. One line for each error.
    #[error("{0}")]
    Syntax(String),
    /// There is no such field, up to the part of the path that is unknown.
    #[error("Selector {} is not valid", gotext::quote(.0))]
    Selector(String),
    /// A field of this kind cannot be asked that.
    #[error("Invalid match operator \"{operator}\" for selector {}", gotext::quote(.selector))]
    Operator {
        /// What was asked.
        operator: &'static str,
        /// Whom.
        selector: String,
    },
    /// The value is of another kind than the field.
    #[error(
        "Failed to coerce value {} for selector {}: strconv.{function}: parsing {}: {why}",
        gotext::quote(.value), gotext::quote(.selector), gotext::quote(.value)
    )]
    Value {
        /// The value as written.
        value: String,
        /// The field.
        selector: String,
        /// The function of Go that reads values of the field's kind.
        function: &'static str,
        /// What it says.
        why: &'static str,
    },
    /// The value of `matches` is no pattern, or costs too much.
    #[error("Failed to compile regular expression {}: {why}", gotext::quote(.pattern))]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong.
        why: PatternError,
    },
    /// Longer than [`crate::limits::EXPRESSION_BYTES`].
    #[error("the expression is longer than {} bytes", crate::limits::EXPRESSION_BYTES)]
    TooLong,
    /// Nested deeper than [`crate::limits::DEPTH`].
    #[error("the expression is nested deeper than {} levels", crate::limits::DEPTH)]
    TooDeep,
}

/// An expression that fits the rows of an endpoint.
#[derive(Debug)]
pub struct Filter {
    root: Node,
}

#[derive(Debug)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Match(Match),
}

#[derive(Debug)]
struct Match {
    path: Vec<String>,
    test: Test,
    negated: bool,
}

#[derive(Debug)]
enum Test {
    Equal(Scalar),
    In(Scalar),
    IsEmpty,
    Matches(Pattern),
}

/// A value of the kind of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scalar {
    Bool(bool),
    Int(i64),
    Text(String),
}

impl Filter {
    /// Reads an expression and checks it against the fields of an endpoint. A blank text is an
    /// error; no filter at all is for the caller to notice.
    ///
    /// # Errors
    ///
    /// Where the recorded program refuses it, and where it goes beyond [`crate::limits`].
    pub fn new(text: &str, fields: &'static [Field]) -> Result<Filter, FilterError> {
        let expression = syntax::parse(text)?;
        let root = compile(expression, fields, &mut { PATTERNS_COST })?;
        Ok(Filter { root })
    }

    /// Whether a row is wanted.
    pub fn matches(&self, row: &dyn Record) -> bool {
        self.root.matches(row)
    }
}

/// `budget` is what patterns may still cost.
fn compile(
    expression: Expression,
    fields: &'static [Field],
    budget: &mut usize,
) -> Result<Node, FilterError> {
    let mut all = |parts: Vec<Expression>| -> Result<Vec<Node>, FilterError> {
        parts.into_iter().map(|part| compile(part, fields, budget)).collect()
    };
    Ok(match expression {
        Expression::Or(parts) => Node::Or(all(parts)?),
        Expression::And(parts) => Node::And(all(parts)?),
        Expression::Not(inner) => Node::Not(Box::new(compile(*inner, fields, budget)?)),
        Expression::Match(found) => Node::Match(compile_match(found, fields, budget)?),
    })
}

fn compile_match(
    found: syntax::Match,
    fields: &'static [Field],
    budget: &mut usize,
) -> Result<Match, FilterError> {
    let kind = kind_of(&found.selector, fields)?;
    let selector = found.selector.join(".");
    let scalar = |kind: &Kind| coerce(kind, &found.value, &selector);
    let test = match (found.operator, kind) {
        (Operator::Equal, Kind::Bool | Kind::Int | Kind::Uint(_) | Kind::Text) => {
            Test::Equal(scalar(kind)?)
        }
        (Operator::In, Kind::Text | Kind::Map(_)) => Test::In(Scalar::Text(found.value)),
        (Operator::In, Kind::List(item)) if item.is_scalar() => Test::In(scalar(item)?),
        (Operator::IsEmpty, Kind::List(_) | Kind::Map(_)) => Test::IsEmpty,
        (Operator::Matches, Kind::Text) => {
            let pattern = Pattern::new(&found.value, *budget)
                .map_err(|why| FilterError::Pattern { pattern: found.value, why })?;
            *budget = budget.saturating_sub(pattern.cost());
            Test::Matches(pattern)
        }
        (operator, _) => {
            return Err(FilterError::Operator {
                operator: name(operator, found.negated),
                selector,
            });
        }
    };
    Ok(Match { path: found.selector, test, negated: found.negated })
}

const NONE: &[Field] = &[];

/// The kind of what a path leads to. A path goes through lists to their items.
fn kind_of(path: &[String], fields: &'static [Field]) -> Result<&'static Kind, FilterError> {
    let mut inner = fields;
    // A map's values have one kind, whatever their key.
    let mut any: Option<&'static Kind> = None;
    let mut kind = &Kind::Record(NONE);
    for (index, name) in path.iter().enumerate() {
        let found = any.or_else(|| inner.iter().find(|field| field.0 == name).map(|f| &f.1));
        kind = found.ok_or_else(|| FilterError::Selector(path[..=index].join(".")))?;
        let mut target = kind;
        while let Kind::List(item) = target {
            target = item;
        }
        (inner, any) = match target {
            Kind::Record(fields) => (*fields, None),
            Kind::Map(value) => (NONE, Some(*value)),
            _ => (NONE, None),
        };
    }
    Ok(kind)
}

fn name(operator: Operator, negated: bool) -> &'static str {
    match (operator, negated) {
        (Operator::Equal, false) => "Equal",
        (Operator::Equal, true) => "Not Equal",
        (Operator::In, false) => "In",
        (Operator::In, true) => "Not In",
        (Operator::IsEmpty, false) => "Is Empty",
        (Operator::IsEmpty, true) => "Is Not Empty",
        (Operator::Matches, false) => "Matches",
        (Operator::Matches, true) => "Not Matches",
    }
}

/// Reads a value of a scalar kind.
fn coerce(kind: &Kind, value: &str, selector: &str) -> Result<Scalar, FilterError> {
    let refused = |function, why| FilterError::Value {
        value: value.to_owned(),
        selector: selector.to_owned(),
        function,
        why,
    };
    let why = |error| match error {
        gotext::NumberError::Syntax => "invalid syntax",
        gotext::NumberError::Range => "value out of range",
    };
    match kind {
        Kind::Bool => {
            gotext::parse_bool(value).map(Scalar::Bool).map_err(|e| refused("ParseBool", why(e)))
        }
        Kind::Int => {
            gotext::parse_int(value).map(Scalar::Int).map_err(|e| refused("ParseInt", why(e)))
        }
        Kind::Uint(bits) => {
            if value.starts_with(['-', '+']) {
                return Err(refused("ParseUint", "invalid syntax"));
            }
            let number = gotext::parse_int(value).map_err(|e| refused("ParseUint", why(e)))?;
            if number >= 1 << bits {
                return Err(refused("ParseUint", "value out of range"));
            }
            Ok(Scalar::Int(number))
        }
        _ => Ok(Scalar::Text(value.to_owned())),
    }
}

impl Node {
    fn matches(&self, row: &dyn Record) -> bool {
        match self {
            Node::Or(parts) => parts.iter().any(|part| part.matches(row)),
            Node::And(parts) => parts.iter().all(|part| part.matches(row)),
            Node::Not(inner) => !inner.matches(row),
            Node::Match(question) => question.holds(View::Record(row), &question.path),
        }
    }
}

impl Match {
    fn holds(&self, view: View<'_>, path: &[String]) -> bool {
        let Some((name, rest)) = path.split_first() else {
            return self.test.holds(view) != self.negated;
        };
        match view {
            View::Record(record) => match record.get(name) {
                None | Some(View::Null) => self.holds_for_nothing(),
                Some(inner) => self.holds(inner, rest),
            },
            // One item is enough, also for a negated question.
            View::List(items) => (0..items.len()).any(|index| self.holds(items.item(index), path)),
            _ => self.holds_for_nothing(),
        }
    }

    /// What is said of a key that a map does not have. That a pattern matches it is the recorded
    /// program's peculiarity.
    fn holds_for_nothing(&self) -> bool {
        match self.test {
            Test::Equal(_) | Test::In(_) => self.negated,
            Test::IsEmpty => !self.negated,
            Test::Matches(_) => true,
        }
    }
}

impl Test {
    fn holds(&self, view: View<'_>) -> bool {
        match (self, view) {
            (Test::Equal(wanted), _) => wanted.is(view),
            (Test::In(Scalar::Text(part)), View::Text(text)) => text.contains(part.as_str()),
            (Test::In(Scalar::Text(key)), View::Record(map)) => map.get(key).is_some(),
            (Test::In(wanted), View::List(items)) => {
                (0..items.len()).any(|index| wanted.is(items.item(index)))
            }
            (Test::IsEmpty, View::List(items)) => items.is_empty(),
            (Test::IsEmpty, View::Record(map)) => map.is_empty(),
            (Test::Matches(pattern), View::Text(text)) => pattern.is_match(text),
            _ => false,
        }
    }
}

impl Scalar {
    fn is(&self, view: View<'_>) -> bool {
        match (self, view) {
            (Scalar::Bool(wanted), View::Bool(value)) => *wanted == value,
            (Scalar::Int(wanted), View::Int(value)) => *wanted == value,
            (Scalar::Text(wanted), View::Text(value)) => wanted == value,
            _ => false,
        }
    }
}
