//! Network coordinates.

/// A place in the latency space. All in seconds, save for `error`.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate {
    /// The place itself.
    pub vector: Vec<f64>,
    /// How sure the place is, 1.5 (not at all) towards 0.
    pub error: f64,
    /// Learned from the difference of estimates and measurements.
    pub adjustment: f64,
    /// Distance from the core of the network, at least 1e-5.
    pub height: f64,
}
