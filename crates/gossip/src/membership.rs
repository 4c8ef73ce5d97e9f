//! The machine: its state, and what the layer above may call.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use wire::message::gossip::State;
use wire::{Incarnation, NodeName};

use crate::interface::{Input, Output, Priority, UserBroadcast};
use crate::{Config, Keyring, Node, Security, Time};

/// Why a configuration cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name is empty.
    #[error("the node name is empty; set a name")]
    EmptyName,
}

/// One member of a cluster: SWIM with Lifeguard, without I/O.
#[derive(Debug)]
pub struct Membership {
    outputs: VecDeque<Output>,
    security: Security,
    local: Node,
}

impl Membership {
    /// A member that is not yet announced. `seed` feeds every random choice. `now` is the time
    /// of the first call; later calls must not go back.
    pub fn new(
        config: Config,
        keyring: Option<Keyring>,
        seed: u64,
        now: Time,
    ) -> Result<Self, ConfigError> {
        let _ = seed;
        let local = Node {
            name: config.name,
            address: config.advertise_address,
            port: config.advertise_port,
            meta: config.meta,
            versions: config.versions,
            incarnation: Incarnation(0),
            state: State::Dead,
            changed: now,
        };
        Ok(Membership { outputs: VecDeque::new(), security: Security { keyring }, local })
    }

    /// Announces itself, and starts probing and gossiping.
    pub fn start(&mut self, now: Time) {
        self.local.changed = now;
    }

    /// Takes one input. Outputs are then to be drained with [`Self::poll_output`].
    pub fn handle(&mut self, _now: Time, _input: Input<'_>) {}

    /// The next output, in the order in which they must be carried out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is wanted next; a time that has passed means at once.
    pub fn next_timeout(&self) -> Option<Time> {
        None
    }

    /// Queues a broadcast of the layer above.
    pub fn broadcast(&mut self, _now: Time, _broadcast: UserBroadcast) {}

    /// Sends a message of the layer above (from its Serf type byte) to one address, at once and
    /// on its own.
    pub fn send_user(&mut self, _to: SocketAddr, _message: Bytes) {}

    /// What acks to direct probes carry from now on (the coordinate); None: nothing.
    pub fn set_ack_payload(&mut self, _payload: Option<Bytes>) {}

    /// How many members the layer above knows, in any state: the sends of its broadcasts grow
    /// with the logarithm of it.
    pub fn set_user_members(&mut self, _members: usize) {}

    /// How the driver seals and labels.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// The keys, for key operations; None where encryption was never configured.
    pub fn keyring_mut(&mut self) -> Option<&mut Keyring> {
        self.security.keyring.as_mut()
    }

    /// The member of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        (self.local.name.as_str() == name).then_some(&self.local)
    }

    /// All members in any state, this one included, in the order of the node list.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.local)
    }

    /// Members that are neither dead nor left, this one included.
    pub fn live_count(&self) -> usize {
        1
    }

    /// Lifeguard's awareness: 0 is healthy.
    pub fn health_score(&self) -> u32 {
        0
    }

    /// Broadcasts of the layer above that wait in one queue.
    pub fn queue_length(&self, _priority: Priority) -> usize {
        0
    }

    /// Drops the least wanted broadcasts until at most `max` remain; their waiters are answered.
    /// Returns how many were dropped.
    pub fn prune_queue(&mut self, _priority: Priority, _max: usize) -> usize {
        0
    }

    /// Until `until`, only the member itself can bring back that name at or below that
    /// incarnation. The name is also dropped from the node table if it is dead or left there.
    pub fn certify_death(&mut self, _node: NodeName, _incarnation: Incarnation, _until: Time) {}

    /// Withdraws a death certificate.
    pub fn forget_death(&mut self, _node: &str) {}

    /// This member's own entry.
    pub fn local(&self) -> &Node {
        &self.local
    }
}
