//! Memory is O(members), plus what is on its way at the moment.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gossip::Time;
use wire::NodeName;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::observation::{Observation, What};
use crate::world::World;

/// Counts what members remember.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Until when (by the world's clock) names may be remembered: those of hosts for ever, those
    /// that were given up until their time is over.
    names: BTreeMap<NodeName, Option<Time>>,
    /// The queries so far, and what was asked when of late.
    queries: u64,
    recent: VecDeque<(Time, u64)>,
}

/// Things remembered of one name: a record in either table, a queued broadcast of either, an
/// intent, two certificates, a coordinate, a probe or exchange.
const PER_NAME: usize = 10;
/// Relays, streams and open queries at one time.
const AT_A_TIME: usize = 100;
/// Things remembered of a query while it is open: at most two where it was asked, one elsewhere,
/// and the answers under way.
const PER_QUERY: usize = 4;
/// For so long a query may be open, with clocks that are off and answers that are late.
const QUERY: Duration = Duration::from_secs(60);

impl Checker for Memory {
    fn name(&self) -> &'static str {
        "memory is O(members)"
    }

    fn see(&mut self, world: &World, deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = world.host(seen.host);
        let (What::Handled, Some(serf)) = (&seen.what, host.serf()) else { return Ok(()) };
        let numbers = serf.statistics();
        // What waits for somebody to hear it; that it drains is looked at in the end.
        let waiting = numbers.event_queue + numbers.query_queue;
        let held = serf.held_items() - waiting;
        let just_now = deeds.tally.queries - self.queries;
        let open: u64 = self.recent.iter().map(|(_, queries)| queries).sum();
        let open = PER_QUERY * (open + just_now) as usize;
        let names = self.names.len().max(world.hosts().len());
        let bound = PER_NAME * names + AT_A_TIME + open;
        if held > bound {
            let who = who(world, seen.host);
            return Err(format!("{who} remembers {held} things, more than {bound}"));
        }
        Ok(())
    }

    fn sample(&mut self, world: &World, deeds: &Deeds) -> Verdict {
        let now = world.now();
        let config = &world.hosts()[0].config;
        let forgotten = config.reconnect_timeout.max(config.tombstone_timeout)
            + config.tombstone_timeout
            + config.reap_interval * 2;
        for (name, until) in &mut self.names {
            let is_borne = world.hosts().iter().any(|host| host.name == *name);
            *until = if is_borne { None } else { until.or(Some(now + forgotten)) };
        }
        self.names.retain(|_, until| until.is_none_or(|until| now < until));
        for host in world.hosts() {
            self.names.entry(host.name.clone()).or_default();
        }
        let asked = deeds.tally.queries - self.queries;
        self.queries = deeds.tally.queries;
        self.recent.push_back((now, asked));
        self.recent.retain(|(at, _)| now.since(*at) < QUERY);
        Ok(())
    }
}
