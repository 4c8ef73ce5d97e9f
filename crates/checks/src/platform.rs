//! What depends on the operating system: groups of processes, pipes that a runtime can read.
//!
//! What only Unix has is `unix`, with `elsewhere` in its place on other systems.

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use elsewhere::*;
#[cfg(unix)]
pub(crate) use unix::*;
