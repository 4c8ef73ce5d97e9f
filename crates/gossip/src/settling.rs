//! Exchanges after a join, until nobody is missed: alone, or in the midst of a crowd.

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;

use crate::{Membership, Time, limits};

/// We have joined not long ago, perhaps together with others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settling {
    /// Settling exchanges that were made, or are due.
    rounds: u32,
    /// When it is over, unless somebody appears before.
    until: Time,
    /// How long nobody may have appeared before the exchange that is due, in the usual table.
    delay: Duration,
    /// When it is made in any case.
    latest: Time,
    /// Whom we have joined and may ask again: it knows all who came by the same door.
    door: Option<SocketAddr>,
    /// When many appeared together for the last time, if they ever did.
    crowd: Option<Time>,
    /// Whether the exchange after which a crowd is settled is still to be made.
    to_confirm: bool,
}

impl Membership {
    /// The member that was joined, if it is to be asked again after a crowd: once in a small table,
    /// where the others have heard of nearly everybody, and always in a large one, as far as it can
    /// answer so many.
    pub(crate) fn door_to_ask(&mut self) -> Option<SocketAddr> {
        let members = self.table.live();
        let settling = self.exchanges.settling.as_mut()?;
        settling.crowd.filter(|_| settling.to_confirm)?;
        if members <= limits::USUAL_MEMBERS {
            return settling.door.take();
        }
        let share = limits::DOOR_MEMBERS as f64 / members as f64;
        settling.door.filter(|_| self.rng.random_bool(share.min(1.0)))
    }

    /// Does not ask there again, if that is the door.
    pub(crate) fn leave_door(&mut self, asked: SocketAddr) {
        if let Some(settling) = &mut self.exchanges.settling {
            settling.door = settling.door.filter(|door| *door != asked);
        }
    }

    /// Whether what goes on is still the same crowd, in a pause.
    pub(crate) fn pauses_in_a_crowd(&self, now: Time) -> bool {
        let crowd = self.exchanges.settling.and_then(|settling| settling.crowd);
        let pause = limits::by_size(limits::CROWD_PAUSES, self.table.live());
        crowd.is_some_and(|last| now.since(last) < pause)
    }

    /// Every attempt to reconnect is a join, too: one that comes while we settle is no reason to
    /// begin anew.
    pub(crate) fn begin_to_settle(&mut self, now: Time, door: Option<SocketAddr>) {
        match self.exchanges.settling.as_mut().filter(|settling| !settling.is_over(now)) {
            // Those whom the answer has brought may be a crowd.
            Some(running) => running.door = running.door.or(door),
            None => {
                self.exchanges.settling = Some(Settling {
                    rounds: 0,
                    until: now,
                    delay: Duration::ZERO,
                    latest: now,
                    door,
                    crowd: None,
                    to_confirm: false,
                });
            }
        }
    }

    /// It is quiet when nobody has appeared for a while from then on, and from the exchange that is
    /// due.
    pub(crate) fn quiet_counts_from(&mut self, then: Time) {
        if let Some(settling) = &mut self.exchanges.settling {
            let due = self.timers.settle.unwrap_or(then);
            settling.until = due.max(then) + limits::SETTLE_QUIET;
        }
    }

    /// Somebody has appeared. Whoever is in the midst of a crowd makes sure once it is over, also
    /// if it has joined long ago.
    pub(crate) fn appeared(&mut self, now: Time) {
        if self.config.settle_exchange && self.may_be_crowded(now) {
            let door = self.exchanges.settling.and_then(|before| before.door);
            self.begin_to_settle(now, door);
            if let Some(settling) = &mut self.exchanges.settling {
                if settling.crowd.is_some() && !settling.to_confirm {
                    // Nothing is settled yet, so that nothing is to be confirmed.
                    self.timers.settle = None;
                }
                settling.crowd = Some(now);
                settling.to_confirm = true;
            }
        }
        self.unsettled(now);
        // What comes next is to be in it, too.
        let members = self.table.live();
        let settling = self.exchanges.settling.as_mut().filter(|settling| settling.crowd.is_some());
        if let (Some(settling), Some(due)) = (settling, &mut self.timers.settle) {
            *due = (*due).max((now + settling.calm(members)).min(settling.latest));
            settling.until = settling.until.max(*due + limits::SETTLE_QUIET);
        }
    }

    /// An exchange has shown nothing that either side lacked. In a crowd one more makes sure, with
    /// somebody else: the one may have come before the last of the crowd.
    pub(crate) fn confirm(&mut self, now: Time) {
        let members = self.table.live();
        let Some(settling) = &mut self.exchanges.settling else { return };
        if settling.to_confirm && !settling.is_over(now) && self.timers.settle.is_none() {
            settling.to_confirm = false;
            settling.rounds += 1;
            let delay = self.rng.random_range(limits::CONFIRM_EARLIEST..limits::CONFIRM_LATEST);
            let due = now + limits::by_size(delay, members);
            settling.latest = due;
            settling.until = due + limits::SETTLE_QUIET;
            self.timers.settle = Some(due);
        }
    }

    /// Somebody was not known everywhere. If we are settling, there is one more exchange: whose
    /// message we have missed among many is known to others. Each comes after twice the time; but
    /// in a large table, where most are known by exchanges alone, as soon as nobody appears.
    pub(crate) fn unsettled(&mut self, now: Time) {
        let members = self.table.live();
        let Some(settling) = &mut self.exchanges.settling else { return };
        if settling.is_over(now) {
            self.exchanges.settling = None;
            return;
        }
        settling.until = settling.until.max(now + limits::SETTLE_QUIET);
        if self.timers.settle.is_none() {
            let earliest = limits::SETTLE_EARLIEST.as_nanos() as u64;
            let latest = limits::SETTLE_LATEST.as_nanos() as u64;
            let delay = Duration::from_nanos(self.rng.random_range(earliest..latest));
            settling.delay = delay;
            let due = if settling.crowd.is_some() && members > limits::USUAL_MEMBERS {
                now + settling.calm(members)
            } else {
                now + delay * (1 << settling.rounds)
            };
            settling.latest = due + limits::by_size(limits::SETTLE_PUT_OFF, members);
            settling.until = settling.until.max(due + limits::SETTLE_QUIET);
            self.timers.settle = Some(due);
            settling.rounds += 1;
        }
    }
}

impl Settling {
    /// Whether many have appeared together.
    pub(crate) fn is_in_a_crowd(self) -> bool {
        self.crowd.is_some()
    }

    /// How long nobody may have appeared before the exchange that is due.
    fn calm(self, members: usize) -> Duration {
        let large = members > limits::USUAL_MEMBERS;
        limits::by_size(self.delay, members) * if large { limits::LARGE_CALM } else { 1 }
    }

    fn is_over(self, now: Time) -> bool {
        self.rounds > limits::SETTLE_ROUNDS || self.until < now
    }
}
