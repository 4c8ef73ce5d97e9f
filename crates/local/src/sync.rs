//! How the catalogue is kept equal to what the agent has (consul-agent, "Sync algorithm").

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{Check, CheckId, Register, Service, ServiceId};

use crate::compare::{same_check, same_node, same_service, same_tags, take_virtual};
use crate::interface::{CallId, Fact, Key, Outcome, Output, RemoteView, Token};
use crate::machine::Local;
use crate::queue::Flight;
use crate::time::Time;
use crate::timers::Timer;

/// From one full sync to the next, and as much again at random, in a cluster of up to
/// [`SCALE_FROM`] members.
const INTERVAL: Duration = Duration::from_secs(60);
/// The same after a failure.
const RETRY: Duration = Duration::from_secs(15);
/// Within this a full sync follows a server that joins.
const SERVER_JOINED: Duration = Duration::from_secs(3);
/// Up to this many members, full syncs are as frequent as they get.
const SCALE_FROM: usize = 128;
/// The most calls at a time: enough for the servers to make one write of many.
const WINDOW: usize = 64;

/// What the servers keep about themselves and the leader about every member.
const SERVERS: &str = "consul";

impl Local {
    /// How many times rarer full syncs are in a large cluster.
    fn scale(&self) -> u32 {
        if self.members <= SCALE_FROM {
            return 1;
        }
        // The binary logarithm, rounded up, of the members to those who are served at full rate.
        let doublings = usize::BITS - ((self.members - 1) / SCALE_FROM).leading_zeros();
        doublings + 1
    }

    pub(crate) fn full_sync_soon(&mut self, now: Time) {
        let within = self.part_of(SERVER_JOINED * self.scale());
        self.full_sync_by(now + within);
    }

    /// A full sync at this time, unless there is one earlier.
    pub(crate) fn full_sync_by(&mut self, time: Time) {
        if self.leaving {
            return;
        }
        if self.timers.get(&Timer::FullSync).is_none_or(|planned| planned > time) {
            self.timers.set(Timer::FullSync, time);
        }
    }

    fn full_sync_after(&mut self, now: Time, wait: Duration) {
        let more = self.part_of(wait);
        self.full_sync_by(now + wait + more);
    }

    /// One reads at a time: the answer plans the next one.
    pub(crate) fn full_sync(&mut self) {
        if self.reading {
            self.read_again = true;
            return;
        }
        if self.leaving {
            return;
        }
        self.reading = true;
        self.queue.reading();
        self.outputs.push_back(Output::FetchRemote);
    }

    pub(crate) fn remote(&mut self, now: Time, answer: Result<RemoteView, Outcome>) {
        if !std::mem::take(&mut self.reading) || self.leaving {
            return;
        }
        match answer {
            Ok(view) => {
                self.failing = false;
                self.compare(view);
                let scaled = INTERVAL * self.scale();
                self.full_sync_after(now, scaled);
            }
            Err(outcome) => {
                self.failed(None, outcome);
                self.full_sync_after(now, RETRY);
            }
        }
        if std::mem::take(&mut self.read_again) {
            self.full_sync_by(now);
        }
    }

    /// Marks what is not in the catalogue as it should be.
    fn compare(&mut self, view: RemoteView) {
        // What was held and is not here any longer is either in the view, or gone.
        let held = self.queue.held();
        let same = view.node.is_some_and(|node| same_node(&self.config.node, &node));
        if self.queue.comparable(&Key::Node) && !same {
            self.queue.mark(Key::Node);
        }
        self.compare_services(view.services);
        self.compare_checks(view.checks);
        for key in held {
            self.queue.comparable(&key);
        }
    }

    fn compare_services(&mut self, remote: Vec<Service>) {
        let mut remote: BTreeMap<ServiceId, Service> =
            remote.into_iter().map(|service| (service.id.clone(), service)).collect();
        let local: Vec<ServiceId> = self.services.keys().cloned().collect();
        for id in local {
            let other = remote.remove(&id);
            let key = Key::Service(id);
            if !self.queue.comparable(&key) {
                continue;
            }
            let Key::Service(id) = &key else { continue };
            let Some(own) = self.services.get_mut(id) else { continue };
            let same = other.is_some_and(|other| {
                let mut changed = take_virtual(&mut own.row, &other);
                if own.row.enable_tag_override && !same_tags(&own.row.tags, &other.tags) {
                    own.row.tags.clone_from(&other.tags);
                    changed = true;
                }
                if changed {
                    self.outputs.push_back(Output::Changed(own.row.id.clone()));
                }
                same_service(&own.row, &other)
            });
            if !same {
                self.queue.mark(key);
            }
        }
        for id in remote.into_keys() {
            let key = Key::Service(id);
            let foreign = key != Key::Service(SERVERS.into());
            if self.queue.comparable(&key) && foreign {
                self.queue.mark(key);
            }
        }
    }

