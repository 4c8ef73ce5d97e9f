//! Nobody is resurrected by a third party past its death certificate.
//!
//! Whoever comes back at or below the certified incarnation must have asked for it itself, by a
//! join, in the very step. A certificate is over once the member's own join intent of a later time
//! has come. A member that was erased while it was up never went for the layer below, and becomes
//! visible again by what others say of its intents.

use std::collections::BTreeMap;

use gossip::Time;
use serf::{Fact, MemberEventKind};
use wire::message::gossip::{Message, StreamMessage};
use wire::message::serf::SerfMessage;
use wire::{Incarnation, LamportTime, NodeName, Security, packet};

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// The death certificates that hosts hold.
#[derive(Debug, Default)]
pub(super) struct Resurrections {
    certified: BTreeMap<(HostId, u32), BTreeMap<NodeName, Certificate>>,
    /// Who has asked a host to join, in the step that is going on.
    asks: BTreeMap<HostId, HostId>,
}

#[derive(Debug)]
struct Certificate {
    incarnation: Incarnation,
    status_time: LamportTime,
    until: Time,
    /// Whether the layer below has had it as living all the time since.
    is_up: bool,
}

impl Checker for Resurrections {
    fn name(&self) -> &'static str {
        "nobody is resurrected by a third party past its death certificate"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = world.host(seen.host);
        let Some(process) = host.process() else { return Ok(()) };
        if matches!(seen.what, What::Began) {
            self.certified.retain(|(host, _), _| *host != seen.host);
        }
        let certified = self.certified.entry((seen.host, process.run)).or_default();
        match &seen.what {
            What::Received { bytes, .. } if !certified.is_empty() => {
                for (node, time) in join_intents(bytes, process.serf.security()) {
                    if certified.get(node.as_str()).is_some_and(|known| time > known.status_time) {
                        certified.remove(node.as_str());
                    }
                }
            }
            What::Asked { from, message: StreamMessage::PushPull(state), .. } if state.join => {
                self.asks.insert(seen.host, *from);
            }
            What::Handled => {
                self.asks.remove(&seen.host);
            }
            What::Fact(Fact::Certified { node, incarnation, status_time }) => {
                let below = process.serf.membership().node(node.as_str());
                let certificate = Certificate {
                    incarnation: *incarnation,
                    status_time: *status_time,
                    until: world.local_time(seen.host) + host.config.tombstone_timeout,
                    is_up: below.is_some_and(|node| node.is_live()),
                };
                certified.insert(node.clone(), certificate);
            }
            What::Fact(Fact::Gossip(
                gossip::Fact::Died { node, .. } | gossip::Fact::Left { node, .. },
            )) => {
                if let Some(certificate) = certified.get_mut(node) {
                    certificate.is_up = false;
                }
            }
            What::Fact(Fact::Member { kind: MemberEventKind::Join, name, .. }) => {
                let Some(certificate) = certified.remove(name) else {
                    return Ok(());
                };
                let claimed = process.serf.membership().node(name.as_str());
                let claimed = claimed.map(|node| node.incarnation).unwrap_or_default();
                let covered = claimed <= certificate.incarnation
                    && world.local_time(seen.host) < certificate.until;
                let asked = self.asks.get(&seen.host).map(|from| &world.host(*from).name);
                if covered && !certificate.is_up && asked != Some(name) {
                    let (who, certified) = (who(world, seen.host), certificate.incarnation.0);
                    let claimed = claimed.0;
                    return Err(format!(
                        "{who} took in {name}@{claimed} on the word of a third party, \
                         with a certificate up to @{certified}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The join intents in a datagram, with their times.
fn join_intents(bytes: &[u8], security: &Security) -> Vec<(NodeName, LamportTime)> {
    let mut intents = Vec::new();
    packet::open(bytes, security, |part| {
        if let Ok(Message::User(content)) = part
            && let Ok(SerfMessage::Join(intent)) = SerfMessage::decode(&content)
        {
            intents.push((intent.node, intent.lamport_time));
        }
    });
    intents
}
