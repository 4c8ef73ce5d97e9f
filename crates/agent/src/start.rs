//! From the command line to a running agent, and to its exit code.
//!
//! ```text
//! configuration -> log -> metrics -> tags file, keyring -> member -> mDNS -> RPC -> banner
//!     -> start joins -> the log's gate opens -> retry joins in the background -> wait
//! ```
//!
//! Specification "Serf agent", sections 5, 7 and 8.

mod banner;
mod files;
mod hint;
mod listen;
mod reload;
mod retry;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use serf::Fact;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::config::{self, Failure, FlagSetting, Layer, Settings};
use crate::floating;
use crate::log::{Level, Log};
use crate::mdns::{Discovery, Responder, Service};
use crate::node::{Ended, Node, NodeHandle, NodeSettings};
use crate::notify::{self, State};
use crate::output::Output;
use crate::platform::{self, Signal, Signals};
use crate::render::Renderer;
use crate::rpc;
use crate::runtime::{self, gauges};
use crate::syslog::{Facility, Syslog};
use crate::telemetry::{self, Metrics, Naming, Sinks};
use reload::LeaveRules;
use role::Quorum;

/// Helper threads for name look-ups and files; each lives for a moment only.
const HELPER_THREADS: usize = 32;

/// How long a start waits for other members before a floating role believes that there are none.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// How long an idle helper thread stays.
const HELPER_KEEP_ALIVE: Duration = Duration::from_millis(500);

/// What a leave may take beyond the times it is made of.
const LEAVE_GRACE: Duration = Duration::from_millis(500);

/// How a start or a run ended badly: the exit code is 1, and this is why if there is more to say.
type Outcome<T> = Result<T, Failure>;

/// Runs `serf agent` with these flags to its end; the result is the exit code.
///
/// With `validate_only` the configuration is read and checked, what is wrong with it is printed,
/// and nothing is started. Blocks; builds its own runtime.
pub fn run(settings: Vec<FlagSetting>, validate_only: bool) -> i32 {
    let output = Output::default();
    let code = if validate_only {
        validate::run(&output, &settings)
    } else {
        run_agent(&output, settings)
    };
    output.finish();
    code
}

fn run_agent(output: &Output, flags: Vec<FlagSetting>) -> i32 {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(HELPER_THREADS)
        .thread_keep_alive(HELPER_KEEP_ALIVE)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output.message(&format!("Failed to setup the Serf agent: {error}"));
            return 1;
        }
    };
    let code = runtime.block_on(async {
        match start(output, flags).await {
            Ok(agent) => agent.run().await,
            Err(failure) => {
                show(output, &failure);
                1
            }
        }
    });
    // A look-up that hangs does not hold the exit up.
    runtime.shutdown_background();
    code
}

/// Shows why something failed: the known text first, what to do on a line of its own.
fn show(output: &Output, failure: &Failure) {
    output.message(&failure.message);
    if let Some(hint) = &failure.hint {
        output.information(&format!("Hint: {hint}"));
    }
}

/// An agent that serves gossip and RPC.
struct Agent {
    output: Output,
    log: Log,
    metrics: Metrics,
    flags: Vec<FlagSetting>,
    /// What was configured at the start.
    layer: Layer,
    settings: Settings,
    rules: LeaveRules,
    signals: Signals,
    node: NodeHandle,
    rpc: JoinHandle<()>,
    /// Ends after the member, when the last command of the role is over.
    role: Option<JoinHandle<()>>,
    service: Option<Service>,
}

