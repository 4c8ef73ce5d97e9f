//! From a seed to a plan: who is there, what the network is like, what will go wrong and when.

use std::net::Ipv4Addr;
use std::time::Duration;

use gossip::{Profile, Time};
use role::Quorum;
use serf::{Config, Keyring, Tags};
use wire::{Address, Key, NodeName};

use crate::action::Action;
use crate::chance::Chance;
use crate::host::{Habits, HostId, HostPlan};
use crate::network::{Jitter, Network, Weather};
use crate::role::RolePlan;
use crate::story;
use crate::world::{Watch, World, WorldOptions};

/// Everything that a seed decides before the world begins.
#[derive(Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// The members' timings.
    pub profile: Profile,
    /// The hosts at the start.
    pub hosts: Vec<HostPlan>,
    /// What happens, in order of time.
    pub actions: Vec<(Time, Action)>,
    /// When everything that stands in the members' way ends.
    pub heal_at: Time,
    /// Whether members are erased so soon that the parts of a partition may forget each other;
    /// an operator then joins them again.
    pub forgetful: bool,
    /// Whether a crowd joins one door, whose views are to be whole soon.
    pub(crate) crowd: bool,
    /// How the hosts take part in the floating role, if this seed has one.
    pub(crate) roles: Vec<Option<RolePlan>>,
    zones: Vec<Vec<Duration>>,
    bandwidth: Option<u64>,
    weather: Weather,
    compress: bool,
}

/// The tags that some member has, for filters to look for.
pub(crate) const ROLES: [&str; 4] = ["web-1", "web-2", "db", "cache-web"];

/// The first key of an encrypted cluster.
pub(crate) const FIRST_KEY: [u8; 16] = *b"0123456789abcdef";

/// The address of a host; moves give it further ones.
pub(crate) fn address(host: usize, moves: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, moves as u8, (host >> 8) as u8, host as u8)
}

/// The port of every member.
pub(crate) const PORT: u16 = 7946;

/// The settings of the member of that number.
pub(crate) fn config(profile: Profile, number: usize) -> Config {
    let name = NodeName::from(format!("n{number}"));
    let address = Address::from(std::net::IpAddr::V4(address(number, 0)));
    let mut config = Config::new(gossip::Config::new(profile, name, address, PORT));
    let role = ROLES[number % ROLES.len()].to_owned();
    config.tags = Tags::from([("role".to_owned(), role), ("n".to_owned(), number.to_string())]);
    config
}

