//! What can be done to a world: by fate, by operators, by applications.

use std::net::SocketAddrV4;
use std::time::Duration;

use bytes::Bytes;
use serf::{Command, KeyOperation, QueryRequest, TagChange, Tags};
use wire::NodeName;
use wire::message::serf::Filter;

use crate::check::counters;
use crate::host::{HostId, Purpose};
use crate::network::Weather;
use crate::scenario;
use crate::world::World;

/// Something that is done to a world.
#[derive(Clone, Debug)]
pub enum Action {
    /// A host is switched on (if it is off) and joins.
    Start {
        /// Which.
        host: HostId,
        /// Whether it wants no events from before.
        ignore_old_events: bool,
    },
    /// A process dies.
    Crash(HostId),
    /// The end of a snapshot file of a host that is off never reached the disk.
    TearSnapshot(HostId),
    /// A host that is off loses its snapshot file.
    LoseSnapshot(HostId),
    /// Writes fail, or work again.
    DiskFails(HostId, bool),
    /// A process stands still.
    Pause(HostId, Duration),
    /// Every input takes that long.
    Work(HostId, Duration),
    /// A clock's rate.
    ClockRate(HostId, f64),
    /// A clock jumps ahead.
    ClockJump(HostId, Duration),
    /// A host that is off gets another address.
    Move(HostId, usize),
    /// A host that is off gets another name.
    Rename(HostId, NodeName),
    /// The tags that a host will start with.
    RetagOffline(HostId, String),
    /// Another host that bears the name of this one is switched on.
    Clone(HostId),
    /// All such hosts are switched off.
    EndClones,
    /// The weather changes.
    Weather(Weather),
    /// Hosts reach each other where their sets share a bit.
    Partition(Vec<u64>),
    /// The partition ends.
    Rejoin,
    /// One direction of a link is blocked, or free.
    OneWay(HostId, HostId, bool),
    /// A host is cut off, or back.
    Clog(HostId, bool),
    /// A host hears only a share of the datagrams sent to it.
    Deaf(HostId, f64),
    /// A host's datagrams are dropped, or not.
    StreamsOnly(HostId, bool),
    /// A user event from a host.
    Event(HostId),
    /// Many at once.
    EventBurst(HostId, usize),
    /// A query to those whose role contains a text; with acks, and relayed.
    Query(HostId, Option<&'static str>),
    /// A member changes its tags.
    Retag(HostId),
    /// A member leaves and its process ends.
    Leave(HostId),
    /// An operator at the first declares that the second has left.
    ForceLeave(HostId, HostId, bool),
    /// An operator rotates the key: installs it, uses it, removes the old one, each only if the
    /// step before succeeded.
    RotateKey(HostId, u8),
    /// A member of a later version, at this host, sends an event with a field nobody knows.
    FutureEvent(HostId),
    /// An operator has a member join again.
    Join(HostId),
    /// The health check of a host fails, or passes again.
    Health(HostId, bool),
}

/// Pauses of this length and more are counted as long.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// The text that marks what a member of a later version sends.
pub(crate) const FUTURE: &str = "future-";
/// The field that only it knows.
pub(crate) const FUTURE_FIELD: &str = "Hue";

impl World {
    /// Does it. Things that make no sense at the moment (a host that is off cannot leave) are
    /// left undone.
    pub(crate) fn act(&mut self, action: &Action, count: &mut Deeds) {
        self.remark(|| format!("{action:?}"));
        match action {
            Action::Start { host, ignore_old_events } => {
                self.switch_on(*host, *ignore_old_events, count);
            }
            Action::Crash(host) => {
                count.tally.crashes += u64::from(!self.is_off(*host));
                self.crash(*host);
            }
            Action::TearSnapshot(host) if self.is_off(*host) => {
                let lost = self.hosts[host.0].disk.tear(&mut self.chance);
                count.tally.torn_snapshots += u64::from(lost > 0);
            }
            Action::LoseSnapshot(host) if self.is_off(*host) => {
                count.tally.lost_snapshots += 1;
                self.hosts[host.0].disk = crate::disk::Disk::default();
            }
            Action::DiskFails(host, failing) => self.hosts[host.0].disk.failing = *failing,
            Action::Pause(host, duration) => {
                let is_long = *duration >= LONG_PAUSE;
                let tally = &mut count.tally;
                let pauses = if is_long { &mut tally.long_pauses } else { &mut tally.short_pauses };
                *pauses += u64::from(!self.is_off(*host));
                self.pause(*host, *duration);
            }
            Action::Work(host, work) => {
                count.tally.slow_hosts += u64::from(!work.is_zero());
                self.set_work(*host, *work);
            }
            Action::ClockRate(host, rate) => {
                count.tally.clock_rates += 1;
                self.set_clock_rate(*host, *rate);
            }
            Action::ClockJump(host, by) => {
                count.tally.clock_jumps += 1;
                self.jump_clock(*host, *by);
            }
            Action::Move(host, moves) if self.is_off(*host) => {
                let address = SocketAddrV4::new(scenario::address(host.0, *moves), scenario::PORT);
                count.tally.moves += 1;
                self.move_host(*host, address);
            }
            Action::Rename(host, name) if self.is_off(*host) => {
                count.tally.renames += 1;
                self.rename_host(*host, name.clone());
            }
            Action::RetagOffline(host, role) => {
                let role = ("role".to_owned(), role.clone());
                self.hosts[host.0].config.tags.extend([role]);
            }
            Action::Clone(host) => self.clone_host(*host, count),
            Action::EndClones => self.end_clones(),
            Action::Join(host) => self.join(*host, true),
            Action::TearSnapshot(_)
            | Action::LoseSnapshot(_)
            | Action::Move(..)
            | Action::Rename(..) => {}
            _ => self.act_on_network_or_member(action, count),
        }
    }

