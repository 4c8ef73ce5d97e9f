#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::decode_text;

fn check(json: &str) -> Result<Option<FloatingSettings>, Failure> {
    FloatingSettings::check(&decode_text(json.as_bytes()).unwrap())
}

#[test]
fn a_name_is_enough() {
    assert_eq!(check("{}").unwrap(), None);
    let settings = check(r#"{"floating_role": {"name": "primary"}}"#).unwrap().unwrap();
    assert_eq!((settings.tag.as_str(), settings.standby.as_str()), ("role", "standby"));
    assert_eq!((settings.priority, settings.quorum, settings.preempt), (0, Quorum::None, false));
    assert!(settings.address.is_none() && settings.check.is_none());
}

#[test]
fn everything_at_once() {
    let settings = check(
        r#"{"Floating_Role": {"name": "primary", "tag": "duty", "standby": "spare",
            "priority": 7, "address": "172.17.0.99/16", "interface": "eth0",
            "on_acquire": "a", "on_release": "r", "check": "http://127.0.0.1/",
            "check_interval": "2s", "check_timeout": "100ms", "check_failures": 2, "Quorum": "majority",
            "preempt": true}}"#,
    )
    .unwrap()
    .unwrap();
    assert_eq!(settings.address.unwrap().0.to_string(), "172.17.0.99/16");
    let check = settings.check.unwrap();
    assert_eq!((check.interval, check.failures), (Duration::from_secs(2), 2));
    assert_eq!((settings.quorum, settings.preempt), (Quorum::Majority, true));
}

#[test]
fn the_address_is_not_the_agents_own() {
    let address = r#"{"floating_role": {"name": "p", "address": "10.0.0.9/8", "interface": "e"}}"#;
    let settings = check(address).unwrap().unwrap();
    let ip = |last| Some(IpAddr::from([10, 0, 0, last]));
    assert!(settings.check_own([ip(1), None]).is_ok());
    assert!(settings.check_own([ip(9), None]).is_err());
    assert!(settings.check_own([ip(1), ip(9)]).is_err());
}

#[test]
fn what_is_wrong_is_named_with_a_cure() {
    for (fields, key) in [
        (r#""priority": 1"#, "name"),
        (r#""name": "p", "priority": -1"#, "priority"),
        (r#""name": "p", "address": "x", "interface": "eth0""#, "address"),
        (r#""name": "p", "address": "10.0.0.1""#, "address"),
        (r#""name": "p", "check": "https://x/""#, "check"),
        (r#""name": "p", "check": "http://x/", "check_interval": "1ns""#, "check"),
        (r#""name": "p", "check": "http://x/", "check_failures": -1"#, "check_failures"),
        (r#""name": "p", "quorum": "two""#, "quorum"),
        (r#""name": "p", "standby": "p""#, "standby"),
        (r#""name": "p", "tag": "_floating_p""#, "tag"),
        (r#""name": "p", "check_interval": "2s""#, "check_interval"),
        (r#""name": "p", "check": "http://x:99999/""#, "check"),
        (r#""name": "p", "lock": "k""#, "lock"),
    ] {
        let failure = check(&format!(r#"{{"floating_role": {{{fields}}}}}"#)).unwrap_err();
        assert!(failure.message.contains(&format!("'floating_role.{key}'")), "{failure:?}");
        assert!(failure.hint.is_some());
    }
    let twice = check(r#"{"role": "web", "floating_role": {"name": "p"}}"#).unwrap_err();
    assert!(twice.message.contains("'floating_role.tag' is 'role'"), "{twice:?}");
    let unknown = decode_text(br#"{"floating_role": {"nam": "p"}}"#).unwrap_err();
    assert!(unknown.message.contains("floating_role.name"), "{unknown}");
}
