//! Addresses in the configuration, and what they become.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use gotext::{AddressError, join_host_port, parse_port, split_host_port};

use crate::platform::Interface;

/// The port of an address that names none.
pub(crate) const DEFAULT_PORT: u16 = 7946;

/// Resolves `host`, `host:port` and their like; IPv6 stands in brackets. Blocks while a name is
/// looked up. The error is worded as Go words it.
pub(crate) fn resolve(address: &str) -> Result<SocketAddr, String> {
    let with_port;
    let (host, port) = match split_host_port(address) {
        Err(AddressError::MissingPort(_)) => {
            with_port = format!("{address}:{DEFAULT_PORT}");
            split_host_port(&with_port).map_err(|error| error.to_string())?
        }
        other => other.map_err(|error| error.to_string())?,
    };
    let port = parse_port(port).map_err(|error| error.to_string())?;
    if host.is_empty() {
        // Every address of this machine. (The real agent advertises `::` then, which nobody can
        // reach; here it is the same as 0.0.0.0.)
        return Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
    }
    let found: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|_| format!("lookup {host}: no such host"))?
        .collect();
    let first = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    first.copied().ok_or_else(|| format!("lookup {host}: no such host"))
}

/// What an interface means for the address to bind.
pub(crate) enum Chosen {
    /// The configured address stays.
    Configured,
    /// The first usable address of the interface is taken; to be shown to the operator.
    FromInterface(SocketAddr),
}

/// Chooses the address to bind on the interface called `name`, or checks that the configured one
/// is on it.
pub(crate) fn on_interface(
    name: &str,
    bind: SocketAddr,
    interfaces: &[Interface],
) -> Result<Chosen, String> {
    let mut addresses = interfaces.iter().filter(|i| i.name == name).map(|i| i.address).peekable();
    if addresses.peek().is_none() {
        return Err(format!("Interface '{name}' has no addresses"));
    }
    if bind.ip() != IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        return match addresses.any(|address| address == bind.ip()) {
            true => Ok(Chosen::Configured),
            false => Err(format!("Interface '{name}' has no '{}' address", bind.ip())),
        };
    }
    match addresses.find(|address| !is_link_local(*address)) {
        Some(address) => Ok(Chosen::FromInterface(SocketAddr::new(address, bind.port()))),
        None => Err(format!("Failed to find usable address for interface '{name}'")),
    }
}

/// The address that others are told when every address is bound and none is configured: a private
/// one, rather of the interface of the default route, rather IPv4.
pub(crate) fn private_address(
    interfaces: &[Interface],
    default_interface: Option<&str>,
) -> Option<IpAddr> {
    interfaces
        .iter()
        .filter(|interface| interface.is_up && is_forwardable_private(interface.address))
        .min_by_key(|interface| {
            (Some(interface.name.as_str()) != default_interface, interface.address.is_ipv6())
        })
        .map(|interface| interface.address)
}

/// An address as the banner shows it.
pub(crate) fn shown(address: SocketAddr) -> String {
    join_host_port(&address.ip().to_string(), address.port())
}

/// Whether packets for it may come from anywhere: not in a block of RFC 6890.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = matches!(a, 0 | 10 | 127 | 240..=255)
                || (a == 100 && b & 0xc0 == 64)
                || (a == 169 && b == 254)
                || (a == 172 && b & 0xf0 == 16)
                || (a == 192 && b == 168)
                || (a == 192 && b == 0 && matches!(c, 0 | 2))
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && b & 0xfe == 18)
                || (a == 198 && b == 51 && c == 100)
                || (a == 203 && b == 0 && c == 113);
            !special
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            let special = v6 == Ipv6Addr::UNSPECIFIED
                || v6 == Ipv6Addr::LOCALHOST
                || v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
                || v6.segments()[..4] == [0x100, 0, 0, 0]
                || (a == 0x2001 && (b < 0x200 || b == 0xdb8))
                || a == 0x2002
                || a & 0xfe00 == 0xfc00
                || is_link_local(address);
            !special
        }
    }
}

fn is_forwardable_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || (a == 100 && b & 0xc0 == 64) || (a == 198 && b & 0xfe == 18)
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xfe00 == 0xfc00,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    }
}

#[cfg(test)]
mod tests;
