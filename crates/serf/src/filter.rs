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
    compiled: VecDeque<(String, Option<Regex>)>,
}

/// Whether a query is for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// It is.
    Selected,
    /// It is not.
    Excluded,
    /// A pattern is not supported here, which counts as no match.
    Unsupported(String),
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
                        Some(pattern) if pattern.is_match(value) => continue,
                        Some(_) => Selection::Excluded,
                        None => Selection::Unsupported(expression),
                    }
                }
                Err(error) => Selection::Malformed(error.to_string()),
            };
            return verdict;
        }
        Selection::Selected
    }

    /// The compiled pattern; None if it cannot be.
    fn pattern(&mut self, expression: &str) -> Option<&Regex> {
        if expression.len() > limits::FILTER_PATTERN_BYTES {
            return None;
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
                self.compiled.push_front((expression.to_owned(), compiled.ok()));
            }
        }
        self.compiled.front()?.1.as_ref()
    }
}

#[cfg(test)]
mod tests;
