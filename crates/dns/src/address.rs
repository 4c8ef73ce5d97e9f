//! Addresses as rows hold them, and which of several a question means.

use std::net::IpAddr;

use catalog::{Node, Service};
use domain::base::iana::Rtype;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Any,
}

impl Family {
    pub(crate) fn of(rtype: Rtype) -> Self {
        match rtype {
            Rtype::A => Self::V4,
            Rtype::AAAA => Self::V6,
            _ => Self::Any,
        }
    }

    /// Among addresses by purpose, the one to take before the plain one.
    fn tags(self) -> &'static [&'static str] {
        match self {
            Self::V4 => &["lan_ipv4"],
            Self::V6 => &["lan_ipv6"],
            Self::Any => &["lan_ipv6", "lan_ipv4"],
        }
    }
}

/// The address of a node.
pub(crate) fn of_node(node: &Node, family: Family) -> &str {
    let pairs = node.tagged_addresses.as_deref().unwrap_or_default();
    let tagged = |tag: &&str| Some(&*pairs.iter().find(|(key, _)| **key == **tag)?.1);
    let mut tagged = family.tags().iter().filter_map(tagged).filter(|text| !text.is_empty());
    tagged.next().unwrap_or(&node.address)
}

/// The address of an instance itself; empty if it has none.
pub(crate) fn of_service(service: &Service, family: Family) -> &str {
    let pairs = service.tagged_addresses.as_deref().unwrap_or_default();
    let tagged = |tag: &&str| Some(&*pairs.iter().find(|(key, _)| **key == **tag)?.1.address);
    let mut tagged = family.tags().iter().filter_map(tagged).filter(|text| !text.is_empty());
    tagged.next().unwrap_or(&service.address)
}

/// A text as an address. One of IPv4 within IPv6 counts as the former, as in the reference.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    Some(text.parse::<IpAddr>().ok()?.to_canonical())
}
