//! Who may do what, and how connections are sealed.

use super::{Row, enterprise, key};
use crate::schema::{Field, Kind};

const MANAGED_SERVICE_PROVIDER: &[Field] = &[
    Field { name: "accessor_id", alias: "", kind: Kind::Text },
    Field { name: "secret_id", alias: "", kind: Kind::Text },
];

pub(super) const ACL: &[Row] = &[
    key("acl.enabled", Kind::Bool, "Turn access control on.").is("false"),
    key("acl.default_policy", Kind::Text, "What holds where no rule says otherwise: allow, deny.")
        .is("allow"),
    key("acl.down_policy", Kind::Text, "What holds while nobody can be asked about a token.")
        .is("extend-cache"),
    key("acl.token_ttl", Kind::Duration, "How long what is known of a token holds.").is("30s"),
    key("acl.policy_ttl", Kind::Duration, "How long what is known of a policy holds.").is("30s"),
    key("acl.role_ttl", Kind::Duration, "How long what is known of a role holds.").is("0s"),
    key("acl.enable_token_replication", Kind::Bool, "Copy tokens of the primary datacenter.")
        .is("false")
        .kept(),
    key("acl.enable_key_list_policy", Kind::Bool, "Demand the right to list for listing keys.")
        .is("false"),
    key("acl.enable_token_persistence", Kind::Bool, "Keep tokens that the API sets.").is("false"),
    key("acl.tokens.initial_management", Kind::Text, "Token that may do anything at first."),
    key("acl.tokens.default", Kind::Text, "Token of requests that have none.").reloadable(),
    key("acl.tokens.agent", Kind::Text, "Token of the agent itself.").reloadable(),
    key("acl.tokens.agent_recovery", Kind::Text, "Token that always may do anything here.")
        .reloadable(),
    key("acl.tokens.replication", Kind::Text, "Token to copy with.").reloadable().kept(),
    key(
        "acl.tokens.config_file_service_registration",
        Kind::Text,
        "Token of services and checks of files that have none.",
    )
    .reloadable(),
    enterprise(
        "acl.tokens.managed_service_provider",
        Kind::Records(MANAGED_SERVICE_PROVIDER),
        "acl.tokens.managed_service_provider",
    ),
    enterprise("acl.msp_disable_bootstrap", Kind::Bool, "acl.msp_disable_bootstrap"),
];

/// The keys of one kind of connection.
macro_rules! tls {
    ($block:literal, $whom:literal, [$($more:expr),*]) => {
        &[
            key(concat!($block, ".ca_file"), Kind::Text, concat!("Trusted certificates", $whom)),
            key(concat!($block, ".ca_path"), Kind::Text, concat!("Directory of such", $whom)),
            key(concat!($block, ".cert_file"), Kind::Text, concat!("Own certificate", $whom)),
            key(concat!($block, ".key_file"), Kind::Text, concat!("Its private key", $whom)),
            key(
                concat!($block, ".tls_min_version"),
                Kind::Text,
                concat!("Oldest version of TLS", $whom),
            )
            .described("TLSv1_2"),
            key(
                concat!($block, ".tls_cipher_suites"),
                Kind::Text,
                concat!("Cipher suites, separated by commas", $whom),
            ),
            key(
                concat!($block, ".verify_incoming"),
                Kind::Bool,
                concat!("Demand a certificate of clients", $whom),
            )
            .described("false"),
            key(
                concat!($block, ".verify_outgoing"),
                Kind::Bool,
                concat!("Demand a trusted certificate of servers", $whom),
            )
            .described("false"),
            $($more),*
        ]
    };
}

pub(super) const TLS: &[Row] = tls!("tls.defaults", ", where nothing else is said.", []);

pub(super) const TLS_INTERNAL_RPC: &[Row] = tls!(
    "tls.internal_rpc",
    " among servers and agents.",
    [key("tls.internal_rpc.verify_server_hostname", Kind::Bool, "Check the names of servers.")
        .is("false")]
);

pub(super) const TLS_HTTPS: &[Row] = tls!("tls.https", " of HTTPS.", []);

pub(super) const TLS_GRPC: &[Row] = tls!(
    "tls.grpc",
    " of gRPC.",
    [key("tls.grpc.use_auto_cert", Kind::Bool, "Use the certificate of auto_encrypt.")
        .is("false")
        .kept()]
);

pub(super) const CERTIFICATES: &[Row] = &[
    key("server_name", Kind::Text, "Name that certificates of servers are to have.")
        .described("node_name"),
    key("auto_encrypt.tls", Kind::Bool, "Get a certificate from servers; not for servers.")
        .is("false")
        .kept(),
    key("auto_encrypt.allow_tls", Kind::Bool, "Give agents certificates.").is("false").kept(),
    key("auto_encrypt.dns_san", Kind::List, "Names in such a certificate.").kept(),
    key("auto_encrypt.ip_san", Kind::List, "Addresses in such a certificate.").kept(),
    key("auto_config", Kind::Any, "Introduction of agents by a token.").kept(),
    key("tls_prefer_server_cipher_suites", Kind::Bool, "The server always chooses.").without(),
];
