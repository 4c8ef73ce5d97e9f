//! How servers are kept in order, as an operator has configured it. There is one row.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::ModifyIndex;
use crate::state::Write;

/// How servers are kept in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Autopilot {
    /// Whether a server that failed is removed once another has taken its place.
    pub cleanup_dead_servers: bool,
    /// A server that has not heard of its leader for so long is not healthy, in nanoseconds.
    pub last_contact_threshold_ns: i64,
    /// A server that is so many entries behind is not healthy.
    pub max_trailing_logs: u64,
    /// How many servers are never removed.
    pub min_quorum: u64,
    /// How long a new server must be healthy before it votes, in nanoseconds.
    pub server_stabilization_ns: i64,
    /// Another edition's: kept and shown.
    pub redundancy_zone_tag: Box<str>,
    /// Another edition's: kept and shown.
    pub disable_upgrade_migration: bool,
    /// Another edition's: kept and shown.
    pub upgrade_version_tag: Box<str>,
    /// The write that made it.
    pub create: ModifyIndex,
    /// The write that changed it last.
    pub modify: ModifyIndex,
}

impl Default for Autopilot {
    /// What a new cluster begins with (consul-http, "Operator").
    fn default() -> Self {
        Self {
            cleanup_dead_servers: true,
            last_contact_threshold_ns: 200_000_000,
            max_trailing_logs: 250,
            min_quorum: 0,
            server_stabilization_ns: 10_000_000_000,
            redundancy_zone_tag: "".into(),
            disable_upgrade_migration: false,
            upgrade_version_tag: "".into(),
            create: ModifyIndex::ZERO,
            modify: ModifyIndex::ZERO,
        }
    }
}

/// A write of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutopilotWrite {
    /// What is to be kept; its indexes do not count.
    pub row: Autopilot,
    /// What the modify index must be, if the write has a condition; zero: only if there is no row.
    pub index: Option<ModifyIndex>,
}

impl Write<'_> {
    /// Writes the configuration, also if it says so already; false if the condition does not hold.
    pub(crate) fn autopilot_set(&mut self, write: &AutopilotWrite) -> bool {
        let old = self.root.autopilot.as_deref();
        let stands_at = old.map_or(ModifyIndex::ZERO, |old| old.modify);
        if write.index.is_some_and(|index| index != stands_at) {
            return false;
        }
        let create = old.map_or(self.index, |old| old.create);
        let row = Autopilot { create, modify: self.index, ..write.row.clone() };
        self.root.autopilot = Some(Arc::new(row));
        true
    }
}
