//! Incarnations never go back, and only their owner raises them.

use std::collections::BTreeMap;

use gossip::Node;
use wire::{Incarnation, NodeName};

use super::{Checker, Verdict, is_same, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// The incarnations seen so far.
#[derive(Debug, Default)]
pub(super) struct Incarnations {
    own: BTreeMap<(HostId, u32), Incarnation>,
    /// The highest that any bearer of a name ever had.
    highest: BTreeMap<NodeName, Incarnation>,
    /// The node tables, in their order, as they were after the last step of each host.
    known: BTreeMap<HostId, (u32, Vec<Row>)>,
}

/// A member, its incarnation, and whether it was taken for alive.
type Row = (NodeName, Incarnation, bool);

impl Checker for Incarnations {
    fn name(&self) -> &'static str {
        "incarnations never go back, and only their owner raises them"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        let (What::Handled, Some(process)) = (&seen.what, world.host(seen.host).process()) else {
            return Ok(());
        };
        let membership = process.serf.membership();
        let node = membership.local();
        let now = node.incarnation;
        let last = self.own.insert((seen.host, process.run), now).unwrap_or_default();
        if now < last {
            let who = who(world, seen.host);
            return Err(format!("{who} went from incarnation {} to {}", last.0, now.0));
        }
        if now != last {
            let highest = self.highest.entry(node.name.clone()).or_default();
            *highest = now.max(*highest);
        }
        let (run, rows) = self.known.entry(seen.host).or_default();
        if *run != process.run {
            (*run, *rows) = (process.run, Vec::new());
        }
        let (before, after) = differences(rows, membership.nodes());
        went_on(&self.highest, &before, &after)
            .map_err(|what| format!("{} {what}", who(world, seen.host)))
    }
}

/// Makes the rows those of the table, and says which they were, and are, at the places where they
/// differ: who is at the same place in both is at no other place.
fn differences<'a>(
    rows: &mut Vec<Row>,
    table: impl Iterator<Item = &'a Node>,
) -> (Vec<Row>, Vec<Row>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut count = 0;
    for node in table {
        let row = || (node.name.clone(), node.incarnation, node.is_live());
        match rows.get_mut(count) {
            Some(old) if is_row(old, node) => {}
            Some(old) => {
                after.push(row());
                before.push(std::mem::replace(old, row()));
            }
            None => {
                after.push(row());
                rows.push(row());
            }
        }
        count += 1;
    }
    before.extend(rows.drain(count..));
    (before, after)
}

fn is_row((name, incarnation, lives): &Row, node: &Node) -> bool {
    is_same(name, &node.name) && (*incarnation, *lives) == (node.incarnation, node.is_live())
}

/// Whether a table may have become another by one step.
fn went_on(highest: &BTreeMap<NodeName, Incarnation>, before: &[Row], after: &[Row]) -> Verdict {
    // Only the record of one that is gone may be forgotten and begin anew.
    let living = before.iter().filter(|(.., lives)| *lives);
    let living: BTreeMap<&NodeName, Incarnation> =
        living.map(|(name, incarnation, _)| (name, *incarnation)).collect();
    for (name, Incarnation(now), _) in after {
        if *now > highest.get(name).copied().unwrap_or_default().0 {
            return Err(format!("knows {name}@{now}, which it never was"));
        }
        if let Some(Incarnation(last)) = living.get(name)
            && now < last
        {
            return Err(format!("went from {name}@{last} to {name}@{now}"));
        }
    }
    Ok(())
}
