//! The broadcast queue holds at most one slot per subject.

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::world::World;

/// Looks into all queues.
#[derive(Debug)]
pub(super) struct Queues;

impl Checker for Queues {
    fn name(&self) -> &'static str {
        "the broadcast queue holds at most one slot per subject"
    }

    fn sample(&mut self, world: &World, _deeds: &Deeds) -> Verdict {
        for host in world.host_ids() {
            let Some(serf) = world.host(host).serf() else { continue };
            if let Some(node) = serf.membership().twice_queued() {
                return Err(format!("{} has two broadcasts about {node}", who(world, host)));
            }
        }
        Ok(())
    }
}
