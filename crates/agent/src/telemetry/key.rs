//! What metrics are called, and which are kept.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// A name and a value that tell metrics of one name apart.
pub type Label = (&'static str, Box<str>);

/// Labels in the order in which they are shown. Cheap to clone.
pub type Labels = Arc<[Label]>;

/// How metrics are named, and which are kept.
#[derive(Clone, Debug)]
pub struct Naming {
    /// What every name begins with, without a dot behind it.
    pub prefix: String,
    /// Second part of the names of gauges, which tells hosts apart.
    pub host: Option<String>,
    /// Metrics to keep: what their whole names, without a host, begin with.
    pub allowed: Vec<String>,
    /// Metrics to drop. Where several prefixes fit, the longest counts; of two equal ones this.
    pub blocked: Vec<String>,
    /// Whether a metric is kept that no prefix fits.
    pub keeps_unnamed: bool,
    /// How long after its last change Prometheus is told of a metric; zero: it is told nothing.
    pub retention: Duration,
}

impl Default for Naming {
    /// The Serf agent's.
    fn default() -> Self {
        Naming {
            prefix: "serf-agent".to_owned(),
            host: None,
            allowed: Vec::new(),
            blocked: Vec::new(),
            keeps_unnamed: true,
            retention: Duration::ZERO,
        }
    }
}

impl Naming {
    /// Whether a metric is kept; the name is without the prefix.
    pub(super) fn keeps(&self, name: &str) -> bool {
        if self.allowed.is_empty() && self.blocked.is_empty() {
            return self.keeps_unnamed;
        }
        let fits = |wanted: &&String| {
            let rest = match wanted.strip_prefix(&self.prefix) {
                Some(rest) => rest,
                // Shorter than the prefix: it fits everything or nothing.
                None => return self.prefix.starts_with(wanted.as_str()),
            };
            match rest.strip_prefix('.') {
                Some(rest) => name.starts_with(rest),
                None => rest.is_empty(),
            }
        };
        let longest = |prefixes: &[String]| prefixes.iter().filter(fits).map(String::len).max();
        match (longest(&self.allowed), longest(&self.blocked)) {
            (None, None) => self.keeps_unnamed,
            (allowed, blocked) => allowed > blocked,
        }
    }

    /// The whole name of a gauge.
    pub(super) fn gauge(&self, name: &str) -> String {
        match &self.host {
            Some(host) => format!("{}.{}.{name}", self.prefix, clean(host)),
            None => format!("{}.{name}", self.prefix),
        }
    }
}

/// One metric: its name without the prefix, and its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) labels: Labels,
}

impl Key {
    /// The name for a sink, which knows no labels: their values are further parts.
    pub(super) fn flat(&self, prefix: &str) -> String {
        flat(format!("{prefix}.{}", self.name), &self.labels)
    }

    /// What is counted instead where there are too many: one name for all that differ in their
    /// last part or in their labels.
    pub(super) fn other(&self) -> Self {
        let name = match self.name.rsplit_once('.') {
            Some((front, _)) => format!("{front}.other"),
            None => "other".to_owned(),
        };
        Key { name, labels: Labels::default() }
    }
}

/// A name with the values of its labels.
pub(super) fn flat(mut name: String, labels: &Labels) -> String {
    for (_, value) in labels.iter() {
        name.push('.');
        name.push_str(value);
    }
    // Colons would end the name on its way.
    clean(&name).replace(':', "_")
}

/// By what metrics are sorted where they are listed.
pub(super) fn sort_key(name: &str, labels: &Labels) -> String {
    let mut key = name.to_owned();
    for (label, value) in labels.iter() {
        // Writing to a string cannot fail.
        let _ = write!(key, ";{label}={value}");
    }
    key
}

/// White space and control characters would forge lines.
pub(super) fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}
