//! Whom the agent meets, and how it comes and goes.

use super::{Row, key};
use crate::schema::Kind;

pub(super) const ROWS: &[Row] = &[
    key("retry_join", Kind::List, "Members to join, again and again until one answers.")
        .flag("retry-join", "ADDR")
        .old_flag("join", "ADDR"),
    key("retry_interval", Kind::Duration, "Pause between the attempts of retry_join.")
        .flag("retry-interval", "DURATION")
        .is("30s"),
    key("retry_max", Kind::Int, "Attempts of retry_join after which the agent ends; 0: no end.")
        .flag("retry-max", "N")
        .is("0"),
    key("retry_join_wan", Kind::List, "Servers of other datacenters to join.")
        .flag("retry-join-wan", "ADDR")
        .old_flag("join-wan", "ADDR"),
    key("retry_interval_wan", Kind::Duration, "Pause between the attempts of retry_join_wan.")
        .flag("retry-interval-wan", "DURATION")
        .is("30s"),
    key("retry_max_wan", Kind::Int, "Attempts of retry_join_wan; 0: no end.")
        .flag("retry-max-wan", "N")
        .is("0"),
    key("primary_gateways", Kind::List, "Mesh gateways of the primary datacenter.")
        .flag("primary-gateway", "ADDR")
        .kept(),
    key("primary_gateways_interval", Kind::Duration, "Pause between looks for primary_gateways.")
        .is("30s")
        .kept(),
    key("rejoin_after_leave", Kind::Bool, "Rejoin the cluster even after a leave.")
        .flag("rejoin", "")
        .is("false"),
    key("leave_on_terminate", Kind::Bool, "Leave the cluster on SIGTERM.")
        .described("false on a server, else true"),
    key("skip_leave_on_interrupt", Kind::Bool, "Do not leave the cluster on SIGINT.")
        .described("true on a server, else false"),
    key("reconnect_timeout", Kind::Duration, "After this a failed member is forgotten.").is("72h"),
    key("reconnect_timeout_wan", Kind::Duration, "The same among datacenters.").is("72h"),
    key(
        "advertise_reconnect_timeout",
        Kind::Duration,
        "How long others are to remember this agent once it has failed; not for servers.",
    )
    .kept(),
    key(
        "server_rejoin_age_max",
        Kind::Duration,
        "A server that was away for longer does not start; at least 6h.",
    )
    .is("168h"),
    key("protocol", Kind::Int, "Protocol version among agents, 2 or 3.")
        .flag("protocol", "N")
        .is("2"),
    key("disable_coordinates", Kind::Bool, "Do not send network coordinates.").is("false"),
    key("use_streaming_backend", Kind::Bool, "How agents without `server` follow servers.")
        .is("true")
        .without(),
    key("rpc.enable_streaming", Kind::Bool, "Whether servers stream to agents.")
        .is("true")
        .without(),
];

pub(super) const GOSSIP: &[Row] = &[
    key("encrypt", Kind::Text, "Key of 16, 24 or 32 bytes in base64 that seals all gossip.")
        .flag("encrypt", "KEY"),
    key("encrypt_verify_incoming", Kind::Bool, "With a key: drop gossip that is not sealed.")
        .is("true"),
    key("encrypt_verify_outgoing", Kind::Bool, "With a key: seal what is sent.").is("true"),
    key("disable_keyring_file", Kind::Bool, "Do not keep keys in the data directory.")
        .flag("disable-keyring-file", "")
        .is("false")
        .dev("true"),
    key(
        "serf_lan_allowed_cidrs",
        Kind::List,
        "The only networks whose members are let in; refused for now.",
    )
    .flag("serf-lan-allowed-cidrs", "CIDR")
    .kept(),
    key("serf_wan_allowed_cidrs", Kind::List, "The same among datacenters; refused for now.")
        .flag("serf-wan-allowed-cidrs", "CIDR")
        .kept(),
    key("gossip_lan.gossip_nodes", Kind::Int, "Members that each round goes to.").is("3"),
    key("gossip_lan.gossip_interval", Kind::Duration, "Pause between rounds.")
        .is("200ms")
        .dev("100ms"),
    key("gossip_lan.probe_interval", Kind::Duration, "Pause between probes.").is("1s").dev("100ms"),
    key("gossip_lan.probe_timeout", Kind::Duration, "How long an answer to a probe may take.")
        .is("500ms")
        .dev("100ms"),
    key("gossip_lan.suspicion_mult", Kind::Int, "Factor of the time that a suspect has.")
        .is("4")
        .dev("3"),
    key("gossip_lan.retransmit_mult", Kind::Int, "Factor of how often a message is sent.").is("4"),
    key("gossip_wan.gossip_nodes", Kind::Int, "As gossip_lan, among datacenters.").is("3"),
    key("gossip_wan.gossip_interval", Kind::Duration, "As gossip_lan, among datacenters.")
        .is("500ms")
        .dev("100ms"),
    key("gossip_wan.probe_interval", Kind::Duration, "As gossip_lan, among datacenters.")
        .is("5s")
        .dev("100ms"),
    key("gossip_wan.probe_timeout", Kind::Duration, "As gossip_lan, among datacenters.")
        .is("3s")
        .dev("100ms"),
    key("gossip_wan.suspicion_mult", Kind::Int, "As gossip_lan, among datacenters.")
        .is("6")
        .dev("3"),
    key("gossip_wan.retransmit_mult", Kind::Int, "As gossip_lan, among datacenters.").is("4"),
];
