//! The language in the texts of templates: literals, and between `${` and `}` expressions over
//! what is known of the name that was asked for (consul-http, "Prepared queries").
//!
//! ```text
//! text      = ( literal | "$${" | "${" condition "}" )*
//! condition = or [ "?" condition ":" condition ]
//! or        = and ( "||" and )*            and = equality ( "&&" equality )*
//! equality  = order ( ("=="|"!=") order )*
//! order     = sum ( ("<"|"<="|">"|">=") sum )*
//! sum       = product ( ("+"|"-") product )*
//! product   = unary ( ("*"|"/"|"%") unary )*
//! unary     = ("-"|"!") unary | number | true | false | '"' text '"' | name
//!           | name "(" [ condition ( "," condition )* ] ")" | "(" condition ")"
//! ```

use std::cell::Cell;

/// How deep expressions may nest.
const DEPTH: usize = 32;
/// How many numbers, names and operations a text may have: trees are walked by recursion.
const NODES: usize = 512;

const FULL: &str = "name.full";
const PREFIX: &str = "name.prefix";
const SUFFIX: &str = "name.suffix";
const SEGMENT: &str = "agent.segment";
const MATCH: &str = "match";

/// A text that was read.
#[derive(Debug)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Expression(Node),
}

#[derive(Debug)]
struct Node {
    at: Position,
    what: What,
}

#[derive(Debug)]
enum What {
    Integer(i64),
    Float(f64),
    Truth(bool),
    Text(Text),
    Variable(String),
    Call(String, Vec<Node>),
    Unary(char, Box<Node>),
    Binary(&'static str, Box<[Node; 2]>),
    Condition(Box<[Node; 3]>),
}

/// Line and column in characters, from 1.
#[derive(Clone, Copy, Debug)]
struct Position {
    line: usize,
    column: usize,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The operators of two sides, by how loosely they bind; a longer one stands before its beginning.
const OPERATORS: [&[&str]; 6] =
    [&["||"], &["&&"], &["==", "!="], &["<=", ">=", "<", ">"], &["+", "-"], &["*", "/", "%"]];

struct Parser<'t> {
    rest: &'t str,
    at: Position,
    nodes: usize,
    depth: usize,
}

impl Text {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let at = Position { line: 1, column: 1 };
        Parser { rest: text, at, nodes: 0, depth: 0 }.text(None)
    }

    /// Whether all that it names is there.
    ///
    /// # Errors
    ///
    /// What is not there, and where it is named.
    pub(super) fn check(&self) -> Result<(), String> {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Literal(_) => Ok(()),
            Piece::Expression(node) => node.check(),
        })
    }

    /// The text with its expressions filled in.
    ///
    /// # Errors
    ///
    /// What has no value.
    pub(super) fn fill(&self, scope: &Scope<'_>) -> Result<String, String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Expression(node) => out.push_str(&node.value(scope)?.into_text()),
            }
            if out.len() > scope.budget.get() {
                return Err("what it comes to is too long".to_owned());
            }
        }
        scope.budget.set(scope.budget.get() - out.len());
        Ok(out)
    }
}

impl<'t> Parser<'t> {
    fn advance(&mut self, bytes: usize) -> &'t str {
        let (done, rest) = self.rest.split_at(bytes);
        for character in done.chars() {
            if character == '\n' {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        done
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest.starts_with(token);
        if found {
            self.advance(token.len());
        }
        found
    }

    fn wrong<T>(&self, why: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("parse error at {}: {why}", self.at))
    }

    /// What stands here, for an error.
    fn found(&self) -> String {
        let length = match self.rest.chars().next() {
            None => return "end of string".to_owned(),
            Some(first) if is_name(first) => name_length(self.rest),
            Some(first) => OPERATORS
                .iter()
                .flat_map(|level| level.iter())
                .find(|token| self.rest.starts_with(**token))
                .map_or(first.len_utf8(), |token| token.len()),
        };
        format!("\"{}\"", &self.rest[..length])
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        self.space();
        if self.eat(token) {
            return Ok(());
        }
        let found = self.found();
        self.wrong(format_args!("expected \"{token}\" but found {found}"))
    }

    fn space(&mut self) {
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.advance(blank);
    }

    fn node(&mut self, at: Position, what: What) -> Result<Node, String> {
        self.nodes += 1;
        if self.nodes > NODES {
            return self.wrong("the expressions are too long");
        }
        Ok(Node { at, what })
    }