    fn act_on_network_or_member(&mut self, action: &Action, count: &mut Deeds) {
        match action {
            Action::Weather(weather) => {
                count.tally.weathers += 1;
                self.network.weather = *weather;
            }
            Action::Partition(parts) => {
                count.tally.partitions += 1;
                self.network.partition(parts);
            }
            Action::Rejoin => self.network.rejoin(),
            Action::OneWay(from, to, blocked) => {
                count.tally.one_way_links += u64::from(*blocked);
                self.network.set_one_way(*from, *to, *blocked);
            }
            Action::Clog(host, clogged) => {
                count.tally.cut_off += u64::from(*clogged);
                self.network.set_clogged(*host, *clogged);
            }
            Action::Deaf(host, share) => {
                count.tally.half_deaf += u64::from(*share > 0.0);
                self.network.set_deaf(*host, *share);
            }
            Action::StreamsOnly(host, on) => {
                count.tally.streams_only += u64::from(*on);
                self.network.set_streams_only(*host, *on);
            }
            Action::Event(host) => self.user_event(*host, count),
            Action::EventBurst(host, events) => {
                for _ in 0..*events {
                    self.user_event(*host, count);
                }
            }
            Action::Query(host, role) => self.query(*host, *role, count),
            Action::Retag(host) => self.retag(*host, count),
            Action::Leave(host) => {
                count.tally.leaves += u64::from(!self.is_off(*host));
                if !self.resign(*host) {
                    self.command_for(*host, Command::Leave, Purpose::Leave);
                }
            }
            Action::ForceLeave(from, node, prune) => {
                count.tally.force_leaves += u64::from(!self.is_off(*from));
                let node = self.hosts[node.0].name.clone();
                count.declared.insert((*from, node.clone()));
                let command = Command::ForceLeave { node, prune: *prune };
                self.command_for(*from, command, Purpose::Reported);
            }
            Action::RotateKey(host, number) => {
                let parted = self.network.is_partitioned() && !self.is_off(*host);
                count.tally.parted_rotations += u64::from(parted);
                let key = Bytes::copy_from_slice(&[*number; 16]);
                count.rotation = Some(Rotation { host: *host, key: key.clone(), step: 0 });
                self.key_step(*host, KeyOperation::Install(key), count);
            }
            Action::FutureEvent(host) => self.future_event(*host, count),
            Action::Health(host, healthy) => self.set_healthy(*host, *healthy),
            _ => {}
        }
    }

