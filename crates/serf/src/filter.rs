//! Which members a query is for.

use std::collections::VecDeque;

use bytes::Bytes;
use regex::Regex;
use wire::message::serf::Filter;
use wire::planted::{Fault, planted};

use crate::interface::Tags;
use crate::limits;

/// Patterns compiled lately. They come from other members: length, size and number are bounded.
#[derive(Debug, Default)]
pub(crate) struct FilterCache {
    compiled: VecDeque<(String, Result<Regex, String>)>,
}

/// Whether a query is for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// It is.
    Selected,
    /// It is not.
    Excluded,
    /// A pattern is not supported here, which counts as no match.
    Unsupported {
        /// The pattern.
        expression: String,
        /// What is wrong with it.
        why: String,
    },
    /// A filter cannot be read, which counts as no match.
    Malformed(String),
}

impl FilterCache {
    /// Judges the encoded filters of a query: all must pass.
    pub(crate) fn select(&mut self, filters: &[Bytes], name: &str, tags: &Tags) -> Selection {
        for encoded in filters {
            let verdict = match Filter::decode(encoded) {
                Ok(Filter::Nodes(names)) if names.iter().any(|n| n == name) => continue,
                Ok(Filter::Nodes(_)) => Selection::Excluded,
                Ok(Filter::Tag { tag, expression }) => {
                    let value = tags.get(&tag).map_or("", String::as_str);
                    match self.pattern(&expression) {
                        Ok(pattern) if pattern.is_match(value) => continue,
                        Ok(_) => Selection::Excluded,
                        Err(why) => Selection::Unsupported { expression, why },
                    }
                }
                Err(error) => Selection::Malformed(error.to_string()),
            };
            return verdict;
        }
        Selection::Selected
    }

    /// The compiled pattern, or why it cannot be.
    fn pattern(&mut self, expression: &str) -> Result<&Regex, String> {
        if expression.len() > limits::FILTER_PATTERN_BYTES {
            return Err(format!("longer than {} bytes", limits::FILTER_PATTERN_BYTES));
        }
        match self.compiled.iter().position(|(held, _)| held == expression) {
            Some(index) => self.compiled.swap(0, index),
            None => {
                self.compiled.truncate(limits::FILTER_CACHE - 1);
                let anchored = planted(Fault::FiltersAnchored).then(|| format!("^({expression})$"));
                let compiled = regex::RegexBuilder::new(anchored.as_deref().unwrap_or(expression))
                    .size_limit(limits::FILTER_PROGRAM_BYTES)
                    .dfa_size_limit(limits::FILTER_PROGRAM_BYTES)
                    .build();
                let compiled = compiled.map_err(|error| reason(&error));
                self.compiled.push_front((expression.to_owned(), compiled));
            }
        }
        self.compiled[0].1.as_ref().map_err(String::clone)
    }
}

/// The gist of an error that shows the pattern over several lines.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "too big when compiled".to_owned(),
        error => {
            let text = error.to_string();
            let gist = text.lines().last().unwrap_or_default();
            gist.strip_prefix("error: ").unwrap_or(gist).to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
