//! Which instances a prepared query has now.

use std::net::IpAddr;
use std::time::Duration;

use super::PreparedQuery;
use crate::check::Check;
use crate::instances::Health;
use crate::lookup::{Found, Instances};
use crate::name::{Pairs, folded, folded_cmp};
use crate::node::Node;
use crate::service::Tags;
use crate::state::Snapshot;

/// The node of the agent that is asked.
const OWN: &str = "_agent";
/// The node with the address of who asks.
const ASKER: &str = "_ip";
/// How deep the near node is looked for: sorted by distance it is never further behind.
const NEAR_DEPTH: usize = 10;

/// What a query found.
#[derive(Clone, Copy, Debug)]
pub struct QueryRun<'a> {
    /// What it has chosen from.
    pub instances: Instances<'a>,
    /// The other cluster that was asked last, and had nothing.
    pub peer: Option<&'a str>,
    /// How many other places were asked.
    pub failovers: u64,
}

/// An instance that a query has chosen.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    /// Its place in [`QueryRun::instances`].
    pub place: usize,
    /// How far it is.
    distance: Duration,
}

/// Who is told which instance is not chosen, and why.
pub type Passed<'f, 'a> = &'f mut dyn FnMut(&Found<'a>, Unfit<'a>);

/// Why an instance is not one that a query is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unfit<'a> {
    /// A check of it or of its node.
    Check(&'a Check),
    /// What its node's metadata says.
    NodeMeta,
    /// What its own metadata says.
    ServiceMeta,
    /// Its tags.
    Tags,
}

impl PreparedQuery {
    /// Why an instance of the service is not one that the query is for; none if it is.
    fn unfit<'a>(&self, instance: &Found<'a>) -> Option<Unfit<'a>> {
        let wanted = &self.service;
        let (node, service) = (instance.node(), instance.service());
        if let Some(check) = self.harm(instance) {
            Some(Unfit::Check(check))
        } else if !has_pairs(&node.meta, &wanted.node_meta) {
            Some(Unfit::NodeMeta)
        } else if !has_pairs(&service.meta, &wanted.service_meta) {
            Some(Unfit::ServiceMeta)
        } else {
            (!has_tags(&service.tags, &wanted.tags)).then_some(Unfit::Tags)
        }
    }

    /// The check that keeps an instance away. All of its node's are read for that.
    fn harm<'a>(&self, instance: &Found<'a>) -> Option<&'a Check> {
        if !self.is_harmed(instance) {
            return None;
        }
        let ignored = self.service.ignore_check_ids.as_deref().unwrap_or_default();
        instance.checks().find(|check| {
            Health::of(check) > self.worst() && !ignored.iter().any(|id| **id == *check.id.as_str())
        })
    }

    /// Whether a check keeps an instance away, unless it is ignored.
    fn is_harmed(&self, instance: &Found<'_>) -> bool {
        instance.health() > self.worst()
    }

    /// How an instance may be at worst.
    fn worst(&self) -> Health {
        if self.service.only_passing { Health::Passing } else { Health::Warning }
    }

    fn ignores_checks(&self) -> bool {
        self.service.ignore_check_ids.as_deref().is_some_and(|ids| !ids.is_empty())
    }
}

impl Snapshot {
    /// Runs a query: `chosen` has the instances that it is for afterwards, by node and ID. Who asks
    /// shuffles them, sorts them with [`Snapshot::query_sort`] from [`Snapshot::query_near`], and
    /// cuts them. To tell somebody who is passed over, and why, costs more.
    ///
    /// Other datacenters are not known and passed over; another cluster counts as asked.
    pub fn query_run<'a>(
        &'a self,
        query: &'a PreparedQuery,
        connect: bool,
        chosen: &mut Vec<Chosen>,
        mut passed: Option<Passed<'_, 'a>>,
    ) -> QueryRun<'a> {
        let wanted = &query.service;
        let name = folded(wanted.service.as_str());
        let instances = if !wanted.peer.is_empty() {
            Instances::none(self)
        } else if connect || wanted.connect {
            self.find_connect_instances(&name)
        } else {
            self.find_instances(&name)
        };
        let hasty = passed.is_none() && !query.ignores_checks();
        chosen.clear();
        for place in 0..instances.len() {
            let Some(instance) = instances.get(place) else { continue };
            if hasty && query.is_harmed(&instance) {
                continue;
            }
            match (query.unfit(&instance), &mut passed) {
                (None, _) => chosen.push(Chosen { place, distance: Duration::MAX }),
                (Some(why), Some(passed)) => passed(&instance, why),
                (Some(_), None) => {}
            }
        }
        let mut run = QueryRun { instances, peer: None, failovers: 0 };
        if chosen.is_empty() {
            let targets = wanted.failover.targets.as_deref().unwrap_or_default();
            for target in targets.iter().filter(|target| !target.peer.is_empty()) {
                run.peer = Some(&target.peer);
                run.failovers += 1;
            }
        }
        run
    }

    /// The node whose neighbours come first: the one that is `asked` for, else the query's own;
    /// none if there is no such node, either. `agent` is the node of the agent that is asked,
    /// `source` the address of who asks.
    #[must_use]
    pub fn query_near(
        &self,
        query: &PreparedQuery,
        asked: &str,
        agent: &str,
        source: Option<IpAddr>,
    ) -> Option<&Node> {
        let name = match if asked.is_empty() { &*query.service.near } else { asked } {
            "" => return None,
            OWN => agent,
            ASKER => return self.node_at(source?),
            node => node,
        };
        self.find_node(&folded(name))
    }

    /// Sorts what a query has chosen by the distance from a node, itself first: its own place may
    /// be as far away as its neighbours'. Nodes without a place come last; if that node has none,
    /// all stay as they are but its own, and it says so: false. Those at one distance are in the
    /// order of the shuffle, or any other.
    pub fn query_sort(&self, instances: Instances<'_>, near: &Node, chosen: &mut [Chosen]) -> bool {
        let name = |chosen: &Chosen| Some(&instances.get(chosen.place)?.node().name);
        let origin = self.place(&near.name);
        if let Some(origin) = origin {
            for chosen in chosen.iter_mut() {
                let place = name(chosen).and_then(|name| self.place(name));
                chosen.distance = place.map_or(Duration::MAX, |place| origin.distance(place));
            }
            chosen.sort_unstable_by_key(|chosen| chosen.distance);
        }
        let mut first = chosen.iter().take(NEAR_DEPTH);
        if let Some(at) = first.position(|chosen| name(chosen) == Some(&near.name)) {
            chosen.swap(0, at);
        }
        origin.is_some()
    }
}

fn has_pairs(pairs: &Pairs, wanted: &Pairs) -> bool {
    let pairs = pairs.as_deref().unwrap_or_default();
    wanted.as_deref().unwrap_or_default().iter().all(|pair| pairs.contains(pair))
}

/// Whether all tags are there, and none of those behind a `!`; case does not matter.
fn has_tags(tags: &Tags, wanted: &Tags) -> bool {
    let has = |wanted: &str| {
        let mut tags = tags.as_deref().unwrap_or_default().iter();
        tags.any(|tag| folded_cmp(tag, wanted).is_eq())
    };
    wanted.as_deref().unwrap_or_default().iter().all(|wanted| match wanted.strip_prefix('!') {
        Some(unwanted) => !has(unwanted),
        None => has(wanted),
    })
}
