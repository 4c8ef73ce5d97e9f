//! A member keeps its name only by a majority of votes; no votes are none. Who loses is gone.

use std::collections::BTreeSet;

use serf::Fact;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// Counts again, and remembers who has lost in the step that is going on.
#[derive(Debug, Default)]
pub(super) struct Votes(BTreeSet<HostId>);

impl Checker for Votes {
    fn name(&self) -> &'static str {
        "a name is kept only by a majority of votes"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        match &seen.what {
            What::Fact(Fact::ConflictVote { matching, responses, kept }) => {
                if *kept != (*matching > responses / 2) {
                    let who = who(world, seen.host);
                    return Err(format!("{who}: {matching} of {responses} votes, kept: {kept}"));
                }
                if !kept {
                    self.0.insert(seen.host);
                }
            }
            What::Ended => {
                self.0.remove(&seen.host);
            }
            What::Handled if self.0.remove(&seen.host) => {
                return Err(format!("{} goes on without its name", who(world, seen.host)));
            }
            _ => {}
        }
        Ok(())
    }
}
