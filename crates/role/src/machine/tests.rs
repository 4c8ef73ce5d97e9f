//! The machine among others, in a small world of virtual time: tags travel with a delay, members
//! fail after a detection time, links break and heal.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;
use serf::{MemberStatus, Tags};
use wire::{Address, Versions};

use super::*;

const STEP: Duration = Duration::from_millis(50);
const DELAY: Duration = Duration::from_millis(150);
const DETECTION: Duration = Duration::from_secs(5);
const SETTLE: Duration = Duration::from_millis(200);

struct Node {
    machine: RoleMachine,
    name: NodeName,
    tags: Vec<(Time, Tags)>,
    running: bool,
    present: bool,
    holds: bool,
    acquisitions: usize,
    refresh: bool,
    resigned: bool,
}

struct World {
    nodes: Vec<Node>,
    /// Side of a partition; members see each other on equal sides.
    side: Vec<u8>,
    cut_since: Vec<Vec<Option<Time>>>,
    now: Time,
    overlap: Duration,
    worst_overlap: Duration,
}

fn config(index: usize, quorum: Quorum) -> Config {
    Config {
        role: "primary".into(),
        node: NodeName::from(format!("node{index}")),
        priority: 0,
        quorum,
        preempt: false,
        timing: Timing {
            settle: SETTLE,
            pause_limit: Duration::from_secs(4),
            doubt: Duration::from_secs(1),
            handover: Duration::from_secs(2),
        },
    }
}

impl World {
    fn new(count: usize, quorum: Quorum) -> Self {
        let now = Time::ZERO;
        let nodes = (0..count).map(|index| Node::new(config(index, quorum), now)).collect();
        let mut world = World {
            nodes,
            side: vec![0; count],
            cut_since: vec![vec![None; count]; count],
            now,
            overlap: Duration::ZERO,
            worst_overlap: Duration::ZERO,
        };
        world.run(Duration::from_secs(1));
        for index in 0..count {
            world.feed(index, Input::Settled);
        }
        world
    }

    fn connected(&self, a: usize, b: usize) -> bool {
        let up = |index: usize| self.nodes[index].running && self.nodes[index].present;
        up(a) && up(b) && self.side[a] == self.side[b]
    }

    fn members_seen_by(&self, observer: usize) -> Vec<Member> {
        let mut members = Vec::new();
        for (index, node) in self.nodes.iter().enumerate().filter(|(i, _)| *i != observer) {
            let cut = self.cut_since[observer][index];
            let horizon = match cut {
                Some(since) => since,
                None => {
                    Time::from_nanos(self.now.as_nanos().saturating_sub(DELAY.as_nanos() as u64))
                }
            };
            let Some((_, tags)) = node.tags.iter().rev().find(|(at, _)| *at <= horizon) else {
                continue;
            };
            let failed = cut.is_some_and(|since| self.now.since(since) >= DETECTION);
            let left = node.resigned && !node.present;
            members.push(Member {
                name: node.name.clone(),
                address: Address::default(),
                port: 7946,
                tags: Arc::new(tags.clone()),
                status: match (left, failed) {
                    (true, _) => MemberStatus::Left,
                    (false, true) => MemberStatus::Failed,
                    (false, false) => MemberStatus::Alive,
                },
                versions: Versions::default(),
            });
        }
        members
    }

    fn feed(&mut self, index: usize, input: Input<'_>) {
        let now = self.now;
        let node = &mut self.nodes[index];
        node.machine.handle(now, input);
        while let Some(output) = node.machine.poll_output() {
            node.carry_out(now, output);
        }
    }

    fn run(&mut self, length: Duration) {
        let end = self.now + length;
        while self.now < end {
            self.now = self.now + STEP;
            for a in 0..self.nodes.len() {
                for b in 0..self.nodes.len() {
                    let connected = self.connected(a, b);
                    let cut = &mut self.cut_since[a][b];
                    *cut = if connected { None } else { cut.or(Some(self.now)) };
                }
            }
            for index in 0..self.nodes.len() {
                if !self.nodes[index].running || !self.nodes[index].present {
                    continue;
                }
                let members = self.members_seen_by(index);
                self.feed(index, Input::Members(&members));
                if std::mem::take(&mut self.nodes[index].refresh) {
                    self.feed(index, Input::Refreshed);
                }
                self.feed(index, Input::Timeout);
            }
            self.count_holders();
        }
    }

