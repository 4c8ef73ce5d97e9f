//! `serf version`.

use crate::output::say;

/// The Serf whose behaviour this program has; scripts compare it.
const SERF_LEVEL: &str = "0.8.2-dev";

/// Newest and oldest agent protocol.
const PROTOCOLS: &str = "Agent Protocol: 5 (Understands back to: 2)";

pub(crate) fn run() -> i32 {
    say(SERF_LEVEL);
    say(PROTOCOLS);
    say(concat!("Tribune ", env!("CARGO_PKG_VERSION")));
    0
}
