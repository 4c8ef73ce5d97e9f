#![allow(clippy::unwrap_used)]

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::Ticker;

#[test]
fn first_runs_are_spread_over_the_interval() {
    let now = Instant::now();
    let mut generator = SmallRng::seed_from_u64(1);
    let interval = Duration::from_secs(10);
    let delays: Vec<Duration> = (0..1000)
        .map(|_| Ticker::new(now, interval, &mut generator).due().duration_since(now))
        .collect();
    assert!(delays.iter().all(|delay| *delay < interval));
    for tenth in 0..10 {
        let from = Duration::from_secs(tenth);
        let inside = |delay: &&Duration| (from..from + Duration::from_secs(1)).contains(*delay);
        let count = delays.iter().filter(inside).count();
        assert!((60..140).contains(&count), "{count} of 1000 in second {tenth}");
    }
}

#[test]
fn further_runs_follow_the_end_of_the_one_before() {
    let now = Instant::now();
    let mut ticker = Ticker::new(now, Duration::from_secs(10), &mut SmallRng::seed_from_u64(1));
    let ended = ticker.due() + Duration::from_secs(7);
    ticker.completed(ended);
    assert_eq!(ticker.due(), ended + Duration::from_secs(10));
}

#[test]
fn intervals_have_bounds() {
    let now = Instant::now();
    let mut generator = SmallRng::seed_from_u64(1);
    let mut ticker = Ticker::new(now, Duration::ZERO, &mut generator);
    ticker.completed(now);
    assert_eq!(ticker.due(), now + Ticker::MIN_INTERVAL);
    let mut ticker = Ticker::new(now, Duration::MAX, &mut generator);
    ticker.completed(now);
    assert!(ticker.due() > now + Duration::from_secs(1 << 29));
}
