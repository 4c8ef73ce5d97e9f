//! Answers in the form in which Consul's client writes them.
//!
//! Handlers of watches get what Go's client makes of an answer: fields in the order of its records,
//! absent ones with their zero value or not at all, and nothing that the records do not know. The
//! tables below are those records.

use gotext::Json;
use gotext::decode::Value;
use gotext::object::{FromValue, Object};

/// What a value is.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Text; `""` if absent.
    Text,
    /// A number; 0 if absent.
    Number,
    /// A boolean; `false` if absent.
    Bool,
    /// A length of time, as text; `0s` if absent.
    Duration,
    /// Whatever it is; `null` if absent.
    Any,
    /// A list; `null` if absent.
    List(&'static Shape),
    /// A map, sorted; `null` if absent.
    Map(&'static Shape),
    /// A record.
    Record(&'static [Field]),
}

/// A field of a record.
#[derive(Debug)]
pub(crate) struct Field {
    name: &'static str,
    shape: &'static Shape,
    /// Whether it is written though it is empty.
    always: bool,
}

const fn field(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, always: true }
}

const fn unless_empty(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, always: false }
}

const TEXTS: Shape = Shape::List(&Shape::Text);
const TEXT_MAP: Shape = Shape::Map(&Shape::Text);

/// A key and its value.
const PAIR: Shape = Shape::Record(&[
    field("Key", &Shape::Text),
    field("CreateIndex", &Shape::Number),
    field("ModifyIndex", &Shape::Number),
    field("LockIndex", &Shape::Number),
    field("Flags", &Shape::Number),
    field("Value", &Shape::Any),
    field("Session", &Shape::Text),
    unless_empty("Namespace", &Shape::Text),
    unless_empty("Partition", &Shape::Text),
]);

const NODE: Shape = Shape::Record(&[
    field("ID", &Shape::Text),
    field("Node", &Shape::Text),
    field("Address", &Shape::Text),
    field("Datacenter", &Shape::Text),
    field("TaggedAddresses", &TEXT_MAP),
    field("Meta", &TEXT_MAP),
    field("CreateIndex", &Shape::Number),
    field("ModifyIndex", &Shape::Number),
    unless_empty("Partition", &Shape::Text),
    unless_empty("PeerName", &Shape::Text),
    unless_empty("Locality", &Shape::Any),
]);

const SERVICE_ADDRESS: Shape =
    Shape::Record(&[field("Address", &Shape::Text), field("Port", &Shape::Number)]);

const WEIGHTS: Shape =
    Shape::Record(&[field("Passing", &Shape::Number), field("Warning", &Shape::Number)]);

const MESH_GATEWAY: Shape = Shape::Record(&[unless_empty("Mode", &Shape::Text)]);

const EXPOSE: Shape =
    Shape::Record(&[unless_empty("Checks", &Shape::Bool), unless_empty("Paths", &Shape::Any)]);

const PROXY: Shape = Shape::Record(&[
    unless_empty("EnvoyExtensions", &Shape::Any),
    unless_empty("DestinationServiceName", &Shape::Text),
    unless_empty("DestinationServiceID", &Shape::Text),
    unless_empty("LocalServiceAddress", &Shape::Text),
    unless_empty("LocalServicePort", &Shape::Number),
    unless_empty("LocalServiceSocketPath", &Shape::Text),
    unless_empty("Mode", &Shape::Text),
    unless_empty("TransparentProxy", &Shape::Any),
    unless_empty("Config", &Shape::Any),
    unless_empty("Upstreams", &Shape::Any),
    field("MeshGateway", &MESH_GATEWAY),
    field("Expose", &EXPOSE),
]);

const CONNECT: Shape = Shape::Record(&[
    unless_empty("Native", &Shape::Bool),
    unless_empty("SidecarService", &Shape::Any),
]);

