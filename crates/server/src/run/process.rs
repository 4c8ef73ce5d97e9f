//! A server that serves, until a signal, a request or the pools make it end.

use std::time::{Duration, SystemTime};

use agent::log::{Level, Log};
use agent::notify::{State, notify};
use agent::{Signal, Signals};
use catalog::Uuid;
use settings::{Failure, FlagSetting, Settings};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::definitions::Definitions;
use super::join::Join;
use super::pid_file::PidFile;
use super::watches::{self, Watches};
use super::{last_seen, options, reload};
use crate::ask::Ask;
use crate::start::{self, Running};

/// How long a leave may take that a signal asks for.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(15);

/// A process with a server in it.
pub(super) struct Process {
    pub(super) flags: Vec<FlagSetting>,
    /// The settings that it was started with.
    pub(super) settings: Settings,
    /// What files define, as it is in use.
    pub(super) definitions: Definitions,
    pub(super) log: Log,
    pub(super) running: Running,
    pub(super) watches: Watches,
    rules: LeaveRules,
    signals: Signals,
    pid_file: Option<PidFile>,
}

/// Which signals leave.
struct LeaveRules {
    leave_on_terminate: bool,
    skip_on_interrupt: bool,
}

/// What makes the process end.
enum End {
    /// A signal that asks for it.
    Signal(Signal),
    /// A request to leave, and who waits for the end of that.
    Leave(oneshot::Sender<Result<(), String>>),
    /// Nobody could be joined.
    Unjoined(String),
    /// A member of a pool has ended: its name is somebody else's.
    Member,
}

fn failure(message: String) -> Failure {
    Failure { message, hint: None }
}

/// Starts a server. The error is for the log.
pub(super) async fn start(
    settings: Settings,
    definitions: Definitions,
    node_id: Uuid,
    flags: &[FlagSetting],
    log: &Log,
) -> Result<Process, Failure> {
    let mut signals = Signals::catch().map_err(|error| failure(gotext::errno_text(&error)))?;
    settings.check_after_banner()?;
    let pid_file = settings.pid_file.as_deref().map(PidFile::write).transpose();
    let pid_file = pid_file.map_err(failure)?;
    may_come_back(&settings, &mut signals, log).await?;
    may_lead(&settings)?;
    let watched = watches::read(&settings, &settings, log)?;
    let options = options::options(&settings, definitions.clone(), node_id, log.clone());
    let options = options.map_err(failure)?;
    let running = start::start(options).await.map_err(|error| Failure {
        message: error.to_string(),
        hint: error.hint().map(str::to_owned),
    })?;
    let mut watches = Watches::default();
    watches.replace(watched, log);
    tokio::spawn(agent::runtime::forget_idle_pages());
    log.line(Level::Info, "agent", "Consul agent running!");
    let rules = LeaveRules {
        leave_on_terminate: settings.cluster.leave_on_terminate,
        skip_on_interrupt: settings.cluster.skip_leave_on_interrupt,
    };
    let (flags, log) = (flags.to_vec(), log.clone());
    Ok(Process { flags, settings, definitions, log, running, watches, rules, signals, pid_file })
}

/// Whether the server was not away for too long; one that was says so for a while first.
async fn may_come_back(
    settings: &Settings,
    signals: &mut Signals,
    log: &Log,
) -> Result<(), Failure> {
    let Some(data_dir) = settings.data_dir.as_ref().filter(|_| !settings.dev) else {
        return Ok(());
    };
    let age_max = settings.cluster.server_rejoin_age_max;
    let Err(why) = last_seen::check(data_dir, SystemTime::now(), age_max) else { return Ok(()) };
    for _ in 0..last_seen::COMPLAINTS {
        log.entry(Level::Err, "agent", "startup error", [("error", why.clone().into())]);
        tokio::select! {
            () = sleep(last_seen::COMPLAIN_EVERY) => {}
            signal = signals.next() => {
                if matches!(signal, Signal::Interrupt | Signal::Terminate) {
                    break;
                }
            }
        }
    }
    let hint = "where no other server is left, raise 'server_rejoin_age_max' instead: what this one \
                has is still there";
    Err(Failure { message: why, hint: Some(hint.to_owned()) })
}

/// Whether the server may elect itself: it is told that it is the only one, or it was before.
/// Consul's would wait for others, which is yet to come.
fn may_lead(settings: &Settings) -> Result<(), Failure> {
    let known = |data_dir: &std::path::PathBuf| data_dir.join("raft").exists();
    if settings.dev || settings.bootstrap || settings.data_dir.as_ref().is_some_and(known) {
        return Ok(());
    }
    let message = "Failed to start Consul server: it would wait for other servers, and clusters of \
                   several are yet to come";
    let hint =
        "for the only server of a datacenter set 'bootstrap_expect' (-bootstrap-expect) to 1";
    Err(Failure { message: message.to_owned(), hint: Some(hint.to_owned()) })
}

impl Process {
    /// Serves to the end; the result is the exit code.
    pub(super) async fn run(mut self) -> i32 {
        let code = match self.wait().await {
            End::Signal(signal) => self.obey(signal).await,
            End::Leave(answer) => self.leave_as_asked(answer).await,
            End::Unjoined(why) => {
                let fields = [("error", why.into())];
                self.log.entry(Level::Err, "agent", "Retry join failed", fields);
                1
            }
            End::Member => {
                self.log.line(Level::Err, "agent", "Another member has the name of this node");
                1
            }
        };
        notify(State::Stopping);
        self.log.line(Level::Info, "agent", "Requesting shutdown");
        drop(self.watches);
        self.running.stop().await;
        self.log.line(Level::Info, "agent", "shutdown complete");
        drop(self.pid_file);
        code
    }

