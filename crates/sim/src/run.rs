//! One seed, played: chaos with the safety rules watched at every step, then healing with the
//! liveness rules.
//!
//! ```text
//! chaos ─▶ everything heals ─▶ all agree within the bound, queues drain
//!       ─▶ epilogue: an event, a query, a leave, a forced leave, a restart with other tags;
//!          all agree again ─▶ quiet: clocks are at rest
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip::Time;
use serf::{Command, Fact, KeyOperation, Keyring, Outcome};
use wire::NodeName;

use crate::action::{Action, Deeds, Rotation, Tally};
use crate::chance::Chance;
use crate::check::{self, Checks, Counts, Verdict, Violation, agreement, violation};
use crate::host::{HostId, Purpose};
use crate::network::Weather;
use crate::observation::{Observation, What};
use crate::scenario::{self, Scenario};
use crate::world::{Traffic, Watch, World};

/// How a seed went.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The hash of everything that happened.
    pub hash: u64,
    /// What members saw.
    pub counts: Counts,
    /// What was done to them.
    pub tally: Tally,
    /// What travelled.
    pub traffic: Traffic,
    /// How long it took, in the world's time.
    pub took: Time,
    /// How long after healing everybody agreed.
    pub agreed_after: Option<Duration>,
    /// How long after the last start, or the end of what stood in the way, a crowd's views were
    /// whole.
    pub whole_after: Option<Duration>,
    /// What should not have happened; None if all went well.
    pub violation: Option<Violation>,
    /// The plan, and the last lines of what happened, if asked for.
    pub lines: Vec<String>,
}

/// The command that plays a seed again, with a trace to read.
pub fn replay_command(seed: u64) -> String {
    format!("cargo run --profile seeds -p tribune-sim --example gate -- --replay {seed}")
}

/// Plays a seed. With `readable` the report has the plan and the trace.
pub fn run(seed: u64, readable: bool) -> Report {
    let scenario = Scenario::new(seed);
    let lines = if readable { scenario.describe() } else { Vec::new() };
    let mut run = Run::new(scenario, readable);
    let play = std::panic::AssertUnwindSafe(|| run.play().err());
    let violation = std::panic::catch_unwind(play)
        .unwrap_or_else(|_| Some(violation("nothing panics", "see above".to_owned(), &run.world)));
    let mut report = Report {
        seed,
        hash: run.world.trace().hash(),
        counts: run.counts,
        traffic: run.world.traffic(),
        took: run.world.now(),
        agreed_after: run.agreed_after,
        whole_after: run.whole_after,
        tally: run.tally(),
        violation,
        lines,
    };
    report.lines.extend(run.world.trace().lines().map(str::to_owned));
    report
}

/// How often the whole world is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often an operator looks after hosts that should be up.
const ROUNDS: Duration = Duration::from_secs(5);
/// How often an operator starts one of them again before giving up.
const PATIENCE: u32 = 8;

struct Run {
    scenario: Scenario,
    world: World,
    checks: Checks,
    counts: Counts,
    deeds: Deeds,
    chance: Chance,
    next_look: Time,
    /// The hosts that are to be up in the end, and how often they were started for it.
    wanted: BTreeMap<HostId, u32>,
    next_round: Time,
    /// Members of whom it is known that they left.
    left: BTreeSet<NodeName>,
    /// Who has taken in the events of the epilogue.
    events: BTreeMap<String, BTreeSet<HostId>>,
    /// Since when nothing was done any more.
    settled_since: Time,
    agreed_after: Option<Duration>,
    whole_after: Option<Duration>,
    epilogue_at: Time,
}

impl Run {
    fn new(scenario: Scenario, readable: bool) -> Self {
        let world = scenario.world(Watch::Everything, readable);
        Run {
            chance: Chance::new(scenario.seed, 3),
            scenario,
            world,
            checks: Checks::new(),
            counts: Counts::default(),
            deeds: Deeds::default(),
            next_look: Time::ZERO + LOOK,
            wanted: BTreeMap::new(),
            next_round: Time::ZERO,
            left: BTreeSet::new(),
            events: BTreeMap::new(),
            settled_since: Time::ZERO,
            agreed_after: None,
            whole_after: None,
            epilogue_at: Time::ZERO,
        }
    }

