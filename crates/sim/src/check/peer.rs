//! Nothing is sent that its receiver, or a peer of unknown age, could not read.

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::Habits;
use crate::observation::{Observation, What};
use crate::old_agent;
use crate::world::World;

/// Reads what is sent as its receiver would.
#[derive(Debug)]
pub(super) struct Peers;

impl Checker for Peers {
    fn name(&self) -> &'static str {
        "nothing is sent that its receiver could not read"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let What::Sent { to, body, crc, .. } = &seen.what else { return Ok(()) };
        let habits = to.map(|to| world.host(to).habits);
        let why = match habits {
            Some(Habits::NoChecksums) if *crc => Some("a checksum"),
            Some(Habits::OldAgent) => old_agent::unreadable(body),
            _ => old_agent::parts(body)
                .is_some_and(|parts| parts.len() > 127)
                .then_some("a compound of more than 127 parts"),
        };
        match why {
            Some(why) => Err(format!("{} sent {why}", who(world, seen.host))),
            None => Ok(()),
        }
    }
}
