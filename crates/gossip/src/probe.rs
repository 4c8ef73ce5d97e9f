//! Asking one member after another whether it is there (specification A11).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use wire::message::gossip::{Ack, IndirectPing, Message, Nack, Ping, State, Suspect};
use wire::planted::{Fault, planted};
use wire::{Incarnation, NodeName, SequenceNumber};

use crate::interface::{Event, Fact, Output, StreamRequest};
use crate::member_table::Slot;
use crate::membership::next_tick;
use crate::packets::takes_checksums;
use crate::push_pull::Dialled;
use crate::state_rules::Origin;
use crate::{Membership, Time};

/// The newest membership protocol of a peer from which on it answers probes over a stream.
const STREAM_PING_PROTOCOL: u8 = 3;
/// And from which on it knows nacks.
const NACK_PROTOCOL: u8 = 4;

/// The round of probes: one at a time, each member once per round in random order.
#[derive(Debug, Default)]
pub(crate) struct Prober {
    current: Option<Probe>,
    /// A tick came while a probe ran; several count as one.
    waiting: bool,
    /// Place in the node list.
    index: usize,
    last_sequence_number: u32,
}

#[derive(Debug)]
struct Probe {
    sequence_number: SequenceNumber,
    target: NodeName,
    address: SocketAddr,
    /// As it was when the probe began: a member that refutes meanwhile is not accused anew.
    incarnation: Incarnation,
    started: Time,
    /// End of the wait for the direct answer; never scaled.
    answer_by: Time,
    /// End of the whole probe; scaled by our own health.
    deadline: Time,
    stage: Stage,
    helpers: usize,
    nacks_expected: usize,
    nacks: usize,
    stream_answered: bool,
    send_failed: bool,
    put_off: bool,
    /// Whether our own health gave it a longer time.
    degraded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Direct,
    Indirect,
}

impl Prober {
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.current.as_ref().map(|probe| match probe.stage {
            Stage::Direct => probe.answer_by.min(probe.deadline),
            Stage::Indirect => probe.deadline,
        })
    }

    pub(crate) fn next_sequence_number(&mut self) -> SequenceNumber {
        self.last_sequence_number = self.last_sequence_number.wrapping_add(1);
        SequenceNumber(self.last_sequence_number)
    }

    fn running(&mut self, number: SequenceNumber) -> Option<&mut Probe> {
        self.current.as_mut().filter(|probe| probe.sequence_number == number)
    }
}

impl Membership {
    /// Whether nobody else is known, not even as dead.
    pub(crate) fn is_alone(&self) -> bool {
        // Who knows of others that are up need not count all.
        self.table.live() <= 1 && self.table.len() <= 1
    }

    /// Who is alone is not woken for probes: those that were due meanwhile fall out, and the others
    /// come when they would have come.
    pub(crate) fn skip_probes(&mut self, now: Time) {
        let Some(due) = self.timers.probe.filter(|due| *due <= now && self.is_alone()) else {
            return;
        };
        let interval = self.config.probe_interval.as_nanos().max(1);
        let since = now.since(due).as_nanos() % interval;
        let ahead = u64::try_from(interval - since).unwrap_or(u64::MAX);
        self.timers.probe = Some(now + Duration::from_nanos(ahead));
    }

    pub(crate) fn probe_timeout(&mut self, now: Time) {
        self.probe_stage(now);
        if let Some(due) = self.timers.probe.filter(|due| *due <= now) {
            self.timers.probe = Some(next_tick(due, self.config.probe_interval, now));
            self.prober.waiting = true;
        }
        self.start_waiting_probe(now);
    }

    /// An answer to our probe or to one that we relay.
    pub(crate) fn ack(&mut self, now: Time, ack: Ack) {
        if self.prober.running(ack.sequence_number).is_none() {
            return self.relay_ack(ack);
        }
        let Some(probe) = self.prober.current.take() else { return };
        let rtt = now.since(probe.started);
        let direct = probe.stage == Stage::Direct && rtt <= self.config.probe_timeout;
        self.probe_succeeded(&probe);
        self.probe_over(now, &probe);
        if direct {
            self.event(Event::RoundTrip { node: probe.target, rtt, payload: ack.payload });
        }
        self.start_waiting_probe(now);
    }

