//! The sockets: an ephemeral port that asks, and port 5353 of the group that listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::config::MdnsSettings;
use crate::platform::{self, Interface};

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const PORT: u16 = 5353;

/// One socket per family that can be used.
#[derive(Debug)]
struct Pair {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Pair {
    /// Opens the wanted families; the error is that of the first if none can be opened.
    fn open(
        settings: &MdnsSettings,
        v4: impl FnOnce(Ipv4Addr) -> io::Result<Socket>,
        v6: impl FnOnce(u32) -> io::Result<Socket>,
    ) -> Result<Pair, String> {
        let interface = Chosen::of(settings)?;
        let mut why = None;
        let mut keep = |result: io::Result<Socket>| match result.and_then(into_tokio) {
            Ok(socket) => Some(socket),
            Err(error) => {
                why.get_or_insert(gotext::errno_text(&error));
                None
            }
        };
        let v4 = settings.ipv4.then(|| keep(v4(interface.v4))).flatten();
        let v6 = settings.ipv6.then(|| keep(v6(interface.index))).flatten();
        match (why, &v4, &v6) {
            (Some(why), None, None) => Err(why),
            _ => Ok(Pair { v4, v6 }),
        }
    }

    async fn receive(&self, buffer: &mut [u8]) -> (usize, SocketAddr, &UdpSocket) {
        loop {
            let socket = tokio::select! {
                ready = readable(&self.v4) => ready,
                ready = readable(&self.v6) => ready,
            };
            // Errors of earlier datagrams show up here, and stale readiness; both pass.
            if let Ok((length, from)) = socket.try_recv_from(buffer) {
                return (length, from, socket);
            }
        }
    }
}

/// The socket once it has something; never if there is none.
async fn readable(socket: &Option<UdpSocket>) -> &UdpSocket {
    match socket {
        Some(socket) if socket.readable().await.is_ok() => socket,
        _ => std::future::pending().await,
    }
}

fn into_tokio(socket: Socket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

/// The interface that multicast goes through; zeros leave it to the system.
struct Chosen {
    v4: Ipv4Addr,
    index: u32,
}

impl Chosen {
    fn of(settings: &MdnsSettings) -> Result<Chosen, String> {
        let Some(name) = &settings.interface else {
            return Ok(Chosen { v4: Ipv4Addr::UNSPECIFIED, index: 0 });
        };
        let all = platform::interfaces()?;
        let own: Vec<&Interface> = all.iter().filter(|i| i.name == *name).collect();
        let v4 = own.iter().find_map(|interface| match interface.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        let index = own.iter().find_map(|interface| interface.index);
        match (v4, index) {
            (None, None) => Err(format!("interface '{name}' has no addresses")),
            _ => Ok(Chosen { v4: v4.unwrap_or(Ipv4Addr::UNSPECIFIED), index: index.unwrap_or(0) }),
        }
    }
}

/// Asks, from a port of its own.
pub(super) struct Asker(Pair);

impl Asker {
    pub(super) fn bind(settings: &MdnsSettings) -> Result<Asker, String> {
        let v4 = |interface: Ipv4Addr| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_multicast_if_v4(&interface)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
            Ok(socket)
        };
        let v6 = |index| {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_only_v6(true)?;
            socket.set_multicast_if_v6(index)?;
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
            Ok(socket)
        };
        Pair::open(settings, v4, v6).map(Asker)
    }

    /// Sends to the groups. Fails if no group can be reached.
    pub(super) async fn ask(&self, question: &[u8]) -> Result<(), String> {
        let mut why = None;
        let mut sent = false;
        let groups = [
            (&self.0.v4, SocketAddr::from((GROUP_V4, PORT))),
            (&self.0.v6, SocketAddr::from((GROUP_V6, PORT))),
        ];
        for (socket, group) in groups {
            let Some(socket) = socket else { continue };
            match socket.send_to(question, group).await {
                Ok(_) => sent = true,
                Err(error) => {
                    why.get_or_insert(gotext::errno_text(&error));
                }
            }
        }
        match why {
            Some(why) if !sent => Err(why),
            _ => Ok(()),
        }
    }

    pub(super) async fn receive(&self, buffer: &mut [u8]) -> usize {
        self.0.receive(buffer).await.0
    }
}

/// Listens to the questions of others, beside other programs that do.
#[derive(Debug)]
pub(super) struct Listener(Pair);

impl Listener {
    pub(super) fn bind(settings: &MdnsSettings) -> Result<Listener, String> {
        let v4 = |interface: Ipv4Addr| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            platform::share_port(&socket)?;
            // Bound to the group, so that datagrams for others' sockets on this port stay theirs.
            bind_to_group(&socket, SocketAddr::from((GROUP_V4, PORT)))?;
            socket.join_multicast_v4(&GROUP_V4, &interface)?;
            Ok(socket)
        };
        let v6 = |index| {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_only_v6(true)?;
            platform::share_port(&socket)?;
            bind_to_group(&socket, SocketAddr::from((GROUP_V6, PORT)))?;
            socket.join_multicast_v6(&GROUP_V6, index)?;
            Ok(socket)
        };
        Pair::open(settings, v4, v6).map(Listener)
    }

    pub(super) async fn receive(&self, buffer: &mut [u8]) -> (usize, SocketAddr, &UdpSocket) {
        self.0.receive(buffer).await
    }
}

fn bind_to_group(socket: &Socket, group: SocketAddr) -> io::Result<()> {
    if platform::BINDS_TO_GROUPS {
        return socket.bind(&group.into());
    }
    let any = if group.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    socket.bind(&SocketAddr::new(any, PORT).into())
}
