//! Who may do what, and how connections are sealed.

use super::{Effect, Row, enterprise, key};
use crate::schema::{Field, Kind};

const MANAGED_SERVICE_PROVIDER: &[Field] = &[
    Field { name: "accessor_id", alias: "", kind: Kind::Text },
    Field { name: "secret_id", alias: "", kind: Kind::Text },
];

pub(super) const ACL: &[Row] = &[
    key("acl.enabled", Kind::Bool, "Turn access control on.").is("false").kept(),
    key("acl.default_policy", Kind::Text, "What holds where no rule says otherwise: allow, deny.")
        .is("allow")
        .kept(),
    key("acl.down_policy", Kind::Text, "What holds while nobody can be asked about a token.")
        .is("extend-cache")
        .kept(),
    key("acl.token_ttl", Kind::Duration, "How long what is known of a token holds.")
        .is("30s")
        .kept(),
    key("acl.policy_ttl", Kind::Duration, "How long what is known of a policy holds.")
        .is("30s")
        .kept(),
    key("acl.role_ttl", Kind::Duration, "How long what is known of a role holds.").is("0s").kept(),
    key("acl.enable_token_replication", Kind::Bool, "Copy tokens of the primary datacenter.")
        .is("false")
        .kept(),
    key("acl.enable_key_list_policy", Kind::Bool, "Demand the right to list for listing keys.")
        .is("false")
        .kept(),
    key("acl.enable_token_persistence", Kind::Bool, "Keep tokens that the API sets.")
        .is("false")
        .kept(),
    key("acl.tokens.initial_management", Kind::Text, "Token that may do anything at first.").kept(),
    key("acl.tokens.default", Kind::Text, "Token of requests that have none.").reloadable().kept(),
    key("acl.tokens.agent", Kind::Text, "Token of the agent itself.").reloadable().kept(),
    key("acl.tokens.agent_recovery", Kind::Text, "Token that always may do anything here.")
        .reloadable()
        .kept(),
    key("acl.tokens.replication", Kind::Text, "Token to copy with.").reloadable().kept(),
    key(
        "acl.tokens.config_file_service_registration",
        Kind::Text,
        "Token of services and checks of files that have none.",
    )
    .reloadable()
    .kept(),
    enterprise(
        "acl.tokens.managed_service_provider",
        Kind::Records(MANAGED_SERVICE_PROVIDER),
        "acl.tokens.managed_service_provider",
    ),
    enterprise("acl.msp_disable_bootstrap", Kind::Bool, "acl.msp_disable_bootstrap"),
];

const fn text(key: &'static str, help: &'static str, effect: Effect) -> Row {
    super::key(key, Kind::Text, help).effect(effect)
}

/// The keys of one kind of connection, and what becomes of them.
macro_rules! tls {
    ($block:literal, $whom:literal, $effect:expr, [$($more:expr),*]) => {
        &[
            text(concat!($block, ".ca_file"), concat!("Trusted certificates", $whom), $effect),
            text(concat!($block, ".ca_path"), concat!("Directory of such", $whom), $effect),
            text(concat!($block, ".cert_file"), concat!("Own certificate", $whom), $effect),
            text(concat!($block, ".key_file"), concat!("Its private key", $whom), $effect),
            text(
                concat!($block, ".tls_min_version"),
                concat!("Oldest version of TLS", $whom),
                $effect
            )
            .described("TLSv1_2"),
            text(
                concat!($block, ".tls_cipher_suites"),
                concat!("Cipher suites, separated by commas", $whom),
                $effect
            ),
            key(
                concat!($block, ".verify_incoming"),
                Kind::Bool,
                concat!("Demand a certificate of clients", $whom),
            )
            .described("false")
            .effect($effect),
            key(
                concat!($block, ".verify_outgoing"),
                Kind::Bool,
                concat!("Demand a trusted certificate of servers", $whom),
            )
            .described("false")
            .effect($effect),
            $($more),*
        ]
    };
}

pub(super) const TLS: &[Row] =
    tls!("tls.defaults", ", where nothing else is said.", Effect::Taken, []);

pub(super) const TLS_INTERNAL_RPC: &[Row] = tls!(
    "tls.internal_rpc",
    " among servers and agents.",
    Effect::Kept,
    [key("tls.internal_rpc.verify_server_hostname", Kind::Bool, "Check the names of servers.")
        .is("false")
        .kept()]
);

pub(super) const TLS_HTTPS: &[Row] = tls!("tls.https", " of HTTPS.", Effect::Taken, []);

pub(super) const TLS_GRPC: &[Row] = tls!(
    "tls.grpc",
    " of gRPC.",
    Effect::Kept,
    [key("tls.grpc.use_auto_cert", Kind::Bool, "Use the certificate of auto_encrypt.")
        .is("false")
        .kept()]
);

pub(super) const CERTIFICATES: &[Row] = &[
    key("server_name", Kind::Text, "Name that certificates of servers are to have.")
        .described("node_name")
        .kept(),
    key("auto_encrypt.tls", Kind::Bool, "Get a certificate from servers; not for servers.")
        .is("false")
        .kept(),
    key("auto_encrypt.allow_tls", Kind::Bool, "Give agents certificates.").is("false").kept(),
    key("auto_encrypt.dns_san", Kind::List, "Names in such a certificate.").kept(),
    key("auto_encrypt.ip_san", Kind::List, "Addresses in such a certificate.").kept(),
    key("auto_config", Kind::Any, "Introduction of agents by a token.").kept(),
    key("tls_prefer_server_cipher_suites", Kind::Bool, "The server always chooses.").without(),
];
