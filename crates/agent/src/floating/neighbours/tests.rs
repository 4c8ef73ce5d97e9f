#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_gratuitous_request_names_the_address_twice() {
    let packet = arp(ArpOperation::Request, [2, 0, 0, 0, 0, 9], Ipv4Addr::new(172, 17, 0, 99));
    assert_eq!(packet[..8], [0, 1, 8, 0, 6, 4, 0, 1]);
    assert_eq!(packet[8..14], [2, 0, 0, 0, 0, 9]);
    assert_eq!(packet[14..18], packet[24..28]);
    assert_eq!(packet[18..24], [0; 6]);
}

#[test]
fn loopback_has_nobody_to_tell() {
    announce(IpAddr::from([127, 0, 0, 99]), "lo").unwrap();
}
