//! Lamport clocks are monotone.

use std::collections::BTreeMap;

use wire::LamportTime;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// The clocks of every run, as last seen.
#[derive(Debug, Default)]
pub(super) struct LamportClocks(BTreeMap<(HostId, u32), [LamportTime; 3]>);

impl Checker for LamportClocks {
    fn name(&self) -> &'static str {
        "Lamport clocks are monotone"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let (What::Handled, Some(process)) = (&seen.what, world.host(seen.host).process()) else {
            return Ok(());
        };
        let numbers = process.serf.statistics();
        let now = [numbers.member_time, numbers.event_time, numbers.query_time];
        let last = self.0.insert((seen.host, process.run), now).unwrap_or_default();
        if now.iter().zip(last).any(|(now, last)| *now < last) {
            return Err(format!("{} went from {last:?} to {now:?}", who(world, seen.host)));
        }
        Ok(())
    }
}
