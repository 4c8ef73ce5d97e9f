//! What can be done to a world: by fate, by operators, by applications.

use std::net::SocketAddrV4;
use std::time::Duration;

use bytes::Bytes;
use serf::{Command, KeyOperation, QueryRequest, TagChange, Tags};
use wire::NodeName;
use wire::message::serf::Filter;

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
                count.crashes += u64::from(self.hosts[host.0].process.is_some());
                self.crash(*host);
            }
            Action::TearSnapshot(host) if self.is_off(*host) => {
                count.torn_snapshots += 1;
                self.hosts[host.0].disk.tear(&mut self.chance);
            }
            Action::LoseSnapshot(host) if self.is_off(*host) => {
                self.hosts[host.0].disk = crate::disk::Disk::default();
            }
            Action::DiskFails(host, failing) => self.hosts[host.0].disk.failing = *failing,
            Action::Pause(host, duration) => {
                count.pauses += 1;
                self.pause(*host, *duration);
            }
            Action::Work(host, work) => self.set_work(*host, *work),
            Action::ClockRate(host, rate) => self.set_clock_rate(*host, *rate),
            Action::ClockJump(host, by) => self.jump_clock(*host, *by),
            Action::Move(host, moves) if self.is_off(*host) => {
                let address = SocketAddrV4::new(scenario::address(host.0, *moves), scenario::PORT);
                self.move_host(*host, address);
            }
            Action::Rename(host, name) if self.is_off(*host) => {
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
            Action::Weather(weather) => self.network.weather = *weather,
            Action::Partition(parts) => {
                count.partitions += 1;
                self.network.partition(parts);
            }
            Action::Rejoin => self.network.rejoin(),
            Action::OneWay(from, to, blocked) => self.network.set_one_way(*from, *to, *blocked),
            Action::Clog(host, clogged) => {
                count.partitions += u64::from(*clogged);
                self.network.set_clogged(*host, *clogged);
            }
            Action::Deaf(host, share) => self.network.set_deaf(*host, *share),
            Action::StreamsOnly(host, on) => self.network.set_streams_only(*host, *on),
            Action::Event(host) => self.user_event(*host, count),
            Action::EventBurst(host, events) => {
                for _ in 0..*events {
                    self.user_event(*host, count);
                }
            }
            Action::Query(host, role) => self.query(*host, *role, count),
            Action::Retag(host) => self.retag(*host, count),
            Action::Leave(host) => {
                count.leaves += 1;
                if !self.resign(*host) {
                    self.command_for(*host, Command::Leave, Purpose::Leave);
                }
            }
            Action::ForceLeave(from, node, prune) => {
                count.force_leaves += 1;
                let node = self.hosts[node.0].name.clone();
                count.declared.insert((*from, node.clone()));
                let command = Command::ForceLeave { node, prune: *prune };
                self.command_for(*from, command, Purpose::Reported);
            }
            Action::RotateKey(host, number) => {
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

    pub(crate) fn switch_on(&mut self, host: HostId, ignore_old_events: bool, count: &mut Deeds) {
        if self.is_off(host) {
            count.restarts += u64::from(self.hosts[host.0].runs > 0);
            count.ignoring.insert((host, self.hosts[host.0].runs + 1), ignore_old_events);
            self.start(host);
            self.join(host, ignore_old_events);
        }
    }

    fn user_event(&mut self, host: HostId, count: &mut Deeds) {
        if self.hosts[host.0].process.is_some() {
            count.events += 1;
            // Short, so that many fit into one packet.
            let name = format!("{}", count.events);
            let command = Command::UserEvent { name, payload: None, coalesce: false };
            self.command_for(host, command, Purpose::Reported);
        }
    }

    fn query(&mut self, host: HostId, role: Option<&'static str>, count: &mut Deeds) {
        if self.hosts[host.0].process.is_none() {
            return;
        }
        count.queries += 1;
        let filter = role.map(|expression| Filter::Tag {
            tag: "role".to_owned(),
            expression: expression.to_owned(),
        });
        let request = QueryRequest {
            name: format!("q{}-{}", count.queries, role.unwrap_or_default()),
            filters: filter.into_iter().collect(),
            request_ack: count.queries.is_multiple_of(2),
            relay_factor: (count.queries % 3) as u8,
            ..QueryRequest::default()
        };
        self.command_for(host, Command::Query(request), Purpose::Reported);
    }

    fn retag(&mut self, host: HostId, count: &mut Deeds) {
        count.retags += 1;
        let mut tags: Tags = self.hosts[host.0].tags().clone();
        tags.insert("v".to_owned(), count.retags.to_string());
        self.hosts[host.0].config.tags = tags.clone();
        let change = TagChange::Replace(tags);
        let command = Command::SetTags { change, persist: count.retags.is_multiple_of(2) };
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
        count.clones += 1;
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
        count.future_events += 1;
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
        writer.write_text(&format!("{FUTURE}{}", count.future_events));
        writer.write_text("Payload");
        writer.write_nil();
        self.inject(host, body.into());
    }
}

/// What has been done so far, for counters and for checkers.
#[derive(Debug, Default)]
pub struct Deeds {
    /// Processes killed.
    pub crashes: u64,
    /// Processes started again.
    pub restarts: u64,
    /// Processes paused.
    pub pauses: u64,
    /// Partitions, of hosts or of the whole network.
    pub partitions: u64,
    /// Snapshot files cut short.
    pub torn_snapshots: u64,
    /// Graceful leaves.
    pub leaves: u64,
    /// Leaves declared by operators.
    pub force_leaves: u64,
    /// Hosts with the name of another.
    pub clones: u64,
    /// User events.
    pub events: u64,
    /// Queries.
    pub queries: u64,
    /// Changes of tags.
    pub retags: u64,
    /// Events of members of a later version.
    pub future_events: u64,
    /// Key rotations that went through.
    pub rotations: u64,
    /// The hosts with the name of another.
    pub(crate) clone_hosts: Vec<HostId>,
    /// Who was declared by an operator, and where.
    pub(crate) declared: std::collections::BTreeSet<(HostId, NodeName)>,
    /// Which runs wanted no old events.
    pub(crate) ignoring: std::collections::BTreeMap<(HostId, u32), bool>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) rotation_token: Option<serf::Token>,
}

/// A key rotation on its way.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    pub(crate) host: HostId,
    pub(crate) key: Bytes,
    pub(crate) step: u8,
}