    fn play(&mut self) -> Result<(), Violation> {
        for (at, action) in std::mem::take(&mut self.scenario.actions) {
            self.advance(at)?;
            self.act(&action)?;
        }
        self.advance(self.scenario.heal_at)?;
        self.heal()?;
        if self.scenario.crowd {
            self.until_whole()?;
        }
        self.until_agreed("all live members agree after healing")?;
        self.agreed_after = Some(self.world.now().since(self.settled_since));
        if self.scenario.crowd {
            // So many take too long for the rest, which is the same with few.
            return self.until_drained();
        }
        // Whoever has joined and wants no old events may take those of the epilogue for old, as
        // long as others do not know the time.
        self.until("joins end, and all know the time of events", 3, |run| {
            run.nobody_joins()?;
            agreement::on_the_time_of_events(&run.world)
        })?;
        self.epilogue()?;
        self.until_agreed("all live members agree after the epilogue")?;
        self.until_drained()?;
        self.quiet()
    }

    fn tally(&self) -> Tally {
        let failed_writes = self.world.hosts().iter().map(|host| host.disk.failed_writes).sum();
        Tally { failed_writes, ..self.deeds.tally }
    }

    fn act(&mut self, action: &Action) -> Result<(), Violation> {
        self.world.act(action, &mut self.deeds);
        self.watch()
    }

    /// Lets time pass.
    fn advance(&mut self, until: Time) -> Result<(), Violation> {
        loop {
            let stop = until.min(self.next_look);
            while self.world.step(stop) {
                self.watch()?;
            }
            if self.next_look > until {
                return Ok(());
            }
            self.next_look = self.next_look + LOOK;
            self.checks.sample(&self.world, &self.deeds)?;
        }
    }

    fn watch(&mut self) -> Result<(), Violation> {
        let seen = self.world.take_observed();
        if seen.is_empty() {
            return Ok(());
        }
        self.counts.see(&seen);
        self.checks.see(&self.world, &self.deeds, &seen)?;
        for observation in &seen {
            self.follow(observation);
        }
        // Going on may have been seen, too.
        if self.world.observed.is_empty() { Ok(()) } else { self.watch() }
    }

    fn follow(&mut self, seen: &Observation) {
        match &seen.what {
            What::Fact(Fact::UserEvent { name }) => {
                if let Some(takers) = self.events.get_mut(name) {
                    takers.insert(seen.host);
                }
            }
            What::Done(token, Outcome::Keys(report)) => {
                if self.deeds.rotation_token != Some(*token) {
                    return;
                }
                self.deeds.rotation_token = None;
                if report.failure.is_none() {
                    self.rotate_on();
                }
            }
            _ => {}
        }
    }

    /// The next step of a key rotation: only after the one before went through everywhere.
    fn rotate_on(&mut self) {
        let Some(Rotation { host, key, step }) = self.deeds.rotation.clone() else { return };
        let operation = match step {
            0 => KeyOperation::Use(key.clone()),
            1 => KeyOperation::Remove(bytes::Bytes::from_static(&scenario::FIRST_KEY)),
            _ => {
                self.deeds.tally.key_rotations += 1;
                self.deeds.rotation = None;
                return;
            }
        };
        self.deeds.rotation = Some(Rotation { host, key, step: step + 1 });
        self.world.key_step(host, operation, &mut self.deeds);
    }

    /// Everything that stands in the members' way ends; an operator repairs what only an operator
    /// can repair.
    fn heal(&mut self) -> Result<(), Violation> {
        self.world.remark(|| "everything heals".to_owned());
        self.world.network.heal(Weather::CALM);
        self.deeds.rotation = None;
        for host in self.world.host_ids().collect::<Vec<_>>() {
            self.world.release(host);
            self.world.set_healthy(host, true);
        }
        self.act(&Action::EndClones)?;
        self.repair_keys();
        let clones = self.deeds.clone_hosts.clone();
        for host in self.world.host_ids().filter(|host| !clones.contains(host)) {
            if !self.world.is_off(host) || self.chance.happens(0.6) {
                self.wanted.insert(host, 0);
            }
        }
        // Nobody would be left to agree with.
        self.wanted.extend([(HostId(0), 0), (HostId(1), 0)]);
        self.operate()?;
        if self.scenario.forgetful {
            for host in self.wanted.keys().copied().collect::<Vec<_>>() {
                self.act(&Action::Join(host))?;
            }
        }
        self.settled_since = self.world.now();
        Ok(())
    }

