//! The addresses of this machine, and the networks that they may belong to.

use std::net::IpAddr;

use ipnet::IpNet;

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// One of its addresses.
    pub address: IpAddr,
    /// Bits of the network's prefix.
    pub prefix: u8,
    /// Whether it carries packets.
    pub up: bool,
    /// Whether the default route leaves by it.
    pub default_route: bool,
}

impl Interface {
    /// Whether it reaches nothing but this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.address.is_loopback()
    }

    /// Whether its address is one that routers pass on (RFC 6890, section 2.2).
    pub(crate) fn is_forwardable(&self) -> bool {
        !within_any(self.address, NOT_FORWARDABLE)
    }

    /// Its network: the address without the bits of the host, and the prefix.
    pub(crate) fn network(&self) -> String {
        let address = match self.address {
            IpAddr::V4(address) => {
                let bits = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                IpAddr::from((u32::from(address) & !bits).to_be_bytes())
            }
            IpAddr::V6(address) => {
                let bits = u128::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                IpAddr::from((u128::from(address) & !bits).to_be_bytes())
            }
        };
        format!("{address}/{}", self.prefix)
    }
}

pub(crate) fn within_any(address: IpAddr, networks: &[&str]) -> bool {
    let networks = networks.iter().filter_map(|text| text.parse::<IpNet>().ok());
    networks.into_iter().any(|network| network.contains(&address))
}

/// The networks that a number of an RFC stands for.
pub(crate) fn networks_of_rfc(number: &str) -> Option<&'static [&'static str]> {
    Some(match number {
        "1918" => &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        "3927" => &["169.254.0.0/16"],
        "4193" => &["fc00::/7"],
        "4291" => &["fe80::/10"],
        "5737" => &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
        "6598" => &["100.64.0.0/10"],
        "6890" => SPECIAL,
        _ => return None,
    })
}

/// RFC 6890, tables 1 to 32.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::1/128",
    "::/128",
    "64:ff9b::/96",
    "::ffff:0:0/96",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];

/// Those of the same tables whose "forwardable" is false.
const NOT_FORWARDABLE: &[&str] = &[
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::1/128",
    "::/128",
    "::ffff:0:0/96",
    "2001:db8::/32",
    "fe80::/10",
];
