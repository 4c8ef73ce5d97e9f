//! A running member: what it is started with, and the handle through which everyone else talks to
//! the one task that owns the membership machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serf::{
    Command, Coordinate, Event, Fact, JoinTarget, KeyOperation, KeyReport, Member, MemberStatus,
    Outcome, QueryId, QueryProgress, QueryRequest, Statistics, TagChange, Tags, Time,
};
use tokio::sync::{mpsc, oneshot, watch};
use wire::NodeName;

use crate::driver::{self, Request};
use crate::evidence::Record;
use crate::floating::FloatingRole;
use crate::handlers::{self, HandlerSpec};
use crate::log::{Level, Log};
use crate::render::Plain;
use crate::resolve;
use crate::telemetry::Metrics;

/// What a member is started with. Everything is resolved and validated; nothing here is text that
/// could still be wrong, save for the files.
pub struct NodeSettings {
    /// Where datagrams and streams are received; port 0 takes any free one.
    pub bind: SocketAddr,
    /// The settings of the machine. An advertised port of 0 becomes the bound port.
    pub serf: serf::Config,
    /// Raw keys, the primary first; empty: no encryption.
    pub keyring: Vec<Bytes>,
    /// Where changed keys are kept.
    pub keyring_file: Option<PathBuf>,
    /// Where changed tags are kept.
    pub tags_file: Option<PathBuf>,
    /// Where members and clocks are kept for the next start.
    pub snapshot_path: Option<PathBuf>,
    /// Whether what is sent is compressed.
    pub compression: bool,
    /// The handlers at the start, in configuration order.
    pub handlers: Vec<HandlerSpec>,
    /// Is shown every fact as it happens, for logs and metrics.
    pub facts: FactSink,
    /// Where everything that is no fact of the machine is counted.
    pub metrics: Metrics,
}

/// Takes facts. Called from the task that owns the machine, so it must not block.
pub type FactSink = Box<dyn FnMut(&Fact) + Send>;

/// Why a member could not be started: the text behind `Failed to start the Serf agent: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// Why a member has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// [`NodeHandle::shutdown`] was called.
    Shutdown,
    /// Its name belongs to another member.
    NameLost,
}

/// An operation on keys as a caller asks for it: the key in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCommand {
    /// Add.
    Install(String),
    /// Make primary.
    Use(String),
    /// Remove.
    Remove(String),
    /// List.
    List,
}

impl KeyCommand {
    fn decode(self) -> Result<KeyOperation, gotext::Base64Error> {
        let raw = |key: String| gotext::decode_base64(&key).map(Bytes::from);
        Ok(match self {
            KeyCommand::Install(key) => KeyOperation::Install(raw(key)?),
            KeyCommand::Use(key) => KeyOperation::Use(raw(key)?),
            KeyCommand::Remove(key) => KeyOperation::Remove(raw(key)?),
            KeyCommand::List => KeyOperation::List,
        })
    }
}

/// Starts members.
pub struct Node;

/// What never changes while a member runs.
struct Identity {
    name: NodeName,
    bind: SocketAddr,
    handlers: Vec<HandlerSpec>,
    coordinates: bool,
    zero: Instant,
}

/// Talks to a running member. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    requests: mpsc::UnboundedSender<Request>,
    handlers: mpsc::UnboundedSender<handlers::Input>,
    ended: watch::Receiver<Option<Ended>>,
    identity: Arc<Identity>,
    /// Handed over before a leave.
    role: Arc<OnceLock<FloatingRole>>,
    log: Log,
    metrics: Metrics,
}

/// What is said to a caller whose member has ended meanwhile.
const ENDED: &str = "the agent has shut down";

