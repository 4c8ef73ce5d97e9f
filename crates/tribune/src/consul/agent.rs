//! `agent`: hands its flags to the server.

use settings::{FlagKind, FlagSetting};

use super::Failure;
use crate::command::Command;
use crate::flags::{Flag, Kind, Parsed};

/// The agent's own table of options, as far as they have flags.
pub(crate) fn flags() -> Vec<Flag> {
    let flag = |flag: settings::AgentFlag| {
        let kind = match flag.kind {
            FlagKind::Switch => Kind::Bool,
            FlagKind::Number => Kind::Int,
            FlagKind::Text => Kind::Text,
            FlagKind::List => Kind::List,
        };
        // What stands for values in Consul's help texts, which are compared.
        let value_name = match (flag.kind, flag.name) {
            (FlagKind::Switch, _) => "",
            (_, "node-meta") => "key:value",
            (_, "config-format") => "string",
            _ => "value",
        };
        Flag::new(flag.name, kind, value_name, flag.default, flag.help).strconv()
    };
    settings::flags().into_iter().map(flag).collect()
}

pub(crate) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    if !parsed.positional.is_empty() {
        let words = parsed.words().join(" ");
        return Err(Failure::Said(format!("==> Unexpected extra arguments: [{words}]")));
    }
    let setting = |(name, value): &(&'static str, String)| FlagSetting {
        name: (*name).to_owned(),
        value: value.clone(),
    };
    let settings: Vec<FlagSetting> = parsed.given.iter().map(setting).collect();
    // The server runs on this thread, which ends with the program.
    #[cfg(target_env = "musl")]
    memory::keep_freed();
    match server::run(&settings) {
        0 => Ok(()),
        code => Err(Failure::Silent(code)),
    }
}
