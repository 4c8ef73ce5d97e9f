//! `consul lock`.

mod mutex;
mod session;

use std::process::Stdio;
use std::time::Duration;

use client::http::{Http, HttpError};
use tokio::process::Child;
use tokio::time::{Instant, timeout};

use self::mutex::Mutex;
use self::session::Session;
use super::Failure;
use super::connection::Agent;
use super::script::{self, Script};
use super::semaphore::Semaphore;
use super::signals::{Signal, Signals};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::{complain, say};

/// How long a child has to end before it is killed, and an agent to answer after a deadline.
const GRACE: Duration = Duration::from_secs(5);

/// How long an agent has to take a lock back; what is left then ends with the session.
const GIVING_BACK: Duration = Duration::from_secs(15);

/// How long one read waits for a change.
pub(super) const WAIT: Duration = Duration::from_secs(15);

/// How long to wait where a server holds the key back because its last holder was lost.
pub(super) const LOCK_DELAY: Duration = Duration::from_secs(5);

/// How long to wait before asking again after a failure.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Exit code of `-child-exit-code` for a child that has failed.
const CHILD_FAILED: i32 = 2;

/// Why something that others may hold could not be got, kept or given back.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    /// The agent has refused or does not answer.
    #[error("{0}: {1}")]
    Call(&'static str, HttpError),
    /// The key serves another purpose.
    #[error("Existing key does not match {0} use")]
    Conflict(&'static str),
    /// The others count with another number of holders.
    #[error("semaphore limit conflict: {found} holders are allowed there, {wanted} here")]
    Limit {
        /// The number that stands there.
        found: u64,
        /// Ours.
        wanted: u64,
    },
}

/// What is held: by one, or by a number of them.
enum Held {
    Mutex(Mutex),
    Semaphore(Semaphore),
}

/// What the command line asks for.
struct Options {
    prefix: String,
    limit: u64,
    name: String,
    /// How long to try; nothing: for ever.
    patience: Option<Duration>,
    /// How often a failed look at a lock that is held is repeated.
    retries: u32,
    verbose: bool,
}

impl Options {
    fn read(parsed: &Parsed) -> Result<Options, Failure> {
        let limit = u64::try_from(parsed.int("n")).ok().filter(|limit| *limit > 0);
        let limit = limit.ok_or_else(|| Failure::said("Lock holder limit must be positive"))?;
        let words = parsed.words();
        let [prefix, child @ ..] = words.as_slice() else {
            return Err(Failure::misused("Key prefix and child command must be specified"));
        };
        if child.is_empty() {
            return Err(Failure::misused("Key prefix and child command must be specified"));
        }
        let prefix = prefix.strip_prefix('/').unwrap_or(prefix).to_owned();
        let patience = ["timeout", "try"]
            .map(|flag| parsed.duration(flag))
            .into_iter()
            .find(|patience| patience.as_nanoseconds() != 0);
        if patience.is_some_and(|patience| patience.as_nanoseconds() < 0) {
            return Err(Failure::said("Timeout must be positive"));
        }
        let retries = u32::try_from(parsed.int("monitor-retry"))
            .map_err(|_| Failure::said("Number for 'monitor-retry' must be >= 0"))?;
        let name = match parsed.text("name") {
            name if name.is_empty() => {
                format!("Consul lock for '{}' at '{prefix}'", child.join(" "))
            }
            name => name,
        };
        let patience = patience.map(|patience| patience.saturating_std());
        Ok(Options { prefix, limit, name, patience, retries, verbose: parsed.on("verbose") })
    }

    fn tell(&self, text: &str) {
        if self.verbose {
            say(text);
        }
    }
}

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let options = Options::read(parsed)?;
    let child = parsed.positional.get(1..).unwrap_or_default();
    let script = Script::new(child, parsed.on("shell"));
    let agent = Agent::connect(parsed)?;
    agent.node_name().map_err(|error| Failure::of("Error querying Consul agent", error))?;
    let input = if parsed.on("pass-stdin") { Stdio::inherit() } else { Stdio::null() };
    let outcome = agent.wait(hold(agent.http(), &options, &script, input))?;
    match outcome {
        Some(_) if parsed.on("child-exit-code") => Err(Failure::Silent(CHILD_FAILED)),
        _ => Ok(()),
    }
}

