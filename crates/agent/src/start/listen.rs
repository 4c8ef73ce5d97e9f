//! Opening the RPC listener, with the words of Go for what goes wrong.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use gotext::{AddressError, listen_error, parse_port, split_host_port};
use tokio::net::TcpListener;

/// Listens on `host:port`; an empty host means every address.
pub(super) async fn listen(address: &str) -> Result<TcpListener, String> {
    let in_go = |error: AddressError| format!("listen tcp: {error}");
    let (host, port) = split_host_port(address).map_err(in_go)?;
    let port = parse_port(port).map_err(in_go)?;
    if host.is_empty() {
        // IPv6 sockets take IPv4 clients too, where there is IPv6.
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        return match TcpListener::bind(v6).await {
            Ok(listener) => Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                Err(format!("listen tcp :{port}: bind: {}", gotext::errno_text(&error)))
            }
            Err(_) => TcpListener::bind(v4).await.map_err(|error| listen_error(v4, &error)),
        };
    }
    let unknown = || format!("listen tcp: lookup {host}: no such host");
    let found: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map_err(|_| unknown())?.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    let address = *first.ok_or_else(unknown)?;
    TcpListener::bind(address).await.map_err(|error| listen_error(address, &error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn failures_are_worded_as_in_go() {
        for (address, why) in [
            ("foo", "listen tcp: address foo: missing port in address"),
            ("127.0.0.1:x", "listen tcp: address tcp/x: unknown port"),
            ("127.0.0.1:70000", "listen tcp: address 70000: invalid port"),
        ] {
            assert_eq!(listen(address).await.unwrap_err(), why);
        }
        let taken = listen("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let held = TcpListener::bind(taken).await.unwrap();
        assert_eq!(
            listen(&taken.to_string()).await.unwrap_err(),
            format!("listen tcp {taken}: bind: address already in use")
        );
        drop(held);
    }
}
