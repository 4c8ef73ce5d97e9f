//! Checks: of nodes and of services, and what their status means for sessions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::mark::Mark;
use crate::name::{CheckId, ModifyIndex, NodeName, ServiceId, ServiceName};
use crate::service::{Service, Tags};
use crate::state::{Snapshot, Write};
use crate::watch::Key;

/// The check that the leader keeps for every member of the cluster.
pub const SERF_HEALTH: &str = "serfHealth";

/// The status that ends sessions.
pub const CRITICAL: &str = "critical";

/// Where a check is: folded names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckKey {
    /// The node.
    pub node: NodeName,
    /// The check on it.
    pub id: CheckId,
}

/// One check with its last result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The node it is on.
    pub node: NodeName,
    /// Its identity there; the name if none was given.
    pub id: CheckId,
    /// What it is called.
    pub name: Box<str>,
    /// A word: `passing`, `warning`, `critical`, or whatever a client wrote.
    pub status: Box<str>,
    /// The operator's notes.
    pub notes: Box<str>,
    /// What the last run printed.
    pub output: Box<str>,
    /// The instance that it checks; empty for the node.
    pub service_id: ServiceId,
    /// That instance's service, as the catalogue has it.
    pub service_name: ServiceName,
    /// That instance's tags when the check was written.
    pub service_tags: Tags,
    /// How it is run.
    pub kind: Box<str>,
    /// How often, as the agent wrote it.
    pub interval: Box<str>,
    /// How long a run may take, as the agent wrote it.
    pub timeout: Box<str>,
    /// The port at which a proxy exposes it.
    pub exposed_port: i64,
    /// Its definition, JSON kept as it came.
    pub definition: Option<Box<str>>,
    /// The write that made it.
    pub create: ModifyIndex,
    /// The write that changed it last.
    pub modify: ModifyIndex,
}

impl Check {
    /// Its place in the table.
    #[must_use]
    pub fn key(&self) -> CheckKey {
        CheckKey { node: self.node.fold(), id: self.id.fold() }
    }

    /// Whether it ends the sessions that depend on it.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        &*self.status == CRITICAL
    }
}

impl Snapshot {
    /// Lets a check have what its node and its service have already.
    pub(crate) fn share_check(&self, row: &mut Check) {
        if let Some(node) = self.node(&row.node).filter(|node| node.name == row.node) {
            row.node = node.name.clone();
        }
        let Some(service) = self.service(&row.node, &row.service_id) else { return };
        if service.id == row.service_id {
            row.service_id = service.id.clone();
        }
        if service.name == row.service_name {
            row.service_name = service.name.clone();
        }
        if service.tags == row.service_tags {
            row.service_tags = service.tags.clone();
        }
    }

    /// One check.
    #[must_use]
    pub fn check(&self, node: &NodeName, id: &CheckId) -> Option<&Check> {
        let key = CheckKey { node: node.fold(), id: id.fold() };
        self.checks.get(&key).map(|check| &**check)
    }

    /// Every check by node and ID.
    pub fn check_list(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().map(|(_, check)| &**check)
    }

    /// All checks of a node, those of its services too, by ID.
    pub fn node_checks<'a>(&'a self, node: &NodeName) -> impl Iterator<Item = &'a Check> + use<'a> {
        let node = node.fold();
        let from = CheckKey { node: node.clone(), id: "".into() };
        self.checks
            .starting_at(from)
            .take_while(move |(key, _)| key.node == node)
            .map(|(_, row)| &**row)
    }

    /// The checks of one instance, without those of its node.
    pub fn checks_of<'a>(&'a self, service: &Service) -> impl Iterator<Item = &'a Check> + use<'a> {
        let id = service.id.fold();
        let of_a_service = |check: &&Check| !check.service_id.is_empty();
        (self.node_checks(&service.node).filter(of_a_service))
            .filter(move |check| check.service_id.fold() == id)
    }

    /// The checks that an instance's health follows from: first those of its node.
    pub fn health_of<'a>(&'a self, service: &Service) -> impl Iterator<Item = &'a Check> + use<'a> {
        let of_the_node = |check: &&Check| check.service_id.is_empty();
        self.node_checks(&service.node).filter(of_the_node).chain(self.checks_of(service))
    }

    /// The index of every answer about checks alone.
    #[must_use]
    pub fn check_index(&self) -> ModifyIndex {
        self.mark(&Mark::Checks)
    }
}

impl Write<'_> {
    /// Writes a check, unless it says already what it is to say. Service name and tags are the
    /// catalogue's; a critical check ends its sessions.
    pub(crate) fn check_set(&mut self, mut row: Check) -> Result<(), Error> {
        if row.id.is_empty() {
            row.id = CheckId::from(&*row.name);
        }
        if row.id.is_empty() {
            return Err(Error::UnnamedCheck(row.node));
        }
        if row.status.is_empty() {
            row.status = CRITICAL.into();
        }
        let mut key = row.key();
        let node = self.root.nodes.get(&key.node).ok_or(Error::MissingNode)?;
        // Rows and tables share what is said more than once.
        row.node = node.name.clone();
        key.node = node.name.fold();
        let mut service = None;
        if !row.service_id.is_empty() {
            let known = self.root.service_row(key.node.clone(), &row.service_id);
            let service = service.insert(known.ok_or(Error::MissingService)?.clone());
            row.service_name = service.name.clone();
            row.service_tags = service.tags.clone();
            if row.service_id == service.id {
                row.service_id = service.id.clone();
            }
        }
        let old = self.root.checks.get(&key).cloned();
        row.create = old.as_ref().map_or(self.index, |old| old.create);
        row.modify = old.as_ref().map_or(self.index, |old| old.modify);
        if old.as_deref() == Some(&row) {
            return Ok(());
        }
        row.modify = self.index;
        if let Some(old) = old.as_ref().filter(|old| old.service_id != row.service_id) {
            self.check_changed(old);
        }
        self.check_touched(&row, service.as_deref());
        let row = Arc::new(row);
        self.root.checks.insert(key.clone(), row.clone());
        self.root.check_moved(old.as_deref(), Some(&row));
        if row.is_critical() {
            self.sessions_of_check(&key);
        }
        Ok(())
    }

    /// Removes a check and ends its sessions.
    pub(crate) fn check_delete(&mut self, node: &NodeName, id: &CheckId) {
        let key = CheckKey { node: node.fold(), id: id.fold() };
        let Some(check) = self.root.checks.remove(&key) else { return };
        self.root.check_moved(Some(&check), None);
        self.check_changed(&check);
        // As recorded: the list of services moves when a check of a node goes.
        if check.service_id.is_empty() {
            self.bump(Mark::Services);
        }
        self.sessions_of_check(&key);
    }

    /// Marks what shows a check.
    fn check_changed(&mut self, check: &Check) {
        let service = self.root.service_row(check.node.fold(), &check.service_id).cloned();
        self.check_touched(check, service.as_deref());
    }

    /// The same for a check whose service is known.
    fn check_touched(&mut self, check: &Check, service: Option<&Service>) {
        let node = check.node.fold();
        self.bump(Mark::Checks);
        self.touched.push(Key::Check(check.key()));
        self.touched.push(Key::NodeChecks(node.clone()));
        if check.service_id.is_empty() {
            self.touch_services_of(&node, false);
        } else if let Some(service) = service {
            self.touched.push(Key::ServiceChecks(service.name.fold()));
            self.touch_service(service, false);
        }
    }
}
