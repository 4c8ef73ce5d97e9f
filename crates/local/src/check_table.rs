//! The agent's checks, by their IDs, by their services and by what they are aliases of.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{CheckId, ServiceId};

use crate::check_definition::CheckKind;
use crate::entry::LocalCheck;

/// Sets of checks by a service; the empty ID stands for the node.
type Index = BTreeMap<ServiceId, BTreeSet<CheckId>>;

#[derive(Debug, Default)]
pub(crate) struct CheckTable {
    rows: BTreeMap<CheckId, LocalCheck>,
    by_service: Index,
    by_alias: Index,
}

impl CheckTable {
    /// Takes a check up whose ID nobody has.
    pub(crate) fn insert(&mut self, check: LocalCheck) {
        let id = check.row.id.clone();
        debug_assert!(!self.contains(&id), "{id} is there already");
        self.by_service.entry(check.row.service_id.clone()).or_default().insert(id.clone());
        if let Some(target) = alias_of(&check) {
            self.by_alias.entry(target).or_default().insert(id.clone());
        }
        self.rows.insert(id, check);
    }

    pub(crate) fn remove(&mut self, id: &CheckId) -> Option<LocalCheck> {
        let check = self.rows.remove(id)?;
        unlink(&mut self.by_service, &check.row.service_id, id);
        if let Some(target) = alias_of(&check) {
            unlink(&mut self.by_alias, &target, id);
        }
        Some(check)
    }

    pub(crate) fn get(&self, id: &CheckId) -> Option<&LocalCheck> {
        self.rows.get(id)
    }

    /// For what a check says; neither its service nor its definition may be changed so.
    pub(crate) fn get_mut(&mut self, id: &CheckId) -> Option<&mut LocalCheck> {
        self.rows.get_mut(id)
    }

    pub(crate) fn contains(&self, id: &CheckId) -> bool {
        self.rows.contains_key(id)
    }

    /// All of them by ID.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LocalCheck> {
        self.rows.values()
    }

    /// All IDs in order.
    pub(crate) fn ids(&self) -> Vec<CheckId> {
        self.rows.keys().cloned().collect()
    }

    /// Those of one service, without those of its node.
    pub(crate) fn of_service(
        &self,
        service: &ServiceId,
    ) -> impl Iterator<Item = &LocalCheck> + use<'_> {
        self.by_service.get(service).into_iter().flatten().filter_map(|id| self.rows.get(id))
    }

    /// The aliases of these services; the node's checks are everybody's.
    pub(crate) fn aliases_of(&self, services: &BTreeSet<ServiceId>) -> Vec<CheckId> {
        if services.contains(&ServiceId::default()) {
            return self.by_alias.values().flatten().cloned().collect();
        }
        let found = services.iter().filter_map(|service| self.by_alias.get(service));
        found.flatten().cloned().collect()
    }
}

fn alias_of(check: &LocalCheck) -> Option<ServiceId> {
    let definition = check.definition.as_deref()?;
    (definition.kind() == CheckKind::Alias)
        .then(|| ServiceId::from(definition.alias_service.as_str()))
}

fn unlink(index: &mut Index, service: &ServiceId, id: &CheckId) {
    if let Some(checks) = index.get_mut(service) {
        checks.remove(id);
        if checks.is_empty() {
            index.remove(service);
        }
    }
}