    /// Gives every host the same keys: those of the majority first, then all others.
    fn repair_keys(&mut self) {
        let ring = |world: &World, host: HostId| match world.host(host).serf() {
            Some(serf) => serf.security().keyring.clone(),
            None => world.host(host).keyring.clone(),
        };
        let hosts: Vec<HostId> = self.world.host_ids().collect();
        let rings: Vec<Keyring> =
            hosts.iter().filter_map(|host| ring(&self.world, *host)).collect();
        let votes = |key: &wire::Key| rings.iter().filter(|ring| ring.primary() == key).count();
        let Some(primary) = rings.iter().map(Keyring::primary).max_by_key(|key| votes(key)) else {
            return;
        };
        let others = rings.iter().flat_map(|ring| ring.keys().iter().cloned());
        let repaired = Keyring::with_keys(primary.clone(), others);
        for host in hosts {
            let differs = ring(&self.world, host).is_some_and(|ring| {
                ring.primary() != repaired.primary() || ring.keys().len() != repaired.keys().len()
            });
            if differs {
                self.world.crash(host);
            }
            self.world.hosts[host.0].keyring = Some(repaired.clone());
        }
    }

    /// Starts those hosts again that should be up and are not: a member that has lost its name
    /// shuts down.
    fn operate(&mut self) -> Result<(), Violation> {
        self.next_round = self.world.now() + ROUNDS;
        for (host, starts) in self.wanted.clone() {
            if !self.world.is_off(host) {
                continue;
            }
            if starts > PATIENCE {
                let what = format!("{} keeps shutting down", check::who(&self.world, host));
                return Err(violation("members stay up after healing", what, &self.world));
            }
            self.wanted.insert(host, starts + 1);
            self.act(&Action::Start { host, ignore_old_events: true })?;
            self.settled_since = self.world.now();
        }
        Ok(())
    }

    fn bound(&self) -> Duration {
        let config = &self.world.hosts()[0].config;
        // Clocks may run a twentieth too slow.
        let hosts = self.world.hosts().len();
        check::agreement_bound(config, hosts).mul_f64(1.06) + Duration::from_secs(1)
    }

    /// Waits until everybody in a crowd knows of everybody.
    fn until_whole(&mut self) -> Result<(), Violation> {
        let rule = "the views of a crowd are whole within the bound";
        let (config, hosts) = (&self.world.hosts()[0].config, self.world.hosts().len());
        let bound = match self.deeds.tally.partitions {
            0 => check::crowd_bound(config),
            // What its parts have to say to each other is no news of a crowd.
            _ => check::refute_bound(config, hosts),
        };
        while let Err(what) = agreement::views_are_whole(&self.world) {
            if self.world.now().since(self.settled_since) > bound {
                return Err(violation(rule, what, &self.world));
            }
            self.advance(self.world.now() + LOOK)?;
        }
        self.whole_after = Some(self.world.now().since(self.settled_since));
        Ok(())
    }

    /// Waits until all live members agree on the living, and then (more time is allowed for it,
    /// since only exchanges tell of it) on the departed.
    fn until_agreed(&mut self, rule: &'static str) -> Result<(), Violation> {
        let everything = |run: &Run| {
            agreement::on_the_living(&run.world)?;
            run.events_have_arrived()
        };
        self.until(rule, 1, everything)?;
        self.until(rule, 3, |run| agreement::on_the_departed(&run.world, &run.left))?;
        self.until_one_holder()
    }

    /// All agree on who is there; the holders of the floating role that have met by that are one.
    fn until_one_holder(&mut self) -> Result<(), Violation> {
        let (rule, began) = ("there is one holder of the floating role", self.world.now());
        let config = &self.world.hosts()[0].config;
        let hosts = self.world.hosts().len();
        let bound =
            check::meeting_bound(config, hosts).max(check::takeover_bound(config, hosts, hosts));
        while let Err(what) = check::one_holder(&self.world) {
            if self.world.now().since(began) > bound.mul_f64(1.06) {
                return Err(violation(rule, what, &self.world));
            }
            self.advance(self.world.now() + LOOK)?;
        }
        Ok(())
    }

    fn until(
        &mut self,
        rule: &'static str,
        bounds: u32,
        holds: impl Fn(&Run) -> Verdict,
    ) -> Result<(), Violation> {
        loop {
            let Err(what) = holds(self) else { return Ok(()) };
            let now = self.world.now();
            if now.since(self.settled_since) > self.bound() * bounds {
                return Err(violation(rule, what, &self.world));
            }
            if now >= self.next_round {
                self.operate()?;
            }
            self.advance(now + LOOK)?;
        }
    }

