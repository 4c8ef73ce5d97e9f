//! JSON as Go's decoder reads it, with its words for what is wrong.

use crate::quote;

/// Deepest nesting that is followed, as in Go. The reader itself does not recurse deeper than
/// [`DEPTH`], which no configuration comes near.
pub const DEPTH: usize = 128;

/// A JSON value that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(Number),
    /// Text; bytes that are not UTF-8 and lone surrogates have become U+FFFD.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object in the order of the text; of two equal keys only the last is kept.
    Object(Vec<(String, Value)>),
}

/// A number as it was written: where Go has no type for it, it is a 64-bit float, else it must fit
/// the type.
#[derive(Clone, Debug, PartialEq)]
pub struct Number(Box<str>);

impl Number {
    /// As a 64-bit float; it is finite.
    pub fn float(&self) -> f64 {
        self.0.parse().unwrap_or(f64::MAX)
    }

    /// The text, as it stood.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self(number.to_string().into())
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

/// Why a text is not JSON; [`std::fmt::Display`] gives Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is nothing but white space.
    #[error("EOF")]
    Empty,
    /// The text ends within a value.
    #[error("unexpected EOF")]
    Truncated,
    /// The text ends within a value, where the whole text must be one value.
    #[error("unexpected end of JSON input")]
    End,
    /// A character that cannot stand where it stands.
    #[error("invalid character {0} {1}")]
    Character(String, &'static str),
    /// A number that no 64-bit float holds.
    #[error("json: cannot unmarshal number {0} into Go value of type float64")]
    Number(String),
    /// Nested too deeply.
    #[error("exceeded max depth")]
    Depth,
}

/// Reads the first value and ignores what follows it, as a decoder of a stream does.
pub fn first_value(text: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader { text, position: 0 };
    reader.skip_space();
    if reader.peek().is_none() {
        return Err(DecodeError::Empty);
    }
    reader.value(DEPTH)
}

/// Reads a text that is one value and nothing else.
pub fn whole_value(text: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader { text, position: 0 };
    let value = reader.value(DEPTH).map_err(|error| match error {
        DecodeError::Truncated => DecodeError::End,
        other => other,
    })?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(byte) => Err(unexpected(byte, "after top-level value")),
    }
}

impl Value {
    /// The word that Go has for the kind of this value.
    pub fn go_kind(&self) -> &'static str {
        match self {
            Value::Null => "invalid",
            Value::Bool(_) => "bool",
            Value::Number(_) => "float64",
            Value::Text(_) => "string",
            Value::List(_) => "slice",
            Value::Object(_) => "map",
        }
    }

    /// The name of the Go type of this value.
    pub fn go_type(&self) -> &'static str {
        match self {
            Value::Null => "nil",
            Value::List(_) => "[]interface {}",
            Value::Object(_) => "map[string]interface {}",
            other => other.go_kind(),
        }
    }

    /// The word that Go's JSON decoder has for the kind of this value.
    pub fn json_kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "array",
            Value::Object(_) => "object",
        }
    }
}

impl std::fmt::Display for Value {
    /// As Go's `%v`: bare texts, `[a b]`, `map[k:v]` sorted by key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => f.write_str("<nil>"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(value) => f.write_str(&go_float(value.float())),
            Value::Text(value) => f.write_str(value),
            Value::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
            Value::Object(fields) => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                f.write_str("map[")?;
                for (index, (key, value)) in sorted.into_iter().enumerate() {
                    write!(f, "{}{key}:{value}", if index == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Go's `%v` of a 64-bit float: the shortest form, with an exponent below 1e-4 and from 1e21.
fn go_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(rest) => ('-', rest),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{value}")
}

fn unexpected(byte: u8, context: &'static str) -> DecodeError {
    // Go takes the byte for a character of its own.
    let quoted = match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let text = quote(char::from(byte).encode_utf8(&mut [0; 4]));
            format!("'{}'", &text[1..text.len() - 1])
        }
    };
    DecodeError::Character(quoted, context)
}

