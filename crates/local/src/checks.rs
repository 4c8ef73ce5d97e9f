//! Registration and removal of checks, and what they find.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Check, CheckId, ServiceId};
use gotext::object::Object;

use crate::check_definition::{CheckDefinition, CheckKind};
use crate::damping::Damping;
use crate::entry::LocalCheck;
use crate::files;
use crate::interface::{Fact, Key, Output, Source, Ticket};
use crate::machine::Local;
use crate::refused::Refused;
use crate::status::Status;
use crate::time::Time;
use crate::timers::Timer;

/// The check that says that the node is in maintenance.
pub(crate) const NODE_MAINTENANCE: &str = "_node_maintenance";
/// What the checks that say so of services begin with.
pub(crate) const SERVICE_MAINTENANCE: &str = "_service_maintenance:";

/// The shortest time that a check is critical before its service goes.
const REAP_AFTER_MIN: Duration = Duration::from_secs(60);
/// How often it is looked for services that are to go.
const REAP_INTERVAL: Duration = Duration::from_secs(30);

/// What is to become of a check's copy in the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SavedCopy {
    /// It is to say what the check is now.
    Write,
    /// The check comes from it.
    Leave,
    /// A file of the configuration says what the check is.
    Remove,
}

impl SavedCopy {
    pub(crate) fn of(source: Source) -> Self {
        match source {
            Source::File => Self::Remove,
            Source::Request => Self::Write,
        }
    }
}

/// The ID of the check that says that a service is in maintenance.
pub(crate) fn service_maintenance_id(service: &ServiceId) -> CheckId {
    CheckId::from(format!("{SERVICE_MAINTENANCE}{service}").as_str())
}

/// The body of `/v1/agent/check/update/<id>`.
///
/// # Errors
///
/// What is no such body, and a status that is none.
pub fn parse_update(body: &[u8]) -> Result<(Status, String), Refused> {
    let mut fields = Object::parse(body)?;
    let word: String = fields.field("Status")?;
    let output = fields.field("Output")?;
    fields.finish()?;
    let status = Status::parse(&word).ok_or(Refused::UpdateStatus(word))?;
    Ok((status, output))
}

impl Local {
    /// Registers a check of the node or of one of its services. A known check keeps its status.
    ///
    /// # Errors
    ///
    /// A service that does not exist; programs where they are off.
    pub fn register_check(
        &mut self,
        now: Time,
        mut definition: CheckDefinition,
        source: Source,
        token: &str,
    ) -> Result<Ticket, Refused> {
        let mut row = definition.row();
        if row.id.is_empty() {
            return Err(Refused::FileCheckId);
        }
        if source == Source::File {
            // Consul says of these alone not what they are.
            row.kind = Box::default();
        }
        // The row has them.
        definition.service_id.clear();
        definition.token.clear();
        if !row.service_id.is_empty() {
            let Some(service) = self.services.get(&row.service_id) else {
                return Err(Refused::NoSuchService(row.service_id));
            };
            row.service_name = service.row.name.clone();
            row.service_tags = service.row.tags.clone();
        }
        self.check_allowed(&definition, source)?;
        let key = Key::Check(row.id.clone());
        let copy = SavedCopy::of(source);
        self.install_check(now, row, Some(Arc::new(definition)), token, source, copy);
        Ok(self.ticket(now, &[key]))
    }

