//! Help texts, made from the table of commands.

use crate::command::{Action, COMMANDS, Command};
use crate::consul;
use crate::flags::{Flag, Kind};
use crate::table::wrap;
use crate::tribune::OWN_COMMANDS;

/// Width of a line.
const WIDTH: usize = 79;

/// Where the explanation of a flag starts.
const EXPLANATION: usize = 28;

impl Flag {
    /// As it is typed: `-name`, `-name=VALUE`, or `-name=true|false`.
    pub(crate) fn usage(&self) -> String {
        match (self.kind, self.default) {
            (Kind::Bool, "true") => format!("-{}=true|false", self.name),
            (Kind::Bool, _) => format!("-{}", self.name),
            _ => format!("-{}={}", self.name, self.value_name),
        }
    }

    /// The explanation with what holds without the flag.
    pub(crate) fn explanation(&self) -> String {
        let mut text = self.help.to_owned();
        if !self.default.is_empty() && self.default != "false" {
            text.push_str(&format!(" Default: {}.", self.default));
        }
        if let Some(variable) = self.env {
            text.push_str(&format!(" Environment: {variable}."));
        }
        text
    }
}

impl Command {
    /// Usage, description and flags; no newline at the end.
    pub(crate) fn help(&self) -> String {
        if self.description.is_empty() {
            return String::new();
        }
        let mut lines = vec![self.usage(), String::new()];
        for line in wrap(self.description, WIDTH - 2) {
            lines.push(indented(2, &line));
        }
        let flags = (self.flags)();
        if !flags.is_empty() {
            lines.extend([String::new(), "Options:".to_owned(), String::new()]);
        }
        let layout = if self.is_consuls() { consul_flag_lines } else { flag_lines };
        for flag in flags {
            lines.extend(layout(&flag));
        }
        lines.extend(self.children());
        lines.join("\n")
    }

    /// Whether it is one of Consul's, whose help has another layout.
    fn is_consuls(&self) -> bool {
        matches!(self.action, Action::Consul(_) | Action::Group)
    }

    /// The list of sub-commands, if it has some.
    fn children(&self) -> Vec<String> {
        if !matches!(self.action, Action::Group) {
            return Vec::new();
        }
        let width = consul::children(self.name).map(|(word, _)| word.len()).max();
        let width = width.unwrap_or_default();
        let mut lines = vec![String::new(), "Subcommands:".to_owned(), String::new()];
        lines.extend(
            consul::children(self.name)
                .map(|(word, child)| format!("    {word:width$}    {}", child.synopsis)),
        );
        lines
    }

    /// The usage line.
    pub(crate) fn usage(&self) -> String {
        let own = OWN_COMMANDS.iter().any(|command| command.name == self.name);
        let program = match self.is_consuls() {
            true => "consul",
            false if own => "tribune",
            false => "serf",
        };
        let mut usage = format!("Usage: {program} {}", self.name);
        if !(self.flags)().is_empty() {
            usage.push_str(" [options]");
        }
        if !self.operands.is_empty() {
            usage.push_str(&format!(" {}", self.operands));
        }
        usage
    }
}

fn flag_lines(flag: &Flag) -> Vec<String> {
    let usage = indented(2, &flag.usage());
    let mut explanation = wrap(&flag.explanation(), WIDTH - EXPLANATION).into_iter();
    let mut lines = Vec::new();
    if usage.chars().count() + 2 > EXPLANATION {
        lines.push(usage);
    } else if let Some(first) = explanation.next() {
        lines.push(format!("{usage:EXPLANATION$}{first}"));
    }
    lines.extend(explanation.map(|line| indented(EXPLANATION, &line)));
    lines
}

/// As Consul lays flags out: the name on a line of its own.
fn consul_flag_lines(flag: &Flag) -> Vec<String> {
    let value = match flag.kind {
        Kind::Bool => String::new(),
        _ => format!("=<{}>", flag.value_name),
    };
    let mut lines = vec![format!("  -{}{value}", flag.name)];
    lines.extend(wrap(&flag.explanation(), WIDTH - 5).iter().map(|line| indented(5, line)));
    lines.push(String::new());
    lines
}

fn indented(by: usize, line: &str) -> String {
    if line.is_empty() { String::new() } else { format!("{:by$}{line}", "") }
}

/// The list of commands, with an empty line at the end.
pub(crate) fn overview() -> String {
    let mut text = "Usage: serf [--version] [--help] COMMAND [ARGUMENTS]\n\nCommands:\n".to_owned();
    let width = COMMANDS.iter().map(|command| command.name.len()).max().unwrap_or_default();
    for command in COMMANDS {
        text.push_str(&format!("    {:width$}    {}\n", command.name, command.synopsis));
    }
    text
}
