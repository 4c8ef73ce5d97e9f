//! Metrics: kept for a minute for the dump on SIGUSR1, and sent to statsd or statsite.
//!
//! Without a sink nothing here ever wakes the agent: intervals are turned over by whoever counts
//! next, and gauges are read when a dump is asked for. Specification "Serf agent", section 10.

mod aggregate;
mod sink;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aggregate::Aggregate;
pub(crate) use sink::{Sinks, run};

/// Length of one interval.
const INTERVAL: Duration = Duration::from_secs(10);

/// Intervals kept: a minute's.
const INTERVALS: usize = 6;

/// Different names counted in one interval. Names of events and queries come from other members;
/// above this, new names are counted under their last part `other`.
const NAMES_PER_INTERVAL: usize = 512;

/// The handle by which everybody counts. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    started: Instant,
    /// Second part of the names of gauges; set where there is a sink.
    host: Option<String>,
    intervals: VecDeque<Interval>,
    pending: Option<sink::Pending>,
}

struct Interval {
    /// In seconds since 1970.
    start: u64,
    counters: BTreeMap<String, Aggregate>,
    samples: BTreeMap<String, Aggregate>,
}

/// A value that is read when it is wanted.
pub(crate) type Gauge = (&'static str, f64);

impl Metrics {
    /// Metrics that are only kept.
    pub fn new() -> Self {
        let inner = Inner {
            started: Instant::now(),
            host: None,
            intervals: VecDeque::new(),
            pending: None,
        };
        Metrics { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Counts `amount` under a name without the leading `serf-agent.`.
    pub fn count(&self, name: &str, amount: usize) {
        self.inner().add(Kind::Counter, name, amount as f64);
    }

    /// Notes a sample: bytes, a length, or the milliseconds of [`Metrics::time`].
    pub fn sample(&self, name: &str, value: f64) {
        self.inner().add(Kind::Sample, name, value);
    }

    /// Notes how long something took, in milliseconds.
    pub fn time(&self, name: &str, took: Duration) {
        self.sample(name, took.as_secs_f64() * 1000.0);
    }

    /// What the last minute brought, as text for the operator.
    pub fn dump(&self, gauges: &[Gauge]) -> String {
        self.inner().dump(gauges)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whatever panicked left numbers behind, at worst old ones.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Sample,
}

impl Inner {
    fn add(&mut self, kind: Kind, name: &str, value: f64) {
        let name = clean(name);
        if let Some(pending) = &mut self.pending {
            let letters = if kind == Kind::Counter { "c" } else { "ms" };
            pending.push(&format!("serf-agent.{name}:{value:.6}|{letters}\n"));
        }
        let started = self.started;
        let interval = self.interval();
        let full = interval.counters.len() + interval.samples.len() >= NAMES_PER_INTERVAL;
        let table = match kind {
            Kind::Counter => &mut interval.counters,
            Kind::Sample => &mut interval.samples,
        };
        let name = if full && !table.contains_key(&name) { other(&name) } else { name };
        table.entry(name).or_default().add(value, started.elapsed());
    }

    /// The interval of now; turns over what is older than a minute.
    fn interval(&mut self) -> &mut Interval {
        let seconds = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let start = seconds - seconds % INTERVAL.as_secs();
        if self.intervals.back().is_none_or(|last| last.start != start) {
            if self.intervals.len() == INTERVALS {
                self.intervals.pop_front();
            }
            let (counters, samples) = (BTreeMap::new(), BTreeMap::new());
            self.intervals.push_back(Interval { start, counters, samples });
        }
        self.intervals.back_mut().expect("one was pushed if there was none")
    }

    fn dump(&mut self, gauges: &[Gauge]) -> String {
        self.interval();
        let mut text = String::new();
        let newest = self.intervals.len() - 1;
        let oldest_shown = self.intervals[newest]
            .start
            .saturating_sub(INTERVAL.as_secs() * (INTERVALS as u64 - 1));
        for (index, interval) in self.intervals.iter().enumerate() {
            if interval.start < oldest_shown {
                continue;
            }
            let start = aggregate::go_time(Duration::from_secs(interval.start));
            // Writing to a string cannot fail.
            if index == newest {
                for gauge in gauges {
                    let name = self.gauge_name(gauge.0);
                    let _ = writeln!(text, "[{start}][G] '{name}': {:.3}", gauge.1);
                }
            }
            for (letter, table) in [("C", &interval.counters), ("S", &interval.samples)] {
                for (name, aggregate) in table {
                    let _ = writeln!(text, "[{start}][{letter}] 'serf-agent.{name}': {aggregate}");
                }
            }
        }
        text
    }

    fn gauge_name(&self, name: &str) -> String {
        match &self.host {
            Some(host) => format!("serf-agent.{}.{name}", clean(host)),
            None => format!("serf-agent.{name}"),
        }
    }
}

/// Spaces and colons would end a name on its way to a sink; other white space and control
/// characters would forge lines.
fn clean(name: &str) -> String {
    name.chars()
        .map(|c| if c == ':' || c.is_whitespace() || c.is_control() { '_' } else { c })
        .collect()
}

fn other(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((front, _)) => format!("{front}.other"),
        None => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests;
