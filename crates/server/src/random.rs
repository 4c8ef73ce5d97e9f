//! Chance, from the operating system.

use std::time::Duration;

use catalog::Uuid;

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness once it runs");
    bytes
}

/// An identity that nobody has.
pub(crate) fn uuid() -> Uuid {
    Uuid::from_bytes(bytes())
}

/// A length of time below a bound; zero if the bound is.
pub(crate) fn below(bound: Duration) -> Duration {
    let share = u32::from_be_bytes(bytes());
    bound.mul_f64(f64::from(share) / (f64::from(u32::MAX) + 1.0))
}

/// The identity of a question.
pub(crate) fn identity() -> [u8; 2] {
    bytes()
}

/// The seed of a generator.
pub(crate) fn seed() -> [u8; 32] {
    bytes()
}
