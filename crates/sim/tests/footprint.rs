//! What machines hold, compared with what [`sim::measure::footprint`] says.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use gossip::{Profile, Time};
use serf::{Config, Tags};
use sim::measure::{Plan, footprint};

/// Bytes of memory that this process has, as the system counts them.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn members_take_what_the_estimate_says() {
    const MEMBERS: usize = 120;
    let address = IpAddr::from([10, 0, 0, 1]);
    let mut config =
        Config::new(gossip::Config::new(Profile::Lan, "a".into(), address.into(), 7946));
    config.tags = Tags::from([("role".to_owned(), "web".to_owned())]);
    let mut world = Plan::new(1, MEMBERS, config.clone()).world();
    let before = resident();
    // Every one learns of all others over the network, so that no two share anything.
    for host in world.host_ids() {
        world.start(host);
        world.join(host, true);
        let next = world.now() + Duration::from_millis(100);
        world.run_until(next, |_, _| {});
    }
    // Each probes most of the others.
    world.run_until(Time::ZERO + Duration::from_secs(130), |_, _| {});
    for host in world.host_ids() {
        assert_eq!(world.host(host).serf().unwrap().members().count(), MEMBERS);
    }
    let members = MEMBERS as u64;
    let measured = (resident() - before) / (members * members);
    let estimate = (footprint(&config, MEMBERS) - footprint(&config, 0)) / members;
    println!("{measured} bytes for each member known; the estimate is {estimate}");
    assert!(
        measured * 2 < estimate * 3 && measured * 3 > estimate * 2,
        "{measured} bytes for each member known, but the estimate is {estimate}"
    );
}
