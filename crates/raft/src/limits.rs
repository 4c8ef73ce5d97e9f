//! Every limit of the crate, with its reason.

use std::time::Duration;

/// Commands in one entry. 64 writers fill a flush of 150 µs; eight times as many bound the pause
/// that applying one entry makes for readers of the same thread.
pub const BATCH_COMMANDS: usize = 512;

/// Bytes of commands in one entry, unless a single command is larger.
pub const BATCH_BYTES: usize = 1 << 20;

/// Bytes of one command. A transaction of the HTTP interface holds half a megabyte; what is
/// restored from an archive comes in parts, the longest of which is a single row.
pub const COMMAND_BYTES: usize = 8 << 20;

/// Bytes of one entry of the log on disk, as it is believed when read: a command or a batch, and
/// what frames it.
pub(crate) const ENTRY_BYTES: usize = COMMAND_BYTES + BATCH_BYTES;

/// Commands that wait for the proposer; further callers wait for a place.
pub(crate) const WAITING: usize = 4 * BATCH_COMMANDS;

/// Bytes that must be free on the log's file system for a write to be taken: an entry, a new file
/// of the log, and some votes, so that those who share the disk can fill the rest and nothing
/// that was accepted fails.
pub const FREE_SPACE_MARK: u64 = 32 << 20;

/// How long a write that met a full disk waits before it looks again.
pub(crate) const SPACE_POLL: Duration = Duration::from_millis(500);

/// How long a write that found no file descriptor left waits before it looks again.
pub(crate) const DESCRIPTOR_POLL: Duration = Duration::from_millis(100);

/// Descriptors that must be free when the log is opened anew: a directory, its lock, a new file,
/// and some for those who open files meanwhile.
pub(crate) const SPARE_DESCRIPTORS: usize = 8;

/// Bytes of one file of the log. Whole files are deleted behind a snapshot; each is open, and the
/// payloads of the last one are kept in memory.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// Bytes of payloads kept in memory while the last file has fewer.
pub(crate) const CACHE_BYTES: usize = 256 << 10;

/// Bytes of commands after which a snapshot is taken, if the last snapshot was smaller. Above it
/// the log grows as long as the state is, which is then not written more often than the log.
pub(crate) const SNAPSHOT_BYTES: u64 = 16 << 20;

/// Bytes of commands after which one is taken in any case, however large the state: some hundred
/// files of the log.
pub(crate) const SNAPSHOT_BYTES_MAX: u64 = 256 << 20;

/// Bytes of one frame of a snapshot: what is checked before it is believed.
pub(crate) const FRAME_BYTES: usize = 64 << 10;

/// How long a lone server may take to elect itself and to apply its log. Bounded by the disk, not
/// by the network: a million commands take about a second.
pub(crate) const START: Duration = Duration::from_secs(120);