    /// Serves until something asks for the end.
    async fn wait(&mut self) -> End {
        let log = self.log.clone();
        let joins = joins(&self.settings);
        let (lan, wan) = (self.running.lan(), self.running.wan());
        let joined = async {
            joins.lan.run(&lan, &log).await?;
            // Who depends on this server may start now.
            notify(State::Ready);
            match &wan {
                Some(wan) => joins.wan.run(wan, &log).await,
                None => Ok(()),
            }
        };
        let ended = lan.ended();
        tokio::pin!(joined, ended);
        let mut is_joined = false;
        let mut seen = interval_at(Instant::now(), last_seen::EVERY);
        seen.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                signal = self.signals.next() => {
                    if signal == Signal::User1 {
                        continue;
                    }
                    let fields = [("signal", signal.as_str().into())];
                    log.entry(Level::Info, "agent", "Caught", fields);
                    if signal != Signal::Hangup {
                        return End::Signal(signal);
                    }
                    notify(State::Reloading);
                    if let Err(why) = reload::reload(self).await {
                        let fields = [("error", why.into())];
                        log.entry(Level::Err, "agent", "Reload config failed", fields);
                    }
                    notify(State::Ready);
                }
                Some(ask) = self.running.asks.recv() => match ask {
                    Ask::Reload(answer) => {
                        // Who asked may have gone.
                        let _ = answer.send(reload::reload(self).await);
                    }
                    Ask::Leave(answer) => return End::Leave(answer),
                },
                outcome = &mut joined, if !is_joined => match outcome {
                    Ok(()) => is_joined = true,
                    Err(why) => return End::Unjoined(why),
                },
                _ = &mut ended => return End::Member,
                _ = seen.tick() => self.note_seen(),
            }
        }
    }

    fn note_seen(&self) {
        let Some(data_dir) = self.settings.data_dir.as_ref().filter(|_| !self.settings.dev) else {
            return;
        };
        if let Err(why) = last_seen::write(data_dir, SystemTime::now()) {
            let fields = [("error", why.into())];
            self.log.entry(Level::Err, "agent", "failed to write server metadata", fields);
        }
    }

    /// Ends as a signal and the configuration want it: with a leave, or at once.
    async fn obey(&mut self, signal: Signal) -> i32 {
        let leaves = match signal {
            Signal::Interrupt => !self.rules.skip_on_interrupt,
            _ => self.rules.leave_on_terminate,
        };
        if !leaves {
            self.log.line(Level::Info, "agent", "Graceful shutdown disabled. Exiting");
            return 1;
        }
        self.log.line(Level::Info, "agent", "Gracefully shutting down agent...");
        notify(State::Stopping);
        let drain = self.settings.performance.leave_drain_time;
        let log = self.log.clone();
        let left = timeout(LEAVE_TIMEOUT, self.running.leave(drain));
        tokio::select! {
            left = left => match left {
                Ok(Ok(())) => {
                    log.line(Level::Info, "agent", "Graceful exit completed");
                    0
                }
                Ok(Err(why)) => {
                    log.entry(Level::Err, "agent", "Error on leave", [("error", why.into())]);
                    1
                }
                Err(_) => {
                    log.line(Level::Warn, "agent", "Timeout on graceful leave, exiting");
                    1
                }
            },
            signal = impatience(&mut self.signals) => {
                let fields = [("signal", signal.as_str().into())];
                log.entry(Level::Info, "agent", "Caught second signal, Exiting", fields);
                1
            }
        }
    }

    /// Leaves because a request wants it, which is answered then.
    async fn leave_as_asked(&mut self, answer: oneshot::Sender<Result<(), String>>) -> i32 {
        let drain = self.settings.performance.leave_drain_time;
        tokio::select! {
            left = self.running.leave(drain) => {
                let code = i32::from(left.is_err());
                // The task of the connection is woken before those that end the pools: its answer
                // is on its way before the process is.
                let _ = answer.send(left);
                code
            }
            signal = impatience(&mut self.signals) => {
                let fields = [("signal", signal.as_str().into())];
                self.log.entry(Level::Info, "agent", "Caught", fields);
                1
            }
        }
    }
}

/// Waits for a signal that means the end.
async fn impatience(signals: &mut Signals) -> Signal {
    loop {
        let signal = signals.next().await;
        if matches!(signal, Signal::Interrupt | Signal::Terminate) {
            return signal;
        }
    }
}

/// What is to be joined in both pools.
struct Joins {
    lan: Join,
    wan: Join,
}

fn joins(settings: &Settings) -> Joins {
    let cluster = &settings.cluster;
    let given = &settings.given;
    let attempts = u32::try_from(given.int("retry_max_wan")).unwrap_or(0);
    Joins {
        lan: Join {
            pool: "LAN",
            addresses: cluster.retry_join.clone(),
            pause: cluster.retry_interval,
            most: cluster.retry_max,
        },
        wan: Join {
            pool: "WAN",
            addresses: given.list("retry_join_wan"),
            pause: given.duration("retry_interval_wan").saturating_std(),
            most: attempts,
        },
    }
}
