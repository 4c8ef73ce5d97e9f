//! Whatever is told to one machine, in whatever order: nothing panics, and what must hold holds.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use role::{Config, Fact, Input, Output, Quorum, Record, RoleMachine, Timing};
use serf::{Member, MemberStatus, Tags, Time};
use wire::{Address, Versions};

const ROLE: &str = "primary";
const SETTLE: Duration = Duration::from_millis(200);
const DOUBT: Duration = Duration::from_secs(1);
const HANDOVER: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    /// Comes back when the machine has asked for it.
    Wake,
    Members(Vec<Member>),
    Settled,
    Healthy(bool),
    Refreshed,
    Resign,
}

fn claim() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 8 => 0u64..6, 1 => any::<u64>(), 1 => u64::MAX - 1..=u64::MAX]
}

fn tag() -> impl Strategy<Value = Option<String>> {
    let record = (0u32..3, any::<bool>(), claim())
        .prop_map(|(priority, eligible, claim)| Record { priority, eligible, claim }.to_string());
    prop_oneof![
        8 => record.prop_map(Some),
        1 => "[0-9:x-]{0,12}".prop_map(Some),
        1 => Just(None),
    ]
}

fn member() -> impl Strategy<Value = Member> {
    let name = prop_oneof![Just("a"), Just("us"), Just("z"), Just("b"), Just("")];
    let status = prop_oneof![
        6 => Just(MemberStatus::Alive),
        2 => Just(MemberStatus::Failed),
        1 => Just(MemberStatus::Left),
        1 => Just(MemberStatus::Leaving),
        1 => Just(MemberStatus::None),
    ];
    (name, status, tag()).prop_map(|(name, status, tag)| Member {
        name: name.into(),
        address: Address::default(),
        port: 7946,
        tags: Arc::new(tag.map(|tag| (Record::tag(ROLE), tag)).into_iter().collect::<Tags>()),
        status,
        versions: Versions::default(),
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..3000).prop_map(Step::Pass),
        1 => (0u64..1 << 40).prop_map(Step::Pass),
        6 => Just(Step::Wake),
        6 => vec(member(), 0..6).prop_map(Step::Members),
        2 => Just(Step::Settled),
        2 => any::<bool>().prop_map(Step::Healthy),
        1 => Just(Step::Refreshed),
        1 => Just(Step::Resign),
    ]
}

/// The machine, and what a driver knows of it by its outputs alone.
struct Run {
    machine: RoleMachine,
    quorum: Quorum,
    now: Time,
    acts: bool,
    announced: Record,
    /// Highest claim of the others, by the last members told and all before.
    highest: u64,
    /// The winning claim of the others that are up, by the last members told.
    live: u64,
    /// Those that are up, and those that count: as the last members told have it.
    up_of: (usize, usize),
    settled: bool,
    healthy: bool,
    resigning: Option<Time>,
    resigned: bool,
    seen: bool,
}

