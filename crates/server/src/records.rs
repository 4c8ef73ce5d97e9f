//! The catalogue as the records of Consul's snapshots, and back.
//!
//! ```text
//!   catalog::Snapshot ── write ──▶ state.bin: {"LastIndex": n} record record …
//!   rows and indexes ◀── read ───
//! ```
//!
//! Both go through a state record by record. What is read keeps its indexes. Records of what
//! this program does not have (ACLs, configuration entries, certificate authorities …) are counted
//! and passed over.

mod fields;
mod put;
mod read;
mod write;

pub(crate) use read::{Part, read};
pub(crate) use write::write;

#[cfg(test)]
mod tests;
