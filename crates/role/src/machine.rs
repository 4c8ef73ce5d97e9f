//! The machine: when to claim, when to hold, when to let go.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::Duration;

use serf::{Member, Time};
use wire::NodeName;

use crate::claim::Record;
use crate::election::{Participant, View, precedence};

/// Who may hold the role when not everybody can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// Anybody: the survivors always serve.
    None,
    /// Only a member that sees more than half of the participants. The left do not count, the
    /// failed do until an operator forces them to leave.
    Majority,
}

/// The settings of one participant.
#[derive(Clone, Debug)]
pub struct Config {
    /// The role's name; all participants use the same.
    pub role: String,
    /// Own name.
    pub node: NodeName,
    /// Higher is preferred.
    pub priority: u32,
    /// Who may hold the role when not everybody can be seen.
    pub quorum: Quorum,
    /// Whether to take the role from a live holder of lower priority.
    pub preempt: bool,
    /// How long it waits for what.
    pub timing: Timing,
}

/// How long a participant waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Wait between announcing a claim and acting on it, for competing claims to be seen: one
    /// gossip interval.
    pub settle: Duration,
    /// A holder that was not run for this long has been paused and must ask before it goes on:
    /// the shortest time in which the others can have declared it dead.
    pub pause_limit: Duration,
    /// Longest wait for an answer after a pause before the claim is trusted again: one probe
    /// interval.
    pub doubt: Duration,
    /// Longest wait for a successor when resigning.
    pub handover: Duration,
}

/// Longest wait of a leaving holder for its successor.
pub const HANDOVER: Duration = Duration::from_secs(3);

impl Timing {
    /// What the settings of the member say about it.
    pub fn of(config: &serf::Config) -> Self {
        let gossip = &config.gossip;
        Timing {
            settle: gossip.gossip_interval,
            pause_limit: gossip.probe_interval * gossip.suspicion_mult,
            doubt: gossip.probe_interval,
            handover: HANDOVER,
        }
    }
}

/// What the driver tells the machine.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The deadline of `next_timeout` has passed.
    Timeout,
    /// The member table, whole, after any change.
    Members(&'a [Member]),
    /// The start's joins are over (or there were none): silence now means something.
    Settled,
    /// The health check's word.
    Healthy(bool),
    /// An exchange asked for by [`Output::Refresh`] is over, well or not.
    Refreshed,
    /// The agent is about to leave: hand over.
    Resign,
}

/// What the machine tells its driver, in the order in which it must be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Put this record into the own tags. `holding` decides the value of the visible tag.
    Announce {
        /// The record for the tag `Record::tag`.
        record: Record,
        /// Whether this member holds (or claims) the role.
        holding: bool,
    },
    /// Take the address and run the command. `again`: after a doubt, without the command.
    Acquire,
    /// Give the address back and run the command.
    Release,
    /// Announce the address to the neighbours once more.
    Reannounce,
    /// Exchange states with these failed members, if they can be reached: they may be behind a
    /// partition that has healed, and have a holder there.
    Reach {
        /// Who.
        nodes: Vec<NodeName>,
    },
    /// Exchange states with other members now, then say [`Input::Refreshed`].
    Refresh,
    /// The resignation is over; the agent may leave.
    Resigned,
    /// For the log.
    Fact(Fact),
}

/// What happened, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// This member claims the role.
    Claimed {
        /// Its claim.
        claim: u64,
    },
    /// This member holds the role.
    Acquired {
        /// Its claim.
        claim: u64,
    },
    /// This member does not hold the role any more.
    Released {
        /// Why.
        reason: Reason,
    },
    /// This member was not run for this long while it held the role.
    Paused {
        /// How long.
        length: Duration,
    },
    /// Another member holds the role.
    HolderSeen {
        /// Who.
        node: NodeName,
        /// Its claim.
        claim: u64,
    },
    /// No live member holds the role.
    HolderLost {
        /// Who held it last.
        node: NodeName,
    },
}

/// Why a role was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another member has a newer claim.
    NewerClaim(NodeName),
    /// The health check fails.
    Unhealthy,
    /// Less than a majority can be seen.
    NoQuorum,
    /// The agent leaves.
    Resigned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Standby,
    /// Announced; acts at the given time if nothing better is seen.
    Claiming(Time),
    Holding,
    /// Released after a pause; trusts its claim again at the given time.
    Doubting(Time),
}

