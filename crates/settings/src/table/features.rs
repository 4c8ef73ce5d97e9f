//! What is kept for later, what only Consul Enterprise has, and old names.

use super::{Row, enterprise, key, old};
use crate::schema::{Field, Kind};

const fn text(name: &'static str) -> Field {
    Field { name, alias: "", kind: Kind::Text }
}

pub(super) const ROWS: &[Row] = &[
    key("connect.enabled", Kind::Bool, "Run a certificate authority for services.")
        .is("true")
        .kept(),
    key("connect.ca_provider", Kind::Text, "consul, vault or aws-pca.").kept(),
    key("connect.ca_config", Kind::Any, "Options of the certificate authority.").kept(),
    key(
        "connect.enable_mesh_gateway_wan_federation",
        Kind::Bool,
        "Reach other datacenters by mesh gateways.",
    )
    .is("false")
    .kept(),
    key("connect.enable_serverless_plugin", Kind::Bool, "Call serverless functions as services.")
        .is("false")
        .without(),
    key("config_entries.bootstrap", Kind::Objects, "Configuration entries of a new cluster.")
        .reloadable()
        .kept(),
    key("peering.enabled", Kind::Bool, "Talk to clusters that were peered with.").is("true").kept(),
    key("locality", Kind::Record(&[text("region"), text("zone")]), "Where the node stands.").kept(),
    key("cloud", Kind::Any, "HashiCorp's cloud is not supported.").without(),
    key("reporting.license.enabled", Kind::Bool, "Tribune reports nothing to anybody.").without(),
];

const SEGMENT: &[Field] = &[
    text("name"),
    text("bind"),
    text("advertise"),
    Field { name: "port", alias: "", kind: Kind::Int },
    Field { name: "rpc_listener", alias: "", kind: Kind::Bool },
];

pub(super) const ENTERPRISE: &[Row] = &[
    enterprise("license_path", Kind::Text, "license_path"),
    enterprise("audit", Kind::Any, "audit"),
    enterprise("read_replica", Kind::Bool, "read_replica (or the deprecated non_voting_server)")
        .flag("read-replica", "")
        .old_flag("non-voting-server", ""),
    enterprise("partition", Kind::Text, "partition"),
    key("segment", Kind::Text, "Only Consul Enterprise has network segments.")
        .flag("segment", "NAME"),
    key("segments", Kind::Records(SEGMENT), "Only Consul Enterprise has network segments."),
];

pub(super) const OLD: &[Row] = &[
    old("acl_agent_master_token", Kind::Text, "acl.tokens.agent_recovery"),
    old("acl_agent_token", Kind::Text, "acl.tokens.agent"),
    old("acl_token", Kind::Text, "acl.tokens.default"),
    old("acl_master_token", Kind::Text, "acl.tokens.initial_management"),
    old("acl_replication_token", Kind::Text, "acl.tokens.replication"),
    old("enable_acl_replication", Kind::Bool, "acl.enable_token_replication"),
    old("acl_datacenter", Kind::Text, "primary_datacenter"),
    old("acl_default_policy", Kind::Text, "acl.default_policy"),
    old("acl_down_policy", Kind::Text, "acl.down_policy"),
    old("acl_ttl", Kind::Duration, "acl.token_ttl"),
    old("acl_enable_key_list_policy", Kind::Bool, "acl.enable_key_list_policy"),
    old("acl.tokens.master", Kind::Text, "acl.tokens.initial_management"),
    old("acl.tokens.agent_master", Kind::Text, "acl.tokens.agent_recovery"),
    old("ca_file", Kind::Text, "tls.defaults.ca_file"),
    old("ca_path", Kind::Text, "tls.defaults.ca_path"),
    old("cert_file", Kind::Text, "tls.defaults.cert_file"),
    old("key_file", Kind::Text, "tls.defaults.key_file"),
    old("tls_cipher_suites", Kind::Text, "tls.defaults.tls_cipher_suites"),
    old("tls_min_version", Kind::Text, "tls.defaults.tls_min_version"),
    old("verify_incoming", Kind::Bool, "tls.defaults.verify_incoming"),
    old("verify_incoming_rpc", Kind::Bool, "tls.internal_rpc.verify_incoming"),
    old("verify_incoming_https", Kind::Bool, "tls.https.verify_incoming"),
    old("verify_outgoing", Kind::Bool, "tls.defaults.verify_outgoing"),
    old("verify_server_hostname", Kind::Bool, "tls.internal_rpc.verify_server_hostname"),
    old("start_join", Kind::List, "retry_join"),
    old("start_join_wan", Kind::List, "retry_join_wan"),
    old("ui", Kind::Bool, "ui_config.enabled"),
    old("ui_dir", Kind::Text, "ui_config.dir"),
    old("ui_content_path", Kind::Text, "ui_config.content_path"),
    old("non_voting_server", Kind::Bool, "read_replica"),
    old("raft_boltdb.nofreelistsync", Kind::Bool, "raft_logstore.boltdb.no_freelist_sync"),
];
