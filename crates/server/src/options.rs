//! What a server is started with. Everything is resolved and validated.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use agent::log::Log;
use bytes::Bytes;
use settings::Cidr;

use crate::identity::Identity;

/// What a server is started with.
pub struct Options {
    /// Who it is.
    pub identity: Identity,
    /// Where its state is kept; none for a development server.
    pub data_dir: Option<PathBuf>,
    /// Whether the log is kept there too.
    pub durable: bool,
    /// Where the member of the datacenter's pool listens.
    pub lan: SocketAddr,
    /// Where the member of the pool of all servers listens, if it is to be one.
    pub wan: Option<SocketAddr>,
    /// The key of the pools' packets, if they are to be sealed.
    pub keyring: Vec<Bytes>,
    /// How the agent's own checks and services are kept.
    pub checks: CheckOptions,
    /// HTTP.
    pub http: HttpOptions,
    /// Whether coordinates are kept.
    pub coordinates: bool,
    /// The shortest time to live of a session, in nanoseconds.
    pub session_ttl_min_ns: i64,
    /// Where lines of the log go.
    pub log: Log,
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
    /// What files define.
    pub services: Vec<local::ServiceDefinition>,
    /// What files define.
    pub checks: Vec<local::CheckDefinition>,
}

impl Default for CheckOptions {
    /// Consul's.
    fn default() -> Self {
        Self {
            update_interval: Duration::from_secs(300),
            output_max_bytes: 4096,
            discard_output: false,
            scripts_of_files: false,
            scripts_of_requests: false,
            services: Vec::new(),
            checks: Vec::new(),
        }
    }
}

/// Where HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// At an address.
    Tcp(SocketAddr),
    /// At a path.
    Unix(PathBuf),
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
    /// HTTPS, if it is served.
    pub tls: Option<TlsOptions>,
    /// JSON over several lines.
    pub pretty: bool,
    /// Headers of every answer.
    pub response_headers: Vec<(String, String)>,
    /// Paths that begin so are refused.
    pub block_endpoints: Vec<String>,
    /// Networks that may write; all may if there is none.
    pub allow_write_from: Vec<Cidr>,
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
