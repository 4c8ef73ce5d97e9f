//! The network between hosts: how long things take, what gets lost, who cannot reach whom.

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::time::Duration;

use gossip::Time;

use crate::HostId;
use crate::chance::Chance;

/// How much the delay of a link varies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Uniformly, up to this.
    Uniform(Duration),
    /// Exponentially, with this mean.
    Exponential(Duration),
    /// Mostly little, now and then a lot (Pareto with shape 1.5), from this scale.
    Heavy(Duration),
}

/// What the network does to datagrams (streams only become slower by it).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// Share of datagrams lost.
    pub loss: f64,
    /// Share that arrives twice.
    pub duplicate: f64,
    /// Share that is held up long enough to be overtaken.
    pub reorder: f64,
    /// Share that arrives damaged.
    pub corrupt: f64,
    /// How delays vary.
    pub jitter: Jitter,
}

impl Weather {
    /// Nothing goes wrong, delays vary by a tenth of a millisecond.
    pub const CALM: Weather = Weather {
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        corrupt: 0.0,
        jitter: Jitter::Uniform(Duration::from_micros(100)),
    };
}

/// Asked twice for every datagram; nobody chooses addresses to make it slow.
#[derive(Debug, Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26)
    }
}

/// A host's side of the network.
#[derive(Clone, Debug)]
struct Port {
    zone: usize,
    /// Bit sets of the parts of a partition it belongs to; two that share a bit reach each other.
    parts: u64,
    /// Neither sends nor receives.
    clogged: bool,
    /// Share of incoming datagrams it does not hear.
    deaf: f64,
    /// Drops all datagrams in and out; streams work.
    streams_only: bool,
    /// When what it sends has left the wire.
    sent_by: Time,
}

/// All links.
#[derive(Debug)]
pub struct Network {
    ports: Vec<Port>,
    /// Whether a port may not be as it was made: if not, those of a datagram need not be looked at.
    troubled: bool,
    /// One-way delays between zones.
    zones: Vec<Vec<Duration>>,
    one_way: BTreeSet<(HostId, HostId)>,
    partitioned: bool,
    /// Bytes a host can send in a second.
    bandwidth: Option<u64>,
    /// The present weather.
    pub weather: Weather,
}

/// Where one datagram ends up: at these times, or nowhere.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Arrivals {
    pub(crate) first: Option<Time>,
    pub(crate) second: Option<Time>,
    pub(crate) damaged: bool,
}

const EVERYBODY: u64 = u64::MAX;
/// What is held up takes this much longer.
const OVERTAKEN: Duration = Duration::from_millis(60);
/// First retransmission of a lost segment of a stream.
const RETRANSMISSION: Duration = Duration::from_millis(200);

impl Network {
    /// A network with these one-way delays between zones.
    pub(crate) fn new(zones: Vec<Vec<Duration>>, bandwidth: Option<u64>, weather: Weather) -> Self {
        Network {
            ports: Vec::new(),
            troubled: false,
            zones,
            one_way: BTreeSet::new(),
            partitioned: false,
            bandwidth,
            weather,
        }
    }

    pub(crate) fn add_port(&mut self, zone: usize) {
        self.ports.push(Port {
            zone: zone % self.zones.len(),
            parts: EVERYBODY,
            clogged: false,
            deaf: 0.0,
            streams_only: false,
            sent_by: Time::ZERO,
        });
    }

    /// Whether anything sent by `from` gets to `to` now.
    pub fn reaches(&self, from: HostId, to: HostId) -> bool {
        if !self.troubled && !self.partitioned && self.one_way.is_empty() {
            return true;
        }
        let (source, target) = (&self.ports[from.0], &self.ports[to.0]);
        !source.clogged
            && !target.clogged
            && (!self.partitioned || source.parts & target.parts != 0)
            && (self.one_way.is_empty() || !self.one_way.contains(&(from, to)))
    }

    /// Whether nothing stands between the two in either direction, datagrams included.
    pub fn is_clear(&self, a: HostId, b: HostId) -> bool {
        let hears = |host: HostId| {
            let port = &self.ports[host.0];
            port.deaf == 0.0 && !port.streams_only
        };
        self.reaches(a, b) && self.reaches(b, a) && hears(a) && hears(b)
    }