impl Node {
    /// Binds the sockets, reads the snapshot, and starts the member. Must be called inside a
    /// tokio runtime with time and I/O.
    pub fn start(settings: NodeSettings, log: Log) -> Result<NodeHandle, StartError> {
        let handler_specs = settings.handlers.clone();
        let metrics = settings.metrics.clone();
        let coordinates = settings.serf.coordinates;
        let (handler_inputs, handler_queue) = mpsc::unbounded_channel();
        let started = driver::start(settings, log.clone(), handler_inputs.clone())?;
        let identity = Identity {
            name: started.name,
            bind: started.bind,
            handlers: handler_specs.clone(),
            coordinates,
            zero: started.zero,
        };
        let handle = NodeHandle {
            requests: started.requests,
            handlers: handler_inputs,
            ended: started.ended,
            identity: Arc::new(identity),
            role: Arc::default(),
            log,
            metrics,
        };
        tokio::spawn(handlers::run(handler_queue, handler_specs, handle.clone()));
        Ok(handle)
    }
}

impl NodeHandle {
    /// The member's name.
    pub fn name(&self) -> &NodeName {
        &self.identity.name
    }

    /// Where it listens.
    pub fn bind_address(&self) -> SocketAddr {
        self.identity.bind
    }

    /// The handlers it was started with: what `info` shows, also after a reload.
    pub fn handlers_at_start(&self) -> &[HandlerSpec] {
        &self.identity.handlers
    }

    /// Whether network coordinates are kept.
    pub fn keeps_coordinates(&self) -> bool {
        self.identity.coordinates
    }

    /// The machine's own time.
    pub fn now(&self) -> Time {
        driver::time_since(self.identity.zero)
    }

    /// Lets this role be handed over before the member leaves. There is one role at most.
    pub(crate) fn hand_over_first(&self, role: FloatingRole) {
        let fresh = self.role.set(role).is_ok();
        debug_assert!(fresh, "one configuration, one role");
    }

    /// The log of this member.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Where its parts count what they do.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Joins through these members; `replay` delivers events older than the join. The number of
    /// members reached, or all that went wrong if none was.
    pub async fn join(&self, addresses: Vec<String>, replay: bool) -> Result<usize, String> {
        let shown = Plain(addresses.join(" "));
        self.log.line(Level::Info, "agent", format_args!("joining: [{shown}] replay: {replay}"));
        let result = self.join_quietly(&addresses, replay).await;
        match &result {
            Ok(0) => {}
            Ok(count) => {
                self.log.line(Level::Info, "agent", format_args!("joined: {count} nodes"));
            }
            Err(why) => {
                self.log.line(Level::Warn, "agent", format_args!("error joining: {why}"));
            }
        }
        result
    }

    async fn join_quietly(&self, addresses: &[String], replay: bool) -> Result<usize, String> {
        let plan = resolve::resolve_all(addresses, self.identity.bind.port(), &self.log).await;
        let command = Command::Join { targets: plan.targets.clone(), ignore_old_events: !replay };
        match self.command(command).await? {
            Outcome::Joined { contacted: 0, failures } if !addresses.is_empty() => {
                Err(plan.error_text(&failures))
            }
            Outcome::Joined { contacted, .. } => Ok(contacted),
            _ => Ok(0),
        }
    }

