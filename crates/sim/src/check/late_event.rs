//! Whoever joins without wanting old events gets none from before its join.

use std::collections::BTreeMap;

use serf::Event;
use wire::LamportTime;
use wire::message::gossip::StreamMessage;
use wire::message::serf::SerfMessage;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// From which event time on a run wants events.
#[derive(Debug, Default)]
pub(super) struct LateEvents(BTreeMap<(HostId, u32), LamportTime>);

impl Checker for LateEvents {
    fn name(&self) -> &'static str {
        "who joins without wanting old events gets none from before"
    }

    fn see(&mut self, world: &World, deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = world.host(seen.host);
        let Some(process) = host.process() else { return Ok(()) };
        let key = (seen.host, process.run);
        match &seen.what {
            // Without a snapshot the first answer to a join is that of the operator's join, if
            // there is one under way: attempts to reach the failed are joins, too.
            What::Answered { message: StreamMessage::PushPull(state), .. }
                if state.join
                    && !host.snapshot
                    && host.is_joining()
                    && !self.0.contains_key(&key)
                    && deeds.ignoring.get(&key) == Some(&true) =>
            {
                if let Ok(SerfMessage::PushPull(state)) = SerfMessage::decode(&state.user_state) {
                    self.0.insert(key, state.event_lamport_time);
                }
            }
            What::Event(Event::User { lamport_time, name, coalesce: false, .. })
                if self.0.get(&key).is_some_and(|minimum| lamport_time < minimum) =>
            {
                let who = who(world, seen.host);
                return Err(format!("{who} was given {name:?} t{lamport_time}"));
            }
            _ => {}
        }
        Ok(())
    }
}
