//! A machine of the world: one member's process, its clock, its disk, and how slow it is.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;
use std::time::Duration;

use bytes::Bytes;
use gossip::{DialId, Time, Token};
use serf::{Command, Config, FrozenState, Keyring, PersistId, Serf, Tags};
use wire::NodeName;
use wire::message::gossip::StreamMessage;

use crate::clock::Clock;
use crate::disk::Disk;
use crate::old_agent::OldAgent;
use crate::role::{Errand, Player, RolePlan};

/// Names a host of a world; hosts are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// Whose habits a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habits {
    /// Tribune's.
    Own,
    /// Those of an old real agent: never forgets the left, reads at most 127 parts of a compound
    /// and no strings of the `bin` form, knows neither labels nor health in accusations, sends
    /// nothing on at once.
    OldAgent,
    /// Those of a member from before checksums (its newest membership protocol is 4).
    NoChecksums,
}

/// What a host is to be.
#[derive(Clone, Debug)]
pub struct HostPlan {
    /// The settings of its member; name and address are taken from here.
    pub config: Config,
    /// The keys on its disk.
    pub keyring: Option<Keyring>,
    /// Where it stands in the network.
    pub zone: usize,
    /// Whether it keeps a snapshot file.
    pub snapshot: bool,
    /// Whose habits its member has.
    pub habits: Habits,
    /// What its clock shows at the world's zero.
    pub clock_start: Time,
    /// Local seconds per world second.
    pub clock_rate: f64,
}

/// A host.
#[derive(Debug)]
pub struct Host {
    /// The name of its member.
    pub name: NodeName,
    /// Where its member is.
    pub address: SocketAddrV4,
    /// Settings for the next start.
    pub config: Config,
    /// The keys on its disk.
    pub(crate) keyring: Option<Keyring>,
    /// Whose habits its member has.
    pub habits: Habits,
    /// Whether it keeps a snapshot file.
    pub(crate) snapshot: bool,
    /// How it takes part in the floating role, if it does.
    pub role: Option<RolePlan>,
    /// Whether its health check would pass.
    pub(crate) healthy: bool,
    pub(crate) process: Option<Process>,
    pub(crate) runs: u32,
    pub(crate) clock: Clock,
    /// Processor time of one input; zero: too little to matter.
    pub(crate) work: Duration,
    pub(crate) paused_until: Time,
    pub(crate) busy_until: Time,
    pub(crate) inbox: VecDeque<Delivery>,
    pub(crate) inbox_bytes: usize,
    pub(crate) disk: Disk,
    /// Last time at which something other than the network's weather went wrong with it.
    pub(crate) disturbed_at: Time,
    pub(crate) pending: BTreeMap<Token, Purpose>,
    /// Whether it is going to try to join again, after a join that failed.
    pub(crate) joins_again: bool,
}

/// A running member.
#[derive(Debug)]
pub struct Process {
    /// The machine.
    pub serf: Serf,
    /// Which run of its host this is, from 1.
    pub run: u32,
    /// When it started.
    pub started: Time,
    /// It has been told to leave.
    pub leaving: bool,
    pub(crate) old_agent: Option<OldAgent>,
    pub(crate) player: Option<Player>,
}

/// Why a command was given: what to do with its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Join, again and again until somebody answers.
    Join { ignore_old_events: bool },
    /// The process ends after it.
    Leave,
    /// The task of the role waits for it.
    Exchange,
    /// Somebody outside waits for it.
    Reported,
    /// Nobody looks at it.
    Ignored,
}

/// What waits for a member's attention.
#[derive(Debug)]
pub(crate) enum Delivery {
    Packet(Packet),
    Request { stream: u64 },
    Response { dial: DialId, message: StreamMessage },
    FrozenResponse { dial: DialId, state: FrozenState },
    DialFailed { dial: DialId, why: &'static str },
    Persisted { id: PersistId, failed: bool },
    Command { token: Token, command: Box<Command> },
    Role(Errand),
}

/// A datagram on its way.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddrV4,
    pub(crate) sender: HostId,
    pub(crate) bytes: Bytes,
    /// Not as it was sent.
    pub(crate) damaged: bool,
    /// What it was sealed with.
    pub(crate) key: Option<wire::Key>,
}

/// Bytes of datagrams that wait for a process before the system drops them (the receive buffer
/// that agents ask for).
pub(crate) const SOCKET_BUFFER: usize = 2 << 20;

impl Host {
    pub(crate) fn new(plan: HostPlan, now: Time) -> Self {
        let gossip = &plan.config.gossip;
        let octets = gossip.advertise_address.as_bytes().try_into().unwrap_or([127, 0, 0, 1]);
        Host {
            name: gossip.name.clone(),
            address: SocketAddrV4::new(octets.into(), gossip.advertise_port),
            keyring: plan.keyring,
            habits: plan.habits,
            snapshot: plan.snapshot,
            role: None,
            healthy: true,
            process: None,
            runs: 0,
            clock: Clock::new(now, plan.clock_start, plan.clock_rate),
            work: Duration::ZERO,
            paused_until: Time::ZERO,
            busy_until: Time::ZERO,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            disk: Disk::default(),
            disturbed_at: now,
            pending: BTreeMap::new(),
            joins_again: false,
            config: plan.config,
        }
    }

    /// Its member, if it runs.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Its machine, if it runs.
    pub fn serf(&self) -> Option<&Serf> {
        self.process.as_ref().map(|process| &process.serf)
    }

    /// Its machine, if it runs, is not about to leave, and is not paused.
    pub fn active(&self, now: Time) -> Option<&Serf> {
        let process = self.process.as_ref()?;
        (!process.leaving && self.paused_until <= now).then_some(&process.serf)
    }

    /// Whether a join that an operator asked for is under way.
    pub(crate) fn is_joining(&self) -> bool {
        self.pending.values().any(|purpose| matches!(purpose, Purpose::Join { .. }))
    }

    /// Its tags, as last set.
    pub fn tags(&self) -> &Tags {
        self.serf().map_or(&self.config.tags, Serf::tags)
    }

    /// From when on it takes inputs.
    pub(crate) fn free_at(&self) -> Time {
        self.paused_until.max(self.busy_until)
    }

    pub(crate) fn push(&mut self, delivery: Delivery) {
        if let Delivery::Packet(Packet { bytes, .. }) = &delivery {
            if self.inbox_bytes + bytes.len() > SOCKET_BUFFER {
                return;
            }
            self.inbox_bytes += bytes.len();
        }
        self.inbox.push_back(delivery);
    }

    pub(crate) fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.inbox.pop_front()?;
        if let Delivery::Packet(Packet { bytes, .. }) = &delivery {
            self.inbox_bytes -= bytes.len();
        }
        Some(delivery)
    }
}
