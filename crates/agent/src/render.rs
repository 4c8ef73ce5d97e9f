//! Facts as log lines and metrics.
//!
//! The lines that operators and tests look for have the wording of the real agent; the others are
//! ours, behind the same component names. What strangers can cause at will is logged once, then
//! counted, and the count is told at most once a minute. Specification "Serf agent", sections 6
//! and 10.

pub mod limit;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::time::Instant;

use gossip::{Claim, Priority};
use serf::{Fact, KeyStep, MemberEventKind, MessageKind};
use wire::NodeName;
use wire::message::gossip::State;

use crate::log::{Level, Log};
use crate::telemetry::{Kind, Metrics, Series};
use limit::{Limit, Place, Verdict};

/// Accused members whose confirmations are counted; more than this are never accused at once in a
/// cluster that works at all.
const ACCUSED: usize = 4096;

/// Takes facts, in their order.
pub struct Renderer {
    own: NodeName,
    resolves_conflicts: bool,
    log: Log,
    metrics: Metrics,
    messages_sent: Series,
    messages_received: Series,
    limit: Limit,
    /// Confirmations of the suspicions that run.
    confirmations: BTreeMap<NodeName, u32>,
}

impl Renderer {
    /// For the member of that name; `resolves_conflicts` only shows in a line.
    pub fn new(own: NodeName, resolves_conflicts: bool, log: Log, metrics: Metrics) -> Self {
        let messages = |name| metrics.enter(Kind::Sample, name, &[]);
        Renderer {
            messages_sent: messages("serf.msgs.sent"),
            messages_received: messages("serf.msgs.received"),
            own,
            resolves_conflicts,
            log,
            metrics,
            limit: Limit::default(),
            confirmations: BTreeMap::new(),
        }
    }

    /// Logs and counts one fact.
    pub fn take(&mut self, fact: &Fact) {
        self.tell_left_out();
        match fact {
            Fact::Gossip(fact) => self.gossip(fact),
            Fact::Member { kind, forced, name, address } => {
                self.member(*kind, *forced, name, address.as_ref());
            }
            Fact::Flapped { name } => {
                self.metrics.count("serf.member.flap", 1);
                self.serf(Level::Debug, format_args!("{} flaps", Plain(name)));
            }
            Fact::MessageReceived { kind, subject, bytes } => {
                self.metrics.record([(self.messages_received, *bytes as f64)]);
                let kind = message_type(*kind);
                self.serf(Level::Debug, format_args!("{kind}: {}", Plain(subject)));
            }
            Fact::UserEvent { name } => {
                self.metrics.count("serf.events", 1);
                self.metrics.count(&format!("serf.events.{name}"), 1);
            }
            Fact::Query { name } => self.query(name),
            Fact::QueryAck { duplicate: false } => self.metrics.count("serf.query_acks", 1),
            Fact::QueryAck { duplicate: true } => {
                self.metrics.count("serf.query_duplicate_acks", 1);
            }
            Fact::QueryResponse { duplicate: false } => {
                self.metrics.count("serf.query_responses", 1);
            }
            Fact::QueryResponse { duplicate: true } => {
                self.metrics.count("serf.query_duplicate_responses", 1);
            }
            Fact::NameConflict { name, ours, existing, state, other } => {
                self.name_conflict(name, *ours, (*existing, *state), *other);
            }
            Fact::ConflictVote { matching, responses, kept } => {
                let (level, what) = match kept {
                    true => (Level::Info, "majority in name conflict resolution"),
                    false => (Level::Warn, "minority in name conflict resolution, quitting"),
                };
                self.serf(level, format_args!("{what} [{matching} / {responses}]"));
            }
            other => self.serf_trouble(other),
        }
    }

