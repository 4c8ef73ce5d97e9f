//! Measurements: what a cluster of a certain size and certain settings does while it is quiet,
//! while events go round, and while members fail.
//!
//! ```text
//!  Plan ─▶ World, converged ─▶ warm-up │ quiet │ events │ failures │ until all is known
//!                                      └────────── Tally ──────────┘─▶ Measurement
//! ```
//!
//! `tribune simulate` shows one measurement; `examples/report` makes tables and charts of many.

pub mod chart;
mod footprint;
mod plan;
mod spread;
mod tally;
mod watch;

pub use footprint::footprint;
pub use plan::{Plan, PlanError, Slow, Trouble, limits};
pub use spread::Spread;
pub use tally::{Failure, FalseAlarms, Reach, Slice};
pub use watch::{Measurement, Rate, measure};
