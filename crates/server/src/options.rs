//! What a server is started with. Everything is resolved and validated.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use agent::log::Log;
use bytes::Bytes;
use ipnet::IpNet;
use settings::{GossipTiming, RecursorStrategy};

use crate::identity::Identity;
use crate::telemetry::TelemetryOptions;

/// What a server is started with.
pub struct Options {
    /// Who it is.
    pub identity: Identity,
    /// Where its state is kept; none for a development server.
    pub data_dir: Option<PathBuf>,
    /// Whether the log is kept there too.
    pub durable: bool,
    /// Where other servers will find it.
    pub rpc: SocketAddr,
    /// The member of the datacenter's pool.
    pub lan: PoolOptions,
    /// The member of the pool of all servers, if it is to be one.
    pub wan: Option<PoolOptions>,
    /// How the agent's own checks and services are kept.
    pub checks: CheckOptions,
    /// HTTP.
    pub http: HttpOptions,
    /// DNS.
    pub dns: DnsOptions,
    /// Whether coordinates are kept.
    pub coordinates: bool,
    /// The shortest time to live of a session, in nanoseconds.
    pub session_ttl_min_ns: i64,
    /// What is counted, and where it goes.
    pub telemetry: TelemetryOptions,
    /// The configuration as `agent/self` shows it; see [`crate::shown_configuration`].
    pub configuration: serde_json::Value,
    /// Where lines of the log go.
    pub log: Log,
}

/// How a member of a pool is started.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Where it listens.
    pub bind: SocketAddr,
    /// The keys of its packets, the first for those that it sends; none: they are not sealed.
    pub keyring: Vec<Bytes>,
    /// Where changed keys are kept.
    pub keyring_file: Option<PathBuf>,
    /// With keys: drop what is not sealed.
    pub verify_incoming: bool,
    /// With keys: seal what is sent.
    pub verify_outgoing: bool,
    /// Networks that members come from; empty for all.
    pub allowed: Vec<IpNet>,
    /// How often and how fast.
    pub timing: GossipTiming,
    /// Come back by itself after a leave.
    pub rejoin_after_leave: bool,
    /// After this a failed member is forgotten.
    pub reconnect_timeout: Duration,
}

/// How the agent's own checks and services are kept.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// How long an output that changed alone may wait; zero for not at all.
    pub update_interval: Duration,
    /// The most bytes of output that are kept.
    pub output_max_bytes: usize,
    /// Keep no output.
    pub discard_output: bool,
    /// Scripts of files may be run.
    pub scripts_of_files: bool,
    /// Scripts of requests may be run.
    pub scripts_of_requests: bool,
    /// The first and the last port that sidecars are given; none without sidecars.
    pub sidecar_ports: Option<(u16, u16)>,
    /// What files define.
    pub services: Vec<local::ServiceDefinition>,
    /// What files define.
    pub checks: Vec<local::CheckDefinition>,
}

/// Where and how DNS is served.
#[derive(Clone, Debug)]
pub struct DnsOptions {
    /// Where, over UDP and TCP.
    pub endpoints: Vec<SocketAddr>,
    /// How.
    pub rules: DnsRules,
}

/// How DNS is answered; a reload may change it.
#[derive(Clone, Debug)]
pub struct DnsRules {
    /// What answers look like.
    pub zone: ::dns::Settings,
    /// Who is asked about other zones: [`settings::Recursor`]s.
    pub recursors: Vec<String>,
    /// Whom to ask first.
    pub strategy: RecursorStrategy,
    /// How long each of them may take.
    pub recursor_timeout: Duration,
    /// Answer without a leader, too.
    pub allow_stale: bool,
    /// How long the last leader may be gone then.
    pub max_stale: Duration,
}

/// Where HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// At an address.
    Tcp(SocketAddr),
    /// At a path.
    Unix(PathBuf),
}

/// Whose a socket in the file system is; empty: ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Its mode; none: what the system makes of it.
    pub mode: Option<u32>,
    /// The number of its user.
    pub user: String,
    /// The number of its group.
    pub group: String,
}

/// Where and how HTTPS is served.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// Where.
    pub endpoints: Vec<Endpoint>,
    /// Who this server is, and whom it lets in.
    pub listener: settings::TlsListener,
    /// How long a handshake may take.
    pub handshake_time: Duration,
}

/// How HTTP is served.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where, without TLS.
    pub endpoints: Vec<Endpoint>,
    /// Whose the sockets among them are.
    pub sockets: SocketOptions,
    /// HTTPS, if it is served.
    pub tls: Option<TlsOptions>,
    /// JSON over several lines.
    pub pretty: bool,
    /// Headers of every answer.
    pub response_headers: Vec<(String, String)>,
    /// Paths that begin so are refused.
    pub block_endpoints: Vec<String>,
    /// Networks that may write; all may if there is none.
    pub allow_write_from: Vec<IpNet>,
    /// Whether paths may hold what nobody sees.
    pub unprintable: bool,
    /// How long a read waits that does not say.
    pub query_time: Duration,
    /// How long a read waits at most.
    pub query_time_max: Duration,
    /// Whether there are pages for people.
    pub pages: bool,
    /// Whether `?cached` is looked at.
    pub cache: bool,
    /// Most connections of one address.
    pub connections_per_client: usize,
    /// Longest head of a request, in bytes.
    pub header_max_bytes: usize,
    /// Most bytes of a key's value.
    pub kv_value_max_bytes: usize,
    /// Most bytes of a transaction.
    pub txn_max_bytes: usize,
}

impl Default for HttpOptions {
    /// Consul's.
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            sockets: SocketOptions::default(),
            tls: None,
            pretty: false,
            response_headers: Vec::new(),
            block_endpoints: Vec::new(),
            allow_write_from: Vec::new(),
            unprintable: false,
            query_time: Duration::from_secs(300),
            query_time_max: Duration::from_secs(600),
            pages: false,
            cache: true,
            connections_per_client: 200,
            header_max_bytes: 1 << 20,
            kv_value_max_bytes: 512 << 10,
            txn_max_bytes: 512 << 10,
        }
    }
}