    /// Puts a check in its place.
    pub(crate) fn install_check(
        &mut self,
        now: Time,
        mut row: Check,
        definition: Option<Arc<CheckDefinition>>,
        token: &str,
        source: Source,
        copy: SavedCopy,
    ) {
        let id = row.id.clone();
        row.node = self.config.node.name.clone();
        let before = self.checks.remove(&id);
        let damping = definition.as_deref().map(Damping::new).unwrap_or_default();
        let mut entry = LocalCheck {
            row,
            definition,
            token: token.into(),
            source,
            damping,
            critical_since: None,
            told: Box::default(),
        };
        let mut runs = false;
        if let Some(before) = before {
            self.stale.insert(before.row.service_id.clone());
            runs = self.is_run_outside(&before);
            entry.row.status = before.row.status;
            entry.row.output = before.row.output;
            entry.critical_since = before.critical_since;
            if runs && before.definition == entry.definition {
                entry.damping = before.damping;
            } else if runs {
                self.outputs.push_back(Output::Stop { check: id.clone() });
                runs = false;
            }
        }
        let ttl = Timer::Ttl(id.clone());
        match entry.definition.as_deref().filter(|check| check.kind() == CheckKind::Ttl) {
            Some(check) => self.timers.set(ttl, now + check.ttl.saturating_std()),
            None => self.timers.clear(&ttl),
        }
        if !runs && self.is_run_outside(&entry) {
            self.outputs.extend(self.start(&entry));
        }
        match copy {
            SavedCopy::Write => self.outputs.push_back(files::save_check(&entry)),
            SavedCopy::Leave => {}
            SavedCopy::Remove => self.outputs.push_back(Output::Remove { file: files::check(&id) }),
        }
        self.stale.insert(entry.row.service_id.clone());
        self.checks.insert(entry);
        self.refresh_alias(now, &id);
        self.plan_reap(&id);
        self.mark_check(id);
    }

    fn start(&self, check: &LocalCheck) -> Option<Output> {
        let definition = check.definition.clone()?;
        let output_max_bytes = self.output_max_bytes(&definition);
        Some(Output::Start { check: check.row.id.clone(), definition, output_max_bytes })
    }

    /// Whether somebody outside has to look.
    fn is_run_outside(&self, check: &LocalCheck) -> bool {
        match check.definition.as_deref() {
            None => false,
            Some(definition) => match definition.kind() {
                CheckKind::Ttl => false,
                CheckKind::Alias => !self.is_here(definition),
                _ => true,
            },
        }
    }

    pub(crate) fn output_max_bytes(&self, definition: &CheckDefinition) -> usize {
        let own = usize::try_from(definition.output_max_size).unwrap_or(0);
        let agents = self.config.check_output_max_bytes;
        if own == 0 { agents } else { own.min(agents) }
    }

    /// Removes a check.
    ///
    /// # Errors
    ///
    /// [`Refused::UnknownCheck`].
    pub fn deregister_check(&mut self, now: Time, id: &CheckId) -> Result<Ticket, Refused> {
        if !self.checks.contains(id) {
            return Err(Refused::UnknownCheck(id.clone()));
        }
        let mut keys = Vec::new();
        self.drop_check(id, &mut keys);
        Ok(self.ticket(now, &keys))
    }

    pub(crate) fn drop_check(&mut self, id: &CheckId, keys: &mut Vec<Key>) {
        self.remove_check(id);
        let key = Key::Check(id.clone());
        self.queue.mark(key.clone());
        keys.push(key);
    }

    /// Removes a check here, with its files and whoever runs it.
    pub(crate) fn remove_check(&mut self, id: &CheckId) {
        let Some(check) = self.checks.remove(id) else { return };
        if self.is_run_outside(&check) {
            self.outputs.push_back(Output::Stop { check: id.clone() });
        }
        self.outputs.push_back(Output::Remove { file: files::check(id) });
        if check.is_kind(CheckKind::Ttl) {
            self.outputs.push_back(Output::Remove { file: files::check_state(id) });
        }
        for timer in [Timer::Ttl(id.clone()), Timer::Reap(id.clone()), Timer::Deferred(id.clone())]
        {
            self.timers.clear(&timer);
        }
        self.stale.insert(check.row.service_id);
    }

    /// Pushes a check, and what could not be pushed of its service before it.
    pub(crate) fn mark_check(&mut self, id: CheckId) {
        if let Some(check) = self.checks.get(&id).filter(|check| !check.row.service_id.is_empty()) {
            let service = Key::Service(check.row.service_id.clone());
            if self.queue.is_held(&service) {
                self.queue.mark(service);
            }
        }
        self.queue.mark(Key::Check(id));
    }

