//! Making the connection.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::Error;

/// How long connecting may take in all, whatever the number of addresses.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Connects to `host:port`. Errors are in Go's words.
pub(crate) fn dial(address: &str) -> Result<TcpStream, Error> {
    let fail = |why: &dyn std::fmt::Display| Error::Dial(format!("dial tcp: {why}"));
    if address.is_empty() {
        return Err(fail(&gotext::AddressError::MissingAddress));
    }
    let (host, port) = gotext::split_host_port(address).map_err(|e| fail(&e))?;
    let port = gotext::parse_port(port).map_err(|e| fail(&e))?;
    let addresses = resolve(host, port).map_err(|e| fail(&e))?;

    let deadline = Instant::now() + CONNECT_LIMIT;
    let mut first_error = None;
    for (tried, target) in addresses.iter().enumerate() {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let share = remaining / (addresses.len() - tried).try_into().unwrap_or(1);
        // Zero is not a time-out but a mistake to the standard library.
        match TcpStream::connect_timeout(target, share.max(Duration::from_millis(1))) {
            Ok(stream) => {
                // Without it the parts of a conversation wait for each other; if it cannot be
                // set, the conversation is slower, no more.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                first_error.get_or_insert_with(|| dial_text(host, *target, &error));
            }
        }
    }
    Err(first_error.unwrap_or_else(|| fail(&no_such_host(host))))
}

fn dial_text(host: &str, target: SocketAddr, error: &io::Error) -> Error {
    let text = gotext::dial_error(target, error);
    // Go shows an address without a host as it was given.
    if host.is_empty() {
        let shown = format!(":{}", target.port());
        return Error::Dial(text.replacen(&target.to_string(), &shown, 1));
    }
    Error::Dial(text)
}

/// The addresses of a host; this machine's own if there is no host.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if host.is_empty() {
        return Ok(vec![
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        ]);
    }
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => {
            let text = error.to_string();
            let reason = text.rsplit_once(": ").map_or(text.as_str(), |(_, reason)| reason);
            match reason {
                "Temporary failure in name resolution" | "Try again" => {
                    Err(format!("lookup {host}: {reason}"))
                }
                _ => Err(no_such_host(host)),
            }
        }
    }
}

fn no_such_host(host: &str) -> String {
    format!("lookup {host}: no such host")
}
