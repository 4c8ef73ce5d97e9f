//! The stories that a seed tells: each is a fault or a piece of work that begins, lasts and ends.

use std::time::Duration;

use gossip::Time;

use crate::action::Action;
use crate::chance::Chance;
use crate::host::HostId;
use crate::network::Weather;
use crate::scenario::{self, ROLES, Scenario};

/// The kinds of stories, with how often each is told.
const KINDS: &[(Kind, usize)] = &[
    (Kind::Weather, 3),
    (Kind::Partition, 4),
    (Kind::Bridge, 2),
    (Kind::OneWay, 2),
    (Kind::Swizzle, 2),
    (Kind::HalfDeaf, 2),
    (Kind::StreamsOnly, 1),
    (Kind::Slow, 2),
    (Kind::Pause, 4),
    (Kind::Clock, 2),
    (Kind::Crash, 5),
    (Kind::Disk, 2),
    (Kind::Move, 1),
    (Kind::Rename, 1),
    (Kind::Clone, 2),
    (Kind::KeyRotation, 3),
    (Kind::Churn, 2),
    (Kind::Burst, 1),
    (Kind::Leave, 3),
    (Kind::ForceLeave, 3),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Weather,
    Partition,
    Bridge,
    OneWay,
    Swizzle,
    HalfDeaf,
    StreamsOnly,
    Slow,
    Pause,
    Clock,
    Crash,
    Disk,
    Move,
    Rename,
    Clone,
    KeyRotation,
    Churn,
    Burst,
    Leave,
    ForceLeave,
}

/// One story's part of the plan.
struct Author<'a> {
    scenario: &'a mut Scenario,
    chance: &'a mut Chance,
    /// When the stories begin and end.
    from: Time,
    until: Time,
    moves: usize,
}

/// Writes the stories of a seed between two times.
pub(crate) fn write(scenario: &mut Scenario, chance: &mut Chance, from: Time, until: Time) {
    let total: usize = KINDS.iter().map(|(_, weight)| weight).sum();
    let mut author = Author { scenario, chance, from, until, moves: 0 };
    author.everyday_work();
    for _ in 0..author.chance.range(2, 7) {
        let mut draw = author.chance.below(total);
        let kind = KINDS.iter().find(|(_, weight)| {
            let here = draw < *weight;
            draw = draw.saturating_sub(*weight);
            here
        });
        if let Some((kind, _)) = kind {
            author.tell(*kind);
        }
    }
}

/// Writes what befalls the floating role between two times.
pub(crate) fn write_role(scenario: &mut Scenario, chance: &mut Chance, from: Time, until: Time) {
    let mut author = Author { scenario, chance, from, until, moves: 100 };
    for _ in 0..author.chance.range(1, 4) {
        match author.chance.below(5) {
            0 | 1 => author.flap(),
            2 => author.leave(),
            3 => author.pause(),
            _ => author.partition(),
        }
    }
}

/// Writes between two times how somebody comes back who has slept through the end of another.
pub(crate) fn write_outlived(
    scenario: &mut Scenario,
    chance: &mut Chance,
    from: Time,
    until: Time,
) {
    Author { scenario, chance, from, until, moves: 200 }.outlived();
}

/// Writes what befalls a crowd that joins between two times.
pub(crate) fn write_crowd(scenario: &mut Scenario, chance: &mut Chance, from: Time, until: Time) {
    Author { scenario, chance, from, until, moves: 300 }.crowd();
}

/// Writes pauses of one to ten minutes, begun between two times. Everything heals after them.
pub(crate) fn write_long_pauses(
    scenario: &mut Scenario,
    chance: &mut Chance,
    from: Time,
    until: Time,
) {
    let mut author = Author { scenario, chance, from, until, moves: 400 };
    for _ in 0..author.chance.range(1, 3) {
        let (begin, host) = (author.moment(), author.host());
        let (low, high) = (Duration::from_secs(60), Duration::from_secs(600));
        let length = author.chance.between_magnitudes(low, high);
        author.plan(begin, Action::Pause(host, length));
        author.scenario.heal_at = author.scenario.heal_at.max(begin + length);
    }
}

