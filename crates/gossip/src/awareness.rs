//! Lifeguard's local health: how far this member trusts itself.

use std::time::Duration;

/// A score from 0 (healthy) upwards. Whoever misses answers it should have got becomes slower to
/// accuse others.
#[derive(Clone, Debug)]
pub(crate) struct Awareness {
    score: u32,
    limit: u32,
}

impl Awareness {
    /// A healthy one that stays below `limit`.
    pub(crate) fn new(limit: u32) -> Self {
        Awareness { score: 0, limit: limit.max(1) }
    }

    pub(crate) fn score(&self) -> u32 {
        self.score
    }

    /// Adds `change`, within the limits. True if the score is another now.
    pub(crate) fn change(&mut self, change: i32) -> bool {
        let before = self.score;
        self.score = self.score.saturating_add_signed(change).min(self.limit - 1);
        self.score != before
    }

    /// The total time of a probe. The wait for its direct answer is never scaled.
    pub(crate) fn scale(&self, interval: Duration) -> Duration {
        interval.saturating_mul(self.score.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_stays_between_zero_and_the_limit() {
        let mut awareness = Awareness::new(8);
        assert!(!awareness.change(-1));
        assert!(awareness.change(1));
        assert_eq!(awareness.scale(Duration::from_secs(1)), Duration::from_secs(2));
        assert!(awareness.change(100));
        assert_eq!(awareness.score(), 7);
        assert!(!awareness.change(1));
        assert!(awareness.change(i32::MIN));
        assert_eq!(awareness.score(), 0);
        assert_eq!(awareness.scale(Duration::from_secs(1)), Duration::from_secs(1));
    }
}
