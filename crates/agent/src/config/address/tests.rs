#![allow(clippy::unwrap_used)]

use super::*;

fn interface(name: &str, address: &str) -> Interface {
    Interface { name: name.to_owned(), address: address.parse().unwrap(), index: None, is_up: true }
}

#[test]
fn addresses_are_read_as_the_real_agent_reads_them() {
    for (text, address) in [
        ("127.0.0.1", "127.0.0.1:7946"),
        ("127.0.0.1:7000", "127.0.0.1:7000"),
        ("[::1]", "[::1]:7946"),
        ("[::1]:1", "[::1]:1"),
        (":7947", "0.0.0.0:7947"),
        ("127.0.0.1:", "127.0.0.1:0"),
        ("127.0.0.1:http", "127.0.0.1:80"),
    ] {
        assert_eq!(resolve(text).unwrap(), address.parse().unwrap(), "{text}");
    }
    for (text, why) in [
        ("a:b:c", "address a:b:c: too many colons in address"),
        ("::1", "address ::1: too many colons in address"),
        ("127.0.0.1:foo", "address tcp/foo: unknown port"),
        ("[::1", "address [::1: missing ']' in address"),
    ] {
        assert_eq!(resolve(text).unwrap_err(), why, "{text}");
    }
}

#[test]
fn an_interface_gives_its_first_usable_address() {
    let all = [
        interface("lo", "127.0.0.1"),
        interface("eth0", "fe80::1"),
        interface("eth0", "10.0.0.5"),
        interface("wifi0", "169.254.1.1"),
    ];
    let bind = "0.0.0.0:7950".parse().unwrap();
    let chosen = |name, bind| match on_interface(name, bind, &all) {
        Ok(Chosen::FromInterface(address)) => address.to_string(),
        Ok(Chosen::Configured) => "configured".to_owned(),
        Err(why) => why,
    };
    assert_eq!(chosen("eth0", bind), "10.0.0.5:7950");
    assert_eq!(chosen("eth0", "10.0.0.5:1".parse().unwrap()), "configured");
    let other = "10.1.2.3:1".parse().unwrap();
    assert_eq!(chosen("lo", other), "Interface 'lo' has no '10.1.2.3' address");
    assert_eq!(chosen("wifi0", bind), "Failed to find usable address for interface 'wifi0'");
    assert_eq!(chosen("tun0", bind), "Interface 'tun0' has no addresses");
}

#[test]
fn a_private_address_of_the_default_route_is_preferred() {
    let all = [
        interface("lo", "127.0.0.1"),
        interface("docker0", "172.17.0.1"),
        interface("eth0", "fd00::5"),
        interface("eth0", "10.0.0.5"),
        interface("eth1", "8.8.8.8"),
    ];
    assert_eq!(private_address(&all, Some("eth0")), Some("10.0.0.5".parse().unwrap()));
    assert_eq!(private_address(&all, None), Some("172.17.0.1".parse().unwrap()));
    assert_eq!(private_address(&all[..1], None), None);
    assert_eq!(private_address(&all[4..], None), None);
}

#[test]
fn public_addresses_are_told_from_the_others() {
    for address in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2a00::1", "::ffff:8.8.8.8"] {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
    for address in [
        "127.0.0.40",
        "10.1.1.1",
        "100.64.0.1",
        "172.31.0.1",
        "fd00::1",
        "::1",
        "fe80::1",
        "0.0.0.0",
    ] {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
}
