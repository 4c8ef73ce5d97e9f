//! The command line of `serf`.

use std::ffi::OsString;

use crate::command::find;
use crate::help::overview;
use crate::output::complain;

/// Exit code when there is no such command, or none at all.
const NO_COMMAND: i32 = 127;

const MISPLACED_FLAGS: &str = "Invalid flags before the subcommand. If these flags are for\n\
                               the subcommand, please put them after the subcommand.\n";

/// Runs `serf` with these arguments; the result is the exit code.
pub(crate) fn run(arguments: &[OsString]) -> i32 {
    if arguments.iter().any(|argument| argument == "-v" || argument == "--version") {
        return crate::commands::version::run();
    }
    let mut help_wanted = false;
    let mut misplaced = false;
    let mut command = None;
    for (at, argument) in arguments.iter().enumerate() {
        match argument.to_string_lossy().as_ref() {
            "--" => break,
            "-h" | "-help" | "--help" => help_wanted = true,
            "-version" | "" => {}
            flag if flag.starts_with('-') => misplaced |= command.is_none(),
            _ => {
                command.get_or_insert(at);
            }
        }
    }
    let Some(at) = command else {
        complain(overview());
        return if help_wanted { 0 } else { NO_COMMAND };
    };
    let Some(command) = find(&arguments[at].to_string_lossy()) else {
        complain(overview());
        return NO_COMMAND;
    };
    if help_wanted {
        complain(command.help());
        return 0;
    }
    if misplaced {
        complain(MISPLACED_FLAGS);
        complain(command.help());
        return 1;
    }
    command.run(&arguments[at + 1..])
}
