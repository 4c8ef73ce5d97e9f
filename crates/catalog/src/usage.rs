//! How much there is, for whoever watches over it.

use crate::state::Snapshot;

/// Counts of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nodes.
    pub nodes: usize,
    /// Names of services that have instances.
    pub services: usize,
    /// Instances of services.
    pub service_instances: usize,
    /// Keys with values.
    pub kv_entries: usize,
    /// Sessions.
    pub sessions: usize,
}

impl Snapshot {
    /// Counts what is there. What takes longest are the services: all names are looked at.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut names: Vec<_> = self.service_tags().map(|(name, _)| name).collect();
        names.dedup();
        Usage {
            nodes: self.nodes.len(),
            services: names.len(),
            service_instances: self.services.len(),
            kv_entries: self.kv.entries.len(),
            sessions: self.sessions.len(),
        }
    }
}
