//! The messages themselves, as values, and their bodies as bytes.

mod coordinate;
pub(crate) mod fields;
pub mod gossip;
pub mod serf;
mod tags;

pub use coordinate::Coordinate;
pub use tags::{decode_tags, encode_role, encode_tags};
