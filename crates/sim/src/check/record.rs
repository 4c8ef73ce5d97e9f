//! A member is remembered until its time is over, whatever the layer below forgets.

use std::collections::{BTreeMap, BTreeSet};

use gossip::Time;
use serf::{Fact, MemberEventKind, MemberStatus};
use wire::NodeName;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// Whom every run remembered at the last look, and since when (by its clock) as gone.
#[derive(Debug, Default)]
pub(super) struct Records {
    known: BTreeMap<(HostId, u32), BTreeMap<NodeName, Option<Time>>>,
    reaped: BTreeSet<(HostId, u32, NodeName)>,
}

impl Checker for Records {
    fn name(&self) -> &'static str {
        "a member is remembered until its time is over"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let What::Fact(Fact::Member { kind: MemberEventKind::Reap, forced, name, .. }) = &seen.what
        else {
            return Ok(());
        };
        let host = world.host(seen.host);
        let Some(run) = host.process().map(|process| process.run) else { return Ok(()) };
        self.reaped.insert((seen.host, run, name.clone()));
        let gone = self.known.get(&(seen.host, run)).and_then(|known| known.get(name));
        let timeout = host.config.reconnect_timeout.min(host.config.tombstone_timeout);
        if let (Some(Some(since)), false) = (gone, forced) {
            let remembered = world.local_time(seen.host).since(*since);
            // It may have gone up to a second before the look that noticed.
            if remembered + std::time::Duration::from_secs(2) < timeout {
                let who = who(world, seen.host);
                return Err(format!("{who} erased {name} after {remembered:?}"));
            }
        }
        Ok(())
    }

    fn sample(&mut self, world: &World, _deeds: &Deeds) -> Verdict {
        for host in world.host_ids() {
            let Some(process) = world.host(host).process() else { continue };
            let now = world.local_time(host);
            let known = self.known.entry((host, process.run)).or_default();
            for name in known.keys() {
                let erased = self.reaped.contains(&(host, process.run, name.clone()));
                if process.serf.member(name.as_str()).is_none() && !erased {
                    return Err(format!("{} forgot {name}", who(world, host)));
                }
            }
            let gone = |status| matches!(status, MemberStatus::Failed | MemberStatus::Left);
            *known = process
                .serf
                .members()
                .map(|member| {
                    let since = known.get(&member.name).copied().flatten().unwrap_or(now);
                    (member.name.clone(), gone(member.status).then_some(since))
                })
                .collect();
        }
        self.reaped.clear();
        Ok(())
    }
}
