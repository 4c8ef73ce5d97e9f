//! The command line of `consul`.
//!
//! Unlike Serf's, its errors go to standard error, and its commands have sub-commands.

mod agent;
mod catalog;
mod connection;
mod definitions;
mod event;
mod explain;
mod failure;
mod force_leave;
mod info;
mod inspect;
mod join;
mod keygen;
mod kv;
mod leave;
mod lock;
mod lock_key;
mod log_line;
mod maint;
mod members;
mod monitor;
mod raft;
mod reload;
mod rtt;
mod script;
mod semaphore;
mod services;
mod signals;
mod snapshot;
mod table;
mod validate;
mod version;
mod watch;

use std::ffi::OsString;

use crate::command::Command;
use crate::output::{complain, say};

pub(crate) use failure::Failure;
pub(crate) use table::{COMMANDS, common_flags};

/// Exit code when there is no such command, or none at all.
const NO_COMMAND: i32 = 127;

/// The version of Consul whose behaviour this program has; clients compare it.
pub(crate) const CONSUL_LEVEL: &str = "1.16.4";

/// What the arguments of a program ask for.
struct Request<'a> {
    help: bool,
    version: bool,
    /// Whether a flag stands where a command should.
    misplaced: bool,
    /// The words from the first command on.
    words: &'a [OsString],
}

impl Request<'_> {
    fn read(arguments: &[OsString]) -> Request<'_> {
        let mut request = Request { help: false, version: false, misplaced: false, words: &[] };
        for (at, argument) in arguments.iter().enumerate() {
            let argument = argument.to_string_lossy();
            match argument.as_ref() {
                "--" => break,
                "-h" | "-help" | "--help" => request.help = true,
                "-v" | "-version" | "--version" if request.words.is_empty() => {
                    request.version = true;
                }
                "" => {}
                flag if flag.starts_with('-') => request.misplaced |= request.words.is_empty(),
                _ if request.words.is_empty() => request.words = &arguments[at..],
                _ => {}
            }
        }
        request
    }
}

/// Commands of Consul's that are not there yet: who calls one has not mistyped it.
const YET_TO_COME: [&str; 12] = [
    "acl",
    "config",
    "connect",
    "debug",
    "exec",
    "intention",
    "keyring",
    "login",
    "logout",
    "peering",
    "tls",
    "troubleshoot",
];

/// Runs `consul` with these arguments; the result is the exit code.
pub(crate) fn run(arguments: &[OsString]) -> i32 {
    run_within(arguments, &overview())
}

/// As [`run`], with this list of commands to show where there is none.
pub(crate) fn run_within(arguments: &[OsString], overview: &str) -> i32 {
    let request = Request::read(arguments);
    if request.version {
        return version::run_plain();
    }
    if request.words.is_empty() && request.help {
        say(overview);
        return 0;
    }
    let Some((command, rest)) = find(request.words) else {
        let first = request.words.first().map(|word| word.to_string_lossy());
        if let Some(name) = first.filter(|first| YET_TO_COME.contains(&&**first)) {
            complain(format!("consul {name} is yet to come. What is there:\n"));
        }
        complain(overview);
        return NO_COMMAND;
    };
    if request.help {
        say(command.help());
        return 0;
    }
    if request.misplaced {
        complain("Flags of a command stand behind its name.\n");
        complain(command.help());
        return 1;
    }
    command.run(rest)
}

/// The command that the words begin with, the longest of them, and the words behind it.
fn find(words: &[OsString]) -> Option<(&'static Command, &[OsString])> {
    let longest = words.len().min(LONGEST_NAME);
    (1..=longest).rev().find_map(|length| {
        let name: Vec<_> = words[..length].iter().map(|word| word.to_string_lossy()).collect();
        let name = name.join(" ");
        let command = COMMANDS.iter().find(|command| command.name == name)?;
        Some((command, &words[length..]))
    })
}

/// How many words the name of a command has at most.
const LONGEST_NAME: usize = 3;

/// Whether there is a command of this name.
pub(crate) fn knows(word: &str) -> bool {
    top_level().any(|command| command.name == word)
}

/// The commands that are nobody's sub-commands.
pub(crate) fn top_level() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(|command| !command.name.contains(' '))
}

/// The sub-commands of a command, with the last words of their names.
pub(crate) fn children(parent: &str) -> impl Iterator<Item = (&'static str, &'static Command)> {
    COMMANDS.iter().filter_map(move |command| {
        let word = command.name.strip_prefix(parent)?.strip_prefix(' ')?;
        (!word.contains(' ')).then_some((word, command))
    })
}

/// The list of commands.
pub(crate) fn overview() -> String {
    format!("Usage: consul [--version] [--help] COMMAND [ARGUMENTS]\n\nCommands:\n{}", list())
}

/// A line for each command.
pub(crate) fn list() -> String {
    let width = top_level().map(|command| command.name.len()).max().unwrap_or_default();
    let line = |command: &Command| format!("    {:width$}    {}\n", command.name, command.synopsis);
    top_level().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_counts() {
        let words: Vec<_> = ["kv", "get", "x"].iter().map(OsString::from).collect();
        let (command, rest) = find(&words).expect("a command");
        assert_eq!((command.name, rest), ("kv get", &words[2..]));
        let (command, rest) = find(&words[..1]).expect("a command");
        assert_eq!((command.name, rest.len()), ("kv", 0));
        assert!(find(&words[1..]).is_none());
    }

    #[test]
    fn every_sub_command_has_a_parent() {
        for command in COMMANDS {
            if let Some((parent, _)) = command.name.rsplit_once(' ') {
                assert!(COMMANDS.iter().any(|other| other.name == parent), "{parent}");
            }
            assert!(command.name.split(' ').count() <= LONGEST_NAME);
            assert!(!command.description.is_empty(), "{} has no help", command.name);
        }
    }
}
