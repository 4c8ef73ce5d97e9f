#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn recorded() -> Vec<Vec<u8>> {
    let shared = match std::env::var_os("TRIBUNE_SHARED") {
        Some(shared) => shared.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let text = std::fs::read(shared.join("vectors/serf-cli/agent-mdns.json")).unwrap();
    let vector: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let packets = vector["packets"].as_array().unwrap();
    let bytes = |hex: &str| {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    packets.iter().map(|packet| bytes(packet["dns_hex"].as_str().unwrap())).collect()
}

fn service(node: &str, address: &str) -> Service {
    Service::new("clus", node, "testhost", address.parse().unwrap()).unwrap()
}

#[test]
fn packets_are_those_of_the_real_agent() {
    let packets = recorded();
    let [node1, node2] = [service("node1", "127.0.0.1:7946"), service("node2", "127.0.0.1:7947")];
    assert_eq!(node1.question(0xc665), packets[0]);
    assert_eq!(node1.answer(&packets[0]).unwrap(), packets[1]);
    assert_eq!(node2.question(0x32bc), packets[2]);
    assert_eq!(node2.answer(&packets[2]).unwrap(), packets[3]);
    assert_eq!(node1.answer(&packets[2]).unwrap(), packets[4]);
    assert_eq!(node1.members(&packets[3]), ["127.0.0.1:7947".parse().unwrap()]);
    assert!(node1.members(&packets[0]).is_empty());
    assert!(node1.answer(&packets[1]).is_none());
}

#[test]
fn other_clusters_are_not_joined() {
    let other = Service::new("other", "x", "testhost", "127.0.0.1:7946".parse().unwrap()).unwrap();
    let packets = recorded();
    assert!(other.answer(&packets[0]).is_none());
    assert!(other.members(&packets[1]).is_empty());
}

#[test]
fn an_ipv6_address_is_told_and_found() {
    let six = service("six", "[fd00::5]:7946");
    let answer = six.answer(&six.question(1)).unwrap();
    assert_eq!(six.members(&answer), ["[fd00::5]:7946".parse().unwrap()]);
}

#[test]
fn names_that_dns_cannot_carry_are_refused() {
    let address = "127.0.0.1:1".parse().unwrap();
    assert!(Service::new("c", &"x".repeat(64), "h", address).is_err());
    assert!(Service::new("c", "a..b", "h", address).is_err());
    assert!(Service::new(&"y".repeat(80), "n", "h", address).is_err());
    assert!(Service::new("c", "a.b", "h.", address).is_ok());
}

#[test]
fn a_failed_address_is_tried_again_after_longer_and_longer_pauses() {
    let mut addresses = Addresses::default();
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let mut attempts = Vec::new();
    for poll in 0..200 {
        addresses.next_poll();
        if addresses.wants(address) {
            attempts.push(poll);
            addresses.note(address, false);
        }
    }
    assert_eq!(attempts, [0, 1, 3, 7, 15, 31, 63, 127, 191]);
    addresses.note(address, true);
    assert!(!addresses.wants(address));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut addresses = Addresses::default();
    for port in 0..3000 {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if addresses.wants(address) {
            addresses.note(address, false);
        }
    }
    assert_eq!(addresses.known.len(), ADDRESSES);
}

proptest! {
    #[test]
    fn nothing_from_the_network_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        packet in 0usize..5, position in 0usize..100, byte in any::<u8>(),
    ) {
        let service = service("node1", "127.0.0.1:7946");
        let _ = service.members(&bytes);
        let _ = service.answer(&bytes);
        let mut mutated = recorded().swap_remove(packet);
        let position = position % mutated.len();
        mutated[position] = byte;
        let _ = service.members(&mutated);
        let _ = service.answer(&mutated);
    }
}