    /// Reads a text up to its end, or to a quote behind which the rest stands.
    fn text(&mut self, quote: Option<char>) -> Result<Text, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        while let Some(next) = self.rest.chars().next() {
            if Some(next) == quote {
                break;
            }
            if self.eat("$${") {
                literal.push_str("${");
            } else if self.eat("${") {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Expression(self.condition()?));
                self.expect("}")?;
            } else if quote.is_some() && next == '\\' {
                self.advance(1);
                literal.push(self.escaped()?);
            } else {
                literal.push_str(self.advance(next.len_utf8()));
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Text(pieces))
    }

    fn escaped(&mut self) -> Result<char, String> {
        let character = match self.rest.chars().next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some(same @ ('"' | '\\')) => same,
            _ => return self.wrong("invalid escape sequence"),
        };
        self.advance(1);
        Ok(character)
    }

    fn condition(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.wrong("the expressions nest too deeply");
        }
        let test = self.operation(0)?;
        self.space();
        let node = if self.eat("?") {
            let at = test.at;
            let then = self.condition()?;
            self.expect(":")?;
            let otherwise = self.condition()?;
            self.node(at, What::Condition(Box::new([test, then, otherwise])))?
        } else {
            test
        };
        self.depth -= 1;
        Ok(node)
    }

    fn operation(&mut self, level: usize) -> Result<Node, String> {
        let Some(operators) = OPERATORS.get(level) else { return self.unary() };
        let mut left = self.operation(level + 1)?;
        loop {
            self.space();
            let Some(operator) = operators.iter().find(|known| self.rest.starts_with(**known))
            else {
                return Ok(left);
            };
            self.advance(operator.len());
            let right = self.operation(level + 1)?;
            left = self.node(left.at, What::Binary(operator, Box::new([left, right])))?;
        }
    }

    fn unary(&mut self) -> Result<Node, String> {
        self.space();
        let at = self.at;
        match self.rest.chars().next() {
            Some(operator @ ('-' | '!')) => {
                self.depth += 1;
                if self.depth > DEPTH {
                    return self.wrong("the expressions nest too deeply");
                }
                self.advance(1);
                let operand = self.unary()?;
                self.depth -= 1;
                self.node(at, What::Unary(operator, Box::new(operand)))
            }
            Some('(') => {
                self.advance(1);
                let inner = self.condition()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some('"') => {
                self.advance(1);
                let text = self.text(Some('"'))?;
                self.expect("\"")?;
                self.node(at, What::Text(text))
            }
            Some(first) if first.is_ascii_digit() => self.number(),
            Some(first) if is_name(first) => self.named(),
            _ => {
                let found = self.found();
                self.wrong(format_args!("expected expression but found {found}"))
            }
        }
    }

    fn number(&mut self) -> Result<Node, String> {
        let at = self.at;
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let length = self.rest.find(|c: char| !is_part(c)).unwrap_or(self.rest.len());
        let digits = &self.rest[..length];
        let what = match (digits.parse(), digits.parse()) {
            (Ok(number), _) => What::Integer(number),
            (_, Ok(number)) => What::Float(number),
            _ => return self.wrong(format_args!("{digits} is no number")),
        };
        self.advance(length);
        self.node(at, what)
    }

    fn named(&mut self) -> Result<Node, String> {
        let at = self.at;
        let name = self.advance(name_length(self.rest)).to_owned();
        self.space();
        if !self.eat("(") {
            let what = match name.as_str() {
                "true" => What::Truth(true),
                "false" => What::Truth(false),
                _ => What::Variable(name),
            };
            return self.node(at, what);
        }
        let mut arguments = Vec::new();
        self.space();
        if !self.eat(")") {
            loop {
                arguments.push(self.condition()?);
                self.space();
                if !self.eat(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.node(at, What::Call(name, arguments))
    }
}

/// Whether a character may stand in a name, whatever stands first.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !(is_name(c) || c == '.' || c == '-')).unwrap_or(text.len())
}

/// What expressions are about.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// The name that was asked for.
    pub(super) full: &'a str,
    /// The template's.
    pub(super) prefix: &'a str,
    /// What the pattern and its groups matched.
    pub(super) groups: &'a [&'a str],
    /// How many bytes may still be made.
    pub(super) budget: Cell<usize>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Integer(i64),
    Float(f64),
    Truth(bool),
    Text(String),
}

impl Node {
    fn check(&self) -> Result<(), String> {
        let all = |nodes: &[Node]| nodes.iter().try_for_each(Node::check);
        match &self.what {
            What::Integer(_) | What::Float(_) | What::Truth(_) => Ok(()),
            What::Text(text) => text.check(),
            What::Variable(name) => match name.as_str() {
                FULL | PREFIX | SUFFIX | SEGMENT => Ok(()),
                _ => Err(format!("{}: unknown variable accessed: {name}", self.at)),
            },
            What::Call(name, _) if name != MATCH => {
                Err(format!("{}: unknown function called: {name}", self.at))
            }
            What::Call(name, arguments) if arguments.len() != 1 => {
                let count = arguments.len();
                Err(format!("{}: {name}: expected 1 arguments, got {count}", self.at))
            }
            What::Call(_, arguments) => all(arguments),
            What::Unary(_, operand) => operand.check(),
            What::Binary(_, sides) => all(&sides[..]),
            What::Condition(parts) => all(&parts[..]),
        }
    }

