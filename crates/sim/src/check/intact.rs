//! What arrives as it was sent, from a member of the same cluster, is understood.

use std::collections::BTreeMap;

use serf::Fact;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// From whom the datagram is that a host is dealing with, if it is as it was sent.
#[derive(Debug, Default)]
pub(super) struct Intact(BTreeMap<HostId, HostId>);

impl Checker for Intact {
    fn name(&self) -> &'static str {
        "what arrives as it was sent is understood"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        match &seen.what {
            What::Received { from, intact: true, .. } => {
                self.0.insert(seen.host, *from);
            }
            What::Fact(Fact::Gossip(gossip::Fact::PacketDropped { why, .. })) => {
                // Addresses change hands, and there are bounds.
                let excused = why.starts_with("ping for") || why.starts_with("too many");
                if let (Some(from), false) = (self.0.get(&seen.host), excused) {
                    let (to, from) = (who(world, seen.host), who(world, *from));
                    return Err(format!("{to} dropped a datagram of {from}: {why}"));
                }
            }
            What::Fact(Fact::MessageDropped { why, .. })
                if why.contains("cannot be read") && self.0.contains_key(&seen.host) =>
            {
                return Err(format!("{} dropped {why}", who(world, seen.host)));
            }
            What::Handled => {
                self.0.remove(&seen.host);
            }
            _ => {}
        }
        Ok(())
    }
}
