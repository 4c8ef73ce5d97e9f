//! `consul watch`.

use std::process::Stdio;
use std::time::Duration;

use client::http::{HttpError, Request};
use client::watch::{Parameters, Plan, Watcher};
use gotext::decode::Value;
use gotext::{GoDuration, Json};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use super::Failure;
use super::connection::Agent;
use super::log_line;
use super::script::{self, Script};
use super::signals::Signals;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

/// The flags that are parameters of a watch, by the parameters' names.
const PARAMETERS: [&str; 6] = ["key", "prefix", "service", "state", "name", "filter"];

/// Types that only an agent can watch.
const AGENTS_OWN: [&str; 3] = ["connect_roots", "connect_leaf", "agent_service"];

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let kind = parsed.text("type");
    if kind.is_empty() {
        return Err(Failure::misused("Watch type must be specified"));
    }
    let plan = plan(&kind, parsed).map_err(Failure::Said)?;
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
        let mut watcher = Watcher::new(plan);
        loop {
            let tell = |error: &HttpError, wait| tell(&kind, error, wait);
            let data = tokio::select! {
                _ = signals.next() => return Ok(()),
                data = watcher.next(agent.http(), tell) => data,
            };
            let Some(script) = &script else {
                say(data.indented_by("    "));
                return Ok(());
            };
            if handle(script, &data, watcher.index(), &mut signals).await? {
                return Ok(());
            }
        }
    })
}

/// What the flags want to be watched.
fn plan(kind: &str, parsed: &Parsed) -> Result<Plan, String> {
    let mut given = Vec::new();
    for name in PARAMETERS {
        given.push((name.to_owned(), Value::Text(parsed.text(name))));
    }
    given.retain(|(_, value)| *value != Value::Text(String::new()));
    let tags = parsed.list("tag").into_iter().filter(|tag| !tag.is_empty()).map(Value::Text);
    let tags: Vec<_> = tags.collect();
    if !tags.is_empty() {
        given.push(("tag".to_owned(), Value::List(tags)));
    }
    let passing = parsed.text("passingonly");
    if !passing.is_empty() {
        let on = gotext::parse_bool(&passing).map_err(|_| {
            let text = gotext::quote(&passing);
            format!("Failed to parse passingonly flag: strconv.ParseBool: parsing {text}: invalid syntax")
        })?;
        given.push(("passingonly".to_owned(), Value::Bool(on)));
    }
    let mut parameters = Parameters::new(given);
    if AGENTS_OWN.contains(&kind) {
        // What is told first is what is told of every other type.
        parameters.refuse_rest()?;
        return Err(format!("Type {kind} is not supported in the CLI tool"));
    }
    let plan = Plan::new(kind, &mut parameters)?;
    parameters.refuse_rest()?;
    Ok(plan)
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
        Ok(status) => gotext::exit_failure(status),
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
