//! What is served over HTTP, and to how many.

use super::{Row, key};
use crate::schema::Kind;

pub(super) const ROWS: &[Row] = &[
    key("http_config.block_endpoints", Kind::List, "Prefixes of paths that are answered with 403."),
    key(
        "http_config.allow_write_http_from",
        Kind::List,
        "Networks that may change the agent; empty: all.",
    )
    .flag("allow-write-http-from", "CIDR"),
    key(
        "http_config.response_headers",
        Kind::Map(&Kind::Text),
        "Headers that every answer carries.",
    ),
    key("http_config.use_cache", Kind::Bool, "Let agents answer from their cache.").is("true"),
    key("http_config.max_header_bytes", Kind::Int, "Most bytes of a request's head; 0: 1 MiB.")
        .is("0"),
    key(
        "disable_http_unprintable_char_filter",
        Kind::Bool,
        "Let paths of requests hold characters that cannot be printed.",
    )
    .is("false"),
];

pub(super) const LIMITS: &[Row] = &[
    key(
        "limits.http_max_conns_per_client",
        Kind::Int,
        "Connections of one address; 0: any number.",
    )
    .is("200")
    .reloadable(),
    key("limits.https_handshake_timeout", Kind::Duration, "How long a TLS handshake may take.")
        .is("5s"),
    key("limits.rpc_handshake_timeout", Kind::Duration, "The same towards servers.")
        .is("5s")
        .kept(),
    key("limits.rpc_client_timeout", Kind::Duration, "How long a server's answer may take.")
        .is("60s")
        .reloadable()
        .kept(),
    key("limits.rpc_max_conns_per_client", Kind::Int, "Connections of one agent to a server.")
        .is("100")
        .reloadable()
        .kept(),
    key("limits.rpc_rate", Kind::Float, "Requests in a second to servers; -1: any number.")
        .is("-1")
        .reloadable()
        .kept(),
    key("limits.rpc_max_burst", Kind::Int, "Requests to servers at once.")
        .is("1000")
        .reloadable()
        .kept(),
    key("limits.kv_max_value_size", Kind::Int, "Most bytes of a value in the key-value store.")
        .is("524288"),
    key("limits.txn_max_req_len", Kind::Int, "Most bytes of a transaction's body.").is("524288"),
    key(
        "limits.request_limits.mode",
        Kind::Text,
        "disabled, permissive or enforcing, which is refused for now.",
    )
    .is("disabled")
    .reloadable()
    .kept(),
    key("limits.request_limits.read_rate", Kind::Float, "Reads in a second; -1: any number.")
        .is("-1")
        .reloadable()
        .kept(),
    key("limits.request_limits.write_rate", Kind::Float, "Writes in a second; -1: any number.")
        .is("-1")
        .reloadable()
        .kept(),
];

pub(super) const UI: &[Row] = &[
    key(
        "ui_config.enabled",
        Kind::Bool,
        "Serve pages for people at /ui/; so far there is one, in plain text.",
    )
    .flag("ui", "")
    .is("false")
    .dev("true"),
    key("ui_config.dir", Kind::Text, "Serve the user interface in this directory instead.")
        .flag("ui-dir", "PATH")
        .kept(),
    key("ui_config.content_path", Kind::Text, "Path under which it is served.")
        .flag("ui-content-path", "PATH")
        .is("/ui/")
        .kept(),
    key("ui_config.metrics_provider", Kind::Text, "Where it finds metrics.").kept(),
    key("ui_config.metrics_provider_files", Kind::List, "Scripts of that provider.").kept(),
    key("ui_config.metrics_provider_options_json", Kind::Text, "Options of that provider.").kept(),
    key("ui_config.metrics_proxy.base_url", Kind::Text, "Server that metrics are fetched from.")
        .kept(),
    key(
        "ui_config.metrics_proxy.add_headers",
        Kind::Records(HEADER),
        "Headers of requests to that server.",
    )
    .kept(),
    key("ui_config.metrics_proxy.path_allowlist", Kind::List, "Paths that may be fetched.").kept(),
    key(
        "ui_config.dashboard_url_templates",
        Kind::Map(&Kind::Text),
        "Addresses of dashboards by kind of page.",
    )
    .kept(),
];

const HEADER: &[crate::schema::Field] = &[
    crate::schema::Field { name: "name", alias: "", kind: Kind::Text },
    crate::schema::Field { name: "value", alias: "", kind: Kind::Text },
];