/// Gets the lock, runs the child, gives the lock back; returns how the child failed, if it did.
async fn hold(
    http: &Http,
    options: &Options,
    script: &Script,
    input: Stdio,
) -> Result<Option<String>, Failure> {
    let failed = |error: LockError| Failure::of("Lock acquisition failed", error);
    let mut signals =
        Signals::new().map_err(|error| Failure::of("Error watching for signals", error))?;
    options.tell("Attempting lock acquisition");
    let stopped = "Shutdown triggered or timeout during lock acquisition";
    let session = tokio::select! {
        _ = signals.next() => return Err(Failure::said(stopped)),
        session = Session::create(http, &options.name) => session.map_err(failed)?,
    };
    let mut held = match options.limit {
        1 => Held::Mutex(Mutex::new(&options.prefix, session.id())),
        limit => Held::Semaphore(Semaphore::new(&options.prefix, session.id(), limit)),
    };
    let deadline = options.patience.map(|patience| Instant::now() + patience);
    let got = {
        let acquire = async {
            match &mut held {
                Held::Mutex(mutex) => mutex.acquire(http, deadline).await,
                Held::Semaphore(semaphore) => semaphore.acquire(http, deadline).await,
            }
        };
        tokio::select! {
            _ = signals.next() => Ok(false),
            () = session.keep(http) => Ok(false),
            () = past(deadline) => Ok(false),
            got = acquire => got,
        }
    };
    let got = match got {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::said(stopped)),
        Err(error) => Err(failed(error)),
    };
    if let Err(failure) = got {
        let give_up = async {
            if let Held::Semaphore(semaphore) = &mut held {
                semaphore.withdraw(http).await;
            }
            session.destroy(http).await;
        };
        // The session ends by itself if the agent does not hear of it.
        let _ = timeout(GIVING_BACK, give_up).await;
        return Err(failure);
    }
    let outcome = with_child(http, options, &held, &session, script, input, &mut signals).await;
    if timeout(GIVING_BACK, give_back(http, options, held, session)).await.is_err() {
        complain("Lock release failed: the agent does not answer");
    }
    outcome
}

/// Returns when a deadline is long past: the agent should have answered by then.
async fn past(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline + GRACE).await,
        None => std::future::pending().await,
    }
}

/// Runs the child for as long as the lock is held.
async fn with_child(
    http: &Http,
    options: &Options,
    held: &Held,
    session: &Session,
    script: &Script,
    input: Stdio,
    signals: &mut Signals,
) -> Result<Option<String>, Failure> {
    options.tell("Starting handler");
    let started = script.command().env("CONSUL_LOCK_HELD", "true").stdin(input).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            let why = script.start_error(&error);
            complain(format!("Error starting handler: {why}"));
            return Ok(Some(why));
        }
    };
    let lost = async {
        match held {
            Held::Mutex(mutex) => mutex.lost(http, options.retries).await,
            Held::Semaphore(semaphore) => semaphore.lost(http, options.retries).await,
        }
    };
    tokio::select! {
        status = child.wait() => {
            let failed = match status {
                Ok(status) => gotext::exit_failure(status),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = &failed {
                complain(format!("Error running handler: {why}"));
            }
            return Ok(failed);
        }
        _ = signals.next() => options.tell("Shutdown triggered, killing child"),
        () = lost => options.tell("Lock lost, killing child"),
        () = session.keep(http) => options.tell("Session lost, killing child"),
    }
    end(&mut child).await;
    Ok(None)
}

/// Ends a child: first it is asked to.
async fn end(child: &mut Child) {
    script::send(child, Signal::Terminate);
    if timeout(GRACE, child.wait()).await.is_err() {
        // It may have ended meanwhile.
        let _ = child.kill().await;
    }
}

/// Gives the lock back and takes away what nobody uses any more. What fails is told; the session
/// ends by itself.
async fn give_back(http: &Http, options: &Options, held: Held, session: Session) {
    let released = match &held {
        Held::Mutex(mutex) => mutex.release(http).await,
        Held::Semaphore(semaphore) => semaphore.release(http).await,
    };
    session.destroy(http).await;
    if let Err(error) = released {
        complain(format!("Lock release failed: {error}"));
        return;
    }
    let cleaned = match &held {
        Held::Mutex(mutex) => mutex.clean_up(http).await,
        Held::Semaphore(semaphore) => semaphore.clean_up(http).await,
    };
    match cleaned {
        Ok(true) => options.tell("Cleanup succeeded"),
        Ok(false) => options.tell("Cleanup aborted, lock in use"),
        Err(error) => complain(format!("Lock cleanup failed: {error}")),
    }
}
