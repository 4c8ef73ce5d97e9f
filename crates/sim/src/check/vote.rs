//! A member keeps its name only by a majority of votes; no votes are none.

use serf::Fact;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::observation::{Observation, What};
use crate::world::World;

/// Counts again.
#[derive(Debug)]
pub(super) struct Votes;

impl Checker for Votes {
    fn name(&self) -> &'static str {
        "a name is kept only by a majority of votes"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let What::Fact(Fact::ConflictVote { matching, responses, kept }) = &seen.what else {
            return Ok(());
        };
        if *kept != (*matching > responses / 2) {
            let who = who(world, seen.host);
            return Err(format!("{who}: {matching} of {responses} votes, kept: {kept}"));
        }
        Ok(())
    }
}
