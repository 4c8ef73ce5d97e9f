//! Prepared queries: `NAME.query`, `_NAME._TAG.query`.

use catalog::{Found as Instance, PreparedQuery, Snapshot, Unfit, promote_near};
use gotext::GoDuration;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::config::seconds;
use crate::form::{Place, Reading};
use crate::name::Dotted;
use crate::observe::{Drop, Observer, Step};
use crate::service::Wanted;
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
        let service = wanted.service.fold();
        let mut found = self.scratch.lend_found();
        if !wanted.peer.is_empty() {
            self.observer.note(|| Step::Elsewhere { place: wanted.peer.to_string() });
        } else if wanted.connect {
            found.extend(snapshot.find_connect_instances(service.as_str()));
        } else {
            found.extend(snapshot.find_instances(service.as_str()));
        }
        found.retain(|instance| self.fits(query, instance));
        if found.is_empty() && O::ON {
            self.note_failover(query);
        }
        let near = self.sort(query, snapshot, &mut found);
        let wanted = if near { Wanted::InOrder } else { Wanted::Chosen };
        let outcome = self.instances(ask, wanted, self.query_ttl(query), &mut found);
        self.scratch.return_found(found);
        if outcome == Found::Records { Found::ForAsker } else { outcome }
    }

    /// Whether the query is for an instance.
    fn fits(&mut self, query: &PreparedQuery, instance: &Instance<'_>) -> bool {
        let Some((node, service)) = instance.read() else { return false };
        let unfit = query.unfit(node, service, instance.checks());
        if let Some(unfit) = unfit {
            self.read_instance(node, service);
            self.drop_it(|| match unfit {
                Unfit::Check(check) => Drop::of_check(check),
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

    /// Sorts instances by the distance from the node that the query names; false if it names none.
    fn sort(
        &mut self,
        query: &PreparedQuery,
        snapshot: &Snapshot,
        found: &mut [Instance<'_>],
    ) -> bool {
        let subnet = self.query.edns.and_then(|edns| edns.subnet);
        let source = subnet.map_or(self.view.source, |subnet| subnet.addr());
        let agent = &self.config.settings.node;
        let Some(near) = snapshot.query_near(query, "", agent, Some(source)) else { return false };
        self.observer.note(|| Step::Sorted { near: near.as_str().to_owned() });
        // Those at the same distance are as likely as each other to come first.
        found.shuffle(self.rng);
        snapshot.sort_near(&near, found, |instance| instance.node());
        promote_near(found, &near, |instance| instance.node());
        true
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
