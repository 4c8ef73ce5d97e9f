//! Services that files define, as an agent is told about them.

use gotext::Json;
use gotext::decode::Value;
use gotext::object::{Object, ObjectError};
use settings::Disk;

use crate::output::complain;

/// A service to be registered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Definition {
    /// Its name.
    pub(super) name: String,
    /// Its identity; empty: the name.
    pub(super) id: String,
    /// What an agent is told about it.
    pub(super) body: Json,
}

/// The services that files, and the files of folders, define. Why not is told in a text.
pub(super) fn read(paths: &[String]) -> Result<Vec<Definition>, String> {
    let found = settings::read_services(paths, &Disk).map_err(|failure| match failure.hint {
        Some(hint) => format!("{}\n{hint}", failure.message),
        None => failure.message,
    })?;
    for warning in found.warnings {
        complain(warning);
    }
    let definitions = found.definitions.into_iter();
    definitions
        .map(|service| {
            definition(service.object).map_err(|error| format!("{}: {error}", service.file))
        })
        .collect()
}

fn definition(mut service: Object) -> Result<Definition, ObjectError> {
    let body = as_api(Value::Object(service.clone().rest()), false);
    Ok(Definition { name: service.field("name")?, id: service.field("id")?, body })
}

/// Names as the API has them where taking the underscores out is not enough.
const RENAMED: &[(&str, &str)] = &[
    ("check_id", "CheckID"),
    ("destination_service_id", "DestinationServiceID"),
    ("docker_container_id", "DockerContainerID"),
    ("grpc", "GRPC"),
    ("grpc_use_tls", "GRPCUseTLS"),
    ("h2ping", "H2PING"),
    ("h2ping_use_tls", "H2PingUseTLS"),
    ("http", "HTTP"),
    ("id", "ID"),
    ("os_service", "OSService"),
    ("tcp", "TCP"),
    ("tcp_use_tls", "TCPUseTLS"),
    ("tls_server_name", "TLSServerName"),
    ("tls_skip_verify", "TLSSkipVerify"),
    ("ttl", "TTL"),
    ("udp", "UDP"),
];

/// Objects whose names are the user's own; what is below the names is the API's again.
const FREE: &[&str] = &["meta", "header", "tagged_addresses"];

/// Objects that are the user's own altogether.
const OPAQUE: &[&str] = &["config", "arguments"];

/// A definition of a file as the API takes it. The identity of a check has another name there.
fn as_api(value: Value, is_check: bool) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(on) => Json::Bool(on),
        Value::Number(number) => Json::Verbatim(number.as_str().into()),
        Value::Text(text) => Json::text(text),
        Value::List(items) => {
            Json::List(items.into_iter().map(|item| as_api(item, is_check)).collect())
        }
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let below = match name.as_str() {
                    free if FREE.contains(&free) => with_free_names(value),
                    own if OPAQUE.contains(&own) => Json::from(&value),
                    name => as_api(value, matches!(name, "check" | "checks")),
                };
                (
                    if is_check && name == "id" { "CheckID".to_owned() } else { api_name(&name) },
                    below,
                )
            };
            Json::Object(fields.into_iter().map(field).collect())
        }
    }
}

/// An object whose names stay.
fn with_free_names(value: Value) -> Json {
    match value {
        Value::Object(fields) => Json::Object(
            fields.into_iter().map(|(name, value)| (name, as_api(value, false))).collect(),
        ),
        other => as_api(other, false),
    }
}

fn api_name(name: &str) -> String {
    if let Some((_, api)) = RENAMED.iter().find(|(file, _)| *file == name) {
        return (*api).to_owned();
    }
    name.split('_')
        .map(|word| {
            let mut characters = word.chars();
            match characters.next() {
                Some(first) => first.to_ascii_uppercase().to_string() + characters.as_str(),
                None => String::new(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn definitions_get_the_names_of_the_api() {
        let text = br#"{"name": "web", "id": "w1", "port": 80,
            "tagged_addresses": {"lan_ipv4": {"address": "10.0.0.1", "port": 1}},
            "meta": {"a_b": "c"}, "enable_tag_override": true,
            "checks": [{"id": "c", "http": "http://x", "tls_skip_verify": true}],
            "connect": {"sidecar_service": {"proxy": {"config": {"a_b": {"c_d": 1}}}}}}"#;
        let service = definition(Object::parse(text).unwrap()).unwrap();
        assert_eq!(
            service.body.compact(),
            r#"{"Name":"web","ID":"w1","Port":80,"TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.1","Port":1}},"Meta":{"a_b":"c"},"EnableTagOverride":true,"Checks":[{"CheckID":"c","HTTP":"http://x","TLSSkipVerify":true}],"Connect":{"SidecarService":{"Proxy":{"Config":{"a_b":{"c_d":1}}}}}}"#
        );
        assert_eq!((service.name.as_str(), service.id.as_str()), ("web", "w1"));
    }
}
