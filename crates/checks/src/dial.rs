//! From `host:port` to a connection, with Go's words for all that can go wrong.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use gotext::AddressError;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::limits::{ADDRESSES, LOOKUPS};

/// Why there is no connection; reads as Go's dialer says it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The text is no `host:port`.
    #[error("dial {network}: {}", unknown_port(*network, error))]
    Address {
        network: Network,
        #[source]
        error: AddressError,
    },
    /// The name has no address.
    #[error("dial {network}: lookup {host}: {why}")]
    Lookup { network: Network, host: String, why: String },
    /// The address does not answer, or says no.
    #[error("dial {network} {address}: {}", call_text(error))]
    Connect {
        network: Network,
        /// As it was tried; without host where the operator gave none.
        address: String,
        #[source]
        error: io::Error,
    },
}

impl DialError {
    /// Whether it was our own deadline.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, DialError::Connect { error, .. } if is_own_timeout(error))
    }
}

/// Which protocol, as Go's texts name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Tcp,
    Udp,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Network::Tcp => "tcp",
            Network::Udp => "udp",
        })
    }
}

fn unknown_port(network: Network, error: &AddressError) -> String {
    match error {
        AddressError::UnknownPort(port) => format!("lookup {network}/{port}: unknown port"),
        other => other.to_string(),
    }
}

fn is_own_timeout(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
}

fn call_text(error: &io::Error) -> String {
    if is_own_timeout(error) {
        return "i/o timeout".to_owned();
    }
    format!("connect: {}", gotext::errno_text(error))
}

/// Connects to the first address of the host that answers before the deadline. Addresses share
/// the time, so that one that is silent does not hide the next.
pub(crate) async fn tcp(target: &str, deadline: Instant) -> Result<TcpStream, DialError> {
    let mut addresses = resolve(Network::Tcp, target, deadline).await?.into_iter();
    let mut first_error = None;
    while let Some(address) = addresses.next() {
        let share = deadline.saturating_duration_since(Instant::now());
        let share = share / (addresses.len() as u32 + 1);
        let attempt = timeout_at(Instant::now() + share, TcpStream::connect(address.socket));
        let error = match attempt.await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        first_error.get_or_insert(address.failure(Network::Tcp, error));
    }
    Err(first_error.unwrap_or_else(|| no_such_host(Network::Tcp, target)))
}

/// A socket that sends to, and hears from, the first address of the host.
pub(crate) async fn udp(target: &str, deadline: Instant) -> Result<UdpSocket, DialError> {
    let addresses = resolve(Network::Udp, target, deadline).await?;
    let Some(address) = addresses.into_iter().next() else {
        return Err(no_such_host(Network::Udp, target));
    };
    let bound: IpAddr = match address.socket {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let connected = async {
        let socket = UdpSocket::bind((bound, 0)).await?;
        socket.connect(address.socket).await?;
        Ok(socket)
    };
    connected.await.map_err(|error| address.failure(Network::Udp, error))
}

/// An address, and how the texts name it.
struct Address {
    socket: SocketAddr,
    without_host: bool,
}

impl Address {
    fn failure(&self, network: Network, error: io::Error) -> DialError {
        let address = match self.without_host {
            true => format!(":{}", self.socket.port()),
            false => self.socket.to_string(),
        };
        DialError::Connect { network, address, error }
    }
}

async fn resolve(
    network: Network,
    target: &str,
    deadline: Instant,
) -> Result<Vec<Address>, DialError> {
    let wrong = |error| DialError::Address { network, error };
    let (host, port) = gotext::split_host_port(target).map_err(wrong)?;
    let port = gotext::parse_port(port).map_err(wrong)?;
    let literal = match host {
        // Go's way to say "this machine".
        "" => Some(Ipv4Addr::LOCALHOST.into()),
        _ => host.parse::<IpAddr>().ok(),
    };
    if let Some(ip) = literal {
        let socket = SocketAddr::new(ip, port);
        return Ok(vec![Address { socket, without_host: host.is_empty() }]);
    }
    let lookup = |why: &str| DialError::Lookup { network, host: host.to_owned(), why: why.into() };
    match timeout_at(deadline, addresses_of(host, port)).await {
        Ok(Ok(found)) => {
            Ok(found.into_iter().map(|socket| Address { socket, without_host: false }).collect())
        }
        // The resolver's own words differ from system to system.
        Ok(Err(_)) => Err(lookup("no such host")),
        Err(_) => Err(lookup("i/o timeout")),
    }
}

/// Asks the resolver, which nobody can interrupt: what it is asked goes on when nobody waits any
/// longer, so that only so many questions may be open.
async fn addresses_of(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    static OPEN: Semaphore = Semaphore::const_new(LOOKUPS);
    let permit = OPEN.acquire().await.map_err(io::Error::other)?;
    let host = host.to_owned();
    let lookup = move || {
        let _permit = permit;
        Ok((host, port).to_socket_addrs()?.take(ADDRESSES).collect())
    };
    spawn_blocking(lookup).await?
}

fn no_such_host(network: Network, target: &str) -> DialError {
    let host = gotext::split_host_port(target).map_or(target, |(host, _)| host);
    DialError::Lookup { network, host: host.to_owned(), why: "no such host".to_owned() }
}
