//! Datagrams at one address of ours, or at all of them.
//!
//! A socket at all addresses learns with each question which of them was asked, and the reply
//! leaves from there: nobody believes another. A socket at one address has no need of that, and of
//! what it costs.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
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

/// An address of ours, as the system takes it.
#[derive(Clone, Copy)]
enum Own {
    V4(in_pktinfo),
    /// One of IPv4 within it, too.
    V6(in6_pktinfo),
}

impl Own {
    fn read(message: ControlMessageOwned) -> Option<Self> {
        match message {
            // The address of ours, even where the question went to all of a network.
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(Self::V4(in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: info.ipi_spec_dst,
                ipi_addr: in_addr { s_addr: Ipv4Addr::UNSPECIFIED.into() },
            })),
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                // Only a link's own addresses need the link; other ways back are for the system.
                let link = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                let own = in6_pktinfo { ipi6_ifindex: link, ..info };
                (!address.is_multicast()).then_some(Self::V6(own))
            }
            _ => None,
        }
    }

    fn control(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
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
            Some(own) => {
                let socket = self.socket.as_raw_fd();
                self.socket.try_io(Interest::WRITABLE, || send(socket, reply, asker.from, own))
            }
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

fn send(socket: RawFd, reply: &[u8], to: SocketAddr, own: &Own) -> io::Result<()> {
    let (parts, to) = ([IoSlice::new(reply)], SockaddrStorage::from(to));
    sendmsg(socket, &parts, &[own.control()], MsgFlags::empty(), Some(&to))?;
    Ok(())
}
