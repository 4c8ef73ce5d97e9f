//! The one table of every configuration key and every flag of `tribune agent`.
//!
//! A row makes the reader of files, the check for unknown keys and the suggestion beside it, the
//! flag of the command line, the reference page, the defaults, the overlay of `-dev`, and the
//! remark about changes that a reload does not take into use.

mod checks;
mod cluster;
mod dns;
mod features;
mod http;
mod logs;
mod network;
mod node;
mod security;
mod tuning;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::schema::Kind;

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what its meaning says.
    Taken,
    /// It is checked and kept; what it is for is yet to come.
    Kept,
    /// It is accepted and has nothing to say in this program.
    Without,
    /// It is accepted and warned about: only Consul Enterprise knows what it is for. The text is
    /// what the warning calls it.
    Enterprise(&'static str),
    /// An old name of the key given here.
    Replaced(&'static str),
}

/// The value that holds where no source has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// None, or an empty one.
    Empty,
    /// This one, written as a text.
    Is(&'static str),
    /// One that depends on others, in words.
    Described(&'static str),
}

/// A flag of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without a dash.
    pub name: &'static str,
    /// What stands for its value in help texts; empty for switches.
    pub value_name: &'static str,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The key in files, the blocks around it before dots; none for options of the command line.
    pub key: Option<&'static str>,
    /// Its flag, if it has one.
    pub flag: Option<Flag>,
    /// A second flag of the same meaning, which is deprecated.
    pub old_flag: Option<Flag>,
    /// How it is written.
    pub kind: Kind,
    /// The value without any source.
    pub initial: Initial,
    /// The value that `-dev` gives it, where that is another one.
    pub dev: Option<&'static str>,
    /// Whether a reload takes a changed value into use.
    pub reloadable: bool,
    /// What becomes of it.
    pub effect: Effect,
    /// What it is for.
    pub help: &'static str,
}

impl Row {
    const fn new(key: Option<&'static str>, kind: Kind, help: &'static str) -> Self {
        Row {
            key,
            flag: None,
            old_flag: None,
            kind,
            initial: Initial::Empty,
            dev: None,
            reloadable: false,
            effect: Effect::Taken,
            help,
        }
    }

    const fn flag(mut self, name: &'static str, value_name: &'static str) -> Self {
        self.flag = Some(Flag { name, value_name });
        self
    }

    const fn old_flag(mut self, name: &'static str, value_name: &'static str) -> Self {
        self.old_flag = Some(Flag { name, value_name });
        self
    }

    const fn is(mut self, value: &'static str) -> Self {
        self.initial = Initial::Is(value);
        self
    }

    const fn described(mut self, words: &'static str) -> Self {
        self.initial = Initial::Described(words);
        self
    }

    const fn dev(mut self, value: &'static str) -> Self {
        self.dev = Some(value);
        self
    }

    const fn reloadable(mut self) -> Self {
        self.reloadable = true;
        self
    }

    const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    const fn kept(self) -> Self {
        self.effect(Effect::Kept)
    }

    const fn without(self) -> Self {
        self.effect(Effect::Without)
    }

    /// What the option is called: its key, or its flag where it has none.
    pub fn name(&self) -> &'static str {
        self.key.or(self.flag.map(|flag| flag.name)).unwrap_or_default()
    }
}

const fn key(key: &'static str, kind: Kind, help: &'static str) -> Row {
    Row::new(Some(key), kind, help)
}

const fn flag(name: &'static str, value_name: &'static str, kind: Kind, help: &'static str) -> Row {
    Row::new(None, kind, help).flag(name, value_name)
}

/// An old name of another key.
const fn old(key: &'static str, kind: Kind, new: &'static str) -> Row {
    Row::new(Some(key), kind, "").effect(Effect::Replaced(new))
}

const fn enterprise(key: &'static str, kind: Kind, shown: &'static str) -> Row {
    Row::new(Some(key), kind, "").effect(Effect::Enterprise(shown))
}

/// Rows of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The subject.
    pub title: &'static str,
    /// The rows.
    pub rows: &'static [Row],
}

/// The whole table.
pub const SECTIONS: &[Section] = &[
    Section { title: "The command line alone", rows: node::COMMAND_LINE },
    Section { title: "The agent and its node", rows: node::ROWS },
    Section { title: "Addresses and ports", rows: network::ROWS },
    Section { title: "Cluster, joining and leaving", rows: cluster::ROWS },
    Section { title: "Gossip", rows: cluster::GOSSIP },
    Section { title: "HTTP", rows: http::ROWS },
    Section { title: "Limits", rows: http::LIMITS },
    Section { title: "User interface", rows: http::UI },
    Section { title: "DNS", rows: dns::ROWS },
    Section { title: "Services, checks and watches", rows: checks::ROWS },
    Section { title: "Log", rows: logs::ROWS },
    Section { title: "Telemetry", rows: logs::TELEMETRY },
    Section { title: "Raft and performance", rows: tuning::ROWS },
    Section { title: "Access control", rows: security::ACL },
    Section { title: "TLS", rows: security::TLS },
    Section { title: "TLS among servers and agents", rows: security::TLS_INTERNAL_RPC },
    Section { title: "TLS of HTTPS", rows: security::TLS_HTTPS },
    Section { title: "TLS of gRPC", rows: security::TLS_GRPC },
    Section { title: "Names and certificates of agents", rows: security::CERTIFICATES },
    Section { title: "Connect, peering and the rest", rows: features::ROWS },
    Section { title: "Consul Enterprise", rows: features::ENTERPRISE },
    Section { title: "Old names", rows: features::OLD },
];

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    SECTIONS.iter().flat_map(|section| section.rows)
}

/// The row of a flag.
pub fn row_of_flag(name: &str) -> Option<&'static Row> {
    rows().find(|row| [row.flag, row.old_flag].into_iter().flatten().any(|flag| flag.name == name))
}

/// Every key in small letters with its row, and every block around keys.
struct Index {
    keys: BTreeMap<&'static str, &'static Row>,
    blocks: BTreeSet<&'static str>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let keys: BTreeMap<_, _> = rows().filter_map(|row| Some((row.key?, row))).collect();
    let around = |key: &&'static str| {
        let key = *key;
        key.match_indices('.').map(move |(at, _)| &key[..at])
    };
    Index { blocks: keys.keys().flat_map(around).collect(), keys }
});

/// The row of a key, whatever its case.
pub(crate) fn row_of_key(path: &str) -> Option<&'static Row> {
    INDEX.keys.get(path.to_ascii_lowercase().as_str()).copied()
}

/// The name of a block that has keys of its own, whatever its case.
pub(crate) fn block(path: &str) -> Option<&'static str> {
    INDEX.blocks.get(path.to_ascii_lowercase().as_str()).copied()
}
