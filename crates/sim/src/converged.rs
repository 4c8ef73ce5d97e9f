//! A world that begins where a real cluster is after a while: everybody knows everybody.

use serf::Known;

use crate::host::HostId;
use crate::world::World;

impl World {
    /// Starts all hosts; each knows all others, and nothing is left to be told but that it is
    /// there.
    pub fn start_converged(&mut self) {
        self.freeze_states();
        let hosts: Vec<HostId> = self.host_ids().collect();
        for host in &hosts {
            self.start(*host);
            self.joined.push(*host);
        }
        let known: Vec<Known> =
            self.hosts.iter().filter_map(|host| Some(host.serf()?.known())).collect();
        for host in hosts {
            let local = self.local_time(host);
            if let Some(process) = &mut self.hosts[host.0].process {
                process.serf.adopt(local, known.iter());
            }
            self.drain(host);
            self.reschedule(host);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use serf::{Command, Config, Profile};
    use wire::{Address, NodeName};

    use crate::measure::Plan;
    use crate::world::{Traffic, Watch};

    /// A world in which members come, go and say something, as it is seen from outside.
    fn play(seed: u64, watch: Watch) -> (u64, Traffic) {
        let address = Address::from(IpAddr::from([10, 0, 0, 1]));
        let mut gossip = gossip::Config::new(Profile::Lan, NodeName::from("n"), address, 7946);
        gossip.push_pull_interval = Duration::from_secs(2);
        let mut world = Plan::new(seed, 530, Config::new(gossip)).world();
        world.options.watch = watch;
        world.start_converged();
        let host = |number| world.host_ids().nth(number);
        let [Some(crashes), Some(leaves), Some(forced), Some(tells)] = [7, 400, 5, 520].map(host)
        else {
            panic!("there are so many");
        };
        let run = |world: &mut crate::World, seconds| {
            let until = world.now() + Duration::from_secs(seconds);
            world.run_until(until, |_, _| {});
        };
        run(&mut world, 2);
        world.crash(crashes);
        world.command(leaves, Command::Leave);
        let event = |name: &str| {
            let name = name.to_owned();
            Command::UserEvent { name, payload: None, coalesce: false }
        };
        world.command(tells, event("told"));
        run(&mut world, 12);
        world.start(crashes);
        world.join(crashes, true);
        world.crash(forced);
        let node = world.host(forced).name.clone();
        world.command(tells, Command::ForceLeave { node, prune: false });
        run(&mut world, 4);
        (world.trace().hash(), world.traffic())
    }

    /// What is not encoded says the same: to the last bit, and in as many bytes.
    #[test]
    fn frozen_states_make_no_difference() {
        assert_eq!(play(1, Watch::Facts), play(1, Watch::Everything));
    }
}
