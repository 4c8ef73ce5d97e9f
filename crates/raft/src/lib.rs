//! The replicated log of the servers: what was acknowledged stays, and every server applies the
//! same commands in the same order.
//!
//! ```text
//!   propose(command) ─▶ Proposer ─▶ one entry ─▶ log, flushed ─▶ committed ─▶ Machine::apply
//!                        gathers what waits          │                          │
//!                        while one is flushed        └─ wal/, or memory         └─ one reply and
//!                                                                                  index a command
//!                 Machine::image ─▶ snapshot ─▶ head of the log deleted
//! ```
//!
//! * The crate moves bytes: a command is opaque, a [`Machine`] gives it meaning. Time comes with
//!   the entry ([`Batch::clock_ms`]); a machine that draws nothing else is the same everywhere.
//! * `openraft` 0.9 elects, replicates and commits. None of its types leaves this crate, so that a
//!   change of version touches one place. Its 0.9 flushes one write at a time; the proposer makes
//!   many of one.
//! * The log on disk is `raft-log`; `docs/log.md` has the measurements and what is done about the
//!   places where it would lose or refuse something.
//! * An error of the log would end openraft for good. So writes are refused while little space is
//!   left ([`Refused::NoSpace`]), and a write that meets a full disk nevertheless waits for space,
//!   as it waits for a file descriptor if the process has none left. Reads need nothing of this
//!   crate and go on. What ends it nevertheless is told by [`Server::ended`].
//!
//! What it does not do yet: talk to other servers. A [`Server`] is the only voter of its log.

mod batch;
mod codec;
mod limits;
mod log;
mod machine;
mod network;
mod proposer;
mod replica;
mod server;
mod snapshot;
mod space;
#[cfg(test)]
mod testing;
mod types;

pub use batch::Batch;
pub use limits::{BATCH_BYTES, BATCH_COMMANDS, COMMAND_BYTES, FREE_SPACE_MARK};
pub use machine::{Applied, Machine};
pub use proposer::Refused;
pub use server::{Config, Server, StartError, Status, Storage};
