//! Serf messages are passed on as they came: fields that nobody knows survive.

use wire::message::gossip::kind;

use super::{Checker, Verdict, who};
use crate::action::{Deeds, FUTURE, FUTURE_FIELD};
use crate::observation::{Observation, What};
use crate::old_agent;
use crate::world::World;

/// Looks for events of members of a later version.
#[derive(Debug)]
pub(super) struct Opaque;

impl Checker for Opaque {
    fn name(&self) -> &'static str {
        "messages are passed on as they came"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let What::Sent { body, .. } = &seen.what else { return Ok(()) };
        let holds = |part: &[u8], text: &str| {
            part.windows(text.len()).any(|window| window == text.as_bytes())
        };
        let user = |part: &&&[u8]| part.first() == Some(&kind::USER);
        let parts = old_agent::parts(body).unwrap_or_default();
        let changed =
            parts.iter().filter(user).any(|p| holds(p, FUTURE) && !holds(p, FUTURE_FIELD));
        if changed {
            return Err(format!("{} changed an event on its way", who(world, seen.host)));
        }
        Ok(())
    }
}
