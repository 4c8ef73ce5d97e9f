//! The machine: its state, what the layer above may call, and how inputs find their way.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use wire::message::gossip::State;
use wire::{Incarnation, Keyring, NodeName, Security, compound};

use crate::awareness::Awareness;
use crate::broadcasts::{Broadcasts, Urgency};
use crate::death_certificates::DeathCertificates;
use crate::interface::{Command, CommandError, Input, Outcome, Output, Priority, Token};
use crate::interface::{Event, Fact, IntentKind, Subject, UserBroadcast};
use crate::member_table::{KnownNode, MemberTable, Slot};
use crate::probe::Prober;
use crate::push_pull::{Exchanges, Purpose};
use crate::relay::Relays;
use crate::token_bucket::TokenBucket;
use crate::waiters::Waiters;
use crate::{Config, Node, Seed, Time, limits};

/// Why a configuration cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name is empty.
    #[error("the node name is empty; set a name")]
    EmptyName,
    /// The name is too long for the wire.
    #[error("the node name has {0} bytes; the limit is 512")]
    NameTooLong(usize),
    /// Nobody could be told this address.
    #[error("the advertise address has {0} bytes; it must be an IPv4 or an IPv6 address")]
    Address(usize),
    /// Nobody could be told this port.
    #[error("the advertise port is 0; set the port that others reach this member at")]
    Port,
    /// The tags are too long for the wire.
    #[error("the encoded tags have {0} bytes; the limit is 512")]
    MetaTooLong(usize),
    /// The label is too long for the wire.
    #[error("the label has {0} bytes; the limit is 255")]
    LabelTooLong(usize),
}

/// One member of a cluster: SWIM with Lifeguard, without I/O.
///
/// Inputs go in through [`handle`](Self::handle); after each, the driver carries out what
/// [`poll_output`](Self::poll_output) gives, in that order, and asks
/// [`next_timeout`](Self::next_timeout) when to come back with [`Input::Timeout`]. Only that
/// input lets time pass, so a driver that reads waiting packets first never lets a late wake-up
/// judge a member whose answer has already arrived.
#[derive(Debug)]
pub struct Membership {
    pub(crate) config: Config,
    pub(crate) security: Security,
    pub(crate) rng: SmallRng,
    pub(crate) table: MemberTable,
    pub(crate) local: Slot,
    pub(crate) leaving: bool,
    pub(crate) awareness: Awareness,
    pub(crate) broadcasts: Broadcasts,
    pub(crate) waiters: Waiters,
    pub(crate) timers: Timers,
    pub(crate) prober: Prober,
    pub(crate) relays: Relays,
    pub(crate) exchanges: Exchanges,
    pub(crate) certificates: DeathCertificates,
    pub(crate) eager_bucket: TokenBucket,
    pub(crate) disputes: TokenBucket,
    pub(crate) hearsay_bucket: TokenBucket,
    /// Members that may still appear before they are a crowd.
    pub(crate) appearances: TokenBucket,
    pub(crate) ack_payload: Option<Bytes>,
    pub(crate) outputs: VecDeque<Output>,
}

/// The recurring activities and when each is due; None: not armed. Everything else that is due
/// at some time (a probe's stages, suspicions, relays, waiters) knows it itself.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    pub(crate) probe: Option<Time>,
    pub(crate) gossip: Option<Time>,
    pub(crate) eager: Option<Time>,
    pub(crate) hearsay: Option<Time>,
    pub(crate) push_pull: Option<Time>,
    pub(crate) settle: Option<Time>,
}

