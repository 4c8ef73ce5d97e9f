//! How much there is, for who counts.

use std::collections::BTreeSet;

use crate::state::Snapshot;

/// The service that servers are: nobody pays for it.
const SERVERS: &str = "consul";

/// How much there is in a datacenter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nodes.
    pub nodes: usize,
    /// Names of services.
    pub services: usize,
    /// Instances of services.
    pub instances: usize,
    /// Instances of each kind of proxy and gateway, in the order of [`Usage::KINDS`].
    pub kinds: [usize; 5],
    /// Instances that speak mesh by themselves.
    pub native: usize,
    /// Keys with values.
    pub kv_entries: usize,
    /// Sessions.
    pub sessions: usize,
    /// Instances that are neither proxies nor gateways nor servers.
    pub billable: usize,
}

impl Usage {
    /// The kinds of proxies and gateways.
    pub const KINDS: [&str; 5] =
        ["api-gateway", "connect-proxy", "ingress-gateway", "mesh-gateway", "terminating-gateway"];
}

impl Snapshot {
    /// Counts; takes as long as there are services.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut usage = Usage {
            nodes: self.nodes.len(),
            kv_entries: self.kv.entries.len(),
            sessions: self.sessions.len(),
            ..Usage::default()
        };
        let mut names = BTreeSet::new();
        for (_, service) in self.services.iter() {
            names.insert(service.name.fold());
            usage.instances += 1;
            usage.native += usize::from(service.native);
            if let Some(kind) = Usage::KINDS.iter().position(|kind| *kind == &*service.kind) {
                usage.kinds[kind] += 1;
            }
            let is_server = service.name.as_str() == SERVERS;
            usage.billable += usize::from(service.kind.is_empty() && !is_server);
        }
        usage.services = names.len();
        usage
    }
}
