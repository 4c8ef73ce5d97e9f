//! Metrics: kept for a minute for whoever asks, and sent to statsd or statsite.
//!
//! Without a sink nothing here ever wakes the agent: intervals are turned over by whoever counts
//! next, and gauges are read when they are asked for. Specification "Serf agent", section 10.
//!
//! What is counted often is entered once, with [`Metrics::enter`], and counted by its number: no
//! name is made or compared. Everything else is counted by name.

mod aggregate;
mod key;
mod prometheus;
mod sink;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use aggregate::Aggregate;
use aggregate::go_time;
use key::{Key, clean};
pub use key::{Label, Labels, Naming};
use prometheus::Total;
pub use sink::{Sinks, run};

/// Length of one interval.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Intervals kept: a minute's.
const INTERVALS: usize = 6;

/// Different names counted in one interval, beside those that were entered. Names of events and
/// queries come from other members; above this, new names are counted as `other`.
const NAMES_PER_INTERVAL: usize = 512;

/// The handle by which everybody counts. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Mutex<Inner>>,
    /// Of everything that this handle enters, or counts by name.
    labels: Labels,
}

/// The number of a metric that was entered. It belongs to the [`Metrics`] that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series(u32);

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Amounts that add up.
    Counter,
    /// Bytes, lengths, or times in milliseconds.
    Sample,
}

struct Inner {
    started: Instant,
    naming: Naming,
    intervals: VecDeque<Interval>,
    entered: Vec<Entered>,
    /// What Prometheus is told of names that were not entered.
    totals: BTreeMap<(Kind, Key), Total>,
    /// Values that were set.
    set: BTreeMap<Key, f64>,
    pending: Option<sink::Pending>,
}

/// A metric that was entered.
struct Entered {
    kind: Kind,
    key: Key,
    kept: bool,
    /// Whether a sample is told before its first value.
    is_announced: bool,
    total: Total,
}

struct Interval {
    /// In seconds since 1970.
    start: u64,
    /// Of those that were entered, by their number.
    entered: BTreeMap<u32, Aggregate>,
    named: BTreeMap<(Kind, Key), Aggregate>,
}

/// A value that is read when it is wanted.
#[derive(Clone, Debug)]
pub struct Gauge {
    /// Without the prefix.
    pub name: &'static str,
    /// Its labels.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

impl Gauge {
    /// A gauge without labels.
    pub fn new(name: &'static str, value: f64) -> Self {
        Self { name, labels: Labels::default(), value }
    }
}

/// What one interval brought; each list is sorted by name and labels.
#[derive(Clone, Debug)]
pub struct Summary {
    /// When it began, in seconds since 1970.
    pub start: u64,
    /// The gauges, with their whole names.
    pub gauges: Vec<Row<f64>>,
    /// The counters.
    pub counters: Vec<Row<Aggregate>>,
    /// The samples.
    pub samples: Vec<Row<Aggregate>>,
}

/// One metric of a [`Summary`].
#[derive(Clone, Debug)]
pub struct Row<T> {
    /// The whole name.
    pub name: String,
    /// The labels.
    pub labels: Labels,
    /// What it came to.
    pub value: T,
}

impl Metrics {
    /// Metrics named as the Serf agent names them, and only kept.
    pub fn new() -> Self {
        Self::named(Naming::default())
    }

    /// Metrics with other names.
    pub fn named(naming: Naming) -> Self {
        let inner = Inner {
            started: Instant::now(),
            naming,
            intervals: VecDeque::new(),
            entered: Vec::new(),
            totals: BTreeMap::new(),
            set: BTreeMap::new(),
            pending: None,
        };
        Metrics { inner: Arc::new(Mutex::new(inner)), labels: Labels::default() }
    }

    /// A handle to the same metrics, whose names have labels.
    #[must_use]
    pub fn labelled(&self, labels: &[Label]) -> Self {
        Metrics { inner: Arc::clone(&self.inner), labels: labels.into() }
    }

    /// Enters a metric that will be counted often. Its name has no prefix yet, its labels come
    /// behind those of this handle.
    pub fn enter(&self, kind: Kind, name: &str, labels: &[Label]) -> Series {
        let mut inner = self.inner();
        let labels = self.labels.iter().chain(labels).cloned().collect();
        let key = Key { name: clean(name), labels };
        let kept = inner.naming.keeps(&key.name);
        let total = Total::default();
        inner.entered.push(Entered { kind, key, kept, is_announced: false, total });
        Series(u32::try_from(inner.entered.len() - 1).expect("the program enters few metrics"))
    }

