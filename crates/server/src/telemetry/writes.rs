//! Commands: proposed, committed, applied.

use std::time::Duration;

use agent::telemetry::{Kind, Metrics, Series, milliseconds};
use catalog::{Command, KvVerb, KvWrite, QueryWrite};

use super::Telemetry;

/// The kinds of commands that are told apart: what stands behind `fsm.`, and its operation.
const APPLIED: [(&str, &str); 19] = [
    ("kvs", "set"),
    ("kvs", "cas"),
    ("kvs", "lock"),
    ("kvs", "unlock"),
    ("kvs", "delete"),
    ("kvs", "delete-cas"),
    ("kvs", "delete-tree"),
    ("session", "create"),
    ("session", "destroy"),
    ("register", ""),
    ("deregister", ""),
    ("coordinate.batch-update", ""),
    ("txn", ""),
    ("tombstone", "reap"),
    ("autopilot", ""),
    ("restore", ""),
    ("prepared-query", "create"),
    ("prepared-query", "update"),
    ("prepared-query", "delete"),
];

/// How long writes of a kind take, from the request until everybody sees them.
const WRITTEN: [&str; 6] = [
    "kvs.apply",
    "session.apply",
    "catalog.register",
    "catalog.deregister",
    "txn.apply",
    "prepared-query.apply",
];

/// What is counted of writes.
pub(super) struct Writes {
    apply: Series,
    commit_time: Series,
    written: [Series; WRITTEN.len()],
    applied: [Series; APPLIED.len()],
}

impl Writes {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let sample = |name: &str| metrics.announce(name, &[]);
        let applied = |(kind, operation): (&str, &str)| {
            let name = format!("fsm.{kind}");
            match operation {
                "" => metrics.announce(&name, &[]),
                operation => metrics.announce(&name, &[("op", operation.into())]),
            }
        };
        Self {
            apply: metrics.enter(Kind::Counter, "raft.apply", &[]),
            commit_time: sample("raft.commitTime"),
            written: WRITTEN.map(sample),
            applied: APPLIED.map(applied),
        }
    }
}

/// What a write is counted as, besides as one: its place in [`WRITTEN`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written(Option<usize>);

impl Written {
    pub(crate) fn of(command: &Command) -> Self {
        Self(match command {
            Command::Kv(_) => Some(0),
            Command::SessionCreate(_) | Command::SessionDestroy(_) => Some(1),
            Command::Register(_) => Some(2),
            Command::Deregister { .. } => Some(3),
            Command::Txn(_) => Some(4),
            Command::Query(_) => Some(5),
            Command::Coordinates(_)
            | Command::Reap(_)
            | Command::Autopilot(_)
            | Command::Restore(_) => None,
        })
    }
}

/// How long a command took to apply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied {
    /// Its place in [`APPLIED`].
    kind: usize,
    took: Duration,
}

impl Applied {
    pub(crate) fn new(kind: usize, took: Duration) -> Self {
        Self { kind, took }
    }

    /// The kind of a command, for [`Applied::new`].
    pub(crate) fn kind(command: &Command) -> usize {
        let (kind, operation) = match command {
            Command::Kv(KvWrite { verb, .. }) => ("kvs", operation(*verb)),
            Command::SessionCreate(_) => ("session", "create"),
            Command::SessionDestroy(_) => ("session", "destroy"),
            Command::Register(_) => ("register", ""),
            Command::Deregister { .. } => ("deregister", ""),
            Command::Coordinates(_) => ("coordinate.batch-update", ""),
            Command::Txn(_) => ("txn", ""),
            Command::Reap(_) => ("tombstone", "reap"),
            Command::Autopilot(_) => ("autopilot", ""),
            Command::Restore(_) => ("restore", ""),
            Command::Query(write) => match &**write {
                QueryWrite::Create(_) => ("prepared-query", "create"),
                QueryWrite::Update(_) => ("prepared-query", "update"),
                QueryWrite::Delete(_) => ("prepared-query", "delete"),
            },
        };
        let place = APPLIED.iter().position(|known| *known == (kind, operation));
        place.expect("every kind of command has a row")
    }
}

fn operation(verb: KvVerb) -> &'static str {
    match verb {
        KvVerb::Set => "set",
        KvVerb::Cas => "cas",
        KvVerb::Lock => "lock",
        KvVerb::Unlock => "unlock",
        KvVerb::Delete => "delete",
        KvVerb::DeleteCas => "delete-cas",
        KvVerb::DeleteTree => "delete-tree",
    }
}

impl Telemetry {
    /// Counts a command that was committed and applied.
    pub(crate) fn written(&self, kind: Written, took: Duration) {
        let writes = &self.writes;
        let own = kind.0.map(|kind| writes.written[kind]);
        let took = milliseconds(took);
        let commit = [(writes.apply, 1.0), (writes.commit_time, took)];
        self.metrics.record(commit.into_iter().chain(own.map(|series| (series, took))));
    }

    /// Counts the commands of a batch that were applied.
    pub(crate) fn applied(&self, batch: &[Applied]) {
        let took = |one: &Applied| (self.writes.applied[one.kind], milliseconds(one.took));
        self.metrics.record(batch.iter().map(took));
    }
}
