//! What is read when somebody asks.

use agent::telemetry::{Gauge, Labels};
use catalog::{CheckId, SERF_HEALTH, ServiceName};

use crate::http::Site;
use crate::reconcile::SERVICE;

/// The gauges now. To be called on a runtime.
pub(crate) fn gauges(site: &Site) -> Vec<Gauge> {
    let mut gauges = agent::runtime::gauges();
    let status = site.store.status();
    let leads = f64::from(u8::from(status.is_leader));
    let count = |count: usize| count as f64;
    let snapshot = site.catalogue().read();
    let timed = snapshot.session_list().filter(|session| api::session::ttl_ns(session) > 0);
    gauges.extend([
        Gauge::new("autopilot.healthy", leads),
        Gauge::new("autopilot.failure_tolerance", 0.0),
        Gauge::new("server.isLeader", leads),
        Gauge::new("raft.peers", 1.0),
        Gauge::new("raft.last_index", status.last_entry as f64),
        Gauge::new("raft.applied_index", status.applied_entry as f64),
        Gauge::new("rpc.queries_blocking", count(site.catalogue().watchers())),
        Gauge::new("session_ttl.active", count(timed.count())),
        Gauge {
            name: "version",
            labels: [("version", crate::VERSION.into()), ("pre_release", "".into())].into(),
            value: 1.0,
        },
    ]);
    let usage = snapshot.usage();
    let servers = snapshot.instances(&ServiceName::from(SERVICE)).count();
    let lives = CheckId::from(SERF_HEALTH);
    let alive = snapshot.node_list().filter(|node| {
        snapshot.check(&node.name.fold(), &lives).is_some_and(|check| &*check.status == "passing")
    });
    let clients = alive.count().saturating_sub(servers);
    let datacenter: Labels = [("datacenter", site.agent.datacenter.clone())].into();
    let of_state =
        |name, value| Gauge { name, labels: Labels::clone(&datacenter), value: count(value) };
    gauges.extend([
        of_state("state.nodes", usage.nodes),
        of_state("state.services", usage.services),
        of_state("state.service_instances", usage.instances),
        of_state("state.kv_entries", usage.kv_entries),
        of_state("state.sessions", usage.sessions),
        of_state("members.servers", servers),
        of_state("members.clients", clients),
    ]);
    gauges
}
