//! What the server counts, under the names that dashboards know from Consul.
//!
//! ```text
//!   route ──▶ answered ─┐
//!   store ──▶ written ──┼─▶ agent::telemetry::Metrics ─▶ agent/metrics, statsd, statsite
//!   replica ▶ applied ──┤                  ▲
//!   dns ──▶ answered ───┤                  │
//!   pools ──▶ render ───┘        gauges ───┘ read when somebody asks
//! ```
//!
//! Everything on the way of a request was entered when the server started: counting it takes one
//! uncontended lock and no allocation.

mod dns;
mod gauges;
mod requests;
mod writes;

use agent::telemetry::{Kind, Metrics, Naming, Series, Sinks};
use settings::Settings;

use dns::Questions;
pub(crate) use dns::Tally;
pub(crate) use gauges::gauges;
use requests::Requests;
use writes::Writes;
pub(crate) use writes::{Applied, Written};

/// Whether and how things are counted.
#[derive(Clone, Debug, Default)]
pub struct TelemetryOptions {
    /// How metrics are named, and which are kept.
    pub naming: Naming,
    /// Where they are sent.
    pub sinks: Sinks,
}

impl TelemetryOptions {
    /// What the configuration says.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let telemetry = &settings.telemetry;
        let host = agent::runtime::host_name().filter(|_| !telemetry.disable_hostname);
        let text = |address: &Option<String>| address.clone().unwrap_or_default();
        Self {
            naming: Naming {
                prefix: telemetry.metrics_prefix.clone(),
                host,
                allowed: telemetry.allowed_prefixes.clone(),
                blocked: telemetry.blocked_prefixes.clone(),
                keeps_unnamed: telemetry.filter_default,
                retention: telemetry.prometheus_retention_time,
            },
            sinks: Sinks {
                statsd: text(&telemetry.statsd_address),
                statsite: text(&telemetry.statsite_address),
            },
        }
    }
}

/// Who counts for the server.
pub(crate) struct Telemetry {
    metrics: Metrics,
    requests: Requests,
    writes: Writes,
    questions: Questions,
    txn_read: Series,
    states: [Series; STATES.len()],
}

/// How often this server became what: a follower at its start, then a candidate, then the leader.
const STATES: [&str; 3] = ["raft.state.follower", "raft.state.candidate", "raft.state.leader"];

impl Telemetry {
    /// Enters everything. `node` is the name of the agent's node.
    pub(crate) fn new(naming: Naming, node: &str) -> Self {
        let metrics = Metrics::named(naming);
        // Other servers would be heard of and heard; there are none.
        metrics.announce("raft.leader.lastContact", &[]);
        metrics.enter(Kind::Counter, "rpc.accept_conn", &[]);
        Self {
            states: STATES.map(|state| metrics.enter(Kind::Counter, state, &[])),
            requests: Requests::new(&metrics, node),
            writes: Writes::new(&metrics),
            questions: Questions::new(&metrics, node),
            txn_read: metrics.announce("txn.read", &[]),
            metrics,
        }
    }

    /// Counts that this server leads.
    pub(crate) fn leads(&self) {
        self.metrics.record(self.states.map(|state| (state, 1.0)));
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The metrics of one pool.
    pub(crate) fn of_pool(&self, network: &str) -> Metrics {
        self.metrics.labelled(&[("network", network.into())])
    }
}

#[cfg(test)]
mod tests;