/// A service of an agent.
pub(crate) const SERVICE: Shape = Shape::Record(&[
    unless_empty("Kind", &Shape::Text),
    field("ID", &Shape::Text),
    field("Service", &Shape::Text),
    field("Tags", &TEXTS),
    field("Meta", &TEXT_MAP),
    field("Port", &Shape::Number),
    field("Address", &Shape::Text),
    unless_empty("SocketPath", &Shape::Text),
    unless_empty("TaggedAddresses", &Shape::Map(&SERVICE_ADDRESS)),
    field("Weights", &WEIGHTS),
    field("EnableTagOverride", &Shape::Bool),
    unless_empty("CreateIndex", &Shape::Number),
    unless_empty("ModifyIndex", &Shape::Number),
    unless_empty("ContentHash", &Shape::Text),
    unless_empty("Proxy", &PROXY),
    unless_empty("Connect", &CONNECT),
    unless_empty("PeerName", &Shape::Text),
    unless_empty("Namespace", &Shape::Text),
    unless_empty("Partition", &Shape::Text),
    unless_empty("Datacenter", &Shape::Text),
    unless_empty("Locality", &Shape::Any),
]);

const CHECK_DEFINITION: Shape = Shape::Record(&[
    field("Interval", &Shape::Duration),
    field("Timeout", &Shape::Duration),
    field("DeregisterCriticalServiceAfter", &Shape::Duration),
    field("HTTP", &Shape::Text),
    field("Header", &Shape::Map(&TEXTS)),
    field("Method", &Shape::Text),
    field("Body", &Shape::Text),
    field("TLSServerName", &Shape::Text),
    field("TLSSkipVerify", &Shape::Bool),
    field("TCP", &Shape::Text),
    field("TCPUseTLS", &Shape::Bool),
    field("UDP", &Shape::Text),
    field("GRPC", &Shape::Text),
    field("OSService", &Shape::Text),
    field("GRPCUseTLS", &Shape::Bool),
]);

const CHECK: Shape = Shape::Record(&[
    field("Node", &Shape::Text),
    field("CheckID", &Shape::Text),
    field("Name", &Shape::Text),
    field("Status", &Shape::Text),
    field("Notes", &Shape::Text),
    field("Output", &Shape::Text),
    field("ServiceID", &Shape::Text),
    field("ServiceName", &Shape::Text),
    field("ServiceTags", &TEXTS),
    field("Type", &Shape::Text),
    unless_empty("Namespace", &Shape::Text),
    unless_empty("Partition", &Shape::Text),
    field("ExposedPort", &Shape::Number),
    unless_empty("PeerName", &Shape::Text),
    field("Definition", &CHECK_DEFINITION),
    field("CreateIndex", &Shape::Number),
    field("ModifyIndex", &Shape::Number),
]);

const ENTRY: Shape = Shape::Record(&[
    field("Node", &NODE),
    field("Service", &SERVICE),
    field("Checks", &Shape::List(&CHECK)),
]);

const EVENT: Shape = Shape::Record(&[
    field("ID", &Shape::Text),
    field("Name", &Shape::Text),
    field("Payload", &Shape::Any),
    field("NodeFilter", &Shape::Text),
    field("ServiceFilter", &Shape::Text),
    field("TagFilter", &Shape::Text),
    field("Version", &Shape::Number),
    field("LTime", &Shape::Number),
]);

/// Keys with their values.
pub(crate) const PAIRS: Shape = Shape::List(&PAIR);
/// Names of services with their tags.
pub(crate) const SERVICES: Shape = Shape::Map(&TEXTS);
/// Nodes.
pub(crate) const NODES: Shape = Shape::List(&NODE);
/// Services with their nodes and checks.
pub(crate) const ENTRIES: Shape = Shape::List(&ENTRY);
/// Checks.
pub(crate) const CHECKS: Shape = Shape::List(&CHECK);
/// User events.
pub(crate) const EVENTS: Shape = Shape::List(&EVENT);

