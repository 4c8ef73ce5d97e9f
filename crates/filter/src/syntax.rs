//! The grammar: text to expression.
//!
//! A parsing expression grammar, read by hand: ordered choice, no look-back. What makes it one is
//! the text of errors, which clients see: a generated parser collects what it could have gone on
//! with at the furthest place that it reached, whatever path led there. So every terminal reports
//! itself ([`Reader::tried`]), and no path may be left out that the recorded program tries. The
//! choices that share a beginning are factored, which changes no text, because a place that is
//! tried twice reports the same twice; it only takes away the exponential time.
//!
//! ```text
//! input    = _? or _? END
//! or       = and ( _ "or" _ and )*            and = not ( _ "and" _ not )*
//! not      = "not" _ not | group              group = "(" _? or _? ")" | match
//! match    = selector ( _? ("==" | "!=") _? | _ "not"? ("contains" | "matches") _ ) value
//!          | selector _ "is" ( _ "not" )? _ "empty"
//!          | value _ ( "not" _ )? "in" _ selector
//! selector = name ( "." name | "[" _? string _? "]" )*
//! value    = selector | number | string
//! ```

use std::collections::BTreeSet;

use crate::FilterError;
use crate::limits::{DEPTH, ERRORS, EXPRESSION_BYTES};

/// An expression as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// One of these at least.
    Or(Vec<Expression>),
    /// All of these.
    And(Vec<Expression>),
    /// Not this.
    Not(Box<Expression>),
    /// A question to one selector.
    Match(Match),
}

/// A question to one selector; `contains` has become [`Operator::In`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) selector: Vec<String>,
    pub(crate) operator: Operator,
    pub(crate) negated: bool,
    /// Empty for [`Operator::IsEmpty`].
    pub(crate) value: String,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    In,
    IsEmpty,
    Matches,
}

const SPACE: &str = r"[ \t\r\n]";
const NAME_START: &str = "[a-zA-Z]";
const NAME_REST: &str = "[a-zA-Z0-9_]";
const FIRST_DIGIT: &str = "[1-9]";
const DIGIT: &str = "[0-9]";
const END: &str = "EOF";

