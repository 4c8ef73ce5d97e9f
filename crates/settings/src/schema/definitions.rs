//! What stands in a service and in a check of a file. Their meaning is for the agent's local state;
//! here are the names and types.

use super::{Field, Kind, field};

const TEXTS: Kind = Kind::Map(&Kind::Text);
const ADDRESS: &[Field] = &[field("address", Kind::Text), field("port", Kind::Int)];
const LOCALITY: &[Field] = &[field("region", Kind::Text), field("zone", Kind::Text)];
const MODE: &[Field] = &[field("mode", Kind::Text)];

/// The names in `check`, in `checks` and in those of services.
pub static CHECK: [Field; 36] = [
    field("id", Kind::Text),
    field("name", Kind::Text),
    field("notes", Kind::Text),
    field("service_id", Kind::Text).alias("serviceid"),
    field("token", Kind::Text),
    field("status", Kind::Text),
    field("args", Kind::List).alias("scriptargs"),
    field("http", Kind::Text),
    field("header", Kind::Map(&Kind::List)),
    field("method", Kind::Text),
    field("body", Kind::Text),
    field("disable_redirects", Kind::Bool),
    field("output_max_size", Kind::Int),
    field("tcp", Kind::Text),
    field("tcp_use_tls", Kind::Bool),
    field("udp", Kind::Text),
    field("interval", Kind::Duration),
    field("docker_container_id", Kind::Text).alias("dockercontainerid"),
    field("shell", Kind::Text),
    field("grpc", Kind::Text),
    field("grpc_use_tls", Kind::Bool),
    field("tls_server_name", Kind::Text),
    field("tls_skip_verify", Kind::Bool).alias("tlsskipverify"),
    field("alias_node", Kind::Text),
    field("alias_service", Kind::Text),
    field("timeout", Kind::Duration),
    field("ttl", Kind::Duration),
    field("h2ping", Kind::Text),
    field("h2ping_use_tls", Kind::Bool),
    field("os_service", Kind::Text),
    field("success_before_passing", Kind::Int),
    field("failures_before_warning", Kind::Int),
    field("failures_before_critical", Kind::Int),
    field("deregister_critical_service_after", Kind::Duration)
        .alias("deregistercriticalserviceafter"),
    field("namespace", Kind::Text),
    field("partition", Kind::Text),
];

/// The names in `service`, in `services` and in a sidecar's service.
pub static SERVICE: [Field; 19] = [
    field("kind", Kind::Text),
    field("id", Kind::Text),
    field("name", Kind::Text),
    field("tags", Kind::List),
    field("address", Kind::Text),
    field("tagged_addresses", Kind::Map(&Kind::Record(ADDRESS))),
    field("meta", TEXTS),
    field("port", Kind::Int),
    field("socket_path", Kind::Text),
    field("check", Kind::Record(&CHECK)),
    field("checks", Kind::Records(&CHECK)),
    field("token", Kind::Text),
    field("weights", Kind::Record(WEIGHTS)),
    field("enable_tag_override", Kind::Bool),
    field("proxy", Kind::Record(PROXY)),
    field("connect", Kind::Record(&CONNECT)),
    field("locality", Kind::Record(LOCALITY)),
    field("namespace", Kind::Text),
    field("partition", Kind::Text),
];

const WEIGHTS: &[Field] = &[field("passing", Kind::Int), field("warning", Kind::Int)];

static CONNECT: [Field; 2] =
    [field("native", Kind::Bool), field("sidecar_service", Kind::Record(&SERVICE))];

const PROXY: &[Field] = &[
    field("destination_service_name", Kind::Text),
    field("destination_service_id", Kind::Text),
    field("local_service_address", Kind::Text),
    field("local_service_port", Kind::Int),
    field("local_service_socket_path", Kind::Text),
    field("mode", Kind::Text),
    field("transparent_proxy", Kind::Record(TRANSPARENT_PROXY)),
    field("config", Kind::Any),
    field("upstreams", Kind::Records(UPSTREAM)),
    field("mesh_gateway", Kind::Record(MODE)),
    field("expose", Kind::Record(EXPOSE)),
    field("envoy_extensions", Kind::Records(ENVOY_EXTENSION)),
    field("access_logs", Kind::Record(ACCESS_LOGS)),
];

const TRANSPARENT_PROXY: &[Field] =
    &[field("outbound_listener_port", Kind::Int), field("dialed_directly", Kind::Bool)];

const UPSTREAM: &[Field] = &[
    field("destination_type", Kind::Text),
    field("destination_namespace", Kind::Text),
    field("destination_partition", Kind::Text),
    field("destination_peer", Kind::Text),
    field("destination_name", Kind::Text),
    field("datacenter", Kind::Text),
    field("local_bind_address", Kind::Text),
    field("local_bind_port", Kind::Int),
    field("local_bind_socket_path", Kind::Text),
    field("local_bind_socket_mode", Kind::Text),
    field("config", Kind::Any),
    field("mesh_gateway", Kind::Record(MODE)),
];

const EXPOSE: &[Field] =
    &[field("checks", Kind::Bool), field("paths", Kind::Records(EXPOSED_PATH))];

const EXPOSED_PATH: &[Field] = &[
    field("listener_port", Kind::Int),
    field("path", Kind::Text),
    field("local_path_port", Kind::Int),
    field("protocol", Kind::Text),
];

const ENVOY_EXTENSION: &[Field] = &[
    field("name", Kind::Text),
    field("required", Kind::Bool),
    field("arguments", Kind::Any),
    field("consul_version", Kind::Text),
    field("envoy_version", Kind::Text),
];

const ACCESS_LOGS: &[Field] = &[
    field("enabled", Kind::Bool),
    field("disable_listener_logs", Kind::Bool),
    field("type", Kind::Text),
    field("path", Kind::Text),
    field("json_format", Kind::Text),
    field("text_format", Kind::Text),
];
