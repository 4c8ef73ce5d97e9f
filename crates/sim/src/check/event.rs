//! An event is delivered at most once per run of a node, and inside its window.

use std::collections::{BTreeMap, BTreeSet};

use serf::{Event, Fact};
use wire::LamportTime;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// The events that every run has taken in; their names are unique in a world.
#[derive(Debug, Default)]
pub(super) struct Events {
    taken: BTreeSet<(HostId, u32, String)>,
    /// The latest time of what was delivered. (The clock itself may show what a whole burst has
    /// made of it, whose observations are looked at together.)
    latest: BTreeMap<(HostId, u32), LamportTime>,
}

impl Checker for Events {
    fn name(&self) -> &'static str {
        "an event is delivered at most once per run, and inside its window"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = world.host(seen.host);
        let Some(process) = host.process() else { return Ok(()) };
        let run = process.run;
        match &seen.what {
            What::Fact(Fact::UserEvent { name })
                if !self.taken.insert((seen.host, run, name.clone())) =>
            {
                return Err(format!("{} took {name:?} twice", who(world, seen.host)));
            }
            What::Event(Event::User { lamport_time, name, coalesce: false, .. }) => {
                let latest = self.latest.entry((seen.host, run)).or_default();
                let window = host.config.event_buffer as u64;
                // The clock is at the time after it.
                if lamport_time.0 + window < latest.0 + 1 {
                    let who = who(world, seen.host);
                    return Err(format!("{who} took {name:?} t{lamport_time} after t{latest}"));
                }
                *latest = (*latest).max(*lamport_time);
            }
            _ => {}
        }
        Ok(())
    }
}
