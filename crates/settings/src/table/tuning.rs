//! How servers agree, and how fast.

use super::{Row, key};
use crate::schema::Kind;

pub(super) const ROWS: &[Row] = &[
    key("performance.raft_multiplier", Kind::Int, "Factor of all times of Raft, from 1 to 10.")
        .is("5")
        .dev("1")
        .kept(),
    key("performance.leave_drain_time", Kind::Duration, "How long a server serves on in a leave.")
        .is("5s"),
    key("performance.rpc_hold_timeout", Kind::Duration, "How long a request waits for a leader.")
        .is("7s")
        .kept(),
    key("performance.grpc_keepalive_interval", Kind::Duration, "Pause between gRPC's pings.")
        .is("30s")
        .kept(),
    key("performance.grpc_keepalive_timeout", Kind::Duration, "How long their answer may take.")
        .is("20s")
        .kept(),
    key("raft_protocol", Kind::Int, "Version of Raft's protocol: 3.")
        .flag("raft-protocol", "N")
        .is("3"),
    key("raft_snapshot_threshold", Kind::Int, "Entries after which a snapshot is made.")
        .is("16384")
        .reloadable()
        .kept(),
    key("raft_snapshot_interval", Kind::Duration, "How often that is looked at.")
        .is("30s")
        .reloadable()
        .kept(),
    key("raft_trailing_logs", Kind::Int, "Entries that are kept behind a snapshot.")
        .is("10240")
        .reloadable()
        .kept(),
    key("raft_logstore.backend", Kind::Text, "Tribune has a log of its own.")
        .is("boltdb")
        .without(),
    key("raft_logstore.disable_log_cache", Kind::Bool, "Tribune has a log of its own.").without(),
    key("raft_logstore.verification.enabled", Kind::Bool, "Tribune has a log of its own.")
        .without(),
    key("raft_logstore.verification.interval", Kind::Duration, "Tribune has a log of its own.")
        .without(),
    key("raft_logstore.boltdb.no_freelist_sync", Kind::Bool, "Tribune has a log of its own.")
        .without(),
    key("raft_logstore.wal.segment_size_mb", Kind::Int, "Tribune has a log of its own.").without(),
    key("autopilot.cleanup_dead_servers", Kind::Bool, "Remove failed servers.").is("true").kept(),
    key("autopilot.last_contact_threshold", Kind::Duration, "Silence of a healthy server.")
        .is("200ms")
        .kept(),
    key("autopilot.max_trailing_logs", Kind::Int, "Entries that a healthy server may lack.")
        .is("250")
        .kept(),
    key("autopilot.min_quorum", Kind::Unsigned("uint"), "Servers that are never removed.")
        .is("0")
        .kept(),
    key("autopilot.server_stabilization_time", Kind::Duration, "How long a new server waits.")
        .is("10s")
        .kept(),
    key("autopilot.disable_upgrade_migration", Kind::Bool, "Only Consul Enterprise upgrades so.")
        .without(),
    key("autopilot.redundancy_zone_tag", Kind::Text, "Only Consul Enterprise has zones.").without(),
    key("autopilot.upgrade_version_tag", Kind::Text, "Only Consul Enterprise upgrades so.")
        .without(),
    key("cache.entry_fetch_max_burst", Kind::Int, "Fetches of one cached entry at once.")
        .is("2")
        .reloadable()
        .kept(),
    key("cache.entry_fetch_rate", Kind::Float, "Fetches of one cached entry in a second.")
        .described("any number")
        .reloadable()
        .kept(),
    key("xds.update_max_per_second", Kind::Float, "Updates of proxies in a second.")
        .is("250")
        .kept(),
];
