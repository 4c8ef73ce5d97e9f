//! Metrics as Prometheus reads them: its text form, version 0.0.4.
//!
//! Counters and the sums of samples go on for as long as the process lives; the quantiles of
//! samples are of the current interval and the one before.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use super::aggregate::Spread;
use super::key::{Key, Labels};
use super::{Entered, Gauge, INTERVAL, Inner, Kind, interval_start};

/// The quantiles that are shown of samples.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// What a metric came to since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    count: u64,
    sum: f64,
    /// Since the start; `None`: never counted.
    updated: Option<Duration>,
}

impl Total {
    pub(super) fn add(&mut self, value: f64, now: Duration) {
        self.count += 1;
        self.sum += value;
        self.updated = Some(now);
    }

    /// Whether it is still told.
    pub(super) fn is_fresh(&self, now: Duration, retention: Duration) -> bool {
        self.updated.is_none_or(|updated| now.saturating_sub(updated) <= retention)
    }
}

/// The lines of one name: what it is, and each of its series.
struct Family {
    kind: &'static str,
    lines: String,
}

pub(super) fn text(inner: &mut Inner, gauges: &[Gauge]) -> String {
    let retention = inner.naming.retention;
    if retention.is_zero() {
        return String::new();
    }
    let now = inner.started.elapsed();
    inner.totals.retain(|_, total| total.is_fresh(now, retention));
    let spreads = spreads(inner);
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for gauge in inner.gauge_rows(gauges) {
        let lines = family(&mut families, &gauge.name, "gauge");
        line(lines, &name(&gauge.name), &gauge.labels, None, gauge.value);
    }
    // A sample that never was has nothing to tell, unless it was announced; a counter is at 0.
    let tells = |entered: &&Entered| {
        entered.kept
            && (entered.kind == Kind::Counter || entered.is_announced || entered.total.count > 0)
    };
    let entered = inner.entered.iter().filter(tells);
    // What is told from the start is told to the end, or `absent()` and `rate()` would misfire.
    let stays = |entered: &Entered| entered.kind == Kind::Counter || entered.is_announced;
    let entered =
        entered.filter(|entered| stays(entered) || entered.total.is_fresh(now, retention));
    let entered = entered.map(|entered| (entered.kind, &entered.key, entered.total));
    let named = inner.totals.iter().map(|((kind, key), total)| (*kind, key, *total));
    for (kind, key, total) in entered.chain(named) {
        let whole = format!("{}.{}", inner.naming.prefix, key.name);
        let shown = name(&whole);
        match kind {
            Kind::Counter => {
                let lines = family(&mut families, &whole, "counter");
                line(lines, &shown, &key.labels, None, total.sum);
            }
            Kind::Sample => {
                let lines = family(&mut families, &whole, "summary");
                let spread = spreads.get(key);
                for part in QUANTILES {
                    let value = spread.and_then(|spread| spread.quantile(part));
                    let value = value.unwrap_or(f64::NAN);
                    line(lines, &shown, &key.labels, Some(part), value);
                }
                line(lines, &format!("{shown}_sum"), &key.labels, None, total.sum);
                line(lines, &format!("{shown}_count"), &key.labels, None, total.count as f64);
            }
        }
    }
    let mut text = String::new();
    for (name, Family { kind, lines }) in families {
        // Writing to a string cannot fail.
        let _ = write!(text, "# HELP {name} {name}\n# TYPE {name} {kind}\n{lines}");
    }
    text
}

/// How the samples of the last two intervals are spread.
fn spreads(inner: &Inner) -> BTreeMap<Key, Spread> {
    let since = interval_start(SystemTime::now()).saturating_sub(INTERVAL.as_secs());
    let mut spreads: BTreeMap<Key, Spread> = BTreeMap::new();
    for interval in inner.intervals.iter().filter(|interval| interval.start >= since) {
        let entered = interval.entered.iter().filter_map(|(number, aggregate)| {
            Some((&inner.entered.get(*number as usize)?.key, aggregate))
        });
        let named = interval.named.iter().map(|((_, key), aggregate)| (key, aggregate));
        for (key, aggregate) in entered.chain(named) {
            spreads.entry(key.clone()).or_default().merge(aggregate.spread());
        }
    }
    spreads
}

/// The lines of a name. One that is of two kinds is shown as the first: Prometheus would refuse
/// the whole text otherwise.
fn family<'a>(
    families: &'a mut BTreeMap<String, Family>,
    whole: &str,
    kind: &'static str,
) -> &'a mut String {
    let family = families.entry(name(whole)).or_insert(Family { kind, lines: String::new() });
    &mut family.lines
}

/// A name as Prometheus allows it.
fn name(whole: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    whole.chars().map(allowed).collect()
}

fn line(lines: &mut String, name: &str, labels: &Labels, quantile: Option<f64>, value: f64) {
    lines.push_str(name);
    let escaped =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
    let quantile = quantile.map(|part| format!("quantile=\"{part}\""));
    let pairs: Vec<String> = labels.chain(quantile).collect();
    if !pairs.is_empty() {
        let _ = write!(lines, "{{{}}}", pairs.join(","));
    }
    let _ = match value.is_nan() {
        true => writeln!(lines, " NaN"),
        false => writeln!(lines, " {value}"),
    };
}
