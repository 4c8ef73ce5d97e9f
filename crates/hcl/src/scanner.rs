//! From characters to tokens.

use gotext::decode::Number;

use crate::{HclError, Place};

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    End,
    Identifier(String),
    Text(String),
    Heredoc(String),
    Number(Number),
    Bool(bool),
    Assign,
    Comma,
    OpeningBrace,
    ClosingBrace,
    OpeningBracket,
    ClosingBracket,
    /// Any other character that means something elsewhere.
    Sign(char),
}

impl std::fmt::Display for Token {
    /// The word for it in errors.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Token::End => "EOF",
            Token::Identifier(_) => "IDENT",
            Token::Text(_) => "STRING",
            Token::Heredoc(_) => "HEREDOC",
            Token::Number(_) => "NUMBER",
            Token::Bool(_) => "BOOL",
            Token::Assign => "ASSIGN",
            Token::Comma => "COMMA",
            Token::OpeningBrace => "LBRACE",
            Token::ClosingBrace => "RBRACE",
            Token::OpeningBracket => "LBRACK",
            Token::ClosingBracket => "RBRACK",
            Token::Sign(sign) => return write!(f, "{sign}"),
        })
    }
}

/// The place behind a text.
pub(crate) fn end_of(text: &str) -> Place {
    let line_start = text.rfind('\n').map_or(0, |at| at + 1);
    Place { line: 1 + text.matches('\n').count(), column: 1 + text[line_start..].chars().count() }
}

