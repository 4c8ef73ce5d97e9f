//! Checks that go by other checks of this agent.

use catalog::{CheckId, NodeName, ServiceId};

use crate::check_definition::{CheckDefinition, CheckKind};
use crate::checks::beginning;
use crate::machine::Local;
use crate::status::Status;
use crate::time::Time;

/// How far a change goes from alias to alias at once. Only aliases that go round in a circle need
/// more.
const HOPS: usize = 16;

impl Local {
    /// Whether what an alias goes by is on this agent.
    pub(crate) fn is_here(&self, alias: &CheckDefinition) -> bool {
        let node = NodeName::from(alias.alias_node.as_str());
        node.is_empty() || node.fold() == self.config.node.name.fold()
    }

    /// Looks again for those aliases whose checks have changed.
    pub(crate) fn refresh_aliases(&mut self, now: Time) {
        for _ in 0..HOPS {
            let stale = std::mem::take(&mut self.stale);
            if stale.is_empty() {
                return;
            }
            for id in self.checks.aliases_of(&stale) {
                self.refresh_alias(now, &id);
            }
        }
        self.stale.clear();
    }

    /// Looks again for one check, if it is an alias of something here.
    pub(crate) fn refresh_alias(&mut self, now: Time, id: &CheckId) {
        let Some(check) = self.checks.get(id).filter(|check| check.is_kind(CheckKind::Alias))
        else {
            return;
        };
        let Some(alias) = check.definition.clone().filter(|alias| self.is_here(alias)) else {
            return;
        };
        let (status, output) = self.aliased(id, &alias);
        // An alias of an alias says what that one says, and so on.
        let max = self.config.check_output_max_bytes;
        self.found(now, id, status, beginning(&output, max));
    }

    /// The worst of the checks of the service and of those of the node. An alias that is the
    /// node's own check does not count: it only repeats what others say, perhaps this one.
    fn aliased(&self, own: &CheckId, alias: &CheckDefinition) -> (Status, String) {
        let service = ServiceId::from(alias.alias_service.as_str());
        if !service.is_empty() && !self.services.contains_key(&service) {
            let node = &alias.alias_node;
            return (
                Status::Critical,
                format!("Service {service} could not be found on node {node}"),
            );
        }
        let of_node = (self.checks_of(&ServiceId::default()))
            .filter(|check| !check.is_kind(CheckKind::Alias));
        let of_service = (!service.is_empty()).then(|| self.checks_of(&service));
        let mut worst = None;
        let checks = of_service.into_iter().flatten().chain(of_node);
        for check in checks.filter(|check| check.row.id != *own) {
            let status = Status::parse(&check.row.status).unwrap_or(Status::Critical);
            if worst.is_none_or(|(known, _)| status > known) {
                worst = Some((status, &check.row));
            }
        }
        match worst {
            // Who asks for the node means its serfHealth too, which passes while this runs.
            None if alias.alias_node.is_empty() => (Status::Passing, "No checks found.".to_owned()),
            None | Some((Status::Passing, _)) => {
                (Status::Passing, "All checks passing.".to_owned())
            }
            Some((status, row)) => {
                let name = gotext::quote(&row.name);
                (status, format!("Aliased check {name} failing: {}", row.output))
            }
        }
    }
}
