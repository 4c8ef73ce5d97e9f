//! One holder of the floating role for each component, within its bounds.
//!
//! A component, here, are running hosts that all hear each other and nobody else. As long as
//! anything about it changes or stands in somebody's way, nothing is asked of it. The bounds are
//! derived in `docs/simulator.md` and promised in `docs/floating-role.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::Time;
use role::Quorum;
use serf::{Config, MemberStatus};

use super::refute::{dissemination, longest_suspicion};
use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::network::{Jitter, Weather};
use crate::observation::{Observation, What};
use crate::role::{SETTLE_LIMIT, record};
use crate::world::World;

/// The running hosts of a component, and which of their runs these are.
type Component = Vec<(HostId, u32)>;

/// Since when things are as they should not stay.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Since when a component has been as it is.
    quiet: BTreeMap<Component, Time>,
    without: BTreeMap<Component, Time>,
    pairs: BTreeMap<(HostId, HostId), Time>,
    /// Pairs of holders that began in a component at rest.
    overlaps: BTreeMap<(HostId, HostId), Time>,
    minorities: BTreeMap<(HostId, u32), Time>,
}

/// Between two looks, and for what tasks and links take.
const TOLERANCE: Duration = Duration::from_secs(2);
/// For what tasks and links take.
const TASKS: Duration = Duration::from_millis(300);

/// How long two holders that can reach each other again may go on: each looks for those that it
/// takes for failed, in turns.
pub(crate) fn meeting_bound(config: &Config, hosts: usize) -> Duration {
    let (gossip, turns) = (&config.gossip, hosts.div_ceil(role::REACH_MEMBERS) as u32);
    role::REACH_INTERVAL * 2 * turns + gossip.tcp_timeout + gossip.gossip_interval
}

/// How long two holders may last where nothing is wrong.
fn overlap_bound(config: &Config, members: usize) -> Duration {
    config.gossip.gossip_interval + dissemination(config, members)
}

/// How long a component of that many of the cluster's hosts takes for its members to find out who
/// does not answer any more: in a round each probes all others once. Where less than half answer,
/// the members' health is at its worst, and they probe as slowly as they ever do.
fn detection_bound(config: &Config, component: usize, hosts: usize) -> Duration {
    let gossip = &config.gossip;
    let slow = if component * 2 > hosts { 1 } else { gossip.awareness_max_multiplier };
    gossip.probe_interval * slow * hosts as u32 + longest_suspicion(config, hosts)
}

/// How long such a component may be without a holder.
pub(crate) fn takeover_bound(config: &Config, component: usize, hosts: usize) -> Duration {
    let spread = dissemination(config, hosts);
    let detection = detection_bound(config, component, hosts);
    detection + spread * 2 + config.gossip.gossip_interval + SETTLE_LIMIT
}

/// Clocks may run a twentieth too slow.
fn slack(bound: Duration) -> Duration {
    bound.mul_f64(1.06) + TOLERANCE
}

impl Checker for Holders {
    fn name(&self) -> &'static str {
        "one holder of the floating role for each component"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        match seen.what {
            What::Address(true) => {
                let others = world.host_ids().filter(|other| *other != seen.host);
                for other in others.filter(|other| world.holds_role(*other)) {
                    if self.at_rest(world, seen.host, other) {
                        self.overlaps.insert((seen.host, other), world.now());
                    }
                }
                Ok(())
            }
            What::Address(false) | What::Ended => self.end_overlaps(world, seen.host),
            _ => Ok(()),
        }
    }

    fn sample(&mut self, world: &World, _deeds: &Deeds) -> Verdict {
        if world.hosts().iter().all(|host| host.role.is_none()) {
            return Ok(());
        }
        let components = if is_calm(&world.network.weather) { components(world) } else { vec![] };
        self.quiet.retain(|component, _| components.contains(component));
        self.without.retain(|component, _| components.contains(component));
        let holders: Vec<HostId> = world.host_ids().filter(|id| world.holds_role(*id)).collect();
        for component in components {
            let now = world.now();
            let since = *self.quiet.entry(component.clone()).or_insert(now);
            if has_none(world, &component) {
                self.stays_without(world, component.clone(), since)?;
            } else {
                self.without.remove(&component);
            }
        }
        self.meetings(world, &holders)?;
        for (a, b) in self.overlaps.keys().copied().collect::<Vec<_>>() {
            if !self.at_rest(world, a, b) {
                self.overlaps.remove(&(a, b));
            }
        }
        self.in_minority(world, &holders)
    }
}

