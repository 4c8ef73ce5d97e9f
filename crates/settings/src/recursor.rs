//! Servers that questions of DNS are passed to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The port of those that have none.
const PORT: u16 = 53;
const LABEL_BYTES: usize = 63;
const NAME_BYTES: usize = 253;

/// Where a recursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recursor {
    /// An address.
    Address(SocketAddr),
    /// A name and a port, to be looked up.
    Name(String, u16),
}

impl Recursor {
    /// Reads `host` or `host:port`; IPv6 may stand alone or in brackets. None if it is neither an
    /// address nor the name of a host.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address((address, PORT).into()));
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (text, PORT),
        };
        is_host(host).then(|| Self::Name(host.to_owned(), port))
    }
}

impl fmt::Display for Recursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Whether it can be the name of a host: an address with a fault in it is none.
fn is_host(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let fits = (1..=LABEL_BYTES).contains(&label.len());
        fits && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= NAME_BYTES && !numeric && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursors_have_port_53_unless_they_say() {
        let address = |text: &str| text.parse().ok().map(Recursor::Address);
        assert_eq!(Recursor::read("8.8.8.8"), address("8.8.8.8:53"));
        assert_eq!(Recursor::read("8.8.8.8:5353"), address("8.8.8.8:5353"));
        assert_eq!(Recursor::read("2001:db8::1"), address("[2001:db8::1]:53"));
        assert_eq!(Recursor::read("[2001:db8::1]"), address("[2001:db8::1]:53"));
        assert_eq!(Recursor::read("[::1]:54"), address("[::1]:54"));
        let name = |host: &str, port| Some(Recursor::Name(host.to_owned(), port));
        assert_eq!(Recursor::read("resolver"), name("resolver", 53));
        assert_eq!(Recursor::read("ns_1.example.com.:54"), name("ns_1.example.com.", 54));
    }

    #[test]
    fn what_is_neither_address_nor_host_is_no_recursor() {
        let long = "a".repeat(64);
        for text in [
            "8.8.8.8:53x",
            "8.8.8.8:",
            "8.8.8:53",
            "8.8.8.888",
            "[::1]x",
            "[::1]:99999",
            "::1::2",
            "",
            ":53",
            "a b",
            "a..b",
            "resolver:65536",
            "http://resolver",
            &long,
        ] {
            assert_eq!(Recursor::read(text), None, "{text}");
        }
    }
}
