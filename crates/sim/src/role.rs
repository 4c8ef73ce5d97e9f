//! Hosts that take part in a floating role: the `role` machine, driven as the agent drives it.
//!
//! Its driver is a task of its own beside that of the member: what is meant for it waits in the
//! same queue while the process stands still, and it sees the member table a moment later than a
//! change. The health check is a word that comes from outside.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use gossip::{Time, Token};
use role::{Config, Input, Output, Quorum, Record, Seat, Timing, Words};
use serf::{Command, JoinTarget, Member, MemberStatus, TagChange, Tags};
use wire::NodeName;

use crate::host::{Delivery, HostId, Purpose};
use crate::observation::What;
use crate::world::{Happening, World};

/// How a host takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolePlan {
    /// Higher is preferred.
    pub priority: u32,
    /// Who may hold the role when not everybody can be seen.
    pub quorum: Quorum,
    /// Whether it takes the role from a live holder of lower priority.
    pub preempt: bool,
    /// Whether it has a health check, which must have passed before it is eligible.
    pub checked: bool,
}

/// The part of a running process.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) seat: Seat,
    /// Whether it has the address that goes with the role.
    pub(crate) has_address: bool,
    /// The joins of the start are over.
    pub(crate) settled: bool,
    /// When they have taken too long, if they can.
    gives_up_at: Option<Time>,
    looking: bool,
    wake_at: Option<Time>,
    /// The exchanges of a refresh that are not over.
    refreshing: BTreeSet<Token>,
    /// It leaves once it has handed over.
    pub(crate) leaving: bool,
}

/// What comes to the task of a role.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Something about members has changed.
    Look,
    /// The deadline of the machine may have passed.
    Timeout,
    /// Whether it has met another member is asked again.
    Settle,
    /// The health check's word.
    Healthy(bool),
    /// An exchange of a refresh has ended.
    Exchanged(Token),
    /// Hand over, then leave.
    Resign,
}

/// The name of the role; all participants use the same.
const ROLE: &str = "primary";
/// As the agent has it: how long a start waits for others before it believes that there are none,
/// and how often it looks.
pub(crate) const SETTLE_LIMIT: Duration = Duration::from_secs(10);
const SETTLE_LOOK: Duration = Duration::from_millis(100);
/// The first word of a health check, and the delay of the task.
const FIRST_CHECK: Duration = Duration::from_millis(200);
const TASK_DELAY: Duration = Duration::from_micros(200);

fn words() -> Words {
    let [role, tag, standby] = [ROLE, "floating", "standby"].map(str::to_owned);
    Words { role, tag, standby }
}

/// The tags that a participant starts with: a claim of its last run is not believed.
pub(crate) fn initial_tags(plan: RolePlan, tags: &mut Tags) {
    let record = Record { priority: plan.priority, eligible: !plan.checked, claim: 0 };
    words().put(record, false, tags);
}

/// What a member says of itself, as another knows it.
pub(crate) fn record(member: &Member) -> Option<Record> {
    Record::from_tags(&member.tags, ROLE)
}

impl World {
    /// From its next start on the host takes part in the floating role.
    pub fn take_part(&mut self, id: HostId, plan: RolePlan) {
        self.hosts[id.0].role = Some(plan);
    }

    /// Whether that host acts as the holder of the floating role.
    pub fn holds_role(&self, id: HostId) -> bool {
        let process = self.hosts[id.0].process.as_ref();
        process.and_then(|p| p.player.as_ref()).is_some_and(|player| player.has_address)
    }

