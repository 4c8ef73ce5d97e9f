//! The settings of the Serf layer.

use std::time::Duration;

use crate::interface::Tags;

/// The settings of the Serf layer. Defaults and meanings: specification "Gossip wire protocol and
/// behaviour", C2.
#[derive(Clone, Debug)]
pub struct Config {
    /// Of the layer below; its meta and delegate versions are set by this layer.
    pub gossip: gossip::Config,
    /// Own tags.
    pub tags: Tags,
    /// Serf protocol spoken, 2 to 5.
    pub protocol: u8,
    /// Longest wait for one broadcast.
    pub broadcast_timeout: Duration,
    /// Wait after the leave was broadcast.
    pub leave_propagate_delay: Duration,
    /// Lamport times kept for user events.
    pub event_buffer: usize,
    /// Lamport times kept for queries.
    pub query_buffer: usize,
    /// Default query timeout = gossip interval × this × ceil(log10(members + 1)).
    pub query_timeout_mult: u32,
    /// Encoded, in bytes.
    pub query_size_limit: usize,
    /// Encoded, in bytes.
    pub query_response_size_limit: usize,
    /// In bytes, before and after encoding; at most 9216.
    pub user_event_size_limit: usize,
    /// Member events: longest and quiet period of coalescing; zero turns it off.
    pub coalesce_period: Duration,
    /// See `coalesce_period`.
    pub quiescent_period: Duration,
    /// User events: longest and quiet period of coalescing; zero turns it off.
    pub user_coalesce_period: Duration,
    /// See `user_coalesce_period`.
    pub user_quiescent_period: Duration,
    /// Between looks for members to erase.
    pub reap_interval: Duration,
    /// How long an intent for an unknown member is remembered.
    pub recent_intent_timeout: Duration,
    /// Between attempts to reach a failed member; zero: none.
    pub reconnect_interval: Duration,
    /// When a failed member is erased.
    pub reconnect_timeout: Duration,
    /// When a left member is erased, and how long a death certificate holds.
    pub tombstone_timeout: Duration,
    /// A member back sooner than this after its failure flaps.
    pub flap_timeout: Duration,
    /// Between looks at the queues; zero: none.
    pub queue_check_interval: Duration,
    /// A queue longer than this is a fact.
    pub queue_depth_warning: usize,
    /// A queue is pruned to this.
    pub max_queue_depth: usize,
    /// Above zero: a queue is pruned to max(this, 2 × members) instead.
    pub min_queue_depth: usize,
    /// Whether a claim of our name by another member is put to the vote.
    pub resolve_name_conflicts: bool,
    /// Whether coordinates are kept.
    pub coordinates: bool,
    /// Whether a left member of the snapshot is rejoined.
    pub rejoin_after_leave: bool,
    /// Refuse names outside `A-Z a-z 0-9 - .` and above 128 bytes.
    pub validate_node_names: bool,
    /// Whether changed keys are persisted.
    pub persist_keyring: bool,
}

impl Config {
    /// The agent's settings over those of the layer below.
    pub fn new(gossip: gossip::Config) -> Self {
        Config {
            gossip,
            tags: Tags::new(),
            protocol: 5,
            broadcast_timeout: Duration::from_secs(5),
            leave_propagate_delay: Duration::from_secs(1),
            event_buffer: 512,
            query_buffer: 512,
            query_timeout_mult: 16,
            query_size_limit: 1024,
            query_response_size_limit: 1024,
            user_event_size_limit: 512,
            coalesce_period: Duration::from_secs(3),
            quiescent_period: Duration::from_secs(1),
            user_coalesce_period: Duration::from_secs(3),
            user_quiescent_period: Duration::from_secs(1),
            reap_interval: Duration::from_secs(15),
            recent_intent_timeout: Duration::from_secs(300),
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: Duration::from_secs(24 * 3600),
            tombstone_timeout: Duration::from_secs(24 * 3600),
            flap_timeout: Duration::from_secs(60),
            queue_check_interval: Duration::from_secs(30),
            queue_depth_warning: 128,
            max_queue_depth: 4096,
            min_queue_depth: 0,
            resolve_name_conflicts: true,
            coordinates: true,
            rejoin_after_leave: false,
            validate_node_names: false,
            persist_keyring: false,
        }
    }
}
