//! A host's own clock: it may run fast or slow, and jump ahead.

use std::time::Duration;

use gossip::Time;

/// From the world's time to a host's. Never goes back: the machines are driven by a monotonic
/// clock, and that is what one is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    world: Time,
    local: Time,
    /// Local seconds per world second.
    rate: f64,
}

impl Clock {
    pub(crate) fn new(world: Time, local: Time, rate: f64) -> Self {
        Clock { world, local, rate }
    }

    /// What the clock shows.
    pub(crate) fn local(&self, world: Time) -> Time {
        let elapsed = world.since(self.world);
        if self.rate == 1.0 {
            self.local + elapsed
        } else {
            self.local + elapsed.mul_f64(self.rate)
        }
    }

    /// When the clock shows `local`, or a little later.
    pub(crate) fn world(&self, local: Time) -> Time {
        let ahead = local.since(self.local);
        if self.rate == 1.0 {
            return self.world + ahead;
        }
        self.world + ahead.div_f64(self.rate) + Duration::from_nanos(1000)
    }

    pub(crate) fn set_rate(&mut self, world: Time, rate: f64) {
        *self = Clock { world, local: self.local(world), rate };
    }

    pub(crate) fn jump(&mut self, world: Time, by: Duration) {
        *self = Clock { world, local: self.local(world) + by, rate: self.rate };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_never_early() {
        let mut clock = Clock::new(Time::ZERO, Time::from_nanos(77), 1.0);
        for (step, rate) in [1.0, 0.95, 1.05, 1.000_017].into_iter().enumerate() {
            let now = Time::from_nanos(1_000_000_007 * step as u64);
            clock.set_rate(now, rate);
            for ahead in [1, 999, 1_000_003, 86_400_000_000_011] {
                let local = clock.local(now) + Duration::from_nanos(ahead);
                let world = clock.world(local);
                assert!(clock.local(world) >= local);
                assert!(clock.local(world).since(local) <= Duration::from_micros(2));
            }
        }
        let before = clock.local(Time::from_nanos(9_000_000_000));
        clock.jump(Time::from_nanos(9_000_000_000), Duration::from_secs(5));
        assert_eq!(clock.local(Time::from_nanos(9_000_000_000)), before + Duration::from_secs(5));
    }
}