pub(crate) struct Scanner<'a> {
    rest: &'a str,
    place: Place,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Scanner { rest: text, place: Place { line: 1, column: 1 } }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        if next == '\n' {
            self.place = Place { line: self.place.line + 1, column: 1 };
        } else {
            self.place.column += 1;
        }
        Some(next)
    }

    /// Takes characters as long as they are wanted.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let all = self.rest;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        &all[..all.len() - self.rest.len()]
    }

    /// The next token and where it begins.
    pub(crate) fn next(&mut self) -> Result<(Token, Place), HclError> {
        self.skip_blank()?;
        let place = self.place;
        let Some(first) = self.peek() else { return Ok((Token::End, place)) };
        if first.is_alphabetic() || first == '_' {
            return Ok((self.word(), place));
        }
        let negative = first == '-' && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
        if first.is_ascii_digit() || negative {
            return Ok((self.number(place)?, place));
        }
        if self.rest.starts_with("<<") {
            return Ok((self.heredoc(place)?, place));
        }
        self.bump();
        let token = match first {
            '"' => self.text(place)?,
            '=' => Token::Assign,
            ',' => Token::Comma,
            '{' => Token::OpeningBrace,
            '}' => Token::ClosingBrace,
            '[' => Token::OpeningBracket,
            ']' => Token::ClosingBracket,
            '+' | '-' | '.' => Token::Sign(first),
            _ => {
                let shown = first.escape_default();
                return Err(HclError::at(place, format!("illegal character '{shown}'")));
            }
        };
        Ok((token, place))
    }

    /// White space and comments.
    fn skip_blank(&mut self) -> Result<(), HclError> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            let place = self.place;
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest.starts_with("/*") {
                let length = self.rest[2..].find("*/").map(|at| at + 4);
                let length = length.ok_or_else(|| HclError::at(place, "comment not terminated"))?;
                let end = self.rest.len() - length;
                while self.rest.len() > end {
                    self.bump();
                }
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> Token {
        match self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            word => Token::Identifier(word.to_owned()),
        }
    }

    /// Decimal, `0x` hexadecimal, `0` octal; with a fraction or an exponent a float.
    fn number(&mut self, place: Place) -> Result<Token, HclError> {
        let negative = self.peek() == Some('-');
        if negative {
            self.bump();
        }
        let all = self.rest;
        let hexadecimal = self.rest.starts_with("0x") || self.rest.starts_with("0X");
        if hexadecimal {
            self.take_while(|c| c.is_ascii_alphanumeric());
        } else {
            self.take_while(|c| c.is_ascii_digit() || c == '.');
            if self.peek().is_some_and(|c| matches!(c, 'e' | 'E')) {
                self.bump();
                if self.peek().is_some_and(|c| matches!(c, '+' | '-')) {
                    self.bump();
                }
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        let digits = &all[..all.len() - self.rest.len()];
        let number = if hexadecimal {
            whole(&digits[2..], 16, negative)
        } else if digits.contains(['.', 'e', 'E']) {
            let float: Option<f64> = digits.parse().ok().filter(|float: &f64| float.is_finite());
            float.map(|float| Number::from(if negative { -float } else { float }))
        } else if digits.len() > 1 && digits.starts_with('0') {
            whole(&digits[1..], 8, negative)
        } else {
            whole(digits, 10, negative)
        };
        let bad = || HclError::at(place, format!("{digits} is no number of 64 bits"));
        number.map(Token::Number).ok_or_else(bad)
    }

    /// Behind the opening quote. What stands in `${…}` is kept as it is, quotes and line ends
    /// included.
    fn text(&mut self, place: Place) -> Result<Token, HclError> {
        let unfinished = || HclError::at(place, "literal not terminated");
        let mut text = String::new();
        let mut braces = 0usize;
        loop {
            let here = self.place;
            let next = self.bump().ok_or_else(unfinished)?;
            if braces > 0 {
                text.push(next);
                match next {
                    '{' => braces += 1,
                    '}' => braces -= 1,
                    _ => {}
                }
                continue;
            }
            match next {
                '"' => return Ok(Token::Text(text)),
                '\n' => return Err(unfinished()),
                '\\' => text.push(self.escape(here)?),
                '$' if self.peek() == Some('{') => {
                    self.bump();
                    text.push_str("${");
                    braces = 1;
                }
                other => text.push(other),
            }
        }
    }

    /// Behind the backslash that stands at `place`.
    fn escape(&mut self, place: Place) -> Result<char, HclError> {
        let first = self.peek();
        if first != Some('\n') {
            self.bump();
        }
        let character = match first {
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('v') => Some('\u{b}'),
            Some(same @ ('"' | '\\')) => Some(same),
            Some('x') => self.digits("", 2, 16),
            Some('u') => self.digits("", 4, 16),
            Some('U') => self.digits("", 8, 16),
            Some(digit @ '0'..='7') => self.digits(digit.encode_utf8(&mut [0; 4]), 3, 8),
            _ => None,
        };
        character.ok_or_else(|| HclError::at(place, "illegal char escape"))
    }

    /// The character of so many digits, of which some may have been taken.
    fn digits(&mut self, taken: &str, count: usize, base: u32) -> Option<char> {
        let missing = self.rest.get(..count - taken.len())?;
        if !missing.chars().all(|c| c.is_digit(base)) {
            return None;
        }
        let code = u32::from_str_radix(&format!("{taken}{missing}"), base).ok()?;
        for _ in missing.chars() {
            self.bump();
        }
        char::from_u32(code)
    }

    /// `<<WORD` or `<<-WORD`, lines, and a line with nothing but the word. Behind `<<-` each line
    /// loses the indentation of that last line, if all have it.
    fn heredoc(&mut self, place: Place) -> Result<Token, HclError> {
        self.bump();
        self.bump();
        let indented = self.peek() == Some('-');
        if indented {
            self.bump();
        }
        let word = self.take_while(|c| c.is_alphanumeric() || c == '_');
        if word.is_empty() || self.peek() != Some('\n') {
            return Err(HclError::at(place, "heredoc without a word that ends its line"));
        }
        self.bump();
        let mut lines = Vec::new();
        loop {
            let line = self.take_while(|c| c != '\n');
            let trimmed = line.trim_start();
            if trimmed == word {
                let indentation = &line[..line.len() - word.len()];
                let common =
                    indented && lines.iter().all(|line: &&str| line.starts_with(indentation));
                let cut = if common { indentation.len() } else { 0 };
                let text = lines.iter().map(|line| format!("{}\n", &line[cut..])).collect();
                return Ok(Token::Heredoc(text));
            }
            lines.push(line);
            self.bump().ok_or_else(|| HclError::at(place, "heredoc not terminated"))?;
        }
    }
}

/// A whole number of 64 bits.
fn whole(digits: &str, base: u32, negative: bool) -> Option<Number> {
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, base).ok()?;
    let number = if negative { -magnitude } else { magnitude };
    i64::try_from(number).ok().map(Number::from)
}
