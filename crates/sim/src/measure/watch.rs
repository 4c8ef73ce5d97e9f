//! Carrying out a plan.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::Time;
use serf::Command;

use super::plan::{Plan, PlanError, Trouble};
use super::tally::{Failure, FalseAlarms, Reach, Slice, Tally};
use crate::chance::Chance;
use crate::host::HostId;
use crate::world::{Traffic, World};

/// Bytes of the headers of IPv4 and UDP, which every datagram has.
const DATAGRAM_HEADERS: u64 = 28;

/// Bytes of headers of a stream beyond its contents: the handshake, the acknowledgements and the
/// end of a connection are ten segments of IPv4 and TCP.
const STREAM_HEADERS: u64 = 400;

/// What one member sends in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Datagrams.
    pub datagrams: f64,
    /// Streams opened.
    pub streams: f64,
    /// Bytes, headers of the network included.
    pub bytes: f64,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// How long the cluster was watched.
    pub watched: Duration,
    /// What one member sends while nothing happens.
    pub quiet: Rate,
    /// What one event costs every member: datagrams and bytes that it sends because of it. None if
    /// chance hides it.
    pub per_event: Option<Rate>,
    /// What one failure and return of a member costs every other, in the same way.
    pub per_failure: Option<Rate>,
    /// The failures, in order.
    pub failures: Vec<Failure>,
    /// The events, in order.
    pub events: Vec<Reach>,
    /// What was said of members that were running.
    pub false_alarms: FalseAlarms,
    /// The time watched, in pieces.
    pub slices: Vec<Slice>,
    /// Inputs that all members have handled.
    pub inputs: u64,
}

/// What is done to a cluster that is watched.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Slice,
    Event(usize),
    Fail,
    Restart(HostId),
    Trouble(HostId),
    Relief(HostId),
}

/// How many pieces the time is cut into.
const SLICES: u32 = 120;

/// When a failed member comes back at the earliest: between these, and not before all know.
const RETURN_EARLIEST: Duration = Duration::from_secs(5);
/// See above.
const RETURN_LATEST: Duration = Duration::from_secs(15);

/// How long a failure may take to become known, beyond the longest suspicions.
const PATIENCE: Duration = Duration::from_secs(60);

/// Carries out a plan. `progress` is told again and again which share of the time is over.
///
/// # Errors
///
/// If the plan is out of its limits.
pub fn measure(plan: &Plan, mut progress: impl FnMut(f64)) -> Result<Measurement, PlanError> {
    plan.check()?;
    let mut run = Run::new(plan);
    run.schedule();
    run.play(&mut progress);
    Ok(run.result())
}

