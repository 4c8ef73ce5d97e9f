//! A server's log and machine, started, written to and stopped.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use openraft::error::RaftError;
use openraft::storage::RaftLogStorage;
use openraft::{BasicNode, ServerState, SnapshotPolicy};
use tokio::task::JoinHandle;

use crate::limits::START;
use crate::log::disk::DiskLog;
use crate::log::memory::MemoryLog;
use crate::network::Alone;
use crate::proposer::Proposer;
use crate::replica::{Pace, Replica};
use crate::snapshot::{Header, Snapshots};
use crate::types::{Metrics, NodeId, Raft, Types};
use crate::{Applied, Machine, Refused};

/// What a server is to its log.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node id, as a number. It must stay the same for a directory.
    pub id: u128,
    /// The address that is told to other servers.
    pub address: String,
    /// Where the log is.
    pub storage: Storage,
}

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory: it ends with the process.
    Memory,
    /// In this directory, which is made if it is missing: `wal/` is the log, `snapshot` the state.
    Disk(PathBuf),
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory cannot be used or its content is damaged.
    #[error("the log in {} cannot be opened: {source}", directory.display())]
    Storage {
        /// That of the configuration.
        directory: PathBuf,
        /// What the file system or the check of the content said.
        source: io::Error,
    },
    /// The log was made by another server, or by several.
    #[error(
        "the log belongs to another server: its node ID is {}, this one's is {id}; start this one \
         with that node ID, or with another data directory",
        .servers.join(" or ")
    )]
    Foreign {
        /// Those who vote in it, as node ids.
        servers: Vec<String>,
        /// This one.
        id: String,
    },
    /// The log could not be read, written or applied.
    #[error("the log does not start: {0}")]
    Raft(String),
}

impl StartError {
    /// Whether another process has the directory.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        // `raft-log` wraps what the system says of the lock.
        matches!(self, Self::Storage { source, .. } if source.to_string().contains("already locked"))
    }
}

/// A look at the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether this server leads.
    pub is_leader: bool,
    /// The current term.
    pub term: u64,
    /// The last entry of the log; 0 if there is none.
    pub last_entry: u64,
    /// The last entry that was applied; 0 if there is none.
    pub applied_entry: u64,
    /// The last entry that the snapshot holds; 0 if there is none.
    pub snapshot_entry: u64,
}

/// A log with one voter, this server, and the machine that it feeds.
pub struct Server<M: Machine> {
    raft: Raft<M>,
    proposer: Proposer<M::Reply>,
    snapshots: JoinHandle<()>,
}

impl<M: Machine> Server<M> {
    /// Opens the log, brings `machine` to its last state, and leads. The tasks run on the current
    /// runtime.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. The directory is left as it was, but for a torn tail that is cut off.
    pub async fn start(config: Config, mut machine: M) -> Result<Self, StartError> {
        let pace = Arc::new(Pace::new());
        match config.storage {
            Storage::Memory => {
                let snapshots = Snapshots::Memory(Arc::default());
                let replica = Replica::new(machine, snapshots, Arc::clone(&pace));
                Self::lead(config.id, config.address, MemoryLog::new(), replica, pace, None).await
            }
            Storage::Disk(directory) => {
                let (log, header) = open(&directory, &mut machine).map_err(|source| {
                    StartError::Storage { directory: directory.clone(), source }
                })?;
                let snapshots = Snapshots::Disk(directory.clone());
                let mut replica = Replica::new(machine, snapshots, Arc::clone(&pace));
                if let Some(header) = header {
                    replica = replica.restored(header);
                }
                let space = Some(directory);
                Self::lead(config.id, config.address, log, replica, pace, space).await
            }
        }
    }

    async fn lead(
        id: NodeId,
        address: String,
        log: impl RaftLogStorage<Types<M>>,
        replica: Replica<M>,
        pace: Arc<Pace>,
        directory: Option<PathBuf>,
    ) -> Result<Self, StartError> {
        let raft =
            Raft::<M>::new(id, Arc::new(settings()), Alone, log, replica).await.map_err(failed)?;
        let server = Self {
            proposer: Proposer::start(raft.clone(), directory),
            snapshots: tokio::spawn(take_snapshots(raft.clone(), pace)),
            raft,
        };
        match server.elect(id, address).await {
            Ok(()) => Ok(server),
            Err(error) => {
                server.stop().await;
                Err(error)
            }
        }
    }

