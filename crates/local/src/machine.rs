//! The machine: the agent's services and checks, and everything that happens to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use catalog::{CheckId, ServiceId};
use rand::Rng;
use rand::rngs::SmallRng;

use crate::check_table::CheckTable;
use crate::entry::{LocalCheck, LocalService};
use crate::interface::{Config, Fact, Input, Key, Outcome, Output, Ticket};
use crate::queue::Queue;
use crate::time::Time;
use crate::timers::{Timer, Timers};

/// The agent's own services and checks.
///
/// Commands are methods, because they are answered at once: refused, or with a [`Ticket`] that
/// comes back as [`Output::Done`] when the catalogue has what the command changed, or cannot have
/// it now. Everything else goes through [`Local::handle`]. After each of them the outputs are to
/// be drained.
#[derive(Debug)]
pub struct Local {
    pub(crate) config: Config,
    pub(crate) services: BTreeMap<ServiceId, LocalService>,
    pub(crate) checks: CheckTable,
    pub(crate) queue: Queue,
    pub(crate) timers: Timers,
    pub(crate) random: SmallRng,
    pub(crate) outputs: VecDeque<Output>,
    /// Tickets that are to be given back.
    pub(crate) done: Vec<Ticket>,
    /// Services whose checks have changed, for the aliases; the empty ID for the node's.
    pub(crate) stale: BTreeSet<ServiceId>,
    pub(crate) started: Time,
    pub(crate) members: usize,
    /// A full sync waits for its view of the catalogue; the next one is due then.
    pub(crate) reading: bool,
    /// Another one became due meanwhile.
    pub(crate) read_again: bool,
    /// The last call could not be made.
    pub(crate) failing: bool,
    pub(crate) leaving: bool,
}

impl Local {
    /// An agent without services. The first full sync is due at once.
    #[must_use]
    pub fn new(config: Config, now: Time, random: SmallRng) -> Self {
        let mut timers = Timers::default();
        timers.set(Timer::FullSync, now);
        let mut queue = Queue::default();
        // Nobody knows yet what the catalogue says of it: until then every call tells.
        queue.hold(Key::Node);
        Self {
            config,
            services: BTreeMap::new(),
            checks: CheckTable::default(),
            queue,
            timers,
            random,
            outputs: VecDeque::new(),
            done: Vec::new(),
            stale: BTreeSet::new(),
            started: now,
            members: 1,
            reading: false,
            read_again: false,
            failing: false,
            leaving: false,
        }
    }

    /// Takes note of what happened outside.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Ran { check, status, output } => self.ran(now, &check, status, output),
            Input::Remote(answer) => self.remote(now, answer),
            Input::Called { call, outcome } => self.called(now, call, outcome),
            Input::Members(count) => self.members = count,
            Input::ServerJoined => self.full_sync_soon(now),
            Input::TokensChanged => self.full_sync_by(now),
            Input::Leaving => {
                self.leaving = true;
                self.timers.clear(&Timer::FullSync);
                self.queue.clear(&mut self.done);
            }
            Input::Tick => {}
        }
        self.run_timers(now);
        self.settle(now);
    }

    /// The next thing to do outside; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The agent's services by ID.
    pub fn services(&self) -> impl Iterator<Item = &LocalService> {
        self.services.values()
    }

    /// A service by its ID, in the case in which it was registered.
    #[must_use]
    pub fn service(&self, id: &ServiceId) -> Option<&LocalService> {
        self.services.get(id)
    }

    /// The agent's checks by ID.
    pub fn checks(&self) -> impl Iterator<Item = &LocalCheck> {
        self.checks.iter()
    }

    /// A check by its ID, in the case in which it was registered.
    #[must_use]
    pub fn check(&self, id: &CheckId) -> Option<&LocalCheck> {
        self.checks.get(id)
    }

    /// The checks of a service, without those of its node.
    pub fn checks_of(&self, service: &ServiceId) -> impl Iterator<Item = &LocalCheck> + use<'_> {
        self.checks.of_service(service)
    }

    /// The settings that it goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the settings: a reload, or other metadata of the node.
    pub fn configure(&mut self, now: Time, config: Config) {
        if config.node != self.config.node {
            self.queue.mark(Key::Node);
        }
        if config.discard_check_output {
            for id in self.checks.ids() {
                let Some(check) = self.checks.get_mut(&id) else { continue };
                if !std::mem::take(&mut check.row.output).is_empty() {
                    self.mark_check(id);
                }
            }
        }
        self.config = config;
        self.settle(now);
    }

    /// What follows from a change: other checks, calls, tickets.
    pub(crate) fn settle(&mut self, now: Time) {
        self.refresh_aliases(now);
        self.push();
        for ticket in std::mem::take(&mut self.done) {
            self.outputs.push_back(Output::Done(ticket));
        }
    }

    pub(crate) fn fact(&mut self, fact: Fact) {
        self.outputs.push_back(Output::Fact(fact));
    }

    /// A ticket for what has just been marked.
    pub(crate) fn ticket(&mut self, now: Time, keys: &[Key]) -> Ticket {
        let ticket = if self.leaving {
            self.queue.clear(&mut self.done);
            self.queue.wait(&[], &mut self.done)
        } else {
            self.queue.wait(keys, &mut self.done)
        };
        self.settle(now);
        ticket
    }

    fn run_timers(&mut self, now: Time) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::FullSync => self.full_sync(),
                Timer::Ttl(check) => self.ttl_expired(now, &check),
                Timer::Reap(check) => self.reap(now, &check),
                Timer::Deferred(check) => self.mark_check(check),
            }
        }
    }

    /// A random part of a length of time.
    pub(crate) fn part_of(&mut self, whole: Duration) -> Duration {
        let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.random.random_range(0..=nanos))
    }

    /// What a view of the catalogue that could not be read is worth in the log.
    pub(crate) fn failed(&mut self, key: Option<Key>, outcome: Outcome) {
        let why = match outcome {
            Outcome::Failed(why) => why,
            Outcome::Denied => "Permission denied".to_owned(),
            Outcome::Done => return,
        };
        self.fact(Fact::SyncFailed { key, why });
    }
}