    fn count_holders(&mut self) {
        let mut worst = 0;
        for side in 0..=1 {
            let holders = (0..self.nodes.len())
                .filter(|i| self.side[*i] == side && self.nodes[*i].holds && self.nodes[*i].running)
                .count();
            worst = worst.max(holders);
        }
        self.overlap = if worst > 1 { self.overlap + STEP } else { Duration::ZERO };
        self.worst_overlap = self.worst_overlap.max(self.overlap);
    }

    fn holders(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.nodes[*i].holds && self.nodes[*i].present).collect()
    }
}

impl Node {
    fn new(config: Config, now: Time) -> Self {
        let name = config.node.clone();
        let mut node = Node {
            machine: RoleMachine::new(config, true, now),
            name,
            tags: Vec::new(),
            running: true,
            present: true,
            holds: false,
            acquisitions: 0,
            refresh: false,
            resigned: false,
        };
        while let Some(output) = node.machine.poll_output() {
            node.carry_out(now, output);
        }
        node
    }

    fn carry_out(&mut self, now: Time, output: Output) {
        match output {
            Output::Announce { record, .. } => {
                let tags = Tags::from([(Record::tag("primary"), record.to_string())]);
                self.tags.push((now, tags));
            }
            Output::Acquire => {
                assert!(!self.holds, "acquired twice");
                self.holds = true;
                self.acquisitions += 1;
            }
            Output::Release => {
                assert!(self.holds, "released what it does not hold");
                self.holds = false;
            }
            Output::Refresh => self.refresh = true,
            Output::Resigned => self.resigned = true,
            Output::Reannounce | Output::Reach { .. } | Output::Fact(_) => {}
        }
    }
}

#[test]
fn the_first_in_order_takes_a_free_role() {
    let mut world = World::new(5, Quorum::None);
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(), [0]);
}

#[test]
fn silence_before_the_joins_are_over_means_nothing() {
    let mut machine = RoleMachine::new(config(0, Quorum::None), true, Time::ZERO);
    machine.handle(Time::from_nanos(1), Input::Members(&[]));
    assert_eq!(machine.next_timeout(), None, "nothing is claimed");
    machine.handle(Time::from_nanos(2), Input::Settled);
    assert!(machine.next_timeout().is_some());
}

#[test]
fn another_takes_over_and_the_role_does_not_move_back() {
    let mut world = World::new(5, Quorum::None);
    world.run(Duration::from_secs(2));
    world.nodes[0].present = false;
    world.nodes[0].holds = false;
    world.run(DETECTION + Duration::from_secs(1));
    assert_eq!(world.holders(), [1]);

    let restarted = Node::new(config(0, Quorum::None), world.now);
    world.nodes[0] = restarted;
    world.run(Duration::from_secs(1));
    world.feed(0, Input::Settled);
    world.run(Duration::from_secs(10));
    assert_eq!(world.holders(), [1]);
    assert_eq!(world.worst_overlap, Duration::ZERO);
}

#[test]
fn preempt_takes_the_role_from_a_holder_of_lower_priority() {
    let mut world = World::new(3, Quorum::None);
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(), [0]);
    let mut preferred = config(2, Quorum::None);
    (preferred.priority, preferred.preempt) = (10, true);
    world.nodes[2] = Node::new(preferred, world.now);
    world.feed(2, Input::Settled);
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(), [2]);
}

#[test]
fn a_resigning_holder_hands_over_before_it_leaves() {
    let mut world = World::new(3, Quorum::None);
    world.run(Duration::from_secs(2));
    world.feed(0, Input::Resign);
    assert!(!world.nodes[0].holds);
    assert!(!world.nodes[0].resigned, "waits for its successor");
    world.run(Duration::from_secs(1));
    assert!(world.nodes[0].resigned);
    assert_eq!(world.holders(), [1]);
}

