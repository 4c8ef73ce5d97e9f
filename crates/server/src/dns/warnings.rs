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
    /// By what they are about, the sockets or a recursor of the settings, and what they say of it.
    limit: Mutex<Limit<(String, &'static str)>>,
}

impl Warnings {
    pub(super) fn new(log: Log) -> Self {
        Self { log, limit: Mutex::default() }
    }

    /// Warns of what is wrong with a recursor.
    pub(super) fn recursor(&self, recursor: &impl Display, error: &impl Display) {
        let text = "A recursor gives no answer: names that no other one knows fail";
        self.warn(("recursor", recursor.to_string()), text, ("error", error));
    }

    /// Warns of a recursor that passes our own questions on to us.
    pub(super) fn circle(&self, from: &impl Display) {
        let text = "A question to a recursor has come back: name others in `recursors` than those that ask this agent";
        self.warn(("recursor", from.to_string()), text, ("error", &"a circle"));
    }

    /// Warns of more questions to recursors than may wait. Anybody may ask them: one line for all.
    pub(super) fn crowd(&self, from: &impl Display) {
        let text = "Too many questions wait for recursors: further ones fail at once";
        self.warn(("recursor", "any".into()), text, ("from", from));
    }

    /// Warns of what is wrong with the sockets of a network.
    pub(super) fn socket(&self, network: &'static str, error: &impl Display) {
        let text = "Questions cannot be received: who asks over this network waits";
        self.warn(("network", network.to_owned()), text, ("error", error));
    }

    /// Tells that somebody gets short replies only. There are many addresses, and they may be
    /// anybody's: one line for all.
    pub(super) fn reflection(&self, to: &impl Display) {
        let text = "Long replies over UDP are cut: who asks for so many, or seems to, has to come \
                    over TCP";
        self.warn(("network", "udp".into()), text, ("to", to));
    }

    fn warn(
        &self,
        (kind, about): (&'static str, String),
        text: &str,
        (name, detail): (&'static str, &dyn Display),
    ) {
        let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = limit.judge((about.clone(), name), PLACE, Instant::now());
        drop(limit);
        let Verdict::Log { left_out } = verdict else { return };
        let more = match left_out {
            0 => String::new(),
            _ => format!(" (and {left_out} more like it since the last one)"),
        };
        let fields = [(kind, about.into()), (name, detail.to_string().into())];
        self.log.entry(PLACE.level, PLACE.component, format_args!("{text}{more}"), fields);
    }
}
