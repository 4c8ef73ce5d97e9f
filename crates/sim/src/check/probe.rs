//! Probes keep their number and their times, and acks carry only the own coordinate.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::Time;
use wire::SequenceNumber;
use wire::message::gossip::{Ack, Message, Ping, StreamMessage};

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::trace;
use crate::world::World;

/// The last pings of every host: whom they asked, and when by its clock.
#[derive(Debug, Default)]
pub(super) struct Probes(BTreeMap<HostId, BTreeMap<SequenceNumber, (String, Time)>>);

/// Pings of a host that are remembered.
const PINGS: usize = 64;
/// The wait for a direct answer may end this late.
const TOLERANCE: Duration = Duration::from_millis(5);

impl Checker for Probes {
    fn name(&self) -> &'static str {
        "probes keep their number and times, acks carry the own coordinate"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        match &seen.what {
            What::Began => {
                self.0.remove(&seen.host);
                Ok(())
            }
            What::Sent { body, .. } => {
                for message in trace::messages(body) {
                    match message {
                        Message::Ping(ping) => self.note(world, seen.host, &ping),
                        Message::IndirectPing(ask) => {
                            let (number, node) = (ask.sequence_number, &ask.node);
                            self.helpers_asked(world, seen.host, number, node)?;
                        }
                        Message::Ack(ack) => answers(world, seen.host, &ack)?,
                        _ => {}
                    }
                }
                Ok(())
            }
            What::Dialled { message: StreamMessage::Ping(ping), .. } => {
                self.helpers_asked(world, seen.host, ping.sequence_number, &ping.node)
            }
            _ => Ok(()),
        }
    }
}

impl Probes {
    fn note(&mut self, world: &World, host: HostId, ping: &Ping) {
        let pings = self.0.entry(host).or_default();
        pings.insert(ping.sequence_number, (ping.node.clone(), world.local_time(host)));
        if pings.len() > PINGS {
            pings.pop_first();
        }
    }

    /// The second stage of a probe: of the same number, when the wait for the first is over.
    fn helpers_asked(
        &self,
        world: &World,
        host: HostId,
        number: SequenceNumber,
        node: &str,
    ) -> Verdict {
        let ping = self.0.get(&host).and_then(|pings| pings.get(&number));
        let Some((_, sent)) = ping.filter(|(asked, _)| asked == node) else {
            let who = who(world, host);
            return Err(format!("{who} asks helpers about {node} with number {}", number.0));
        };
        let waited = world.local_time(host).since(*sent);
        let timeout = world.host(host).config.gossip.probe_timeout;
        // Whoever is slow or stands still is late, and may put its verdict off.
        let busy = !world.host(host).work.is_zero()
            || world.now().since(world.host(host).disturbed_at) < timeout * 4
            || world.host(host).disturbed_at > world.now();
        if !busy && (waited + TOLERANCE < timeout || waited > timeout + TOLERANCE) {
            let who = who(world, host);
            return Err(format!("{who} waited {waited:?} for the direct answer of {node}"));
        }
        Ok(())
    }
}

fn answers(world: &World, host: HostId, ack: &Ack) -> Verdict {
    let Some(payload) = &ack.payload else { return Ok(()) };
    let Some(serf) = world.host(host).serf() else { return Ok(()) };
    let own = serf.coordinate(world.host(host).name.as_str());
    if own.is_none_or(|own| own.to_payload() != payload) {
        let (who, number) = (who(world, host), ack.sequence_number.0);
        return Err(format!("the ack {number} of {who} carries another's coordinate"));
    }
    Ok(())
}