/// Reads a whole expression.
pub(crate) fn parse(text: &str) -> Result<Expression, FilterError> {
    if text.len() > EXPRESSION_BYTES {
        return Err(FilterError::TooLong);
    }
    let mut reader = Reader::new(text);
    reader.space();
    let found = reader.or();
    reader.space();
    let found = found.filter(|_| reader.end());
    reader.finish(found)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Errors of rules, in the order of their first appearance.
    errors: Vec<String>,
    /// The furthest place where a terminal did not fit, and all that did not fit there.
    furthest: usize,
    expected: BTreeSet<&'static str>,
    depth: usize,
    too_deep: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        Reader {
            text,
            at: 0,
            errors: Vec::new(),
            furthest: 0,
            expected: BTreeSet::new(),
            depth: 0,
            too_deep: false,
        }
    }

    fn finish(self, found: Option<Expression>) -> Result<Expression, FilterError> {
        if self.too_deep {
            return Err(FilterError::TooDeep);
        }
        if !self.errors.is_empty() {
            return Err(FilterError::Syntax(self.errors.join("\n")));
        }
        found.ok_or_else(|| {
            let place = place(self.text, self.furthest);
            // Only the end is unquoted, and stands last.
            let mut words: Vec<&str> =
                self.expected.iter().copied().filter(|w| *w != END).collect();
            words.extend(self.expected.get(END));
            let last = words.pop().unwrap_or(END);
            let list = if words.is_empty() {
                last.to_owned()
            } else {
                format!("{} or {last}", words.join(", "))
            };
            FilterError::Syntax(format!("{place}: no match found, expected: {list}"))
        })
    }

    /// A rule's own error, at a place.
    fn error(&mut self, at: usize, rule: &str, why: &str) {
        if self.errors.len() == ERRORS {
            return;
        }
        let error = format!("{}: rule \"{rule}\": {why}", place(self.text, at));
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// A terminal was tried at this place, and fitted or not.
    fn tried(&mut self, at: usize, wanted: &'static str, fits: bool) -> bool {
        if !fits && at >= self.furthest {
            if at > self.furthest {
                self.furthest = at;
                self.expected.clear();
            }
            self.expected.insert(wanted);
        }
        fits
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// `quoted` is the word in quotes, as errors show it.
    fn word(&mut self, quoted: &'static str) -> bool {
        let word = &quoted[1..quoted.len() - 1];
        let fits = self.text[self.at..].starts_with(word);
        self.tried(self.at, quoted, fits);
        if fits {
            self.at += word.len();
        }
        fits
    }

    fn byte(&mut self, wanted: &'static str, class: impl Fn(u8) -> bool) -> bool {
        let fits = self.peek().is_some_and(class);
        self.tried(self.at, wanted, fits);
        if fits {
            self.at += 1;
        }
        fits
    }

    fn bytes(&mut self, wanted: &'static str, class: impl Fn(u8) -> bool + Copy) -> bool {
        let found = self.byte(wanted, class);
        while found && self.byte(wanted, class) {}
        found
    }

    fn end(&mut self) -> bool {
        self.tried(self.at, END, self.at == self.text.len())
    }

    /// White space, at least one.
    fn space(&mut self) -> bool {
        self.bytes(SPACE, |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
    }

    /// All of it or nothing.
    fn attempt<T>(&mut self, rule: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.at;
        let found = rule(self);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// Spaced words: white space before each.
    fn spaced(&mut self, words: &[&'static str]) -> Option<()> {
        self.attempt(|r| words.iter().all(|&word| r.space() && r.word(word)).then_some(()))
    }

    /// Spaced words, and white space behind the last.
    fn infix(&mut self, words: &[&'static str]) -> Option<()> {
        self.attempt(|r| r.spaced(words).filter(|()| r.space()))
    }

    fn or(&mut self) -> Option<Expression> {
        let parts = self.chain("\"or\"", Self::and)?;
        Some(alone(parts).unwrap_or_else(Expression::Or))
    }

    fn and(&mut self) -> Option<Expression> {
        let parts = self.chain("\"and\"", Self::not)?;
        Some(alone(parts).unwrap_or_else(Expression::And))
    }

    fn chain(
        &mut self,
        word: &'static str,
        part: fn(&mut Self) -> Option<Expression>,
    ) -> Option<Vec<Expression>> {
        let mut parts = vec![part(self)?];
        while let Some(next) = self.attempt(|r| {
            r.infix(&[word])?;
            part(r)
        }) {
            parts.push(next);
        }
        Some(parts)
    }

    fn not(&mut self) -> Option<Expression> {
        if self.depth == DEPTH {
            self.too_deep = true;
            return None;
        }
        self.depth += 1;
        let negated = self.attempt(|r| {
            let inner = (r.word("\"not\"") && r.space()).then(|| r.not())??;
            Some(Expression::Not(Box::new(inner)))
        });
        let found = negated.or_else(|| self.group());
        self.depth -= 1;
        found
    }

    fn group(&mut self) -> Option<Expression> {
        let start = self.at;
        if self.word("\"(\"") {
            self.space();
            let inner = self.or();
            self.space();
            let unclosed = self.at;
            if inner.is_some() && self.word("\")\"") {
                return inner;
            }
            if inner.is_some() {
                self.error(unclosed, "grouping", "Unmatched parentheses");
            }
            self.at = start;
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Expression> {
        let found = self
            .attempt(Self::selector_and_value)
            .or_else(|| self.attempt(Self::selector_alone))
            .or_else(|| self.attempt(Self::value_in_selector))?;
        Some(Expression::Match(found))
    }

    fn selector_and_value(&mut self) -> Option<Match> {
        use Operator::{Equal, In, Matches};
        let selector = self.selector()?;
        let (operator, negated) = self
            .symbol("\"==\"")
            .map(|()| (Equal, false))
            .or_else(|| self.symbol("\"!=\"").map(|()| (Equal, true)))
            .or_else(|| self.infix(&["\"contains\""]).map(|()| (In, false)))
            .or_else(|| self.infix(&["\"not\"", "\"contains\""]).map(|()| (In, true)))
            .or_else(|| self.infix(&["\"matches\""]).map(|()| (Matches, false)))
            .or_else(|| self.infix(&["\"not\"", "\"matches\""]).map(|()| (Matches, true)))?;
        Some(Match { selector, operator, negated, value: self.value()? })
    }

    fn selector_alone(&mut self) -> Option<Match> {
        let selector = self.selector()?;
        let negated = self
            .spaced(&["\"is\"", "\"empty\""])
            .map(|()| false)
            .or_else(|| self.spaced(&["\"is\"", "\"not\"", "\"empty\""]).map(|()| true))?;
        Some(Match { selector, operator: Operator::IsEmpty, negated, value: String::new() })
    }

    fn value_in_selector(&mut self) -> Option<Match> {
        let value = self.value()?;
        let negated = self
            .infix(&["\"in\""])
            .map(|()| false)
            .or_else(|| self.infix(&["\"not\"", "\"in\""]).map(|()| true))?;
        let start = self.at;
        let Some(selector) = self.selector() else {
            self.error(start, "match", "Invalid selector");
            return None;
        };
        Some(Match { selector, operator: Operator::In, negated, value })
    }

    /// A symbol with white space around it, or without.
    fn symbol(&mut self, quoted: &'static str) -> Option<()> {
        self.attempt(|r| {
            r.space();
            r.word(quoted).then(|| {
                r.space();
            })
        })
    }

    fn selector(&mut self) -> Option<Vec<String>> {
        let mut path = vec![self.name()?];
        while let Some(next) = self
            .attempt(|r| r.word("\".\"").then(|| r.name())?)
            .or_else(|| self.attempt(Self::index))
        {
            path.push(next);
        }
        Some(path)
    }

    fn name(&mut self) -> Option<String> {
        let start = self.at;
        if !self.byte(NAME_START, |byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        self.bytes(NAME_REST, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Some(self.text[start..self.at].to_owned())
    }

    fn index(&mut self) -> Option<String> {
        if !self.word("\"[\"") {
            return None;
        }
        self.space();
        let start = self.at;
        let Some(key) = self.string() else {
            self.error(start, "index", "Invalid index");
            return None;
        };
        self.space();
        if self.word("\"]\"") {
            return Some(key);
        }
        self.error(self.at, "index", "Unclosed index expression");
        None
    }

    fn value(&mut self) -> Option<String> {
        self.selector()
            .map(|path| path.join("."))
            .or_else(|| self.number())
            .or_else(|| self.string())
    }

    fn number(&mut self) -> Option<String> {
        let start = self.at;
        let digits = self.attempt(|r| {
            r.word("\"-\"");
            r.digits().then_some(())
        });
        digits?;
        let stop = self.at;
        // White space, the end or a parenthesis must follow, and is left.
        let follows = self.space() || self.end() || self.word("\")\"");
        self.at = stop;
        if follows {
            return Some(self.text[start..stop].to_owned());
        }
        self.error(stop, "number", "Invalid number literal");
        self.at = start;
        None
    }

    fn digits(&mut self) -> bool {
        let whole = self.word("\"0\"") || {
            let found = self.byte(FIRST_DIGIT, |byte| matches!(byte, b'1'..=b'9'));
            if found {
                self.bytes(DIGIT, |byte| byte.is_ascii_digit());
            }
            found
        };
        if whole {
            self.attempt(|r| {
                (r.word("\".\"") && r.bytes(DIGIT, |byte| byte.is_ascii_digit())).then_some(())
            });
        }
        whole
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        let quote = if self.word("\"`\"") {
            b'`'
        } else if self.tried(self.at, r#""\"""#, self.peek() == Some(b'"')) {
            self.at += 1;
            b'"'
        } else {
            return None;
        };
        let inside = self.at;
        let Some(length) = self.text.as_bytes()[inside..].iter().position(|&byte| byte == quote)
        else {
            self.error(self.text.len(), "string", "Unterminated string literal");
            self.at = start;
            return None;
        };
        self.at = inside + length + 1;
        let inner = &self.text[inside..inside + length];
        if quote == b'`' {
            return Some(inner.replace('\r', ""));
        }
        Some(unescape(inner).unwrap_or_else(|| {
            self.error(start, "string", "invalid syntax");
            String::new()
        }))
    }
}

/// The only part, or all of them.
fn alone(mut parts: Vec<Expression>) -> Result<Expression, Vec<Expression>> {
    match parts.len() {
        1 => parts.pop().ok_or(parts),
        _ => Err(parts),
    }
}

/// Line, column in characters and offset in bytes. A line feed counts as column 0 of the line that
/// it begins.
fn place(text: &str, at: usize) -> String {
    let at_feed = text[at..].starts_with('\n');
    let before = &text[..at];
    let line = 1 + before.matches('\n').count() + usize::from(at_feed);
    let column = if at_feed {
        0
    } else {
        1 + before.rsplit('\n').next().unwrap_or_default().chars().count()
    };
    format!("{line}:{column} ({at})")
}

/// The inside of a double-quoted text in Go's notation; bytes that are not UTF-8 become U+FFFD.
fn unescape(inner: &str) -> Option<String> {
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        let simple = match character {
            '\n' => return None,
            '\\' => rest.next()?,
            other => {
                out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        match simple {
            'a' => out.push(0x07),
            'b' => out.push(0x08),
            'f' => out.push(0x0c),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(0x0b),
            '\\' => out.push(b'\\'),
            'x' => out.push(u8::try_from(code(&mut rest, 0, 2, 16)?).ok()?),
            '0'..='7' => {
                let first = simple.to_digit(8)?;
                out.push(u8::try_from(code(&mut rest, first, 2, 8)?).ok()?);
            }
            'u' | 'U' => {
                let digits = if simple == 'u' { 4 } else { 8 };
                let character = char::from_u32(code(&mut rest, 0, digits, 16)?)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// A number of that many digits behind those that were read; at most eight of base 16.
fn code(rest: &mut std::str::Chars<'_>, first: u32, digits: usize, base: u32) -> Option<u32> {
    (0..digits)
        .try_fold(first, |sum, _| sum.checked_mul(base)?.checked_add(rest.next()?.to_digit(base)?))
}
