//! The way to other servers. There is none yet: a lone voter never uses it, and a membership that
//! names others is told that they cannot be reached.

use std::io;

use openraft::error::{Fatal, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, Snapshot};

use crate::Machine;
use crate::types::{NodeId, Types, Vote};

/// Reaches nobody.
pub(crate) struct Alone;

type RpcError = RPCError<NodeId, BasicNode, RaftError<NodeId>>;

fn unreachable() -> Unreachable {
    Unreachable::new(&io::Error::from(io::ErrorKind::HostUnreachable))
}

impl<M: Machine> RaftNetworkFactory<Types<M>> for Alone {
    type Network = Self;

    async fn new_client(&mut self, _: NodeId, _: &BasicNode) -> Self {
        Self
    }
}

impl<M: Machine> RaftNetwork<Types<M>> for Alone {
    async fn append_entries(
        &mut self,
        _: AppendEntriesRequest<Types<M>>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, RpcError> {
        Err(unreachable().into())
    }

    async fn vote(
        &mut self,
        _: VoteRequest<NodeId>,
        _: RPCOption,
    ) -> Result<VoteResponse<NodeId>, RpcError> {
        Err(unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _: Vote,
        _: Snapshot<Types<M>>,
        _: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<Types<M>, Fatal<NodeId>>> {
        Err(unreachable().into())
    }
}