    pub(crate) fn is_off(&self, host: HostId) -> bool {
        self.hosts[host.0].process.is_none()
    }

    /// Its process is gone at once. What it had not written may be lost in any part.
    pub fn crash(&mut self, id: HostId) {
        let now = self.now;
        let host = &mut self.hosts[id.0];
        if host.process.is_some() {
            host.disk.crash(&mut self.chance);
            self.note(id, || "crashes".to_owned());
            self.end(id, now);
        }
        if self.hosts.iter().all(|host| host.process.is_none()) {
            // Nobody is left to be joined: those who were would make several clusters of one.
            self.joined.clear();
        }
    }

    pub(crate) fn switch_on(&mut self, host: HostId, ignore_old_events: bool, count: &mut Deeds) {
        if self.is_off(host) {
            count.tally.restarts += u64::from(self.hosts[host.0].runs > 0);
            count.ignoring.insert((host, self.hosts[host.0].runs + 1), ignore_old_events);
            self.start(host);
            self.join(host, ignore_old_events);
        }
    }

    fn user_event(&mut self, host: HostId, count: &mut Deeds) {
        if self.hosts[host.0].process.is_some() {
            count.tally.user_events += 1;
            // Short, so that many fit into one packet.
            let name = format!("{}", count.tally.user_events);
            let command = Command::UserEvent { name, payload: None, coalesce: false };
            self.command_for(host, command, Purpose::Reported);
        }
    }

    fn query(&mut self, host: HostId, role: Option<&'static str>, count: &mut Deeds) {
        if self.hosts[host.0].process.is_none() {
            return;
        }
        count.tally.queries += 1;
        let filter = role.map(|expression| Filter::Tag {
            tag: "role".to_owned(),
            expression: expression.to_owned(),
        });
        let request = QueryRequest {
            name: format!("q{}-{}", count.tally.queries, role.unwrap_or_default()),
            filters: filter.into_iter().collect(),
            request_ack: count.tally.queries.is_multiple_of(2),
            relay_factor: (count.tally.queries % 3) as u8,
            ..QueryRequest::default()
        };
        self.command_for(host, Command::Query(request), Purpose::Reported);
    }

    fn retag(&mut self, host: HostId, count: &mut Deeds) {
        count.tally.retags += 1;
        let mut tags: Tags = self.hosts[host.0].tags().clone();
        tags.insert("v".to_owned(), count.tally.retags.to_string());
        self.hosts[host.0].config.tags = tags.clone();
        let change = TagChange::Replace(tags);
        let command = Command::SetTags { change, persist: count.tally.retags.is_multiple_of(2) };
        self.command_for(host, command, Purpose::Reported);
    }

    pub(crate) fn key_step(&mut self, host: HostId, operation: KeyOperation, count: &mut Deeds) {
        if self.hosts[host.0].process.is_some() {
            let token = self.command_for(host, Command::Keys(operation), Purpose::Reported);
            count.rotation_token = Some(token);
        }
    }

    /// A further host with a name that another has.
    fn clone_host(&mut self, original: HostId, count: &mut Deeds) {
        count.tally.twins += 1;
        let number = self.hosts.len();
        let host = &self.hosts[original.0];
        let role = host.role;
        let mut config = host.config.clone();
        let address = scenario::address(number, 200);
        config.gossip.advertise_address = std::net::IpAddr::V4(address).into();
        config.tags.insert("clone".to_owned(), number.to_string());
        let plan = crate::HostPlan {
            config,
            keyring: host.keyring.clone(),
            zone: number,
            snapshot: false,
            habits: crate::Habits::Own,
            clock_start: gossip::Time::ZERO,
            clock_rate: 1.0,
        };
        let clone = self.add_host(plan);
        self.hosts[clone.0].role = role;
        count.clone_hosts.push(clone);
        self.switch_on(clone, true, count);
    }

    fn end_clones(&mut self) {
        for host in self.host_ids().collect::<Vec<_>>() {
            let twin = |other: &HostId| {
                *other != host && self.hosts[other.0].name == self.hosts[host.0].name
            };
            if self.host_ids().filter(|other| other.0 < host.0).any(|other| twin(&other)) {
                self.crash(host);
                self.joined.retain(|joined| *joined != host);
            }
        }
    }

