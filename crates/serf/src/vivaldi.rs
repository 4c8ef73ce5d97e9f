//! Vivaldi network coordinates with height and adjustment: places in a space where distance is
//! latency. Specification "Gossip wire protocol and behaviour", B14; the method is that of
//! Dabek et al., *Vivaldi: A Decentralized Network Coordinate System* (2004), the adjustment that
//! of Lee et al., *On Suitability of Euclidean Embedding for Internet Hosts* (2006).

use std::time::Duration;

use rand::Rng;
use wire::message::Coordinate;

/// Dimensions of the space.
const DIMENSIONS: usize = 8;
/// Initial and largest error.
const ERROR_MAX: f64 = 1.5;
/// How fast the error follows a measurement.
const ERROR_GAIN: f64 = 0.25;
/// How far a measurement moves us.
const FORCE_GAIN: f64 = 0.25;
/// Measurements that the adjustment averages over.
const ADJUSTMENT_WINDOW: usize = 20;
/// Smallest and initial height.
const HEIGHT_MIN: f64 = 1.0e-5;
/// Measurements of one peer that the median is taken of.
const LATENCY_SAMPLES: usize = 3;
/// The pull towards the origin is the square of (distance / this).
const GRAVITY_RHO: f64 = 150.0;
/// What counts as no distance.
const ZERO: f64 = 1.0e-6;
/// Longest round trip that is believed.
const RTT_MAX: Duration = Duration::from_secs(10);

/// The origin, unsure: where a member starts.
pub(crate) fn fresh() -> Coordinate {
    Coordinate { vec: vec![0.0; DIMENSIONS], error: ERROR_MAX, adjustment: 0.0, height: HEIGHT_MIN }
}

/// Estimated round trip between two places; zero where a place makes no sense.
pub fn distance(a: &Coordinate, b: &Coordinate) -> Duration {
    let raw = raw_distance(a, b);
    let adjusted = raw + a.adjustment + b.adjustment;
    let seconds = if adjusted > 0.0 { adjusted } else { raw };
    // The cast truncates and saturates: that is the peers' arithmetic, without its overflow.
    Duration::from_nanos((seconds * 1.0e9) as u64)
}

fn raw_distance(a: &Coordinate, b: &Coordinate) -> f64 {
    let components = a.vec.iter().zip(&b.vec);
    magnitude(components.map(|(a, b)| a - b)) + a.height + b.height
}

fn is_finite(place: &Coordinate) -> bool {
    let others = [&place.error, &place.adjustment, &place.height];
    place.vec.iter().chain(others).all(|x| x.is_finite())
}

/// Moves `place` by `force` seconds away from `other`.
fn push(place: &mut Coordinate, force: f64, other: &Coordinate, rng: &mut impl Rng) {
    let (unit, distance) = unit_vector(&place.vec, &other.vec, rng);
    for (component, unit) in place.vec.iter_mut().zip(unit) {
        *component += unit * force;
    }
    if distance > ZERO {
        place.height =
            HEIGHT_MIN.max((place.height + other.height) * force / distance + place.height);
    }
}

/// Why a measurement was refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("its coordinate has {0} dimensions instead of {DIMENSIONS}")]
    Dimensions(usize),
    #[error("its coordinate is not finite")]
    NotFinite,
    #[error("the round trip of {0:?} is longer than {RTT_MAX:?}")]
    RoundTrip(Duration),
}

/// Our own place, and how it follows measurements.
#[derive(Debug)]
pub(crate) struct Vivaldi {
    coordinate: Coordinate,
    adjustments: [f64; ADJUSTMENT_WINDOW],
    next_adjustment: usize,
    resets: usize,
}

/// The last round trips to one member, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latencies {
    last: [f64; LATENCY_SAMPLES],
    taken: usize,
}