    /// Returns when this member has joined, or rejoined, at least one other that is up.
    pub(crate) async fn meets_another(&self) {
        let own = self.name();
        loop {
            let members = self.members().await;
            let up = |member: &Member| member.status == MemberStatus::Alive && member.name != *own;
            if members.iter().any(up) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Exchanges states with these members, all at once and without a word in the log. What it
    /// brings shows in the member table.
    pub(crate) async fn exchange(&self, addresses: Vec<SocketAddr>) {
        let exchanges = addresses.into_iter().map(|address| {
            let node = self.clone();
            tokio::spawn(async move {
                let target = JoinTarget { address, name: None, label: address.to_string() };
                let join = Command::Join { targets: vec![target], ignore_old_events: true };
                node.command(join).await
            })
        });
        for exchange in exchanges.collect::<Vec<_>>() {
            // A member that cannot be reached is no news: it is listed as failed.
            let _ = exchange.await;
        }
    }

    /// Leaves gracefully; returns when it is over. The member runs on until
    /// [`NodeHandle::shutdown`].
    pub async fn leave(&self) -> Result<(), String> {
        if let Some(role) = self.role.get() {
            role.resign().await;
        }
        self.log.line(Level::Info, "agent", "requesting graceful leave from Serf");
        self.command(Command::Leave).await.map(drop)
    }

    /// Declares a failed member left, or erases it.
    pub async fn force_leave(&self, name: &str, prune: bool) -> Result<(), String> {
        let how = if prune { " (prune)" } else { "" };
        self.log.line(
            Level::Info,
            "agent",
            format_args!("Force leaving node{how}: {}", Plain(name)),
        );
        let command = Command::ForceLeave { node: NodeName::from(name), prune };
        let result = self.command(command).await.map(drop);
        self.warn("failed to remove node", &result);
        result
    }

    /// Broadcasts a user event.
    pub async fn user_event(
        &self,
        name: String,
        payload: Option<Bytes>,
        coalesce: bool,
    ) -> Result<(), String> {
        let quoted = gotext::quote_bytes(payload.as_deref().unwrap_or_default());
        self.log.line(
            Level::Debug,
            "agent",
            format_args!(
                "Requesting user event send: {}. Coalesced: {coalesce}. Payload: {quoted}",
                Plain(&name)
            ),
        );
        let command = Command::UserEvent { name, payload, coalesce };
        let result = self.command(command).await.map(drop);
        self.warn("failed to send user event", &result);
        result
    }

    /// Asks a query. What comes back ends with [`QueryProgress::Done`].
    pub async fn query(
        &self,
        request: QueryRequest,
    ) -> Result<mpsc::UnboundedReceiver<QueryProgress>, String> {
        let is_empty = request.payload.as_ref().is_none_or(Bytes::is_empty);
        if request.name.starts_with("_serf_") && !(request.name == "_serf_ping" && is_empty) {
            return Err("Queries cannot contain the '_serf_' prefix".to_owned());
        }
        let quoted = gotext::quote_bytes(request.payload.as_deref().unwrap_or_default());
        let name = Plain(&request.name);
        self.log.line(
            Level::Debug,
            "agent",
            format_args!("Requesting query send: {name}. Payload: {quoted}"),
        );
        let (reply, answer) = oneshot::channel();
        let result = self.ask(Request::Query { request, reply }, answer).await.and_then(|r| r);
        self.warn("failed to start user query", &result);
        result
    }

    /// Answers a query that came as an event.
    pub async fn respond(&self, query: QueryId, payload: Bytes) -> Result<(), String> {
        self.command(Command::Respond { query, payload }).await.map(drop)
    }

    /// Replaces the own tags; they are on disk (if there is a file) before they are announced.
    pub async fn set_tags(&self, tags: Tags) -> Result<(), String> {
        self.change_tags(TagChange::Replace(tags)).await
    }

    /// Deletes and sets some of the own tags; otherwise as [`Self::set_tags`].
    pub async fn edit_tags(&self, delete: Vec<String>, set: Tags) -> Result<(), String> {
        self.change_tags(TagChange::Edit { delete, set }).await
    }

    async fn change_tags(&self, mut change: TagChange) -> Result<(), String> {
        if let Some(role) = self.role.get() {
            let (TagChange::Replace(tags) | TagChange::Edit { set: tags, .. }) = &mut change;
            role.keep_tags(tags);
        }
        let (reply, answer) = oneshot::channel();
        self.ask(Request::SetTags { change, reply }, answer).await.and_then(outcome_to_result)?;
        Ok(())
    }

    /// Changes one of the keys on every member, or lists them.
    pub async fn keys(&self, command: KeyCommand) -> Result<KeyReport, String> {
        let what = match command {
            KeyCommand::Install(_) => "key installation",
            KeyCommand::Use(_) => "primary key change",
            KeyCommand::Remove(_) => "key removal",
            KeyCommand::List => "key listing",
        };
        self.log.line(Level::Info, "agent", format_args!("Initiating {what}"));
        let operation = command.decode().map_err(|error| error.to_string())?;
        match self.command(Command::Keys(operation)).await? {
            Outcome::Keys(report) => Ok(report),
            _ => Ok(KeyReport::default()),
        }
    }

    /// All members in any status.
    pub async fn members(&self) -> Vec<Member> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Members { reply }, answer).await.unwrap_or_default()
    }

