//! The floating address on an interface, put there and taken away over netlink.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

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
        let message = RouteNetlinkMessage::NewAddress(self.message(interface)?);
        request(message, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes the address from the interface. Says whether it was there.
    pub(crate) fn remove(&self, interface: &str) -> io::Result<bool> {
        match request(RouteNetlinkMessage::DelAddress(self.message(interface)?), 0) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn message(&self, interface: &str) -> io::Result<AddressMessage> {
        let mut message = AddressMessage::default();
        message.header.family = match self.ip {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        };
        message.header.prefix_len = self.prefix_length;
        message.header.scope = AddressScope::Universe;
        message.header.index = interface_index(interface)?;
        message.attributes.push(AddressAttribute::Address(self.ip));
        match self.ip {
            IpAddr::V4(v4) => {
                message.attributes.push(AddressAttribute::Local(self.ip));
                let hosts = u32::MAX.checked_shr(self.prefix_length.into()).unwrap_or(0);
                if hosts > 1 {
                    let broadcast = Ipv4Addr::from_bits(v4.to_bits() | hosts);
                    message.attributes.push(AddressAttribute::Broadcast(broadcast));
                }
            }
            // The takeover decides who has it; waiting for duplicate detection would only delay it.
            IpAddr::V6(_) => {
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            }
        }
        Ok(message)
    }
}

/// One request to the kernel and its acknowledgement.
fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message.header.sequence_number = 1;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .map_err(|error| io::Error::other(error.to_string()))?;
    match answer.payload {
        NetlinkPayload::Error(error) => match error.code {
            None => Ok(()),
            Some(_) => Err(error.to_io()),
        },
        other => Err(io::Error::other(format!("unexpected answer of the kernel: {other:?}"))),
    }
}

#[cfg(test)]
mod tests;