/// A value in this shape. What is of another type counts as absent.
pub(crate) fn reshape(value: Value, shape: &Shape) -> Json {
    match (shape, value) {
        (Shape::Any, value) => as_it_is(value),
        (Shape::Text | Shape::Duration, Value::Text(text)) if !text.is_empty() => Json::text(text),
        (Shape::Duration, Value::Number(number)) => {
            let nanoseconds = number.as_str().parse().unwrap_or_default();
            Json::text(gotext::GoDuration::from_nanoseconds(nanoseconds).to_string())
        }
        (Shape::Text, _) => Json::text(""),
        (Shape::Duration, _) => Json::text("0s"),
        (Shape::Number, Value::Number(number)) => Json::Verbatim(number.as_str().into()),
        (Shape::Number, _) => Json::Int(0),
        (Shape::Bool, value) => Json::Bool(value == Value::Bool(true)),
        (Shape::List(shape), Value::List(items)) => {
            Json::List(items.into_iter().map(|item| reshape(item, shape)).collect())
        }
        (Shape::Map(shape), Value::Object(mut fields)) => {
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(
                fields.into_iter().map(|(name, value)| (name, reshape(value, shape))).collect(),
            )
        }
        (Shape::List(_) | Shape::Map(_), _) => Json::Null,
        (Shape::Record(fields), value) => record(value, fields),
    }
}

fn record(value: Value, fields: &[Field]) -> Json {
    let mut object = Object::from_value(value).unwrap_or_default();
    let mut written = Vec::new();
    for field in fields {
        // Reading any value as a value does not fail.
        let value: Option<Value> = object.optional(field.name).unwrap_or_default();
        if value.is_none() && !field.always {
            continue;
        }
        let is_record = matches!(field.shape, Shape::Record(_));
        let value = reshape(value.unwrap_or(Value::Null), field.shape);
        if field.always || is_record || !is_empty(&value) {
            written.push((field.name.to_owned(), value));
        }
    }
    Json::Object(written)
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) | Json::Int(0) => true,
        Json::Text(text) => text.is_empty(),
        Json::List(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        Json::Verbatim(text) => text.as_ref() == "0",
        _ => false,
    }
}

fn as_it_is(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(on) => Json::Bool(on),
        Value::Number(number) => Json::Verbatim(number.as_str().into()),
        Value::Text(text) => Json::text(text),
        Value::List(items) => Json::List(items.into_iter().map(as_it_is).collect()),
        Value::Object(mut fields) => {
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(fields.into_iter().map(|(name, value)| (name, as_it_is(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use gotext::decode::whole_value;

    use super::*;

    #[test]
    fn records_have_the_clients_fields_in_its_order() {
        let pairs = br#"[{"LockIndex":0,"Key":"k","Flags":18446744073709551615,"Value":"djE=",
            "CreateIndex":5,"ModifyIndex":6,"Other":1}]"#;
        assert_eq!(
            reshape(whole_value(pairs).unwrap(), &PAIRS).compact(),
            r#"[{"Key":"k","CreateIndex":5,"ModifyIndex":6,"LockIndex":0,"Flags":18446744073709551615,"Value":"djE=","Session":""}]"#
        );
        let services = br#"{"b":["y"],"a":[]}"#;
        assert_eq!(
            reshape(whole_value(services).unwrap(), &SERVICES).compact(),
            r#"{"a":[],"b":["y"]}"#
        );
        assert_eq!(reshape(Value::Null, &NODES), Json::Null);
    }

    #[test]
    fn an_entry_is_filled_up_as_recorded() {
        let entry = br#"[{"Node":{"Node":"n","PeerName":""},"Service":{"ID":"w","Service":"w",
            "Tags":["v1"],"Meta":null,"Port":80,"CreateIndex":1,"Connect":{},"PeerName":"",
            "Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Weights":{"Passing":1,"Warning":1}},
            "Checks":[{"Definition":{"Interval":"10s"},"PeerName":""}]}]"#;
        let text = reshape(whole_value(entry).unwrap(), &ENTRIES).compact();
        for part in [
            r#""Node":{"ID":"","Node":"n","Address":"","Datacenter":"","TaggedAddresses":null,"Meta":null,"CreateIndex":0,"ModifyIndex":0}"#,
            r#""Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"CreateIndex":1,"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{}}"#,
            r#""ExposedPort":0,"Definition":{"Interval":"10s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"","Header":null"#,
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
    }
}
