//! Requests to the kernel's routing tables (rtnetlink), as far as the agent has any: one address of
//! one interface.
//!
//! ```text
//! length: u32 | type: u16 | flags: u16 | sequence: u32 | port: u32            nlmsghdr
//! family: u8 | prefix length: u8 | flags: u8 | scope: u8 | interface: u32     ifaddrmsg
//! n × (length: u16 | type: u16 | value, padded to 4 bytes)                    rtattr
//! ```

use std::io::{self, Read};

use libc::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST};
use socket2::{Domain, Protocol, Socket, Type};

const HEADER_BYTES: usize = 16;

/// An answer is the code and the request, or its header.
const ANSWER_BYTES: usize = 1024;

/// A request that is being written.
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// Puts an address on an interface; one that is there already is changed.
    pub(crate) fn add_or_replace_address() -> Self {
        Request::new(libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes an address from an interface.
    pub(crate) fn delete_address() -> Self {
        Request::new(libc::RTM_DELADDR, 0)
    }

    fn new(kind: u16, flags: i32) -> Self {
        let flags = (NLM_F_REQUEST | NLM_F_ACK | flags) as u16;
        // The length is known last; any sequence number will do for one request; the kernel fills
        // in the port.
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        Request(bytes)
    }

    /// Which kind of address, with which prefix, on which interface; valid everywhere.
    pub(crate) fn address(mut self, family: u8, prefix_length: u8, interface: u32) -> Self {
        self.0.extend([family, prefix_length, 0, libc::RT_SCOPE_UNIVERSE]);
        self.0.extend(interface.to_ne_bytes());
        self
    }

    /// One attribute; its value has a few bytes.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = (4 + value.len()) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// The request as the kernel takes it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

/// Sends one request and reads the kernel's acknowledgement.
pub(crate) fn ask(request: &[u8]) -> io::Result<()> {
    let (domain, protocol) = (Domain::from(libc::AF_NETLINK), Protocol::from(libc::NETLINK_ROUTE));
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    // Without a destination it goes to the kernel.
    socket.send(request)?;
    let mut answer = [0; ANSWER_BYTES];
    let length = (&socket).read(&mut answer)?;
    acknowledged(&answer[..length])
}

fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let unexpected = || io::Error::other("unexpected answer of the kernel");
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    if kind.map(i32::from) != Some(libc::NLMSG_ERROR) {
        return Err(unexpected());
    }
    let code = answer.get(HEADER_BYTES..).and_then(|rest| rest.first_chunk());
    match code.map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(unexpected()),
    }
}

#[cfg(test)]
mod tests;