struct Run<'a> {
    plan: &'a Plan,
    world: World,
    tally: Tally,
    chance: Chance,
    began: Time,
    quiet_until: Time,
    events_until: Time,
    until: Time,
    patience: Duration,
    deeds: BTreeMap<(Time, u64), Deed>,
    planned: u64,
    slices: Vec<Slice>,
    /// The traffic at the beginning, and at the ends of the phases.
    marks: Vec<Traffic>,
    /// Bytes and false verdicts at its end.
    last_slice: (u64, u64),
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan) -> Run<'a> {
        let mut world = plan.world();
        world.start_converged();
        let gossip = &plan.config.gossip;
        let warm_up = Duration::from_secs(10) + gossip.probe_interval * 2;
        world.run_until(Time::ZERO + warm_up, |_, _| {});
        let began = world.now();
        let slow = plan.slow.map_or(0, |slow| slow.members.min(plan.members));
        let quiet = if plan.failures == 0 { plan.duration * 5 / 6 } else { plan.duration / 3 };
        let quiet_until = began + quiet;
        Run {
            plan,
            tally: Tally::new(&world, slow),
            chance: Chance::new(plan.seed, 5),
            began,
            quiet_until,
            events_until: quiet_until + plan.duration / 6,
            until: began + plan.duration,
            patience: plan.longest_suspicion() * 2 + PATIENCE,
            deeds: BTreeMap::new(),
            planned: 0,
            slices: Vec::new(),
            marks: vec![world.traffic()],
            last_slice: (bytes(&world.traffic()), 0),
            world,
        }
    }

    fn plan_deed(&mut self, at: Time, deed: Deed) {
        self.planned += 1;
        self.deeds.insert((at, self.planned), deed);
    }

    fn schedule(&mut self) {
        for slice in 1..=SLICES {
            let at = self.began + self.plan.duration * slice / SLICES;
            self.plan_deed(at, Deed::Slice);
        }
        let events = self.events_until.since(self.quiet_until);
        for event in 0..self.plan.events {
            let share = event as f64 / self.plan.events as f64;
            let at = self.quiet_until + events.mul_f64(share);
            self.plan_deed(at, Deed::Event(event));
        }
        // What the last of them costs is to be seen, too.
        let failures = self.until.since(self.events_until);
        let known_after = self.plan.shortest_suspicion() + RETURN_LATEST * 2;
        let failures = failures - known_after.min(failures / 2);
        for _ in 0..self.plan.failures {
            let at = self.events_until + failures.mul_f64(self.chance.share());
            self.plan_deed(at, Deed::Fail);
        }
        if let Some(slow) = self.plan.slow {
            for host in 0..slow.members.min(self.plan.members) {
                let at = self.began + (slow.lasts + slow.between).mul_f64(self.chance.share());
                self.plan_deed(at, Deed::Trouble(HostId(host)));
            }
        }
    }

    fn play(&mut self, progress: &mut impl FnMut(f64)) {
        for end in [self.quiet_until, self.events_until, self.until] {
            self.advance(end, progress);
            self.marks.push(self.world.traffic());
        }
        self.tally.close();
        let (watched, patience) = (self.until, self.patience);
        while !self.tally.is_settled() && self.world.now() < watched + patience {
            let next = self.world.now() + Duration::from_secs(1);
            self.advance(next, progress);
        }
    }

    /// Lets time pass, and does what is planned.
    fn advance(&mut self, end: Time, progress: &mut impl FnMut(f64)) {
        loop {
            let next = self.deeds.first_key_value().map(|((at, _), _)| *at);
            let stop = next.map_or(end, |at| at.min(end));
            let tally = &mut self.tally;
            self.world.run_until(stop, |world, seen| tally.see(world, seen));
            let due = next.is_some_and(|at| at <= end);
            let Some((_, deed)) = due.then(|| self.deeds.pop_first()).flatten() else { return };
            self.act(deed);
            if matches!(deed, Deed::Slice) {
                let over = self.world.now().since(self.began).as_secs_f64();
                progress(over / self.plan.duration.as_secs_f64());
            }
        }
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Slice => self.slice(),
            Deed::Event(number) => self.send_event(number),
            Deed::Fail => self.fail(),
            Deed::Restart(host) => {
                let down_for = self.world.now().since(self.world.host(host).disturbed_at);
                if self.tally.is_open(host) && down_for < self.patience {
                    let again = self.world.now() + Duration::from_secs(1);
                    return self.plan_deed(again, Deed::Restart(host));
                }
                self.tally.restarts(host);
                self.world.start(host);
                self.world.join(host, true);
            }
            Deed::Trouble(host) => self.trouble(host),
            Deed::Relief(host) => self.world.network.set_clogged(host, false),
        }
    }

    fn trouble(&mut self, host: HostId) {
        let Some(slow) = self.plan.slow else { return };
        let over = self.world.now() + slow.lasts;
        match slow.trouble {
            Trouble::Paused => self.world.pause(host, slow.lasts),
            Trouble::CutOff => {
                self.world.network.set_clogged(host, true);
                self.plan_deed(over, Deed::Relief(host));
            }
        }
        self.plan_deed(over + slow.between, Deed::Trouble(host));
    }

    fn slice(&mut self) {
        let bytes = bytes(&self.world.traffic());
        let declared = self.tally.false_alarms.declared;
        let before = std::mem::replace(&mut self.last_slice, (bytes, declared));
        self.slices.push(Slice {
            until: self.world.now().since(self.began),
            bytes: bytes - before.0,
            false_declared: declared - before.1,
        });
    }

    fn send_event(&mut self, number: usize) {
        let Some(host) = self.pick() else { return };
        let name = format!("event-{number}");
        self.tally.sends(&self.world, name.clone());
        let payload = Some(bytes::Bytes::from_static(&[b'x'; 64]));
        self.world.command(host, Command::UserEvent { name, payload, coalesce: false });
    }

    fn fail(&mut self) {
        let Some(host) = self.pick() else { return };
        self.world.crash(host);
        self.tally.failed(&self.world, host);
        let back = self.chance.between(RETURN_EARLIEST, RETURN_LATEST);
        self.plan_deed(self.world.now() + back, Deed::Restart(host));
    }

    /// A running host that is not slow; None if hardly anybody else runs.
    fn pick(&mut self) -> Option<HostId> {
        let slow = self.plan.slow.map_or(0, |slow| slow.members);
        let runs = |id: &HostId| id.0 >= slow && self.world.host(*id).process().is_some();
        let running: Vec<HostId> = self.world.host_ids().filter(runs).collect();
        (running.len() > 1).then(|| running[self.chance.below(running.len())])
    }

    fn result(self) -> Measurement {
        let members = self.plan.members as f64;
        let phase = |number: usize| difference(&self.marks[number + 1], &self.marks[number]);
        let seconds = |from: Time, until: Time| until.since(from).as_secs_f64();
        let quiet_seconds = seconds(self.began, self.quiet_until);
        let quiet = rate(&phase(0), members * quiet_seconds);
        let beyond = |number: usize, took: f64, count: usize| {
            let all = rate(&phase(number), members);
            let cost = |all: f64, quiet: f64| (all - quiet * took).max(0.0) / count as f64;
            let cost = Rate {
                datagrams: cost(all.datagrams, quiet.datagrams),
                streams: cost(all.streams, quiet.streams),
                bytes: cost(all.bytes, quiet.bytes),
            };
            Some(cost).filter(|cost| count > 0 && cost.datagrams > 0.0 && cost.bytes > 0.0)
        };
        let event_seconds = seconds(self.quiet_until, self.events_until);
        let failure_seconds = seconds(self.events_until, self.until);
        Measurement {
            watched: self.plan.duration,
            per_event: beyond(1, event_seconds, self.tally.events.len()),
            per_failure: beyond(2, failure_seconds, self.tally.failures.len()),
            quiet,
            failures: self.tally.failures,
            events: self.tally.events,
            false_alarms: self.tally.false_alarms,
            slices: self.slices,
            inputs: self.world.traffic().inputs,
        }
    }
}

