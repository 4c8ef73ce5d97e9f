//! Writes: from a command to the answer that everybody can see.

use std::sync::Arc;

use catalog::{Command, Response};
use raft::{Refused, Server, Status};

use crate::catalogue::{Catalogue, Replica, encode};

/// The replicated catalogue. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Store {
    server: Arc<Server<Replica>>,
    catalogue: Catalogue,
}

/// Why a write was not done, or is not known to be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Nobody leads.
    #[error("No cluster leader")]
    NoLeader,
    /// The log refused it.
    #[error("{0}")]
    Refused(Refused),
}

impl From<Refused> for WriteError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoLeader => Self::NoLeader,
            other => Self::Refused(other),
        }
    }
}

impl Store {
    pub(crate) async fn start(config: raft::Config) -> Result<Self, raft::StartError> {
        let catalogue = Catalogue::default();
        let server = Server::start(config, Replica::new(catalogue.clone())).await?;
        Ok(Self { server: Arc::new(server), catalogue })
    }

    /// What readers see.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Writes. When this returns, readers see it.
    pub(crate) async fn write(&self, command: &Command) -> Result<Response, WriteError> {
        Ok(self.server.propose(encode(command)).await?.reply)
    }

    /// Returns when a read is sure to see every write that was acknowledged before.
    pub(crate) async fn confirm(&self) -> Result<(), WriteError> {
        Ok(self.server.confirm().await?)
    }

    /// Where the log stands.
    pub(crate) fn status(&self) -> Status {
        self.server.status()
    }
}
