//! Nobody is resurrected by a third party past its death certificate.

use std::collections::BTreeMap;

use gossip::Time;
use serf::{Fact, MemberEventKind};
use wire::{Incarnation, NodeName};

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// The death certificates that hosts hold.
#[derive(Debug, Default)]
pub(super) struct Resurrections {
    certified: BTreeMap<(HostId, u32, NodeName), (Incarnation, Time)>,
}

impl Checker for Resurrections {
    fn name(&self) -> &'static str {
        "nobody is resurrected by a third party past its death certificate"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let What::Fact(fact) = &seen.what else { return Ok(()) };
        let host = world.host(seen.host);
        let Some(process) = host.process() else { return Ok(()) };
        let key = |name: &NodeName| (seen.host, process.run, name.clone());
        match fact {
            Fact::Certified { node, incarnation } => {
                let until = world.local_time(seen.host) + host.config.tombstone_timeout;
                self.certified.insert(key(node), (*incarnation, until));
            }
            Fact::Member { kind: MemberEventKind::Join, name, .. } => {
                let Some((certified, until)) = self.certified.remove(&key(name)) else {
                    return Ok(());
                };
                let claimed = process.serf.membership().node(name.as_str());
                let claimed = claimed.map(|node| node.incarnation).unwrap_or_default();
                let itself = world.hosts().iter().any(|h| h.name == *name && h.serf().is_some());
                if !itself && claimed <= certified && world.local_time(seen.host) < until {
                    let (who, claimed, certified) = (who(world, seen.host), claimed.0, certified.0);
                    return Err(format!(
                        "{who} took in {name}@{claimed}, which runs nowhere, \
                         with a certificate up to @{certified}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
