//! Nobody is declared dead before a suspicion has run its shortest time, and nobody's word shortens
//! a suspicion twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serf::{Config, Fact};
use wire::{Incarnation, NodeName};

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// Suspicions, and the verdicts given so far: one may come back to a judge that has forgotten it.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    verdicts: BTreeSet<(NodeName, NodeName, Incarnation)>,
    /// The last suspicion of every judge against every accused.
    suspicions: BTreeMap<(HostId, NodeName), Suspicion>,
    /// How many each host took for living after its last step.
    living: BTreeMap<HostId, usize>,
}

#[derive(Debug)]
struct Suspicion {
    shortest: Duration,
    accusers: BTreeSet<NodeName>,
}

/// The shortest suspicion in a table of so many members or more (specification A12).
fn shortest(config: &Config, members: usize) -> Duration {
    let scale = (members.max(1) as f64).log10().max(1.0);
    // Counted in thousandths.
    let scale = (scale * 1000.0).floor() / 1000.0;
    config.gossip.probe_interval.mul_f64(scale) * config.gossip.suspicion_mult
}

impl Checker for Deaths {
    fn name(&self) -> &'static str {
        "nobody is declared dead before a suspicion has run"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        use gossip::Fact as Gossip;
        let host = world.host(seen.host);
        let Some(serf) = host.serf() else { return Ok(()) };
        let fact = match &seen.what {
            What::Handled => {
                self.living.insert(seen.host, serf.membership().live_count());
                return Ok(());
            }
            What::Fact(Fact::Gossip(fact)) => fact,
            _ => return Ok(()),
        };
        match fact {
            Gossip::Suspected { node, by, .. } => {
                // The table has at least as many, and the step may have changed it.
                let before = self.living.get(&seen.host).copied().unwrap_or_default();
                let shortest = shortest(&host.config, before.min(serf.membership().live_count()));
                let accusers = BTreeSet::from([by.clone()]);
                let suspicion = Suspicion { shortest, accusers };
                self.suspicions.insert((seen.host, node.clone()), suspicion);
            }
            Gossip::Confirmed { node, by, .. } => {
                let suspicion = self.suspicions.get_mut(&(seen.host, node.clone()));
                if suspicion.is_none_or(|suspicion| !suspicion.accusers.insert(by.clone())) {
                    let who = who(world, seen.host);
                    return Err(format!("{who} counts the word of {by} against {node} twice"));
                }
            }
            // What others say is their verdict, and was looked at there.
            Gossip::Died { node, incarnation, by, suspected_for } if *by == host.name => {
                let suspicion = self.suspicions.get(&(seen.host, node.clone()));
                let shortest = suspicion.map_or(shortest(&host.config, 1), |s| s.shortest);
                let verdict = (by.clone(), node.clone(), *incarnation);
                if suspected_for.is_some_and(|suspected| suspected >= shortest) {
                    self.verdicts.insert(verdict);
                } else if !self.verdicts.contains(&verdict) {
                    let who = who(world, seen.host);
                    return Err(format!("{who} declared {node} dead after {suspected_for:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
