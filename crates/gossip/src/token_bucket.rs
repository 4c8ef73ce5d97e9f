//! A limit on a rate.

use std::time::Duration;

use crate::Time;

/// Lets through `burst` at once, and one more each time `refill` has passed.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    burst: u32,
    refill: Duration,
    tokens: u32,
    /// Up to when refills are counted in `tokens`.
    counted: Time,
}

impl TokenBucket {
    /// A full one.
    pub(crate) fn new(burst: u32, refill: Duration, now: Time) -> Self {
        TokenBucket { burst, refill, tokens: burst, counted: now }
    }

    /// How many may pass now.
    pub(crate) fn available(&mut self, now: Time) -> u32 {
        let periods = now.since(self.counted).as_nanos() / self.refill.as_nanos().max(1);
        let earned = u32::try_from(periods).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(earned).min(self.burst);
        self.counted = if self.tokens == self.burst {
            now
        } else {
            self.counted + self.refill.saturating_mul(earned)
        };
        self.tokens
    }

    /// That many have passed.
    pub(crate) fn take(&mut self, count: u32) {
        self.tokens = self.tokens.saturating_sub(count);
    }

    /// Begins to wait for the next refill anew.
    pub(crate) fn hold_back(&mut self, now: Time) {
        self.counted = now;
    }

    /// When `count` may pass, as things stand after [`Self::available`].
    pub(crate) fn ready_at(&self, count: u32) -> Time {
        self.counted + self.refill.saturating_mul(count.saturating_sub(self.tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let ms = |ms| Time::ZERO + Duration::from_millis(ms);
        let mut bucket = TokenBucket::new(3, Duration::from_millis(10), ms(0));
        assert_eq!(bucket.available(ms(500)), 3);
        bucket.take(3);
        assert_eq!(bucket.available(ms(505)), 0);
        assert_eq!(bucket.ready_at(2), ms(520));
        assert_eq!(bucket.available(ms(519)), 1);
        assert_eq!(bucket.available(ms(520)), 2);
        assert_eq!(bucket.available(ms(100_000)), 3);
    }
}
