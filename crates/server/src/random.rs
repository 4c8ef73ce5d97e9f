//! Chance, from the operating system. Every write and everybody who waits needs some: it is asked
//! for in larger pieces.

use std::cell::RefCell;
use std::time::Duration;

use catalog::Uuid;

/// What was asked for and is not yet used.
struct Stock {
    bytes: [u8; 256],
    left: usize,
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; 256], left: 0 }) };
}

impl Stock {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 256) };
        if self.left < N {
            getrandom::fill(&mut self.bytes).expect("the system has randomness once it runs");
            self.left = self.bytes.len();
        }
        self.left -= N;
        let mut taken = [0; N];
        // Nobody finds in memory later what was handed out.
        taken.swap_with_slice(&mut self.bytes[self.left..self.left + N]);
        taken
    }
}

fn bytes<const N: usize>() -> [u8; N] {
    STOCK.with_borrow_mut(Stock::take)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nothing_is_handed_out_twice() {
        let ids: BTreeSet<_> = (0..1000).map(|_| uuid()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
