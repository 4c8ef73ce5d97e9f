//! Which instances a prepared query has now.

use std::net::IpAddr;

use super::PreparedQuery;
use crate::check::Check;
use crate::name::{NodeName, Pairs};
use crate::node::Node;
use crate::service::{Service, Tags};
use crate::state::Snapshot;

const PASSING: &str = "passing";
/// The node of the agent that is asked.
const OWN: &str = "_agent";
/// The node with the address of who asks.
const ASKER: &str = "_ip";
/// How deep the near node is looked for: sorted by distance it is never further behind.
const NEAR_DEPTH: usize = 10;

/// What a query found.
#[derive(Clone, Debug, Default)]
pub struct QueryRun<'a> {
    /// The instances by node and ID, not shuffled yet.
    pub instances: Vec<(&'a Node, &'a Service)>,
    /// The other cluster that was asked last, and had nothing.
    pub peer: Option<&'a str>,
    /// How many other places were asked.
    pub failovers: u64,
}

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
    /// Why an instance of the service, which has these checks, is not one that the query is for;
    /// none if it is.
    pub fn unfit<'a>(
        &self,
        node: &Node,
        service: &Service,
        mut checks: impl Iterator<Item = &'a Check>,
    ) -> Option<Unfit<'a>> {
        let wanted = &self.service;
        let ignored = wanted.ignore_check_ids.as_deref().unwrap_or_default();
        let harms = |check: &&Check| {
            (check.is_critical() || (wanted.only_passing && *check.status != *PASSING))
                && !ignored.iter().any(|id| **id == *check.id.as_str())
        };
        if let Some(check) = checks.find(harms) {
            Some(Unfit::Check(check))
        } else if !has_pairs(&node.meta, &wanted.node_meta) {
            Some(Unfit::NodeMeta)
        } else if !has_pairs(&service.meta, &wanted.service_meta) {
            Some(Unfit::ServiceMeta)
        } else {
            (!has_tags(&service.tags, &wanted.tags)).then_some(Unfit::Tags)
        }
    }
}

impl Snapshot {
    /// Runs a query: the instances that it is for, by node and ID. Who asks shuffles them, sorts
    /// them with [`Snapshot::sort_near`] from [`Snapshot::query_near`], calls [`promote_near`], and
    /// cuts them.
    ///
    /// Other datacenters are not known and passed over; another cluster counts as asked.
    #[must_use]
    pub fn query_run<'a>(&'a self, query: &'a PreparedQuery, connect: bool) -> QueryRun<'a> {
        let wanted = &query.service;
        let instances = if !wanted.peer.is_empty() {
            Vec::new()
        } else if connect || wanted.connect {
            self.chosen(query, self.connect_instances(&wanted.service))
        } else {
            self.chosen(query, self.instances(&wanted.service))
        };
        let mut run = QueryRun { instances, peer: None, failovers: 0 };
        if run.instances.is_empty() {
            let targets = wanted.failover.targets.as_deref().unwrap_or_default();
            for target in targets.iter().filter(|target| !target.peer.is_empty()) {
                run.peer = Some(&target.peer);
                run.failovers += 1;
            }
        }
        run
    }

    fn chosen<'a>(
        &'a self,
        query: &PreparedQuery,
        instances: impl Iterator<Item = (&'a Node, &'a Service)>,
    ) -> Vec<(&'a Node, &'a Service)> {
        let fits = |(node, service): &(&Node, &Service)| {
            query.unfit(node, service, self.health_of(service)).is_none()
        };
        instances.filter(fits).collect()
    }

    /// The node whose neighbours come first: the one that is `asked` for, else the query's own.
    /// `agent` is the node of the agent that is asked, `source` the address of who asks.
    #[must_use]
    pub fn query_near(
        &self,
        query: &PreparedQuery,
        asked: &str,
        agent: &str,
        source: Option<IpAddr>,
    ) -> Option<NodeName> {
        match if asked.is_empty() { &*query.service.near } else { asked } {
            "" => None,
            OWN => Some(agent.into()),
            ASKER => self.node_at(source?).map(|node| node.name.clone()),
            node => Some(node.into()),
        }
    }
}

/// Puts the near node in front, if rows are sorted by the distance from it: its own place may be as
/// far away as its neighbours'.
pub fn promote_near<T>(rows: &mut [T], near: &NodeName, node: impl Fn(&T) -> &NodeName) {
    let near = near.fold();
    let mut first = rows.iter().take(NEAR_DEPTH);
    if let Some(at) = first.position(|row| node(row).fold() == near) {
        rows.swap(0, at);
    }
}

fn has_pairs(pairs: &Pairs, wanted: &Pairs) -> bool {
    let pairs = pairs.as_deref().unwrap_or_default();
    wanted.as_deref().unwrap_or_default().iter().all(|pair| pairs.contains(pair))
}

/// Whether all tags are there, and none of those behind a `!`; case does not matter.
fn has_tags(tags: &Tags, wanted: &Tags) -> bool {
    let wanted = wanted.as_deref().unwrap_or_default();
    if wanted.is_empty() {
        return true;
    }
    let tags: Vec<String> =
        tags.as_deref().unwrap_or_default().iter().map(|tag| tag.to_lowercase()).collect();
    wanted.iter().all(|wanted| {
        let wanted = wanted.to_lowercase();
        match wanted.strip_prefix('!') {
            Some(unwanted) => !tags.iter().any(|tag| tag == unwanted),
            None => tags.contains(&wanted),
        }
    })
}
