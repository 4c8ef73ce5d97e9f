//! Who waits for what: readers register the keys that they read, a write wakes those of the keys
//! that it touched. Kept beside the tables, so that snapshots know nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::check::CheckKey;
use crate::name::{NodeName, ServiceName, SessionId};
use crate::query::QueryId;

/// What a write changed. All names are folded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// One key of the KV store.
    Kv(Arc<[u8]>),
    /// A node, or its absence.
    Node(NodeName),
    /// The services on a node.
    NodeServices(NodeName),
    /// The instances of a service, or the nodes they are on.
    Service(ServiceName),
    /// The checks that the health of a service follows from.
    Health(ServiceName),
    /// What gives mesh access to a service, with its health.
    Connect(ServiceName),
    /// A pair of a service's name and a set of tags came or went.
    ServiceList,
    /// One check.
    Check(CheckKey),
    /// The checks of a node.
    NodeChecks(NodeName),
    /// The checks of a service's instances.
    ServiceChecks(ServiceName),
    /// One session.
    Session(SessionId),
    /// The coordinates of a node.
    Coordinate(NodeName),
    /// One prepared query.
    Query(QueryId),
}

/// What a reader waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// Exactly this.
    Key(Key),
    /// Any key of the KV store that begins so.
    Prefix(Arc<[u8]>),
    /// Any row of a kind.
    Any(Kind),
}

/// The kinds of keys whose lists can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nodes.
    Nodes,
    /// Services on nodes.
    Services,
    /// Checks.
    Checks,
    /// Sessions.
    Sessions,
    /// Coordinates.
    Coordinates,
    /// Prepared queries.
    Queries,
}

impl Key {
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::Node(_) => Some(Kind::Nodes),
            Self::NodeServices(_) => Some(Kind::Services),
            Self::Check(_) => Some(Kind::Checks),
            Self::Session(_) => Some(Kind::Sessions),
            Self::Coordinate(_) => Some(Kind::Coordinates),
            Self::Query(_) => Some(Kind::Queries),
            _ => None,
        }
    }
}

/// A reader that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(u64);

/// Everybody who waits. A reader that goes away is taken out with [`Watches::remove`].
#[derive(Debug, Default)]
pub struct Watches {
    next: u64,
    readers: BTreeMap<WatchId, Box<[Watch]>>,
    watched: BTreeMap<Watch, BTreeSet<WatchId>>,
    /// How many watched prefixes have each length: only these lengths of a key are looked up.
    lengths: BTreeMap<usize, usize>,
}

impl Watches {
    /// Enters a reader with all that it read.
    pub fn add(&mut self, read: impl IntoIterator<Item = Watch>) -> WatchId {
        let id = WatchId(self.next);
        self.next += 1;
        let read: BTreeSet<Watch> = read.into_iter().collect();
        let read: Box<[Watch]> = read.into_iter().collect();
        for watch in &read {
            let readers = self.watched.entry(watch.clone()).or_default();
            if let (true, Watch::Prefix(prefix)) = (readers.is_empty(), watch) {
                *self.lengths.entry(prefix.len()).or_default() += 1;
            }
            readers.insert(id);
        }
        self.readers.insert(id, read);
        id
    }

    /// Takes a reader out; no matter if it is not there.
    pub fn remove(&mut self, id: WatchId) {
        for watch in self.readers.remove(&id).unwrap_or_default() {
            let Some(readers) = self.watched.get_mut(&watch) else { continue };
            readers.remove(&id);
            if !readers.is_empty() {
                continue;
            }
            self.watched.remove(&watch);
            if let Watch::Prefix(prefix) = watch
                && let Some(count) = self.lengths.get_mut(&prefix.len())
            {
                *count -= 1;
                if *count == 0 {
                    self.lengths.remove(&prefix.len());
                }
            }
        }
    }

    /// How many readers wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.readers.len()
    }

    /// Whether nobody waits and nothing is left of those who did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readers.is_empty() && self.watched.is_empty() && self.lengths.is_empty()
    }

    /// Those whose answer may have changed, each once. They stay until they are removed.
    #[must_use]
    pub fn wake(&self, touched: &[Key]) -> BTreeSet<WatchId> {
        let mut woken = BTreeSet::new();
        if self.readers.is_empty() {
            return woken;
        }
        let mut wake = |watch: &Watch| {
            woken.extend(self.watched.get(watch).into_iter().flatten());
        };
        for key in touched {
            wake(&Watch::Key(key.clone()));
            if let Some(kind) = key.kind() {
                wake(&Watch::Any(kind));
            }
            if let Key::Kv(key) = key {
                for (&length, _) in self.lengths.range(..=key.len()) {
                    wake(&Watch::Prefix(key[..length].into()));
                }
            }
        }
        woken
    }
}
