//! Telling the neighbours where an address is now: gratuitous ARP for IPv4, an unsolicited
//! neighbour advertisement for IPv6.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};

use super::address::{hardware_address, interface_index};
use crate::platform::packet::broadcast_address;

const ETHERTYPE_ARP: u16 = 0x0806;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Announces that `ip` is at the hardware address of `interface`. Nothing to do on interfaces
/// without one (loopback, tunnels).
pub(crate) fn announce(ip: IpAddr, interface: &str) -> io::Result<()> {
    let Some(hardware) = hardware_address(interface)? else { return Ok(()) };
    let index = interface_index(interface)?;
    match ip {
        IpAddr::V4(v4) => {
            let protocol = Protocol::from(i32::from(ETHERTYPE_ARP.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
            let to = broadcast_address(index, ETHERTYPE_ARP)?;
            // Some neighbours renew their table by requests only, some by replies only.
            for operation in [ArpOperation::Request, ArpOperation::Reply] {
                socket.send_to(&arp(operation, hardware, v4), &to)?;
            }
        }
        IpAddr::V6(v6) => {
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
            socket.bind(&SocketAddrV6::new(v6, 0, 0, index).into())?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_multicast_if_v6(index)?;
            let to = SocketAddrV6::new(ALL_NODES, 0, 0, index);
            socket.send_to(&neighbour_advertisement(hardware, v6), &to.into())?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum ArpOperation {
    Request = 1,
    Reply = 2,
}

/// RFC 5227: sender and target are both the address announced.
fn arp(operation: ArpOperation, hardware: [u8; 6], ip: Ipv4Addr) -> [u8; 28] {
    let mut packet = [0; 28];
    packet[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation as u8]);
    packet[8..14].copy_from_slice(&hardware);
    packet[14..18].copy_from_slice(&ip.octets());
    if matches!(operation, ArpOperation::Reply) {
        packet[18..24].copy_from_slice(&[0xff; 6]);
    }
    packet[24..28].copy_from_slice(&ip.octets());
    packet
}

/// RFC 4861, 4.4, with the override flag; the kernel fills in the checksum.
fn neighbour_advertisement(hardware: [u8; 6], ip: Ipv6Addr) -> [u8; 32] {
    let mut packet = [0; 32];
    packet[0] = 136;
    packet[4] = 0x20;
    packet[8..24].copy_from_slice(&ip.octets());
    packet[24..26].copy_from_slice(&[2, 1]);
    packet[26..32].copy_from_slice(&hardware);
    packet
}

#[cfg(test)]
mod tests;
