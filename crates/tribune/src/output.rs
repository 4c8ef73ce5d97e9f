//! Standard output and standard error.
//!
//! Everything that a command of Serf says, errors included, goes to standard output; errors of
//! Consul's commands go to standard error. When the reader is gone the program dies of SIGPIPE, as
//! its users' pipelines expect.

use std::io::{ErrorKind, Result, Write};

/// One line, or several, on standard output.
pub(crate) fn say(text: impl AsRef<[u8]>) {
    write(std::io::stdout().lock(), text.as_ref());
}

/// One line, or several, on standard error.
pub(crate) fn complain(text: impl AsRef<[u8]>) {
    write(std::io::stderr().lock(), text.as_ref());
}

/// Bytes as they are on standard output.
pub(crate) fn show(bytes: &[u8]) {
    let mut to = std::io::stdout().lock();
    give_up_without_reader(to.write_all(bytes).and_then(|()| to.flush()));
}

fn write(mut to: impl Write, text: &[u8]) {
    let mut line = Vec::with_capacity(text.len() + 1);
    line.extend_from_slice(text);
    line.push(b'\n');
    give_up_without_reader(to.write_all(&line).and_then(|()| to.flush()));
}

fn give_up_without_reader(result: Result<()>) {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => crate::platform::die_of_pipe(),
        // A full disk or a closed descriptor: there is nowhere left to say so.
        Ok(()) | Err(_) => {}
    }
}