    /// Enters a sample that Prometheus is told of before its first value, for dashboards that would
    /// otherwise miss it: without quantiles, and with a sum and a count of 0.
    pub fn announce(&self, name: &str, labels: &[Label]) -> Series {
        let series = self.enter(Kind::Sample, name, labels);
        if let Some(entered) = self.inner().entered.get_mut(series.0 as usize) {
            entered.is_announced = true;
        }
        series
    }

    /// Counts what was entered, all in one go: amounts of counters, values of samples.
    pub fn record(&self, values: impl IntoIterator<Item = (Series, f64)>) {
        let mut inner = self.inner();
        let when = inner.now();
        for (series, value) in values {
            inner.add_entered(when, series, value);
        }
    }

    /// Counts `amount` under a name without the prefix.
    pub fn count(&self, name: &str, amount: usize) {
        self.inner().add(Kind::Counter, name, &self.labels, amount as f64);
    }

    /// Notes a sample: bytes, a length, or the milliseconds of [`Metrics::time`].
    pub fn sample(&self, name: &str, value: f64) {
        self.inner().add(Kind::Sample, name, &self.labels, value);
    }

    /// Notes how long something took, in milliseconds.
    pub fn time(&self, name: &str, took: Duration) {
        self.sample(name, milliseconds(took));
    }

    /// Sets a gauge that nobody can read when it is wanted. Only for the few whose names are ours.
    pub fn gauge(&self, name: &str, value: f64) {
        let key = Key { name: clean(name), labels: Arc::clone(&self.labels) };
        self.inner().set.insert(key, value);
    }

    /// What the last minute brought, as text for the operator.
    pub fn dump(&self, gauges: &[Gauge]) -> String {
        self.inner().dump(gauges)
    }

    /// What the last finished interval brought; the first one while it is not finished.
    pub fn summary(&self, gauges: &[Gauge]) -> Summary {
        self.inner().summary(gauges)
    }

    /// Everything that was counted lately, in the text form of Prometheus. Empty unless
    /// [`Naming::retention`] is positive.
    pub fn prometheus(&self, gauges: &[Gauge]) -> String {
        prometheus::text(&mut self.inner(), gauges)
    }

    /// Keeps other metrics from now on: see the fields of the same names in [`Naming`].
    pub fn set_filter(&self, allowed: Vec<String>, blocked: Vec<String>) {
        let mut inner = self.inner();
        let Inner { naming, entered, .. } = &mut *inner;
        (naming.allowed, naming.blocked) = (allowed, blocked);
        for entered in entered {
            entered.kept = naming.keeps(&entered.key.name);
        }
    }

