//! A live member that can be reached is never dead for longer than the refute bound.
//!
//! The bounds are derived in `docs/simulator.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::Time;
use serf::{Config, Member};
use wire::NodeName;

use super::{Checker, Verdict, is_gone, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::Observation;
use crate::world::World;

/// Since when an observer, undisturbed, has been wrong about a member.
#[derive(Debug, Default)]
pub(super) struct Refutes {
    wrong_since: BTreeMap<(HostId, HostId), Time>,
}

/// Between exchanges of whole states in a cluster of that many members (specification A15).
pub(crate) fn scaled_push_pull(config: &Config, members: usize) -> Duration {
    let doublings = ((members as f64).log2() - 5.0).ceil().max(0.0);
    config.gossip.push_pull_interval * (doublings as u32 + 1)
}

/// The longest suspicion in a cluster of that many members (specification A12).
pub(crate) fn longest_suspicion(config: &Config, members: usize) -> Duration {
    let gossip = &config.gossip;
    let scale = (members.max(1) as f64).log10().max(1.0);
    let shortest = gossip.probe_interval.mul_f64(scale) * gossip.suspicion_mult;
    shortest * gossip.suspicion_max_timeout_mult
}

/// The time for a message to reach everybody by ticks alone: the sends that it has.
pub(crate) fn dissemination(config: &Config, members: usize) -> Duration {
    let digits = (members as f64 + 1.0).log10().ceil() as u32;
    config.gossip.gossip_interval * config.gossip.retransmit_mult * digits
}

/// For how long a live member that can be reached may be dead to somebody.
pub fn refute_bound(config: &Config, members: usize) -> Duration {
    scaled_push_pull(config, members) * 2
        + config.reconnect_interval * 3
        + config.gossip.tcp_timeout
        + dissemination(config, members)
}

/// Within this time after everything has healed all live members agree.
pub fn agreement_bound(config: &Config, members: usize) -> Duration {
    (scaled_push_pull(config, members) + longest_suspicion(config, members)) * 3
}

/// Within this time after the last start, or after the end of what stood in the way, everybody in
/// a crowd that no partition has met knows of everybody: two dials that fail, and the settling
/// exchanges between. The periodic exchanges, which are minutes apart in such a table, are not
/// waited for.
pub(crate) fn crowd_bound(config: &Config) -> Duration {
    config.gossip.tcp_timeout * 2 + Duration::from_secs(20)
}

impl Checker for Refutes {
    fn name(&self) -> &'static str {
        "a live member that can be reached is not dead for longer than the refute bound"
    }

    fn see(&mut self, _world: &World, _deeds: &Deeds, _seen: &Observation) -> Verdict {
        Ok(())
    }

    fn sample(&mut self, world: &World, _deeds: &Deeds) -> Verdict {
        let now = world.now();
        let mut hosts: BTreeMap<&NodeName, Vec<HostId>> = BTreeMap::new();
        for id in world.host_ids() {
            hosts.entry(&world.host(id).name).or_default().push(id);
        }
        // Members of one name are left out: only one can be right about it.
        let bearer = |member: &Member| match hosts.get(&member.name).map(Vec::as_slice) {
            Some([subject]) => Some(*subject),
            _ => None,
        };
        let calm = world.network.weather.loss <= 0.05;
        let mut wrong_since = BTreeMap::new();
        for observer in world.host_ids().filter(|_| calm) {
            let Some(serf) = world.host(observer).active(now) else { continue };
            for member in serf.members().filter(|member| is_gone(member)) {
                let Some(subject) = bearer(member).filter(|subject| *subject != observer) else {
                    continue;
                };
                if !is_wrong(world, member, observer, subject) {
                    continue;
                }
                let pair = (observer, subject);
                let since = self.wrong_since.get(&pair).copied().unwrap_or(now);
                wrong_since.insert(pair, since);
                let bound = refute_bound(&world.host(observer).config, world.hosts().len());
                if now.since(since) > bound {
                    let (observer, subject) = (who(world, observer), who(world, subject));
                    return Err(format!("{observer} takes {subject} for dead since {bound:?}"));
                }
            }
        }
        self.wrong_since = wrong_since;
        Ok(())
    }
}

/// Whether that member, dead or gone to `observer`, runs undisturbed at the address that it knows,
/// reaches it and hears it.
fn is_wrong(world: &World, member: &Member, observer: HostId, subject: HostId) -> bool {
    let now = world.now();
    let host = world.host(subject);
    if host.active(now).is_none() || !world.network.is_clear(observer, subject) {
        return false;
    }
    let disturbed = [observer, subject].iter().any(|id| {
        let host = world.host(*id);
        !host.work.is_zero() || host.disturbed_at > now || host.free_at() > now
    });
    let understood = world.understand(observer, subject) && world.understand(subject, observer);
    let same_place = member.socket_address() == Some(std::net::SocketAddr::V4(host.address));
    !disturbed && understood && same_place
}
