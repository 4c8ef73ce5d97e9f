//! Transactions: operations on keys, nodes, services and checks, all or none.

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::entry::Entry;
use crate::error::Error;
use crate::kv::{KvVerb, KvWrite, Refused};
use crate::name::{ModifyIndex, Time, Uuid};
use crate::node::Node;
use crate::register::{meta_valid, node_id_valid};
use crate::service::Service;
use crate::state::{Snapshot, Write};

/// Most bytes of entries that the prefixes of one transaction may find: a hundred operations of a
/// few bytes each could name all keys a hundred times.
const TREES_BYTES: usize = 64 << 20;

/// What an operation does with keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TxnVerb {
    /// Writes.
    Write(KvVerb),
    /// Reads a key that must exist.
    Get,
    /// Reads a key, or says that there is none.
    GetOrEmpty,
    /// Reads all keys with a prefix.
    GetTree,
    /// Demands a modify index.
    CheckIndex,
    /// Demands a holder of the lock; nobody if empty.
    CheckSession,
    /// Demands absence.
    CheckNotExists,
    /// A word that no verb is.
    Unknown(Box<str>),
}

/// What an operation does with a row of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowVerb {
    /// Reads a row that must exist.
    Get,
    /// Writes.
    Set,
    /// Writes if the modify index is the row's; zero: if there is none.
    Cas,
    /// Removes.
    Delete,
    /// Removes if the modify index is the row's.
    DeleteCas,
    /// A word that no verb is.
    Unknown(Box<str>),
}

/// One operation. The modify index of a condition is that of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TxnOp {
    /// On keys; the verb of the fields counts for [`TxnVerb::Write`] only.
    Kv(TxnVerb, Box<KvWrite>),
    /// On a node.
    Node(RowVerb, Box<Node>),
    /// On a service.
    Service(RowVerb, Box<Service>),
    /// On a check.
    Check(RowVerb, Box<Check>),
}

/// What an operation answers.
#[derive(Clone, Debug, PartialEq)]
pub enum TxnResult {
    /// An entry to be shown with its value.
    Value(Entry),
    /// An entry to be shown without it.
    Entry(Entry),
    /// A key that does not exist.
    Absent(Box<[u8]>),
    /// A node.
    Node(Box<Node>),
    /// A service.
    Service(Box<Service>),
    /// A check.
    Check(Box<Check>),
}

/// Why a transaction was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnError {
    /// Which operation, from 0.
    pub op: usize,
    /// What was wrong.
    pub what: Error,
}

/// What is wrong before anything is looked at: what is missing, and identities that are none.
#[must_use]
pub fn txn_refused(ops: &[TxnOp]) -> Vec<TxnError> {
    let wrong = |op: &TxnOp| match op {
        TxnOp::Kv(TxnVerb::Write(KvVerb::DeleteTree), _) => None,
        TxnOp::Kv(_, fields) if fields.key.is_empty() => {
            Some(Error::Txn("Must provide key".into()))
        }
        TxnOp::Node(_, node) if node.name.is_empty() => Some(Error::NoNode),
        TxnOp::Node(RowVerb::Get, _) | TxnOp::Service(RowVerb::Get, _) => None,
        TxnOp::Node(_, node) => node_id_valid(&node.id).err(),
        TxnOp::Service(_, service) if service.name.is_empty() => Some(Error::NoServiceName),
        _ => None,
    };
    let wrong = ops.iter().enumerate().filter_map(|(op, this)| wrong(this).map(|what| (op, what)));
    wrong.map(|(op, what)| TxnError { op, what }).collect()
}

impl Snapshot {
    /// Runs operations without keeping what they change: for transactions that only read.
    ///
    /// # Errors
    ///
    /// Every operation that failed.
    pub fn txn(&self, ops: &[TxnOp]) -> Result<Vec<TxnResult>, Vec<TxnError>> {
        let (mut root, mut touched) = (self.clone(), Vec::new());
        let (index, now) = (self.index, Time(0));
        let replaced = &mut false;
        Write { root: &mut root, touched: &mut touched, replaced, index, now }.txn(ops)
    }
}

