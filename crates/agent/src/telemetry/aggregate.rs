//! Many values as few numbers, and how Go shows them.

use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};

/// Count, sum and spread of the values of one name in one interval.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    count: u64,
    sum: f64,
    sum_of_squares: f64,
    min: f64,
    max: f64,
    /// Wall clock, and time since the start.
    updated: (SystemTime, Duration),
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
        }
    }
}

impl Aggregate {
    pub(super) fn add(&mut self, value: f64, since_start: Duration) {
        self.count += 1;
        self.sum += value;
        self.sum_of_squares += value * value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.updated = (SystemTime::now(), since_start);
    }

    /// Of the sample.
    fn standard_deviation(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let count = self.count as f64;
        let spread = count * self.sum_of_squares - self.sum * self.sum;
        (spread.max(0.0) / (count * (count - 1.0))).sqrt()
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deviation = self.standard_deviation();
        write!(f, "Count: {} ", self.count)?;
        if deviation != 0.0 {
            let mean = self.sum / self.count as f64;
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

/// A time since 1970 as Go prints it: `2026-11-22 12:19:59.69631395 +0000 UTC`.
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