    /// What goes wrong, or is only for those who look for faults.
    fn serf_trouble(&mut self, fact: &Fact) {
        match fact {
            Fact::MessageDropped { from, kind, why } => {
                self.metrics.count("serf.messages.dropped", 1);
                let (kind, from) = (kind.map_or("unknown", message_type), Sender(*from));
                let why = Plain(why);
                let text = format_args!("Dropped a message: {why} type={kind} from={from}");
                self.limited("message dropped", Level::Warn, "serf", text);
            }
            Fact::FilterUnsupported { expression, why, query, asker, from } => {
                let text = format_args!(
                    "failed to compile filter regex ({}): {}; in query '{}' from '{}' from={}",
                    Plain(expression),
                    Plain(why),
                    Plain(query),
                    Plain(asker),
                    Sender(*from)
                );
                self.limited("filter", Level::Warn, "serf", text);
            }
            Fact::Reconnecting { name, address } => {
                let text = format_args!("attempting reconnect to {} {address}", Plain(name));
                self.serf(Level::Info, text);
            }
            Fact::Rejoining { name, address } => self.serf(
                Level::Info,
                format_args!(
                    "Attempting re-join to previously known node: {}: {address}",
                    Plain(name)
                ),
            ),
            Fact::Rejoined { name, address } => self.serf(
                Level::Info,
                format_args!("Re-joined to previously known node: {}: {address}", Plain(name)),
            ),
            Fact::RejoinFailed => {
                self.serf(Level::Warn, "Failed to re-join any previously known node");
            }
            Fact::InternalQueryFailed { name: _, why } => self.serf(Level::Err, Plain(why)),
            Fact::QueueDepth { queue, length, is_long, pruned } => {
                let name = queue_name(*queue);
                self.metrics.sample(&format!("serf.queue.{name}"), *length as f64);
                if *is_long {
                    self.serf(Level::Warn, format_args!("{name} queue depth: {length}"));
                }
                if *pruned > 0 {
                    let text = format_args!("{name} queue is too long: {pruned} messages dropped");
                    self.serf(Level::Warn, text);
                }
            }
            Fact::KeyFailure { operation, step, message } => {
                let doing = key_step(operation, *step);
                self.serf(Level::Err, format_args!("{doing}{}", Plain(message)));
            }
            Fact::KeyResponseMalformed { node, .. } => {
                let text = format_args!("Failed to decode key query response of {}", Plain(node));
                self.limited("key response", Level::Err, "serf", text);
            }
            Fact::TableFull => {
                self.metrics.count("serf.members.full", 1);
                let text = "Too many members: those that have been gone for longest are forgotten";
                self.limited("members", Level::Warn, "serf", text);
            }
            Fact::LeaveRefuted => self.serf(Level::Debug, "Refuting an older leave intent"),
            Fact::LeaveBroadcastTimeout => {
                self.serf(Level::Warn, "timeout while waiting for graceful leave; leaving on");
            }
            Fact::CoordinateMoved { by } => {
                self.metrics.time("serf.coordinate.adjustment-ms", *by);
            }
            Fact::CoordinateRejected { node, why } => {
                self.metrics.count("serf.coordinate.rejected", 1);
                let text = format_args!("Rejected coordinate from {}: {}", Plain(node), Plain(why));
                self.limited("coordinate", Level::Err, "serf", text);
            }
            Fact::Certified { node, .. } => {
                let text = format_args!("{} is not taken back on hearsay", Plain(node));
                self.serf(Level::Debug, text);
            }
            // The machine may have learned to say more than this list knows.
            other => self.serf(Level::Debug, Plain(format_args!("{other:?}"))),
        }
    }

    fn member(
        &mut self,
        kind: MemberEventKind,
        forced: bool,
        name: &NodeName,
        address: Option<&std::net::IpAddr>,
    ) {
        let (word, metric, shows_address) = match kind {
            MemberEventKind::Join => ("Join", "serf.member.join", true),
            MemberEventKind::Leave => ("Leave", "serf.member.left", true),
            MemberEventKind::Failed => ("Failed", "serf.member.failed", true),
            MemberEventKind::Update => ("Update", "serf.member.update", false),
            MemberEventKind::Reap => ("Reap", "serf.member.reap", forced),
        };
        self.metrics.count(metric, 1);
        if matches!(kind, MemberEventKind::Join | MemberEventKind::Update) {
            self.metrics.count("memberlist.msg.alive", 1);
        }
        let forced = if forced { " (forced)" } else { "" };
        let name = Plain(name);
        match address.filter(|_| shows_address) {
            Some(ip) => {
                self.serf(Level::Info, format_args!("EventMember{word}{forced}: {name} {ip}"));
            }
            None => self.serf(Level::Info, format_args!("EventMember{word}{forced}: {name}")),
        }
    }

    fn query(&mut self, name: &str) {
        self.metrics.count("serf.queries", 1);
        self.metrics.count(&format!("serf.queries.{name}"), 1);
        if let Some(operation) = name.strip_prefix("_serf_").filter(|name| name.ends_with("-key"))
            && ["install-key", "use-key", "remove-key"].contains(&operation)
        {
            self.serf(Level::Info, format_args!("Received {operation} query"));
        } else if name == "_serf_list-keys" {
            self.serf(Level::Info, "Received list-keys query");
        }
    }

