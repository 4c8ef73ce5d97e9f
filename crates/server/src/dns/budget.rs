//! How much of long replies a network may get over UDP.
//!
//! Nobody can tell whether a datagram comes from whom it says. A question of 40 bytes that
//! announces room for 65,535 may bring as many upon somebody who has asked nothing. Replies of up
//! to [`dns::SHORT_BYTES`], as other servers send them, too, are not counted.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What a network gets of longer ones: 2 Mbit/s, a small part of what any link takes, and four
/// answers of the longest kind a second.
const BYTES_A_SECOND: f64 = 262_144.0;
/// What it gets at once after it got nothing for some seconds: sixteen of the longest.
const BURST_BYTES: f64 = 1_048_576.0;
/// Networks that are told apart. Others share with one of these: they may get less than is theirs,
/// over UDP, but nobody can choose with whom.
const NETWORKS: usize = 1024;

/// What is left for whom.
#[derive(Default)]
pub(super) struct Budget {
    /// Loopback addresses have one, too. The system takes no datagram from elsewhere that claims to
    /// come from there, so that they need none.
    pub(super) of_all: bool,
    hasher: RandomState,
    /// Empty until somebody wants a long reply.
    networks: Mutex<Box<[Network]>>,
}

/// What was taken and has not come back yet.
#[derive(Clone, Copy)]
struct Network {
    taken: f64,
    at: Instant,
}

impl Budget {
    /// Takes so many bytes for a network; false if they are not left.
    pub(super) fn take(&self, to: IpAddr, bytes: usize, now: Instant) -> bool {
        if to.is_loopback() && !self.of_all {
            return true;
        }
        let place = self.hasher.hash_one(network(to)) as usize % NETWORKS;
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        if networks.is_empty() {
            *networks = vec![Network { taken: 0.0, at: now }; NETWORKS].into();
        }
        let Some(network) = networks.get_mut(place) else { return false };
        let returned = now.saturating_duration_since(network.at).as_secs_f64() * BYTES_A_SECOND;
        (network.taken, network.at) = ((network.taken - returned).max(0.0), now);
        let taken = network.taken + bytes as f64;
        let fits = taken <= BURST_BYTES;
        if fits {
            network.taken = taken;
        }
        fits
    }
}

/// The network that an address is of, as far as one asker is told from another: 24 bits of IPv4, 56
/// of IPv6.
pub(super) fn network(of: IpAddr) -> IpAddr {
    match of {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 72 << 72).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_network_has_what_comes_back_with_time() {
        let (budget, start) = (Budget::default(), Instant::now());
        let at = |text: &str| text.parse::<IpAddr>().unwrap_or(Ipv4Addr::LOCALHOST.into());
        let long = 1 << 16;
        for _ in 0..17 {
            assert!(budget.take(at("127.0.0.1"), long, start), "nobody else can be there");
        }
        for _ in 0..16 {
            assert!(budget.take(at("192.0.2.1"), long, start));
        }
        assert!(!budget.take(at("192.0.2.200"), 1, start), "it is of the same network");
        let mut now = start + Duration::from_millis(250);
        assert!(budget.take(at("192.0.2.1"), long, now));
        assert!(!budget.take(at("192.0.2.1"), 1, now));
        now += Duration::from_secs(100);
        let seconds = (0..).take_while(|_| budget.take(at("192.0.2.1"), long, now)).count();
        assert_eq!(seconds, 16, "no more is kept");
    }

    #[test]
    fn networks_are_told_apart() {
        let same = |one: &str, other: &str| {
            let read = |text: &str| network(text.parse().unwrap_or(Ipv4Addr::LOCALHOST.into()));
            read(one) == read(other)
        };
        assert!(same("192.0.2.1", "192.0.2.255"));
        assert!(!same("192.0.2.1", "192.0.3.1"));
        assert!(same("2001:db8:0:1ff::1", "2001:db8:0:100::2"));
        assert!(!same("2001:db8:0:100::1", "2001:db8:0:200::1"));
    }
}
