//! Which members a query is for.

use std::collections::VecDeque;

use bytes::Bytes;
use pattern::{Pattern, PatternError};
use wire::message::serf::Filter;
use wire::planted::{Fault, planted};

use crate::interface::Tags;
use crate::limits;

/// Patterns compiled lately. They come from other members: length, cost and number are bounded.
#[derive(Debug, Default)]
pub(crate) struct FilterCache {
    compiled: VecDeque<(String, Result<Pattern, PatternError>)>,
}

/// Whether a query is for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// It is.
    Selected,
    /// It is not.
    Excluded,
    /// A pattern is none, or costs too much, which counts as no match.
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
    /// Judges the encoded filters of a query: all must pass. Names are compared before patterns are
    /// tried, and short patterns before long ones.
    pub(crate) fn select(&mut self, filters: &[Bytes], name: &str, tags: &Tags) -> Selection {
        let mut patterns = Vec::new();
        for encoded in filters {
            match Filter::decode(encoded) {
                Ok(Filter::Nodes(names)) if names.iter().any(|n| n == name) => {}
                Ok(Filter::Nodes(_)) => return Selection::Excluded,
                Ok(Filter::Tag { tag, expression }) => patterns.push((expression, tag)),
                Err(error) => return Selection::Malformed(error.to_string()),
            }
        }
        patterns.sort_by_key(|(expression, _)| expression.len());
        let mut cost = 0;
        for (expression, tag) in patterns {
            let value = tags.get(&tag).map_or("", String::as_str);
            let judged = match self.pattern(&expression) {
                _ if cost > limits::FILTERS_COST => Err(PatternError::TooLarge),
                Ok(pattern) => {
                    cost += pattern.cost();
                    Ok(pattern.is_match(value))
                }
                Err(error) => Err(error.clone()),
            };
            match judged {
                Ok(true) => {}
                Ok(false) => return Selection::Excluded,
                Err(error) => {
                    return Selection::Unsupported { expression, why: error.to_string() };
                }
            }
        }
        Selection::Selected
    }

    fn pattern(&mut self, expression: &str) -> &Result<Pattern, PatternError> {
        let held = self.compiled.iter().position(|(held, _)| held == expression);
        let entry = match held.and_then(|index| self.compiled.remove(index)) {
            Some(entry) => entry,
            None if expression.len() > limits::FILTER_PATTERN_BYTES => {
                // Not worth its place.
                return &Err(PatternError::TooLarge);
            }
            None => {
                let anchored = planted(Fault::FiltersAnchored).then(|| format!("^({expression})$"));
                let text = anchored.as_deref().unwrap_or(expression);
                (expression.to_owned(), Pattern::new(text, limits::FILTER_COST))
            }
        };
        self.compiled.push_front(entry);
        let mut cost = 0;
        let within = self.compiled.iter().take(limits::FILTER_CACHE).take_while(|(_, pattern)| {
            cost += pattern.as_ref().map_or(0, Pattern::cost);
            cost <= limits::FILTER_CACHE_COST
        });
        let within = within.count().max(1);
        self.compiled.truncate(within);
        &self.compiled[0].1
    }
}

#[cfg(test)]
mod tests;
