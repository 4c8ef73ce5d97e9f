//! What must hold of every world at every step, one file each.

mod death;
mod event;
mod exchange;
mod filter;
mod holder;
mod incarnation;
mod intact;
mod lamport;
mod late_event;
mod leave;
mod memory;
mod opaque;
mod peer;
mod probe;
mod query;
mod queue;
mod record;
mod refute;
mod resurrection;
mod vote;

pub(crate) mod agreement;
pub(crate) mod counts;

use serf::{Member, MemberStatus};
use wire::NodeName;

use crate::action::Deeds;
use crate::observation::Observation;
use crate::world::World;

pub use counts::Counts;
pub(crate) use counts::counters;
pub(crate) use holder::{meeting_bound, one_holder, takeover_bound};
pub use refute::{agreement_bound, refute_bound};
pub(crate) use refute::{crowd_bound, scaled_push_pull};

/// What a checker says: fine, or in words what is wrong.
pub(crate) type Verdict = Result<(), String>;

/// Watches a world for one thing that must never happen.
pub(crate) trait Checker {
    /// What must hold, in a few words.
    fn name(&self) -> &'static str;

    /// Looks at something that has just happened.
    fn see(&mut self, _world: &World, _deeds: &Deeds, _seen: &Observation) -> Verdict {
        Ok(())
    }

    /// Looks at the whole world, once a second: for those that compare several hosts.
    fn sample(&mut self, _world: &World, _deeds: &Deeds) -> Verdict {
        Ok(())
    }
}

/// Something that must never happen has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: &'static str,
    /// What happened.
    pub what: String,
    /// When.
    pub at: gossip::Time,
}

/// All checkers of a run.
pub(crate) struct Checks(Vec<Box<dyn Checker>>);

impl Checks {
    pub(crate) fn new() -> Self {
        Checks(vec![
            Box::new(incarnation::Incarnations::default()),
            Box::new(resurrection::Resurrections::default()),
            Box::new(refute::Refutes::default()),
            Box::new(lamport::LamportClocks::default()),
            Box::new(event::Events::default()),
            Box::new(late_event::LateEvents::default()),
            Box::new(query::Queries::default()),
            Box::new(filter::Filters::default()),
            Box::new(queue::Queues),
            Box::new(memory::Memory::default()),
            Box::new(death::Deaths::default()),
            Box::new(intact::Intact::default()),
            Box::new(probe::Probes::default()),
            Box::new(exchange::Exchanges::default()),
            Box::new(record::Records::default()),
            Box::new(leave::Leaves::default()),
            Box::new(vote::Votes::default()),
            Box::new(opaque::Opaque),
            Box::new(peer::Peers),
            Box::new(holder::Holders::default()),
        ])
    }

    pub(crate) fn see(
        &mut self,
        world: &World,
        deeds: &Deeds,
        seen: &[Observation],
    ) -> Result<(), Violation> {
        for observation in seen {
            for checker in &mut self.0 {
                let verdict = checker.see(world, deeds, observation);
                verdict.map_err(|what| violation(checker.name(), what, world))?;
            }
        }
        Ok(())
    }

    pub(crate) fn sample(&mut self, world: &World, deeds: &Deeds) -> Result<(), Violation> {
        for checker in &mut self.0 {
            let verdict = checker.sample(world, deeds);
            verdict.map_err(|what| violation(checker.name(), what, world))?;
        }
        Ok(())
    }
}

pub(crate) fn violation(rule: &'static str, what: String, world: &World) -> Violation {
    Violation { rule, what, at: world.now() }
}

/// Whether somebody takes a member for failed or left.
fn is_gone(member: &Member) -> bool {
    matches!(member.status, MemberStatus::Failed | MemberStatus::Left)
}

/// Whether it is the very name, not another one of the same letters: asked for every member at
/// every step.
fn is_same(a: &NodeName, b: &NodeName) -> bool {
    std::ptr::eq(a.as_str(), b.as_str())
}

/// A host's name and number: names are not unique.
pub(crate) fn who(world: &World, host: crate::HostId) -> String {
    format!("{} (host {})", world.host(host).name, host.0)
}
