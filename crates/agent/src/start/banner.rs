//! What the operator is shown when the agent runs.

use crate::config::{Settings, shown};
use crate::node::NodeHandle;
use crate::output::Output;

/// Labels are aligned on the right to the longest.
fn line(output: &Output, label: &str, value: impl std::fmt::Display) {
    output.information(&format!("{label:>27}: {value}"));
}

pub(super) async fn show(output: &Output, settings: &Settings, node: &NodeHandle) {
    output.message("Serf agent running!");
    line(output, "Node name", format_args!("'{}'", settings.node_name));
    let mut bind = settings.bind;
    bind.set_port(node.bind_address().port());
    line(output, "Bind addr", format_args!("'{}'", shown(bind)));
    if let Some(address) = settings.advertise {
        // The real agent forgot to align this one.
        output.information(&format!("Advertise addr: '{}'", shown(address)));
    }
    line(output, "RPC addr", format_args!("'{}'", settings.rpc_addr));
    line(output, "Encrypted", node.statistics().await.encrypted);
    line(output, "Snapshot", settings.snapshot_path.is_some());
    line(output, "Profile", &settings.profile_name);
    line(output, "Message Compression Enabled", settings.compression);
    if let Some(mdns) = &settings.mdns {
        line(output, "mDNS cluster", &mdns.cluster);
    }
}
