//! Registration and removal of services, and what the files of the configuration define.

use std::collections::BTreeSet;
use std::sync::Arc;

use catalog::{CheckId, ServiceId};
use gotext::quote;

use crate::check_definition::{CheckDefinition, CheckKind};
use crate::checks::{SavedCopy, service_maintenance_id};
use crate::entry::LocalService;
use crate::files;
use crate::interface::{Fact, Key, Output, Source, Ticket};
use crate::machine::Local;
use crate::refused::Refused;
use crate::service_definition::ServiceDefinition;
use crate::sidecar;
use crate::time::Time;
use crate::timers::Timer;

/// Most checks of one service: each is a timer and a file, and all come with one entry of the log.
pub(crate) const SERVICE_CHECKS: usize = 512;

impl Local {
    /// Registers a service with its checks, and its sidecar with it. Known checks keep their
    /// status; those that are not mentioned stay, unless they are to be replaced.
    ///
    /// # Errors
    ///
    /// What this agent cannot take: programs as checks where they are off, an address of the wrong
    /// family, no port left for the sidecar. Nothing is registered then.
    pub fn register_service(
        &mut self,
        now: Time,
        definition: ServiceDefinition,
        source: Source,
        token: &str,
        replace_checks: bool,
    ) -> Result<Ticket, Refused> {
        let keys = self.install(now, definition, source, token, replace_checks)?;
        Ok(self.ticket(now, &keys))
    }

    /// Returns the names of everything that belongs to it.
    fn install(
        &mut self,
        now: Time,
        mut definition: ServiceDefinition,
        source: Source,
        token: &str,
        replace_checks: bool,
    ) -> Result<Vec<Key>, Refused> {
        let mut sidecar = definition.sidecar.take();
        if let Some(sidecar) = &mut sidecar {
            self.settle_sidecar(&definition, sidecar)?;
        }
        let mut keys = Vec::new();
        let all = std::iter::once(&definition).chain(sidecar.as_deref());
        for part in all.clone() {
            part.addresses_valid()?;
            if part.checks.len() > SERVICE_CHECKS {
                return Err(Refused::TooManyChecks(part.checks.len()));
            }
            part.checks.iter().try_for_each(|check| self.check_allowed(check, source))?;
        }
        for part in all {
            let entry = LocalService {
                row: part.service.clone(),
                token: token.into(),
                source,
                sidecar: part.service.id != definition.service.id,
            };
            self.install_service(entry, &mut keys);
            let mut named = BTreeSet::from([service_maintenance_id(&part.service.id)]);
            for (row, check) in part.check_rows().into_iter().zip(&part.checks) {
                named.insert(row.id.clone());
                let check = Some(Arc::new(check.clone()));
                self.install_check(now, row, check, token, source, SavedCopy::of(source));
            }
            if replace_checks {
                let others = self.checks_of(&part.service.id).map(|check| check.row.id.clone());
                let others: Vec<CheckId> = others.filter(|id| !named.contains(id)).collect();
                others.iter().for_each(|id| self.drop_check(id, &mut keys));
            }
            keys.extend(named.into_iter().map(Key::Check));
        }
        Ok(keys)
    }

    fn settle_sidecar(
        &self,
        parent: &ServiceDefinition,
        sidecar: &mut ServiceDefinition,
    ) -> Result<(), Refused> {
        let id = &sidecar.service.id;
        let known = self.services.get(id).map(|known| known.row.port).filter(|port| *port > 0);
        let taken = || self.services.values().map(|service| service.row.port).collect();
        let range = self.config.sidecar_ports.as_ref();
        sidecar::settle(sidecar, &parent.service.id, known, range, taken)
    }

    pub(crate) fn check_allowed(
        &self,
        check: &CheckDefinition,
        source: Source,
    ) -> Result<(), Refused> {
        check.validate().map_err(Refused::Check)?;
        let scripts = self.config.scripts_of_requests
            || (source == Source::File && self.config.scripts_of_files);
        if check.is_script() && !scripts {
            let by_request = source == Source::Request;
            return Err(if by_request { Refused::RemoteScripts } else { Refused::Scripts });
        }
        if check.kind() == CheckKind::OsService && !self.config.os_services {
            return Err(Refused::OsService);
        }
        Ok(())
    }

    fn install_service(&mut self, mut entry: LocalService, keys: &mut Vec<Key>) {
        entry.row.node = self.config.node.name.clone();
        let id = entry.row.id.clone();
        match entry.source {
            Source::Request => self.outputs.push_back(files::save_service(&entry)),
            Source::File => self.outputs.push_back(Output::Remove { file: files::service(&id) }),
        }
        let before = self.services.insert(id.clone(), entry);
        if before.is_none_or(|before| before.row != self.services[&id].row) {
            self.outputs.push_back(Output::Changed(id.clone()));
        }
        self.stale.insert(id.clone());
        let key = Key::Service(id);
        self.queue.mark(key.clone());
        keys.push(key);
    }

