//! Booleans and integers as Go's `flag` package reads them.

/// Why a text is not a number; the words are those of Go's `flag` package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not of the form.
    #[error("parse error")]
    Syntax,
    /// Beyond 64 bits.
    #[error("value out of range")]
    Range,
}

impl NumberError {
    /// The words of Go's `strconv`.
    pub fn as_converted(self) -> &'static str {
        match self {
            NumberError::Syntax => "invalid syntax",
            NumberError::Range => "value out of range",
        }
    }
}

/// `1 t T TRUE true True` and `0 f F FALSE false False`, nothing else.
pub fn parse_bool(text: &str) -> Result<bool, NumberError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(NumberError::Syntax),
    }
}

/// An optional sign, then decimal, `0x`, `0o` or a leading `0`, or `0b`; single underscores may
/// stand between digits and behind the base prefix.
pub fn parse_int(text: &str) -> Result<i64, NumberError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_unsigned(digits)?;
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(n)) => Ok(n),
        (true, Ok(n)) => Ok(-n),
        (true, Err(_)) if magnitude == 1 << 63 => Ok(i64::MIN),
        _ => Err(NumberError::Range),
    }
}

/// As [`parse_int`], without a sign.
pub fn parse_unsigned(digits: &str) -> Result<u64, NumberError> {
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(rest) = prefixed(&lower, "0x") {
        (16, rest)
    } else if let Some(rest) = prefixed(&lower, "0o") {
        (8, rest)
    } else if let Some(rest) = prefixed(&lower, "0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, &lower[..])
    };
    // Behind a prefix (a leading zero too) an underscore may come first.
    let mut previous_is_digit = base != 10;
    let (mut magnitude, mut overflow) = (0u64, false);
    for character in digits.chars() {
        if character == '_' && previous_is_digit {
            previous_is_digit = false;
            continue;
        }
        let digit = character.to_digit(base).ok_or(NumberError::Syntax)?;
        previous_is_digit = true;
        match magnitude.checked_mul(u64::from(base)).and_then(|m| m.checked_add(digit.into())) {
            Some(next) => magnitude = next,
            None => overflow = true,
        }
    }
    if digits.is_empty() || !previous_is_digit {
        return Err(NumberError::Syntax);
    }
    if overflow { Err(NumberError::Range) } else { Ok(magnitude) }
}

/// What follows the prefix, if anything does: a bare `0x` is not a prefix.
fn prefixed<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.strip_prefix(prefix).filter(|rest| !rest.is_empty())
}
