//! Who is alive: SWIM with Lifeguard, as a machine without I/O.

mod config;
mod interface;
mod time;

pub use config::{Config, Profile};
pub use interface::{
    Command, CommandError, ConnectionId, Contact, DialId, Event, Fact, Input, Outcome, Output,
    Priority, StreamRequest, Subject, Token, UserBroadcast,
};
pub use time::Time;
