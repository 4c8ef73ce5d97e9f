//! Children that commands run.

use std::ffi::{OsStr, OsString};
use std::io;

use tokio::process::{Child, Command};

use super::signals::Signal;

/// The shell of a user who has named none.
const DEFAULT_SHELL: &str = "/bin/sh";

/// What is to be run.
#[derive(Clone, Debug)]
pub(super) struct Script {
    words: Vec<OsString>,
}

impl Script {
    /// A program with its arguments; with `shell` the words, joined by blanks, are a line for it.
    pub(super) fn new(words: &[OsString], shell: bool) -> Script {
        if !shell {
            return Script { words: words.to_vec() };
        }
        let named = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        let shell = named.unwrap_or_else(|| OsString::from(DEFAULT_SHELL));
        Script { words: vec![shell, OsString::from("-c"), words.join(OsStr::new(" "))] }
    }

    /// The command, to be adorned and started. A child ends with its handle.
    pub(super) fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map(OsString::as_os_str).unwrap_or_default());
        command.args(words).kill_on_drop(true);
        command
    }

    /// Why it could not be started.
    pub(super) fn start_error(&self, error: &io::Error) -> String {
        let program = self.words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
        if error.kind() == io::ErrorKind::NotFound && !program.contains('/') {
            let program = gotext::quote(&program);
            return format!("exec: {program}: executable file not found in $PATH");
        }
        gotext::path_error("fork/exec", &program, error)
    }
}

/// Sends a signal to a child; one that has ended is left alone.
pub(super) fn send(child: &mut Child, signal: Signal) {
    #[cfg(unix)]
    {
        let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
        let signal = match signal {
            Signal::Interrupt => rustix::process::Signal::INT,
            Signal::Terminate => rustix::process::Signal::TERM,
        };
        if let Some(pid) = pid {
            // It may have ended meanwhile; nobody else has its number before it is waited for.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (signal, child.start_kill());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_to_start_are_told_in_gos_words() {
        let missing = io::Error::from_raw_os_error(2);
        for (program, text) in [
            ("/no/such", "fork/exec /no/such: no such file or directory"),
            ("nosuch", "exec: \"nosuch\": executable file not found in $PATH"),
        ] {
            let script = Script::new(&[OsString::from(program)], false);
            assert_eq!(script.start_error(&missing), text);
        }
    }
}
