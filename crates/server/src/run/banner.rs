//! What is shown before the first line of the log. Ports that nothing is served at say -1.

use std::fmt::Write;

use settings::{Settings, TlsVersion};

use crate::BUILD_DATE;

/// The lines about an agent that is about to start.
pub(super) fn banner(settings: &Settings, node_id: &str, sealed: bool) -> String {
    let network = &settings.network;
    let ports = network.ports;
    let shown = |port: Option<u16>| port.map_or(-1, i64::from);
    let clients: Vec<String> = network.client.iter().map(ToString::to_string).collect();
    let tls = &settings.tls;
    let version = |version: TlsVersion| version.to_string();
    let lines = [
        ("Version", format!("'{}'", crate::VERSION)),
        ("Build Date", format!("'{BUILD_DATE}'")),
        ("Node ID", format!("'{node_id}'")),
        ("Node name", format!("'{}'", settings.node.name)),
        ("Datacenter", format!("'{}' (Segment: '<all>')", settings.datacenter)),
        ("Server", format!("true (Bootstrap: {})", settings.bootstrap)),
        (
            "Client Addr",
            format!(
                "[{}] (HTTP: {}, HTTPS: {}, gRPC: -1, gRPC-TLS: -1, DNS: {})",
                clients.join(" "),
                shown(ports.http),
                shown(ports.https),
                shown(ports.dns)
            ),
        ),
        (
            "Cluster Addr",
            format!(
                "{} (LAN: {}, WAN: {})",
                network.advertise,
                shown(ports.serf_lan),
                shown(ports.serf_wan)
            ),
        ),
        ("Gossip Encryption", sealed.to_string()),
        ("Auto-Encrypt-TLS", "false".to_owned()),
        ("ACL Enabled", settings.acl.enabled.to_string()),
        ("Reporting Enabled", "false".to_owned()),
        ("ACL Default Policy", settings.acl.default_policy.clone()),
        (
            "HTTPS TLS",
            format!(
                "Verify Incoming: {}, Verify Outgoing: {}, Min Version: {}",
                tls.https.verify_incoming,
                tls.https.verify_outgoing,
                version(tls.https.min_version)
            ),
        ),
        (
            "gRPC TLS",
            format!(
                "Verify Incoming: {}, Min Version: {}",
                tls.grpc.verify_incoming,
                version(tls.grpc.min_version)
            ),
        ),
        (
            "Internal RPC TLS",
            format!(
                "Verify Incoming: {}, Verify Outgoing: {} (Verify Hostname: {}), Min Version: {}",
                tls.internal_rpc.verify_incoming,
                tls.internal_rpc.verify_outgoing,
                tls.verify_server_hostname,
                version(tls.internal_rpc.min_version)
            ),
        ),
    ];
    let mut text = String::from("==> Starting Consul agent...\n");
    for (name, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:>22}: {value}");
    }
    text.push_str("\n==> Log data will now stream in as it occurs:\n");
    text
}
