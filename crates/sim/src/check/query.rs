//! A query is answered at most once per node.

use std::collections::BTreeSet;

use serf::{Event, QueryId, QueryProgress};
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
}

impl Checker for Queries {
    fn name(&self) -> &'static str {
        "a query is answered at most once per node"
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
            What::Progress(query, progress) => {
                if self.over.contains(&(host, run, *query)) {
                    return Err(format!("{}: {progress:?} after the end", who(world, host)));
                }
                let (from, is_ack) = match progress {
                    QueryProgress::Ack { from } => (from, true),
                    QueryProgress::Response { from, .. } => (from, false),
                    QueryProgress::Done => {
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
}
