//! Who is alive: SWIM with Lifeguard, as a machine without I/O.
//!
//! A [`Membership`] is one member of a cluster. It probes the others, listens to what they say of
//! each other, passes it on, and tells the layer above who joins, changes and departs. It speaks
//! memberlist's wire, so that real Serf agents are members beside it. It opens no socket, reads no
//! clock and draws no randomness but from the seed it is given: the same seed and the same inputs
//! give the same outputs, in production as in a simulator.
//!
//! ```text
//!    datagrams, requests, answers, commands, Timeout
//!                        │ handle(now, Input)
//!                        ▼
//!   ┌──────────────── Membership ─────────────────┐
//!   │ packets ──► state_rules ──► member_table    │   probe, relay: is it there?
//!   │                │    ▲           (suspicion) │   push_pull: whole states
//!   │                ▼    └── refute              │   awareness: are we fit to judge?
//!   │   broadcasts ──► gossip (ticks, eager)      │
//!   └──────────────────────┬──────────────────────┘
//!                          ▼ poll_output(), next_timeout()
//!    packets, dials, replies, events, facts, answers to commands
//! ```
//!
//! What it does not do: seal or compress (it reckons the budget, the driver does it), resolve
//! names, tell a departure from a failure (only the intents of the layer above do), or remember
//! anybody for long (the dead are forgotten half a minute after, see [`Config`]).
//!
//! Every bound is in [`limits`] with its reason. The design, and what our own ways of telling
//! news bring, is in `docs/gossip.md`.
//!
//! ```
//! use std::net::{IpAddr, SocketAddr};
//! use std::time::Duration;
//!
//! use gossip::{Command, Config, Input, Membership, Output, Profile, Time, Token};
//!
//! let now = Time::ZERO;
//! let ip = IpAddr::from([10, 0, 0, 1]);
//! let config = Config::new(Profile::Lan, "alpha".into(), ip.into(), 7946);
//! let mut member = Membership::new(config, None, 42_u64, now)?;
//! member.start(now);
//!
//! let to = SocketAddr::from(([10, 0, 0, 2], 7946));
//! let join = Command::PushPull { to, name: None, join: true };
//! member.handle(now, Input::Command { token: Token(1), command: join });
//!
//! // A driver carries out every output, in this order, then waits for packets, streams,
//! // commands, and at the latest until `next_timeout`.
//! let dialled = std::iter::from_fn(|| member.poll_output())
//!     .any(|output| matches!(output, Output::Dial { to: address, .. } if address == to));
//! assert!(dialled);
//! let next = member.next_timeout().expect("an exchange of states is due within a minute");
//! assert!(next <= now + Duration::from_secs(60));
//! member.handle(next, Input::Timeout);
//! # Ok::<(), gossip::ConfigError>(())
//! ```

mod awareness;
#[cfg(test)]
mod bench;
mod broadcast_queue;
mod broadcasts;
mod config;
mod death_certificates;
mod frozen;
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
mod seed;
mod settling;
mod shared_bytes;
mod state_rules;
mod suspicion;
mod time;
mod token_bucket;
#[cfg(test)]
#[path = "vectors/tests.rs"]
mod vectors;
mod versions;
mod waiters;

pub use config::{Config, Profile};
pub use frozen::{FrozenState, FrozenTable, FrozenUserState, UserState};
pub use interface::{
    Claim, Command, CommandError, ConnectionId, Contact, DialId, Event, Fact, Input, IntentKind,
    Outcome, Output, Priority, StreamRequest, Subject, Token, UserBroadcast,
};
pub use member_table::KnownNode;
pub use membership::{ConfigError, Membership, validate};
pub use node::Node;
pub use push_pull::RemoteNodes;
pub use seed::Seed;
pub use shared_bytes::SharedBytes;
pub use time::Time;
pub use wire::{Keyring, Security};
