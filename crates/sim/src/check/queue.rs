//! The broadcast queue holds at most one slot per subject.

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::observation::{Observation, What};
use crate::world::World;

/// Looks into the queue of whoever has done something.
#[derive(Debug)]
pub(super) struct Queues;

impl Checker for Queues {
    fn name(&self) -> &'static str {
        "the broadcast queue holds at most one slot per subject"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let (What::Handled, Some(serf)) = (&seen.what, world.host(seen.host).serf()) else {
            return Ok(());
        };
        match serf.membership().twice_queued() {
            Some(node) => Err(format!("{} has two broadcasts about {node}", who(world, seen.host))),
            None => Ok(()),
        }
    }
}
