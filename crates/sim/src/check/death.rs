//! Nobody is declared dead before a suspicion has run its shortest time.

use std::collections::BTreeSet;

use serf::Fact;
use wire::{Incarnation, NodeName};

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::observation::{Observation, What};
use crate::world::World;

/// The verdicts given so far: one may come back to a judge that has forgotten it.
#[derive(Debug, Default)]
pub(super) struct Deaths(BTreeSet<(NodeName, NodeName, Incarnation)>);

impl Checker for Deaths {
    fn name(&self) -> &'static str {
        "nobody is declared dead before a suspicion has run"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let What::Fact(Fact::Gossip(gossip::Fact::Died { node, incarnation, by, suspected_for })) =
            &seen.what
        else {
            return Ok(());
        };
        let host = world.host(seen.host);
        // What others say is their verdict, and was looked at there.
        if *by != host.name {
            return Ok(());
        }
        let gossip = &host.config.gossip;
        let shortest = gossip.probe_interval * gossip.suspicion_mult;
        let verdict = (by.clone(), node.clone(), *incarnation);
        if suspected_for.is_some_and(|suspected| suspected >= shortest) {
            self.0.insert(verdict);
        } else if !self.0.contains(&verdict) {
            let who = who(world, seen.host);
            return Err(format!("{who} declared {node} dead after {suspected_for:?}"));
        }
        Ok(())
    }
}
