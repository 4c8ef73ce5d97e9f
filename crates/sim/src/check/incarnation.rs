//! Incarnations never go back, and only their owner raises them.

use std::collections::BTreeMap;

use wire::{Incarnation, NodeName};

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// The incarnations seen so far.
#[derive(Debug, Default)]
pub(super) struct Incarnations {
    own: BTreeMap<(HostId, u32), Incarnation>,
    /// The highest that any bearer of a name ever had.
    highest: BTreeMap<NodeName, Incarnation>,
    /// What an observer's run last knew of a living member.
    known: BTreeMap<(HostId, u32, NodeName), Incarnation>,
}

impl Checker for Incarnations {
    fn name(&self) -> &'static str {
        "incarnations never go back, and only their owner raises them"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let (What::Handled, Some(process)) = (&seen.what, world.host(seen.host).process()) else {
            return Ok(());
        };
        let node = process.serf.membership().local();
        let now = node.incarnation;
        let last = self.own.insert((seen.host, process.run), now).unwrap_or_default();
        if now < last {
            let who = who(world, seen.host);
            return Err(format!("{who} went from incarnation {} to {}", last.0, now.0));
        }
        if now != last {
            let highest = self.highest.entry(node.name.clone()).or_default();
            *highest = now.max(*highest);
        }
        Ok(())
    }

    fn sample(&mut self, world: &World, _deeds: &Deeds) -> Verdict {
        for host in world.host_ids() {
            let Some(process) = world.host(host).process() else { continue };
            for node in process.serf.membership().nodes() {
                let highest = self.highest.get(&node.name).copied().unwrap_or_default();
                if node.incarnation > highest {
                    let (who, seen) = (who(world, host), node.incarnation.0);
                    let name = &node.name;
                    return Err(format!("{who} knows {name}@{seen}, which it never was"));
                }
                let key = (host, process.run, node.name.clone());
                if !node.is_live() {
                    // Its record may be forgotten and begin anew.
                    self.known.remove(&key);
                    continue;
                }
                let last = self.known.insert(key, node.incarnation).unwrap_or_default();
                if node.incarnation < last {
                    let (who, name) = (who(world, host), &node.name);
                    let (from, to) = (last.0, node.incarnation.0);
                    return Err(format!("{who} went from {name}@{from} to {name}@{to}"));
                }
            }
        }
        Ok(())
    }
}