impl Author<'_> {
    /// Nothing at all, loss, a door that crashes, or a partition that begins meanwhile.
    fn crowd(&mut self) {
        let (middle, joined) = (self.moment(), self.until);
        self.until = self.until + Duration::from_secs(60);
        let door = HostId(0);
        match self.chance.below(4) {
            0 => {}
            1 => {
                let loss = 0.01 + 0.04 * self.chance.share();
                let weather = Weather { loss, ..Weather::CALM };
                self.plan(Time::ZERO, Action::Weather(weather));
                self.plan(joined + Duration::from_secs(10), Action::Weather(Weather::CALM));
            }
            2 => {
                let off = self.chance.between(Duration::from_secs(1), Duration::from_secs(8));
                self.plan(middle, Action::Crash(door));
                self.plan(middle + off, Action::Start { host: door, ignore_old_events: true });
            }
            _ => {
                let length = self.chance.between(Duration::from_secs(3), Duration::from_secs(20));
                let hosts = self.scenario.hosts.len();
                let parts = (0..hosts).map(|_| 1 << self.chance.below(2)).collect();
                self.plan(middle, Action::Partition(parts));
                self.plan(middle + length, Action::Rejoin);
            }
        }
    }

    /// A machine is suspended, and hears nothing meanwhile. Another crashes, is erased by an
    /// operator, and the lower layers have time to forget it. Then the first one is back and takes
    /// it for alive; an operator may have it join again.
    fn outlived(&mut self) {
        let (sleeper, victim, operator) = (self.host(), self.host(), self.host());
        if victim == sleeper || operator == sleeper || operator == victim {
            return;
        }
        let begin = self.from + Duration::from_secs(10);
        let spare = self.until.since(begin).saturating_sub(Duration::from_secs(90));
        let begin = begin + spare.mul_f64(self.chance.share());
        let asleep = self.chance.between(Duration::from_secs(80), Duration::from_secs(110));
        self.plan(begin, Action::Clog(sleeper, true));
        self.plan(begin, Action::Pause(sleeper, asleep));
        self.plan(begin + Duration::from_millis(100), Action::Crash(victim));
        let erased = self.chance.between(Duration::from_secs(8), Duration::from_secs(30));
        self.plan(begin + erased, Action::ForceLeave(operator, victim, true));
        self.plan(begin + asleep, Action::Clog(sleeper, false));
        if self.chance.happens(0.7) {
            self.plan(begin + asleep, Action::Join(sleeper));
        }
    }

    /// The health check of some hosts fails and passes again, sometimes for moments only.
    fn flap(&mut self) {
        for host in self.hosts(4) {
            for _ in 0..self.chance.range(1, 3) {
                let (begin, end) = if self.chance.happens(0.5) {
                    self.span(Duration::from_secs(3))
                } else {
                    self.long_span()
                };
                self.plan(begin, Action::Health(host, false));
                self.plan(end, Action::Health(host, true));
            }
        }
    }

    fn plan(&mut self, at: Time, action: Action) {
        let at = at.min(self.until);
        self.scenario.actions.push((at, action));
    }

    fn host(&mut self) -> HostId {
        HostId(self.chance.below(self.scenario.hosts.len()))
    }

    fn hosts(&mut self, most: usize) -> Vec<HostId> {
        let most = most.min(self.scenario.hosts.len());
        let mut hosts: Vec<HostId> = Vec::new();
        for _ in 0..self.chance.range(1, most) {
            let host = self.host();
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    fn moment(&mut self) -> Time {
        let all = self.until.since(self.from);
        self.from + all.mul_f64(self.chance.share())
    }

    /// A beginning and an end.
    fn span(&mut self, longest: Duration) -> (Time, Time) {
        let begin = self.moment();
        let longest = longest.min(self.until.since(begin)).max(Duration::from_millis(2));
        let length = self.chance.between_magnitudes(Duration::from_millis(1), longest);
        (begin, begin + length.max(Duration::from_millis(1)))
    }

    /// A beginning and an end some time apart.
    fn long_span(&mut self) -> (Time, Time) {
        let begin = self.moment();
        let length = self.chance.between(Duration::from_secs(5), Duration::from_secs(150));
        (begin, (begin + length).min(self.until))
    }

    /// Some events, queries and new tags, whatever else happens.
    fn everyday_work(&mut self) {
        let works = self.chance.range(2, 12);
        for _ in 0..works {
            let (at, host) = (self.moment(), self.host());
            let filters = [None, Some("web"), Some("^web"), Some("-2$"), Some("b")];
            let filter = self.chance.pick(&filters);
            let action = match self.chance.below(8) {
                0..3 => Action::Event(host),
                3..6 => Action::Query(host, filter),
                6 => Action::Retag(host),
                _ => Action::FutureEvent(host),
            };
            self.plan(at, action);
        }
    }

    fn tell(&mut self, kind: Kind) {
        match kind {
            Kind::Weather => self.weather(),
            Kind::Partition => self.partition(),
            Kind::Bridge => self.bridge(),
            Kind::OneWay => self.one_way(),
            Kind::Swizzle => self.swizzle(),
            Kind::HalfDeaf => {
                let ((begin, end), host) = (self.long_span(), self.host());
                let share = 0.3 + 0.7 * self.chance.share();
                self.plan(begin, Action::Deaf(host, share));
                self.plan(end, Action::Deaf(host, 0.0));
            }
            Kind::StreamsOnly => {
                let ((begin, end), host) = (self.long_span(), self.host());
                self.plan(begin, Action::StreamsOnly(host, true));
                self.plan(end, Action::StreamsOnly(host, false));
            }
            Kind::Slow => self.slow(),
            Kind::Pause => self.pause(),
            Kind::Clock => self.clock(),
            Kind::Crash => self.crash(),
            Kind::Disk => self.disk(),
            Kind::Move => self.move_away(),
            Kind::Rename => self.rename(),
            Kind::Clone => self.twin(),
            Kind::KeyRotation => self.rotate(),
            Kind::Churn => self.churn(),
            Kind::Burst => {
                let (at, host) = (self.moment(), self.host());
                let events = self.chance.range(20, 400);
                self.plan(at, Action::EventBurst(host, events));
            }
            Kind::Leave => self.leave(),
            Kind::ForceLeave => self.force_leave(),
        }
    }

    fn weather(&mut self) {
        let (begin, end) = self.long_span();
        let (profile, before) = (self.scenario.profile, scenario::weather);
        let bad = before(self.chance, profile, 0.3);
        let good = before(self.chance, profile, 0.02);
        self.plan(begin, Action::Weather(bad));
        self.plan(end, Action::Weather(good));
    }

    fn partition(&mut self) {
        let (begin, end) = self.long_span();
        let parts = self.chance.range(2, 3);
        let count = self.scenario.hosts.len() + 64;
        let sets = (0..count).map(|_| 1 << self.chance.below(parts)).collect();
        self.plan(begin, Action::Partition(sets));
        self.plan(end, Action::Rejoin);
    }

    /// Two parts, and a host that reaches both.
    fn bridge(&mut self) {
        let (begin, end) = self.long_span();
        let count = self.scenario.hosts.len() + 64;
        let mut sets: Vec<u64> = (0..count).map(|_| 1 << self.chance.below(2)).collect();
        let bridge = self.host();
        sets[bridge.0] = 3;
        self.plan(begin, Action::Partition(sets));
        self.plan(end, Action::Rejoin);
    }

    fn one_way(&mut self) {
        let (begin, end) = self.long_span();
        let target = self.host();
        for other in self.hosts(8) {
            let (from, to) =
                if self.chance.happens(0.5) { (target, other) } else { (other, target) };
            if from != to {
                self.plan(begin, Action::OneWay(from, to, true));
                self.plan(end, Action::OneWay(from, to, false));
            }
        }
    }

    /// Some hosts are cut off one by one and come back in another order.
    fn swizzle(&mut self) {
        let (begin, end) = self.long_span();
        let hosts = self.hosts(8);
        let length = end.since(begin);
        for host in hosts {
            let off = begin + length.mul_f64(0.5 * self.chance.share());
            let on = begin + length.mul_f64(0.5 + 0.5 * self.chance.share());
            self.plan(off, Action::Clog(host, true));
            self.plan(on, Action::Clog(host, false));
        }
    }

    /// Up to a hundred times as slow as usual; usual is a fifth of a millisecond.
    fn slow(&mut self) {
        let (begin, end) = self.long_span();
        for host in self.hosts(4) {
            let work = self
                .chance
                .between_magnitudes(Duration::from_micros(200), Duration::from_millis(20));
            self.plan(begin, Action::Work(host, work));
            self.plan(end, Action::Work(host, Duration::ZERO));
        }
    }

    fn pause(&mut self) {
        for _ in 0..self.chance.range(1, 4) {
            let (begin, end) = self.span(Duration::from_secs(600));
            let host = self.host();
            self.plan(begin, Action::Pause(host, end.since(begin)));
        }
    }

    fn clock(&mut self) {
        let (at, host) = (self.moment(), self.host());
        let action = if self.chance.happens(0.5) {
            Action::ClockRate(host, 0.95 + 0.1 * self.chance.share())
        } else {
            let (low, high) = (Duration::from_millis(10), Duration::from_secs(120));
            Action::ClockJump(host, self.chance.between_magnitudes(low, high))
        };
        self.plan(at, action);
    }

    fn crash(&mut self) {
        for host in self.hosts(4) {
            let (begin, end) = if self.chance.happens(0.4) {
                self.span(Duration::from_secs(8))
            } else {
                self.long_span()
            };
            self.plan(begin, Action::Crash(host));
            match self.chance.below(5) {
                0 => self.plan(begin, Action::TearSnapshot(host)),
                1 => self.plan(begin, Action::LoseSnapshot(host)),
                _ => {}
            }
            if self.chance.happens(0.3) {
                let role = self.chance.pick(&ROLES).to_owned();
                self.plan(begin, Action::RetagOffline(host, role));
            }
            if self.chance.happens(0.85) {
                let ignore_old_events = self.chance.happens(0.5);
                self.plan(end, Action::Start { host, ignore_old_events });
            }
        }
    }

    fn disk(&mut self) {
        let ((begin, end), host) = (self.long_span(), self.host());
        self.plan(begin, Action::DiskFails(host, true));
        if self.chance.happens(0.5) {
            let crash = begin + end.since(begin).mul_f64(self.chance.share());
            self.plan(crash, Action::Crash(host));
            self.plan(end, Action::Start { host, ignore_old_events: true });
        }
        self.plan(end, Action::DiskFails(host, false));
    }

    fn move_away(&mut self) {
        let ((begin, end), host) = (self.long_span(), self.host());
        self.moves += 1;
        self.plan(begin, Action::Crash(host));
        self.plan(begin, Action::Move(host, self.moves));
        self.plan(end, Action::Start { host, ignore_old_events: true });
    }

    fn rename(&mut self) {
        let ((begin, end), host) = (self.long_span(), self.host());
        self.moves += 1;
        let name = format!("m{}-{}", host.0, self.moves).into();
        self.plan(begin, Action::Crash(host));
        self.plan(begin, Action::Rename(host, name));
        self.plan(end, Action::Start { host, ignore_old_events: true });
    }

    /// Another member with the name of this one; now and then the two are cut off from everybody
    /// who could vote.
    fn twin(&mut self) {
        let ((begin, end), host) = (self.long_span(), self.host());
        self.plan(begin, Action::Clone(host));
        self.plan(end, Action::EndClones);
        if self.chance.happens(0.3) {
            let members = self.scenario.hosts.len();
            let part = |number| if number == host.0 || number >= members { 1 } else { 2 };
            self.plan(begin, Action::Partition((0..members + 64).map(part).collect()));
            self.plan(end, Action::Rejoin);
        }
    }

    /// Half of the rotations meet a partition.
    fn rotate(&mut self) {
        if !self.scenario.is_encrypted() {
            return self.leave();
        }
        if self.chance.happens(0.5) {
            self.partition();
        }
        let (at, host) = (self.moment(), self.host());
        self.moves += 1;
        self.plan(at, Action::RotateKey(host, self.moves as u8));
    }

    /// A tenth of the members or more comes and goes, all the time.
    fn churn(&mut self) {
        let turns = (self.scenario.hosts.len() / 4).clamp(2, 12);
        for _ in 0..turns {
            let (begin, end) = self.long_span();
            let host = self.host();
            let gone =
                if self.chance.happens(0.5) { Action::Leave(host) } else { Action::Crash(host) };
            self.plan(begin, gone);
            if self.chance.happens(0.8) {
                self.plan(end, Action::Start { host, ignore_old_events: true });
            }
        }
    }

    fn leave(&mut self) {
        let ((begin, end), host) = (self.long_span(), self.host());
        self.plan(begin, Action::Leave(host));
        if self.chance.happens(0.6) {
            self.plan(end, Action::Start { host, ignore_old_events: true });
        }
    }

    /// Of somebody who is up, of somebody who is not; sometimes twice.
    fn force_leave(&mut self) {
        let ((begin, end), host) = (self.long_span(), self.host());
        let crashed = self.chance.happens(0.7);
        if crashed {
            self.plan(begin, Action::Crash(host));
        }
        let operators = self.hosts(3);
        for operator in operators {
            let at = begin + end.since(begin).mul_f64(self.chance.share());
            let prune = self.chance.happens(0.4);
            self.plan(at, Action::ForceLeave(operator, host, prune));
        }
        if crashed && self.chance.happens(0.5) {
            self.plan(end, Action::Start { host, ignore_old_events: true });
        }
    }
}
