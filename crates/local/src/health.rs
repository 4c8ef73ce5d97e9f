//! How a service is, by the checks of this agent alone (consul-http, "Local health endpoints").

use std::fmt;

use catalog::{ServiceId, ServiceName};

use crate::checks::{NODE_MAINTENANCE, SERVICE_MAINTENANCE};
use crate::entry::{LocalCheck, LocalService};
use crate::machine::Local;
use crate::status::Status;

/// The worst of a service's checks and of those of its node, from the best on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aggregate {
    /// All pass, or there are none.
    Passing,
    /// One of them warns.
    Warning,
    /// One of them is critical.
    Critical,
    /// The service or the node is in maintenance.
    Maintenance,
}

impl Aggregate {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Maintenance => "maintenance",
        }
    }

    /// The status of an HTTP answer that says so.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Passing => 200,
            Self::Warning => 429,
            Self::Critical | Self::Maintenance => 503,
        }
    }

    fn of(check: &LocalCheck) -> Self {
        let id = check.row().id.as_str();
        if id == NODE_MAINTENANCE || id.starts_with(SERVICE_MAINTENANCE) {
            return Self::Maintenance;
        }
        match Status::parse(&check.row().status) {
            Some(Status::Passing) => Self::Passing,
            Some(Status::Warning) => Self::Warning,
            Some(Status::Critical) | None => Self::Critical,
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How one service is.
#[derive(Clone, Debug)]
pub struct Health<'a> {
    /// The worst of its checks.
    pub status: Aggregate,
    /// The service.
    pub service: &'a LocalService,
    /// Its checks and those of its node.
    pub checks: Vec<&'a LocalCheck>,
}

impl Local {
    /// How a service is; `None` if there is none of this ID.
    #[must_use]
    pub fn health(&self, id: &ServiceId) -> Option<Health<'_>> {
        let service = self.service(id)?;
        let of_node = self.checks_of(&ServiceId::default());
        let checks: Vec<&LocalCheck> = of_node.chain(self.checks_of(id)).collect();
        let worst = checks.iter().map(|check| Aggregate::of(check)).max();
        Some(Health { status: worst.unwrap_or(Aggregate::Passing), service, checks })
    }

    /// How the services of a name are, by ID. The case counts.
    pub fn health_of_name(&self, name: &ServiceName) -> impl Iterator<Item = Health<'_>> + use<'_> {
        let name = name.clone();
        let named = self.services().filter(move |service| service.row().name == name);
        named.filter_map(|service| self.health(&service.row().id))
    }
}
