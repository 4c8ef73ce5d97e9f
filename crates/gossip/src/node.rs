//! One entry of the node table.

use std::net::SocketAddr;

use bytes::Bytes;
use wire::message::gossip::{BorrowedNodeState, NodeState, State};
use wire::msgpack::Writer;
use wire::{Address, Incarnation, NodeName, Versions};

use crate::Time;

/// What this member believes of one member (itself included).
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, the key of the table.
    pub name: NodeName,
    /// Its address, exactly as it travelled.
    pub address: Address,
    /// Its port, never 0.
    pub port: u16,
    /// Its tags, encoded.
    pub meta: Bytes,
    /// Its versions; all zero while it has not told them.
    pub versions: Versions,
    /// The newest incarnation known.
    pub incarnation: Incarnation,
    /// Whether it is believed to be up.
    pub state: State,
    /// When `state` changed last.
    pub changed: Time,
}

impl Node {
    /// Whether it is neither dead nor left.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }

    /// Where to reach it; None if its address is neither of 4 nor of 16 bytes.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.address.to_ip()?, self.port))
    }

    /// The entry as it travels in a push/pull: always with six version bytes.
    pub fn to_state(&self) -> NodeState {
        NodeState {
            name: self.name.clone(),
            address: self.address,
            port: self.port,
            meta: self.meta.clone(),
            incarnation: self.incarnation,
            state: self.state,
            versions: Bytes::copy_from_slice(&self.versions.to_bytes()),
        }
    }

    /// Whether an entry of another table says what is believed here, so that merging it would
    /// change nothing. An accusation never does: it may be a further accuser's.
    pub(crate) fn is_as(&self, entry: &BorrowedNodeState<'_>) -> bool {
        self.state == entry.state
            && self.incarnation == entry.incarnation
            && match self.state {
                State::Suspect => false,
                State::Dead | State::Left => true,
                State::Alive => {
                    self.address == entry.address
                        && self.port == entry.port
                        && self.meta == entry.meta
                        && self.versions.to_bytes() == *entry.versions
                }
            }
    }

    /// Writes what [`Self::to_state`] gives.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        self.borrowed(&self.versions.to_bytes()).write(writer);
    }

    /// How many bytes [`Self::write`] writes.
    pub(crate) fn encoded_len(&self) -> usize {
        let mut bytes = Vec::new();
        self.write(&mut Writer::new(&mut bytes));
        bytes.len()
    }

    /// What [`Self::to_state`] gives, left where it is; with its own versions.
    pub(crate) fn borrowed<'a>(&'a self, versions: &'a [u8]) -> BorrowedNodeState<'a> {
        BorrowedNodeState {
            name: self.name.as_str(),
            address: self.address,
            port: self.port,
            meta: &self.meta,
            incarnation: self.incarnation,
            state: self.state,
            versions,
        }
    }
}