    /// Whether Prometheus is served, which is what a positive [`Naming::retention`] means.
    pub fn serves_prometheus(&self) -> bool {
        !self.inner().naming.retention.is_zero()
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

/// A time as samples have it.
pub fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// Wall clock, and time since the start.
type When = (SystemTime, Duration);

impl Inner {
    fn now(&self) -> When {
        (SystemTime::now(), self.started.elapsed())
    }

    fn add_entered(&mut self, when: When, series: Series, value: f64) {
        let spread = !self.naming.retention.is_zero();
        let Some(entered) = self.entered.get_mut(series.0 as usize) else { return };
        if !entered.kept {
            return;
        }
        entered.total.add(value, when.1);
        if let Some(pending) = &mut self.pending {
            let name = entered.key.flat(&self.naming.prefix);
            pending.push(&name, value, letters(entered.kind));
        }
        let kind = entered.kind;
        let interval = self.interval(when.0);
        let aggregate = interval.entered.entry(series.0).or_default();
        aggregate.add(value, when, spread && kind == Kind::Sample);
    }

    fn add(&mut self, kind: Kind, name: &str, labels: &Labels, value: f64) {
        let key = Key { name: clean(name), labels: Arc::clone(labels) };
        if !self.naming.keeps(&key.name) {
            return;
        }
        let when = self.now();
        if let Some(pending) = &mut self.pending {
            pending.push(&key.flat(&self.naming.prefix), value, letters(kind));
        }
        let retention = self.naming.retention;
        if !retention.is_zero() {
            let mut key = (kind, key.clone());
            if self.totals.len() >= NAMES_PER_INTERVAL && !self.totals.contains_key(&key) {
                self.totals.retain(|_, total| total.is_fresh(when.1, retention));
                if self.totals.len() >= NAMES_PER_INTERVAL {
                    key.1 = key.1.other();
                }
            }
            self.totals.entry(key).or_default().add(value, when.1);
        }
        let interval = self.interval(when.0);
        let mut key = (kind, key);
        if interval.named.len() >= NAMES_PER_INTERVAL && !interval.named.contains_key(&key) {
            key.1 = key.1.other();
        }
        let spread = !retention.is_zero() && kind == Kind::Sample;
        interval.named.entry(key).or_default().add(value, when, spread);
    }

    /// The interval of now; turns over what is older than a minute.
    fn interval(&mut self, now: SystemTime) -> &mut Interval {
        let start = interval_start(now);
        if self.intervals.back().is_none_or(|last| last.start != start) {
            if self.intervals.len() == INTERVALS {
                self.intervals.pop_front();
            }
            let (entered, named) = (BTreeMap::new(), BTreeMap::new());
            self.intervals.push_back(Interval { start, entered, named });
        }
        self.intervals.back_mut().expect("one was pushed if there was none")
    }

    /// What an interval has of a kind, under whole names.
    fn rows(&self, interval: &Interval, kind: Kind) -> Vec<Row<Aggregate>> {
        let entered = interval.entered.iter().filter_map(|(number, aggregate)| {
            let entered = self.entered.get(*number as usize)?;
            (entered.kind == kind).then_some((&entered.key, aggregate))
        });
        let named = interval.named.iter().filter(|((of, _), _)| *of == kind);
        let row = |(key, aggregate): (&Key, &Aggregate)| Row {
            name: format!("{}.{}", self.naming.prefix, key.name),
            labels: Arc::clone(&key.labels),
            value: aggregate.clone(),
        };
        let named = named.map(|((_, key), aggregate)| (key, aggregate));
        sorted(entered.chain(named).map(row).collect())
    }

    fn gauge_rows(&self, gauges: &[Gauge]) -> Vec<Row<f64>> {
        let read = gauges.iter().map(|gauge| (gauge.name, &gauge.labels, gauge.value));
        let set = self.set.iter().map(|(key, value)| (key.name.as_str(), &key.labels, *value));
        let kept = read.chain(set).filter(|(name, _, _)| self.naming.keeps(name));
        let row = |(name, labels, value): (&str, &Labels, f64)| Row {
            name: self.naming.gauge(name),
            labels: Arc::clone(labels),
            value,
        };
        sorted(kept.map(row).collect())
    }

    fn summary(&mut self, gauges: &[Gauge]) -> Summary {
        let now = SystemTime::now();
        let current = interval_start(now);
        let began = now.checked_sub(self.started.elapsed()).unwrap_or(now);
        let start = match interval_start(began) < current {
            true => current - INTERVAL.as_secs(),
            false => current,
        };
        let nothing = Interval { start, entered: BTreeMap::new(), named: BTreeMap::new() };
        let found = self.intervals.iter().find(|interval| interval.start == start);
        let interval = found.unwrap_or(&nothing);
        Summary {
            start,
            gauges: self.gauge_rows(gauges),
            counters: self.rows(interval, Kind::Counter),
            samples: self.rows(interval, Kind::Sample),
        }
    }

    fn dump(&mut self, gauges: &[Gauge]) -> String {
        self.interval(SystemTime::now());
        let mut text = String::new();
        let newest = self.intervals.len() - 1;
        let oldest_shown = self.intervals[newest]
            .start
            .saturating_sub(INTERVAL.as_secs() * (INTERVALS as u64 - 1));
        for (index, interval) in self.intervals.iter().enumerate() {
            if interval.start < oldest_shown {
                continue;
            }
            let start = go_time(Duration::from_secs(interval.start));
            // Writing to a string cannot fail.
            if index == newest {
                for gauge in self.gauge_rows(gauges) {
                    let _ = writeln!(text, "[{start}][G] '{}': {:.3}", gauge.name, gauge.value);
                }
            }
            for (letter, kind) in [("C", Kind::Counter), ("S", Kind::Sample)] {
                for row in self.rows(interval, kind) {
                    let _ = writeln!(text, "[{start}][{letter}] '{}': {}", row.name, row.value);
                }
            }
        }
        text
    }
}

fn sorted<T>(mut rows: Vec<Row<T>>) -> Vec<Row<T>> {
    rows.sort_by_cached_key(|row| key::sort_key(&row.name, &row.labels));
    rows
}

fn interval_start(now: SystemTime) -> u64 {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    seconds - seconds % INTERVAL.as_secs()
}

/// The type of a line to a sink.
fn letters(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "c",
        Kind::Sample => "ms",
    }
}

#[cfg(test)]
mod tests;