    fn compare_checks(&mut self, remote: Vec<Check>) {
        let mut remote: BTreeMap<CheckId, Check> =
            remote.into_iter().map(|check| (check.id.clone(), check)).collect();
        for id in self.checks.ids() {
            let other = remote.remove(&id);
            let key = Key::Check(id.clone());
            if !self.queue.comparable(&key) {
                continue;
            }
            // An output that is waiting is pushed when its time has come.
            let waiting = self.timers.get(&Timer::Deferred(id.clone())).is_some();
            let Some(own) = self.checks.get(&id) else { continue };
            if !other.is_some_and(|other| same_check(&own.row, &other, !waiting)) {
                self.mark_check(id);
            }
        }
        for (id, check) in remote {
            let key = Key::Check(id);
            let leaders = key == Key::Check(catalog::SERF_HEALTH.into());
            // The checks of a service that goes are removed with it.
            let service = Key::Service(check.service_id);
            let goes_along = self.queue.is_dirty(&service) && !self.has(&service);
            if self.queue.comparable(&key) && !leaders && !goes_along {
                self.queue.mark(key);
            }
        }
    }

    fn has(&self, key: &Key) -> bool {
        match key {
            Key::Node => true,
            Key::Service(id) => self.services.contains_key(id),
            Key::Check(id) => self.checks.contains(id),
        }
    }

    /// Sends what can be sent: the node first, services with their checks, other checks.
    pub(crate) fn push(&mut self) {
        // After a failure one at a time, until one gets through.
        let window = if self.failing { 1 } else { WINDOW };
        while !self.leaving && self.queue.in_flight() < window {
            let Some(key) = self.ready() else { return };
            if self.has(&key) { self.send_register(key) } else { self.send_deregister(key) }
        }
    }

    /// The first name that nothing has to come before, rather one that somebody waits for.
    fn ready(&self) -> Option<Key> {
        if self.queue.is_flying(&Key::Node) {
            return None;
        }
        let pending = |key: &Key| self.queue.is_dirty(key) || self.queue.is_flying(key);
        let ready = |key: &&Key| {
            // Its like may be on its way already.
            !self.queue.is_flying(key)
                && !self.service_of(key).is_some_and(|service| pending(&service))
        };
        if self.queue.is_dirty(&Key::Node) {
            return Some(Key::Node);
        }
        let waited_for = self.queue.waited_for().filter(|key| self.queue.is_dirty(key));
        waited_for.chain(self.queue.dirty()).find(ready).cloned()
    }

    fn service_of(&self, key: &Key) -> Option<Key> {
        let Key::Check(id) = key else { return None };
        let service = &self.checks.get(id)?.row.service_id;
        (!service.is_empty()).then(|| Key::Service(service.clone()))
    }

    fn send_register(&mut self, key: Key) {
        let mut keys = vec![key.clone()];
        let mut service = None;
        let mut checks = Vec::new();
        let mut token = Token::Agent;
        match &key {
            Key::Node => {}
            Key::Service(id) => {
                let own = &self.services[id];
                token = own.call_token();
                service = Some(Box::new(own.row.clone()));
                for check in self.checks_of(id) {
                    let check_key = Key::Check(check.row.id.clone());
                    if check.call_token() == token
                        && self.queue.is_dirty(&check_key)
                        && !self.queue.is_flying(&check_key)
                    {
                        checks.push(check.row.clone());
                        keys.push(check_key);
                    }
                }
            }
            Key::Check(id) => {
                let Some(check) = self.checks.get(id) else { return };
                token = check.call_token();
                checks.push(check.row.clone());
            }
        }
        for check in &checks {
            self.timers.clear(&Timer::Deferred(check.id.clone()));
        }
        let skip_node_update = key != Key::Node && self.queue.is_in_sync(&Key::Node);
        let node = self.config.node.clone();
        let request = Box::new(Register { node, skip_node_update, service, checks: checks.into() });
        let call = self.queue.launch(keys, false);
        self.outputs.push_back(Output::Register { call, request, token });
    }

    fn send_deregister(&mut self, key: Key) {
        let (service, check) = match &key {
            Key::Node => return,
            Key::Service(id) => (id.clone(), CheckId::default()),
            Key::Check(id) => (ServiceId::default(), id.clone()),
        };
        let call = self.queue.launch(vec![key], true);
        self.outputs.push_back(Output::Deregister { call, service, check, token: Token::Agent });
    }

    pub(crate) fn called(&mut self, now: Time, call: CallId, outcome: Outcome) {
        let Some(flight) = self.queue.land(call, &mut self.done) else { return };
        if self.leaving {
            return;
        }
        self.failing = matches!(outcome, Outcome::Failed(_));
        match outcome {
            Outcome::Done => self.landed(flight, |key, removed| {
                if removed { Fact::Deregistered(key) } else { Fact::Synced(key) }
            }),
            Outcome::Denied => self.landed(flight, |key, _| Fact::Blocked(key)),
            Outcome::Failed(why) => {
                self.fact(Fact::SyncFailed { key: flight.keys.first().cloned(), why });
                for key in flight.keys {
                    // What is gone meanwhile has been marked anew, or goes with its service.
                    if flight.removes || self.has(&key) {
                        self.queue.hold(key);
                    }
                }
                self.full_sync_after(now, RETRY);
            }
        }
    }

    fn landed(&mut self, flight: Flight, fact: impl Fn(Key, bool) -> Fact) {
        for key in flight.keys {
            self.fact(fact(key, flight.removes));
        }
    }
}

#[cfg(test)]
mod tests;
