//! What is to be measured.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gossip::Time;
use serf::{Config, Keyring};
use wire::{Address, Key, NodeName};

use crate::chance::Chance;
use crate::host::{Habits, HostPlan};
use crate::network::{Jitter, Network, Weather};
use crate::world::{Watch, World, WorldOptions};

/// How large a measurement may get.
pub mod limits {
    use std::time::Duration;

    /// Fewest members: one alone has nobody to watch.
    pub const FEWEST_MEMBERS: usize = 2;
    /// Most members. Every member has a table of all others, of which only what differs from that
    /// of the others takes memory of its own: this many begin with about 3.5 GiB.
    pub const MOST_MEMBERS: usize = 10_000;
    /// Shortest time to watch: less shows no failure from its beginning to its end.
    pub const SHORTEST: Duration = Duration::from_secs(60);
    /// Longest time to watch.
    pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
    /// Largest share of datagrams lost: above it no member can keep the others.
    pub const MOST_LOSS: f64 = 0.5;
    /// Shortest time between attempts to reconnect: more of them would be all that is simulated.
    pub const SHORTEST_RECONNECT: Duration = Duration::from_millis(1);
    /// Least limit of the size of user events: those of a measurement are not larger.
    pub const LEAST_EVENT_SIZE: usize = 128;
    /// Longest round trip.
    pub const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(1);
    /// Largest share of the members that fails in a day: each of them ten times.
    pub const MOST_CHURN: f64 = 10.0;
}

/// Members that are in trouble again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow {
    /// How many there are.
    pub members: usize,
    /// Which trouble.
    pub trouble: Trouble,
    /// For how long each time.
    pub lasts: Duration,
    /// For how long all is well between.
    pub between: Duration,
}

/// What is wrong with a slow member for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its process stands still, as on a machine that has too much to do.
    Paused,
    /// Its process runs, but nothing comes in and nothing gets out.
    CutOff,
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides everything that the settings do not.
    pub seed: u64,
    /// Members, from [`limits::FEWEST_MEMBERS`] to [`limits::MOST_MEMBERS`].
    pub members: usize,
    /// The settings of every member; each has a name and an address of its own.
    pub config: Config,
    /// What members seal with.
    pub key: Option<Key>,
    /// Whether they compress what they send.
    pub compress: bool,
    /// Share of datagrams lost, from 0 to [`limits::MOST_LOSS`].
    pub loss: f64,
    /// Between any two members.
    pub round_trip: Duration,
    /// How long they are watched: a third of it quiet, a sixth with events, half with failures.
    pub duration: Duration,
    /// User events to send.
    pub events: usize,
    /// Members to crash, one after the other; each comes back when all know that it has failed.
    pub failures: usize,
    /// Members that are in trouble now and then.
    pub slow: Option<Slow>,
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Too few or too many members.
    #[error(
        "{0} members are not from {min} to {max}",
        min = limits::FEWEST_MEMBERS,
        max = limits::MOST_MEMBERS
    )]
    Members(usize),
    /// The time is too short or too long.
    #[error("{0:?} is not from {min:?} to {max:?}", min = limits::SHORTEST, max = limits::LONGEST)]
    Duration(Duration),
    /// Nobody would hear anything.
    #[error("a loss of {0} is not from 0 to {max}", max = limits::MOST_LOSS)]
    Loss(f64),
    /// Too far away.
    #[error("a round trip of {0:?} is longer than {max:?}", max = limits::LONGEST_ROUND_TRIP)]
    RoundTrip(Duration),
    /// There would be nothing else.
    #[error(
        "reconnect_interval is {0:?}, in a simulation it has to be 0 or at least {min:?}",
        min = limits::SHORTEST_RECONNECT
    )]
    Reconnect(Duration),
    /// No event could be sent.
    #[error(
        "user_event_size_limit is {0}, in a simulation it has to be at least {min}",
        min = limits::LEAST_EVENT_SIZE
    )]
    EventSize(usize),
    /// The settings of the members do not work.
    #[error(transparent)]
    Config(#[from] serf::ConfigError),
}

