//! What all binaries share: a limit on memory that is noticed where it is passed, not a second
//! later.

use std::alloc::System;

use cap::Cap;

/// Twice the largest message, and room for the corpus.
const MEMORY_BYTES: usize = 256 << 20;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, MEMORY_BYTES);

pub use fuzzing::*;
