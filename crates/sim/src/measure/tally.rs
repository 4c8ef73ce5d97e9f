//! What is seen while a cluster is watched.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use gossip::Time;
use serf::Fact;
use wire::NodeName;

use crate::host::{HostId, Process};
use crate::observation::{Observation, What};
use crate::world::World;

/// A crash, and how it became known. Times count from the crash.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Failure {
    /// When, from the beginning of the watch.
    pub at: Duration,
    /// When the first member suspected it.
    pub suspected: Option<Duration>,
    /// When the first member declared it failed.
    pub declared: Option<Duration>,
    /// When every running member knew.
    pub everybody: Option<Duration>,
}

/// How an event went round. Times count from its sending.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reach {
    /// When half of the members had it.
    pub half: Option<Duration>,
    /// When all had it.
    pub everybody: Option<Duration>,
}

/// Accusations of members that were running all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FalseAlarms {
    /// Probes that failed, so that a suspicion began.
    pub suspicions: u64,
    /// Times that a running member was declared failed, by whomever and by however many.
    pub declared: u64,
    /// How often any member believed that a running one had failed.
    pub believed: u64,
    /// As `believed`, where the believer was not itself one of the slow members.
    pub believed_by_healthy: u64,
}

/// A piece of the time that was watched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slice {
    /// Its end, from the beginning of the watch.
    pub until: Duration,
    /// Bytes that all members sent in it, headers of the network included.
    pub bytes: u64,
    /// How often a running member was declared failed in it.
    pub false_declared: u64,
}

/// Verdicts on one member that follow each other this closely are one mistake.
const SAME_MISTAKE: Duration = Duration::from_secs(15);

/// What is said of a member for so long after it came back may be late news of its failure.
const COME_BACK: Duration = Duration::from_secs(10);

/// Something that all running members are to hear of.
#[derive(Debug)]
struct News {
    since: Time,
    waiting: Vec<bool>,
    audience: usize,
    left: usize,
}

impl News {
    fn new(world: &World, except: Option<HostId>) -> News {
        let runs = |id: HostId| world.host(id).process().is_some() && Some(id) != except;
        let waiting: Vec<bool> = world.host_ids().map(runs).collect();
        let audience = waiting.iter().filter(|waits| **waits).count();
        News { since: world.now(), waiting, audience, left: audience }
    }

    /// Somebody has heard of it, or will never do. False if that was known.
    fn strike(&mut self, host: HostId) -> bool {
        let struck = std::mem::replace(&mut self.waiting[host.0], false);
        self.left -= usize::from(struck);
        struck
    }
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Tally {
    began: Time,
    numbers: HashMap<NodeName, HostId>,
    slow: usize,
    watching: bool,
    pub(crate) failures: Vec<Failure>,
    open_failures: BTreeMap<HostId, (usize, News)>,
    pub(crate) events: Vec<Reach>,
    open_events: BTreeMap<String, (usize, News)>,
    pub(crate) false_alarms: FalseAlarms,
    mistakes: BTreeMap<HostId, Time>,
}

impl Tally {
    /// Of a world whose first `slow` hosts are slow.
    pub(crate) fn new(world: &World, slow: usize) -> Tally {
        let names = world.host_ids().map(|id| (world.host(id).name.clone(), id));
        Tally {
            began: world.now(),
            numbers: names.collect(),
            slow,
            watching: true,
            failures: Vec::new(),
            open_failures: BTreeMap::new(),
            events: Vec::new(),
            open_events: BTreeMap::new(),
            false_alarms: FalseAlarms::default(),
            mistakes: BTreeMap::new(),
        }
    }

    /// From now on only what is under way counts.
    pub(crate) fn close(&mut self) {
        self.watching = false;
    }

    /// That host has just crashed.
    pub(crate) fn failed(&mut self, world: &World, host: HostId) {
        for (_, news) in self.open_failures.values_mut().chain(self.open_events.values_mut()) {
            news.strike(host);
        }
        let at = world.now().since(self.began);
        self.open_failures.insert(host, (self.failures.len(), News::new(world, Some(host))));
        self.failures.push(Failure { at, ..Failure::default() });
    }

    /// Whether it is still to become known that this host has failed.
    pub(crate) fn is_open(&self, host: HostId) -> bool {
        self.open_failures.contains_key(&host)
    }

    /// That host comes back; whoever has not heard of its failure never will.
    pub(crate) fn restarts(&mut self, host: HostId) {
        self.open_failures.remove(&host);
    }

    /// An event of that name is about to be sent.
    pub(crate) fn sends(&mut self, world: &World, name: String) {
        self.open_events.insert(name, (self.events.len(), News::new(world, None)));
        self.events.push(Reach::default());
    }

    pub(crate) fn see(&mut self, world: &World, seen: &[Observation]) {
        for observation in seen {
            let What::Fact(fact) = &observation.what else { continue };
            match fact {
                Fact::Gossip(gossip::Fact::Suspected { node, by, .. }) => {
                    self.suspected(world, observation.host, node, by);
                }
                Fact::Gossip(gossip::Fact::Died { node, .. }) => {
                    self.died(world, observation.host, node);
                }
                Fact::UserEvent { name } => self.heard(world.now(), observation.host, name),
                _ => {}
            }
        }
    }

    fn suspected(&mut self, world: &World, judge: HostId, node: &NodeName, by: &NodeName) {
        let Some(&accused) = self.numbers.get(node) else { return };
        if let Some((number, news)) = self.open_failures.get(&accused) {
            let after = world.now().since(news.since);
            self.failures[*number].suspected.get_or_insert(after);
        } else if self.is_falsely(world, accused) && world.host(judge).name == *by {
            self.false_alarms.suspicions += 1;
        }
    }

    fn died(&mut self, world: &World, judge: HostId, node: &NodeName) {
        let Some(&accused) = self.numbers.get(node) else { return };
        if let Some((number, news)) = self.open_failures.get_mut(&accused) {
            let after = world.now().since(news.since);
            let failure = &mut self.failures[*number];
            failure.declared.get_or_insert(after);
            news.strike(judge);
            if news.left == 0 {
                failure.everybody = Some(after);
                self.open_failures.remove(&accused);
            }
        } else if self.is_falsely(world, accused) {
            let before = self.mistakes.insert(accused, world.now());
            let same = before.is_some_and(|before| world.now().since(before) < SAME_MISTAKE);
            self.false_alarms.declared += u64::from(!same);
            self.false_alarms.believed += 1;
            self.false_alarms.believed_by_healthy += u64::from(judge.0 >= self.slow);
        }
    }

    /// Whether an accusation of that host is a mistake that counts: it has been running for a
    /// while, and what is slow fails its probes with good reason.
    fn is_falsely(&self, world: &World, accused: HostId) -> bool {
        let runs = |process: &Process| world.now().since(process.started) > COME_BACK;
        let accused_runs = world.host(accused).process().is_some_and(runs);
        self.watching && accused.0 >= self.slow && accused_runs
    }

    fn heard(&mut self, now: Time, host: HostId, name: &str) {
        let Some((number, news)) = self.open_events.get_mut(name) else { return };
        if !news.strike(host) {
            return;
        }
        let reach = &mut self.events[*number];
        let after = now.since(news.since);
        if news.left * 2 <= news.audience {
            reach.half.get_or_insert(after);
        }
        if news.left == 0 {
            reach.everybody = Some(after);
            self.open_events.remove(name);
        }
    }

    /// Whether nothing is under way any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.open_failures.is_empty() && self.open_events.is_empty()
    }
}