    /// Tells a check with a TTL what is.
    ///
    /// # Errors
    ///
    /// A check that does not exist, or has no TTL.
    pub fn update_ttl(
        &mut self,
        now: Time,
        id: &CheckId,
        status: Status,
        output: &str,
    ) -> Result<Ticket, Refused> {
        let Some(check) = self.checks.get_mut(id) else {
            return Err(Refused::UnknownCheck(id.clone()));
        };
        let Some(definition) =
            check.definition.clone().filter(|definition| definition.kind() == CheckKind::Ttl)
        else {
            return Err(Refused::NoTtl(id.clone()));
        };
        let max = self.output_max_bytes(&definition);
        let output = capped(output, max);
        let expires = now + definition.ttl.saturating_std();
        self.timers.set(Timer::Ttl(id.clone()), expires);
        self.outputs.push_back(files::save_state(id, &output, status, expires));
        if let Some(check) = self.checks.get_mut(id) {
            check.told = output.as_str().into();
        }
        self.found(now, id, status, &output);
        Ok(self.ticket(now, &[Key::Check(id.clone())]))
    }

    pub(crate) fn ttl_expired(&mut self, now: Time, id: &CheckId) {
        let Some(check) = self.checks.get(id) else { return };
        let text = match &*check.told {
            "" => "TTL expired".to_owned(),
            told => format!("TTL expired (last output before timeout follows): {told}"),
        };
        self.fact(Fact::TtlExpired(id.clone()));
        self.found(now, id, Status::Critical, &text);
    }

    /// A check was run.
    pub(crate) fn ran(&mut self, now: Time, id: &CheckId, status: Status, output: String) {
        // A runner may have spoken before it was stopped: who has none now does not listen.
        if !self.checks.get(id).is_some_and(|check| self.is_run_outside(check)) {
            return;
        }
        let max = self.config.check_output_max_bytes;
        let Some(check) = self.checks.get_mut(id) else { return };
        if check.is_kind(CheckKind::Alias) {
            // As of an alias of something here.
            self.found(now, id, status, beginning(&output, max));
        } else if let Some(status) = check.damping.result(status) {
            self.found(now, id, status, &output);
        }
    }

    /// A check says something, perhaps the same as before.
    pub(crate) fn found(&mut self, now: Time, id: &CheckId, status: Status, output: &str) {
        let output = if self.config.discard_check_output { "" } else { output };
        let Some(check) = self.checks.get_mut(id) else { return };
        if status == Status::Critical {
            check.critical_since.get_or_insert(now);
        } else {
            check.critical_since = None;
        }
        let other_status = *check.row.status != *status.as_str();
        let other_output = *check.row.output != *output;
        check.row.output = output.into();
        check.row.status = status.as_str().into();
        let service = check.row.service_id.clone();
        self.plan_reap(id);
        if !other_status && !other_output {
            return;
        }
        self.stale.insert(service);
        if other_status {
            self.fact(Fact::StatusChanged { check: id.clone(), status });
            self.mark_check(id.clone());
            return;
        }
        let interval = self.config.check_update_interval;
        let timer = Timer::Deferred(id.clone());
        if interval.is_zero() {
            self.mark_check(id.clone());
        } else if self.timers.get(&timer).is_none()
            && self.queue.is_in_sync(&Key::Check(id.clone()))
        {
            let wait = interval / 2 + self.part_of(interval);
            self.timers.set(timer, now + wait);
        }
    }

    /// Sets the time at which a check takes its service along, or none.
    fn plan_reap(&mut self, id: &CheckId) {
        let timer = Timer::Reap(id.clone());
        let due = self.checks.get(id).and_then(|check| {
            let after = check.definition.as_ref()?.deregister_critical_service_after;
            let since = check.critical_since?;
            let after = after.saturating_std();
            let wanted = !after.is_zero() && !check.row.service_id.is_empty();
            wanted.then(|| since + after.max(REAP_AFTER_MIN))
        });
        match due {
            None => self.timers.clear(&timer),
            Some(due) => {
                // At the first look after that.
                let looks = due.since(self.started).as_nanos() / REAP_INTERVAL.as_nanos() + 1;
                let looks = u32::try_from(looks).unwrap_or(u32::MAX);
                self.timers.set(timer, self.started + REAP_INTERVAL.saturating_mul(looks));
            }
        }
    }

