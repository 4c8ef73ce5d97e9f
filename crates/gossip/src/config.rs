//! The settings of a member, and the three profiles.

use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use wire::{Address, NodeName, Versions};

/// A ready set of timings for one kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// One datacenter.
    Lan,
    /// Several datacenters over the internet.
    Wan,
    /// One machine.
    Local,
}

/// Everything the machine needs to know before it starts.
///
/// Defaults and meanings: specification "Gossip wire protocol and behaviour", C1. A zero interval
/// turns the activity off.
#[derive(Clone, Debug)]
pub struct Config {
    /// Own name.
    pub name: NodeName,
    /// Address that others are told; its bytes never change while the machine runs.
    pub advertise_address: Address,
    /// Port that others are told.
    pub advertise_port: u16,
    /// Port taken for members whose own port is given as 0.
    pub bind_port: u16,
    /// Own tags, encoded; at most 512 bytes.
    pub meta: Bytes,
    /// Own version bytes.
    pub versions: Versions,
    /// Pool label, empty for none; at most 255 bytes.
    pub label: Bytes,
    /// Networks that members' addresses are in; empty for all. Who is elsewhere does not come into
    /// the table, and who is in it does not move there.
    pub allowed: Vec<IpNet>,
    /// Limit of one exchange over a stream.
    pub tcp_timeout: Duration,
    /// Helpers asked when a member does not answer.
    pub indirect_checks: usize,
    /// Sends of one broadcast = this × ceil(log10(members + 1)).
    pub retransmit_mult: u32,
    /// Shortest suspicion = this × max(1, log10(members)) × probe interval.
    pub suspicion_mult: u32,
    /// Longest suspicion = this × shortest; 1 turns Lifeguard's dynamic suspicion off.
    pub suspicion_max_timeout_mult: u32,
    /// Between exchanges of whole states with a random member (scaled above 32 members).
    pub push_pull_interval: Duration,
    /// Between probes.
    pub probe_interval: Duration,
    /// Wait for a direct answer; never scaled.
    pub probe_timeout: Duration,
    /// The health score stays below this; 1 turns Lifeguard's local health off.
    pub awareness_max_multiplier: u32,
    /// A probe of a suspect tells it so, that it may refute (Lifeguard's buddy system).
    pub tell_suspects: bool,
    /// Members told in one gossip tick.
    pub gossip_nodes: usize,
    /// Between gossip ticks.
    pub gossip_interval: Duration,
    /// How long the dead are still told things, and stay in the table.
    pub gossip_to_the_dead_time: Duration,
    /// After this a dead member's name may come from another address; zero: never.
    pub dead_node_reclaim_time: Duration,
    /// Byte budget of a packet, before compression.
    pub udp_buffer_bytes: usize,
    /// Drop packets and streams that are not sealed, where a keyring is set.
    pub encrypt_verify_incoming: bool,
    /// Seal what is sent, where a keyring is set.
    pub encrypt_verify_outgoing: bool,
    /// Send what was newly learned at once instead of at the next tick.
    pub eager_gossip: bool,
    /// One more full exchange with a random member shortly after joining.
    pub settle_exchange: bool,
}

impl Config {
    /// The settings of `profile` for a member of that name and address.
    pub fn new(profile: Profile, name: NodeName, address: Address, port: u16) -> Self {
        let mut config = Config {
            name,
            advertise_address: address,
            advertise_port: port,
            bind_port: port,
            meta: Bytes::new(),
            versions: Versions {
                protocol_min: 1,
                protocol_max: 5,
                protocol_cur: 2,
                delegate_min: 2,
                delegate_max: 5,
                delegate_cur: 5,
            },
            label: Bytes::new(),
            allowed: Vec::new(),
            tcp_timeout: Duration::from_secs(10),
            indirect_checks: 3,
            retransmit_mult: 4,
            suspicion_mult: 4,
            suspicion_max_timeout_mult: 6,
            push_pull_interval: Duration::from_secs(30),
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            awareness_max_multiplier: 8,
            tell_suspects: true,
            gossip_nodes: 3,
            gossip_interval: Duration::from_millis(200),
            gossip_to_the_dead_time: Duration::from_secs(30),
            dead_node_reclaim_time: Duration::ZERO,
            udp_buffer_bytes: 1400,
            encrypt_verify_incoming: true,
            encrypt_verify_outgoing: true,
            eager_gossip: true,
            settle_exchange: true,
        };
        match profile {
            Profile::Lan => {}
            Profile::Wan => {
                config.tcp_timeout = Duration::from_secs(30);
                config.suspicion_mult = 6;
                config.push_pull_interval = Duration::from_secs(60);
                config.probe_interval = Duration::from_secs(5);
                config.probe_timeout = Duration::from_secs(3);
                config.gossip_nodes = 4;
                config.gossip_interval = Duration::from_millis(500);
                config.gossip_to_the_dead_time = Duration::from_secs(60);
            }
            Profile::Local => {
                config.tcp_timeout = Duration::from_secs(1);
                config.indirect_checks = 1;
                config.retransmit_mult = 2;
                config.suspicion_mult = 3;
                config.push_pull_interval = Duration::from_secs(15);
                config.probe_timeout = Duration::from_millis(200);
                config.gossip_interval = Duration::from_millis(100);
                config.gossip_to_the_dead_time = Duration::from_secs(15);
            }
        }
        config
    }
}