/// One participant of one role. See the crate's page for the states.
#[derive(Debug)]
pub struct RoleMachine {
    config: Config,
    record: Record,
    phase: Phase,
    view: View,
    highest_claim: u64,
    settled: bool,
    resigning: Option<Time>,
    resigned: bool,
    seen_holder: Option<NodeName>,
    last_run: Time,
    next_beat: Time,
    beats: usize,
    outputs: VecDeque<Output>,
}

/// How often a holder looks at the clock, to notice that it was paused.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How many heartbeats lie between attempts to reach failed members. Two exchanges make two sides
/// believe each other, so this is half of the time that two holders can go on after a partition
/// has healed.
const REACH_BEATS: usize = 5;

/// Failed members that one attempt tries, in turns: any of the other side will do, and the dead
/// cost a connection each.
pub const REACH_MEMBERS: usize = 8;

/// Time between those attempts.
pub const REACH_INTERVAL: Duration = Duration::from_secs(REACH_BEATS as u64 * HEARTBEAT.as_secs());

impl RoleMachine {
    /// A standby that has announced itself. `healthy` says whether it is eligible before the first
    /// word of the health check (true where there is none).
    pub fn new(config: Config, healthy: bool, now: Time) -> Self {
        let record = Record { priority: config.priority, eligible: healthy, claim: 0 };
        let mut machine = RoleMachine {
            config,
            record,
            phase: Phase::Standby,
            view: View::default(),
            highest_claim: 0,
            settled: false,
            resigning: None,
            resigned: false,
            seen_holder: None,
            last_run: now,
            next_beat: now,
            beats: 0,
            outputs: VecDeque::new(),
        };
        machine.announce();
        machine
    }

    /// Whether this member holds the role and acts on it.
    pub fn is_holding(&self) -> bool {
        self.phase == Phase::Holding
    }

    /// The member known to hold the role: this one or another that is up.
    pub fn holder(&self) -> Option<&NodeName> {
        match self.is_holding() {
            true => Some(&self.config.node),
            false => self.view.live_holder().map(|holder| &holder.name),
        }
    }