    /// Numbers about the machine.
    pub async fn statistics(&self) -> Statistics {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Statistics { reply }, answer).await.unwrap_or_default()
    }

    /// The same as texts, as `info` and `agent/self` show them.
    pub async fn statistics_section(&self) -> BTreeMap<String, String> {
        let numbers = self.statistics().await;
        let mut values = vec![
            ("members", numbers.members.to_string()),
            ("failed", numbers.failed.to_string()),
            ("left", numbers.left.to_string()),
            ("health_score", numbers.health_score.to_string()),
            ("member_time", numbers.member_time.to_string()),
            ("event_time", numbers.event_time.to_string()),
            ("query_time", numbers.query_time.to_string()),
            ("intent_queue", numbers.intent_queue.to_string()),
            ("event_queue", numbers.event_queue.to_string()),
            ("query_queue", numbers.query_queue.to_string()),
            ("encrypted", numbers.encrypted.to_string()),
        ];
        if self.keeps_coordinates() {
            values.push(("coordinate_resets", numbers.coordinate_resets.to_string()));
        }
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The own tags.
    pub async fn tags(&self) -> Tags {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Tags { reply }, answer).await.unwrap_or_default()
    }

    /// The coordinate of a member, if it is known.
    pub async fn coordinate(&self, name: &str) -> Option<Coordinate> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Coordinate { name: name.to_owned(), reply };
        self.ask(request, answer).await.ok().flatten()
    }

    /// Every event from now on. A receiver that does not keep up loses events; `client` names it
    /// in the log line that says so.
    pub fn subscribe_events(&self, client: String) -> mpsc::Receiver<Arc<Event>> {
        let (sender, receiver) = mpsc::channel(crate::limits::STREAM_RECORDS);
        // A member that has ended drops the sender, which ends the receiver.
        let _ = self.requests.send(Request::Subscribe { client, sender });
        receiver
    }

    /// What is remembered about suspicions and failures, the oldest first; of one member, or of
    /// all.
    pub async fn evidence(&self, node: Option<String>) -> Vec<Record> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Evidence { node, reply }, answer).await.unwrap_or_default()
    }

    /// Every suspicion and failure from now on; as with events, a slow receiver loses some.
    pub fn subscribe_evidence(&self, client: String) -> mpsc::Receiver<Record> {
        let (sender, receiver) = mpsc::channel(crate::limits::STREAM_RECORDS);
        let _ = self.requests.send(Request::SubscribeEvidence { client, sender });
        receiver
    }

    /// Takes other handlers into use before the next event.
    pub fn set_handlers(&self, handlers: Vec<HandlerSpec>) {
        // Without a queue there are no more events to handle.
        let _ = self.handlers.send(handlers::Input::Replace(handlers));
    }

    /// Ends the member without leaving. Returns when the sockets are closed and the snapshot is
    /// on disk.
    pub async fn shutdown(&self) {
        let _ = self.requests.send(Request::Shutdown);
        self.ended().await;
    }

    /// Waits for the end of the member.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(Ended::Shutdown),
            Err(_) => Ended::Shutdown,
        }
    }

    async fn command(&self, command: Command) -> Result<Outcome, String> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Command { command, reply }, answer).await.and_then(outcome_to_result)
    }

    async fn ask<T>(&self, request: Request, answer: oneshot::Receiver<T>) -> Result<T, String> {
        self.requests.send(request).map_err(|_| ENDED.to_owned())?;
        answer.await.map_err(|_| ENDED.to_owned())
    }

    fn warn<T>(&self, what: &str, result: &Result<T, String>) {
        if let Err(why) = result {
            self.log.line(Level::Warn, "agent", format_args!("{what}: {why}"));
        }
    }
}

fn outcome_to_result(outcome: Outcome) -> Result<Outcome, String> {
    match outcome {
        Outcome::Failed(error) => Err(error.to_string()),
        outcome => Ok(outcome),
    }
}