impl Write<'_> {
    /// Runs every operation; the caller takes everything back if one of them failed.
    pub(crate) fn txn(&mut self, ops: &[TxnOp]) -> Result<Vec<TxnResult>, Vec<TxnError>> {
        let mut results = Vec::new();
        let mut errors = Vec::new();
        let mut trees_bytes = 0;
        for (op, this) in ops.iter().enumerate() {
            let outcome = match this {
                TxnOp::Kv(verb, fields) => {
                    self.txn_kv(verb, fields, &mut results, &mut trees_bytes)
                }
                TxnOp::Node(verb, node) => self.txn_node(verb, node, &mut results),
                TxnOp::Service(verb, service) => self.txn_service(verb, service, &mut results),
                TxnOp::Check(verb, check) => self.txn_check(verb, check, &mut results),
            };
            if let Err(what) = outcome {
                errors.push(TxnError { op, what });
            }
        }
        if errors.is_empty() { Ok(results) } else { Err(errors) }
    }

    fn txn_kv(
        &mut self,
        verb: &TxnVerb,
        op: &KvWrite,
        results: &mut Vec<TxnResult>,
        trees_bytes: &mut usize,
    ) -> Result<(), Error> {
        let key = quoted(&op.key);
        let found = self.root.kv_get(&op.key).cloned();
        match verb {
            TxnVerb::Write(verb) => {
                let op = KvWrite { verb: *verb, ..op.clone() };
                self.kv(&op)?.map_err(|why| refusal(op.verb, why, &key))?;
                let deletes = [KvVerb::Delete, KvVerb::DeleteCas, KvVerb::DeleteTree];
                if !deletes.contains(&op.verb) {
                    results.extend(self.root.kv_get(&op.key).cloned().map(TxnResult::Entry));
                }
            }
            TxnVerb::Get => {
                let entry = found.ok_or_else(|| failed(format!("key {key} doesn't exist")))?;
                results.push(TxnResult::Value(entry));
            }
            TxnVerb::GetOrEmpty => results
                .push(found.map_or_else(|| TxnResult::Absent(op.key.clone()), TxnResult::Value)),
            TxnVerb::GetTree => {
                for entry in self.root.kv_list(&op.key) {
                    *trees_bytes += entry.packed().len();
                    if *trees_bytes > TREES_BYTES {
                        return Err(failed(format!(
                            "the trees of this transaction hold more than {TREES_BYTES} bytes: \
                             read a smaller prefix, or outside of a transaction"
                        )));
                    }
                    results.push(TxnResult::Value(entry.clone()));
                }
            }
            TxnVerb::CheckIndex => {
                let absent = || failed(format!("failed to check index, key {key} doesn't exist"));
                let entry = found.ok_or_else(absent)?;
                let modify = entry.fields().modify;
                if modify != op.index {
                    return Err(failed(format!(
                        "failed index check for key {key}, current modify index {} != {}",
                        modify.0, op.index.0
                    )));
                }
                results.push(TxnResult::Entry(entry));
            }
            TxnVerb::CheckSession => {
                let absent = || failed(format!("failed to check session, key {key} doesn't exist"));
                let entry = found.ok_or_else(absent)?;
                let holder = entry.fields().session.map(|id| id.to_string()).unwrap_or_default();
                let same = Uuid::parse(&op.session) == entry.fields().session;
                if !same || holder.is_empty() != op.session.is_empty() {
                    return Err(failed(format!(
                        "failed session check for key {key}, current session {holder:?} != {:?}",
                        op.session
                    )));
                }
                results.push(TxnResult::Entry(entry));
            }
            TxnVerb::CheckNotExists if found.is_some() => {
                return Err(failed(format!("key {key} exists")));
            }
            TxnVerb::CheckNotExists => {}
            TxnVerb::Unknown(word) => return Err(failed(format!("unknown KV verb {word:?}"))),
        }
        Ok(())
    }

    fn txn_node(
        &mut self,
        verb: &RowVerb,
        node: &Node,
        results: &mut Vec<TxnResult>,
    ) -> Result<(), Error> {
        let what = format!("node \"{}\"", node.name);
        let find = |root: &Snapshot| {
            let found =
                if node.id.is_empty() { root.node(&node.name) } else { root.node_by_id(&node.id) };
            found.cloned()
        };
        let old = find(self.root);
        match row_action(verb, "Node", &what, old.as_ref().map(|old| old.modify), node.modify)? {
            Action::Write => self.node_set(node.clone())?,
            Action::Remove => {
                if let Some(old) = &old {
                    self.node_delete(&old.name);
                }
                return Ok(());
            }
            Action::Read => {}
        }
        results.extend(find(self.root).map(|row| TxnResult::Node(row.into())));
        Ok(())
    }

    fn txn_service(
        &mut self,
        verb: &RowVerb,
        service: &Service,
        results: &mut Vec<TxnResult>,
    ) -> Result<(), Error> {
        let (node, id) = (&service.node, &service.id);
        let what = format!("service \"{id}\" on node \"{node}\"");
        let old = self.root.service(node, id).map(|old| old.modify);
        match row_action(verb, "Service", &what, old, service.modify)? {
            Action::Write => {
                meta_valid(service)?;
                self.service_set(service.clone())?;
            }
            Action::Remove => {
                self.service_delete(node, id);
                return Ok(());
            }
            Action::Read => {}
        }
        let row = self.root.service(node, id).cloned();
        results.extend(row.map(|row| TxnResult::Service(row.into())));
        Ok(())
    }

    fn txn_check(
        &mut self,
        verb: &RowVerb,
        check: &Check,
        results: &mut Vec<TxnResult>,
    ) -> Result<(), Error> {
        let node = &check.node;
        let id = if check.id.is_empty() { (&*check.name).into() } else { check.id.clone() };
        let what = format!("check \"{id}\" on node \"{node}\"");
        let old = self.root.check(node, &id).map(|old| old.modify);
        match row_action(verb, "Check", &what, old, check.modify)? {
            Action::Write => self.check_set(check.clone())?,
            Action::Remove => {
                self.check_delete(node, &id);
                return Ok(());
            }
            Action::Read => {}
        }
        let row = self.root.check(node, &id).cloned();
        results.extend(row.map(|row| TxnResult::Check(row.into())));
        Ok(())
    }
}

