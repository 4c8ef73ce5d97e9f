//! Settings with their meaning: typed, resolved, checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::Failure;
use crate::dns::DnsSettings;
use crate::layer::{Definition, Layer};
use crate::network::Network;
use crate::secret::Secret;
use crate::tls::TlsSettings;

/// What an agent is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name, identity and metadata of the node.
    pub node: NodeSettings,
    /// The datacenter, in small letters.
    pub datacenter: String,
    /// The datacenter that has the say over access control, in small letters.
    pub primary_datacenter: String,
    /// Where everything is kept; none with `-dev` alone.
    pub data_dir: Option<PathBuf>,
    /// Whether `-dev` was given.
    pub dev: bool,
    /// Whether this is a server.
    pub server: bool,
    /// Whether it becomes leader alone.
    pub bootstrap: bool,
    /// How many servers wait for each other before the first election; 0: none do.
    pub bootstrap_expect: u32,
    /// The file with the number of the process.
    pub pid_file: Option<PathBuf>,
    /// Whether the endpoints for profiling are open to everybody.
    pub enable_debug: bool,
    /// Addresses and ports.
    pub network: Network,
    /// Coming and going.
    pub cluster: ClusterSettings,
    /// Gossip.
    pub gossip: GossipSettings,
    /// Raft, and times of servers.
    pub performance: PerformanceSettings,
    /// Bounds on what clients may do.
    pub limits: LimitSettings,
    /// HTTP.
    pub http: HttpSettings,
    /// The user interface.
    pub ui: UiSettings,
    /// Sockets in the file system.
    pub unix_sockets: UnixSocketSettings,
    /// TLS.
    pub tls: TlsSettings,
    /// DNS.
    pub dns: DnsSettings,
    /// Checks.
    pub checks: CheckSettings,
    /// The log.
    pub log: LogSettings,
    /// Metrics.
    pub telemetry: TelemetrySettings,
    /// Access control.
    pub acl: AclSettings,
    /// How long a blocking query blocks that does not say.
    pub default_query_time: Duration,
    /// How long a blocking query blocks at most.
    pub max_query_time: Duration,
    /// The shortest TTL of a session; zero: the server's own limit.
    pub session_ttl_min: Duration,
    /// Services of files.
    pub services: Vec<Definition>,
    /// Checks of files.
    pub check_definitions: Vec<Definition>,
    /// Watches of files.
    pub watches: Vec<Definition>,
    /// Lines for the operator that do not stop the start.
    pub warnings: Vec<String>,
    /// Everything as the sources gave it, for what has no field of its own.
    pub given: Layer,
}

/// Name, identity and metadata of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// Its name.
    pub name: String,
    /// Its identity as configured; whether it is a UUID is for the start to say.
    pub id: Option<String>,
    /// Whether the identity is drawn instead of derived from the host.
    pub disable_host_id: bool,
    /// Its metadata, within the limits.
    pub meta: BTreeMap<String, String>,
}

/// Coming and going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Members to join, `host` or `host:port`.
    pub retry_join: Vec<String>,
    /// Pause between attempts.
    pub retry_interval: Duration,
    /// Attempts; 0: no end.
    pub retry_max: u32,
    /// Whether a left agent comes back by itself.
    pub rejoin_after_leave: bool,
    /// SIGTERM leaves.
    pub leave_on_terminate: bool,
    /// SIGINT does not leave.
    pub skip_leave_on_interrupt: bool,
    /// When a failed member is forgotten.
    pub reconnect_timeout: Duration,
    /// How long a server may have been away.
    pub server_rejoin_age_max: Duration,
    /// The version of the protocol among agents; its range is judged later.
    pub protocol: i64,
    /// No network coordinates are sent.
    pub disable_coordinates: bool,
}

/// Gossip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipSettings {
    /// The key of the configuration; its length is judged later.
    pub encrypt: Option<GossipKey>,
    /// Drop what is not sealed.
    pub encrypt_verify_incoming: bool,
    /// Seal what is sent.
    pub encrypt_verify_outgoing: bool,
    /// Keys are not kept in the data directory.
    pub disable_keyring_file: bool,
    /// Timing within the datacenter.
    pub lan: GossipTiming,
    /// Timing among datacenters.
    pub wan: GossipTiming,
}

/// The raw bytes of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct GossipKey(pub Vec<u8>);

impl std::fmt::Debug for GossipKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "hidden, {} bytes", self.0.len())
    }
}

/// Timing of gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GossipTiming {
    /// Members that each round goes to.
    pub gossip_nodes: u32,
    /// Pause between rounds.
    pub gossip_interval: Duration,
    /// Pause between probes.
    pub probe_interval: Duration,
    /// How long an answer to a probe may take.
    pub probe_timeout: Duration,
    /// Factor of the time that a suspect has.
    pub suspicion_mult: u32,
    /// Factor of how often a message is sent.
    pub retransmit_mult: u32,
}

/// Raft, and times of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerformanceSettings {
    /// Factor of all times of Raft, from 1 to 10.
    pub raft_multiplier: u32,
    /// How long a server serves on in a leave.
    pub leave_drain_time: Duration,
    /// How long a request waits for a leader.
    pub rpc_hold_timeout: Duration,
    /// Entries after which a snapshot is made.
    pub raft_snapshot_threshold: u64,
    /// How often that is looked at.
    pub raft_snapshot_interval: Duration,
    /// Entries kept behind a snapshot.
    pub raft_trailing_logs: u64,
}

/// Bounds on what clients may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Connections from one address to HTTP; none: any number.
    pub http_max_conns_per_client: Option<u32>,
    /// How long a TLS handshake may take.
    pub https_handshake_timeout: Duration,
    /// Most bytes of a value in the key-value store.
    pub kv_max_value_size: usize,
    /// Most bytes of a transaction's body.
    pub txn_max_req_len: usize,
}

/// HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Prefixes of paths that are refused.
    pub block_endpoints: Vec<String>,
    /// Who may change the agent; empty: everybody.
    pub allow_write_http_from: Vec<IpNet>,
    /// Headers of every answer.
    pub response_headers: BTreeMap<String, String>,
    /// Most bytes of a request's head; none: the server's own limit.
    pub max_header_bytes: Option<usize>,
    /// Paths may hold characters that cannot be printed.
    pub disable_unprintable_char_filter: bool,
}

/// The user interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UiSettings {
    /// Whether the built-in one is served.
    pub enabled: bool,
    /// The one that is served instead.
    pub dir: Option<PathBuf>,
    /// Its path: letters, digits, `-`, `_`, `/`, with a slash at both ends.
    pub content_path: String,
}

/// Sockets in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocketSettings {
    /// Their owner; empty: ours.
    pub user: String,
    /// Their group; empty: ours.
    pub group: String,
    /// Their mode in octal, judged when one is made; empty: the system's.
    pub mode: String,
}

/// Checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckSettings {
    /// How long a change of nothing but the output may wait.
    pub update_interval: Duration,
    /// Most bytes that are kept of an output; at least 1.
    pub output_max_size: usize,
    /// Nothing is kept of outputs.
    pub discard_output: bool,
    /// Scripts that come over HTTP are run.
    pub enable_remote_scripts: bool,
    /// Scripts of files are run.
    pub enable_local_scripts: bool,
    /// Checks use the agent's certificate.
    pub enable_agent_tls: bool,
}

/// Levels of the log, the finest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What only developers of this program want to know.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What happens.
    Info,
    /// What may become a fault.
    Warn,
    /// Faults.
    Error,
}

impl LogLevel {
    /// The level of a name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "TRACE" => LogLevel::Trace,
            "DEBUG" => LogLevel::Debug,
            "INFO" => LogLevel::Info,
            "WARN" => LogLevel::Warn,
            "ERR" | "ERROR" => LogLevel::Error,
            _ => return None,
        })
    }
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The level as it was written; see [`LogSettings::level`].
    pub level_name: String,
    /// Lines are JSON.
    pub json: bool,
    /// The file, or the directory if it ends with a slash.
    pub file: Option<PathBuf>,
    /// The size from which a new file is begun.
    pub rotate_bytes: Option<u64>,
    /// The age from which a new file is begun.
    pub rotate_duration: Duration,
    /// Old files that are kept: 0 all, -1 none.
    pub rotate_max_files: i64,
    /// Lines go to syslog too.
    pub syslog: bool,
    /// The facility of syslog, judged when it is opened.
    pub syslog_facility: String,
}

impl LogSettings {
    /// The level.
    ///
    /// # Errors
    ///
    /// The name is no level's.
    pub fn level(&self) -> Result<LogLevel, Failure> {
        LogLevel::parse(&self.level_name).ok_or_else(|| {
            Failure::new(format!(
                "Invalid log level: {}. Valid log levels are: [TRACE DEBUG INFO WARN ERR ERROR]",
                self.level_name
            ))
        })
    }
}

/// Metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// What names begin with.
    pub metrics_prefix: String,
    /// The host's name is left out of gauges.
    pub disable_hostname: bool,
    /// How long Prometheus has to fetch a metric; zero: it cannot.
    pub prometheus_retention_time: Duration,
    /// Prefixes to keep.
    pub allowed_prefixes: Vec<String>,
    /// Prefixes to drop.
    pub blocked_prefixes: Vec<String>,
    /// Whether what no filter names is kept.
    pub filter_default: bool,
    /// A server that is sent metrics over UDP.
    pub statsd_address: Option<String>,
    /// A server that is sent metrics over TCP.
    pub statsite_address: Option<String>,
}

/// Access control, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclSettings {
    /// Whether it is on.
    pub enabled: bool,
    /// What holds where no rule says otherwise; judged by the server.
    pub default_policy: String,
    /// What holds while nobody can be asked; judged by the server.
    pub down_policy: String,
    /// How long what is known of a token holds.
    pub token_ttl: Duration,
    /// How long what is known of a policy holds.
    pub policy_ttl: Duration,
    /// How long what is known of a role holds; zero: as a policy.
    pub role_ttl: Duration,
    /// Listing keys takes a right of its own.
    pub enable_key_list_policy: bool,
    /// Tokens that the API sets are kept.
    pub enable_token_persistence: bool,
    /// The token that may do anything at first.
    pub initial_management: Secret,
    /// The token of requests that have none.
    pub default_token: Secret,
    /// The token of the agent itself; empty: the default one.
    pub agent_token: Secret,
    /// The token that may always do anything here.
    pub agent_recovery: Secret,
    /// The token of services and checks of files that have none.
    pub config_file_service_registration: Secret,
}

impl Settings {
    /// What changed in a reload that takes no effect before the next start: the keys, in the order
    /// of the table.
    ///
    /// # Errors
    ///
    /// The agent would be another one: a changed datacenter; or one that is not to be had. The old
    /// settings are to be kept.
    pub fn check_reload(&self, new: &Settings) -> Result<Vec<&'static str>, Failure> {
        if self.datacenter != new.datacenter {
            return Err(Failure::new(format!(
                "datacenter cannot change from {} to {} without a restart",
                gotext::quote(&self.datacenter),
                gotext::quote(&new.datacenter)
            )));
        }
        new.check_supported()?;
        Ok(self.given.changes_ignored_by_reload(&new.given))
    }
}
