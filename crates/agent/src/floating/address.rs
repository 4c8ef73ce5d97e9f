//! The floating address on an interface, put there and taken away over netlink.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::str::FromStr;

use crate::platform::netlink::{self, Request};

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatingAddress {
    pub(crate) ip: IpAddr,
    pub(crate) prefix_length: u8,
}

impl FromStr for FloatingAddress {
    type Err = String;

    /// `ADDRESS/PREFIX`, or a bare address, which stands for itself alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let (ip, length) = match text.split_once('/') {
            Some((ip, length)) => (ip, Some(length)),
            None => (text, None),
        };
        let wrong = |what: &str| format!("'{text}': {what}; write it as 192.0.2.10/24");
        let ip: IpAddr = ip.parse().map_err(|_| wrong("not an IP address"))?;
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let prefix_length = match length {
            None => longest,
            Some(length) => length
                .parse()
                .ok()
                .filter(|length| *length <= longest)
                .ok_or_else(|| wrong("the prefix length is not a number in its range"))?,
        };
        if ip.is_unspecified() || ip.is_multicast() {
            return Err(wrong("not an address of one host"));
        }
        Ok(FloatingAddress { ip, prefix_length })
    }
}

impl fmt::Display for FloatingAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix_length)
    }
}

/// The number of an interface of this network namespace.
pub(crate) fn interface_index(interface: &str) -> io::Result<u32> {
    read_interface(interface, "ifindex")?.parse().map_err(io::Error::other)
}

/// The hardware address of an interface; None if it is not an Ethernet one.
pub(crate) fn hardware_address(interface: &str) -> io::Result<Option<[u8; 6]>> {
    let text = read_interface(interface, "address")?;
    let bytes: Vec<u8> =
        text.split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
    Ok(<[u8; 6]>::try_from(bytes).ok().filter(|address| *address != [0; 6]))
}

fn read_interface(interface: &str, file: &str) -> io::Result<String> {
    if interface.is_empty() || interface.contains('/') || interface.starts_with('.') {
        return Err(io::Error::other(format!("'{interface}' is no name of an interface")));
    }
    let text =
        fs::read_to_string(format!("/sys/class/net/{interface}/{file}")).map_err(|error| {
            io::Error::new(error.kind(), format!("interface '{interface}': {error}"))
        })?;
    Ok(text.trim().to_owned())
}

impl FloatingAddress {
    /// Puts the address on the interface. It being there already is success.
    pub(crate) fn add(&self, interface: &str) -> io::Result<()> {
        netlink::ask(&self.request(Request::add_or_replace_address(), interface_index(interface)?))
    }

    /// Takes the address from the interface. Says whether it was there.
    pub(crate) fn remove(&self, interface: &str) -> io::Result<bool> {
        match netlink::ask(&self.request(Request::delete_address(), interface_index(interface)?)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether no interface of this machine has the address. False where that cannot be told.
    pub(crate) fn is_missing(&self, interface: &str) -> bool {
        let scope = interface_index(interface).unwrap_or(0);
        let here = match self.ip {
            IpAddr::V4(ip) => SocketAddrV4::new(ip, 0).into(),
            IpAddr::V6(ip) => std::net::SocketAddr::from(SocketAddrV6::new(ip, 0, 0, scope)),
        };
        let bound = UdpSocket::bind(here);
        bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
    }

    fn request(&self, request: Request, interface: u32) -> Vec<u8> {
        match self.ip {
            IpAddr::V4(v4) => {
                let request = request
                    .address(libc::AF_INET as u8, self.prefix_length, interface)
                    .attribute(libc::IFA_ADDRESS, &v4.octets())
                    .attribute(libc::IFA_LOCAL, &v4.octets());
                let hosts = u32::MAX.checked_shr(self.prefix_length.into()).unwrap_or(0);
                let broadcast = Ipv4Addr::from_bits(v4.to_bits() | hosts);
                match hosts {
                    0 | 1 => request.finish(),
                    _ => request.attribute(libc::IFA_BROADCAST, &broadcast.octets()).finish(),
                }
            }
            // The takeover decides who has it; waiting for duplicate detection would only delay it.
            IpAddr::V6(v6) => request
                .address(libc::AF_INET6 as u8, self.prefix_length, interface)
                .attribute(libc::IFA_ADDRESS, &v6.octets())
                .attribute(libc::IFA_FLAGS, &libc::IFA_F_NODAD.to_ne_bytes())
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests;
