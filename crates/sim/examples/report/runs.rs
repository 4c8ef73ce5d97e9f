//! The measurements behind the figures.

use std::time::Duration;

use gossip::Profile;
use serf::Config;
use sim::measure::{Measurement, Plan, Slow, Trouble, measure};
use wire::{Address, NodeName};

/// How much is measured.
pub(crate) struct Effort {
    /// Members, seeds, failures of each, seconds watched.
    pub(crate) sizes: &'static [(usize, u64, usize, u64)],
    /// Sizes and seeds of the comparison of ways to spread news.
    pub(crate) spreading: &'static [(usize, u64)],
    /// Seeds of each point about false alarms.
    pub(crate) alarm_seeds: u64,
    /// Members of the clusters that false alarms are counted in.
    pub(crate) alarm_members: usize,
    /// Seconds that they are watched.
    pub(crate) alarm_seconds: u64,
}

impl Effort {
    pub(crate) const FULL: Effort = Effort {
        sizes: &[
            (10, 12, 3, 240),
            (32, 8, 6, 240),
            (100, 4, 12, 240),
            (316, 2, 25, 240),
            (1000, 1, 40, 240),
            (2000, 1, 40, 180),
            (4000, 1, 40, 150),
            (10_000, 1, 40, 150),
        ],
        spreading: &[(10, 8), (32, 6), (100, 4), (316, 2), (1000, 1), (2000, 1), (10_000, 1)],
        alarm_seeds: 4,
        alarm_members: 100,
        alarm_seconds: 300,
    };

    pub(crate) const QUICK: Effort = Effort {
        sizes: &[(10, 3, 3, 120), (32, 2, 6, 120), (100, 2, 10, 120), (316, 1, 10, 120)],
        spreading: &[(10, 2), (32, 2), (100, 1), (316, 1)],
        alarm_seeds: 2,
        alarm_members: 50,
        alarm_seconds: 120,
    };
}

/// The page's head.
pub(crate) fn introduction() -> String {
    format!(
        "# The membership, measured\n\n\
         Every figure is made by the simulator: members are the machines that the agent runs \
         (`crates/serf`), with the settings of the `lan` profile, in one process and under virtual \
         time; any two are 1 ms apart there and back. Clusters begin converged and are watched for \
         a while after ten seconds of warm-up. The same command gives the same figures on any \
         machine. Medians are printed, with the smallest and the largest value that was seen; \
         bytes include the headers of IPv4 with UDP or TCP.\n\n\
         Each member has a table of all others, as in a real cluster. Of what all believe alike \
         the tables share one copy: ten thousand members begin with less than 4 GiB.\n\n\
         All of it: `{}`.\n",
        super::COMMAND
    )
}

/// The settings of the profile for one datacenter.
pub(crate) fn settings() -> Config {
    let address = Address::from(std::net::IpAddr::from([10, 0, 0, 1]));
    let name = NodeName::from("node");
    let mut config = Config::new(gossip::Config::new(Profile::Lan, name, address, 7946));
    config.tags = [("role", "web"), ("datacenter", "east")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    config
}

/// Without what Lifeguard adds to SWIM: local health, dynamic suspicion, the buddy system.
pub(crate) fn without_lifeguard(config: &mut Config) {
    config.gossip.awareness_max_multiplier = 1;
    config.gossip.suspicion_max_timeout_mult = 1;
    config.gossip.tell_suspects = false;
}

pub(crate) fn carry_out(plan: &Plan) -> Measurement {
    measure(plan, |_| {}).expect("the plans of the report are within the limits")
}

/// One measurement for each seed.
pub(crate) fn by_size(
    members: usize,
    seeds: u64,
    failures: usize,
    seconds: u64,
    config: &Config,
) -> Vec<Measurement> {
    let plan = |seed| Plan {
        failures,
        events: 20,
        duration: Duration::from_secs(seconds),
        ..Plan::new(seed, members, config.clone())
    };
    (0..seeds).map(|seed| carry_out(&plan(seed))).collect()
}

/// What goes wrong in a cluster in which false alarms are counted.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Loss(f64),
    Slow(usize, Trouble),
}

/// How long a slow member is in trouble, and how long it is not.
pub(crate) const TROUBLE: Duration = Duration::from_secs(16);

pub(crate) fn with_fault(effort: &Effort, lifeguard: bool, fault: Fault) -> Vec<Measurement> {
    let mut config = settings();
    if !lifeguard {
        without_lifeguard(&mut config);
    }
    let plan = |seed| {
        let mut plan = Plan {
            events: 0,
            duration: Duration::from_secs(effort.alarm_seconds),
            ..Plan::new(seed, effort.alarm_members, config.clone())
        };
        match fault {
            Fault::Loss(loss) => plan.loss = loss,
            Fault::Slow(members, trouble) => {
                plan.slow = Some(Slow { members, trouble, lasts: TROUBLE, between: TROUBLE });
            }
        }
        plan
    };
    (0..effort.alarm_seeds).map(|seed| carry_out(&plan(seed))).collect()
}