impl Run {
    fn new(quorum: Quorum, priority: u32, preempt: bool, healthy: bool) -> Self {
        let config = Config {
            role: ROLE.into(),
            node: "us".into(),
            priority,
            quorum,
            preempt,
            timing: Timing {
                settle: SETTLE,
                pause_limit: Duration::from_secs(4),
                doubt: DOUBT,
                handover: HANDOVER,
            },
        };
        let now = Time::from_nanos(1);
        let mut run = Run {
            machine: RoleMachine::new(config, healthy, now),
            quorum,
            now,
            acts: false,
            announced: Record { priority: u32::MAX, eligible: !healthy, claim: u64::MAX },
            highest: 0,
            live: 0,
            up_of: (1, 1),
            settled: false,
            healthy,
            resigning: None,
            resigned: false,
            seen: false,
        };
        run.check();
        assert_eq!(run.announced, Record { priority, eligible: healthy, claim: 0 });
        run
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pass(ms) => {
                self.now = self.now + Duration::from_millis(ms);
                return;
            }
            Step::Wake => {
                let Some(at) = self.machine.next_timeout() else { return };
                self.now = self.now.max(at);
                self.machine.handle(self.now, Input::Timeout);
            }
            Step::Members(members) => {
                let others = || members.iter().filter(|member| member.name.as_str() != "us");
                let records = |up: bool| {
                    others()
                        .filter(move |member| !up || member.status == MemberStatus::Alive)
                        .filter_map(|member| Record::from_tags(&member.tags, ROLE))
                };
                self.live = records(true).map(|record| record.claim).max().unwrap_or(0);
                let highest = records(false).map(|record| record.claim).max().unwrap_or(0);
                self.highest = self.highest.max(highest);
                let with = |status| {
                    let found = others().filter(|member| member.status == status);
                    found.filter(|m| Record::from_tags(&m.tags, ROLE).is_some()).count()
                };
                let up = 1 + with(MemberStatus::Alive);
                self.up_of = (up, up + with(MemberStatus::Failed));
                self.machine.handle(self.now, Input::Members(&members));
            }
            Step::Settled => {
                self.settled = true;
                self.machine.handle(self.now, Input::Settled);
            }
            Step::Healthy(healthy) => {
                self.healthy = healthy;
                self.machine.handle(self.now, Input::Healthy(healthy));
            }
            Step::Refreshed => self.machine.handle(self.now, Input::Refreshed),
            Step::Resign => {
                self.resigning.get_or_insert(self.now + HANDOVER);
                self.machine.handle(self.now, Input::Resign);
            }
        }
        self.check();
        let next = self.machine.next_timeout();
        assert!(next.is_none_or(|at| at > self.now), "wants to run at {:?} already", self.now);
    }

    fn check(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Announce { record, holding } => {
                    assert_eq!(holding, record.claim > 0);
                    assert_ne!(record, self.announced, "said twice");
                    self.announced = record;
                }
                Output::Acquire => {
                    assert!(!self.acts, "acquired twice");
                    assert!(self.announced.claim > 0, "acts without a claim");
                    self.acts = true;
                }
                Output::Release => {
                    assert!(self.acts, "released what it does not hold");
                    self.acts = false;
                }
                Output::Reannounce => assert!(self.acts),
                Output::Reach { nodes } => assert!(self.acts && !nodes.is_empty()),
                Output::Refresh => assert!(!self.acts, "asks before it has let go"),
                Output::Resigned => {
                    assert!(self.resigning.is_some() && !self.resigned);
                    self.resigned = true;
                }
                Output::Fact(Fact::Claimed { claim }) => {
                    assert_eq!(claim, self.announced.claim);
                    assert!(claim > self.highest || claim == u64::MAX, "{claim} is not new");
                    self.highest = self.highest.max(claim);
                }
                Output::Fact(Fact::HolderLost { .. }) => {
                    assert!(self.seen, "lost nobody");
                    self.seen = false;
                }
                Output::Fact(Fact::HolderSeen { .. }) => self.seen = true,
                Output::Fact(_) => {}
            }
        }
        let claim = self.announced.claim;
        assert_eq!(self.machine.is_holding(), self.acts, "the driver has been told otherwise");
        assert_eq!(self.seen, self.live > 0);
        assert_eq!(self.machine.holder().is_some(), self.acts || self.live > 0);
        if claim > 0 {
            assert!(self.settled, "claims before silence means anything");
            assert!(self.healthy, "claims while its service is down");
            assert!(self.resigning.is_none(), "claims while it leaves");
            assert!(claim >= self.live, "keeps claim {claim} against {}", self.live);
            let (up, all) = self.up_of;
            assert!(self.quorum == Quorum::None || up * 2 > all, "claims with {up} of {all}");
        }
        assert!(!self.acts || claim > 0);
        if self.resigning.is_some_and(|deadline| deadline <= self.now) {
            assert!(self.resigned, "the agent waits to leave");
        }
    }

    /// With time, and without anybody else who is up, a machine that may serve does.
    fn serves_alone(mut self) {
        self.take(Step::Members(Vec::new()));
        self.take(Step::Settled);
        self.take(Step::Healthy(true));
        for _ in 0..4 {
            self.take(Step::Wake);
        }
        assert_eq!(self.acts, self.resigning.is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_inputs_in_any_order(
        (majority, preempt, healthy) in any::<(bool, bool, bool)>(),
        priority in 0u32..3,
        steps in vec(step(), 1..60),
    ) {
        let quorum = if majority { Quorum::Majority } else { Quorum::None };
        let mut run = Run::new(quorum, priority, preempt, healthy);
        for step in steps {
            run.take(step);
        }
        run.serves_alone();
    }
}