async fn start(output: &Output, flags: Vec<FlagSetting>) -> Outcome<Agent> {
    let reading = config::read(&flags)?;
    for warning in &reading.warnings {
        output.message(warning);
    }
    let layer = reading.layer;
    let log = open_log(output, &layer)?;
    tokio::spawn(runtime::forget_idle_pages());
    let metrics = start_metrics(&layer, &log);
    let settings = Settings::check(&layer)?;
    if let Some(notice) = &settings.notice {
        output.message(notice);
    }
    output.message("Starting Serf agent...");
    let signals = Signals::catch().map_err(|error| {
        Failure::new(format!("Failed to setup the Serf agent: {}", gotext::errno_text(&error)))
    })?;
    let kept = files::load(&settings, &log)?;
    log.line(Level::Info, "agent", "Serf agent starting");
    let changes = Arc::new(Notify::new());
    let node = start_member(&settings, kept, &log, &metrics, changes.clone())?;
    let (rpc, service) = match start_services(&settings, &node, output, &log).await {
        Ok(services) => services,
        Err(failure) => {
            node.shutdown().await;
            return Err(failure);
        }
    };
    let rules = LeaveRules::of(&layer);
    let output = output.clone();
    let role = start_role(&settings, &node, changes, &log)?;
    Ok(Agent {
        output,
        log,
        metrics,
        flags,
        layer,
        settings,
        rules,
        signals,
        node,
        rpc,
        role,
        service,
    })
}

fn open_log(output: &Output, layer: &Layer) -> Outcome<Log> {
    let level = config::log_level(layer)?;
    let syslog = if layer.bool("enable_syslog") {
        let facility = Facility::parse(layer.text_or_default("syslog_facility"))?;
        Some(Box::new(Syslog::connect(facility, "serf")?) as Box<_>)
    } else {
        None
    };
    Ok(Log::new(level, Box::new(output.clone()), syslog))
}

fn start_metrics(layer: &Layer, log: &Log) -> Metrics {
    let text = |name| layer.text(name).to_owned();
    let sinks = Sinks { statsd: text("statsd_addr"), statsite: text("statsite_addr") };
    if !sinks.any() {
        return Metrics::new();
    }
    let metrics = Metrics::named(Naming { host: platform::host_name(), ..Naming::default() });
    tokio::spawn(telemetry::run(metrics.clone(), log.clone(), sinks, gauges));
    metrics
}

fn start_member(
    settings: &Settings,
    kept: files::Kept,
    log: &Log,
    metrics: &Metrics,
    changes: Arc<Notify>,
) -> Outcome<NodeHandle> {
    settings.check_keyring(&kept.keyring)?;
    let mut machine = settings.machine()?;
    if let Some(tags) = kept.tags {
        machine.tags = tags;
    }
    if let Some(role) = &settings.floating_role {
        floating::initial_tags(role, &mut machine.tags);
    }
    Settings::check_machine(&machine)?;
    let encrypted = !kept.keyring.is_empty();
    let public = machine.gossip.advertise_address.to_ip().is_some_and(config::is_public);
    if public && !encrypted {
        log.line(Level::Warn, "memberlist", "Binding to public address without encryption!");
    }
    let mut renderer = Renderer::new(
        settings.node_name.as_str().into(),
        settings.resolve_name_conflicts,
        log.clone(),
        metrics.clone(),
    );
    let node = NodeSettings {
        bind: settings.bind,
        serf: machine,
        keyring: kept.keyring,
        keyring_file: settings.keyring_file.clone(),
        tags_file: settings.tags_file.clone(),
        snapshot_path: settings.snapshot_path.clone(),
        compression: settings.compression,
        handlers: settings.handlers.clone(),
        metrics: metrics.clone(),
        facts: Box::new(move |fact| {
            renderer.take(fact);
            if matches!(fact, Fact::Member { .. }) {
                changes.notify_one();
            }
        }),
    };
    Node::start(node, log.clone()).map_err(|error| {
        let failure = Failure::new(format!("Failed to start the Serf agent: {error}"));
        hint::for_start(failure, settings)
    })
}

/// The floating role, if one is configured. It believes in silence only once this member has seen
/// another, or had the time to.
fn start_role(
    settings: &Settings,
    node: &NodeHandle,
    changes: Arc<Notify>,
    log: &Log,
) -> Outcome<Option<JoinHandle<()>>> {
    let Some(role) = settings.floating_role.clone() else { return Ok(None) };
    let timing = role::Timing::of(&settings.machine()?);
    let waits = !settings.start_join.is_empty()
        || !settings.retry_join.is_empty()
        || settings.mdns.is_some()
        || settings.snapshot_path.as_ref().is_some_and(|path| path.exists());
    // Who starts and reaches nobody would be its own majority.
    let settle_limit = match role.quorum {
        Quorum::None => SETTLE_LIMIT,
        Quorum::Majority => Duration::MAX,
    };
    let others = node.clone();
    let settled = async move {
        let limit = if waits { settle_limit } else { Duration::ZERO };
        let _ = tokio::time::timeout(limit, others.meets_another()).await;
    };
    let (role, task) = floating::start(role, timing, node.clone(), changes, settled, log.clone());
    node.hand_over_first(role);
    Ok(Some(task))
}