    pub(crate) fn nack(&mut self, nack: Nack) {
        if let Some(probe) = self.prober.running(nack.sequence_number) {
            probe.nacks += 1;
        }
    }

    /// The stream that ran beside the indirect probes has brought an answer.
    pub(crate) fn stream_ack(&mut self, probed: SequenceNumber, answered: SequenceNumber) {
        if answered == probed
            && let Some(probe) = self.prober.running(probed)
        {
            probe.stream_answered = true;
        }
    }

    /// The system would not even send: that counts as no answer, at once.
    pub(crate) fn send_failed(&mut self, now: Time, to: SocketAddr) {
        if let Some(probe) = &mut self.prober.current
            && probe.stage == Stage::Direct
            && probe.address == to
        {
            probe.send_failed = true;
            self.ask_helpers(now);
        }
    }

    fn probe_stage(&mut self, now: Time) {
        let Some(probe) = &mut self.prober.current else { return };
        let due = match probe.stage {
            Stage::Direct => probe.answer_by.min(probe.deadline),
            Stage::Indirect => probe.deadline,
        };
        if due > now {
            return;
        }
        // Whoever wakes up this late was not there to hear the answer, once at least.
        let late = now.since(due);
        if late > self.config.probe_timeout && !probe.put_off {
            probe.put_off = true;
            probe.answer_by = now + self.config.probe_timeout;
            probe.deadline = probe.deadline + late + self.config.probe_timeout;
            let node = probe.target.clone();
            self.change_awareness(1);
            return self.fact(Fact::VerdictPutOff { node, late });
        }
        if probe.stage == Stage::Direct {
            self.ask_helpers(now);
        }
        if self.prober.current.as_ref().is_some_and(|probe| probe.deadline <= now)
            && let Some(probe) = self.prober.current.take()
        {
            self.conclude_probe(now, probe);
        }
    }

    fn start_waiting_probe(&mut self, now: Time) {
        if !self.prober.waiting || self.prober.current.is_some() {
            return;
        }
        self.prober.waiting = false;
        if let Some(slot) = self.next_target(now) {
            self.start_probe(now, slot);
        }
    }

    /// The next member in the list that is up. A tick gives up after as many looks as there are
    /// members; going round counts as one.
    fn next_target(&mut self, now: Time) -> Option<Slot> {
        let mut looks = 0;
        while looks < self.table.len() {
            let Some(slot) = self.table.at(self.prober.index) else {
                let cutoff = now.before(self.config.gossip_to_the_dead_time);
                self.table.next_round(self.local, cutoff, &mut self.rng);
                self.prober.index = 0;
                looks += 1;
                continue;
            };
            self.prober.index += 1;
            if slot != self.local && self.table.node(slot).is_live() {
                return Some(slot);
            }
            looks += 1;
        }
        None
    }

    fn start_probe(&mut self, now: Time, slot: Slot) {
        let node = self.table.node(slot);
        let Some(address) = node.socket_address() else { return };
        let (target, incarnation, state) = (node.name.clone(), node.incarnation, node.state);
        let crc = takes_checksums(node);
        let sequence_number = self.prober.next_sequence_number();
        let mut first_wait = self.config.probe_timeout;
        if planted(Fault::FirstWaitScaled) {
            first_wait = self.awareness.scale(first_wait);
        }
        self.prober.current = Some(Probe {
            sequence_number,
            target: target.clone(),
            address,
            incarnation,
            started: now,
            answer_by: now + first_wait,
            deadline: now + self.awareness.scale(self.config.probe_interval),
            stage: Stage::Direct,
            helpers: 0,
            nacks_expected: 0,
            nacks: 0,
            stream_answered: false,
            send_failed: false,
            put_off: false,
            degraded: self.awareness.score() > 0,
        });
        let ping = Message::Ping(self.ping(sequence_number, target.as_str().to_owned()));
        if state == State::Alive || !self.config.tell_suspects {
            return self.send_filled(address, &ping);
        }
        // A suspect is told so, that it may refute.
        let suspect = self.accusation(target, incarnation);
        let messages = [ping.encode().into(), Bytes::from(Message::Suspect(suspect).encode())];
        self.send_all(address, &messages, crc);
    }

