//! Datagrams at one address of ours, or at all of them.
//!
//! A socket at all addresses learns with each question which of them was asked, and the reply
//! leaves from there: nobody believes another. A socket at one address has no need of that, and of
//! what it costs.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use nix::cmsg_space;
use nix::libc::{self, in6_pktinfo};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use socket2::{MsgHdr, SockRef};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A socket for questions.
pub(super) struct Datagrams {
    socket: UdpSocket,
    everywhere: bool,
}

/// Room for one question.
pub(super) struct Room {
    pub(super) message: Vec<u8>,
    /// Where it was sent to.
    control: Vec<u8>,
}

impl Default for Room {
    fn default() -> Self {
        Self { message: vec![0; usize::from(u16::MAX)], control: cmsg_space!(in6_pktinfo) }
    }
}

/// Where a question came from and, if there is a choice, what it was sent to.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) from: SocketAddr,
    to: Option<Own>,
}

/// An address of ours as the system takes it with a reply: one control message (RFC 3542, 6.1),
/// written here as others allocate for it.
#[derive(Clone, Copy)]
struct Own {
    control: [u8; Self::MOST_BYTES],
    length: usize,
}

impl Own {
    /// The length of it all, the level and the type stand before the data.
    const HEADER_BYTES: usize = size_of::<usize>() + 2 * size_of::<libc::c_int>();
    /// Data end where a number of the system's word size can.
    const MOST_BYTES: usize =
        (Self::HEADER_BYTES + size_of::<in6_pktinfo>()).next_multiple_of(size_of::<usize>());

    fn read(message: ControlMessageOwned) -> Option<Self> {
        match message {
            // The address of ours, even where the question went to all of a network; no interface,
            // and what it was sent to is for the system to write.
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(Self::new(
                (libc::IPPROTO_IP, libc::IP_PKTINFO),
                &[&[0; 4], &info.ipi_spec_dst.s_addr.to_ne_bytes(), &[0; 4]],
            )),
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                // Only a link's own addresses need the link; other ways back are for the system.
                let link = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                (!address.is_multicast()).then(|| {
                    let kind = (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
                    Self::new(kind, &[&address.octets(), &link.to_ne_bytes()])
                })
            }
            _ => None,
        }
    }

    fn new((level, kind): (libc::c_int, libc::c_int), data: &[&[u8]]) -> Self {
        let length = Self::HEADER_BYTES + data.iter().map(|part| part.len()).sum::<usize>();
        let head = [&length.to_ne_bytes()[..], &level.to_ne_bytes(), &kind.to_ne_bytes()];
        let mut control = [0; Self::MOST_BYTES];
        let bytes = head.iter().chain(data).copied().flatten();
        control.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        Self { control, length: length.next_multiple_of(size_of::<usize>()) }
    }

    fn control(&self) -> &[u8] {
        self.control.get(..self.length).unwrap_or(&self.control)
    }
}

impl Datagrams {
    /// Of a socket that is bound to an address.
    pub(super) fn new(socket: UdpSocket, address: SocketAddr) -> io::Result<Self> {
        let everywhere = address.ip().is_unspecified();
        match address {
            SocketAddr::V4(_) if everywhere => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) if everywhere => {
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
            _ => {}
        }
        Ok(Self { socket, everywhere })
    }

    /// Waits for a question.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes a question if one waits: its length in the room, and who asks.
    pub(super) fn try_receive(&self, room: &mut Room) -> io::Result<(usize, Asker)> {
        if self.everywhere {
            let socket = self.socket.as_raw_fd();
            return self.socket.try_io(Interest::READABLE, || receive(socket, room));
        }
        let (length, from) = self.socket.try_recv_from(&mut room.message)?;
        Ok((length, Asker { from, to: None }))
    }

    /// Sends a reply if it finds room.
    pub(super) fn try_reply(&self, reply: &[u8], asker: &Asker) -> io::Result<()> {
        match &asker.to {
            Some(own) => self
                .socket
                .try_io(Interest::WRITABLE, || send(&self.socket, reply, asker.from, own)),
            None => self.socket.try_send_to(reply, asker.from).map(drop),
        }
    }
}

fn receive(socket: RawFd, room: &mut Room) -> io::Result<(usize, Asker)> {
    let mut parts = [IoSliceMut::new(&mut room.message)];
    let control = Some(&mut *room.control);
    let message = recvmsg::<SockaddrStorage>(socket, &mut parts, control, MsgFlags::empty())?;
    let from = message.address.as_ref().and_then(address).ok_or(ErrorKind::InvalidData)?;
    let to = message.cmsgs()?.find_map(Own::read);
    Ok((message.bytes, Asker { from, to }))
}

fn address(of: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = of.as_sockaddr_in().map(|address| SocketAddr::from(*address));
    v4.or_else(|| of.as_sockaddr_in6().map(|address| SocketAddr::from(*address)))
}

fn send(socket: &UdpSocket, reply: &[u8], to: SocketAddr, own: &Own) -> io::Result<()> {
    let (parts, to) = ([IoSlice::new(reply)], to.into());
    let message = MsgHdr::new().with_addr(&to).with_buffers(&parts).with_control(own.control());
    SockRef::from(socket).sendmsg(&message, 0)?;
    Ok(())
}
