//! One script's life: start, input, output, end.

use std::io::{self, PipeReader};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};

use super::invocation::Invocation;
use crate::limits;
use crate::log::{Level, Log};
use crate::platform;

/// What became of a script.
#[derive(Debug)]
pub(super) struct Finished {
    /// The last bytes it printed, to standard output or standard error.
    pub(super) output: Vec<u8>,
    /// None: it succeeded; else `exit status 3` or `signal: killed`.
    pub(super) failure: Option<String>,
}

/// Runs the script until it has ended and nobody holds its output any more. No time limit: one
/// that takes long is logged.
pub(super) async fn run(script: &str, invocation: Invocation, log: &Log) -> io::Result<Finished> {
    let Invocation { environment, input, reports_unread_input } = invocation;
    // One pipe for both, so that what is printed to either stays in order.
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).envs(environment).stdin(Stdio::piped());
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // It holds the write ends, and with them our end would never come.
    drop(command);
    let feeder = feed(child.stdin.take(), input);
    let finish = async {
        let (output, status) = tokio::join!(collect(reader), child.wait());
        Ok(Finished { output: output?, failure: gotext::exit_failure(status?) })
    };
    tokio::pin!(finish, feeder);
    let slow = tokio::time::sleep(limits::HANDLER_SLOW);
    tokio::pin!(slow);
    let (mut fed, mut warned) = (false, false);
    loop {
        tokio::select! {
            biased;
            result = &mut feeder, if !fed => {
                fed = true;
                if let (Err(error), true) = (result, reports_unread_input) {
                    let why = gotext::errno_text(&error);
                    log.line(Level::Err, "", format_args!("Error writing payload: write |1: {why}"));
                }
            }
            finished = &mut finish => return finished,
            () = &mut slow, if !warned => {
                warned = true;
                log.line(
                    Level::Warn,
                    "agent",
                    format_args!("Script '{script}' slow, execution exceeding {}", seconds(limits::HANDLER_SLOW)),
                );
            }
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

async fn feed(stdin: Option<ChildStdin>, input: Bytes) -> io::Result<()> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    stdin.write_all(&input).await
}

async fn collect(reader: PipeReader) -> io::Result<Vec<u8>> {
    keep_last(platform::pipe_reader(reader)?, limits::HANDLER_OUTPUT_BYTES).await
}

/// Reads to the end and keeps the last `limit` bytes.
async fn keep_last(mut reader: impl AsyncRead + Unpin, limit: usize) -> io::Result<Vec<u8>> {
    let mut kept: Vec<u8> = Vec::new();
    loop {
        // Most scripts print nothing or a line.
        kept.reserve(512);
        if reader.read_buf(&mut kept).await? == 0 {
            break;
        }
        if kept.len() >= 2 * limit {
            kept.drain(..kept.len() - limit);
        }
    }
    kept.drain(..kept.len().saturating_sub(limit));
    Ok(kept)
}

#[cfg(test)]
mod tests;
