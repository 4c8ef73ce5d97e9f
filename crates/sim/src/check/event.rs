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
    clocks: BTreeMap<(HostId, u32), LamportTime>,
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
                let before = self.clocks.get(&(seen.host, run)).copied().unwrap_or_default();
                let window = host.config.event_buffer as u64;
                if lamport_time.0 + window < before.0 {
                    let who = who(world, seen.host);
                    return Err(format!("{who} took {name:?} t{lamport_time} at t{before}"));
                }
            }
            What::Handled => {
                self.clocks.insert((seen.host, run), process.serf.statistics().event_time);
            }
            _ => {}
        }
        Ok(())
    }
}
