//! The commands that a role runs on acquire and on release: one after another, in order, with a
//! limit, never waited for by the role itself.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::log::{Level, Log};

/// A command that runs longer is killed: the next one must not be held up for ever.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// One command to run.
pub(crate) struct Job {
    pub(crate) command: String,
    pub(crate) role: String,
    pub(crate) node: String,
    pub(crate) event: &'static str,
    pub(crate) address: String,
}

/// Runs what comes, until the sender is gone.
pub(crate) async fn run(mut jobs: mpsc::UnboundedReceiver<Job>, log: Log) {
    while let Some(job) = jobs.recv().await {
        let what = format!("{} of role '{}' ('{}')", job.event, job.role, job.command);
        match timeout(COMMAND_LIMIT, execute(&job)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                log.line(Level::Err, "agent", format_args!("Command on {what} failed: {why}"));
            }
            Err(_) => log.line(
                Level::Err,
                "agent",
                format_args!("Command on {what} was killed after {COMMAND_LIMIT:?}"),
            ),
        }
    }
}

async fn execute(job: &Job) -> Result<(), String> {
    let status = Command::new("/bin/sh")
        .args(["-c", &job.command])
        .env("TRIBUNE_ROLE", &job.role)
        .env("TRIBUNE_ROLE_EVENT", job.event)
        .env("TRIBUNE_ROLE_ADDRESS", &job.address)
        .env("SERF_SELF_NAME", &job.node)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}
