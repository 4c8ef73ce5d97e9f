//! Bytes and values: what members of a cluster, and the clients of an agent, say to each other.
//!
//! Everything here is a pure function or an incremental decoder: no sockets, no clocks, no
//! threads, no randomness (nonces are handed in). Every length, count and depth that comes from
//! outside is checked against [`limits`] before it is believed, and no input can panic.

pub mod compound;
pub mod crc;
mod error;
mod keyring;
pub mod label;
pub mod limits;
pub mod lzw;
pub mod message;
pub mod msgpack;
pub mod packet;
pub mod rpc;
pub mod seal;
mod security;
pub mod stream;
mod types;

pub use error::DecodeError;
pub use keyring::{Key, Keyring, KeyringError};
pub use security::Security;
pub use types::{
    Address, Incarnation, InvalidAddress, LamportTime, NodeName, SequenceNumber, Versions,
};
