//! DNS.

use super::{Row, key};
use crate::schema::Kind;

pub(super) const ROWS: &[Row] = &[
    key("domain", Kind::Text, "Zone that is answered for.").flag("domain", "DOMAIN").is("consul."),
    key("alt_domain", Kind::Text, "A second zone.").flag("alt-domain", "DOMAIN"),
    key("recursors", Kind::List, "Servers that other questions are passed to.")
        .flag("recursor", "ADDR")
        .reloadable(),
    key("dns_config.allow_stale", Kind::Bool, "Answer from any server.").is("true").reloadable(),
    key("dns_config.max_stale", Kind::Duration, "How old such an answer may be.")
        .is("87600h")
        .reloadable(),
    key("dns_config.node_ttl", Kind::Duration, "TTL of nodes' addresses.").is("0s").reloadable(),
    key(
        "dns_config.service_ttl",
        Kind::Map(&Kind::Duration),
        "TTLs by name of a service; `*` at the end stands for any rest.",
    )
    .reloadable(),
    key("dns_config.only_passing", Kind::Bool, "Leave out instances with warnings too.")
        .is("false")
        .reloadable(),
    key("dns_config.enable_truncate", Kind::Bool, "Say that an answer was cut.")
        .is("false")
        .reloadable(),
    key("dns_config.udp_answer_limit", Kind::Int, "Most answers over UDP.").is("3").reloadable(),
    key("dns_config.a_record_limit", Kind::Int, "Most addresses in one reply; 0: any number.")
        .is("0")
        .reloadable(),
    key(
        "dns_config.recursor_timeout",
        Kind::Duration,
        "How long a recursor may take; 0s: two seconds.",
    )
    .is("2s")
    .reloadable(),
    key("dns_config.recursor_strategy", Kind::Text, "Order of recursors: sequential or random.")
        .is("sequential")
        .reloadable(),
    key("dns_config.disable_compression", Kind::Bool, "Write every name in full.")
        .is("false")
        .reloadable(),
    key(
        "dns_config.enable_additional_node_meta_txt",
        Kind::Bool,
        "Add the node's metadata as TXT records.",
    )
    .is("true")
    .reloadable(),
    key("dns_config.soa.refresh", Kind::Unsigned("uint32"), "Refresh of the SOA, in seconds.")
        .is("3600")
        .reloadable(),
    key("dns_config.soa.retry", Kind::Unsigned("uint32"), "Retry of the SOA, in seconds.")
        .is("600")
        .reloadable(),
    key("dns_config.soa.expire", Kind::Unsigned("uint32"), "Expiry of the SOA, in seconds.")
        .is("86400")
        .reloadable(),
    key("dns_config.soa.min_ttl", Kind::Unsigned("uint32"), "Least TTL of the SOA, in seconds.")
        .is("0")
        .reloadable(),
    key("dns_config.use_cache", Kind::Bool, "Answer from the agent's cache.")
        .is("false")
        .reloadable()
        .kept(),
    key("dns_config.cache_max_age", Kind::Duration, "How old what is cached may be.")
        .is("0s")
        .reloadable()
        .kept(),
    key("dns_config.prefer_namespace", Kind::Bool, "Only Consul Enterprise has namespaces.")
        .without(),
];
