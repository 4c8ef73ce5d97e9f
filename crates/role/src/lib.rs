//! The floating role: one member of a cluster holds it, and another takes over when that one is
//! gone. A machine without I/O.
//!
//! Every participant says three things about itself in a tag that gossip spreads anyway: its
//! priority, whether it is eligible, and its *claim*, a Lamport number that is zero while it does
//! not hold the role. From these each member decides for itself:
//!
//! ```text
//!            no live holder, I am first in order,        my claim has stood
//!            my side has the quorum                      for one settling time
//!  Standby ───────────────────────────────▶ Claiming ───────────────────────▶ Holding
//!     ▲  ▲                                     │                               │   ▲
//!     │  └──── a newer claim, not eligible ────┘                 I was paused  │   │ still the
//!     └─────── a newer claim, not eligible, no quorum, resigned ───────────────┤   │ newest claim
//!     └─────── a newer claim ──────────────── Doubting ◀───────────────────────┘   │
//!                                                └─────────────────────────────────┘
//! ```
//!
//! The order among candidates is priority (higher first), then name. It counts only while no live
//! holder is known, or where `preempt` is set: the role never moves back by itself otherwise.
//! Between two claims the higher number wins, then the priority, then the name, so that two holders
//! that meet after a partition agree at once on who gives up.
//!
//! What this guarantees, and what it does not:
//!
//! * [`Quorum::None`]: the survivors always serve. Under a partition there may be one holder on
//!   each side; after healing there is one as soon as the claims have met.
//! * [`Quorum::Majority`]: a holder that does not see more than half of the participants releases,
//!   and nobody takes over without them. Two holders are still possible for as long as the old one
//!   has not noticed that it is cut off, since nothing here is a consensus.

mod claim;
mod election;
mod machine;
mod seat;

pub use claim::Record;
pub use machine::{
    Config, Fact, HANDOVER, Input, Output, Quorum, REACH_INTERVAL, REACH_MEMBERS, Reason,
    RoleMachine, Timing,
};
pub use seat::{Seat, Words};