    /// The direct answer did not come: others are asked, and a stream is tried.
    fn ask_helpers(&mut self, now: Time) {
        let Some(probe) = &mut self.prober.current else { return };
        probe.stage = Stage::Indirect;
        let (mut sequence_number, deadline) = (probe.sequence_number, probe.deadline);
        let Some(target) = self.table.find(probe.target.as_str()) else { return };
        if planted(Fault::NewNumberForHelpers) {
            sequence_number = self.prober.next_sequence_number();
        }
        let local = self.local;
        let helpers: Vec<Slot> = {
            let (table, rng) = (&self.table, &mut self.rng);
            let passes = |node: &crate::Node| {
                let name = &node.name;
                node.state == State::Alive
                    && *name != table.node(local).name
                    && *name != table.node(target).name
            };
            table.sample(self.config.indirect_checks, rng, passes)
        };
        let target = self.table.node(target).clone();
        let own = self.local().clone();
        let (mut asked, mut nacks_expected) = (0, 0);
        for helper in helpers {
            let helper = self.table.node(helper);
            let nack = helper.versions.protocol_max >= NACK_PROTOCOL;
            let Some(to) = helper.socket_address() else { continue };
            asked += 1;
            nacks_expected += usize::from(nack);
            let request = IndirectPing {
                sequence_number,
                target: target.address,
                port: target.port,
                node: target.name.as_str().to_owned(),
                nack,
                source_address: own.address,
                source_port: own.port,
                source_node: own.name.as_str().to_owned(),
            };
            self.send_filled(to, &Message::IndirectPing(request));
        }
        if let Some(probe) = &mut self.prober.current {
            probe.helpers = asked;
            probe.nacks_expected = nacks_expected;
        }
        if target.versions.protocol_max >= STREAM_PING_PROTOCOL
            && deadline > now
            && let Some(to) = target.socket_address()
        {
            let dial = self.exchanges.open(Dialled::Probe(sequence_number));
            let ping = self.ping(sequence_number, target.name.as_str().to_owned());
            let request = StreamRequest::Ping(ping);
            self.outputs.push_back(Output::Dial { dial, to, deadline, request });
        }
    }

    fn conclude_probe(&mut self, now: Time, probe: Probe) {
        self.probe_over(now, &probe);
        if probe.stream_answered {
            self.probe_succeeded(&probe);
            return self.fact(Fact::StreamProbeOnly { node: probe.target });
        }
        let Probe { target, incarnation, helpers, nacks_expected, nacks, .. } = probe;
        // Helpers that are silent, too, make it likely that the fault is ours.
        let change = match nacks_expected {
            0 => 1,
            expected => expected.saturating_sub(nacks) as i32,
        };
        // Our word is worth what our health was before this probe, which is what it is about.
        let accusation = self.accusation(target.clone(), incarnation);
        self.change_awareness(change);
        let health = accusation.health;
        self.fact(Fact::ProbeFailed { node: target, indirect: helpers, nacks, health });
        self.suspect(now, accusation, Origin::Own);
    }

    fn probe_succeeded(&mut self, probe: &Probe) {
        if !probe.send_failed {
            self.change_awareness(-1);
        }
    }

    fn probe_over(&mut self, now: Time, probe: &Probe) {
        self.fact(Fact::Probed { took: now.since(probe.started), degraded: probe.degraded });
    }

    pub(crate) fn ping(&self, sequence_number: SequenceNumber, node: String) -> Ping {
        let own = self.local();
        Ping {
            sequence_number,
            node,
            source_address: own.address,
            source_port: own.port,
            source_node: own.name.as_str().to_owned(),
        }
    }

    pub(crate) fn accusation(&self, node: NodeName, incarnation: Incarnation) -> Suspect {
        let health = Some(self.health_byte());
        Suspect { incarnation, node, from: self.config.name.clone(), health }
    }
}

#[cfg(test)]
mod tests;