/// mDNS and RPC, and the banner in between.
async fn start_services(
    settings: &Settings,
    node: &NodeHandle,
    output: &Output,
    log: &Log,
) -> Outcome<(JoinHandle<()>, Option<Service>)> {
    let service = start_mdns(settings, node, log).await?;
    let listener = listen::listen(&settings.rpc_addr).await.map_err(|why| {
        Failure::new(format!("Error starting RPC listener: {why}")).hint(format!(
            "'rpc_addr' (-rpc-addr) is '{}'; it must be a free ADDRESS:PORT of this machine",
            settings.rpc_addr
        ))
    })?;
    output.message("Starting Serf agent RPC...");
    let rpc = tokio::spawn(rpc::serve(listener, node.clone(), settings.rpc_auth.clone()));
    banner::show(output, settings, node).await;
    notify::notify(State::Ready);
    Ok((rpc, service))
}

async fn start_mdns(settings: &Settings, node: &NodeHandle, log: &Log) -> Outcome<Option<Service>> {
    let Some(mdns) = &settings.mdns else { return Ok(None) };
    let fail = |why: String| {
        Failure::new(format!("Error starting mDNS listener: {why}"))
            .hint("check 'discover' (-discover) and the interface it uses, or leave it out")
    };
    if let Some(interface) = mdns.interface.as_ref().filter(|_| mdns.announce_interface) {
        let text = format_args!("Starting mDNS listener on interface {interface}");
        log.line(Level::Info, "agent", text);
    }
    let host = platform::host_name().unwrap_or_else(|| "localhost".to_owned());
    let advertised = match node.members().await.into_iter().find(|m| m.name == *node.name()) {
        Some(own) => own.address.to_ip().map(|ip| (ip, own.port).into()),
        None => None,
    };
    let advertised = advertised.unwrap_or(settings.bind);
    let service =
        Service::new(&mdns.cluster, &settings.node_name, &host, advertised).map_err(fail)?;
    let responder = Responder::bind(mdns, service.clone()).map_err(fail)?;
    tokio::spawn(responder.run());
    Ok(Some(service))
}

/// What made the agent end.
enum End {
    /// The member ended by itself: an RPC client asked, or its name is lost.
    Member(Ended),
    /// A signal that asks for the end.
    Signal(Signal),
    /// Nobody could be joined.
    RetriesExhausted,
}

impl Agent {
    async fn run(mut self) -> i32 {
        let code = match self.start_joins().await {
            Ok(None) => self.serve().await,
            Ok(Some(signal)) => self.obey(signal).await,
            Err(why) => {
                self.output.message(&why);
                1
            }
        };
        notify::notify(State::Stopping);
        self.node.shutdown().await;
        // Ends by itself once its clients have what they are owed.
        let _ = self.rpc.await;
        if let Some(role) = self.role.take() {
            tokio::select! {
                _ = role => {}
                () = another(&mut self.signals) => {}
            }
        }
        code
    }

    /// The joins that the start depends on, or the signal to end that came meanwhile.
    async fn start_joins(&mut self) -> Result<Option<Signal>, String> {
        if self.settings.start_join.is_empty() {
            return Ok(None);
        }
        let replay = self.settings.replay;
        self.output.message(&format!("Joining cluster...(replay: {replay})"));
        let node = self.node.clone();
        let join = node.join(self.settings.start_join.clone(), replay);
        tokio::pin!(join);
        let mut reload = false;
        loop {
            let signal = tokio::select! {
                result = &mut join => {
                    let count = result?;
                    let text = format!("Join completed. Synced with {count} initial agents");
                    self.output.information(&text);
                    if let Some(rules) = reload.then(|| self.reload()).flatten() {
                        self.rules = rules;
                    }
                    return Ok(None);
                }
                signal = self.signals.next() => signal,
            };
            if signal != Signal::User1 {
                self.output.message(&format!("Caught signal: {}", signal.as_str()));
            }
            reload |= signal == Signal::Hangup;
            if matches!(signal, Signal::Interrupt | Signal::Terminate) {
                return Ok(Some(signal));
            }
        }
    }