    /// Puts the node in maintenance, for a reason that may be empty. If it is in maintenance
    /// already, the first reason stays.
    pub fn enter_node_maintenance(&mut self, now: Time, reason: &str, token: &str) -> Ticket {
        let id = CheckId::from(NODE_MAINTENANCE);
        if self.checks.contains(&id) {
            return self.ticket(now, &[]);
        }
        let row = maintenance(id.clone(), "Node Maintenance Mode", reason, "node");
        self.install_check(now, row, None, token, Source::File, SavedCopy::Write);
        self.fact(Fact::NodeMaintenance(true));
        self.ticket(now, &[Key::Check(id)])
    }

    /// Ends the maintenance of the node, if there is any.
    pub fn leave_node_maintenance(&mut self, now: Time) -> Ticket {
        let id = CheckId::from(NODE_MAINTENANCE);
        if self.checks.contains(&id) {
            self.fact(Fact::NodeMaintenance(false));
            self.drop_check(&id, &mut Vec::new());
        }
        self.ticket(now, &[Key::Check(id)])
    }

    /// As [`Local::enter_node_maintenance`], for one service.
    ///
    /// # Errors
    ///
    /// [`Refused::UnknownService`].
    pub fn enter_service_maintenance(
        &mut self,
        now: Time,
        service: &ServiceId,
        reason: &str,
        token: &str,
    ) -> Result<Ticket, Refused> {
        let Some(known) = self.services.get(service) else {
            return Err(Refused::UnknownService(service.clone()));
        };
        let id = service_maintenance_id(service);
        if self.checks.contains(&id) {
            return Ok(self.ticket(now, &[]));
        }
        let mut row = maintenance(id.clone(), "Service Maintenance Mode", reason, "service");
        row.service_id = service.clone();
        row.service_name = known.row.name.clone();
        row.service_tags = known.row.tags.clone();
        self.install_check(now, row, None, token, Source::File, SavedCopy::Write);
        self.fact(Fact::ServiceMaintenance(service.clone(), true));
        Ok(self.ticket(now, &[Key::Check(id)]))
    }

    /// Ends the maintenance of a service, if there is any.
    ///
    /// # Errors
    ///
    /// [`Refused::UnknownService`].
    pub fn leave_service_maintenance(
        &mut self,
        now: Time,
        service: &ServiceId,
    ) -> Result<Ticket, Refused> {
        if !self.services.contains_key(service) {
            return Err(Refused::UnknownService(service.clone()));
        }
        let id = service_maintenance_id(service);
        if self.checks.contains(&id) {
            self.fact(Fact::ServiceMaintenance(service.clone(), false));
            self.drop_check(&id, &mut Vec::new());
        }
        Ok(self.ticket(now, &[Key::Check(id)]))
    }
}

fn maintenance(id: CheckId, name: &str, reason: &str, of: &str) -> Check {
    let notes = match reason {
        "" => format!(
            "Maintenance mode is enabled for this {of}, but no reason was provided. This is a \
             default message."
        ),
        reason => reason.to_owned(),
    };
    Check {
        id,
        name: name.into(),
        status: catalog::CRITICAL.into(),
        notes: notes.into(),
        kind: "maintenance".into(),
        ..Check::default()
    }
}

/// So many bytes of a text at most, whole characters alone.
pub(crate) fn beginning(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The beginning of a note that is too long, which says so.
fn capped(note: &str, max: usize) -> String {
    if note.len() <= max {
        return note.to_owned();
    }
    let kept = beginning(note, max);
    format!("{kept} ... (captured {max} of {} bytes)", note.len())
}
