//! A program of this machine.
//!
//! It has a process group of its own, which is killed when the time is over or nobody waits for
//! the result any more. A run is over when the program has ended *and* nobody holds its output:
//! what it leaves behind in the background counts for it, unless that lets go of the output.

use std::convert::Infallible;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gotext::GoDuration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout_at;

use crate::capture::Capture;
use crate::limits::Limits;
use crate::outcome::{Outcome, Status};
use crate::platform;

/// Why a program did not run, in Go's words.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// There is not even a name.
    #[error("exec: no command")]
    NoCommand,
    /// A name without a path.
    #[error("exec: {}: executable file not found in $PATH", gotext::quote(.0))]
    NotInPath(String),
    /// A path.
    #[error("{}", gotext::path_error("fork/exec", program, error))]
    NotStarted {
        /// The path.
        program: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The system has no pipe left, or the program cannot be waited for.
    #[error("{}", gotext::errno_text(.0))]
    Io(#[from] io::Error),
}

/// How a program ended.
#[derive(Debug)]
pub(crate) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed: the time was over.
    TimedOut,
}

/// One run of a check.
pub(crate) async fn check(args: &[String], limits: Limits) -> Outcome {
    match run(args, limits).await {
        Err(error) => Outcome::critical(error),
        Ok((End::Exited(status), output)) => Outcome {
            status: Status::of_exit_code(status.code().map(i64::from)),
            output: output.report(),
        },
        Ok((End::TimedOut, output)) => timed_out(limits.timeout, &output),
    }
}

/// A program that took too long.
pub(crate) fn timed_out(timeout: Duration, output: &Capture) -> Outcome {
    let nanoseconds = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
    let timeout = GoDuration::from_nanoseconds(nanoseconds);
    let mut text = format!("Timed out ({timeout}) running check");
    let output = output.report();
    if !output.is_empty() {
        text.push_str("\n\n");
        text.push_str(&output);
    }
    Outcome { status: Status::Critical, output: text }
}

/// What a program is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Variables over those that are inherited.
    pub environment: Vec<(String, String)>,
    /// Standard input; the program sees its end.
    pub input: Vec<u8>,
}

/// How a program ended that was told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// None: it succeeded; else `exit status 3` or `signal: killed`.
    pub failure: Option<String>,
    /// The last bytes that it printed, and how many are missing.
    pub output: String,
}

/// Runs a program that is told something, for as long as it takes. Dropping the future kills it
/// with all that it started in its process group.
///
/// # Errors
///
/// It cannot be started.
pub async fn tell(
    args: &[String],
    told: Told,
    output_max_bytes: usize,
) -> Result<Ended, ScriptError> {
    let limits = Limits { timeout: Duration::MAX, output_max_bytes };
    let (end, output) = run_told(args, Some(told), limits).await?;
    let failure = match end {
        End::Exited(status) => gotext::exit_failure(status),
        End::TimedOut => Some("signal: killed".to_owned()),
    };
    Ok(Ended { failure, output: output.report() })
}

/// Runs a program to its end or the limit.
pub(crate) async fn run(args: &[String], limits: Limits) -> Result<(End, Capture), ScriptError> {
    run_told(args, None, limits).await
}

async fn run_told(
    args: &[String],
    told: Option<Told>,
    limits: Limits,
) -> Result<(End, Capture), ScriptError> {
    let Some((program, arguments)) = args.split_first().filter(|(name, _)| !name.is_empty()) else {
        return Err(ScriptError::NoCommand);
    };
    // One pipe for both, so that what is printed to either stays in order.
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(program);
    let stdin = if told.is_some() { Stdio::piped() } else { Stdio::null() };
    let Told { environment, input } = told.unwrap_or_default();
    command.args(arguments).envs(environment).stdin(stdin);
    command.stdout(writer.try_clone()?).stderr(writer);
    let (mut child, group) =
        platform::spawn_group(&mut command).map_err(|error| not_started(program, error))?;
    // It holds the write ends, and with them the output's end would never come.
    drop(command);
    let mut reader = platform::pipe_reader(reader)?;
    let mut output = Capture::new(limits.output_max_bytes);
    let fed = feed(child.stdin.take(), input);
    let end = async {
        read_to_end(&mut reader, &mut output).await?;
        // Not before: the group's number is its own as long as nobody has waited for the leader.
        child.wait().await
    };
    let end = async {
        tokio::select! {
            status = end => status,
            never = fed => match never {},
        }
    };
    match timeout_at(limits.deadline(), end).await {
        Ok(status) => {
            let status = status?;
            group.leave();
            Ok((End::Exited(status), output))
        }
        // Dropping the group kills it; the runtime buries the leader.
        Err(_) => Ok((End::TimedOut, output)),
    }
}

/// Gives a program its input, which it need not read; then there is nothing to wait for.
async fn feed(stdin: Option<ChildStdin>, input: Vec<u8>) -> Infallible {
    if let Some(mut stdin) = stdin {
        // It may end before it has read everything.
        let _ = stdin.write_all(&input).await;
    }
    std::future::pending().await
}

async fn read_to_end(
    reader: &mut (impl AsyncRead + Unpin),
    output: &mut Capture,
) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        match reader.read(&mut buffer).await? {
            0 => return Ok(()),
            count => output.push(&buffer[..count]),
        }
    }
}

fn not_started(program: &str, error: io::Error) -> ScriptError {
    let is_missing =
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
    if is_missing && !program.contains('/') {
        return ScriptError::NotInPath(program.to_owned());
    }
    ScriptError::NotStarted { program: program.to_owned(), error }
}

#[cfg(all(test, unix))]
mod tests;
