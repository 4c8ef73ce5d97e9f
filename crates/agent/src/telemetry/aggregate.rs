//! Many values as few numbers, and how Go shows them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};

/// Count, sum and spread of the values of one name in one interval.
#[derive(Clone, Debug)]
pub struct Aggregate {
    count: u64,
    sum: f64,
    sum_of_squares: f64,
    min: f64,
    max: f64,
    /// Wall clock, and time since the start.
    updated: (SystemTime, Duration),
    spread: Spread,
}

/// How many values fell into each class. A class is an eighth of a power of two, so what is read
/// from it is wrong by less than 7 %.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    classes: BTreeMap<u32, u64>,
    count: u64,
}

/// Bits of a number that its class does not see.
const SHIFT: u32 = f32::MANTISSA_DIGITS - 1 - 3;

impl Spread {
    fn add(&mut self, value: f64) {
        // Of positive numbers the bits grow with the value.
        let class = (value.max(0.0) as f32).to_bits() >> SHIFT;
        *self.classes.entry(class).or_default() += 1;
        self.count += 1;
    }

    pub(super) fn merge(&mut self, other: &Spread) {
        for (class, count) in &other.classes {
            *self.classes.entry(*class).or_default() += count;
        }
        self.count += other.count;
    }

    /// The value that a part of all values does not exceed; `None` without values.
    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = ((self.count as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let class = self.classes.iter().find_map(|(class, count)| {
            seen += count;
            (seen >= wanted).then_some(*class)
        })?;
        let bound = |class: u32| f64::from(f32::from_bits(class << SHIFT));
        Some(if class == 0 { 0.0 } else { f64::midpoint(bound(class), bound(class + 1)) })
    }
}

impl Default for Aggregate {
    fn default() -> Self {
        Aggregate {
            count: 0,
            sum: 0.0,
            sum_of_squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            updated: (SystemTime::UNIX_EPOCH, Duration::ZERO),
            spread: Spread::default(),
        }
    }
}

impl Aggregate {
    /// `spread`: whether quantiles will be asked for.
    pub(super) fn add(&mut self, value: f64, now: (SystemTime, Duration), spread: bool) {
        self.count += 1;
        self.sum += value;
        self.sum_of_squares += value * value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.updated = now;
        if spread {
            self.spread.add(value);
        }
    }

    /// How many values there were; at least 1 wherever there is a row.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The least.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The greatest.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// Their mean; 0 without values.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// Of the sample; 0 for less than two values.
    pub fn standard_deviation(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let count = self.count as f64;
        let spread = count * self.sum_of_squares - self.sum * self.sum;
        (spread.max(0.0) / (count * (count - 1.0))).sqrt()
    }

    pub(super) fn spread(&self) -> &Spread {
        &self.spread
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deviation = self.standard_deviation();
        write!(f, "Count: {} ", self.count)?;
        if deviation != 0.0 {
            let mean = self.mean();
            write!(
                f,
                "Min: {:.3} Mean: {mean:.3} Max: {:.3} Stddev: {deviation:.3} ",
                self.min, self.max
            )?;
        }
        let (wall, since_start) = self.updated;
        let wall = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        write!(
            f,
            "Sum: {:.3} LastUpdated: {} m=+{:.9}",
            self.sum,
            go_time(wall),
            since_start.as_secs_f64()
        )
    }
}

/// A time since 1970 as Go prints it, in the zone of this machine:
/// `2026-11-22 12:19:59.69631395 +0000 UTC`.
pub(super) fn go_time(since_1970: Duration) -> String {
    let time: DateTime<Local> = (SystemTime::UNIX_EPOCH + since_1970).into();
    let fraction = format!("{:09}", since_1970.subsec_nanos());
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let offset = time.format("%z").to_string();
    // Only the offset is known here, not what people call the zone.
    let zone = if offset == "+0000" { "UTC" } else { &offset };
    format!("{}{dot}{fraction} {offset} {zone}", time.format("%Y-%m-%d %H:%M:%S"))
}