impl Membership {
    /// A member that is not yet announced. Times must not go back from `now` on.
    ///
    /// # Errors
    ///
    /// If nobody could be told of a member so configured.
    pub fn new(
        config: Config,
        keyring: Option<Keyring>,
        seed: impl Into<Seed>,
        now: Time,
    ) -> Result<Self, ConfigError> {
        validate(&config)?;
        let seed = seed.into();
        let mut rng = SmallRng::seed_from_u64(seed.choices);
        let mut table = MemberTable::new(seed.hashes);
        let node = Node {
            name: config.name.clone(),
            address: config.advertise_address,
            port: config.advertise_port,
            meta: config.meta.clone(),
            versions: config.versions,
            incarnation: Incarnation(0),
            state: State::Dead,
            changed: now,
        };
        let local = table.insert(node, &mut rng).expect("the first entry fits into a table");
        Ok(Membership {
            security: Security {
                keyring,
                label: config.label.clone(),
                verify_incoming: config.encrypt_verify_incoming,
                verify_outgoing: config.encrypt_verify_outgoing,
            },
            table,
            local,
            leaving: false,
            awareness: Awareness::new(config.awareness_max_multiplier),
            broadcasts: Broadcasts::new(config.retransmit_mult),
            waiters: Waiters::default(),
            timers: Timers::default(),
            prober: Prober::default(),
            relays: Relays::default(),
            exchanges: Exchanges::default(),
            certificates: DeathCertificates::default(),
            eager_bucket: TokenBucket::new(limits::EAGER_BURST, limits::EAGER_REFILL, now),
            disputes: TokenBucket::new(limits::DISPUTE_BURST, limits::DISPUTE_REFILL, now),
            hearsay_bucket: TokenBucket::new(limits::EAGER_BURST, limits::EAGER_REFILL, now),
            appearances: TokenBucket::new(limits::CROWD, limits::CROWD_PASSES, now),
            ack_payload: None,
            outputs: VecDeque::new(),
            rng,
            config,
        })
    }

    /// Announces itself as alive in incarnation 1, and starts probing and exchanging. Without
    /// effect when called again.
    pub fn start(&mut self, now: Time) {
        if self.local().incarnation != Incarnation(0) {
            return;
        }
        self.announce(now, Incarnation(1), self.config.meta.clone(), None);
        self.timers.probe = self.random_phase(now, self.config.probe_interval);
        self.timers.push_pull = self
            .random_phase(now, self.config.push_pull_interval)
            .map(|phase| phase + self.scaled_push_pull_interval());
        self.arm(now);
    }

