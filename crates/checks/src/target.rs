//! What is checked.

/// One thing to check, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A program of this machine: exit code 0 passes, 1 warns.
    Script {
        /// The program and its arguments. A name without a slash is looked for in `PATH`.
        args: Vec<String>,
    },
    /// A request: 2xx passes, 429 warns.
    Http(HttpTarget),
    /// A connection, which is closed again at once.
    Tcp {
        /// `host:port`.
        address: String,
        /// With a TLS handshake, if given.
        tls: Option<Tls>,
    },
    /// An empty datagram: only who refuses it is critical.
    Udp {
        /// `host:port`.
        address: String,
    },
    /// gRPC's health service (`grpc.health.v1`).
    Grpc {
        /// `host:port`, or `host:port/service` to ask for one service of that server.
        target: String,
        /// With TLS, if given.
        tls: Option<Tls>,
    },
    /// A PING frame of HTTP/2.
    H2Ping {
        /// `host:port`.
        address: String,
        /// With TLS, if given.
        tls: Option<Tls>,
    },
    /// A program in a running container: exit codes as with scripts.
    Docker {
        /// The container's identity or name.
        container: String,
        /// The program and its arguments.
        args: Vec<String>,
    },
    /// A service of the operating system: a unit of systemd.
    OsService {
        /// The unit's name; `.service` may be left out.
        name: String,
    },
}

/// A request that tells how a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpTarget {
    /// `http://` or `https://`.
    pub url: String,
    /// Empty: `GET`.
    pub method: String,
    /// Further header lines. `Host` is what the server is told as its name.
    pub header: Vec<(String, String)>,
    /// What is sent behind them.
    pub body: String,
    /// Judges the first answer, instead of following up to ten redirects.
    pub disable_redirects: bool,
    /// For `https://`.
    pub tls: Tls,
}

/// How a server has to show who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The name that its certificate must bear; empty: that of the address.
    pub server_name: String,
    /// Believes any certificate.
    pub skip_verify: bool,
}
