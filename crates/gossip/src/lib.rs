//! Who is alive: SWIM with Lifeguard, as a machine without I/O.

mod config;
mod interface;
mod membership;
mod node;
mod pending_wire;
mod time;

pub use config::{Config, Profile};
pub use interface::{
    Command, CommandError, ConnectionId, Contact, DialId, Event, Fact, Input, IntentKind, Outcome,
    Output, Priority, StreamRequest, Subject, Token, UserBroadcast,
};
pub use membership::{ConfigError, Membership};
pub use node::Node;
pub use pending_wire::{Keyring, Security};
pub use time::Time;