    /// A lone voter need not wait for anybody.
    async fn elect(&self, id: NodeId, address: String) -> Result<(), StartError> {
        if self.raft.is_initialized().await.map_err(failed)? {
            let voters: Vec<NodeId> =
                self.raft.metrics().borrow().membership_config.voter_ids().collect();
            if voters != [id] {
                let servers = voters.iter().copied().map(shown).collect();
                return Err(StartError::Foreign { servers, id: shown(id) });
            }
            self.raft.trigger().elect().await.map_err(failed)?;
        } else {
            let members = BTreeMap::from([(id, BasicNode::new(address))]);
            self.raft.initialize(members).await.map_err(failed)?;
        }
        // What a lone voter has in its log is committed, also what it had not yet recorded as such
        // when it was killed.
        let has_all = |now: &Metrics| now.last_applied.map(|id| id.index) == now.last_log_index;
        self.raft
            .wait(Some(START))
            .metrics(|now| now.state == ServerState::Leader && has_all(now), "this server leads")
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Replicates a command and applies it. When this returns `Ok`, the command is on disk (unless
    /// the log is in memory), and whoever reads the machine sees it.
    ///
    /// # Errors
    ///
    /// See [`Refused`], which also says whether the command may be applied nevertheless.
    pub async fn propose(&self, command: impl Into<Bytes>) -> Result<Applied<M::Reply>, Refused> {
        self.proposer.propose(command.into()).await
    }

    /// Returns when this server is known to lead, and its machine holds every command that was
    /// acknowledged before the call.
    ///
    /// # Errors
    ///
    /// [`Refused::NoLeader`] and [`Refused::Stopped`].
    pub async fn confirm(&self) -> Result<(), Refused> {
        match self.raft.ensure_linearizable().await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(_)) => Err(Refused::NoLeader),
            Err(RaftError::Fatal(fatal)) => Err(Refused::Stopped(fatal.to_string())),
        }
    }

    /// Takes a snapshot of what is applied now and deletes the log before it. Returns when that is
    /// done, or at once if nothing was applied since the last one.
    ///
    /// # Errors
    ///
    /// [`Refused::Stopped`].
    pub async fn snapshot(&self) -> Result<(), Refused> {
        let applied = self.raft.metrics().borrow().last_applied;
        let stopped = |error: &dyn std::fmt::Display| Refused::Stopped(error.to_string());
        self.raft.trigger().snapshot().await.map_err(|error| stopped(&error))?;
        self.raft
            .wait(None)
            .metrics(|now| now.snapshot >= applied && now.purged >= applied, "a snapshot")
            .await
            .map_err(|error| stopped(&error))?;
        Ok(())
    }

    /// Where the log stands.
    pub fn status(&self) -> Status {
        let metrics = self.raft.metrics();
        let now = metrics.borrow();
        Status {
            is_leader: now.state == ServerState::Leader,
            term: now.current_term,
            last_entry: now.last_log_index.unwrap_or(0),
            applied_entry: now.last_applied.map_or(0, |id| id.index),
            snapshot_entry: now.snapshot.map_or(0, |id| id.index),
        }
    }

    /// Returns when the log has ended, with the reason: nothing is written any more until the
    /// server is started again.
    pub fn ended(&self) -> impl Future<Output = String> + use<M> {
        let mut metrics = self.raft.metrics();
        async move {
            match metrics.wait_for(|now| now.running_state.is_err()).await.as_deref() {
                Ok(Metrics { running_state: Err(fatal), .. }) => fatal.to_string(),
                _ => "the server was shut down".to_owned(),
            }
        }
    }

    /// Ends the tasks. What was acknowledged is on disk already.
    pub async fn stop(self) {
        self.snapshots.abort();
        // It fails only if the task panicked, and is over then too.
        let _ = self.raft.shutdown().await;
    }
}

fn open<M: Machine>(directory: &Path, machine: &mut M) -> io::Result<(DiskLog, Option<Header>)> {
    std::fs::create_dir_all(directory)?;
    let header = Snapshots::load(directory, machine)?;
    Ok((DiskLog::open(directory)?, header))
}

/// A node ID as it is configured.
fn shown(id: NodeId) -> String {
    let digits = format!("{id:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

const HOUR_MS: u64 = 3_600_000;

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError::Raft(error.to_string())
}

async fn take_snapshots<M: Machine>(raft: Raft<M>, pace: Arc<Pace>) {
    loop {
        pace.due.notified().await;
        if raft.trigger().snapshot().await.is_err() {
            return;
        }
    }
}

/// openraft's settings for a lone voter: no heartbeat, since nobody needs one, and so long an
/// interval that its idle timer costs nothing; the election is asked for; snapshots when [`Pace`]
/// says so; and no log kept behind one, since nobody lags.
#[allow(deprecated, reason = "the field must be set, its value means that it is not used")]
fn settings() -> openraft::Config {
    openraft::Config {
        cluster_name: "tribune".to_owned(),
        election_timeout_min: 2 * HOUR_MS,
        election_timeout_max: 3 * HOUR_MS,
        heartbeat_interval: HOUR_MS,
        install_snapshot_timeout: 10_000,
        send_snapshot_timeout: 0,
        max_payload_entries: 64,
        replication_lag_threshold: 5_000,
        snapshot_policy: SnapshotPolicy::Never,
        snapshot_max_chunk_size: 1 << 20,
        max_in_snapshot_log_to_keep: 0,
        purge_batch_size: 1,
        enable_tick: false,
        enable_heartbeat: false,
        enable_elect: false,
    }
}

#[cfg(test)]
mod tests;
