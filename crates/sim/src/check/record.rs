//! A member is remembered until its time is over, whatever the layer below forgets, and no longer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip::Time;
use serf::{Fact, Member, MemberEventKind};
use wire::NodeName;

use super::{Checker, Verdict, is_gone, is_same, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// Between two looks, and for clocks that are off.
const TOLERANCE: Duration = Duration::from_secs(2);

/// Whom every host remembered after its last step.
#[derive(Debug, Default)]
pub(super) struct Records {
    known: BTreeMap<HostId, Known>,
    /// Whom the step that is going on has erased.
    reaped: BTreeSet<NodeName>,
}

/// What a run remembers, in the order of names, and since when (by its clock) each is gone.
#[derive(Debug, Default)]
struct Known {
    run: u32,
    members: Vec<(NodeName, Option<Time>)>,
}

impl Checker for Records {
    fn name(&self) -> &'static str {
        "a member is remembered until its time is over, and no longer"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = world.host(seen.host);
        let Some(process) = host.process() else { return Ok(()) };
        let known = self.known.entry(seen.host).or_default();
        if known.run != process.run {
            *known = Known { run: process.run, members: Vec::new() };
        }
        let now = world.local_time(seen.host);
        match &seen.what {
            What::Fact(Fact::Member { kind: MemberEventKind::Reap, forced, name, .. }) => {
                self.reaped.insert(name.clone());
                let place = known.members.binary_search_by(|(known, _)| known.cmp(name));
                let gone = place.ok().and_then(|place| known.members[place].1);
                let timeout = host.config.reconnect_timeout.min(host.config.tombstone_timeout);
                if let (Some(since), false) = (gone, forced) {
                    let remembered = now.since(since);
                    if remembered < timeout {
                        let who = who(world, seen.host);
                        return Err(format!("{who} erased {name} after {remembered:?}"));
                    }
                }
                Ok(())
            }
            What::Handled => {
                let reaped = std::mem::take(&mut self.reaped);
                known
                    .follow(now, &process.serf, &reaped)
                    .map_err(|what| format!("{} {what}", who(world, seen.host)))
            }
            _ => Ok(()),
        }
    }

    fn sample(&mut self, world: &World, _deeds: &Deeds) -> Verdict {
        for (id, known) in &self.known {
            let host = world.host(*id);
            let Some(run) = host.process().map(|process| process.run) else { continue };
            let config = &host.config;
            let calm = world.now().since(host.disturbed_at) > config.reap_interval + TOLERANCE
                && host.disturbed_at <= world.now()
                && host.work.is_zero()
                && host.active(world.now()).is_some();
            if known.run != run || !calm {
                continue;
            }
            let timeout = config.reconnect_timeout.max(config.tombstone_timeout);
            let bound = timeout + config.reap_interval + TOLERANCE;
            let now = world.local_time(*id);
            let too_long = |(_, since): &&(NodeName, Option<Time>)| {
                since.is_some_and(|since| now.since(since) > bound)
            };
            if let Some((name, _)) = known.members.iter().find(too_long) {
                return Err(format!("{} remembers {name} after {bound:?}", who(world, *id)));
            }
        }
        Ok(())
    }
}

impl Known {
    fn follow(&mut self, now: Time, serf: &serf::Serf, reaped: &BTreeSet<NodeName>) -> Verdict {
        let same =
            |(member, (name, _)): (&Member, &(NodeName, Option<Time>))| is_same(&member.name, name);
        let members = serf.members();
        if serf.members().count() == self.members.len() && members.zip(&self.members).all(same) {
            for (member, (_, since)) in serf.members().zip(&mut self.members) {
                *since = is_gone(member).then(|| since.unwrap_or(now));
            }
            return Ok(());
        }
        let before: BTreeMap<NodeName, Option<Time>> =
            std::mem::take(&mut self.members).into_iter().collect();
        let forgotten =
            |name: &&NodeName| serf.member(name.as_str()).is_none() && !reaped.contains(*name);
        if let Some(name) = before.keys().find(forgotten) {
            return Err(format!("forgot {name}"));
        }
        let since = |member: &Member| {
            let since = before.get(&member.name).copied().flatten().unwrap_or(now);
            (member.name.clone(), is_gone(member).then_some(since))
        };
        self.members = serf.members().map(since).collect();
        Ok(())
    }
}
