//! One time to be woken at.

use std::io;
use std::time::Instant;

#[cfg(target_os = "linux")]
pub(crate) use linux::Alarm;

/// The runtime's own timer wakes the runtime once more whenever it is set to an earlier time, and
/// counts whole milliseconds. An agent sets its alarm several times for each packet of news.
#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::super::watch;
    use super::{Instant, io};

    pub(crate) struct Alarm(AsyncFd<OwnedFd>);

    impl Alarm {
        /// One that is not set.
        pub(crate) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            watch(timer, Interest::READABLE).map(Alarm)
        }

        /// Sets it to that time; one that has passed means at once.
        pub(crate) fn set(&mut self, at: Instant) {
            // A timer of 0 would not be set.
            let wait = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec::try_from(wait).unwrap_or(zero);
            let spec = Itimerspec { it_interval: zero, it_value: value };
            let set = timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &spec);
            debug_assert!(set.is_ok(), "a timer takes every time ahead");
        }

        /// Waits for the time. Safe to cancel.
        pub(crate) async fn rings(&self) {
            match self.0.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime ends.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

/// See `linux`.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Alarm(std::pin::Pin<Box<tokio::time::Sleep>>);

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// One that is not set.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Alarm(Box::pin(tokio::time::sleep(std::time::Duration::MAX))))
    }

    /// Sets it to that time; one that has passed means at once.
    pub(crate) fn set(&mut self, at: Instant) {
        self.0.as_mut().reset(at.into());
    }

    /// Waits for the time. Safe to cancel.
    pub(crate) async fn rings(&mut self) {
        self.0.as_mut().await;
    }
}
