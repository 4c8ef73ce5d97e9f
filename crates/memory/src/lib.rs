//! Memory for programs that are linked to musl statically: its heap (`Heap`), and copying and
//! comparing under C's names, which takes the place of musl's own as soon as the program names this
//! crate. Elsewhere the crate is empty but for its tests.

#![cfg(any(target_env = "musl", test))]
#![allow(unsafe_code, reason = "memory is made of it")]

#[cfg(target_arch = "x86_64")]
mod copy;
mod heap;

pub use heap::{Heap, keep_freed};