impl Holders {
    fn component_of(&self, world: &World, a: HostId, b: HostId) -> Option<Time> {
        let run = |id: HostId| Some((id, world.host(id).process()?.run));
        let (a, b) = (run(a)?, run(b)?);
        let mut found = self.quiet.iter().filter(|(hosts, _)| hosts.contains(&a));
        found.next().filter(|(hosts, _)| hosts.contains(&b)).map(|(_, since)| *since)
    }

    /// Whether the two have been in one component, with nothing going on, for so long that they
    /// must know each other well.
    fn at_rest(&self, world: &World, a: HostId, b: HostId) -> bool {
        let weather = &world.network.weather;
        let still = weather.loss == 0.0
            && weather.corrupt == 0.0
            && matches!(weather.jitter, Jitter::None | Jitter::Uniform(_));
        let (config, hosts) = (&world.host(a).config, world.hosts().len());
        let bound = slack(meeting_bound(config, hosts) + takeover_bound(config, 1, hosts));
        let since = self.component_of(world, a, b);
        still && since.is_some_and(|since| world.now().since(since) > bound)
    }

    fn end_overlaps(&mut self, world: &World, host: HostId) -> Verdict {
        let bound = overlap_bound(&world.host(host).config, world.hosts().len()) + TASKS;
        for (pair, since) in &self.overlaps {
            let lasted = world.now().since(*since);
            if (pair.0 == host || pair.1 == host) && lasted > bound {
                let (a, b) = (who(world, pair.0), who(world, pair.1));
                return Err(format!("{a} and {b} both held it for {lasted:?}"));
            }
        }
        self.overlaps.retain(|pair, _| pair.0 != host && pair.1 != host);
        Ok(())
    }

    fn stays_without(&mut self, world: &World, component: Component, quiet: Time) -> Verdict {
        let now = world.now();
        let since = (*self.without.entry(component.clone()).or_insert(now)).max(quiet);
        let first = component[0].0;
        let (config, hosts) = (&world.host(first).config, world.hosts().len());
        let bound = slack(takeover_bound(config, component.len(), hosts));
        if now.since(since) > bound {
            let names: Vec<String> = component.iter().map(|(id, _)| who(world, *id)).collect();
            return Err(format!("nobody holds it for {bound:?} among {}", names.join(", ")));
        }
        Ok(())
    }

    /// Two that hold it and hear each other: it takes one of the two to know of the other.
    fn meetings(&mut self, world: &World, holders: &[HostId]) -> Verdict {
        let now = world.now();
        let mut pairs = BTreeMap::new();
        for (index, &a) in holders.iter().enumerate() {
            for &b in &holders[..index] {
                let (true, Some(quiet)) = (know(world, a, b), self.component_of(world, a, b))
                else {
                    continue;
                };
                let since = self.pairs.get(&(a, b)).copied().unwrap_or(now);
                pairs.insert((a, b), since);
                let bound = slack(meeting_bound(&world.host(a).config, world.hosts().len()));
                if now.since(since.max(quiet)) > bound {
                    let (a, b) = (who(world, a), who(world, b));
                    return Err(format!("{a} and {b} both hold it for {bound:?}"));
                }
            }
        }
        self.pairs = pairs;
        Ok(())
    }

    /// With a quorum, nobody goes on who cannot reach more than half.
    fn in_minority(&mut self, world: &World, holders: &[HostId]) -> Verdict {
        let now = world.now();
        let mut minorities = BTreeMap::new();
        for &holder in holders {
            let host = world.host(holder);
            let majority = host.role.is_some_and(|plan| plan.quorum == Quorum::Majority);
            let Some(process) = host.process().filter(|_| majority) else { continue };
            if !is_sound(world, holder) || may_see_majority(world, holder) {
                continue;
            }
            let key = (holder, process.run);
            let since = self.minorities.get(&key).copied().unwrap_or(now);
            minorities.insert(key, since);
            let bound = slack(detection_bound(&host.config, 1, world.hosts().len()));
            if now.since(since) > bound {
                let who = who(world, holder);
                return Err(format!("{who} holds it without a majority for {bound:?}"));
            }
        }
        self.minorities = minorities;
        Ok(())
    }
}

