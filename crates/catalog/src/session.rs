//! Sessions: what locks are held by, and what ends them.

use serde::{Deserialize, Serialize};

use crate::check::CheckKey;
use crate::error::Error;
use crate::mark::Mark;
use crate::name::{CheckId, ModifyIndex, NodeName, SessionId, Time};
use crate::state::{Snapshot, Write};
use crate::watch::Key;

/// No lock delay is longer in effect, whatever the session says (consul-http, "Create").
pub const LOCK_DELAY_MAX_MS: u64 = 60_000;

/// What becomes of a session's keys when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Behavior {
    /// They stay, unlocked.
    #[default]
    Release,
    /// They are deleted.
    Delete,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its identity, drawn by the proposer.
    pub id: SessionId,
    /// The client's name for it.
    pub name: Box<str>,
    /// Its node as the client wrote it.
    pub node: NodeName,
    /// How long its keys cannot be locked after it ended, nanoseconds as given; at most 60 s count.
    pub lock_delay_ns: i64,
    /// What becomes of its keys.
    pub behavior: Behavior,
    /// Its time to live as the client wrote it. The leader keeps time.
    pub ttl: Box<str>,
    /// The checks it depends on; `None` shows as `null`.
    pub node_checks: Option<Box<[CheckId]>>,
    /// Checks of services; `None` shows as `null`.
    pub service_checks: Option<Box<[CheckId]>>,
    /// Checks in the older form.
    pub checks: Option<Box<[CheckId]>>,
    /// The write that made it.
    pub create: ModifyIndex,
    /// The same.
    pub modify: ModifyIndex,
}

impl Session {
    /// Every check that ends the session when it turns critical.
    fn all_checks(&self) -> impl Iterator<Item = &CheckId> {
        [&self.checks, &self.node_checks, &self.service_checks].into_iter().flatten().flatten()
    }
}

impl Snapshot {
    /// The session of an ID.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<&Session> {
        self.sessions.get(id).map(|session| &**session)
    }

    /// All sessions by ID.
    pub fn session_list(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().map(|(_, session)| &**session)
    }

    /// The sessions of a node by ID.
    pub fn node_sessions(&self, node: &NodeName) -> impl Iterator<Item = &Session> {
        let node = node.fold();
        let from = (node.clone(), SessionId::from_bytes([0; 16]));
        (self.session_nodes.range(from..))
            .take_while(move |(owner, _)| *owner == node)
            .filter_map(|(_, id)| self.session(id))
    }

    /// The index of every answer about sessions.
    #[must_use]
    pub fn session_index(&self) -> ModifyIndex {
        self.mark(&Mark::Sessions)
    }
}

impl Write<'_> {
    pub(crate) fn session_create(&mut self, session: &Session) -> Result<(), Error> {
        let node = session.node.fold();
        if self.root.nodes.get(&node).is_none() {
            return Err(Error::MissingNode);
        }
        for check in session.all_checks() {
            if check.is_empty() {
                return Err(Error::BlankCheck);
            }
            let key = CheckKey { node: node.clone(), id: check.fold() };
            match self.root.checks.get(&key) {
                None => return Err(Error::MissingCheck(check.clone())),
                Some(row) if row.is_critical() => {
                    return Err(Error::CriticalCheck(check.clone()));
                }
                Some(_) => {}
            }
        }
        let session = Session { create: self.index, modify: self.index, ..session.clone() };
        self.session_changed(session.id);
        self.root.session_enter(session);
        Ok(())
    }

    pub(crate) fn session_destroy(&mut self, id: SessionId) {
        let Some(session) = self.root.sessions.remove(&id) else { return };
        self.root.unlink_session(&session);
        let delay_ms = u64::try_from(session.lock_delay_ns).unwrap_or(0).div_ceil(1_000_000);
        let until = Time(self.now.0.saturating_add(delay_ms.min(LOCK_DELAY_MAX_MS)));
        let delete = session.behavior == Behavior::Delete;
        self.kv_invalidate(id, delete, (delay_ms > 0).then_some(until));
        self.queries_of_session(id);
        self.session_changed(id);
    }

    /// Ends the sessions that depend on a check.
    pub(crate) fn sessions_of_check(&mut self, check: &CheckKey) {
        let from = (check.clone(), SessionId::from_bytes([0; 16]));
        let ended: Vec<_> = (self.root.session_checks.range(from..))
            .take_while(|(key, _)| key == check)
            .map(|(_, id)| *id)
            .collect();
        for id in ended {
            self.session_destroy(id);
        }
    }

    /// Ends the sessions of a node.
    pub(crate) fn sessions_of_node(&mut self, node: &NodeName) {
        let ended: Vec<_> = self.root.node_sessions(node).map(|session| session.id).collect();
        for id in ended {
            self.session_destroy(id);
        }
    }

    fn session_changed(&mut self, id: SessionId) {
        self.bump(Mark::Sessions);
        self.touched.push(Key::Session(id));
    }
}

impl Snapshot {
    /// Enters a session, also by its node and by its checks, over one that has its ID.
    pub(crate) fn session_enter(&mut self, session: Session) {
        if let Some(old) = self.session(&session.id).cloned() {
            self.unlink_session(&old);
        }
        let node = session.node.fold();
        for check in session.all_checks() {
            let key = CheckKey { node: node.clone(), id: check.fold() };
            self.session_checks.insert((key, session.id));
        }
        self.session_nodes.insert((node, session.id));
        self.sessions.insert(session.id, session);
    }

    fn unlink_session(&mut self, session: &Session) {
        let node = session.node.fold();
        for check in session.all_checks() {
            let key = CheckKey { node: node.clone(), id: check.fold() };
            self.session_checks.remove(&(key, session.id));
        }
        self.session_nodes.remove(&(node, session.id));
    }
}