    /// Takes an input and decides.
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        let gap = now.since(self.last_run);
        self.last_run = now;
        if self.phase == Phase::Holding && gap >= self.config.timing.pause_limit.max(2 * HEARTBEAT)
        {
            self.doubt(now, gap);
        }
        match input {
            Input::Timeout => {}
            Input::Members(members) => self.look(members),
            Input::Settled => self.settled = true,
            Input::Healthy(healthy) => self.set_eligible(healthy),
            Input::Refreshed => {
                if let Phase::Doubting(until) = &mut self.phase {
                    *until = (*until).min(now + self.config.timing.settle);
                }
            }
            Input::Resign => self.resign(now),
        }
        self.beat(now);
        self.decide(now);
        debug_assert_eq!(self.record.claim > 0, self.phase != Phase::Standby);
    }

    /// What to do next; None when everything was taken.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Timeout`]; None while only a change of view matters.
    pub fn next_timeout(&self) -> Option<Time> {
        let phase = match self.phase {
            Phase::Standby => None,
            Phase::Claiming(at) | Phase::Doubting(at) => Some(at),
            Phase::Holding => Some(self.next_beat),
        };
        let resigning = self.resigning.filter(|_| !self.resigned);
        [phase, resigning].into_iter().flatten().min()
    }

    fn look(&mut self, members: &[Member]) {
        self.view.others = members
            .iter()
            .filter(|member| member.name != self.config.node)
            .filter_map(|member| Participant::from_member(member, &self.config.role))
            .collect();
        self.highest_claim = self.highest_claim.max(self.view.highest_claim());
        let holder = self.view.live_holder().map(|holder| (&holder.name, holder.record.claim));
        match (&self.seen_holder, holder) {
            (seen, Some((name, claim))) if seen.as_ref() != Some(name) => {
                let fact = Fact::HolderSeen { node: name.clone(), claim };
                self.seen_holder = Some(name.clone());
                self.outputs.push_back(Output::Fact(fact));
            }
            (Some(_), None) => {
                if let Some(node) = self.seen_holder.take() {
                    self.outputs.push_back(Output::Fact(Fact::HolderLost { node }));
                }
            }
            _ => {}
        }
    }

    /// Once a second, however often the members change meanwhile.
    fn beat(&mut self, now: Time) {
        if self.phase != Phase::Holding || now < self.next_beat {
            return;
        }
        self.next_beat = now + HEARTBEAT;
        if self.view.has_ghosts() {
            self.outputs.push_back(Output::Reannounce);
        }
        if self.beats.is_multiple_of(REACH_BEATS) {
            let nodes = self.view.failed(self.beats / REACH_BEATS, REACH_MEMBERS);
            if !nodes.is_empty() {
                self.outputs.push_back(Output::Reach { nodes });
            }
        }
        self.beats = self.beats.wrapping_add(1);
    }

    fn set_eligible(&mut self, healthy: bool) {
        let eligible = healthy && self.resigning.is_none();
        if self.record.eligible != eligible {
            self.record.eligible = eligible;
            if eligible || self.phase == Phase::Standby {
                self.announce();
            }
        }
    }

    fn resign(&mut self, now: Time) {
        if self.resigning.is_none() {
            self.resigning = Some(now + self.config.timing.handover);
            self.set_eligible(false);
        }
    }

    /// A pause is over: the others may have chosen a successor. Let go of the address first, ask,
    /// then go on if the own claim still stands.
    fn doubt(&mut self, now: Time, length: Duration) {
        self.outputs.push_back(Output::Fact(Fact::Paused { length }));
        self.outputs.push_back(Output::Release);
        self.outputs.push_back(Output::Refresh);
        self.phase = Phase::Doubting(now + self.config.timing.doubt);
    }

    fn decide(&mut self, now: Time) {
        if self.phase == Phase::Standby {
            self.decide_standby(now);
        } else if let Some(reason) = self.reason_to_release() {
            self.release(reason);
        } else {
            self.go_on(now);
        }
        self.finish_resignation(now);
    }

    fn decide_standby(&mut self, now: Time) {
        let quorum = self.config.quorum == Quorum::None || self.view.has_majority();
        if !self.settled || !self.record.eligible || !quorum {
            return;
        }
        let takes_over = match self.view.live_holder() {
            None => self.view.is_first(&self.record, &self.config.node),
            Some(holder) => {
                self.config.preempt
                    && self.record.priority > holder.record.priority
                    && self.view.is_first(&self.record, &self.config.node)
            }
        };
        if takes_over {
            // A tag may say anything. At the end of the range claims are alike, and priority and
            // name decide.
            self.highest_claim = self.highest_claim.saturating_add(1);
            self.record.claim = self.highest_claim;
            self.phase = Phase::Claiming(now + self.config.timing.settle);
            self.announce();
            self.outputs.push_back(Output::Fact(Fact::Claimed { claim: self.record.claim }));
        }
    }

    fn reason_to_release(&self) -> Option<Reason> {
        if self.resigning.is_some() {
            return Some(Reason::Resigned);
        }
        if !self.record.eligible {
            return Some(Reason::Unhealthy);
        }
        let holder = self.view.live_holder()?;
        let own = (&self.record, &self.config.node);
        let newer = precedence((&holder.record, &holder.name), own) == Ordering::Less;
        newer.then(|| Reason::NewerClaim(holder.name.clone()))
    }

    fn go_on(&mut self, now: Time) {
        if self.config.quorum == Quorum::Majority && !self.view.has_majority() {
            return self.release(Reason::NoQuorum);
        }
        match self.phase {
            Phase::Claiming(at) | Phase::Doubting(at) if at <= now => {
                self.phase = Phase::Holding;
                self.next_beat = now + HEARTBEAT;
                self.outputs.push_back(Output::Acquire);
                let fact = Fact::Acquired { claim: self.record.claim };
                self.outputs.push_back(Output::Fact(fact));
            }
            _ => {}
        }
    }

    fn release(&mut self, reason: Reason) {
        if self.phase == Phase::Holding {
            self.outputs.push_back(Output::Release);
        }
        self.phase = Phase::Standby;
        self.record.claim = 0;
        self.announce();
        self.outputs.push_back(Output::Fact(Fact::Released { reason }));
    }

    fn finish_resignation(&mut self, now: Time) {
        let Some(deadline) = self.resigning else { return };
        let nobody_left =
            !self.view.others.iter().any(|other| other.is_up() && other.record.eligible);
        let over = deadline <= now || nobody_left || self.view.live_holder().is_some();
        if over && !self.resigned {
            self.resigned = true;
            self.outputs.push_back(Output::Resigned);
        }
    }

    fn announce(&mut self) {
        let holding = self.phase != Phase::Standby;
        self.outputs.push_back(Output::Announce { record: self.record, holding });
    }
}

#[cfg(test)]
mod tests;