    fn nobody_joins(&self) -> Verdict {
        let joins = |host: &HostId| {
            let host = self.world.host(*host);
            host.is_joining() || host.joins_again
        };
        match self.world.host_ids().find(joins) {
            Some(host) => Err(format!("{} still joins", check::who(&self.world, host))),
            None => Ok(()),
        }
    }

    fn events_have_arrived(&self) -> Verdict {
        for (name, takers) in &self.events {
            let missing = self.world.host_ids().find(|host| {
                // Who started in the epilogue or later may have joined after it, and not wanted it.
                let process = self.world.host(*host).process();
                process.is_some_and(|process| process.started < self.epilogue_at)
                    && !takers.contains(host)
            });
            if let Some(host) = missing {
                return Err(format!("{} has not got {name:?}", check::who(&self.world, host)));
            }
        }
        Ok(())
    }

    fn until_drained(&mut self) -> Result<(), Violation> {
        self.settled_since = self.world.now();
        self.until("queues drain", 1, |run| agreement::queues_are_empty(&run.world))
    }

    /// Work in a world in which nothing goes wrong, with results that are known beforehand.
    fn epilogue(&mut self) -> Result<(), Violation> {
        self.epilogue_at = self.world.now();
        let mut up: Vec<HostId> = self.wanted.keys().copied().collect();
        up.retain(|host| !self.world.is_off(*host));
        let first = up[self.chance.below(up.len())];
        up.retain(|host| *host != first);
        let mut another =
            |run: &mut Run| (up.len() > 2).then(|| up.swap_remove(run.chance.below(up.len())));
        let leaving = another(self);
        let crashing = another(self);
        let restarting = another(self);
        self.act(&Action::Query(first, Some("web")))?;
        self.act(&Action::FutureEvent(first))?;
        if let Some(host) = leaving {
            self.wanted.remove(&host);
            self.left.insert(self.world.host(host).name.clone());
            self.act(&Action::Leave(host))?;
            // Those who are to crash may be the only ones whom it told so far.
            let handover = self.world.host(host).role.map_or(Duration::ZERO, |_| role::HANDOVER);
            self.advance(self.world.now() + Duration::from_secs(2) + handover)?;
        }
        if let Some(host) = crashing {
            self.wanted.remove(&host);
            self.left.insert(self.world.host(host).name.clone());
            self.act(&Action::Crash(host))?;
            self.act(&Action::ForceLeave(first, host, false))?;
        }
        if let Some(host) = restarting {
            self.act(&Action::Crash(host))?;
            self.act(&Action::RetagOffline(host, "epilogue".to_owned()))?;
            self.advance(self.world.now() + Duration::from_millis(1500))?;
            self.act(&Action::Start { host, ignore_old_events: true })?;
        }
        self.advance(self.world.now() + Duration::from_millis(10))?;
        self.settled_since = self.world.now();
        let name = format!("epilogue-{}", self.deeds.tally.user_events);
        self.events.insert(name.clone(), BTreeSet::new());
        let command = Command::UserEvent { name, payload: None, coalesce: true };
        self.world.command_for(first, command, Purpose::Ignored);
        self.watch()
    }

    /// With nothing to do, all clocks are at rest. (But not the member clock where members learn
    /// of leaves by exchanges only: the times of those are guesses.)
    fn quiet(&mut self) -> Result<(), Violation> {
        let config = &self.world.hosts()[0].config;
        let round = check::scaled_push_pull(config, self.world.hosts().len()).mul_f64(1.06);
        let highest = |run: &Run| {
            let clocks = agreement::clocks(&run.world);
            let highest = |index: usize| clocks.values().map(|times| times[index]).max();
            [highest(1), highest(2)]
        };
        self.advance(self.world.now() + round)?;
        let before = highest(self);
        self.advance(self.world.now() + round * 2)?;
        let after = highest(self);
        if before != after {
            let what = format!("the highest went from {before:?} to {after:?}");
            return Err(violation("clocks come to rest", what, &self.world));
        }
        agreement::queues_are_empty(&self.world)
            .map_err(|what| violation("queues stay empty", what, &self.world))
    }
}