    /// Its process has started: so does its part.
    pub(crate) fn start_role(&mut self, id: HostId) {
        let host = &mut self.hosts[id.0];
        let (Some(plan), Some(process)) = (host.role, &mut host.process) else { return };
        let config = Config {
            role: ROLE.to_owned(),
            node: host.name.clone(),
            priority: plan.priority,
            quorum: plan.quorum,
            preempt: plan.preempt,
            timing: Timing::of(&host.config),
        };
        let local = host.clock.local(self.now);
        // As the agent does it: who starts and reaches nobody would be its own majority.
        let waits = host.snapshot || self.joined.iter().any(|other| *other != id);
        let gives_up_at = match plan.quorum {
            _ if !waits => Some(self.now),
            Quorum::None => Some(self.now + SETTLE_LIMIT),
            Quorum::Majority => None,
        };
        process.player = Some(Player {
            seat: Seat::new(config, words(), !plan.checked, local),
            has_address: false,
            settled: false,
            gives_up_at,
            looking: false,
            wake_at: None,
            refreshing: BTreeSet::new(),
            leaving: false,
        });
        let healthy = host.healthy;
        if plan.checked && healthy {
            self.errand(id, FIRST_CHECK, Errand::Healthy(true));
        }
        self.errand(id, SETTLE_LOOK, Errand::Settle);
        self.errand(id, TASK_DELAY, Errand::Look);
    }

    /// Something for the task of a role, after a while.
    pub(crate) fn errand(&mut self, id: HostId, after: Duration, errand: Errand) {
        let run = self.hosts[id.0].runs;
        let delivery = Delivery::Role(errand);
        self.agenda.enter(self.now + after, Happening::Delivery(id, run, Box::new(delivery)));
    }

    /// A fact about a member came by.
    pub(crate) fn members_changed(&mut self, id: HostId) {
        let player = self.hosts[id.0].process.as_mut().and_then(|p| p.player.as_mut());
        if let Some(player) = player
            && !std::mem::replace(&mut player.looking, true)
        {
            self.errand(id, TASK_DELAY, Errand::Look);
        }
    }

    /// The health check of a host begins to pass, or to fail.
    pub(crate) fn set_healthy(&mut self, id: HostId, healthy: bool) {
        self.hosts[id.0].healthy = healthy;
        if self.hosts[id.0].role.is_some_and(|plan| plan.checked) {
            self.note(id, || format!("is healthy: {healthy}"));
            self.errand(id, TASK_DELAY, Errand::Healthy(healthy));
        }
    }

    /// A member is to leave: it hands over first. False if it takes no part in the role.
    pub(crate) fn resign(&mut self, id: HostId) -> bool {
        let takes_part = self.hosts[id.0].process.as_ref().is_some_and(|p| p.player.is_some());
        if takes_part {
            self.errand(id, TASK_DELAY, Errand::Resign);
        }
        takes_part
    }

    pub(crate) fn handle_errand(&mut self, id: HostId, errand: Errand) {
        let host = &mut self.hosts[id.0];
        let local = host.clock.local(self.now);
        let Some(process) = &mut host.process else { return };
        let Some(player) = &mut process.player else { return };
        let mut put_tags = false;
        match errand {
            Errand::Look => {
                player.looking = false;
                let members: Vec<Member> = process.serf.members().cloned().collect();
                put_tags = player.seat.look(local, &members);
            }
            Errand::Timeout => {
                if player.seat.machine().next_timeout().is_some_and(|at| at <= local) {
                    player.seat.handle(local, Input::Timeout);
                }
            }
            Errand::Settle if player.settled => {}
            Errand::Settle => {
                let members: Vec<Member> = process.serf.members().cloned().collect();
                let other = |m: &Member| m.status == MemberStatus::Alive && m.name != host.name;
                if members.iter().any(other) || player.gives_up_at.is_some_and(|at| at <= self.now)
                {
                    player.settled = true;
                    put_tags = player.seat.look(local, &members);
                    player.seat.handle(local, Input::Settled);
                } else {
                    self.errand(id, SETTLE_LOOK, Errand::Settle);
                }
            }
            Errand::Healthy(healthy) => player.seat.handle(local, Input::Healthy(healthy)),
            Errand::Exchanged(token) => {
                player.refreshing.remove(&token);
                if player.refreshing.is_empty() {
                    let members: Vec<Member> = process.serf.members().cloned().collect();
                    put_tags = player.seat.look(local, &members);
                    player.seat.handle(local, Input::Refreshed);
                }
            }
            Errand::Resign => {
                player.leaving = true;
                player.seat.handle(local, Input::Resign);
            }
        }
        if put_tags {
            self.put_role_tags(id);
        }
        self.carry_out(id);
        self.wake_role(id);
    }

