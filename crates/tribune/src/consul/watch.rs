//! `consul watch`.

use std::process::Stdio;
use std::time::Duration;

use client::http::{Http, HttpError, Request};
use gotext::{GoDuration, Json};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use super::Failure;
use super::connection::Agent;
use super::log_line;
use super::script::{self, Script};
use super::signals::Signals;
use super::watch_plan::Plan;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

/// How long to wait after the first failure; after the second four times as long, and so on.
const RETRY: Duration = Duration::from_secs(5);

/// How long to wait at most.
const LONGEST_RETRY: Duration = Duration::from_secs(180);

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let kind = parsed.text("type");
    if kind.is_empty() {
        return Err(Failure::misused("Watch type must be specified"));
    }
    let mut plan = Plan::new(&kind, |name| match name {
        "tag" => parsed.list(name),
        name => vec![parsed.text(name)],
    })
    .map_err(Failure::Said)?;
    let agent = Agent::connect(parsed)?;
    agent
        .read(Request::get("/v1/status/leader"))
        .map_err(|error| Failure::of("Error querying Consul agent", error))?;
    let script = match parsed.positional.as_slice() {
        [] => None,
        words => Some(Script::new(words, parsed.on("shell"))),
    };
    agent.wait(async {
        let mut signals =
            Signals::new().map_err(|error| Failure::of("Error watching for signals", error))?;
        let mut failures = 0;
        loop {
            let next = tokio::select! {
                _ = signals.next() => return Ok(()),
                next = next(&mut plan, agent.http(), &kind, &mut failures) => next,
            };
            let Some(data) = next else { continue };
            let Some(script) = &script else {
                say(data.indented_by("    "));
                return Ok(());
            };
            if handle(script, &data, plan.index(), &mut signals).await? {
                return Ok(());
            }
        }
    })
}

/// What the plan has next, if anything; a failure is told and waited for.
async fn next(plan: &mut Plan, http: &Http, kind: &str, failures: &mut u32) -> Option<Json> {
    let error = match plan.next(http).await {
        Ok(data) => {
            *failures = 0;
            return data;
        }
        Err(error) => error,
    };
    *failures = failures.saturating_add(1);
    let wait = RETRY.saturating_mul(failures.saturating_mul(*failures)).min(LONGEST_RETRY);
    tell(kind, &error, wait);
    tokio::time::sleep(wait).await;
    None
}

fn tell(kind: &str, error: &HttpError, wait: Duration) {
    let wait = GoDuration::from_nanoseconds(wait.as_nanos().try_into().unwrap_or(i64::MAX));
    let error = log_line::field(&error.to_string());
    let text = format!("watch.watch: Watch errored: type={kind} error={error} retry={wait}");
    log_line::write("ERROR", &text);
}

/// Runs the handler with these data; returns whether the watch was told to end meanwhile.
async fn handle(
    script: &Script,
    data: &Json,
    index: u64,
    signals: &mut Signals,
) -> Result<bool, Failure> {
    let mut child = script
        .command()
        .env("CONSUL_INDEX", index.to_string())
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::of("Error starting handler", script.start_error(&error)))?;
    let mut ended = false;
    let feed = tokio::spawn(feed(child.stdin.take(), format!("{}\n", data.compact())));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            signal = signals.next() => {
                ended = true;
                script::send(&mut child, signal);
            }
        }
    };
    // It need not have read everything.
    feed.abort();
    let failed = match status {
        Ok(status) => script::failure(status),
        Err(error) => Some(error.to_string()),
    };
    match failed {
        // A signal for both ends both.
        Some(why) if !ended => Err(Failure::of("Error executing handler", why)),
        _ => Ok(ended),
    }
}

/// Writes to a child that may end before it has read everything.
async fn feed(input: Option<ChildStdin>, text: String) {
    if let Some(mut input) = input {
        let _ = input.write_all(text.as_bytes()).await;
    }
}