    async fn serve(&mut self) -> i32 {
        self.output.information("");
        self.output.message("Log data will now stream in as it occurs:");
        self.output.information("");
        self.log.open_gate();
        match self.wait().await {
            End::Member(ended) => {
                if ended == Ended::Shutdown {
                    self.log.line(Level::Warn, "agent", "Serf shutdown detected, quitting");
                }
                0
            }
            End::RetriesExhausted => 1,
            End::Signal(signal) => self.obey(signal).await,
        }
    }

    /// Ends as a signal and the configuration want it: with a leave, or at once.
    async fn obey(&mut self, signal: Signal) -> i32 {
        let graceful = match signal {
            Signal::Interrupt => !self.rules.skip_on_interrupt,
            _ => self.rules.leave_on_terminate,
        };
        if graceful { self.leave().await } else { 1 }
    }

    /// Serves until something asks for the end.
    async fn wait(&mut self) -> End {
        let node = self.node.clone();
        let ended = node.ended();
        let retry = retry::join(&node, &self.settings, &self.log);
        let discovery = discover(&self.settings, self.service.take(), &node, &self.log);
        tokio::pin!(ended, retry, discovery);
        loop {
            let signal = tokio::select! {
                ended = &mut ended => return End::Member(ended),
                retry::Exhausted = &mut retry => return End::RetriesExhausted,
                () = &mut discovery => continue,
                signal = self.signals.next() => signal,
            };
            if signal == Signal::User1 {
                eprint!("{}", self.metrics.dump(&gauges()));
                continue;
            }
            self.output.message(&format!("Caught signal: {}", signal.as_str()));
            if signal != Signal::Hangup {
                return End::Signal(signal);
            }
            if let Some(rules) = self.reload() {
                self.rules = rules;
            }
        }
    }

    /// The rules for leaving that a reload has brought, unless it failed.
    fn reload(&self) -> Option<LeaveRules> {
        let reload = reload::Reload {
            output: &self.output,
            log: &self.log,
            node: &self.node,
            old: &self.layer,
            has_tags_file: self.settings.tags_file.is_some(),
        };
        reload.run(&self.flags)
    }

    /// Leaves, for as long as that may take; a second signal ends it at once.
    async fn leave(&mut self) -> i32 {
        self.output.message("Gracefully shutting down agent...");
        notify::notify(State::Stopping);
        // Two broadcasts and the time for the leave to spread, and for a role to be handed over;
        // and a moment, so that a leave that takes all of it still ends well.
        let handover =
            self.settings.floating_role.as_ref().map_or(Duration::ZERO, |_| role::HANDOVER);
        let leave = self.settings.broadcast_timeout * 2 + Duration::from_secs(1);
        let longest = leave + handover + LEAVE_GRACE;
        let leave = async {
            match self.node.leave().await {
                // A client of the RPC was first: its leave ends the member as well.
                Err(why) if why == serf::Error::AlreadyLeaving.to_string() => {
                    self.node.ended().await;
                    Ok(())
                }
                other => other,
            }
        };
        let left = tokio::select! {
            left = leave => left,
            () = another(&mut self.signals) => return 1,
            () = tokio::time::sleep(longest) => Err("timeout while waiting for graceful leave".into()),
        };
        match left {
            Ok(()) => 0,
            Err(why) => {
                self.output.message(&format!("Error: {why}"));
                1
            }
        }
    }
}

/// Waits for a signal that means impatience.
async fn another(signals: &mut Signals) {
    while signals.next().await == Signal::User1 {}
}

/// Joins what mDNS finds, for ever; forever idle without mDNS.
async fn discover(settings: &Settings, service: Option<Service>, node: &NodeHandle, log: &Log) {
    let (Some(mdns), Some(service)) = (settings.mdns.clone(), service) else {
        return std::future::pending().await;
    };
    let join = async |addresses| node.join(addresses, settings.replay).await;
    Discovery::new(mdns, service, log.clone(), join).run().await;
}
