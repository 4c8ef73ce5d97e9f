#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn addresses_and_their_prefixes() {
    let parse = |text: &str| text.parse::<FloatingAddress>().map(|address| address.to_string());
    assert_eq!(parse("172.17.0.99/16"), Ok("172.17.0.99/16".into()));
    assert_eq!(parse("172.17.0.99"), Ok("172.17.0.99/32".into()));
    assert_eq!(parse("2001:db8::9/64"), Ok("2001:db8::9/64".into()));
    for wrong in [
        "",
        "/24",
        "10.0.0.1/33",
        "10.0.0.1/x",
        "10.0.0.1/",
        "host/24",
        "0.0.0.0/8",
        "224.0.0.1/32",
        "2001:db8::9/129",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_address_of_this_machine_is_not_missing() {
    let is_missing = |text: &str| text.parse::<FloatingAddress>().unwrap().is_missing("lo");
    assert!(!is_missing("127.0.0.99/8"));
    // For documentation, and so nobody's.
    assert!(is_missing("192.0.2.99/24"));
    assert!(is_missing("2001:db8::99/64"));
}

#[test]
fn an_interface_name_is_not_a_path() {
    for wrong in ["", "..", "../../proc", "a/b"] {
        assert!(interface_index(wrong).is_err());
    }
    assert_eq!(interface_index("lo").unwrap(), 1);
    assert_eq!(hardware_address("lo").unwrap(), None);
}