enum Action {
    Read,
    Write,
    Remove,
}

/// What a verb comes down to, given the modify index of the row that is there.
fn row_action(
    verb: &RowVerb,
    family: &str,
    what: &str,
    old: Option<ModifyIndex>,
    index: ModifyIndex,
) -> Result<Action, Error> {
    let stale = old.unwrap_or_default() != index;
    match verb {
        RowVerb::Get if old.is_none() => Err(failed(format!("{what} doesn't exist"))),
        RowVerb::Get => Ok(Action::Read),
        RowVerb::Cas if stale => Err(failed(format!("failed to set {what}, index is stale"))),
        RowVerb::Set | RowVerb::Cas => Ok(Action::Write),
        RowVerb::DeleteCas if old.is_some() && stale => {
            Err(failed(format!("failed to delete {what}, index is stale")))
        }
        RowVerb::Delete | RowVerb::DeleteCas => Ok(Action::Remove),
        RowVerb::Unknown(word) => Err(failed(format!("unknown {family} verb {word:?}"))),
    }
}

fn refusal(verb: KvVerb, why: Refused, key: &str) -> Error {
    let delete = verb == KvVerb::DeleteCas;
    failed(match why {
        Refused::Stale if delete => format!("failed to delete key {key}, index is stale"),
        Refused::Stale => format!("failed to set key {key}, index is stale"),
        Refused::Held => format!("failed to lock key {key}, lock is already held"),
        Refused::Delayed => format!("failed to lock key {key} due to lock delay"),
        Refused::NotHolder => {
            format!("failed to unlock key {key}, lock isn't held, or is held by another session")
        }
    })
}

fn failed(what: String) -> Error {
    Error::Txn(what.into())
}

fn quoted(key: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(key))
}