    /// As if a member of a later version had sent it: an event with a field that nobody knows.
    fn future_event(&mut self, host: HostId, count: &mut Deeds) {
        use wire::message::gossip::kind as gossip_kind;
        use wire::message::serf::kind as serf_kind;
        let Some(serf) = self.hosts[host.0].serf() else { return };
        count.tally.future_events += 1;
        let mut body = vec![gossip_kind::USER, serf_kind::USER_EVENT];
        let writer = &mut wire::msgpack::Writer::new(&mut body);
        writer.write_map(5);
        writer.write_text("CC");
        writer.write_bool(false);
        writer.write_text(FUTURE_FIELD);
        writer.write_u64(7);
        writer.write_text("LTime");
        writer.write_u64(serf.statistics().event_time.0);
        writer.write_text("Name");
        writer.write_text(&format!("{FUTURE}{}", count.tally.future_events));
        writer.write_text("Payload");
        writer.write_nil();
        self.inject(host, body.into());
    }
}

/// What has been done so far, for counters and for checkers.
#[derive(Debug, Default)]
pub struct Deeds {
    /// How often.
    pub tally: Tally,
    /// The hosts with the name of another.
    pub(crate) clone_hosts: Vec<HostId>,
    /// Who was declared by an operator, and where.
    pub(crate) declared: std::collections::BTreeSet<(HostId, NodeName)>,
    /// Which runs wanted no old events.
    pub(crate) ignoring: std::collections::BTreeMap<(HostId, u32), bool>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) rotation_token: Option<serf::Token>,
}

/// How often something was done. Only what had an effect counts: nobody crashes who is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Processes killed.
    pub crashes: u64,
    /// Processes started again.
    pub restarts: u64,
    /// Processes paused for less than a minute.
    pub short_pauses: u64,
    /// Processes paused for a minute or more.
    pub long_pauses: u64,
    /// Partitions of the whole network.
    pub partitions: u64,
    /// Hosts cut off.
    pub cut_off: u64,
    /// Links blocked in one direction.
    pub one_way_links: u64,
    /// Hosts that do not hear all datagrams.
    pub half_deaf: u64,
    /// Hosts of which only streams pass.
    pub streams_only: u64,
    /// Changes of the weather.
    pub weathers: u64,
    /// Hosts that became slow.
    pub slow_hosts: u64,
    /// Clocks that jumped ahead.
    pub clock_jumps: u64,
    /// Clocks that changed their rate.
    pub clock_rates: u64,
    /// Snapshot files cut short.
    pub torn_snapshots: u64,
    /// Snapshot files lost.
    pub lost_snapshots: u64,
    /// Writes of snapshots and keyrings that failed.
    pub failed_writes: u64,
    /// Hosts that got another address.
    pub moves: u64,
    /// Hosts that got another name.
    pub renames: u64,
    /// Graceful leaves.
    pub leaves: u64,
    /// Leaves declared by operators.
    pub force_leaves: u64,
    /// Hosts with the name of another.
    pub twins: u64,
    /// User events.
    pub user_events: u64,
    /// Queries.
    pub queries: u64,
    /// Changes of tags.
    pub retags: u64,
    /// Events of members of a later version.
    pub future_events: u64,
    /// Key rotations that went through.
    pub key_rotations: u64,
    /// Key rotations begun during a partition.
    pub parted_rotations: u64,
}

counters!(Tally {
    crashes,
    restarts,
    short_pauses,
    long_pauses,
    partitions,
    cut_off,
    one_way_links,
    half_deaf,
    streams_only,
    weathers,
    slow_hosts,
    clock_jumps,
    clock_rates,
    torn_snapshots,
    lost_snapshots,
    failed_writes,
    moves,
    renames,
    leaves,
    force_leaves,
    twins,
    user_events,
    queries,
    retags,
    future_events,
    key_rotations,
    parted_rotations,
});

/// A key rotation on its way.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    pub(crate) host: HostId,
    pub(crate) key: Bytes,
    pub(crate) step: u8,
}