impl Scenario {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        if seed % 25 == 13 {
            return Scenario::of_a_crowd(seed);
        }
        let chance = &mut Chance::new(seed, 2);
        let members = match chance.below(100) {
            0..25 => chance.range(2, 5),
            25..78 => chance.range(6, 16),
            78..98 => chance.range(17, 32),
            _ => chance.range(33, 80),
        };
        let profile = if chance.happens(0.3) { Profile::Local } else { Profile::Lan };
        let chaos = match chance.below(12) {
            0 if members <= 16 => Duration::from_secs(900),
            _ => chance.between(Duration::from_secs(60), Duration::from_secs(240)),
        };
        let start_by = Duration::from_secs(15);
        let heal_at = Time::ZERO + start_by + chaos;
        let forgetful = chance.happens(0.35);
        let hosts = hosts(chance, profile, members, forgetful, false);
        let zones = zones(chance, profile);
        let slow_line = 1 << chance.range(16, 24);
        let mut scenario = Scenario {
            seed,
            profile,
            bandwidth: chance.happens(0.2).then_some(slow_line),
            weather: weather(chance, profile, 0.01),
            compress: chance.happens(0.3),
            zones,
            hosts,
            actions: Vec::new(),
            heal_at,
            forgetful,
            crowd: false,
            roles: Vec::new(),
        };
        if seed % 5 == 4 {
            // So few that bursts of events go beyond them.
            scenario.hosts.iter_mut().for_each(|host| host.config.event_buffer = 32);
        }
        for number in 0..members {
            let at = Time::ZERO + start_by.mul_f64(chance.share() * chance.share());
            let ignore_old_events = chance.happens(0.5);
            let start = Action::Start { host: HostId(number), ignore_old_events };
            scenario.actions.push((at, start));
        }
        let (from, until) = (Time::ZERO + Duration::from_secs(5), heal_at);
        story::write(&mut scenario, chance, from, until);
        // Each of those below has a generator of its own, so that the rest of a seed's plan does
        // not depend on it.
        if seed % 4 == 1 {
            let chance = &mut Chance::new(seed, 4);
            scenario.roles = roles(chance, &scenario.hosts);
            story::write_role(&mut scenario, chance, from, until);
        }
        if seed % 8 == 2 {
            story::write_outlived(&mut scenario, &mut Chance::new(seed, 6), from, until);
        }
        if seed % 10 == 8 {
            story::write_long_pauses(&mut scenario, &mut Chance::new(seed, 8), from, until);
        }
        // Sorting keeps the order of what happens at one time.
        scenario.actions.sort_by_key(|(at, _)| *at);
        scenario
    }

    /// More than two hundred members join one door at once, from a cold start.
    fn of_a_crowd(seed: u64) -> Self {
        let chance = &mut Chance::new(seed, 10);
        let members = chance.range(210, 400);
        let profile = if chance.happens(0.3) { Profile::Local } else { Profile::Lan };
        let hosts = hosts(chance, profile, members, false, true);
        let zones = zones(chance, profile);
        let mut scenario = Scenario {
            seed,
            profile,
            bandwidth: None,
            weather: Weather::CALM,
            compress: chance.happens(0.3),
            zones,
            hosts,
            actions: Vec::new(),
            heal_at: Time::ZERO,
            forgetful: false,
            crowd: true,
            roles: Vec::new(),
        };
        let start = |host: usize| Action::Start { host: HostId(host), ignore_old_events: true };
        scenario.actions.push((Time::ZERO, start(0)));
        let from = Time::ZERO + Duration::from_secs(2);
        let (short, long) = (Duration::from_millis(50), Duration::from_secs(8));
        let until = from + chance.between_magnitudes(short, long);
        for number in 1..members {
            let at = from + until.since(from).mul_f64(chance.share());
            scenario.actions.push((at, start(number)));
        }
        story::write_crowd(&mut scenario, chance, from, until);
        scenario.actions.sort_by_key(|(at, _)| *at);
        scenario.heal_at = scenario.actions.last().map_or(until, |(at, _)| *at);
        scenario
    }

    /// Whether members seal what they send.
    pub fn is_encrypted(&self) -> bool {
        self.hosts.first().is_some_and(|host| host.keyring.is_some())
    }

    /// The world at its beginning: all hosts switched off.
    pub fn world(&self, watch: Watch, readable: bool) -> World {
        let options = WorldOptions { seed: self.seed, watch, compress: self.compress, readable };
        let network = Network::new(self.zones.clone(), self.bandwidth, self.weather);
        let mut world = World::new(options, network);
        world.door = self.crowd.then_some(HostId(0));
        for plan in &self.hosts {
            world.add_host(plan.clone());
        }
        for (number, role) in self.roles.iter().enumerate() {
            if let Some(role) = role {
                world.take_part(HostId(number), *role);
            }
        }
        world
    }

    /// The plan in words, one line each.
    pub fn describe(&self) -> Vec<String> {
        let count = |habits: Habits| self.hosts.iter().filter(|h| h.habits == habits).count();
        let first = &self.hosts[0].config;
        let mut lines = vec![format!(
            "seed {}: {} members ({} old agents, {} without checksums), {:?} profile{}{}{}{}, \
             packets of {}, {:?}",
            self.seed,
            self.hosts.len(),
            count(Habits::OldAgent),
            count(Habits::NoChecksums),
            self.profile,
            if self.is_encrypted() { ", encrypted" } else { "" },
            if first.gossip.label.is_empty() { "" } else { ", labelled" },
            if self.compress { ", compressed" } else { "" },
            if self.forgetful { ", forgetful" } else { "" },
            first.gossip.udp_buffer_bytes,
            self.weather,
        )];
        let take_part: Vec<String> = (self.roles.iter().enumerate())
            .filter_map(|(number, role)| Some(format!("n{number} {:?}", role.as_ref()?)))
            .collect();
        if !take_part.is_empty() {
            lines.push(format!("the floating role: {}", take_part.join(", ")));
        }
        let action =
            |(at, action): &(Time, Action)| format!("{} {action:?}", crate::trace::Stamp(*at));
        lines.extend(self.actions.iter().map(action));
        lines.push(format!("{} everything heals", crate::trace::Stamp(self.heal_at)));
        lines
    }
}

