//! The tribune binary.
fn main() {}
