//! Texts with the number of the request in them.

use std::fmt::Write;

/// A text with places for a number.
#[derive(Clone)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone)]
enum Part {
    Text(String),
    Number { divisor: u64, modulus: u64 },
}

impl Template {
    /// Reads `{n}`, `{n/D}` and `{n%M}`; everything else is text, braces too.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, (part, after))) =
            rest.find("{n").and_then(|at| Some((&rest[..at], number(&rest[at + 2..])?)))
        {
            parts.extend([Part::Text(before.to_owned()), part]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Self(parts)
    }

    /// Appends the text for request `n`.
    pub(crate) fn write(&self, n: u64, out: &mut String) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Number { divisor, modulus } => {
                    write!(out, "{:08}", n / divisor % modulus).unwrap();
                }
            }
        }
    }
}

/// What stands behind `{n`, to the closing brace.
fn number(text: &str) -> Option<(Part, &str)> {
    let (inner, after) = text.split_once('}')?;
    let figure = |text: &str| text.parse().ok().filter(|figure| *figure > 0);
    let (divisor, modulus) = match (inner.strip_prefix('/'), inner.strip_prefix('%')) {
        _ if inner.is_empty() => (1, u64::MAX),
        (Some(divisor), _) => (figure(divisor)?, u64::MAX),
        (_, Some(modulus)) => (1, figure(modulus)?),
        _ => return None,
    };
    Some((Part::Number { divisor, modulus }, after))
}
