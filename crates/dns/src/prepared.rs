//! Prepared queries: `NAME.query`, `_NAME._TAG.query`.

use catalog::{Chosen, Found as Instance, Passed, PreparedQuery, QueryRun, Snapshot, Unfit};
use gotext::GoDuration;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::config::seconds;
use crate::form::{Place, Reading};
use crate::name::Dotted;
use crate::observe::{Drop, Observer, Step};
use crate::service::Source;
use crate::work::{Ask, Found, Work};

impl<R: Rng, O: Observer> Work<'_, R, O> {
    /// As recorded: of places only one label is understood.
    pub(crate) fn prepared(
        &mut self,
        ask: &Ask<'_>,
        snapshot: &Snapshot,
        reading: &Reading,
    ) -> Found {
        if matches!(reading.place(ask.dotted), Place::Datacenter(_)) {
            return self.meaningless("a query's datacenter is one label");
        }
        let name = name(ask.dotted, reading.subject);
        let named = match snapshot.query_named(name) {
            Ok(Some(named)) => named,
            Ok(None) => {
                return self.meaningless("no query has that name or ID, or a template for it");
            }
            Err(error) => return self.failed(&error),
        };
        if let Some(query) = named.as_it_stands() {
            return self.carry_out(ask, snapshot, query);
        }
        match self.scratch.filled.get(&named, name) {
            Ok(query) => self.carry_out(ask, snapshot, &query),
            Err(error) => self.failed(&error),
        }
    }

    fn carry_out(&mut self, ask: &Ask<'_>, snapshot: &Snapshot, query: &PreparedQuery) -> Found {
        let wanted = &query.service;
        self.observer.note(|| Step::Query {
            name: query.name.to_string(),
            service: wanted.service.as_str().to_owned(),
        });
        if !wanted.peer.is_empty() {
            self.observer.note(|| Step::Elsewhere { place: wanted.peer.to_string() });
        }
        if ask.depth > 0 && !self.may_follow(0) {
            return self.failed(&"answers lead to too many instances");
        }
        let mut chosen = self.scratch.lend_chosen();
        let run = self.choose(query, snapshot, &mut chosen);
        self.may_follow(run.instances.len());
        if run.instances.is_empty() && wanted.peer.is_empty() {
            self.nothing("no instance of its service is registered");
        }
        if chosen.is_empty() && O::ON {
            self.note_failover(query);
        }
        self.sort(query, snapshot, &run, &mut chosen);
        let mut source = Source::Query { instances: run.instances, chosen: chosen.iter() };
        let found = self.instances(ask, self.query_ttl(query), &mut source);
        self.scratch.return_chosen(chosen);
        match found {
            Found::Records => Found::ForAsker,
            Found::NoData => Found::NoDataForAsker,
            other => other,
        }
    }

    /// The instances that the query is for, by node and ID. Unlike those of a service they are
    /// all looked at: the nearest may be any of them.
    fn choose<'a>(
        &mut self,
        query: &'a PreparedQuery,
        snapshot: &'a Snapshot,
        chosen: &mut Vec<Chosen>,
    ) -> QueryRun<'a> {
        let mut passed = |instance: &Instance<'_>, why: Unfit<'_>| {
            self.read_instance(instance);
            self.drop_it(|| match why {
                Unfit::Check(check) => Drop::of_check(Some(check)),
                Unfit::NodeMeta => Drop::Unlike { what: "the metadata of its node" },
                Unfit::ServiceMeta => Drop::Unlike { what: "its metadata" },
                Unfit::Tags => Drop::Unlike { what: "its tags" },
            });
        };
        let passed: Option<Passed<'_, '_>> = if O::ON { Some(&mut passed) } else { None };
        snapshot.query_run(query, false, chosen, passed)
    }

    /// Who would be asked where there is nothing here; none of them is known yet.
    fn note_failover(&mut self, query: &PreparedQuery) {
        let failover = &query.service.failover;
        if failover.nearest_n > 0 {
            let place = format!("the nearest {} datacenters", failover.nearest_n);
            self.observer.note(|| Step::Elsewhere { place });
        }
        let datacenters = failover.datacenters.as_deref().unwrap_or_default();
        let targets = failover.targets.as_deref().unwrap_or_default().iter();
        let targets = targets
            .map(|target| if target.peer.is_empty() { &target.datacenter } else { &target.peer });
        let own = &*self.config.settings.datacenter;
        for place in datacenters.iter().chain(targets).filter(|place| ***place != *own) {
            self.observer.note(|| Step::Elsewhere { place: place.to_string() });
        }
    }

    /// Sorts instances by the distance from the node that the query names; those at the same
    /// distance, and all if it names none, are as likely as each other to come first.
    fn sort(
        &mut self,
        query: &PreparedQuery,
        snapshot: &Snapshot,
        run: &QueryRun<'_>,
        chosen: &mut [Chosen],
    ) {
        chosen.shuffle(self.rng);
        let subnet = self.query.edns.and_then(|edns| edns.subnet);
        let source = subnet.map_or(self.view.source, |subnet| subnet.addr());
        let agent = &self.config.settings.node;
        let Some(near) = snapshot.query_near(query, "", agent, Some(source)) else {
            if !query.service.near.is_empty() {
                let (near, why) = (|| query.service.near.to_string(), "there is no such node");
                self.observer.note(|| Step::Unsorted { near: near(), why });
            }
            return;
        };
        let sorted = snapshot.query_sort(run.instances, near, chosen);
        self.observer.note(|| {
            let near = near.name.as_str().to_owned();
            match sorted {
                true => Step::Sorted { near },
                false => Step::Unsorted { near, why: "it has no coordinates" },
            }
        });
    }

    /// The TTL of answers: the query's own, else the service's.
    fn query_ttl(&self, query: &PreparedQuery) -> u32 {
        let own = Some(&*query.dns_ttl).filter(|ttl| !ttl.is_empty());
        match own.map(GoDuration::parse) {
            Some(Ok(ttl)) => seconds(ttl.saturating_std()),
            _ => self.config.service_ttl(query.service.service.as_str()),
        }
    }
}

/// The name or ID of the query. As recorded: of two labels or more, where the first and the last
/// begin with `_`, the last means nothing.
pub(crate) fn name(dotted: &Dotted, subject: usize) -> &str {
    let whole = dotted.joined(0, subject);
    if subject > 1 && dotted.label(subject - 1).starts_with('_') {
        return dotted.joined(0, subject - 1).strip_prefix('_').unwrap_or(whole);
    }
    whole
}
