//! How slow a client may be.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::limits::{BODY_SILENCE, SNAPSHOT_RATE};

/// What was moved, and how long the client was waited for meanwhile.
#[derive(Default)]
pub(super) struct Pace {
    bytes: u64,
    waited: Duration,
}

impl Pace {
    /// Bytes came, or went.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Waits for the client, unless it is silent or has been slow for too long.
    pub(super) async fn keep<T>(&mut self, client: impl Future<Output = T>) -> Option<T> {
        let worth = Duration::from_millis(self.bytes.saturating_mul(1000) / SNAPSHOT_RATE);
        let left = (BODY_SILENCE + worth).saturating_sub(self.waited);
        let begun = Instant::now();
        let done = timeout(left.min(BODY_SILENCE), client).await;
        self.waited += begun.elapsed();
        done.ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_or_slow_is_not_waited_for() {
        let begun = Instant::now();
        assert_eq!(Pace::default().keep(std::future::pending::<()>()).await, None);
        assert_eq!(begun.elapsed().as_secs(), BODY_SILENCE.as_secs());

        let mut slow = Pace::default();
        let nap = BODY_SILENCE - Duration::from_secs(1);
        assert!(slow.keep(sleep(nap)).await.is_some());
        slow.moved(1);
        assert!(slow.keep(sleep(nap)).await.is_none());

        let mut quick = Pace::default();
        for _ in 0..100 {
            assert!(quick.keep(sleep(nap)).await.is_some());
            quick.moved(60 * SNAPSHOT_RATE as usize);
        }
    }
}
