//! The machine: its state, and what the driver may call.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use gossip::{Keyring, Membership, Security, Time};
use wire::NodeName;

use crate::interface::{Config, Input, Member, MemberStatus, Output, Statistics, Tags};
use crate::snapshot::SnapshotState;
use crate::vivaldi::Coordinate;

/// Why a configuration cannot work. The first texts are those of the real agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The Serf protocol is older than any understood.
    #[error("Protocol version '{0}' too low. Must be in range: [2, 5]")]
    ProtocolTooLow(u8),
    /// The Serf protocol is newer than any understood.
    #[error("Protocol version '{0}' too high. Must be in range: [2, 5]")]
    ProtocolTooHigh(u8),
    /// Events could be larger than any member takes.
    #[error("user event size limit exceeds limit of 9216 bytes")]
    EventLimitTooHigh,
    /// The encoded tags are too long.
    #[error("Encoded length of tags exceeds limit of 512 bytes")]
    TagsTooBig,
    /// `validate_node_names` is on and the own name does not pass.
    #[error(
        "the node name {0:?} is not valid: use at most 128 letters, digits, dashes and dots, or turn off validate_node_names"
    )]
    InvalidName(String),
    /// The layer below refuses its settings.
    #[error("Failed to create memberlist: {0}")]
    Gossip(#[from] gossip::ConfigError),
}

/// One member of a Serf cluster, without I/O.
#[derive(Debug)]
pub struct Serf {
    gossip: Membership,
    outputs: VecDeque<Output>,
    members: BTreeMap<NodeName, Member>,
    local: Member,
}

impl Serf {
    /// A member that has announced itself to nobody yet; its first outputs (own join event,
    /// attempts to rejoin the members of `snapshot`) are ready to be drained. `snapshot` is None
    /// where no snapshot file is kept. `seed` feeds every random choice.
    pub fn new(
        config: Config,
        keyring: Option<Keyring>,
        snapshot: Option<SnapshotState>,
        seed: u64,
        now: Time,
    ) -> Result<Self, ConfigError> {
        let _ = snapshot;
        let local = Member {
            name: config.gossip.name.clone(),
            address: config.gossip.advertise_address,
            port: config.gossip.advertise_port,
            tags: std::sync::Arc::new(config.tags.clone()),
            status: MemberStatus::Alive,
            versions: config.gossip.versions,
        };
        let mut gossip = Membership::new(config.gossip, keyring, seed, now)?;
        gossip.start(now);
        let members = BTreeMap::from([(local.name.clone(), local.clone())]);
        Ok(Serf { gossip, outputs: VecDeque::new(), members, local })
    }

    /// Takes one input. Outputs are then to be drained with [`Self::poll_output`].
    pub fn handle(&mut self, _now: Time, _input: Input<'_>) {}

    /// The next output, in the order in which they must be carried out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is wanted next; a time that has passed means at once.
    pub fn next_timeout(&self) -> Option<Time> {
        self.gossip.next_timeout()
    }

    /// All members in any status, this one included, by name.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }

    /// This member's own entry.
    pub fn local(&self) -> &Member {
        &self.local
    }

    /// The own tags, as last set.
    pub fn tags(&self) -> &Tags {
        &self.local.tags
    }

    /// Numbers for `info` and metrics.
    pub fn statistics(&self) -> Statistics {
        Statistics::default()
    }

    /// The coordinate of a member: the own one always, others once they have answered a probe;
    /// None for all while coordinates are off.
    pub fn coordinate(&self, _name: &str) -> Option<&Coordinate> {
        None
    }

    /// How the driver seals and labels.
    pub fn security(&self) -> &Security {
        self.gossip.security()
    }

    /// Ends the machine: what coalescers hold comes out as events, nothing is taken in any more.
    /// Not a leave; see [`crate::Command::Leave`].
    pub fn shutdown(&mut self, _now: Time) {
        let _ = Bytes::new();
    }
}
