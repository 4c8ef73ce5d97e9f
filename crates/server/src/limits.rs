//! What the server takes at most, and why.

/// Longest body of a request that has no limit of its own: a registration with hundreds of checks
/// is far below, and what comes of it fits one entry of the log.
pub(crate) const BODY_BYTES: usize = 4 << 20;

/// How long a client may be silent within a body that it sends.
pub(crate) const BODY_SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// How long a body may take from its first piece to its last: as long as the longest takes at
/// 64 KiB a second, and a silence.
pub(crate) const BODY_TIME: std::time::Duration = std::time::Duration::from_secs(188);

/// Bytes of all bodies at a time that are longer than a short one: over a hundred values of the
/// longest kind.
pub(crate) const BODIES_BYTES: usize = 64 << 20;

/// Bytes of a body that takes no room from others: a registration, most values.
pub(crate) const SHORT_BODY_BYTES: usize = 16 << 10;

/// How long a body waits for room.
pub(crate) const BODIES_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Longest archive of the state that is taken. It goes to a file.
pub(crate) const SNAPSHOT_BYTES: usize = 2 << 30;

/// Longest state in an archive. It goes through buffers and is then in memory, which is where
/// whoever saved it had it; values that repeat themselves are packed to a hundredth.
pub(crate) const UNPACKED_BYTES: u64 = 64 << 30;

/// Archives that are made at a time, and that are taken. Each has a thread, a buffer, and keeps a
/// state alive, or a file of its length.
pub(crate) const SNAPSHOTS: usize = 4;

/// How long further callers wait for a place.
pub(crate) const SNAPSHOT_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Bytes of an archive that a client sends or reads in a second at least, on average and beyond its
/// silence: a place is then held for some hours at most.
pub(crate) const SNAPSHOT_RATE: u64 = 64 << 10;

/// How much of an archive is kept in memory before it goes to a file, and how much is written at a
/// time.
pub(crate) const SPOOL_BYTES: usize = 256 << 10;

/// Longest record of a restored state: a row comes with one entry of the log, which takes 8 MiB;
/// and in Consul's archives all coordinates are one record, of some 200 bytes a node. Once read it
/// takes up to 32 times as much memory.
pub(crate) const RECORD_BYTES: usize = 8 << 20;

/// How much of a restored state comes with one entry of the log, unless a single row is longer.
pub(crate) const RESTORE_PART_BYTES: usize = 1 << 20;

/// Where the limit of a value is explained; clients know the text.
pub(crate) const KV_LIMIT_PAGE: &str =
    "https://www.consul.io/docs/agent/config/config-files#kv_max_value_size";

/// Where the limit of a transaction is explained.
pub(crate) const TXN_LIMIT_PAGE: &str =
    "https://www.consul.io/docs/agent/config/config-files#txn_max_req_len";

/// Reads that are remembered as cached; beyond them all are forgotten.
pub(crate) const CACHE_KEYS: usize = 4096;

/// Events that are remembered for `event/list`, as many as Consul keeps.
pub(crate) const EVENTS: usize = 256;

/// How long a deletion is remembered, so that who waits for what was deleted is woken.
pub(crate) const TOMBSTONE_AGE: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// How often deletions are forgotten.
pub(crate) const REAP_EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// How often the leader looks whether what it says of its members still stands.
pub(crate) const RECONCILE_EVERY: std::time::Duration = std::time::Duration::from_secs(60);