    /// Takes these for living members that it has known for long: nobody is told, nothing is
    /// emitted, and the exchanges keep the pace of a table of that size. For worlds that begin
    /// where a real cluster is after a while: what it believes of them is stored once for all who
    /// adopt them, until something else is believed. They are alive and bear different names; own
    /// and known names are passed over.
    pub fn adopt<'a>(&mut self, now: Time, members: impl Iterator<Item = &'a KnownNode>) {
        let is_alone = self.table.len() == 1;
        let is_unknown = |node: &Node| match is_alone {
            true => !self.is_local(&node.name),
            false => self.table.find(node.name.as_str()).is_none(),
        };
        let unknown: Vec<&KnownNode> = members.filter(|known| is_unknown(known.node())).collect();
        self.table.adopt(unknown.into_iter(), &mut self.rng);
        if self.timers.push_pull.is_some() {
            self.timers.push_pull = self.random_phase(now, self.scaled_push_pull_interval());
        }
        self.arm(now);
    }

    /// Takes one input. Outputs are then to be drained with [`Self::poll_output`].
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        self.skip_probes(now);
        match input {
            Input::Timeout => self.timeout(now),
            Input::Packet { from, bytes } => self.packet(now, from, bytes),
            Input::Request { connection, from, message } => {
                self.request(now, connection, from, message);
            }
            Input::Response { dial, message } => self.response(now, dial, message),
            Input::FrozenRequest { connection, from, state } => {
                self.asked(now, connection, from, state.into());
            }
            Input::FrozenResponse { dial, state } => self.frozen_response(now, dial, state),
            Input::DialFailed { dial, why } => self.dial_failed(now, dial, why),
            Input::SendFailed { to } => self.send_failed(now, to),
            Input::Command { token, command } => self.command(now, token, command),
        }
        self.arm(now);
    }

    /// From now on exchanges that are no joins come and go as they are, without being encoded: for
    /// worlds of members in one process, all of which do so.
    pub fn freeze_states(&mut self) {
        self.exchanges.frozen = true;
        self.table.summary();
    }

    /// The next output, in the order in which they must be carried out.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // Who is idle keeps no room for more.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// When [`Input::Timeout`] is wanted next; a time that has passed means at once.
    pub fn next_timeout(&self) -> Option<Time> {
        [
            self.timers.probe.filter(|_| !self.is_alone()),
            self.timers.gossip,
            self.timers.eager,
            self.timers.hearsay,
            self.timers.push_pull,
            self.timers.settle,
            self.prober.next_deadline(),
            self.relays.next_deadline(),
            self.table.next_expiry().map(|(deadline, _)| deadline),
            self.waiters.next_deadline(),
            self.exchanges.has_pending().then_some(Time::ZERO),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Queues a broadcast of the layer above. Its waiter is answered exactly once.
    ///
    /// One that fits into no packet is not queued: it could only stay there, and keep the gossip
    /// tick running, until it is pruned.
    pub fn broadcast(&mut self, now: Time, broadcast: UserBroadcast) {
        let UserBroadcast { priority, subject, message, waiter } = broadcast;
        let length = 1 + message.len();
        if length + compound::PER_MESSAGE > self.packet_budget() {
            self.fact(Fact::BroadcastTooLong { length });
            if let Some((token, _)) = waiter {
                self.done(token, Ok(()));
            }
            return;
        }
        if let Some((token, deadline)) = waiter {
            self.waiters.add(token, deadline);
        }
        let token = waiter.map(|(token, _)| token);
        let usual = if self.config.eager_gossip { Urgency::Eager } else { Urgency::Ticks };
        let urgency = match &subject {
            Subject::Intent { node, kind: IntentKind::Join, .. } if self.is_newcomer(now, node) => {
                self.crowds(now).unwrap_or(usual)
            }
            _ => usual,
        };
        let finished = self.broadcasts.push_user(priority, subject, &message, token, urgency);
        self.finish(finished);
        self.arm(now);
    }

    /// Whether another member has appeared not long ago, or is still to do so. Others join without
    /// having been away: they refute what is said of them.
    fn is_newcomer(&self, now: Time, node: &NodeName) -> bool {
        let newcomer = limits::by_size(limits::NEWCOMER, self.table.live());
        let known = self.table.find(node.as_str()).map(|slot| self.table.node(slot));
        !self.is_local(node) && known.is_none_or(|known| now.since(known.changed) < newcomer)
    }

    /// Somebody has told of a join again: others do so, we need not if there is a crowd.
    pub fn join_heard_again(&mut self, node: &str) {
        self.broadcasts.join_heard_again(node);
    }

    /// What acks to direct probes carry from now on (the coordinate); None: nothing.
    pub fn set_ack_payload(&mut self, payload: Option<Bytes>) {
        self.ack_payload = payload;
    }

    /// How many members the layer above knows, in any state: the sends of its broadcasts grow
    /// with the logarithm of it.
    pub fn set_user_members(&mut self, members: usize) {
        self.broadcasts.set_user_members(members);
    }

    /// How the driver seals and labels what it sends.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// The keys, for key operations; None where encryption was never configured.
    pub fn keyring_mut(&mut self) -> Option<&mut Keyring> {
        self.security.keyring.as_mut()
    }

    /// The member of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.table.get(name)
    }

    /// All members in any state, this one included, in the order of the node list.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.table.nodes()
    }

    /// Members that are neither dead nor left, this one included.
    pub fn live_count(&self) -> usize {
        self.table.live()
    }

    /// Lifeguard's awareness: 0 is healthy.
    pub fn health_score(&self) -> u32 {
        self.awareness.score()
    }

    /// How many things of any kind it remembers, members included: what its memory grows with.
    pub fn held_items(&self) -> usize {
        self.table.len()
            + self.broadcasts.len()
            + self.relays.len()
            + self.exchanges.len()
            + self.certificates.len()
            + self.waiters.len()
    }

    /// Broadcasts of the membership itself that wait.
    pub fn membership_queue_length(&self) -> usize {
        self.broadcasts.membership_length()
    }

    /// The node that two queued broadcasts are about although one would do, if there is one.
    /// There never is: for tests.
    pub fn twice_queued(&self) -> Option<NodeName> {
        self.broadcasts.twice_queued()
    }

    /// Broadcasts of the layer above that wait in one queue.
    pub fn queue_length(&self, priority: Priority) -> usize {
        self.broadcasts.user_length(priority)
    }

    /// Drops the least wanted broadcasts until at most `max` remain; their waiters are answered.
    /// Returns how many were dropped.
    pub fn prune_queue(&mut self, priority: Priority, max: usize) -> usize {
        let (dropped, finished) = self.broadcasts.prune_user(priority, max);
        self.finish(finished);
        dropped
    }

    /// Until `until`, no third party brings back that name at or below that incarnation: only
    /// the member itself by a push/pull with join. Does not touch the node table, where a dead
    /// member lingers for a while in any case.
    pub fn certify_death(&mut self, node: NodeName, incarnation: Incarnation, until: Time) {
        self.certificates.add(node, incarnation, until);
    }

    /// Withdraws a death certificate.
    pub fn forget_death(&mut self, node: &str) {
        self.certificates.remove(node);
    }

    /// This member's own entry.
    pub fn local(&self) -> &Node {
        self.table.node(self.local)
    }

    /// This member's own entry, for others that [adopt](Self::adopt) it. A copy, so that those of
    /// many members lie side by side in memory, where every one of their exchanges goes over them.
    pub fn known(&self) -> KnownNode {
        let own = self.local();
        KnownNode::new(Node {
            name: own.name.as_str().into(),
            meta: Bytes::copy_from_slice(&own.meta),
            ..own.clone()
        })
    }

    fn command(&mut self, now: Time, token: Token, command: Command) {
        match command {
            Command::PushPull { to, name, join } => {
                self.exchange(now, name, to, Purpose::Command { token, join });
            }
            Command::UpdateMeta { meta, timeout } => {
                if meta.len() > limits::META_BYTES {
                    return self.done(token, Err(CommandError::MetaTooLong(meta.len())));
                }
                self.config.meta = meta.clone();
                let waiter = self.wait_for_broadcast(now, token, timeout);
                let next = Incarnation(self.local().incarnation.0.saturating_add(1));
                self.announce(now, next, meta, waiter);
            }
            Command::Leave { timeout } => {
                if self.leaving {
                    return self.done(token, Ok(()));
                }
                let waiter = self.wait_for_broadcast(now, token, timeout);
                self.leave(now, waiter);
            }
        }
    }

    /// Registers a waiter, or answers it at once if nobody is there to be told.
    fn wait_for_broadcast(&mut self, now: Time, token: Token, timeout: Duration) -> Option<Token> {
        let others = self.table.live() - usize::from(self.local().is_live());
        if others == 0 {
            self.done(token, Ok(()));
            return None;
        }
        self.waiters.add(token, now + timeout);
        Some(token)
    }

    fn timeout(&mut self, now: Time) {
        self.probe_timeout(now);
        self.relay_timeout(now);
        self.suspicion_timeout(now);
        while let Some(token) = self.waiters.pop_late(now) {
            self.done(token, Err(CommandError::BroadcastTimeout));
        }
        self.eager_timeout(now);
        self.hearsay_timeout(now);
        self.gossip_timeout(now);
        self.exchange_timeout(now);
        self.merge_slice(now);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn fact(&mut self, fact: Fact) {
        self.outputs.push_back(Output::Fact(fact));
    }

    pub(crate) fn done(&mut self, token: Token, outcome: Outcome) {
        self.outputs.push_back(Output::Done { token, outcome });
    }

    /// Answers those whose broadcast is through, unless their time was over before.
    pub(crate) fn finish(&mut self, finished: Vec<Token>) {
        for token in finished {
            if self.waiters.remove(token) {
                self.done(token, Ok(()));
            }
        }
    }

    pub(crate) fn change_awareness(&mut self, change: i32) {
        if self.awareness.change(change) {
            self.fact(Fact::HealthChanged { score: self.awareness.score() });
        }
    }

    pub(crate) fn is_local(&self, name: &NodeName) -> bool {
        *name == self.config.name
    }

    /// The first tick of an activity, at a random time within its interval so that members
    /// started together do not act together. None if it is turned off.
    pub(crate) fn random_phase(&mut self, now: Time, interval: Duration) -> Option<Time> {
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        (nanos > 0).then(|| now + Duration::from_nanos(self.rng.random_range(0..nanos)))
    }
}

/// The tick after the one that was due at `due`. Ticks missed while the machine slept are not
/// made up for.
pub(crate) fn next_tick(due: Time, interval: Duration, now: Time) -> Time {
    let next = due + interval;
    if next > now { next } else { now + interval }
}

/// Whether a member can start with these settings; [`Membership::new`] asks, too.
///
/// # Errors
/// The first setting that is out of its range.
pub fn validate(config: &Config) -> Result<(), ConfigError> {
    if config.name.as_str().is_empty() {
        return Err(ConfigError::EmptyName);
    }
    let name = config.name.as_str().len();
    if name > limits::NAME_BYTES {
        return Err(ConfigError::NameTooLong(name));
    }
    if config.advertise_address.to_ip().is_none() {
        return Err(ConfigError::Address(config.advertise_address.as_bytes().len()));
    }
    if config.advertise_port == 0 {
        return Err(ConfigError::Port);
    }
    if config.meta.len() > limits::META_BYTES {
        return Err(ConfigError::MetaTooLong(config.meta.len()));
    }
    if config.label.len() > wire::limits::LABEL_BYTES {
        return Err(ConfigError::LabelTooLong(config.label.len()));
    }
    Ok(())
}
