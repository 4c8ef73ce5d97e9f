//! The state: its tables, their indexes, and the one function that changes it.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::addresses::Addresses;
use crate::autopilot::{Autopilot, AutopilotWrite};
use crate::check::{Check, CheckKey};
use crate::coordinate::{CoordinateKey, NodeCoordinate};
use crate::error::Error;
use crate::instances::{Ailing, Instances};
use crate::kv::{Kv, KvWrite};
use crate::mark::{Mark, Marks};
use crate::name::{CheckId, ModifyIndex, NodeName, ServiceId, ServiceName, SessionId, Time};
use crate::node::Node;
use crate::query::{Queries, QueryWrite};
use crate::register::Register;
use crate::restore::{RestorePart, Staged};
use crate::service::{Service, ServiceKey, Tags};
use crate::session::Session;
use crate::sorted::Sorted;
use crate::table::Table;
use crate::txn::{TxnError, TxnOp, TxnResult};
use crate::watch::Key;

/// The state at one moment. Cloning is a handful of reference counts; a clone never changes.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(crate) index: ModifyIndex,
    pub(crate) marks: Marks,
    pub(crate) kv: Kv,
    pub(crate) sessions: Table<SessionId, Session>,
    pub(crate) session_nodes: OrdSet<(NodeName, SessionId)>,
    pub(crate) session_checks: OrdSet<(CheckKey, SessionId)>,
    pub(crate) nodes: Table<NodeName, Node>,
    /// Those with an identity, by its folded form.
    pub(crate) node_ids: Sorted<Arc<Node>>,
    pub(crate) node_addresses: Addresses<Node>,
    pub(crate) services: Table<ServiceKey, Service>,
    pub(crate) service_addresses: Addresses<Service>,
    pub(crate) instances: Instances,
    pub(crate) connect_instances: Instances,
    pub(crate) ailing: Ailing,
    pub(crate) service_tags: OrdMap<(ServiceName, Tags), u32>,
    pub(crate) virtual_numbers: OrdMap<ServiceName, u32>,
    pub(crate) virtual_names: OrdMap<u32, ServiceName>,
    pub(crate) checks: Table<CheckKey, Check>,
    pub(crate) coordinates: Table<CoordinateKey, NodeCoordinate>,
    /// Whether one of them was in another segment than that without a name.
    pub(crate) segmented: bool,
    pub(crate) autopilot: Option<Arc<Autopilot>>,
    pub(crate) queries: Queries,
    /// What is to take the place of all this, as far as it has come.
    pub(crate) staged: Option<Staged>,
}

impl Snapshot {
    /// The index of the last command that was applied.
    #[must_use]
    pub fn index(&self) -> ModifyIndex {
        self.index
    }

    /// How servers are kept in order, once somebody has said so.
    #[must_use]
    pub fn autopilot(&self) -> Option<&Autopilot> {
        self.autopilot.as_deref()
    }

    pub(crate) fn mark(&self, mark: &Mark) -> ModifyIndex {
        self.marks.get(mark).unwrap_or_default()
    }
}

/// A write, as it stands in the log. Everything that was chance or clock is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// One write of keys.
    Kv(KvWrite),
    /// Makes a session.
    SessionCreate(Box<Session>),
    /// Ends a session: by request, or because the leader saw its time pass.
    SessionDestroy(SessionId),
    /// Writes a node with services and checks.
    Register(Box<Register>),
    /// Removes a service, else a check, else the whole node.
    Deregister {
        /// The node.
        node: NodeName,
        /// The service, if not empty.
        service: ServiceId,
        /// The check, if not empty and no service is given.
        check: CheckId,
    },
    /// Takes coordinates of nodes.
    Coordinates(Box<[NodeCoordinate]>),
    /// Several operations, all or none.
    Txn(Box<[TxnOp]>),
    /// Forgets deletions of before a time, and lock delays that are over.
    Reap(Time),
    /// Says how servers are kept in order.
    Autopilot(Box<AutopilotWrite>),
    /// Brings a part of a state that takes the place of this one.
    Restore(RestorePart),
    /// Writes a prepared query.
    Query(Box<QueryWrite>),
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// Done.
    Done,
    /// Whether the condition of a write held; without a condition, true.
    Written(bool),
    /// The results of a transaction.
    Txn(Vec<TxnResult>),
    /// Why a transaction was not applied.
    TxnFailed(Vec<TxnError>),
    /// Refused; nothing was changed.
    Refused(Error),
}

