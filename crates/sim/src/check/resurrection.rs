//! Nobody is resurrected by a third party past its death certificate.

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// When members ended last.
    ended: BTreeMap<NodeName, Time>,
}

/// For how long what a member has said is on its way when it has ended.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

impl Checker for Resurrections {
    fn name(&self) -> &'static str {
        "nobody is resurrected by a third party past its death certificate"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = world.host(seen.host);
        if matches!(seen.what, What::Ended) {
            self.ended.insert(host.name.clone(), world.now());
        }
        let What::Fact(fact) = &seen.what else { return Ok(()) };
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
                let just_now = |ended: &Time| world.now().since(*ended) < ON_ITS_WAY;
                let itself = world.hosts().iter().any(|h| h.name == *name && h.serf().is_some())
                    || self.ended.get(name).is_some_and(just_now);
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
