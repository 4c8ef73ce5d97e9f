//! A deterministic world of Serf members.
//!
//! The very machines that the agent drives, thousands of them, in one thread and under virtual
//! time. One `u64` decides everything: topology, latencies, loss, clocks, faults, work.
//!
//! ```text
//!  seed ─▶ Scenario ─▶ World { hosts: serf::Serf, clock, disk │ network │ agenda }
//!             │          │ observations                    ▲
//!             │          ▼                                 │ actions
//!             └──────▶ Run: chaos ─▶ heal ─▶ agreement ─▶ epilogue ─▶ quiet
//!                        │
//!                        ▼
//!                      check::*  (one file each)
//! ```
//!
//! [`run::run`] plays one seed and says what it saw, or what was violated; a failing seed is
//! replayed with a readable trace by the one command that it prints.
//!
//! [`measure::measure`] watches a cluster that begins converged, and says what it does and takes.
//!
//! What this is not: a model. There is no second implementation of anything; streams are the
//! only simplification (whole messages that arrive or fail, instead of segments).

mod action;
mod agenda;
mod chance;
pub mod check;
mod clock;
mod converged;
mod disk;
mod host;
pub mod measure;
mod network;
mod observation;
mod old_agent;
mod role;
pub mod run;
mod scenario;
mod story;
mod streams;
mod trace;
mod world;

pub use action::{Action, Deeds, Tally};
pub use host::{Habits, Host, HostId, HostPlan, Process};
pub use network::{Jitter, Network, Weather};
pub use observation::{Observation, What};
pub use role::RolePlan;
pub use scenario::Scenario;
pub use trace::{Stamp, Trace};
pub use world::{Traffic, Watch, World, WorldOptions};
