//! Many values in three.

use std::time::Duration;

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub low: f64,
    /// The one in the middle.
    pub median: f64,
    /// Their sum over their count.
    pub mean: f64,
    /// The largest.
    pub high: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// Of these values; None if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let count = values.len();
        Some(Spread {
            low: *values.first()?,
            median: (values[(count - 1) / 2] + values[count / 2]) / 2.0,
            mean: values.iter().sum::<f64>() / count as f64,
            high: *values.last()?,
            count,
        })
    }

    /// Of these times, in seconds.
    pub fn of_times(times: impl IntoIterator<Item = Duration>) -> Option<Spread> {
        Spread::of(times.into_iter().map(|time| time.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_is_between() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        let expected = Spread { low: 1.0, median: 2.5, mean: 2.5, high: 4.0, count: 4 };
        assert_eq!(spread, Some(expected));
        assert_eq!(Spread::of([7.0]).map(|spread| spread.median), Some(7.0));
        assert_eq!(Spread::of([]), None);
    }
}