impl Measurement {
    /// What one member sends where that many others fail and return in a second.
    pub fn rate_at(&self, failures_per_second: f64) -> Rate {
        let cost = self.per_failure.unwrap_or_default();
        Rate {
            datagrams: self.quiet.datagrams + cost.datagrams * failures_per_second,
            streams: self.quiet.streams + cost.streams * failures_per_second,
            bytes: self.quiet.bytes + cost.bytes * failures_per_second,
        }
    }
}

fn bytes(traffic: &Traffic) -> u64 {
    traffic.datagram_bytes
        + traffic.datagrams * DATAGRAM_HEADERS
        + traffic.stream_bytes
        + traffic.streams * STREAM_HEADERS
}

fn difference(later: &Traffic, earlier: &Traffic) -> Traffic {
    Traffic {
        datagrams: later.datagrams - earlier.datagrams,
        datagram_bytes: later.datagram_bytes - earlier.datagram_bytes,
        streams: later.streams - earlier.streams,
        stream_bytes: later.stream_bytes - earlier.stream_bytes,
        inputs: later.inputs - earlier.inputs,
    }
}

fn rate(traffic: &Traffic, per: f64) -> Rate {
    Rate {
        datagrams: traffic.datagrams as f64 / per,
        streams: traffic.streams as f64 / per,
        bytes: bytes(traffic) as f64 / per,
    }
}
