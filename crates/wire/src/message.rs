//! The messages themselves, as values.

pub mod gossip;
pub mod serf;