#[test]
fn a_lone_holder_resigns_at_once() {
    let mut world = World::new(1, Quorum::None);
    world.run(Duration::from_secs(1));
    assert_eq!(world.holders(), [0]);
    world.feed(0, Input::Resign);
    assert!(world.nodes[0].resigned);
}

#[test]
fn an_unhealthy_holder_releases_and_an_unhealthy_member_does_not_take_over() {
    let mut world = World::new(3, Quorum::None);
    world.run(Duration::from_secs(2));
    world.feed(1, Input::Healthy(false));
    world.run(Duration::from_secs(1));
    world.feed(0, Input::Healthy(false));
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(), [2]);
    world.feed(0, Input::Healthy(true));
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(), [2]);
}

#[test]
fn without_quorum_both_sides_serve_and_one_gives_up_after_healing() {
    let mut world = World::new(5, Quorum::None);
    world.run(Duration::from_secs(2));
    world.side = vec![0, 0, 1, 1, 1];
    world.run(DETECTION + Duration::from_secs(2));
    assert_eq!(world.holders(), [0, 2]);
    world.side = vec![0; 5];
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(), [2], "the newer claim wins");
    assert!(world.worst_overlap <= 2 * DELAY, "{:?}", world.worst_overlap);
}

#[test]
fn with_a_majority_the_smaller_side_releases() {
    let mut world = World::new(5, Quorum::Majority);
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(), [0]);
    world.side = vec![0, 0, 1, 1, 1];
    world.run(DETECTION + Duration::from_secs(2));
    assert_eq!(world.holders(), [2]);
}

#[test]
fn of_two_members_with_a_majority_rule_the_survivor_does_not_take_over() {
    let mut world = World::new(2, Quorum::Majority);
    world.run(Duration::from_secs(2));
    assert_eq!(world.holders(), [0]);
    world.nodes[0].present = false;
    world.nodes[0].holds = false;
    world.run(DETECTION + Duration::from_secs(5));
    assert_eq!(world.holders(), Vec::<usize>::new());
    // An operator says that it has left.
    world.nodes[0].resigned = true;
    world.run(Duration::from_secs(1));
    assert_eq!(world.holders(), [1]);
}

#[test]
fn a_paused_holder_lets_go_before_it_does_anything_else() {
    let mut world = World::new(3, Quorum::None);
    world.run(Duration::from_secs(2));
    world.nodes[0].running = false;
    world.run(Duration::from_secs(30));
    assert_eq!(world.holders(), [0, 1], "the frozen one cannot let go");
    world.nodes[0].running = true;
    world.run(STEP);
    assert_eq!(world.holders(), [1]);
    world.run(Duration::from_secs(5));
    assert_eq!(world.holders(), [1]);
    assert_eq!(world.nodes[0].acquisitions, 1);
}

#[test]
fn a_pause_that_nobody_noticed_ends_with_the_same_holder() {
    let mut world = World::new(1, Quorum::None);
    world.run(Duration::from_secs(2));
    world.nodes[0].running = false;
    world.run(Duration::from_secs(30));
    world.nodes[0].running = true;
    world.run(Duration::from_secs(3));
    assert_eq!(world.holders(), [0]);
    assert_eq!(world.nodes[0].acquisitions, 2);
}