    fn name_conflict(
        &mut self,
        name: &NodeName,
        ours: bool,
        (existing, state): (Option<SocketAddr>, State),
        other: Option<SocketAddr>,
    ) {
        let (name, mine, theirs) = (Plain(name), Address(existing), Address(other));
        let state = state.to_wire();
        let conflict = format_args!(
            "Conflicting address for {name}. Mine: {mine} Theirs: {theirs} Old state: {state}"
        );
        // That others quarrel about a name must not hide that one claims ours.
        let kind = if ours { "own conflict" } else { "conflict" };
        if !self.limited(kind, Level::Err, "memberlist", conflict) {
            return;
        }
        if ours {
            let enabled = self.resolves_conflicts;
            self.serf(
                Level::Err,
                format_args!(
                    "Node name conflicts with another node at {theirs}. Names must be unique! \
                     (Resolution enabled: {enabled})"
                ),
            );
        } else {
            self.serf(
                Level::Warn,
                format_args!("Name conflict for '{name}' both {mine} and {theirs} are claiming"),
            );
        }
    }

    fn gossip(&mut self, fact: &gossip::Fact) {
        use gossip::Fact as F;
        match fact {
            F::Suspected { node, .. } => {
                self.metrics.count("memberlist.msg.suspect", 1);
                if self.confirmations.len() < ACCUSED {
                    self.confirmations.insert(node.clone(), 0);
                }
            }
            F::Confirmed { node, confirmations, .. } => {
                if let Some(count) = self.confirmations.get_mut(node) {
                    *count = *confirmations;
                }
            }
            F::Died { node, by, suspected_for, .. } => {
                self.metrics.count("memberlist.msg.dead", 1);
                let confirmations = self.confirmations.remove(node).unwrap_or(0);
                if suspected_for.is_some() && *by == self.own {
                    let node = Plain(node);
                    self.memberlist(
                        Level::Info,
                        format_args!(
                            "Marking {node} as failed, suspect timeout reached \
                             ({confirmations} peer confirmations)"
                        ),
                    );
                }
            }
            F::Cleared { node, .. } => drop(self.confirmations.remove(node)),
            F::Refuted { claim, by, .. } => {
                let by = Plain(by.as_ref().unwrap_or(&self.own));
                let text = match claim {
                    Claim::Alive => format!("Refuting an alive message for '{by}'"),
                    Claim::Suspect => format!("Refuting a suspect message (from: {by})"),
                    Claim::Dead => format!("Refuting a dead message (from: {by})"),
                };
                self.memberlist(Level::Warn, text);
            }
            F::Probed { took, degraded } => {
                self.metrics.time("memberlist.probeNode", *took);
                if *degraded {
                    self.metrics.count("memberlist.degraded.probe", 1);
                }
            }
            F::BroadcastsSent { lengths, copies } => {
                let sent = std::iter::repeat_n(lengths, *copies as usize).flatten();
                self.metrics.record(sent.map(|bytes| (self.messages_sent, *bytes as f64)));
            }
            F::FewConfirmations { .. } => self.metrics.count("memberlist.degraded.timeout", 1),
            F::ProbeFailed { node, .. } => self.memberlist(
                Level::Info,
                format_args!("Suspect {} has failed, no acks received", Plain(node)),
            ),
            other => self.gossip_trouble(other),
        }
    }

    fn gossip_trouble(&mut self, fact: &gossip::Fact) {
        use gossip::Fact as F;
        match fact {
            F::VerdictPutOff { node, late } => {
                let node = Plain(node);
                let text = format_args!(
                    "Woken {late:?} too late to judge {node}, which gets another chance; is the \
                     processor overloaded?"
                );
                self.limited("late", Level::Warn, "memberlist", text);
            }
            F::StreamProbeOnly { node } => {
                let node = Plain(node);
                let text = format_args!(
                    "Was able to connect to {node} but other probes failed, network may be \
                     misconfigured"
                );
                self.limited("stream only", Level::Warn, "memberlist", text);
            }
            F::HealthChanged { score } => {
                self.metrics.gauge("memberlist.health.score", f64::from(*score));
                self.memberlist(Level::Debug, format_args!("Health score is now {score}"));
            }
            F::NotAllowed { node, address } => {
                let text = format_args!(
                    "Kept {} out: its address {address} is in none of the allowed networks",
                    Plain(node)
                );
                self.limited("not allowed", Level::Warn, "memberlist", text);
            }
            F::PacketDropped { from, why } => {
                self.metrics.count("memberlist.packet.dropped", 1);
                let text = format_args!("Dropped a datagram: {} from={from}", Plain(why));
                self.limited("datagram", Level::Warn, "memberlist", text);
            }
            F::MergeRefused { from, why } => {
                let text = format_args!("Refused a state exchange: {} from={from}", Plain(why));
                self.limited("merge", Level::Err, "memberlist", text);
            }
            F::PushPullReached { node, to } => {
                let node = node.as_ref().map(|name| name.as_str()).unwrap_or_default();
                let text = format_args!("Initiating push/pull sync with: {} {to}", Plain(node));
                self.memberlist(Level::Debug, text);
            }
            F::PushPullFailed { to, why, commanded: true } => {
                let text = format_args!("Failed to join {}: {}", to.ip(), Plain(why));
                self.memberlist(Level::Debug, text);
            }
            F::PushPullFailed { to, why, commanded: false } => {
                let text = format_args!("Push/Pull with {to} failed: {}", Plain(why));
                self.limited("push/pull", Level::Err, "memberlist", text);
            }
            F::StreamDropped { from, why } => {
                self.metrics.count("memberlist.stream.dropped", 1);
                let text = format_args!("Dropped a stream: {} from={from}", Plain(why));
                self.limited("stream", Level::Warn, "memberlist", text);
            }
            F::BroadcastTooLong { length } => {
                let text = format_args!(
                    "A message of {length} bytes fits into no packet: it travels with state \
                     exchanges only, if at all"
                );
                self.limited("broadcast", Level::Warn, "memberlist", text);
            }
            F::TableFull { node } => {
                self.metrics.count("memberlist.members.full", 1);
                let limit = gossip::limits::MEMBERS;
                let text =
                    format_args!("Ignored {}: there are {limit} members already", Plain(node));
                self.limited("table", Level::Warn, "memberlist", text);
            }
            F::ResurrectionIgnored { node, .. } => {
                let text = format_args!("Ignored hearsay that {} is alive", Plain(node));
                self.memberlist(Level::Debug, text);
            }
            other => self.memberlist(Level::Debug, Plain(format_args!("{other:?}"))),
        }
    }

