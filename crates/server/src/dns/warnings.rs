//! What an operator should know of. Others can cause it at will: of each kind a line a minute.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use agent::log::{Level, Log};
use agent::render::limit::{Limit, Place, Verdict};

const PLACE: Place = Place { level: Level::Warn, component: "agent.dns" };

/// Where warnings go.
pub(super) struct Warnings {
    pub(super) log: Log,
    /// By what they are about: the sockets, and the recursors of the settings.
    limit: Mutex<Limit<String>>,
}

impl Warnings {
    pub(super) fn new(log: Log) -> Self {
        Self { log, limit: Mutex::default() }
    }

    /// Warns of what is wrong with a recursor.
    pub(super) fn recursor(&self, recursor: &impl Display, error: &impl Display) {
        let text = "A recursor has not answered: names that no other one knows fail";
        self.warn("recursor", recursor.to_string(), text, error);
    }

    /// Warns of what is wrong with the sockets of a network.
    pub(super) fn socket(&self, network: &'static str, error: &impl Display) {
        let text = "Questions cannot be received: who asks over this network waits";
        self.warn("network", network.to_owned(), text, error);
    }

    fn warn(&self, key: &'static str, about: String, text: &str, error: &impl Display) {
        let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = limit.judge(about.clone(), PLACE, Instant::now());
        drop(limit);
        let Verdict::Log { left_out } = verdict else { return };
        let more = match left_out {
            0 => String::new(),
            _ => format!(" (and {left_out} more like it since the last one)"),
        };
        let fields = [(key, about.into()), ("error", error.to_string().into())];
        self.log.entry(PLACE.level, PLACE.component, format_args!("{text}{more}"), fields);
    }
}
