//! What a simulation has shown, as text, as JSON and as a chart.

use std::time::Duration;

use gotext::Json;
use sim::measure::chart::{Axis, Chart, Point, Series, Style};
use sim::measure::{Failure, Measurement, Rate, Spread, footprint};

use super::{Wanted, shown};

/// A measurement and what it was made for.
pub(super) struct Forecast<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) measurement: &'a Measurement,
}

const DAY: f64 = 86_400.0;

impl Forecast<'_> {
    fn members(&self) -> usize {
        self.wanted.plan.members
    }

    /// What one member sends at the churn that was asked for.
    fn rate(&self) -> Rate {
        let failures_per_second = self.members() as f64 * self.wanted.churn_per_day / DAY;
        self.measurement.rate_at(failures_per_second)
    }

    fn times(&self, time: impl Fn(&Failure) -> Option<Duration>) -> Vec<Duration> {
        self.measurement.failures.iter().filter_map(time).collect()
    }

    fn reached(&self) -> Vec<Duration> {
        self.measurement.events.iter().filter_map(|event| event.everybody).collect()
    }

    /// How often a running member is declared failed in a day, in the whole cluster; where it
    /// never was, what is not exceeded in 19 of 20 runs that see none.
    fn false_per_day(&self) -> (bool, f64) {
        let days = self.measurement.watched.as_secs_f64() / DAY;
        match self.measurement.false_alarms.declared {
            0 => (false, 3.0 / days),
            count => (true, count as f64 / days),
        }
    }

    fn memory(&self) -> u64 {
        footprint(&self.wanted.plan.config, self.members())
    }

    pub(super) fn text(&self) -> String {
        let plan = &self.wanted.plan;
        let mut lines = vec![format!(
            "{} members, profile {}{}{}, {} of the datagrams lost, round trip {}, seed {}",
            plan.members,
            self.wanted.profile,
            if plan.key.is_some() { ", encrypted" } else { "" },
            if plan.compress { ", compressed" } else { "" },
            Percent(plan.loss),
            shown(plan.round_trip),
            plan.seed,
        )];
        lines.push(self.failures_line());
        lines.push(String::new());
        lines.push("Detection of a failure: median (slowest)".to_owned());
        let row = |name: &str, times: Vec<Duration>, all: usize| {
            format!("  {name:22}{}{}", quantiles(&times), missing(times.len(), all))
        };
        let failed = self.measurement.failures.len();
        lines.push(row("first suspected", self.times(|f| f.suspected), failed));
        lines.push(row("first declared failed", self.times(|f| f.declared), failed));
        lines.push(row("known to everybody", self.times(|f| f.everybody), failed));
        lines.push("Spreading of a user event: median (slowest)".to_owned());
        lines.push(row("known to everybody", self.reached(), self.measurement.events.len()));
        lines.push("False positives in the whole cluster".to_owned());
        lines.extend(self.false_lines());
        let received = if plan.loss > 0.0 { "what is not lost" } else { "as much" };
        lines.push(format!("Bandwidth of a node, sent ({received} is received)"));
        let rate = |name: &str, rate: &Rate| {
            format!("  {name:22}{:.0} B/s in {:.2} datagrams/s", rate.bytes, rate.datagrams)
        };
        lines.push(rate("quiet", &self.measurement.quiet));
        if self.wanted.churn_per_day > 0.0 {
            lines.push(rate("with the churn", &self.rate()));
        }
        let costs = [
            ("each failure, return", failed, self.measurement.per_failure),
            ("each user event", self.measurement.events.len(), self.measurement.per_event),
        ];
        for (name, _, cost) in costs.into_iter().filter(|(_, count, _)| *count > 0) {
            let cost = match cost {
                Some(Rate { bytes, datagrams, .. }) => {
                    format!("{bytes:.0} B in {datagrams:.1} datagrams")
                }
                None => "less than what the rest varies by".to_owned(),
            };
            lines.push(format!("  {name:22}{cost}"));
        }
        lines.push("Memory of a node".to_owned());
        let mebibytes = self.memory() as f64 / f64::from(1 << 20);
        lines.push(format!("  {:22}{mebibytes:.1} MiB", "estimate"));
        lines.join("\n")
    }

    fn failures_line(&self) -> String {
        let plan = &self.wanted.plan;
        let (failed, simulated) = (self.measurement.failures.len(), shown(plan.duration));
        let churn = format!("churn {} of the members a day", Percent(self.wanted.churn_per_day));
        let expected = plan.expected_failures(self.wanted.churn_per_day);
        let failures = if failed == 1 { "failure" } else { "failures" };
        if failed as f64 > expected * 1.5 {
            let expected = match expected {
                0.01.. => format!("{expected:.2}"),
                _ => "hardly any".to_owned(),
            };
            format!("{simulated} simulated; {churn}; {failed} {failures} instead of {expected}")
        } else {
            format!("{simulated} simulated; {churn}; {failed} {failures}")
        }
    }

    fn false_lines(&self) -> Vec<String> {
        let alarms = &self.measurement.false_alarms;
        let (seen, per_day) = self.false_per_day();
        let expected = if seen { "" } else { "fewer than " };
        vec![
            format!("  {:22}{} ({expected}{per_day:.0} a day)", "declared failed", alarms.declared),
            format!("  {:22}{}", "suspected", alarms.suspicions),
        ]
    }

    pub(super) fn json(&self) -> Json {
        let plan = &self.wanted.plan;
        let alarms = &self.measurement.false_alarms;
        let int = |value: u64| Json::Int(i64::try_from(value).unwrap_or(i64::MAX));
        let number = |value: f64| Json::Verbatim(value.to_string().into());
        let failed = self.measurement.failures.len();
        let times = |times: Vec<Duration>| {
            Json::record([
                ("count", int(times.len() as u64)),
                ("median_ms", milliseconds(&times, |spread| spread.median)),
                ("slowest_ms", milliseconds(&times, |spread| spread.high)),
            ])
        };
        let rate = |rate: &Rate| {
            Json::record([
                ("bytes_per_second", int(rate.bytes.round() as u64)),
                ("datagrams_per_minute", int((rate.datagrams * 60.0).round() as u64)),
            ])
        };
        let cost = |cost: Option<Rate>| match cost {
            None => Json::Null,
            Some(cost) => Json::record([
                ("bytes", int(cost.bytes.round() as u64)),
                ("datagrams", int(cost.datagrams.round() as u64)),
            ]),
        };
        let (seen, per_day) = self.false_per_day();
        Json::record([
            ("nodes", int(plan.members as u64)),
            ("profile", Json::text(self.wanted.profile.as_str())),
            ("seed", Json::Verbatim(plan.seed.to_string().into())),
            ("loss", number(plan.loss)),
            ("round_trip_ms", number(plan.round_trip.as_secs_f64() * 1000.0)),
            ("churn_per_day", number(self.wanted.churn_per_day)),
            ("encrypted", Json::Bool(plan.key.is_some())),
            ("compressed", Json::Bool(plan.compress)),
            ("simulated_seconds", int(plan.duration.as_secs())),
            ("failures", int(failed as u64)),
            (
                "detection",
                Json::record([
                    ("suspected", times(self.times(|failure| failure.suspected))),
                    ("declared", times(self.times(|failure| failure.declared))),
                    ("everybody", times(self.times(|failure| failure.everybody))),
                ]),
            ),
            ("events", int(self.measurement.events.len() as u64)),
            ("event_known_to_everybody", times(self.reached())),
            (
                "false_positives",
                Json::record([
                    ("declared", int(alarms.declared)),
                    ("suspected", int(alarms.suspicions)),
                    ("declared_per_day", int(per_day.ceil() as u64)),
                    ("declared_per_day_is_a_bound", Json::Bool(!seen)),
                ]),
            ),
            (
                "bandwidth",
                Json::record([
                    ("quiet", rate(&self.measurement.quiet)),
                    ("with_churn", rate(&self.rate())),
                    ("failure", cost(self.measurement.per_failure)),
                    ("event", cost(self.measurement.per_event)),
                ]),
            ),
            ("memory_bytes", int(self.memory())),
        ])
    }

    /// The bytes that a member sends over time, with what happened.
    pub(super) fn timeline(&self) -> Chart {
        let mut before = Duration::ZERO;
        let mut sent = Vec::new();
        let mut mistakes = Vec::new();
        for slice in &self.measurement.slices {
            let seconds = slice.until.saturating_sub(before).as_secs_f64();
            before = slice.until;
            let y = slice.bytes as f64 / seconds / self.members() as f64;
            let point = Point { x: slice.until.as_secs_f64(), y, range: None };
            sent.push(point);
            if slice.false_declared > 0 {
                mistakes.push(point);
            }
        }
        let plan = &self.wanted.plan;
        let mut series =
            vec![Series { name: "sent".to_owned(), points: sent, style: Style::Measured }];
        if !mistakes.is_empty() {
            let name = "a running member is declared failed".to_owned();
            series.push(Series { name, points: mistakes, style: Style::Points });
        }
        let axis = |label: &str| Axis { label: label.to_owned(), logarithmic: false };
        Chart {
            title: format!("{} members, {} lost", plan.members, Percent(plan.loss)),
            x: axis("seconds"),
            y: axis("bytes sent by one member in a second"),
            series,
            marks: self.measurement.failures.iter().map(|f| f.at.as_secs_f64()).collect(),
            marks_are: "a member fails".to_owned(),
        }
    }
}

/// A share as it is typed.
struct Percent(f64);

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.3}", self.0 * 100.0);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

fn quantiles(times: &[Duration]) -> String {
    match Spread::of_times(times.iter().copied()) {
        None => "not seen".to_owned(),
        Some(spread) => format!("{:.2}s ({:.2}s)", spread.median, spread.high),
    }
}

fn missing(seen: usize, all: usize) -> String {
    match all - seen {
        0 => String::new(),
        missing => format!(", {missing} of {all} not within the time"),
    }
}

fn milliseconds(times: &[Duration], part: impl Fn(&Spread) -> f64) -> Json {
    match Spread::of_times(times.iter().copied()) {
        None => Json::Null,
        Some(spread) => Json::Int((part(&spread) * 1000.0).round() as i64),
    }
}
