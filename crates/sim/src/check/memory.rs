//! Memory is O(members), plus what is on its way at the moment.

use std::collections::BTreeSet;

use wire::NodeName;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::world::World;

/// Counts what members remember.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// All that hosts have ever had: renamed ones have several.
    names: BTreeSet<NodeName>,
}

/// Things remembered of one name: a record in either table, a queued broadcast of either, an
/// intent, two certificates, a coordinate, a probe or exchange.
const PER_NAME: usize = 10;
/// Relays, streams and open queries at one time.
const AT_A_TIME: usize = 100;

impl Checker for Memory {
    fn name(&self) -> &'static str {
        "memory is O(members)"
    }

    fn sample(&mut self, world: &World, deeds: &Deeds) -> Verdict {
        self.names.extend(world.hosts().iter().map(|host| host.name.clone()));
        let work = (deeds.events + 4 * deeds.queries + deeds.future_events) as usize;
        let bound = PER_NAME * self.names.len() + AT_A_TIME + work;
        for host in world.host_ids() {
            let Some(serf) = world.host(host).serf() else { continue };
            let held = serf.held_items();
            if held > bound {
                let who = who(world, host);
                return Err(format!("{who} remembers {held} things, more than {bound}"));
            }
        }
        Ok(())
    }
}
