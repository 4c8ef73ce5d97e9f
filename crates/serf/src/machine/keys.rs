//! Keys of an encrypted cluster: what we do with ours when asked, and what all members answered
//! when we ask. Specification "Gossip wire protocol and behaviour", B10.
//!
//! A change is answered once the keyring is on disk, and only then in force: one that cannot be
//! written has not happened.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use gossip::{Keyring, Time, Token};
use wire::NodeName;
use wire::message::serf::{KeyRequest, KeyResponse, SerfMessage};

use super::queries::{Purpose, RESERVED_PREFIX};
use super::{Persisting, Serf};
use crate::interface::{
    Fact, KeyOperation, KeyReport, KeyStep, Output, Persist, PersistId, QueryId, QueryRequest,
};
use crate::limits;

/// What is to be done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyVerb {
    Install,
    Use,
    Remove,
}

impl KeyVerb {
    /// The name of its query, without the prefix.
    fn query(self) -> &'static str {
        match self {
            KeyVerb::Install => "install-key",
            KeyVerb::Use => "use-key",
            KeyVerb::Remove => "remove-key",
        }
    }
}

/// Changes that others have asked for, one at a time.
#[derive(Debug, Default)]
pub(super) struct KeyTasks {
    pub(super) waiting: VecDeque<KeyTask>,
    /// On its way to disk.
    writing: Option<(KeyTask, Keyring)>,
}

#[derive(Debug)]
pub(super) struct KeyTask {
    query: QueryId,
    verb: KeyVerb,
    key: Bytes,
}

impl Serf {
    pub(super) fn take_key_task(
        &mut self,
        now: Time,
        query: QueryId,
        verb: KeyVerb,
        payload: Option<&[u8]>,
    ) {
        let key = match decode_request(payload.unwrap_or_default()) {
            Ok(request) => request.key,
            Err(why) => return self.answer_key(now, query, verb, Err((KeyStep::Read, why))),
        };
        if self.key_tasks.waiting.len() >= limits::KEY_OPERATIONS {
            let why = "too many key operations are waiting, try again".to_owned();
            return self.answer_key(now, query, verb, Err((KeyStep::Change, why)));
        }
        self.key_tasks.waiting.push_back(KeyTask { query, verb, key });
        self.next_key_task(now);
    }

    fn next_key_task(&mut self, now: Time) {
        while self.key_tasks.writing.is_none()
            && let Some(task) = self.key_tasks.waiting.pop_front()
        {
            match self.changed_keyring(&task) {
                Err(why) => self.answer_key(now, task.query, task.verb, Err(why)),
                Ok(keyring) if self.config.persist_keyring => {
                    let id = PersistId(self.next_id());
                    let raw = |key: &wire::Key| Bytes::copy_from_slice(key.as_bytes());
                    let keys = keyring.keys().iter().map(raw).collect();
                    self.persisting.insert(id, Persisting::Keyring);
                    self.key_tasks.writing = Some((task, keyring));
                    self.outputs.push_back(Output::Persist { id, what: Persist::Keyring(keys) });
                }
                Ok(keyring) => self.apply_key_task(now, &task, keyring),
            }
        }
    }

    /// The keyring as it is to be.
    fn changed_keyring(&self, task: &KeyTask) -> Result<Keyring, (KeyStep, String)> {
        let Some(mut keyring) = self.gossip.security().keyring.clone() else {
            return Err((KeyStep::Find, wire::KeyringError::NotEnabled.to_string()));
        };
        let changed = match task.verb {
            KeyVerb::Install => keyring.add(&task.key),
            KeyVerb::Use => keyring.use_key(&task.key),
            KeyVerb::Remove => keyring.remove(&task.key),
        };
        changed.map(|()| keyring).map_err(|error| (KeyStep::Change, error.to_string()))
    }

    fn apply_key_task(&mut self, now: Time, task: &KeyTask, changed: Keyring) {
        if let Some(keyring) = self.gossip.keyring_mut() {
            *keyring = changed;
        }
        self.answer_key(now, task.query, task.verb, Ok(()));
    }

    pub(super) fn keyring_persisted(&mut self, now: Time, result: Result<(), String>) {
        if let Some((task, keyring)) = self.key_tasks.writing.take() {
            match result {
                Ok(()) => self.apply_key_task(now, &task, keyring),
                Err(why) => {
                    self.answer_key(now, task.query, task.verb, Err((KeyStep::Write, why)));
                }
            }
        }
        self.next_key_task(now);
    }

    fn answer_key(
        &mut self,
        now: Time,
        query: QueryId,
        verb: KeyVerb,
        result: Result<(), (KeyStep, String)>,
    ) {
        if let Err((step, message)) = &result {
            let (operation, step, message) = (verb.query(), *step, message.clone());
            self.fact(Fact::KeyFailure { operation, step, message });
        }
        let response = KeyResponse {
            result: result.is_ok(),
            message: result.err().map(|(_, why)| why).unwrap_or_default(),
            keys: None,
            primary_key: String::new(),
        };
        let message = SerfMessage::KeyResponse(response).encode().into();
        self.respond_internal(now, query, verb.query(), message);
    }