#[test]
fn a_holder_looks_for_the_failed_however_often_the_members_change() {
    let member = |index: usize, status| Member {
        name: NodeName::from(format!("node{index}")),
        address: Address::default(),
        port: 7946,
        // Without a claim: on its side of a partition another may hold the role.
        tags: Arc::new(Tags::from([(Record::tag("primary"), "0:1:0".to_owned())])),
        status,
        versions: Versions::default(),
    };
    let mut members = vec![member(1, MemberStatus::Alive)];
    members.extend((2..13).map(|index| member(index, MemberStatus::Failed)));
    let mut machine = RoleMachine::new(config(0, Quorum::None), true, Time::ZERO);
    machine.handle(Time::ZERO, Input::Settled);
    let mut now = Time::ZERO;
    let mut tries = Vec::new();
    while now.since(Time::ZERO) < Duration::from_secs(13) {
        now = now + STEP;
        machine.handle(now, Input::Members(&members));
        if machine.next_timeout().is_some_and(|at| at <= now) {
            machine.handle(now, Input::Timeout);
        }
        while let Some(output) = machine.poll_output() {
            if let Output::Reach { nodes } = output {
                tries.push((now, nodes));
            }
        }
    }
    assert!(machine.is_holding());
    let times: Vec<_> = tries.iter().map(|(at, _)| at.since(Time::ZERO).as_secs()).collect();
    assert_eq!(times, [1, 6, 11]);
    assert!(tries.iter().all(|(_, nodes)| nodes.len() == REACH_MEMBERS));
    let mut reached: Vec<_> = tries.into_iter().take(2).flat_map(|(_, nodes)| nodes).collect();
    reached.sort();
    reached.dedup();
    assert_eq!(reached.len(), 11, "everybody has had a turn");
}

#[test]
fn nonsense_in_a_tag_is_no_participant() {
    for text in ["", "1", "1:1", "1:2:3", "x:1:1", "1:1:1:1", "-1:1:1", "1:1:99999999999999999999"]
    {
        let tags = Tags::from([(Record::tag("primary"), text.to_string())]);
        assert_eq!(Record::from_tags(&tags, "primary"), None, "{text}");
    }
    let record = Record { priority: 7, eligible: true, claim: 9 };
    let tags = Tags::from([(Record::tag("primary"), record.to_string())]);
    assert_eq!(Record::from_tags(&tags, "primary"), Some(record));
}

#[test]
fn a_claim_at_the_end_of_the_range_does_not_end_the_role() {
    let mut machine = RoleMachine::new(config(0, Quorum::None), true, Time::ZERO);
    machine.handle(Time::from_nanos(1), Input::Settled);
    let record = Record { priority: 0, eligible: false, claim: u64::MAX };
    let mut dead = Member {
        name: "node1".into(),
        address: Address::default(),
        port: 7946,
        tags: Arc::new(Tags::from([(Record::tag("primary"), record.to_string())])),
        status: MemberStatus::Alive,
        versions: Versions::default(),
    };
    machine.handle(Time::from_nanos(2), Input::Members(std::slice::from_ref(&dead)));
    assert_eq!(machine.next_timeout(), None, "the other one holds the role");
    dead.status = MemberStatus::Failed;
    machine.handle(Time::from_nanos(3), Input::Members(std::slice::from_ref(&dead)));
    machine.handle(machine.next_timeout().unwrap(), Input::Timeout);
    assert!(machine.is_holding());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, two holders inside one connected component last no longer than their
    /// claims take to travel, and after healing there is exactly one.
    #[test]
    fn one_holder_after_any_faults(
        count in 2..6usize,
        faults in prop::collection::vec((0..4u8, 0..6usize, 1..12u64), 1..12),
    ) {
        let mut world = World::new(count, Quorum::None);
        world.run(Duration::from_secs(2));
        for (kind, target, seconds) in faults {
            let target = target % count;
            match kind {
                0 => world.side[target] ^= 1,
                1 => world.nodes[target].running ^= true,
                2 => {
                    world.nodes[target] = Node::new(config(target, Quorum::None), world.now);
                    world.run(Duration::from_secs(1));
                    world.feed(target, Input::Settled);
                }
                _ => {}
            }
            world.run(Duration::from_secs(seconds));
        }
        world.side = vec![0; count];
        for node in &mut world.nodes {
            node.running = true;
        }
        world.run(DETECTION + Duration::from_secs(3));
        prop_assert_eq!(world.holders().len(), 1);
        prop_assert!(world.worst_overlap <= 2 * DELAY + SETTLE + STEP, "{:?}", world.worst_overlap);
    }
}
