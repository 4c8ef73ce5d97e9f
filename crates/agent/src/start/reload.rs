//! Reading the configuration again.
//!
//! Specification "Serf agent", section 7, with two deviations: with a tags file the tags stay as
//! they are (the real agent empties the file), and a line names the changed settings that only a
//! restart takes into use.

use crate::config::{self, FlagSetting, Layer};
use crate::handlers::HandlerSpec;
use crate::log::{Level, Log};
use crate::node::NodeHandle;
use crate::notify::{self, State};
use crate::output::Output;

/// Which signals make the agent leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeaveRules {
    pub(super) leave_on_terminate: bool,
    pub(super) skip_on_interrupt: bool,
}

impl LeaveRules {
    pub(super) fn of(layer: &Layer) -> Self {
        LeaveRules {
            leave_on_terminate: layer.bool("leave_on_terminate"),
            skip_on_interrupt: layer.bool("skip_leave_on_interrupt"),
        }
    }
}

/// What a reload works on.
pub(super) struct Reload<'a> {
    pub(super) output: &'a Output,
    pub(super) log: &'a Log,
    pub(super) node: &'a NodeHandle,
    /// What was configured at the start.
    pub(super) old: &'a Layer,
    pub(super) has_tags_file: bool,
}

impl Reload<'_> {
    /// Takes into use what can be; None if the configuration cannot be read, and then nothing has
    /// changed. New tags are announced in the background.
    pub(super) fn run(&self, flags: &[FlagSetting]) -> Option<LeaveRules> {
        notify::notify(State::Reloading);
        let rules = self.reload(flags);
        notify::notify(State::Ready);
        rules
    }

    fn reload(&self, flags: &[FlagSetting]) -> Option<LeaveRules> {
        self.output.message("Reloading configuration...");
        let reading = match config::read(flags) {
            Ok(reading) => reading,
            Err(failure) => {
                super::show(self.output, &failure);
                self.output.message("Failed to reload configs");
                return None;
            }
        };
        for warning in &reading.warnings {
            self.output.message(warning);
        }
        let layer = reading.layer;
        match config::log_level(&layer) {
            Ok(level) => self.log.set_level(level),
            Err(failure) => super::show(self.output, &failure),
        }
        // They were judged when they were read.
        let handlers = layer.list("event_handlers").iter();
        let handlers = handlers.filter_map(|text| HandlerSpec::parse(text).ok()).flatten();
        self.node.set_handlers(handlers.collect());
        self.set_tags(&layer);
        let ignored = self.old.changes_ignored_by_reload(&layer);
        if !ignored.is_empty() {
            let text = format_args!(
                "Changed settings that only a restart takes into use: {}",
                ignored.join(", ")
            );
            self.log.line(Level::Warn, "agent", text);
        }
        Some(LeaveRules::of(&layer))
    }

    fn set_tags(&self, layer: &Layer) {
        let tags = layer.tags();
        if self.has_tags_file {
            if !tags.is_empty() {
                let text = "Configured tags are ignored: the tags file has them";
                self.log.line(Level::Warn, "agent", text);
            }
            return;
        }
        let (node, output) = (self.node.clone(), self.output.clone());
        tokio::spawn(async move {
            if node.tags().await == tags {
                return;
            }
            if let Err(why) = node.set_tags(tags).await {
                output.message(&format!("Failed to update tags: {why}"));
            }
        });
    }
}
