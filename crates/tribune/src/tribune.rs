//! The command line of `tribune`.

use std::ffi::OsString;

use crate::command::{Command, find};
use crate::commands::cluster::{self, CLUSTER};
use crate::commands::simulate::SIMULATE;
use crate::output::{complain, say};
use crate::{completions, consul, manual, serf};

/// The commands that only `tribune` has and that have flags.
pub(crate) const OWN_COMMANDS: [&Command; 2] = [&CLUSTER, &SIMULATE];

/// What there is beside Consul's commands.
const OWN_HELP: &str = "    \
    serf ARGUMENTS       Everything that serf does; the same as this program under
                         the name serf. `tribune serf -h` lists its commands
    cluster [NODES]      Run a cluster on this machine to play with
    simulate             Try settings on a simulated cluster
    why NAME             Show why a member is thought to have failed
    completions SHELL    Write completions for bash, zsh or fish
    manual               Write the manual page
";

fn overview() -> String {
    let consuls = consul::list();
    format!(
        "Usage: tribune COMMAND [ARGUMENTS]\n\nCommands of Consul, as under the name consul:\n\
         {consuls}\nCommands of its own:\n{OWN_HELP}"
    )
}

/// Runs `tribune` with these arguments; the result is the exit code.
pub(crate) fn run(arguments: &[OsString]) -> i32 {
    let Some((command, rest)) = arguments.split_first() else {
        complain(overview());
        return 127;
    };
    match command.to_string_lossy().as_ref() {
        "serf" => serf::run(rest),
        "help" => {
            say(overview());
            0
        }
        "why" => {
            if wants_help(rest) {
                say(find("why").map(|command| command.help()).unwrap_or_default());
                return 0;
            }
            find("why").map_or(1, |command| command.run(rest))
        }
        "cluster" => {
            if wants_help(rest) {
                say(CLUSTER.help());
                return 0;
            }
            cluster::dispatch(rest)
        }
        "simulate" => {
            if wants_help(rest) {
                say(SIMULATE.help());
                return 0;
            }
            SIMULATE.run(rest)
        }
        "cluster-node" => cluster::node(rest),
        "completions" => write_completions(rest),
        "manual" => {
            say(manual::page());
            0
        }
        word if word.starts_with('-') || consul::knows(word) => {
            consul::run_within(arguments, &overview())
        }
        other => {
            complain(format!("There is no command {}\n", gotext::quote(other)));
            complain(overview());
            127
        }
    }
}

fn wants_help(arguments: &[OsString]) -> bool {
    arguments.iter().any(|word| word == "-h" || word == "-help" || word == "--help")
}

fn write_completions(arguments: &[OsString]) -> i32 {
    let shell = arguments.first().map(|shell| shell.to_string_lossy());
    let script = match shell.as_deref() {
        Some("bash") => completions::bash(),
        Some("zsh") => completions::zsh(),
        Some("fish") => completions::fish(),
        _ => {
            complain("Usage: tribune completions bash|zsh|fish");
            return 1;
        }
    };
    say(script);
    0
}
