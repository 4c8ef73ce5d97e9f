//! Who is alive: SWIM with Lifeguard, as a machine without I/O.

mod awareness;
#[cfg(test)]
mod bench;
mod broadcast_queue;
mod broadcasts;
mod config;
mod death_certificates;
mod gossip;
mod interface;
pub mod limits;
mod member_table;
mod membership;
mod node;
mod packets;
mod probe;
mod push_pull;
mod relay;
mod state_rules;
mod suspicion;
mod time;
mod token_bucket;
#[cfg(test)]
mod vectors;
mod versions;
mod waiters;

pub use config::{Config, Profile};
pub use interface::{
    Command, CommandError, ConnectionId, Contact, DialId, Event, Fact, Input, IntentKind, Outcome,
    Output, Priority, StreamRequest, Subject, Token, UserBroadcast,
};
pub use membership::{ConfigError, Membership};
pub use node::Node;
pub use time::Time;
pub use wire::{Keyring, Security};
