#![allow(clippy::unwrap_used)]

use gotext::decode::whole_value;
use gotext::object::{FromValue, Object};

use super::*;

fn read(json: &str) -> Result<Watch, String> {
    let object = Object::from_value(whole_value(json.as_bytes()).unwrap()).unwrap();
    read_one(&object, client::http::Settings::default(), &Log::silent())
}

fn refused(json: &str) -> String {
    match read(json) {
        Err(why) => why,
        Ok(_) => panic!("{json} was taken"),
    }
}

#[test]
fn mistakes_are_told_as_recorded() {
    for (json, why) in [
        (
            r#"{"type": "zz", "handler": "x"}"#,
            "Failed to parse watch (map[string]interface {}{\"handler\":\"x\"}): Unsupported watch \
             type: zz",
        ),
        (
            r#"{"args": ["x", 1], "zz": true}"#,
            "Failed to parse watch (map[string]interface {}{\"args\":[]interface {}{\"x\", 1}, \
             \"zz\":true}): Watch type must be specified",
        ),
        (
            r#"{"type": "nodes", "handler": "x", "zz": 1, "token": "secret"}"#,
            "Failed to parse watch (map[string]interface {}{\"zz\":1}): Invalid parameters: [zz]",
        ),
        (
            r#"{"type": "nodes", "handler_type": "http"}"#,
            "Failed to parse watch (map[string]interface {}{}): Handler type 'http' requires \
             'http_handler_config' to be set",
        ),
        (
            r#"{"datacenter": 1, "token": "secret", "http_handler_config": {"header": "secret"}}"#,
            "Failed to parse watch (map[string]interface {}{}): Expecting datacenter to be a \
             string",
        ),
        (r#"{"type": "nodes"}"#, "Must define a watch handler"),
        (r#"{"type": "nodes", "handler": "x", "args": ["y"]}"#, "Only one watch handler allowed"),
        (r#"{"type": "nodes", "args": "x"}"#, "Watch args must be a list of strings"),
        (r#"{"type": "nodes", "handler": 1}"#, "Watch handler must be a string"),
        (r#"{"type": "nodes", "handler_type": "mail"}"#, "Handler type 'mail' not recognized"),
        (
            r#"{"type": "nodes", "handler_type": "http", "http_handler_config": {}}"#,
            "Failed to parse 'http_handler_config': Requires 'path' to be set",
        ),
        (
            r#"{"type": "nodes", "handler_type": "http", "http_handler_config": {"pat": "x"}}"#,
            "Failed to parse 'http_handler_config': invalid key \"pat\"",
        ),
    ] {
        assert_eq!(refused(json), why);
    }
}

#[test]
fn a_server_is_told_as_its_block_says() {
    let watch = read(
        r#"{"type": "nodes", "datacenter": "dc2", "token": "t", "handler_type": "http",
            "http_handler_config": [{"path": "http://a/b", "timeout": "3s",
            "header": {"X-A": ["1", "2"]}, "tls_skip_verify": true}]}"#,
    )
    .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(watch.connection.datacenter, "dc2");
    assert_eq!(watch.connection.token, "t");
    let Handler::Http { target, timeout } = watch.handler else { panic!("{:?}", watch.handler) };
    assert_eq!((target.method.as_str(), timeout), ("POST", Duration::from_secs(3)));
    assert!(target.tls.skip_verify);
    let header: Vec<_> = target.header.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(header, [("Content-Type", "application/json"), ("X-A", "1"), ("X-A", "2")]);
}
