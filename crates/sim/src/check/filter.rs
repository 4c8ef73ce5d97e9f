//! A query comes to those whom its filters name, and to nobody else.

use std::collections::BTreeMap;

use serf::{Event, Fact};

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// The queries taken in by the step that is going on, and how often they were delivered.
#[derive(Debug, Default)]
pub(super) struct Filters(BTreeMap<(HostId, String), (bool, usize)>);

impl Checker for Filters {
    fn name(&self) -> &'static str {
        "a query comes to those whom its filters name"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        match &seen.what {
            What::Fact(Fact::Query { name }) => {
                if let Some(expression) = expression(name) {
                    let role = world.host(seen.host).tags().get("role").cloned();
                    let wanted = matches(expression, &role.unwrap_or_default());
                    self.0.insert((seen.host, name.clone()), (wanted, 0));
                }
            }
            What::Event(Event::Query { name, .. }) => {
                if let Some((_, times)) = self.0.get_mut(&(seen.host, name.clone())) {
                    *times += 1;
                }
            }
            What::Handled => {
                for ((host, name), (wanted, times)) in std::mem::take(&mut self.0) {
                    if times != usize::from(wanted) {
                        let who = who(world, host);
                        return Err(format!("{who} was given {name:?} {times} times"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The filter that a query's name tells.
fn expression(name: &str) -> Option<&str> {
    let (number, expression) = name.strip_prefix('q')?.split_once('-')?;
    number.parse::<u64>().is_ok().then_some(expression)
}

/// What the few expressions that the stories use mean.
fn matches(expression: &str, value: &str) -> bool {
    if let Some(start) = expression.strip_prefix('^') {
        value.starts_with(start)
    } else if let Some(end) = expression.strip_suffix('$') {
        value.ends_with(end)
    } else {
        value.contains(expression)
    }
}
