//! What goes into the machine and what comes out of it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Check, CheckId, Node, Register, Service, ServiceId};

use crate::check_definition::CheckDefinition;
use crate::status::Status;

/// The settings of an agent that concern its services and checks.
#[derive(Clone, Debug)]
pub struct Config {
    /// The agent's node as it is to stand in the catalogue.
    pub node: Node,
    /// How long an output that changed alone may wait, half of it at least; zero for not at all
    /// (`check_update_interval`).
    pub check_update_interval: Duration,
    /// The most bytes of a note that are kept (`check_output_max_size`).
    pub check_output_max_bytes: usize,
    /// Keep no output (`discard_check_output`).
    pub discard_check_output: bool,
    /// Programs may be run as checks of files (`enable_local_script_checks`).
    pub scripts_of_files: bool,
    /// Programs may be run as checks of anybody (`enable_script_checks`).
    pub scripts_of_requests: bool,
    /// The operating system's services can be asked.
    pub os_services: bool,
    /// The ports to choose from for sidecars; `None` for no choice.
    pub sidecar_ports: Option<RangeInclusive<u16>>,
}

impl Config {
    /// The defaults of an agent.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self {
            node,
            check_update_interval: Duration::from_secs(5 * 60),
            check_output_max_bytes: 4096,
            discard_check_output: false,
            scripts_of_files: false,
            scripts_of_requests: false,
            os_services: false,
            sidecar_ports: Some(21_000..=21_255),
        }
    }
}

/// Who defined something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A configuration file.
    File,
    /// A request; it is kept in the data directory.
    Request,
}

/// The token to send along with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// The definition's own.
    Own(Box<str>),
    /// The agent's for definitions of files (`config_file_service_registration`), else its default.
    File,
    /// The agent's default.
    Default,
    /// The agent's own (`agent`), else its default.
    Agent,
}

/// One call to the catalogue, from its output to its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(crate) u64);

/// Somebody who waits until what a command changed has been pushed, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

/// What the catalogue says of the agent's node.
#[derive(Clone, Debug, Default)]
pub struct RemoteView {
    /// The node; `None` if the catalogue has none of its name.
    pub node: Option<Node>,
    /// Its services.
    pub services: Vec<Service>,
    /// Its checks.
    pub checks: Vec<Check>,
}

/// How a call to the catalogue ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is written.
    Done,
    /// The token may not; it counts as done until the next full sync.
    Denied,
    /// It is not, for this reason; it is tried again.
    Failed(String),
}

impl Outcome {
    /// Of an error's text: what the servers' access control says is told from everything else.
    #[must_use]
    pub fn of_error(text: &str) -> Self {
        if text.contains("Permission denied") || text.contains("ACL not found") {
            Self::Denied
        } else {
            Self::Failed(text.to_owned())
        }
    }
}

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// A check was run.
    Ran {
        /// Which one.
        check: CheckId,
        /// What it found.
        status: Status,
        /// What it says, bounded by the runner.
        output: String,
    },
    /// The answer to [`Output::FetchRemote`].
    Remote(Result<RemoteView, Outcome>),
    /// The answer to [`Output::Register`] and [`Output::Deregister`].
    Called {
        /// Of which call.
        call: CallId,
        /// How it ended.
        outcome: Outcome,
    },
    /// So many members are in the cluster, which makes full syncs rarer.
    Members(usize),
    /// A server has joined, or has become the leader: it may know nothing of this node.
    ServerJoined,
    /// The agent has other tokens, with which more may be allowed.
    TokensChanged,
    /// The agent leaves: nothing is pushed any longer, else it would register itself again.
    Leaving,
    /// Time has passed.
    Tick,
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read what the catalogue says of the node; [`Input::Remote`] brings the answer.
    FetchRemote,
    /// Write to the catalogue; [`Input::Called`] brings the outcome.
    Register {
        /// The call.
        call: CallId,
        /// What to write.
        request: Box<Register>,
        /// With which token.
        token: Token,
    },
    /// Remove from the catalogue; [`Input::Called`] brings the outcome. One of the IDs is empty.
    Deregister {
        /// The call.
        call: CallId,
        /// The service to remove with its checks.
        service: ServiceId,
        /// The check to remove.
        check: CheckId,
        /// With which token.
        token: Token,
    },
    /// Whoever has this ticket waits no longer.
    Done(Ticket),
    /// Write a file in the data directory, for its owner alone.
    Save {
        /// Its path below the data directory.
        file: String,
        /// What stands in it.
        bytes: Vec<u8>,
    },
    /// Give a file in the data directory another name, instead of one that has it. At the start
    /// alone.
    Move {
        /// Its path below the data directory.
        from: String,
        /// The one it is to have.
        to: String,
    },
    /// Remove a file in the data directory, if it is there.
    Remove {
        /// Its path below the data directory.
        file: String,
    },
    /// Run a check from now on, instead of another one of its ID.
    Start {
        /// The check.
        check: CheckId,
        /// What to do, at [`CheckDefinition::run_interval`].
        definition: Arc<CheckDefinition>,
        /// The most bytes of output to keep.
        output_max_bytes: usize,
    },
    /// Run a check no longer.
    Stop {
        /// The check.
        check: CheckId,
    },
    /// A service has another definition, or is gone: who waits for its content hash looks again.
    Changed(ServiceId),
    /// Something for the log.
    Fact(Fact),
}

/// What stands in the catalogue under one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The node itself.
    Node,
    /// A service.
    Service(ServiceId),
    /// A check.
    Check(CheckId),
}

/// Something that happened, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It is in the catalogue as it is here.
    Synced(Key),
    /// It is in the catalogue no longer.
    Deregistered(Key),
    /// The catalogue may not be changed with this token.
    Blocked(Key),
    /// A call failed.
    SyncFailed {
        /// What it was about; `None` for the view of the node.
        key: Option<Key>,
        /// Why.
        why: String,
    },
    /// A check says something else than before.
    StatusChanged {
        /// Which.
        check: CheckId,
        /// What.
        status: Status,
    },
    /// A TTL was not renewed in time.
    TtlExpired(CheckId),
    /// A service went because a check of it was critical for too long.
    Reaped {
        /// The service.
        service: ServiceId,
        /// The check.
        check: CheckId,
    },
    /// The node is, or is not any longer, in maintenance.
    NodeMaintenance(bool),
    /// A service is, or is not any longer, in maintenance.
    ServiceMaintenance(ServiceId, bool),
    /// A file of the data directory could not be used.
    BadFile {
        /// Its path below the data directory.
        file: String,
        /// Why.
        why: String,
    },
}