impl Plan {
    /// Members of these settings in calm weather, one millisecond apart, watched for five minutes;
    /// ten events and no failures.
    pub fn new(seed: u64, members: usize, config: Config) -> Plan {
        Plan {
            seed,
            members,
            config,
            key: None,
            compress: false,
            loss: 0.0,
            round_trip: Duration::from_millis(1),
            duration: Duration::from_secs(300),
            events: 10,
            failures: 0,
            slow: None,
        }
    }

    /// Whether it can be carried out.
    pub fn check(&self) -> Result<(), PlanError> {
        if !(limits::FEWEST_MEMBERS..=limits::MOST_MEMBERS).contains(&self.members) {
            return Err(PlanError::Members(self.members));
        }
        if !(limits::SHORTEST..=limits::LONGEST).contains(&self.duration) {
            return Err(PlanError::Duration(self.duration));
        }
        if !(0.0..=limits::MOST_LOSS).contains(&self.loss) {
            return Err(PlanError::Loss(self.loss));
        }
        if self.round_trip > limits::LONGEST_ROUND_TRIP {
            return Err(PlanError::RoundTrip(self.round_trip));
        }
        let config = &self.config;
        let reconnect = config.reconnect_interval;
        if !reconnect.is_zero() && reconnect < limits::SHORTEST_RECONNECT {
            return Err(PlanError::Reconnect(reconnect));
        }
        if config.user_event_size_limit < limits::LEAST_EVENT_SIZE {
            return Err(PlanError::EventSize(config.user_event_size_limit));
        }
        Ok(serf::validate(&self.member(0))?)
    }

    /// How many of its members fail, at that share of them a day, while it is watched.
    pub fn expected_failures(&self, share_per_day: f64) -> f64 {
        let days = self.duration.as_secs_f64() / 86_400.0;
        self.members as f64 * share_per_day * days
    }

    /// The shortest suspicion in a cluster of that size.
    pub(crate) fn shortest_suspicion(&self) -> Duration {
        let gossip = &self.config.gossip;
        let scale = (self.members as f64).log10().max(1.0);
        gossip.probe_interval.mul_f64(scale * f64::from(gossip.suspicion_mult))
    }

    /// The longest suspicion in a cluster of that size.
    pub(crate) fn longest_suspicion(&self) -> Duration {
        self.shortest_suspicion() * self.config.gossip.suspicion_max_timeout_mult.max(1)
    }

    /// The settings of the member of that number. Where members compress, names and addresses are
    /// scattered as those of hosts that come and go are: in a row they would take half the bytes.
    fn member(&self, number: usize) -> Config {
        let mut config = self.config.clone();
        let number = if self.compress { scattered(number) } else { number as u32 };
        let [_, high, middle, low] = number.to_be_bytes();
        let address = Ipv4Addr::new(10, high, middle, low);
        let name = if self.compress { format!("{number:08x}") } else { number.to_string() };
        config.gossip.name = NodeName::from(format!("node-{name}"));
        config.gossip.advertise_address = Address::from(IpAddr::V4(address));
        config
    }

    /// The world with its hosts, all switched off.
    pub fn world(&self) -> World {
        let mut chance = Chance::new(self.seed, 4);
        let options = WorldOptions {
            seed: self.seed,
            watch: Watch::Facts,
            compress: self.compress,
            readable: false,
        };
        let one_way = self.round_trip / 2;
        let weather = Weather {
            loss: self.loss,
            jitter: Jitter::Uniform(one_way.mul_f64(0.2)),
            ..Weather::CALM
        };
        let network = Network::new(vec![vec![one_way.mul_f64(0.9)]], None, weather);
        let mut world = World::new(options, network);
        for number in 0..self.members {
            world.add_host(HostPlan {
                config: self.member(number),
                keyring: self.key.clone().map(Keyring::new),
                zone: 0,
                snapshot: false,
                habits: Habits::Own,
                clock_start: Time::from_nanos(chance.number() >> 20),
                clock_rate: 1.0,
            });
        }
        world
    }
}

/// Another number for each, the last three bytes of which differ, too.
fn scattered(number: usize) -> u32 {
    (number as u32).wrapping_mul(0x9e37_79b1)
}
