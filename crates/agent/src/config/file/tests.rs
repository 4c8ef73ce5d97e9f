#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn reason(text: &str) -> String {
    decode(text.as_bytes()).unwrap_err().message
}

#[test]
fn structure_errors_are_those_of_the_real_agent() {
    assert_eq!(reason("[]"), "'' expected a map, got 'slice'");
    assert_eq!(reason("\"x\""), "'' expected a map, got 'string'");
    assert_eq!(reason("{"), "unexpected EOF");
    assert_eq!(
        reason(r#"{"event_handlers": [1, true], "tags": {"a": 1}}"#),
        "3 error(s) decoding:\n\
         \n* 'event_handlers[0]' expected type 'string', \
         got unconvertible type 'float64', value: '1'\
         \n* 'event_handlers[1]' expected type 'string', \
         got unconvertible type 'bool', value: 'true'\
         \n* 'tags[a]' expected type 'string', got unconvertible type 'float64', value: '1'"
    );
    assert_eq!(
        reason(r#"{"mdns": 3, "retry_interval": [1], "start_join": {}}"#),
        "3 error(s) decoding:\n\
         \n* 'mdns' expected a map, got 'float64'\
         \n* 'retry_interval' expected type 'string', \
         got unconvertible type '[]interface {}', value: '[1]'\
         \n* 'start_join': source data must be an array or slice, got map"
    );
    assert_eq!(reason(r#"{"reconnect_timeout": "5"}"#), "time: missing unit in duration \"5\"");
}

#[test]
fn a_mistyped_key_is_followed_by_the_nearest_known_one() {
    assert_eq!(
        reason(r#"{"foo": 1, "bar": 2}"#),
        "1 error(s) decoding:\n\n* '' has invalid keys: bar, foo"
    );
    assert_eq!(
        reason(r#"{"nodename": "x", "log_levl": "info"}"#),
        "1 error(s) decoding:\n\n* '' has invalid keys: log_levl, nodename\
         \n* did you mean 'log_level' instead of 'log_levl'?\
         \n* did you mean 'node_name' instead of 'nodename'?"
    );
    assert_eq!(
        reason(r#"{"mdns": {"iface": "lo", "disable_ipv5": true}}"#),
        "1 error(s) decoding:\n\n* 'mdns' has invalid keys: disable_ipv5, iface\
         \n* did you mean 'mdns.disable_ipv4' instead of 'disable_ipv5'?"
    );
}

#[test]
fn values_are_taken_as_the_real_agent_takes_them() {
    let layer = decode(
        br#"{"Node_Name": "n", "protocol": 4.7, "Tags": {"Key": "V"}, "start_join": ["a", null],
            "MsgpackUseNewTimeFormat": true, "retry_interval": "90s", "bind": null,
            "query_size_limit": 0, "mdns": {"Interface": "lo", "disable_ipv6": true}} garbage"#,
    )
    .unwrap();
    assert_eq!(layer.text("node_name"), "n");
    assert_eq!(layer.int("protocol"), 4);
    assert_eq!(layer.tags(), Tags::from([("Key".to_owned(), "V".to_owned())]));
    assert_eq!(layer.list("start_join"), ["a", ""]);
    assert_eq!(layer.duration("retry_interval").to_string(), "1m30s");
    assert_eq!(layer.text_or_default("bind"), "0.0.0.0:7946");
    assert_eq!(layer.int("query_size_limit"), 1024);
    assert_eq!(layer.text("mdns.interface"), "lo");
    assert!(layer.bool("mdns.disable_ipv6"));
    assert!(layer.bool("encrypt_verify_incoming"));
    assert!(
        !decode(br#"{"encrypt_verify_incoming": false}"#).unwrap().bool("encrypt_verify_incoming")
    );
    assert_eq!(decode(b"null").unwrap(), Layer::default());
}

#[test]
fn later_sources_go_over_earlier_ones() {
    let mut layer = decode(
        br#"{"tags": {"a": "1", "b": "1"}, "event_handlers": ["x"], "leave_on_terminate": true,
            "log_level": "warn", "protocol": 4}"#,
    )
    .unwrap();
    layer.merge(
        decode(
            br#"{"tags": {"a": "2"}, "event_handlers": ["y"], "leave_on_terminate": false,
                "log_level": "", "protocol": -1, "role": "web"}"#,
        )
        .unwrap(),
    );
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(layer.tags(), Tags::from([text("a", "2"), text("b", "1"), text("role", "web")]));
    assert_eq!(layer.list("event_handlers"), ["x", "y"]);
    assert!(layer.bool("leave_on_terminate"));
    assert_eq!(layer.text("log_level"), "warn");
    assert_eq!(layer.int("protocol"), 4);
}

#[test]
fn a_reload_names_what_it_ignores() {
    let old = decode(br#"{"bind": "a", "log_level": "warn", "retry_join": ["x"]}"#).unwrap();
    let new = decode(br#"{"bind": "b", "log_level": "info", "rpc_auth": "y"}"#).unwrap();
    assert_eq!(old.changes_ignored_by_reload(&new), ["bind", "retry_join", "rpc_auth"]);
    assert!(old.changes_ignored_by_reload(&old).is_empty());
}

proptest! {
    #[test]
    fn never_panics(text in "[{}\\[\\]\":,0-9a-z_]{0,120}") {
        let _ = decode(text.as_bytes());
    }
}