fn hosts(
    chance: &mut Chance,
    profile: Profile,
    members: usize,
    forgetful: bool,
    crowd: bool,
) -> Vec<HostPlan> {
    let encrypted = chance.happens(0.25);
    let labelled = !crowd && chance.happens(0.1);
    let some_are_old = if crowd { 0.5 } else { 0.3 };
    let old_agents = if labelled || !chance.happens(some_are_old) { 0.0 } else { 0.4 };
    let without_checksums = if chance.happens(0.1) { 0.3 } else { 0.0 };
    let large_packets = chance.happens(0.12);
    let eager = chance.happens(0.8) || crowd;
    let settle = chance.happens(0.8) || crowd;
    let coalesce = chance.happens(0.5);
    let snapshots = chance.share();
    let patience = chance.between(Duration::from_secs(60), Duration::from_secs(200));
    let drifting = chance.happens(0.3);
    (0..members)
        .map(|number| {
            let mut config = config(profile, number);
            config.gossip.eager_gossip = eager;
            config.gossip.settle_exchange = settle;
            if labelled {
                config.gossip.label = bytes::Bytes::from_static(b"blue");
            }
            if large_packets {
                config.gossip.udp_buffer_bytes = 8192;
            }
            if !coalesce {
                config.coalesce_period = Duration::ZERO;
                config.user_coalesce_period = Duration::ZERO;
            }
            if forgetful {
                config.reconnect_timeout = patience;
                config.tombstone_timeout = patience;
                config.reap_interval = Duration::from_secs(5);
            }
            let is_door = crowd && number == 0;
            let habits = if chance.happens(old_agents) && !is_door {
                config.gossip.eager_gossip = false;
                config.gossip.settle_exchange = false;
                Habits::OldAgent
            } else if chance.happens(without_checksums) {
                config.gossip.versions.protocol_max = 4;
                Habits::NoChecksums
            } else {
                Habits::Own
            };
            let key = encrypted.then(|| Key::new(&FIRST_KEY).expect("a key of 16 bytes"));
            let rate = if drifting { 0.95 + 0.1 * chance.share() } else { 1.0 };
            HostPlan {
                config,
                keyring: key.map(Keyring::new),
                zone: chance.below(4),
                snapshot: chance.happens(snapshots),
                habits,
                clock_start: Time::from_nanos(chance.number() >> 20),
                clock_rate: rate,
            }
        })
        .collect()
}

/// Who takes part in the floating role: most members that are not old agents.
fn roles(chance: &mut Chance, hosts: &[HostPlan]) -> Vec<Option<RolePlan>> {
    let quorum = if chance.happens(0.5) { Quorum::Majority } else { Quorum::None };
    let preempting = chance.happens(0.3);
    let share = if chance.happens(0.7) { 1.0 } else { 0.5 };
    hosts
        .iter()
        .map(|host| {
            let plan = RolePlan {
                priority: chance.below(3) as u32,
                quorum,
                preempt: preempting && chance.happens(0.7),
                checked: chance.happens(0.4),
            };
            (host.habits != Habits::OldAgent && chance.happens(share)).then_some(plan)
        })
        .collect()
}

fn zones(chance: &mut Chance, profile: Profile) -> Vec<Vec<Duration>> {
    let count = if profile == Profile::Lan { chance.range(1, 4) } else { 1 };
    let near = chance.between_magnitudes(Duration::from_micros(30), Duration::from_millis(2));
    let mut zones = vec![vec![near; count]; count];
    let pairs = (0..count).flat_map(|a| (0..a).map(move |b| (a, b)));
    for (a, b) in pairs {
        let far = chance.between_magnitudes(Duration::from_millis(1), Duration::from_millis(80));
        (zones[a][b], zones[b][a]) = (far, far);
    }
    zones
}

/// Weather of at most that loss. In one seed of two it is calm.
pub(crate) fn weather(chance: &mut Chance, profile: Profile, loss: f64) -> Weather {
    if chance.happens(0.5) {
        return Weather::CALM;
    }
    let scale = if profile == Profile::Lan { 1.0 } else { 0.2 };
    let ms = |ms: f64| Duration::from_secs_f64(ms * scale / 1000.0);
    Weather {
        loss: loss * chance.share(),
        duplicate: 0.05 * chance.share() * chance.share(),
        reorder: 0.1 * chance.share(),
        corrupt: 0.02 * chance.share() * chance.share(),
        jitter: match chance.below(4) {
            0 => Jitter::None,
            1 => Jitter::Uniform(ms(20.0)),
            2 => Jitter::Exponential(ms(10.0)),
            _ => Jitter::Heavy(ms(2.0)),
        },
    }
}
