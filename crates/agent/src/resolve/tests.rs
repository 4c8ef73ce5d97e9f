#![allow(clippy::unwrap_used)]

use super::*;

fn parsed(text: &str) -> (Option<String>, String, u16) {
    let address = parse(text, 7946).unwrap();
    (address.name.map(|name| name.to_string()), address.host, address.port)
}

#[test]
fn forms_of_an_address() {
    let plain = |host: &str, port| (None, host.to_owned(), port);
    assert_eq!(parsed("127.0.0.9"), plain("127.0.0.9", 7946));
    assert_eq!(parsed("127.0.0.8:7000"), plain("127.0.0.8", 7000));
    assert_eq!(parsed("::1"), plain("::1", 7946));
    assert_eq!(parsed("[::1]"), plain("::1", 7946));
    assert_eq!(parsed("[::1]:80"), plain("::1", 80));
    assert_eq!(parsed("fd00::2"), plain("fd00::2", 7946));
    assert_eq!(parsed("host.example"), plain("host.example", 7946));
    assert_eq!(parsed(""), plain("", 7946));
    assert_eq!(
        parsed("node2/127.0.0.2:7946"),
        (Some("node2".to_owned()), "127.0.0.2".to_owned(), 7946)
    );
    assert_eq!(parsed("a/[::1]"), (Some("a".to_owned()), "::1".to_owned(), 7946));
}

#[test]
fn what_is_wrong_with_an_address() {
    let why = |text: &str| parse(text, 7946).unwrap_err();
    assert_eq!(why("/127.0.0.1"), "empty node name provided");
    assert_eq!(why("host:abc"), "strconv.ParseUint: parsing \"abc\": invalid syntax");
    assert_eq!(why("host:70000"), "strconv.ParseUint: parsing \"70000\": value out of range");
    assert_eq!(why("host:"), "strconv.ParseUint: parsing \"\": invalid syntax");
}

#[tokio::test(flavor = "current_thread")]
async fn an_empty_address_is_no_host() {
    let plan = resolve_all(&[String::new()], 7946, &Log::silent()).await;
    assert!(plan.targets.is_empty());
    assert_eq!(
        plan.error_text(&[]),
        "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn errors_stand_in_the_order_of_the_addresses() {
    let addresses = ["127.0.0.9", "/x", "127.0.0.8:7000"].map(str::to_owned);
    let plan = resolve_all(&addresses, 7946, &Log::silent()).await;
    let failures = [
        ("127.0.0.9".to_owned(), "dial tcp 127.0.0.9:7946: connect: connection refused".to_owned()),
        ("127.0.0.8".to_owned(), "dial tcp 127.0.0.8:7000: connect: connection refused".to_owned()),
    ];
    assert_eq!(
        plan.error_text(&failures),
        "3 errors occurred:\n\
         \t* Failed to join 127.0.0.9: dial tcp 127.0.0.9:7946: connect: connection refused\n\
         \t* Failed to resolve /x: empty node name provided\n\
         \t* Failed to join 127.0.0.8: dial tcp 127.0.0.8:7000: connect: connection refused\n\n"
    );
}
