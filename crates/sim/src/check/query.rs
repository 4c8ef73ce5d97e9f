//! A query is answered at most once per node, and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip::Time;
use serf::{Event, Outcome, QueryId, QueryProgress};
use wire::NodeName;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// The queries that every run was given, and the answers that it got.
#[derive(Debug, Default)]
pub(super) struct Queries {
    given: BTreeSet<(HostId, u32, QueryId)>,
    answers: BTreeSet<(HostId, u32, QueryId, NodeName, bool)>,
    over: BTreeSet<(HostId, u32, QueryId)>,
    /// Those that somebody waits for, and since when (by the world's clock).
    open: BTreeMap<(HostId, u32, QueryId), Time>,
}

/// For so long a query may be open, with clocks that are off.
const LONGEST: Duration = Duration::from_secs(60);

impl Checker for Queries {
    fn name(&self) -> &'static str {
        "a query is answered at most once per node, and ends"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = seen.host;
        let Some(run) = world.host(host).process().map(|process| process.run) else {
            return Ok(());
        };
        match &seen.what {
            What::Event(Event::Query { query, name, .. })
                if !self.given.insert((host, run, *query)) =>
            {
                return Err(format!("{} was asked {name:?} twice", who(world, host)));
            }
            What::Done(_, Outcome::QuerySent { query }) => {
                self.open.insert((host, run, *query), world.now());
            }
            What::Progress(query, progress) => {
                if self.over.contains(&(host, run, *query)) {
                    return Err(format!("{}: {progress:?} after the end", who(world, host)));
                }
                let (from, is_ack) = match progress {
                    QueryProgress::Ack { from } => (from, true),
                    QueryProgress::Response { from, .. } => (from, false),
                    QueryProgress::Done => {
                        self.open.remove(&(host, run, *query));
                        self.over.insert((host, run, *query));
                        return Ok(());
                    }
                };
                if !self.answers.insert((host, run, *query, from.clone(), is_ack)) {
                    return Err(format!("{}: {progress:?} twice", who(world, host)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn sample(&mut self, world: &World, _deeds: &Deeds) -> Verdict {
        let now = world.now();
        let runs = |id: HostId| world.host(id).process().map(|process| process.run);
        self.open.retain(|(host, run, _), _| runs(*host) == Some(*run));
        for ((id, _, query), since) in &self.open {
            let host = world.host(*id);
            let awake = host.active(now).is_some() && host.work.is_zero();
            if awake && now.since((*since).max(host.disturbed_at)) > LONGEST {
                let who = who(world, *id);
                return Err(format!("{who}: query {} never ends", query.lamport_time));
            }
        }
        Ok(())
    }
}