impl Latencies {
    /// Takes one in; gives the median of the last ones.
    fn take(&mut self, rtt: f64) -> f64 {
        self.last[self.taken % LATENCY_SAMPLES] = rtt;
        self.taken += 1;
        let mut sorted = self.last;
        let sorted = &mut sorted[..self.taken.min(LATENCY_SAMPLES)];
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

impl Vivaldi {
    pub(crate) fn new() -> Self {
        Vivaldi {
            coordinate: fresh(),
            adjustments: [0.0; ADJUSTMENT_WINDOW],
            next_adjustment: 0,
            resets: 0,
        }
    }

    pub(crate) fn coordinate(&self) -> &Coordinate {
        &self.coordinate
    }

    /// How often the own place had to be thrown away.
    pub(crate) fn resets(&self) -> usize {
        self.resets
    }

    /// Takes in one measured round trip to a member that is at `other`.
    pub(crate) fn update(
        &mut self,
        latencies: &mut Latencies,
        other: &Coordinate,
        rtt: Duration,
        rng: &mut impl Rng,
    ) -> Result<(), Rejection> {
        if other.vec.len() != DIMENSIONS {
            return Err(Rejection::Dimensions(other.vec.len()));
        }
        if !is_finite(other) {
            return Err(Rejection::NotFinite);
        }
        if rtt > RTT_MAX {
            return Err(Rejection::RoundTrip(rtt));
        }
        let rtt = latencies.take(rtt.as_secs_f64());
        self.follow(other, rtt, rng);
        self.adjust(other, rtt);
        self.gravitate(rng);
        if !is_finite(&self.coordinate) {
            self.coordinate = fresh();
            self.resets += 1;
        }
        Ok(())
    }

    fn follow(&mut self, other: &Coordinate, rtt: f64, rng: &mut impl Rng) {
        let estimate = distance(&self.coordinate, other).as_secs_f64();
        let rtt = rtt.max(ZERO);
        let wrongness = (estimate - rtt).abs() / rtt;
        let total = (self.coordinate.error + other.error).max(ZERO);
        let weight = self.coordinate.error / total;
        self.coordinate.error = ERROR_MAX.min(
            ERROR_GAIN * weight * wrongness + self.coordinate.error * (1.0 - ERROR_GAIN * weight),
        );
        push(&mut self.coordinate, FORCE_GAIN * weight * (rtt - estimate), other, rng);
    }

    fn adjust(&mut self, other: &Coordinate, rtt: f64) {
        if let Some(slot) = self.adjustments.get_mut(self.next_adjustment) {
            *slot = rtt - raw_distance(&self.coordinate, other);
        }
        self.next_adjustment = (self.next_adjustment + 1) % ADJUSTMENT_WINDOW;
        let sum: f64 = self.adjustments.iter().sum();
        self.coordinate.adjustment = sum / (2.0 * ADJUSTMENT_WINDOW as f64);
    }

    fn gravitate(&mut self, rng: &mut impl Rng) {
        let origin = fresh();
        let away = distance(&origin, &self.coordinate).as_secs_f64();
        let force = -(away / GRAVITY_RHO).powi(2);
        push(&mut self.coordinate, force, &origin, rng);
    }
}

fn magnitude(vector: impl Iterator<Item = f64>) -> f64 {
    vector.map(|x| x * x).sum::<f64>().sqrt()
}

/// The direction from `from` to `to` and how far that is; a random direction and zero where the
/// two are the same place.
fn unit_vector(to: &[f64], from: &[f64], rng: &mut impl Rng) -> ([f64; DIMENSIONS], f64) {
    let mut vector = [0.0; DIMENSIONS];
    for (component, (to, from)) in vector.iter_mut().zip(to.iter().zip(from)) {
        *component = to - from;
    }
    let distance = magnitude(vector.iter().copied());
    if distance > ZERO {
        vector.iter_mut().for_each(|x| *x /= distance);
        return (vector, distance);
    }
    vector.iter_mut().for_each(|x| *x = rng.random::<f64>() - 0.5);
    let length = magnitude(vector.iter().copied());
    if length > ZERO {
        vector.iter_mut().for_each(|x| *x /= length);
        return (vector, 0.0);
    }
    vector.fill(0.0);
    if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
    (vector, 0.0)
}

#[cfg(test)]
mod tests;
