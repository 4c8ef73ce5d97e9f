//! The small values that messages are made of.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::limits;

/// The name of a member: any text, compared exactly and with regard to case.
///
/// Cheap to clone; member tables, queues and facts share one allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The name as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeName {
    fn from(name: &str) -> Self {
        NodeName(Arc::from(name))
    }
}

impl From<String> for NodeName {
    fn from(name: String) -> Self {
        NodeName(Arc::from(name))
    }
}

impl std::borrow::Borrow<str> for NodeName {
    #[inline]
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// How often a member has renewed its claim to be alive. Only the member itself raises it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u32);

/// A time of one of Serf's three Lamport clocks (members, events, queries).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(pub u64);

impl fmt::Display for LamportTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number that ties an ack or a nack to its ping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub u32);

/// An address as it travels: an opaque string of up to 16 bytes, normally 4 or 16.
///
/// Kept and forwarded exactly as received and compared byte for byte, because peers do so: the
/// mapped form of an IPv4 address is *not* equal to its short form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address {
    bytes: [u8; limits::ADDRESS_BYTES],
    length: u8,
}

/// An address of more than 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address of {0} bytes is longer than 16 bytes")]
pub struct InvalidAddress(pub usize);

impl Address {
    /// Takes the bytes as they are. Fails above 16 bytes.
    pub fn from_bytes(raw: &[u8]) -> Result<Self, InvalidAddress> {
        let mut bytes = [0; limits::ADDRESS_BYTES];
        bytes.get_mut(..raw.len()).ok_or(InvalidAddress(raw.len()))?.copy_from_slice(raw);
        Ok(Address { bytes, length: raw.len() as u8 })
    }

    /// The bytes as they travel.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// True where the field was absent or nil.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The address as the system knows it; a mapped IPv4 address in its short form. None unless
    /// it is 4 or 16 bytes long.
    pub fn to_ip(&self) -> Option<IpAddr> {
        if let Ok(v4) = <[u8; 4]>::try_from(self.as_bytes()) {
            return Some(IpAddr::from(v4));
        }
        let v6 = <[u8; 16]>::try_from(self.as_bytes()).ok()?;
        Some(IpAddr::from(v6).to_canonical())
    }
}

impl From<IpAddr> for Address {
    /// 4 bytes for IPv4, 16 for IPv6.
    fn from(ip: IpAddr) -> Self {
        let mut bytes = [0; limits::ADDRESS_BYTES];
        let length = match ip {
            IpAddr::V4(v4) => {
                bytes[..4].copy_from_slice(&v4.octets());
                4
            }
            IpAddr::V6(v6) => {
                bytes = v6.octets();
                16
            }
        };
        Address { bytes, length }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_ip() {
            Some(ip) => write!(f, "{ip}/{}", self.length),
            None => write!(f, "{:02x?}", self.as_bytes()),
        }
    }
}

/// The six version bytes that every member advertises, in wire order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Versions {
    /// Oldest membership protocol understood.
    pub protocol_min: u8,
    /// Newest membership protocol understood; features of packets are keyed on it.
    pub protocol_max: u8,
    /// Membership protocol spoken.
    pub protocol_cur: u8,
    /// Oldest Serf protocol understood.
    pub delegate_min: u8,
    /// Newest Serf protocol understood.
    pub delegate_max: u8,
    /// Serf protocol spoken.
    pub delegate_cur: u8,
}

impl Versions {
    /// From the wire; None unless there are six bytes at least (more are ignored).
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        let &[
            protocol_min,
            protocol_max,
            protocol_cur,
            delegate_min,
            delegate_max,
            delegate_cur,
            ..,
        ] = raw
        else {
            return None;
        };
        Some(Versions {
            protocol_min,
            protocol_max,
            protocol_cur,
            delegate_min,
            delegate_max,
            delegate_cur,
        })
    }

    /// The six bytes in wire order.
    pub fn to_bytes(self) -> [u8; 6] {
        [
            self.protocol_min,
            self.protocol_max,
            self.protocol_cur,
            self.delegate_min,
            self.delegate_max,
            self.delegate_cur,
        ]
    }
}
