//! Bytes and values: what members of a cluster, and the clients of an agent, say to each other.
//!
//! Everything here is a pure function or an incremental decoder: no sockets, no clocks, no
//! threads, no randomness (nonces are handed in). Every length, count and depth that comes from
//! outside is checked against [`limits`] before it is believed, and no input can panic. What a
//! message *means* is decided above, in the crates `gossip` and `serf`.
//!
//! ```text
//!                 packet::open, packet::seal
//!  datagram  <->  label | seal | crc | lzw | compound  <->  message::gossip::Message
//!                                                               | User(bytes)
//!                 StreamDecoder, stream::encode                 v
//!  stream    <->  label | seal | lzw                   <->  message::serf::SerfMessage
//!                                                               ^
//!                                                               | user state, User(bytes)
//!                                         message::gossip::StreamMessage
//!
//!  RPC       <->  rpc                                  <->  headers, requests, answers
//!
//!                 all of them: msgpack::{Reader, Writer}
//! ```
//!
//! Encoders produce what the real programs produce, byte for byte; decoders take what any of
//! them is known to send (specification "Gossip wire protocol and behaviour", A2). The recorded
//! vectors in `tests/golden.rs` hold both to it.
//!
//! ```
//! use wire::message::gossip::{Message, Ping};
//! use wire::{Key, Keyring, Security, SequenceNumber, packet};
//!
//! let security = Security {
//!     keyring: Some(Keyring::new(Key::new(&[7; 32])?)),
//!     label: "blue".into(),
//!     ..Security::default()
//! };
//! let number = SequenceNumber(1);
//! let ping = Message::Ping(Ping { sequence_number: number, node: "b".into(), ..Ping::default() });
//!
//! let nonce = [0; 12]; // from the operating system's generator, never twice
//! let mut datagram = Vec::new();
//! packet::seal(&ping.encode(), &security.packet_options(false, true), nonce, &mut datagram);
//!
//! let mut received = Vec::new();
//! packet::open(&datagram, &security, |message| received.push(message));
//! assert_eq!(received, [Ok(ping)]);
//!
//! packet::open(&datagram, &Security::default(), |message| assert!(message.is_err()));
//! # Ok::<(), wire::KeyringError>(())
//! ```

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
pub mod planted;
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
