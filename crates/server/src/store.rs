//! Writes: from a command to the answer that everybody can see.

use std::sync::Arc;
use std::time::Instant;

use catalog::{Command, Response};
use raft::{Refused, Server, Status};

use crate::catalogue::{Catalogue, Replica};
use crate::telemetry::{Telemetry, Written};

/// The replicated catalogue. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Store {
    server: Arc<Server<Replica>>,
    catalogue: Catalogue,
    telemetry: Arc<Telemetry>,
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
    pub(crate) async fn start(
        config: raft::Config,
        telemetry: Arc<Telemetry>,
    ) -> Result<Self, raft::StartError> {
        let catalogue = Catalogue::default();
        let replica = Replica::new(catalogue.clone(), telemetry.clone());
        let server = Server::start(config, replica).await?;
        Ok(Self { server: Arc::new(server), catalogue, telemetry })
    }

    /// What readers see.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Writes. When this returns, readers see it.
    pub(crate) async fn write(&self, command: Command) -> Result<Response, WriteError> {
        let (started, kind) = (Instant::now(), Written::of(&command));
        let outcome = self.server.propose(self.catalogue.propose(command)).await;
        let reply = outcome.inspect_err(|_| self.catalogue.forget_proposed())?.reply;
        self.telemetry.written(kind, started.elapsed());
        Ok(reply)
    }

    /// Returns when a read is sure to see every write that was acknowledged before.
    pub(crate) async fn confirm(&self) -> Result<(), WriteError> {
        Ok(self.server.confirm().await?)
    }

    /// Returns when the log has ended, with the reason.
    pub(crate) fn ended(&self) -> impl Future<Output = String> + use<> {
        self.server.ended()
    }

    /// Where the log stands.
    pub(crate) fn status(&self) -> Status {
        self.server.status()
    }
}

/// Runs a test with a catalogue whose log is in memory.
#[cfg(test)]
pub(crate) fn with_store(test: impl AsyncFnOnce(Store)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("threads can be started").block_on(async {
        let (address, storage) = ("127.0.0.1:8300".to_owned(), raft::Storage::Memory);
        let config = raft::Config { id: 1, address, storage };
        let telemetry = Arc::new(Telemetry::new(agent::telemetry::Naming::default(), "n1"));
        test(Store::start(config, telemetry).await.expect("memory is there")).await;
    });
}
