//! The two sockets of a member: binding them, and sending datagrams.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use bytes::Bytes;
use serf::Security;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use wire::packet;

use crate::limits;
use crate::platform::{self, Datagrams};
use crate::random;

/// Binds both sockets to one address; port 0 takes a port that is free for both. The error is the
/// text that the real agent shows.
pub(super) fn bind(address: SocketAddr) -> Result<(TcpListener, Datagrams), String> {
    // A free port of one kind may be taken for the other.
    let attempts = if address.port() == 0 { 10 } else { 1 };
    let mut last = String::new();
    for _ in 0..attempts {
        match bind_once(address) {
            Ok(bound) => return Ok(bound),
            Err(why) => last = why,
        }
    }
    Err(format!("Could not set up network transport: failed to obtain an address: {last}"))
}

fn bind_once(address: SocketAddr) -> Result<(TcpListener, Datagrams), String> {
    let text = |kind: &str, address: SocketAddr, error: &io::Error| {
        let why = gotext::listen_error(address, error);
        let why = if kind == "UDP" { why.replacen("tcp", "udp", 1) } else { why };
        format!(
            "Failed to start {kind} listener on \"{}\" port {}: {why}",
            address.ip(),
            address.port()
        )
    };
    let listener = listen(address).map_err(|error| text("TCP", address, &error))?;
    let bound = listener.local_addr().map_err(|error| text("TCP", address, &error))?;
    let udp = open_udp(bound).map_err(|error| text("UDP", bound, &error))?;
    Ok((listener, udp))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    platform::reuse_port_of_the_gone(&socket)?;
    dual_stack(&socket, address)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

fn open_udp(address: SocketAddr) -> io::Result<Datagrams> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    dual_stack(&socket, address)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let mut size = limits::RECEIVE_BUFFER_BYTES;
    while size > 0 && socket.set_recv_buffer_size(size).is_err() {
        size /= 2;
    }
    Datagrams::new(socket.into())
}

/// The unspecified IPv6 address stands for both families.
fn dual_stack(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    Ok(())
}

/// A source as the machine knows addresses: without the IPv6 form of IPv4.
pub(super) fn canonical(source: SocketAddr) -> SocketAddr {
    SocketAddr::new(source.ip().to_canonical(), source.port())
}

/// Seals datagrams and hands them to the system; keeps some while the system is busy.
pub(super) struct Outbox {
    compress: bool,
    /// Whether the socket wants IPv4 addresses in their IPv6 form.
    mapped: bool,
    sealed: Vec<u8>,
    /// What `sealed` was made of, if the same body would become the same datagram: what is told to
    /// several members is compressed once.
    made_of: Option<(Bytes, bool)>,
    unsent: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Outbox {
    pub(super) fn new(bound: SocketAddr, compress: bool) -> Self {
        Outbox {
            compress,
            mapped: bound.is_ipv6(),
            sealed: Vec::new(),
            made_of: None,
            unsent: VecDeque::new(),
        }
    }

    /// Forgets what was sent last.
    pub(super) fn rest(&mut self) {
        self.made_of = None;
    }

    /// Whether something waits for the socket to become writable.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends one datagram; how many bytes it has. The error is the system's refusal of this
    /// destination.
    pub(super) fn send(
        &mut self,
        socket: &Datagrams,
        security: &Security,
        to: SocketAddr,
        body: Bytes,
        crc: bool,
    ) -> io::Result<usize> {
        let compress = self.compress && body.len() >= limits::COMPRESSED_BYTES;
        let options = security.packet_options(crc, compress);
        let same = |(made_of, with_crc): &(Bytes, bool)| {
            made_of.as_ptr() == body.as_ptr() && made_of.len() == body.len() && *with_crc == crc
        };
        if options.key.is_some() || !self.made_of.as_ref().is_some_and(same) {
            let mut nonce = [0; wire::seal::NONCE_BYTES];
            if options.key.is_some() {
                random::fill(&mut nonce);
            }
            self.sealed.clear();
            packet::seal(&body, &options, nonce, &mut self.sealed);
            self.made_of = options.key.is_none().then_some((body, crc));
        }
        let to = self.system_address(to);
        if self.unsent.is_empty() {
            match socket.try_send_to(&self.sealed, to) {
                Err(error) if is_busy(&error) => {}
                result => return result,
            }
        }
        if self.unsent.len() == limits::UNSENT_DATAGRAMS {
            self.unsent.pop_front();
        }
        self.unsent.push_back((to, self.sealed.clone()));
        Ok(self.sealed.len())
    }

    /// Sends what has waited, as far as the system takes it. Returns a destination that it
    /// refused, if there was one; the next call goes on behind it.
    pub(super) fn flush(&mut self, socket: &Datagrams) -> Option<SocketAddr> {
        while let Some((to, datagram)) = self.unsent.front() {
            match socket.try_send_to(datagram, *to) {
                Err(error) if is_busy(&error) => return None,
                Ok(_) => drop(self.unsent.pop_front()),
                Err(_) => return self.unsent.pop_front().map(|(to, _)| canonical(to)),
            }
        }
        None
    }

    fn system_address(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(v4) if self.mapped => {
                let ip: Ipv6Addr = v4.ip().to_ipv6_mapped();
                SocketAddr::V6(SocketAddrV6::new(ip, v4.port(), 0, 0))
            }
            other => other,
        }
    }
}

/// The system has no room for the datagram now.
fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
