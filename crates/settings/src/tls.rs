//! TLS.

use std::path::PathBuf;

use crate::layer::Layer;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0.
    V1_0,
    /// TLS 1.1.
    V1_1,
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsVersion {
    /// The version of a name.
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "TLSv1_0" => TlsVersion::V1_0,
            "TLSv1_1" => TlsVersion::V1_1,
            "TLSv1_2" | "TLS_AUTO" | "" => TlsVersion::V1_2,
            "TLSv1_3" => TlsVersion::V1_3,
            _ => return None,
        })
    }
}

impl std::fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TlsVersion::V1_0 => "TLSv1_0",
            TlsVersion::V1_1 => "TLSv1_1",
            TlsVersion::V1_2 => "TLSv1_2",
            TlsVersion::V1_3 => "TLSv1_3",
        })
    }
}

/// Suites of TLS 1.2 that can be chosen; those of 1.3 are always there.
const CIPHER_SUITES: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
];

/// TLS of one kind of connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsListener {
    /// File of trusted certificates.
    pub ca_file: Option<PathBuf>,
    /// Directory of trusted certificates.
    pub ca_path: Option<PathBuf>,
    /// File of the own certificate.
    pub cert_file: Option<PathBuf>,
    /// File of its key.
    pub key_file: Option<PathBuf>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// The suites that are offered; empty: the usual ones.
    pub cipher_suites: Vec<String>,
    /// Clients need a certificate.
    pub verify_incoming: bool,
    /// Servers need a trusted certificate.
    pub verify_outgoing: bool,
}

impl TlsListener {
    /// Whether there is something to show to clients, or a part of it.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.cert_file.is_some() || self.key_file.is_some()
    }
}

/// TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Among servers and agents.
    pub internal_rpc: TlsListener,
    /// Of HTTPS.
    pub https: TlsListener,
    /// Of gRPC.
    pub grpc: TlsListener,
    /// Whether names of servers are checked.
    pub verify_server_hostname: bool,
    /// The name that certificates of servers are to have; none: the node's.
    pub server_name: Option<String>,
}

/// Reads the settings.
pub(crate) fn tls(layer: &Layer, problems: &mut Vec<String>) -> TlsSettings {
    for block in ["defaults", "internal_rpc", "https", "grpc"] {
        let version = layer.text(&format!("tls.{block}.tls_min_version"));
        if TlsVersion::parse(version).is_none() {
            problems.push(format!(
                "tls.{block}.tls_min_version: invalid TLS version: no matching TLS version found \
                 for {version}, please specify one of [TLS_AUTO, TLSv1_0, TLSv1_1, TLSv1_2, \
                 TLSv1_3]"
            ));
        }
        for suite in suites(layer.text(&format!("tls.{block}.tls_cipher_suites"))) {
            if !CIPHER_SUITES.contains(&suite.as_str()) {
                problems.push(format!(
                    "tls.{block}.tls_cipher_suites: invalid TLS cipher suites: no matching Consul \
                     Agent TLS cipher suite found for {suite}"
                ));
            }
        }
    }
    TlsSettings {
        internal_rpc: listener(layer, "internal_rpc"),
        https: listener(layer, "https"),
        grpc: listener(layer, "grpc"),
        verify_server_hostname: layer.bool("tls.internal_rpc.verify_server_hostname"),
        server_name: Some(layer.text("server_name")).filter(|n| !n.is_empty()).map(str::to_owned),
    }
}

fn suites(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// What the block says, or else the block of defaults.
fn listener(layer: &Layer, block: &str) -> TlsListener {
    let text = |name: &str| {
        let own = format!("tls.{block}.{name}");
        match layer.given(&own) {
            Some(_) => layer.text(&own),
            None => layer.text(&format!("tls.defaults.{name}")),
        }
    };
    let path = |name| Some(text(name)).filter(|path| !path.is_empty()).map(PathBuf::from);
    let switch = |name: &str| {
        let own = layer.given_bool(&format!("tls.{block}.{name}"));
        own.unwrap_or_else(|| layer.bool(&format!("tls.defaults.{name}")))
    };
    TlsListener {
        ca_file: path("ca_file"),
        ca_path: path("ca_path"),
        cert_file: path("cert_file"),
        key_file: path("key_file"),
        min_version: TlsVersion::parse(text("tls_min_version")).unwrap_or(TlsVersion::V1_2),
        cipher_suites: suites(text("tls_cipher_suites")),
        verify_incoming: switch("verify_incoming"),
        verify_outgoing: switch("verify_outgoing"),
    }
}