    pub(super) fn list_keys(&mut self, now: Time, query: QueryId) {
        let message = match &self.gossip.security().keyring {
            None => {
                let message = wire::KeyringError::Empty.to_string();
                let step = KeyStep::Find;
                let said = message.clone();
                self.fact(Fact::KeyFailure { operation: "list-keys", step, message: said });
                let response = KeyResponse { message, ..KeyResponse::default() };
                Some(SerfMessage::KeyResponse(response).encode().into())
            }
            Some(keyring) => self.fitting_list(query, keyring),
        };
        match message {
            Some(message) => self.respond_internal(now, query, "list-keys", message),
            None => self.internal_failed("list-keys", "no key fits into an answer".to_owned()),
        }
    }

    /// As many keys as fit into a response.
    fn fitting_list(&self, query: QueryId, keyring: &Keyring) -> Option<Bytes> {
        let text = |key: &wire::Key| BASE64.encode(key.as_bytes());
        let keys: Vec<String> = keyring.keys().iter().map(text).collect();
        let all = keys.len();
        let most =
            all.min(self.config.query_response_size_limit / limits::KEY_RESPONSE_ENTRY_BYTES);
        let fewer = (0..=most).rev().filter(|shown| *shown < all);
        std::iter::once(all).chain(fewer).find_map(|shown| {
            let message = if shown == all {
                String::new()
            } else {
                format!("truncated key list response, showing first {shown} of {all} keys")
            };
            let response = KeyResponse {
                result: true,
                message,
                keys: Some(keys[..shown].to_vec()),
                primary_key: text(keyring.primary()),
            };
            let message = Bytes::from(SerfMessage::KeyResponse(response).encode());
            self.encode_response(query, message.clone()).is_ok().then_some(message)
        })
    }

    pub(super) fn start_key_operation(
        &mut self,
        now: Time,
        caller: Token,
        operation: KeyOperation,
    ) {
        let (name, key) = match operation {
            KeyOperation::Install(key) => (KeyVerb::Install.query(), key),
            KeyOperation::Use(key) => (KeyVerb::Use.query(), key),
            KeyOperation::Remove(key) => (KeyVerb::Remove.query(), key),
            KeyOperation::List => ("list-keys", Bytes::new()),
        };
        let payload = SerfMessage::KeyRequest(KeyRequest { key }).encode().into();
        let request = QueryRequest {
            name: format!("{RESERVED_PREFIX}{name}"),
            payload: Some(payload),
            ..QueryRequest::default()
        };
        let report = KeyReport { nodes: self.gossip.live_count(), ..KeyReport::default() };
        let count = KeyCount { caller, report };
        if let Err(error) = self.start_query(now, request, Purpose::Keys(count)) {
            self.failed(caller, error);
        }
    }
}

/// The type byte is not looked at, as in the reference; but there has to be one.
fn decode_request(payload: &[u8]) -> Result<KeyRequest, String> {
    let (_, body) = payload.split_first().ok_or_else(|| "the key request is empty".to_owned())?;
    KeyRequest::read(&mut wire::msgpack::Reader::new(body))
        .map_err(|error| format!("the key request cannot be read: {error}"))
}

/// The answers to a key operation so far.
#[derive(Debug)]
pub(super) struct KeyCount {
    pub(super) caller: Token,
    pub(super) report: KeyReport,
}

impl KeyCount {
    /// Counts an answer; that it cannot be read is a fact.
    pub(super) fn take(&mut self, from: NodeName, payload: Option<&[u8]>) -> Option<Fact> {
        let report = &mut self.report;
        report.responses += 1;
        let payload = payload.unwrap_or_default();
        let response = match SerfMessage::decode(payload) {
            Ok(SerfMessage::KeyResponse(response)) => response,
            Ok(_) | Err(_) => {
                report.errors += 1;
                let message = format!("Invalid key query response: {payload:?}");
                report.messages.insert(from.clone(), message);
                return Some(Fact::KeyResponseMalformed { node: from, response: None });
            }
        };
        if !response.result {
            report.errors += 1;
        }
        count_key(&mut report.keys, response.keys.into_iter().flatten());
        let primary = Some(response.primary_key).filter(|key| !key.is_empty());
        count_key(&mut report.primary_keys, primary.into_iter());
        if !response.result || !response.message.is_empty() {
            report.messages.insert(from, response.message);
        }
        None
    }

    pub(super) fn is_complete(&self) -> bool {
        self.report.responses == self.report.nodes
    }

    /// Whom to tell, and what.
    pub(super) fn into_report(self) -> (Token, KeyReport) {
        let mut report = self.report;
        let nodes = report.nodes;
        if report.errors > 0 {
            report.failure = Some(format!("{}/{nodes} nodes reported failure", report.errors));
        } else if report.responses != nodes {
            report.failure = Some(format!("{}/{nodes} nodes reported success", report.responses));
        }
        (self.caller, report)
    }
}

/// Key texts come from other members: there are bounds to how many are counted.
fn count_key(counts: &mut BTreeMap<String, usize>, keys: impl Iterator<Item = String>) {
    for key in keys {
        if counts.len() < limits::REPORT_KEYS || counts.contains_key(&key) {
            *counts.entry(key).or_default() += 1;
        }
    }
}