    /// Removes a service with its checks, and its sidecar with it.
    ///
    /// # Errors
    ///
    /// [`Refused::UnknownService`].
    pub fn deregister_service(&mut self, now: Time, id: &ServiceId) -> Result<Ticket, Refused> {
        let mut keys = Vec::new();
        if !self.drop_service(id, &mut keys) {
            return Err(Refused::UnknownService(id.clone()));
        }
        Ok(self.ticket(now, &keys))
    }

    /// False if there is none.
    pub(crate) fn drop_service(&mut self, id: &ServiceId, keys: &mut Vec<Key>) -> bool {
        if self.services.remove(id).is_none() {
            return false;
        }
        self.outputs.push_back(Output::Remove { file: files::service(id) });
        self.outputs.push_back(Output::Changed(id.clone()));
        let checks: Vec<CheckId> = self.checks_of(id).map(|check| check.row.id.clone()).collect();
        for check in checks {
            // The catalogue removes them with the service.
            self.remove_check(&check);
            self.queue.forget(&Key::Check(check), &mut self.done);
        }
        self.stale.insert(id.clone());
        let key = Key::Service(id.clone());
        self.queue.mark(key.clone());
        keys.push(key);
        let sidecar = sidecar::id_of(id);
        if self.services.get(&sidecar).is_some_and(|service| service.sidecar) {
            self.drop_service(&sidecar, keys);
        }
        true
    }

    /// A check has been critical for too long.
    pub(crate) fn reap(&mut self, now: Time, id: &CheckId) {
        let Some(check) = self.checks.get(id) else { return };
        let service = check.row.service_id.clone();
        if check.critical_since.is_none() || !self.drop_service(&service, &mut Vec::new()) {
            return;
        }
        self.timers.clear(&Timer::Reap(id.clone()));
        self.fact(Fact::Reaped { service, check: id.clone() });
        self.settle(now);
    }

    /// Registers what the files of the configuration define, at the start or at a reload, and
    /// removes what they do not define any longer. What they define wins over what a request has
    /// registered under the same ID.
    ///
    /// Returns what could not be registered: which service or check, and why. What was defined
    /// before under its ID stays.
    pub fn register_files(
        &mut self,
        now: Time,
        services: Vec<ServiceDefinition>,
        checks: Vec<CheckDefinition>,
    ) -> Vec<(String, Refused)> {
        let mut refused = Vec::new();
        let mut kept = BTreeSet::new();
        for definition in services {
            let id = definition.service.id.clone();
            let name = format!("service {}", quote(definition.service.name.as_str()));
            let token = definition.token.clone();
            let installed = if definition.service.name.is_empty() {
                Err(Refused::FileServiceName)
            } else {
                self.install(now, definition, Source::File, &token, false)
            };
            match installed {
                Ok(keys) => kept.extend(keys),
                Err(why) => {
                    for id in [sidecar::id_of(&id), id] {
                        let checks = self.checks_of(&id).map(|check| check.row.id.clone());
                        kept.extend(checks.map(Key::Check));
                        kept.insert(Key::Service(id));
                    }
                    refused.push((name, why));
                }
            }
        }
        for definition in checks {
            kept.insert(Key::Check(definition.row().id));
            let name = format!("check '{}'", definition.name);
            let token = definition.token.clone();
            let text = definition.printed(self.output_max_bytes(&definition));
            if let Err(why) = self.register_check(now, definition, Source::File, &token) {
                refused.push((name, Refused::FileCheck { why: Box::new(why), definition: text }));
            }
        }
        self.drop_unfiled(&kept);
        self.settle(now);
        refused
    }

    /// Removes what a file defined, but for these.
    fn drop_unfiled(&mut self, kept: &BTreeSet<Key>) {
        let gone = |source, key| source == Source::File && !kept.contains(&key);
        // Maintenance is nobody's definition.
        let checks: Vec<CheckId> = (self.checks.iter())
            .filter(|check| check.definition.is_some())
            .filter(|check| gone(check.source, Key::Check(check.row.id.clone())))
            .map(|check| check.row.id.clone())
            .collect();
        checks.iter().for_each(|id| self.drop_check(id, &mut Vec::new()));
        let services: Vec<ServiceId> = (self.services.iter())
            .filter(|(id, service)| gone(service.source, Key::Service((*id).clone())))
            .map(|(id, _)| id.clone())
            .collect();
        for id in services {
            self.drop_service(&id, &mut Vec::new());
        }
    }
}