    /// Enters when the role's machine has something to do next.
    pub(crate) fn wake_role(&mut self, id: HostId) {
        let host = &mut self.hosts[id.0];
        let Some(player) = host.process.as_mut().and_then(|p| p.player.as_mut()) else { return };
        let next = player.seat.machine().next_timeout().map(|local| host.clock.world(local));
        let next = next.map(|at| at.max(self.now));
        if next != player.wake_at {
            player.wake_at = next;
            if let Some(at) = next {
                let delivery = Delivery::Role(Errand::Timeout);
                let happening = Happening::Delivery(id, host.runs, Box::new(delivery));
                self.agenda.enter(at, happening);
            }
        }
    }

    fn player(&mut self, id: HostId) -> Option<&mut Player> {
        self.hosts[id.0].process.as_mut().and_then(|process| process.player.as_mut())
    }

    fn carry_out(&mut self, id: HostId) {
        while let Some(output) = self.player(id).and_then(|player| player.seat.poll_output()) {
            match output {
                Output::Announce { .. } => self.put_role_tags(id),
                Output::Acquire => self.take_address(id, true),
                Output::Release => self.take_address(id, false),
                Output::Reannounce => {}
                Output::Refresh => self.refresh(id),
                Output::Reach { nodes } => self.reach(id, &nodes),
                Output::Resigned => {
                    if self.player(id).is_some_and(|player| player.leaving) {
                        self.command_for(id, Command::Leave, Purpose::Leave);
                    }
                }
                Output::Fact(fact) => {
                    self.trace.said(&fact);
                    self.note(id, || format!("  role: {fact:?}"));
                    self.observe(id, What::Role(fact));
                }
            }
        }
    }

    fn take_address(&mut self, id: HostId, has_address: bool) {
        if let Some(player) = self.player(id) {
            player.has_address = has_address;
            self.observe(id, What::Address(has_address));
        }
        let others = self.host_ids().filter(|other| *other != id && self.holds_role(*other));
        if has_address && others.count() > 0 {
            self.observe(id, What::TwoHolders);
        }
    }

    fn put_role_tags(&mut self, id: HostId) {
        let Some(set) = self.player(id).and_then(|player| player.seat.tags()) else { return };
        let change = TagChange::Edit { delete: Vec::new(), set };
        self.command_for(id, Command::SetTags { change, persist: false }, Purpose::Ignored);
    }

    fn refresh(&mut self, id: HostId) {
        let Some(serf) = self.hosts[id.0].serf() else { return };
        let members: Vec<Member> = serf.members().cloned().collect();
        let addresses = Seat::to_refresh(&self.hosts[id.0].name, &members);
        let tokens: Vec<Token> =
            addresses.into_iter().map(|to| self.exchange(id, to, Purpose::Exchange)).collect();
        let nobody = tokens.is_empty();
        if let Some(player) = self.player(id) {
            player.refreshing.extend(tokens);
        }
        if nobody {
            self.errand(id, TASK_DELAY, Errand::Exchanged(Token(0)));
        }
    }

    fn reach(&mut self, id: HostId, nodes: &[NodeName]) {
        let Some(serf) = self.hosts[id.0].serf() else { return };
        let members: Vec<Member> = serf.members().cloned().collect();
        for to in Seat::to_reach(nodes, &members) {
            self.exchange(id, to, Purpose::Ignored);
        }
    }

    fn exchange(&mut self, id: HostId, address: SocketAddr, purpose: Purpose) -> Token {
        let target = JoinTarget { address, name: None, label: address.to_string() };
        let join = Command::Join { targets: vec![target], ignore_old_events: true };
        self.command_for(id, join, purpose)
    }
}