    /// What becomes of a datagram sent now.
    pub(crate) fn datagram(
        &mut self,
        now: Time,
        from: HostId,
        to: HostId,
        bytes: usize,
        chance: &mut Chance,
    ) -> Arrivals {
        let left = self.transmit(now, from, bytes);
        let deaf = if self.troubled { self.ports[to.0].deaf } else { 0.0 };
        let lost = !self.reaches(from, to)
            || (self.troubled && self.ports[from.0].streams_only)
            || (self.troubled && self.ports[to.0].streams_only)
            || chance.happens(self.weather.loss)
            || chance.happens(deaf);
        if lost {
            return Arrivals::default();
        }
        let mut arrival = left + self.delay(from, to, chance);
        if chance.happens(self.weather.reorder) {
            arrival = arrival + OVERTAKEN.mul_f64(chance.share());
        }
        let twice = chance.happens(self.weather.duplicate);
        let second = twice.then(|| arrival + self.delay(from, to, chance));
        let damaged = chance.happens(self.weather.corrupt);
        Arrivals { first: Some(arrival), second, damaged }
    }

    /// When a segment of a stream, sent now, has arrived: lost ones are sent again.
    pub(crate) fn segment(
        &mut self,
        now: Time,
        from: HostId,
        to: HostId,
        bytes: usize,
        chance: &mut Chance,
    ) -> Time {
        let mut arrival = self.transmit(now, from, bytes) + self.delay(from, to, chance);
        let mut wait = RETRANSMISSION;
        while chance.happens(self.weather.loss.min(0.9)) && wait < Duration::from_secs(10) {
            arrival = arrival + wait;
            wait *= 2;
        }
        arrival
    }

    /// The shortest way from one to the other.
    pub(crate) fn base_delay(&self, from: HostId, to: HostId) -> Duration {
        match &self.zones[..] {
            [lone] => lone[0],
            zones => zones[self.ports[from.0].zone][self.ports[to.0].zone],
        }
    }

    fn transmit(&mut self, now: Time, from: HostId, bytes: usize) -> Time {
        let Some(bandwidth) = self.bandwidth else { return now };
        let port = &mut self.ports[from.0];
        let took = Duration::from_secs_f64(bytes as f64 / bandwidth as f64);
        port.sent_by = port.sent_by.max(now) + took;
        port.sent_by
    }

    fn delay(&self, from: HostId, to: HostId, chance: &mut Chance) -> Duration {
        let base = self.base_delay(from, to);
        base + match self.weather.jitter {
            Jitter::None => Duration::ZERO,
            Jitter::Uniform(most) => most.mul_f64(chance.share()),
            Jitter::Exponential(mean) => chance.exponential(mean).min(mean * 20),
            Jitter::Heavy(scale) => {
                let stretch = (1.0 - chance.share()).powf(-1.0 / 1.5) - 1.0;
                scale.mul_f64(stretch.min(500.0))
            }
        }
    }

    /// Parts the network: hosts reach each other where their sets share a bit.
    pub(crate) fn partition(&mut self, parts: &[u64]) {
        self.partitioned = true;
        for (port, parts) in self.ports.iter_mut().zip(parts) {
            port.parts = *parts;
        }
    }

    pub(crate) fn is_partitioned(&self) -> bool {
        self.partitioned
    }

    /// Ends the partition.
    pub(crate) fn rejoin(&mut self) {
        self.partitioned = false;
        for port in &mut self.ports {
            port.parts = EVERYBODY;
        }
    }

    pub(crate) fn set_one_way(&mut self, from: HostId, to: HostId, blocked: bool) {
        if blocked {
            self.one_way.insert((from, to));
        } else {
            self.one_way.remove(&(from, to));
        }
    }

    pub(crate) fn set_clogged(&mut self, host: HostId, clogged: bool) {
        self.troubled |= clogged;
        self.ports[host.0].clogged = clogged;
    }

    pub(crate) fn set_deaf(&mut self, host: HostId, share: f64) {
        self.troubled |= share > 0.0;
        self.ports[host.0].deaf = share;
    }

    pub(crate) fn set_streams_only(&mut self, host: HostId, on: bool) {
        self.troubled |= on;
        self.ports[host.0].streams_only = on;
    }

    /// Ends everything that stands between hosts.
    pub(crate) fn heal(&mut self, weather: Weather) {
        self.rejoin();
        self.one_way.clear();
        self.weather = weather;
        self.troubled = false;
        for port in &mut self.ports {
            port.clogged = false;
            port.deaf = 0.0;
            port.streams_only = false;
        }
    }
}
