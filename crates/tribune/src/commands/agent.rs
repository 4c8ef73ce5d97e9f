//! `serf agent`: hands its flags to the agent.

use agent::FlagSetting;
use agent::config::{self, OPTIONS};

use crate::command::Command;
use crate::flags::{Flag, Kind, Parsed};

const VALIDATE: Flag = Flag::new(
    "validate",
    Kind::Bool,
    "",
    "false",
    "Only check the configuration, say what is wrong with it, and exit.",
);

/// The agent's own table of options, as far as they have flags.
pub(crate) fn flags() -> Vec<Flag> {
    let mut flags: Vec<Flag> = OPTIONS
        .iter()
        .filter_map(|option| {
            let kind = match option.kind {
                config::Kind::Bool => Kind::Bool,
                config::Kind::Int => Kind::Int,
                // What is wrong with a duration or a tag the agent itself says, in its own words.
                config::Kind::Text | config::Kind::Duration => Kind::Text,
                config::Kind::List | config::Kind::Tags => Kind::List,
            };
            let choices: &[&str] = match option.flag? {
                "log-level" => &["trace", "debug", "info", "warn", "err"],
                "profile" => &["lan", "wan", "local"],
                _ => &[],
            };
            let flag =
                Flag::new(option.flag?, kind, option.value_name, option.default, option.help);
            Some(flag.choices(choices))
        })
        .collect();
    flags.push(VALIDATE);
    flags.sort_by_key(|flag| flag.name);
    flags
}

pub(crate) fn run(_: &Command, parsed: &Parsed) -> i32 {
    let settings = parsed
        .given
        .iter()
        .filter(|(name, _)| *name != VALIDATE.name)
        .map(|(name, value)| FlagSetting { name: (*name).to_owned(), value: value.clone() })
        .collect();
    agent::run(settings, parsed.on(VALIDATE.name))
}
