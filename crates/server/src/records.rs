//! The catalogue as the records of Consul's snapshots, and back.
//!
//! ```text
//!   catalog::Snapshot ── write ──▶ state.bin: {"LastIndex": n} record record …
//!                     ◀── read ───
//! ```
//!
//! What is read keeps its indexes. Records of what this program does not have (ACLs, configuration
//! entries, certificate authorities …) are counted and passed over.

mod fields;
mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

#[cfg(test)]
mod tests;
