//! openraft's types as this crate uses them.

use std::cmp::Ordering;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;

use openraft::impls::OneshotResponder;
use openraft::{BasicNode, RaftTypeConfig, TokioRuntime};

use crate::snapshot::Source;
use crate::{Batch, Machine};

/// A server's identity: the 128 bits of its node id.
pub(crate) type NodeId = u128;
pub(crate) type LogId = openraft::LogId<NodeId>;
pub(crate) type Vote = openraft::Vote<NodeId>;
pub(crate) type Membership = openraft::Membership<NodeId, BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<NodeId, BasicNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<NodeId, BasicNode>;
pub(crate) type Metrics = openraft::RaftMetrics<NodeId, BasicNode>;
pub(crate) type StorageError = openraft::StorageError<NodeId>;
pub(crate) type StorageIoError = openraft::StorageIOError<NodeId>;
pub(crate) type Entry<M> = openraft::Entry<Types<M>>;
pub(crate) type Raft<M> = openraft::Raft<Types<M>>;

/// The replies to the commands of one entry, with the index of the first.
#[derive(Debug)]
pub(crate) struct Replies<R> {
    pub(crate) first_index: u64,
    pub(crate) replies: Vec<R>,
}

/// openraft's bundle of types for a log that feeds `M`. It has no value of interest: openraft asks
/// for the traits below only because it derives those of other types from them.
pub(crate) struct Types<M>(PhantomData<fn() -> M>);

impl<M: Machine> RaftTypeConfig for Types<M> {
    type D = Batch;
    type R = Replies<M::Reply>;
    type NodeId = NodeId;
    type Node = BasicNode;
    type Entry = Entry<M>;
    type SnapshotData = Source<M>;
    type AsyncRuntime = TokioRuntime;
    type Responder = OneshotResponder<Self>;
}

impl<M> Clone for Types<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Types<M> {}

impl<M> Default for Types<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M> Debug for Types<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Types")
    }
}

impl<M> PartialEq for Types<M> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<M> Eq for Types<M> {}

impl<M> PartialOrd for Types<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for Types<M> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}