struct Reader<'a> {
    text: &'a [u8],
    position: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    fn next(&mut self) -> Result<u8, DecodeError> {
        let byte = self.peek().ok_or(DecodeError::Truncated)?;
        self.position += 1;
        Ok(byte)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.position += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.skip_space();
        match self.next()? {
            b'{' => self.object(depth.checked_sub(1).ok_or(DecodeError::Depth)?),
            b'[' => self.list(depth.checked_sub(1).ok_or(DecodeError::Depth)?),
            b'"' => self.string().map(Value::Text),
            first @ (b'-' | b'0'..=b'9') => self.number(first),
            b't' => self.literal(TRUE).map(|()| Value::Bool(true)),
            b'f' => self.literal(FALSE).map(|()| Value::Bool(false)),
            b'n' => self.literal(NULL).map(|()| Value::Null),
            other => Err(unexpected(other, "looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.position += 1;
            return Ok(Value::Object(fields));
        }
        loop {
            self.skip_space();
            let byte = self.next()?;
            if byte != b'"' {
                return Err(unexpected(byte, "looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            let byte = self.next()?;
            if byte != b':' {
                return Err(unexpected(byte, "after object key"));
            }
            let value = self.value(depth)?;
            fields.push((key, value));
            self.skip_space();
            match self.next()? {
                b',' => {}
                b'}' => break,
                other => return Err(unexpected(other, "after object key:value pair")),
            }
        }
        Ok(Value::Object(last_of_each(fields)))
    }

    fn list(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.position += 1;
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(Value::List(items)),
                other => return Err(unexpected(other, "after array element")),
            }
        }
    }

    /// Behind the opening quote.
    fn string(&mut self) -> Result<String, DecodeError> {
        let mut bytes = Vec::new();
        loop {
            let rest = &self.text[self.position..];
            let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let plain = rest.iter().position(ends).unwrap_or(rest.len());
            if bytes.is_empty() {
                // Mostly that is all, and it is kept in a place of its length.
                bytes.reserve_exact(plain);
            }
            bytes.extend_from_slice(&rest[..plain]);
            self.position += plain;
            match self.next()? {
                b'"' => break,
                b'\\' => self.escape(&mut bytes)?,
                control => return Err(unexpected(control, "in string literal")),
            }
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => lossy(error.as_bytes()),
        })
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), DecodeError> {
        let plain = match self.next()? {
            b'u' => {
                let mut character = self.hexadecimal()?;
                // A high surrogate takes a low one behind it along.
                if (0xd800..0xdc00).contains(&character)
                    && self.text[self.position..].starts_with(b"\\u")
                {
                    let start = self.position;
                    self.position += 2;
                    let low = self.hexadecimal()?;
                    if (0xdc00..0xe000).contains(&low) {
                        character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
                    } else {
                        self.position = start;
                    }
                }
                let character = char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER);
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            other => return Err(unexpected(other, "in string escape code")),
        };
        bytes.push(plain);
        Ok(())
    }

    fn hexadecimal(&mut self) -> Result<u32, DecodeError> {
        let mut number = 0;
        for _ in 0..4 {
            let byte = self.next()?;
            let digit = char::from(byte)
                .to_digit(16)
                .ok_or_else(|| unexpected(byte, "in \\u hexadecimal character escape"))?;
            number = number * 16 + digit;
        }
        Ok(number)
    }

    fn number(&mut self, first: u8) -> Result<Value, DecodeError> {
        let start = self.position - 1;
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            other => return Err(unexpected(other, "in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        let text = String::from_utf8_lossy(&self.text[start..self.position]).into_owned();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Number(Number(text.into()))),
            _ => Err(DecodeError::Number(text)),
        }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
    }

    fn some_digits(&mut self, context: &'static str) -> Result<(), DecodeError> {
        match self.next()? {
            b'0'..=b'9' => {
                self.digits();
                Ok(())
            }
            other => Err(unexpected(other, context)),
        }
    }

    /// Behind the first character of a literal.
    fn literal(&mut self, rest: &[(u8, &'static str)]) -> Result<(), DecodeError> {
        for &(expected, context) in rest {
            let byte = self.next()?;
            if byte != expected {
                return Err(unexpected(byte, context));
            }
        }
        Ok(())
    }
}

const TRUE: &[(u8, &str)] = &[
    (b'r', "in literal true (expecting 'r')"),
    (b'u', "in literal true (expecting 'u')"),
    (b'e', "in literal true (expecting 'e')"),
];
const FALSE: &[(u8, &str)] = &[
    (b'a', "in literal false (expecting 'a')"),
    (b'l', "in literal false (expecting 'l')"),
    (b's', "in literal false (expecting 's')"),
    (b'e', "in literal false (expecting 'e')"),
];
const NULL: &[(u8, &str)] = &[
    (b'u', "in literal null (expecting 'u')"),
    (b'l', "in literal null (expecting 'l')"),
    (b'l', "in literal null (expecting 'l')"),
];

/// Fewer keys are compared with each other where they are.
const MANY_KEYS: usize = 16;

fn are_different(fields: &[(String, Value)]) -> bool {
    if fields.len() < MANY_KEYS {
        let before = |at: usize| fields[..at].iter().map(|(key, _)| key);
        return (1..fields.len()).all(|at| before(at).all(|key| *key != fields[at].0));
    }
    let mut keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}

/// Of equal keys only the last; the others keep their order.
fn last_of_each(fields: Vec<(String, Value)>) -> Vec<(String, Value)> {
    if are_different(&fields) {
        return fields;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut kept: Vec<_> =
        fields.into_iter().rev().filter(|(key, _)| seen.insert(key.clone())).collect();
    kept.reverse();
    kept
}

/// Each stray byte becomes one U+FFFD, as Go counts them.
pub fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

#[cfg(test)]
mod tests;
