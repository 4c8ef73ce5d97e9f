//! Prepared queries: `NAME.query`, `_NAME._TAG.query`.

use catalog::{Found as Instance, Health, PreparedQuery, Snapshot, Unfit, promote_near};
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
        let query = match snapshot.query_lookup(name(ask.dotted, reading.subject)) {
            Ok(Some(query)) => query,
            Ok(None) => {
                return self.meaningless("no query has that name or ID, or a template for it");
            }
            Err(error) => return self.failed(&error),
        };
        let (query, wanted) = (&*query, &query.service);
        self.observer.note(|| Step::Query {
            name: query.name.to_string(),
            service: wanted.service.as_str().to_owned(),
        });
        let mut chosen = self.choose(query, snapshot);
        if chosen.is_empty() && O::ON {
            self.note_failover(query);
        }
        self.sort(query, snapshot, &mut chosen);
        let mut source = Source::Query(chosen.iter());
        let found = self.instances(ask, self.query_ttl(query), &mut source);
        if found == Found::Records { Found::ForAsker } else { found }
    }

    /// The instances that the query is for, by node and ID. Unlike those of a service they are
    /// all looked at: the nearest may be any of them.
    fn choose<'a>(&mut self, query: &PreparedQuery, snapshot: &'a Snapshot) -> Vec<Instance<'a>> {
        let wanted = &query.service;
        if !wanted.peer.is_empty() {
            self.observer.note(|| Step::Elsewhere { place: wanted.peer.to_string() });
            return Vec::new();
        }
        let name = wanted.service.fold();
        let instances = match wanted.connect {
            true => snapshot.find_connect_instances(name.as_str()),
            false => snapshot.find_instances(name.as_str()),
        };
        let each = (0..instances.len()).filter_map(|place| instances.get(place));
        each.filter(|instance| self.fits(query, instance)).collect()
    }

    /// Whether the query is for an instance.
    fn fits(&mut self, query: &PreparedQuery, instance: &Instance<'_>) -> bool {
        let wanted = &query.service;
        let worst = if wanted.only_passing { Health::Passing } else { Health::Warning };
        let harmed = instance.health() > worst;
        // To name the check all of the node's are read, for each instance on it.
        if harmed && wanted.ignore_check_ids.as_deref().is_none_or(<[_]>::is_empty) && !O::ON {
            return false;
        }
        let checks = harmed.then(|| instance.checks()).into_iter().flatten();
        let unfit = query.unfit(instance.node(), instance.service(), checks);
        if let Some(unfit) = unfit {
            self.read_instance(instance);
            self.drop_it(|| match unfit {
                Unfit::Check(check) => Drop::of_check(Some(check)),
                Unfit::NodeMeta => Drop::Unlike { what: "the metadata of its node" },
                Unfit::ServiceMeta => Drop::Unlike { what: "its metadata" },
                Unfit::Tags => Drop::Unlike { what: "its tags" },
            });
        }
        unfit.is_none()
    }

    /// Who would be asked where there is nothing here; none of them is known yet.
    fn note_failover(&mut self, query: &PreparedQuery) {
        let failover = &query.service.failover;
        let datacenters = failover.datacenters.as_deref().unwrap_or_default();
        let targets = failover.targets.as_deref().unwrap_or_default().iter();
        let targets = targets
            .map(|target| if target.peer.is_empty() { &target.datacenter } else { &target.peer });
        for place in datacenters.iter().chain(targets) {
            self.observer.note(|| Step::Elsewhere { place: place.to_string() });
        }
    }

    /// Sorts instances by the distance from the node that the query names; those at the same
    /// distance, and all if it names none, are as likely as each other to come first.
    fn sort(&mut self, query: &PreparedQuery, snapshot: &Snapshot, chosen: &mut [Instance<'_>]) {
        chosen.shuffle(self.rng);
        let subnet = self.query.edns.and_then(|edns| edns.subnet);
        let source = subnet.map_or(self.view.source, |subnet| subnet.addr());
        let agent = &self.config.settings.node;
        let Some(near) = snapshot.query_near(query, "", agent, Some(source)) else { return };
        self.observer.note(|| Step::Sorted { near: near.as_str().to_owned() });
        snapshot.sort_near(&near, chosen, |instance| &instance.node().name);
        promote_near(chosen, &near, |instance| &instance.node().name);
    }

    /// The TTL of answers: the query's own, else the service's.
    fn query_ttl(&self, query: &PreparedQuery) -> u32 {
        match GoDuration::parse(&query.dns_ttl) {
            Ok(ttl) => seconds(ttl.saturating_std()),
            Err(_) => self.config.service_ttl(query.service.service.as_str()),
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