    fn serf(&self, level: Level, text: impl Display) {
        self.log.line(level, "serf", text);
    }

    fn memberlist(&self, level: Level, text: impl Display) {
        self.log.line(level, "memberlist", text);
    }

    /// Tells of lines that were left out a while ago, though no other of their kind has come. Some
    /// fact comes at least with every state exchange, so this needs no timer.
    fn tell_left_out(&mut self) {
        if !self.limit.owes() {
            return;
        }
        for (kind, place, left_out) in self.limit.settle(Instant::now()) {
            let text = format_args!("{left_out} more lines were left out, of the kind '{kind}'");
            self.log.line(place.level, place.component, text);
        }
    }

    /// Logs a line of a kind that strangers can cause, unless one was logged lately. Whether it
    /// was logged.
    fn limited(
        &mut self,
        kind: &'static str,
        level: Level,
        component: &'static str,
        text: impl Display,
    ) -> bool {
        let place = Place { level, component };
        match self.limit.judge(kind, place, Instant::now()) {
            Verdict::Silent => false,
            Verdict::Log { left_out: 0 } => {
                self.log.line(level, component, text);
                true
            }
            Verdict::Log { left_out } => {
                let text = format_args!("{text} (and {left_out} more like it since the last one)");
                self.log.line(level, component, text);
                true
            }
        }
    }
}

fn message_type(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Leave => "messageLeaveType",
        MessageKind::Join => "messageJoinType",
        MessageKind::UserEvent => "messageUserEventType",
        MessageKind::Query => "messageQueryType",
        MessageKind::QueryResponse => "messageQueryResponseType",
        MessageKind::Relay => "messageRelayType",
    }
}

fn queue_name(queue: Priority) -> &'static str {
    match queue {
        Priority::Intent => "Intent",
        Priority::Query => "Query",
        Priority::Event => "Event",
    }
}

/// Text from outside on one line: control characters cannot forge lines, and it has an end.
pub(crate) struct Plain<T>(pub(crate) T);

/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 1024;

impl<T: Display> Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        if text.len() <= LONGEST && !text.bytes().any(|b| b.is_ascii_control() || !b.is_ascii()) {
            return f.write_str(&text);
        }
        for character in text.chars().take(LONGEST) {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// The beginning of the line about a key operation that failed.
fn key_step(operation: &str, step: KeyStep) -> &'static str {
    match (step, operation) {
        (KeyStep::Find, _) => "",
        (KeyStep::Read, _) => "Failed to decode key request: ",
        (KeyStep::Write, _) => "Failed to write keyring file: ",
        (KeyStep::Change, "install-key") => "Failed to install key: ",
        (KeyStep::Change, "use-key") => "Failed to change primary key: ",
        (KeyStep::Change, _) => "Failed to remove key: ",
    }
}

/// An address that may not be known.
struct Address(Option<SocketAddr>);

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("an unknown address"),
        }
    }
}

/// Who sent a message, or passed it on.
struct Sender(Option<SocketAddr>);

impl Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("ourselves"),
        }
    }
}

#[cfg(test)]
mod tests;
