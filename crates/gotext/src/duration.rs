//! Durations as Go writes them.

use std::fmt;
use std::time::Duration;

/// A signed duration in nanoseconds, the range and the notation of Go's `time.Duration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

/// Why a text is not a duration; the words are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form, or out of range.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(String),
    /// A unit that is none.
    #[error("time: unknown unit {} in duration {}", quote(.unit), quote(.text))]
    UnknownUnit {
        /// What stands where the unit should.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// `1 << 63`: one more than the largest magnitude of a positive duration.
const LIMIT: u64 = 1 << 63;

impl GoDuration {
    /// From nanoseconds.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        GoDuration(nanoseconds)
    }

    /// In nanoseconds.
    pub const fn as_nanoseconds(self) -> i64 {
        self.0
    }

    /// As an unsigned duration; negative ones become zero.
    pub fn saturating_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// Reads one or more decimal numbers, each with a unit out of `ns us µs ms s m h`, and an
    /// optional sign in front; or a lone `0`.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(GoDuration(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanoseconds, after) = parse_term(rest, text)?;
            total = total.checked_add(nanoseconds).filter(|t| *t <= LIMIT).ok_or_else(invalid)?;
            rest = after;
        }
        match (negative, i64::try_from(total)) {
            (true, Ok(n)) => Ok(GoDuration(-n)),
            (true, Err(_)) => Ok(GoDuration(i64::MIN)),
            (false, Ok(n)) => Ok(GoDuration(n)),
            (false, Err(_)) => Err(invalid()),
        }
    }
}

/// One number with its unit; returns nanoseconds and what follows.
fn parse_term<'a>(term: &'a str, text: &str) -> Result<(u64, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();

    let (whole_digits, mut rest) = term.split_at(digits(term));
    let mut whole: u64 = 0;
    for digit in whole_digits.bytes() {
        let digit = u64::from(digit - b'0');
        whole = (whole <= LIMIT / 10)
            .then(|| whole * 10 + digit)
            .filter(|w| *w <= LIMIT)
            .ok_or_else(invalid)?;
    }
    let mut fraction_digits = "";
    if let Some(after) = rest.strip_prefix('.') {
        (fraction_digits, rest) = after.split_at(digits(after));
    }
    if whole_digits.is_empty() && fraction_digits.is_empty() {
        return Err(invalid());
    }

    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit_name, rest) = rest.split_at(end);
    let unit: u64 = match unit_name {
        "" => return Err(DurationError::MissingUnit(text.to_owned())),
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        other => {
            return Err(DurationError::UnknownUnit {
                unit: other.to_owned(),
                text: text.to_owned(),
            });
        }
    };
    if whole > LIMIT / unit {
        return Err(invalid());
    }
    let value = whole * unit + fraction_of(fraction_digits, unit);
    if value > LIMIT {
        return Err(invalid());
    }
    Ok((value, rest))
}

/// The nanoseconds of the digits behind the point; digits beyond 63 bits do not count.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let (mut fraction, mut scale) = (0u64, 1f64);
    for digit in digits.bytes() {
        if fraction > (LIMIT - 1) / 10 {
            break;
        }
        let next = fraction * 10 + u64::from(digit - b'0');
        if next > LIMIT {
            break;
        }
        fraction = next;
        scale *= 10.0;
    }
    // In floating point, because Go does so and the last nanosecond depends on it.
    (fraction as f64 * (unit as f64 / scale)) as u64
}

impl fmt::Display for GoDuration {
    /// Like `1h15m30.5s`: no leading zero units, fractions of a second in the largest unit that
    /// is not below one, `0s` for zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if nanoseconds < 1_000_000_000 {
            let (unit, name) = match nanoseconds {
                0 => return f.write_str("0s"),
                1..1_000 => (1, "ns"),
                1_000..1_000_000 => (1_000, "µs"),
                _ => (1_000_000, "ms"),
            };
            write_decimal(f, nanoseconds, unit)?;
            return f.write_str(name);
        }
        let minutes = nanoseconds / 60_000_000_000;
        if minutes >= 60 {
            write!(f, "{}h", minutes / 60)?;
        }
        if minutes > 0 {
            write!(f, "{}m", minutes % 60)?;
        }
        write_decimal(f, nanoseconds % 60_000_000_000, 1_000_000_000)?;
        f.write_str("s")
    }
}

/// `value / unit` exactly, without trailing zeros; `unit` is a power of ten.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: u64, unit: u64) -> fmt::Result {
    write!(f, "{}", value / unit)?;
    let fraction = value % unit;
    if fraction == 0 {
        return Ok(());
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

/// The quoting of duration errors: everything outside printable ASCII as hex, byte by byte.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}
