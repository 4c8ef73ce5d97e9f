//! After everything has healed: all live members agree, queues drain, clocks come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serf::{MemberStatus, Serf, Statistics};
use wire::NodeName;

use super::{Verdict, who};
use crate::host::{Habits, Host, HostId};
use crate::world::World;

/// The members that are to be taken for alive.
fn living(world: &World) -> Vec<(HostId, &Host, &Serf)> {
    world
        .host_ids()
        .filter_map(|id| {
            let host = world.host(id);
            Some((id, host, host.active(world.now())?))
        })
        .collect()
}

/// Whether all live members agree on who is alive, where, with which tags and in which
/// incarnation.
pub(crate) fn on_the_living(world: &World) -> Verdict {
    let living = living(world);
    let names: BTreeSet<&NodeName> = living.iter().map(|(_, host, _)| &host.name).collect();
    for (id, _, serf) in &living {
        for (_, host, other) in &living {
            agree_on(serf, host, other).map_err(|why| format!("{}: {why}", who(world, *id)))?;
        }
        let ghosts = serf.members().filter(|member| member.status == MemberStatus::Alive);
        if let Some(ghost) = ghosts.map(|ghost| &ghost.name).find(|name| !names.contains(name)) {
            return Err(format!("{} takes {ghost} for alive", who(world, *id)));
        }
    }
    Ok(())
}

/// Whether everybody but old agents, which have only exchanges, takes as many for alive as there
/// are.
pub(crate) fn views_are_whole(world: &World) -> Verdict {
    let living = living(world);
    let alive =
        |serf: &Serf| serf.members().filter(|member| member.status == MemberStatus::Alive).count();
    let lacking: Vec<(usize, HostId)> = (living.iter())
        .filter(|(_, host, _)| host.habits != Habits::OldAgent)
        .map(|(id, _, serf)| (alive(serf), *id))
        .filter(|(known, _)| *known != living.len())
        .collect();
    match lacking.iter().min() {
        None => Ok(()),
        Some((fewest, id)) => Err(format!(
            "{} of {} views are not whole; {} takes {fewest} for alive",
            lacking.len(),
            living.len(),
            who(world, *id)
        )),
    }
}

fn agree_on(observer: &Serf, host: &Host, subject: &Serf) -> Verdict {
    let name = &host.name;
    let Some(member) = observer.member(name.as_str()) else {
        return Err(format!("does not know {name}"));
    };
    if member.status != MemberStatus::Alive {
        return Err(format!("takes {name} for {}", member.status.as_str()));
    }
    if member.socket_address() != Some(SocketAddr::V4(host.address)) {
        return Err(format!("has {name} at {:?}", member.socket_address()));
    }
    if *member.tags != *subject.tags() {
        return Err(format!("has the tags {:?} of {name}", member.tags));
    }
    let own = subject.membership().local().incarnation;
    let known = observer.membership().node(name.as_str()).map(|node| node.incarnation);
    if known != Some(own) {
        return Err(format!("knows {name} as {known:?} instead of {own:?}"));
    }
    Ok(())
}

/// Whether all live members that remember a departed one agree on whether it has left or failed;
/// `left` are those of whom it is known.
pub(crate) fn on_the_departed(world: &World, left: &BTreeSet<NodeName>) -> Verdict {
    let living = living(world);
    let mut statuses: BTreeMap<NodeName, (MemberStatus, HostId)> = BTreeMap::new();
    for (id, _, serf) in &living {
        for member in serf.members().filter(|member| member.status != MemberStatus::Alive) {
            let name = &member.name;
            if left.contains(name) && member.status != MemberStatus::Left {
                let status = member.status.as_str();
                return Err(format!("{} takes {name}, which left, for {status}", who(world, *id)));
            }
            let (first, by) = *statuses.entry(name.clone()).or_insert((member.status, *id));
            if first != member.status {
                return Err(format!(
                    "{} takes {name} for {}, {} for {}",
                    who(world, *id),
                    member.status.as_str(),
                    who(world, by),
                    first.as_str()
                ));
            }
        }
    }
    Ok(())
}

/// Whether nothing is queued anywhere.
pub(crate) fn queues_are_empty(world: &World) -> Verdict {
    for (id, _, serf) in living(world) {
        let Statistics { intent_queue, event_queue, query_queue, .. } = serf.statistics();
        let membership = serf.membership().membership_queue_length();
        if intent_queue + event_queue + query_queue + membership > 0 {
            return Err(format!(
                "{} still has {membership} of the membership, {intent_queue} intents, \
                 {event_queue} events, {query_queue} queries to send",
                who(world, id)
            ));
        }
    }
    Ok(())
}

/// The Lamport clocks of all live members.
pub(crate) fn clocks(world: &World) -> BTreeMap<HostId, [u64; 3]> {
    let times =
        |numbers: Statistics| [numbers.member_time.0, numbers.event_time.0, numbers.query_time.0];
    living(world).into_iter().map(|(id, _, serf)| (id, times(serf.statistics()))).collect()
}

/// Whether the event clocks of all live members show the same.
pub(crate) fn on_the_time_of_events(world: &World) -> Verdict {
    let times: BTreeSet<u64> = clocks(world).values().map(|times| times[1]).collect();
    if times.len() > 1 { Err(format!("event clocks show {times:?}")) } else { Ok(()) }
}
