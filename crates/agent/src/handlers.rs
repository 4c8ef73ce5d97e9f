//! Event handlers: scripts that run when something happens.

use std::fmt;

use crate::event_filter::{self, EventFilter};

/// One handler: a script and the events it runs for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerSpec {
    /// When.
    pub filter: EventFilter,
    /// Run by `/bin/sh -c`.
    pub script: String,
}

/// A specification that names an unknown event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid event script: Event '{event}' invoking '{script}'")]
pub struct InvalidHandler {
    /// The item that is none of the known types.
    pub event: String,
    /// The script it was meant for.
    pub script: String,
}

impl HandlerSpec {
    /// Parses `[FILTER=]SCRIPT`, split at the first `=`. A list of filters makes one handler each,
    /// so that an event that matches two of them runs the script twice.
    pub fn parse(text: &str) -> Result<Vec<HandlerSpec>, InvalidHandler> {
        let (filter, script) = text.split_once('=').unwrap_or(("", text));
        let filters = event_filter::parse(filter)
            .map_err(|error| InvalidHandler { event: error.item, script: script.to_owned() })?;
        Ok(filters
            .into_iter()
            .map(|filter| HandlerSpec { filter, script: script.to_owned() })
            .collect())
    }
}

impl fmt::Display for HandlerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event '{}' invoking '{}'", self.filter, self.script)
    }
}

#[cfg(test)]
mod tests;