    fn value(&self, scope: &Scope<'_>) -> Result<Value, String> {
        Ok(match &self.what {
            What::Integer(number) => Value::Integer(*number),
            What::Float(number) => Value::Float(*number),
            What::Truth(truth) => Value::Truth(*truth),
            What::Text(text) => Value::Text(text.fill(scope)?),
            What::Variable(name) => Value::Text(match name.as_str() {
                FULL => scope.full.to_owned(),
                PREFIX => scope.prefix.to_owned(),
                SUFFIX => scope.full.strip_prefix(scope.prefix).unwrap_or(scope.full).to_owned(),
                _ => String::new(),
            }),
            What::Call(_, arguments) => {
                let number = arguments.first().map(|node| node.value(scope)).transpose()?;
                let number = number.unwrap_or(Value::Integer(-1)).into_integer()?;
                let group = usize::try_from(number).ok().and_then(|at| scope.groups.get(at));
                Value::Text(group.copied().unwrap_or_default().to_owned())
            }
            What::Unary('!', operand) => Value::Truth(!operand.value(scope)?.into_truth()?),
            What::Unary(_, operand) => match operand.value(scope)? {
                Value::Float(number) => Value::Float(-number),
                other => Value::Integer(other.into_integer()?.wrapping_neg()),
            },
            What::Binary(operator, sides) => binary(operator, &sides[0], &sides[1], scope)?,
            What::Condition(parts) => {
                let branch = if parts[0].value(scope)?.into_truth()? { 1 } else { 2 };
                parts[branch].value(scope)?
            }
        })
    }
}

fn binary(operator: &str, left: &Node, right: &Node, scope: &Scope<'_>) -> Result<Value, String> {
    let first = left.value(scope)?;
    if let "&&" | "||" = operator {
        let first = first.into_truth()?;
        let decided = first == (operator == "||");
        return Ok(Value::Truth(if decided { first } else { right.value(scope)?.into_truth()? }));
    }
    let second = right.value(scope)?;
    let float = matches!(first, Value::Float(_)) || matches!(second, Value::Float(_));
    match operator {
        "==" | "!=" => Ok(Value::Truth(same(first, second)? == (operator == "=="))),
        _ if float => of_floats(operator, first.into_float()?, second.into_float()?),
        _ => of_integers(operator, first.into_integer()?, second.into_integer()?),
    }
}

fn same(first: Value, second: Value) -> Result<bool, String> {
    Ok(match (&first, &second) {
        (Value::Text(_), _) | (_, Value::Text(_)) => first.into_text() == second.into_text(),
        (Value::Float(_), _) | (_, Value::Float(_)) => {
            first.into_float()? == second.into_float()?
        }
        _ => first == second,
    })
}

fn of_floats(operator: &str, a: f64, b: f64) -> Result<Value, String> {
    Ok(match operator {
        "+" => Value::Float(a + b),
        "-" => Value::Float(a - b),
        "*" => Value::Float(a * b),
        "/" => Value::Float(a / b),
        "<" => Value::Truth(a < b),
        "<=" => Value::Truth(a <= b),
        ">" => Value::Truth(a > b),
        ">=" => Value::Truth(a >= b),
        _ => return Err(format!("{operator} takes whole numbers")),
    })
}

fn of_integers(operator: &str, a: i64, b: i64) -> Result<Value, String> {
    let number = match operator {
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        "/" | "%" if b == 0 => return Err("divide by zero".to_owned()),
        "/" => a.wrapping_div(b),
        "%" => a.wrapping_rem(b),
        "<" => return Ok(Value::Truth(a < b)),
        "<=" => return Ok(Value::Truth(a <= b)),
        ">" => return Ok(Value::Truth(a > b)),
        _ => return Ok(Value::Truth(a >= b)),
    };
    Ok(Value::Integer(number))
}

impl Value {
    fn into_text(self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => float_text(number),
            Self::Truth(truth) => truth.to_string(),
            Self::Text(text) => text,
        }
    }

    fn into_integer(self) -> Result<i64, String> {
        match self {
            Self::Integer(number) => Ok(number),
            // The cast saturates.
            Self::Float(number) => Ok(number as i64),
            Self::Truth(_) => Err("expected a number, got a boolean".to_owned()),
            Self::Text(text) => text.parse().map_err(|_| {
                let shown: String = text.chars().take(64).collect();
                let text = "__builtin_StringToInt: strconv.ParseInt: parsing";
                format!("{text} {shown:?}: invalid syntax")
            }),
        }
    }

    fn into_float(self) -> Result<f64, String> {
        match self {
            Self::Float(number) => Ok(number),
            other => Ok(other.into_integer()? as f64),
        }
    }

    fn into_truth(self) -> Result<bool, String> {
        match self {
            Self::Truth(truth) => Ok(truth),
            Self::Text(text) if text == "true" => Ok(true),
            Self::Text(text) if text == "false" => Ok(false),
            _ => Err("expected a boolean".to_owned()),
        }
    }
}

/// As Go writes one in its shortest form: with an exponent outside of 0.0001 to 1,000,000.
fn float_text(number: f64) -> String {
    let short = format!("{number:e}");
    let parts = short.split_once('e').and_then(|(digits, exponent)| {
        let exponent: i32 = exponent.parse().ok()?;
        (!(-4..6).contains(&exponent)).then_some((digits, exponent))
    });
    match parts {
        Some((digits, exponent)) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        None => number.to_string(),
    }
}