/// Whether one of the members, who all agree on who is there, holds the role, if anybody can.
pub(crate) fn one_holder(world: &World) -> Verdict {
    let active = world.host_ids().filter(|id| world.host(*id).active(world.now()).is_some());
    let component: Vec<HostId> = active.collect();
    let holders: Vec<HostId> =
        component.iter().copied().filter(|id| world.holds_role(*id)).collect();
    let run = |id: &HostId| (*id, world.host(*id).process().map_or(0, |process| process.run));
    match holders[..] {
        [] if has_none(world, &component.iter().map(run).collect()) => {
            Err("nobody holds it".to_owned())
        }
        [] | [_] => Ok(()),
        [a, b, ..] => Err(format!("{} and {} hold it", who(world, a), who(world, b))),
    }
}

fn is_calm(weather: &Weather) -> bool {
    weather.loss <= 0.05
}

/// Whether nothing is wrong with a host that runs.
fn is_sound(world: &World, id: HostId) -> bool {
    let (host, now) = (world.host(id), world.now());
    host.active(now).is_some()
        && host.work.is_zero()
        && host.disturbed_at <= now
        && host.free_at() <= now
}

/// The components in which all are well and hear each other.
fn components(world: &World) -> Vec<Component> {
    let now = world.now();
    let running: Vec<HostId> =
        world.host_ids().filter(|id| world.host(*id).active(now).is_some()).collect();
    let touch = |a: HostId, b: HostId| world.network.reaches(a, b) || world.network.reaches(b, a);
    let mut left = running.clone();
    let mut components = Vec::new();
    while let Some(first) = left.pop() {
        let mut component = vec![first];
        let mut next = 0;
        while next < component.len() {
            let host = component[next];
            let (touched, others) = left.iter().partition(|other| touch(host, **other));
            component.extend::<Vec<HostId>>(touched);
            left = others;
            next += 1;
        }
        component.sort();
        if is_well(world, &component) {
            let run = |id: &HostId| world.host(*id).process().map_or(0, |process| process.run);
            components.push(component.iter().map(|id| (*id, run(id))).collect());
        }
    }
    components
}

fn is_well(world: &World, component: &[HostId]) -> bool {
    let twin = |id: HostId| {
        let name = &world.host(id).name;
        world.hosts().iter().filter(|other| other.name == *name).count() > 1
    };
    component.iter().all(|a| {
        let hears =
            |b: &HostId| a == b || (world.network.is_clear(*a, *b) && world.understand(*a, *b));
        is_sound(world, *a) && !twin(*a) && component.iter().all(hears)
    })
}

/// Whether nobody holds it although somebody could.
fn has_none(world: &World, component: &Component) -> bool {
    let mut could = false;
    for (id, _) in component {
        let host = world.host(*id);
        let (Some(plan), Some(process)) = (host.role, host.process()) else { continue };
        if world.holds_role(*id) {
            return false;
        }
        if plan.quorum == Quorum::Majority && !sees_majority(world, *id) {
            return false;
        }
        let ready = process.player.as_ref().is_some_and(|p| p.settled && !p.leaving);
        could |= ready && (host.healthy || !plan.checked);
    }
    could
}

/// Of the participants that count for it, itself included: those that `up` says to be up, and all.
fn count(world: &World, id: HostId, up: impl Fn(&serf::Member) -> bool) -> (usize, usize) {
    let Some(serf) = world.host(id).serf() else { return (0, 0) };
    let own = &world.host(id).name;
    let counts = |member: &&serf::Member| {
        member.name != *own
            && record(member).is_some()
            && matches!(member.status, MemberStatus::Alive | MemberStatus::Failed)
    };
    let others: Vec<&serf::Member> = serf.members().filter(counts).collect();
    (1 + others.iter().filter(|member| up(member)).count(), 1 + others.len())
}

fn sees_majority(world: &World, id: HostId) -> bool {
    let (up, all) = count(world, id, |member| member.status == MemberStatus::Alive);
    up * 2 > all
}

/// Whether the links let it see more than half.
fn may_see_majority(world: &World, id: HostId) -> bool {
    let reachable = |member: &serf::Member| {
        let mut hosts = world.host_ids().filter(|host| world.host(*host).name == member.name);
        hosts.any(|host| world.network.reaches(id, host) || world.network.reaches(host, id))
    };
    let (up, all) = count(world, id, reachable);
    up * 2 > all
}

/// Whether one of the two knows the other as a participant.
fn know(world: &World, a: HostId, b: HostId) -> bool {
    let knows = |a: HostId, b: HostId| {
        let member = world.host(a).serf().and_then(|serf| serf.member(world.host(b).name.as_str()));
        member.is_some_and(|member| record(member).is_some())
    };
    knows(a, b) && knows(b, a)
}