/// The writer's end: the current root, and the keys that were touched since they were last asked
/// for.
#[derive(Debug, Default)]
pub struct State {
    root: Snapshot,
    touched: Vec<Key>,
    replaced: bool,
}

impl State {
    /// A state to go on from.
    #[must_use]
    pub fn new(root: Snapshot) -> Self {
        Self { root, touched: Vec::new(), replaced: false }
    }

    /// The state now, for readers.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.root.clone()
    }

    /// What the applied commands touched since the last call, for [`crate::Watches::wake`]. A key
    /// stands there once for each change.
    pub fn take_touched(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.touched)
    }

    /// Whether another state took the place of this one since the last call: whatever anybody
    /// waits for, it may be there.
    pub fn take_replaced(&mut self) -> bool {
        std::mem::take(&mut self.replaced)
    }

    /// Applies commands of one log entry. The first has the index `first_index`, each further one
    /// the next, unless a state was restored that had come further: then they go on from there.
    /// `now` is the entry's clock. Draws nothing: the same calls make the same state.
    pub fn apply(
        &mut self,
        first_index: ModifyIndex,
        now: Time,
        commands: impl IntoIterator<Item = Command>,
    ) -> Vec<Response> {
        let commands = commands.into_iter();
        let mut answers = Vec::with_capacity(commands.size_hint().0);
        for (at, command) in (0..).zip(commands) {
            let next = self.root.index.0.saturating_add(1);
            let index = ModifyIndex(next.max(first_index.0.saturating_add(at)));
            answers.push(self.apply_one(index, now, command));
            self.root.index = index.max(self.root.index);
        }
        answers
    }

    fn apply_one(&mut self, index: ModifyIndex, now: Time, command: Command) -> Response {
        // Only these can fail after a part of them was applied. While there is a second root, every
        // change copies what it changes.
        let may_be_undone = match &command {
            Command::Register(request) => !self.root.takes(request),
            Command::Txn(_) => true,
            _ => false,
        };
        let before = may_be_undone.then(|| self.root.clone());
        let touched_before = self.touched.len();
        let (root, touched, replaced) = (&mut self.root, &mut self.touched, &mut self.replaced);
        let mut write = Write { root, touched, replaced, index, now };
        let answer = write.command(command);
        if matches!(answer, Response::Refused(_) | Response::TxnFailed(_)) {
            match before {
                Some(root) => {
                    self.root = root;
                    self.touched.truncate(touched_before);
                }
                None => debug_assert_eq!(self.touched.len(), touched_before, "at {index:?}"),
            }
        }
        answer
    }
}

/// One command being applied.
pub(crate) struct Write<'a> {
    pub(crate) root: &'a mut Snapshot,
    pub(crate) touched: &'a mut Vec<Key>,
    pub(crate) replaced: &'a mut bool,
    pub(crate) index: ModifyIndex,
    pub(crate) now: Time,
}

impl Write<'_> {
    fn command(&mut self, command: Command) -> Response {
        let done = match command {
            Command::Kv(op) => {
                return match self.kv(&op) {
                    Ok(outcome) => Response::Written(outcome.is_ok()),
                    Err(error) => Response::Refused(error),
                };
            }
            Command::Txn(ops) => {
                return match self.txn(&ops) {
                    Ok(results) => Response::Txn(results),
                    Err(errors) => Response::TxnFailed(errors),
                };
            }
            Command::Autopilot(write) => return Response::Written(self.autopilot_set(&write)),
            Command::Restore(part) => self.restore(&part),
            Command::Query(write) => self.query_write(&write),
            Command::SessionCreate(session) => self.session_create(&session),
            Command::SessionDestroy(id) => {
                self.session_destroy(id);
                Ok(())
            }
            Command::Register(request) => self.register(*request),
            Command::Deregister { node, service, check } => {
                self.deregister(&node, &service, &check);
                Ok(())
            }
            Command::Coordinates(batch) => {
                self.coordinates_set(&batch);
                Ok(())
            }
            Command::Reap(before) => {
                self.kv_reap(before);
                self.restore_reap(before);
                Ok(())
            }
        };
        done.map_or_else(Response::Refused, |()| Response::Done)
    }

    pub(crate) fn bump(&mut self, mark: Mark) {
        self.root.marks.set(mark, self.index);
    }
}
