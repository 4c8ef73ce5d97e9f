//! A world that begins where a real cluster is after a while: everybody knows everybody.

use serf::Known;

use crate::host::{Habits, Host, HostId};
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

    /// Has members exchange states as they are, which are never encoded, where nobody would see a
    /// difference: all read what all write, and nobody looks at it on its way.
    fn freeze_states(&mut self) {
        let protection = |host: &Host| {
            let gossip = &host.config.gossip;
            let (seals, demands) = (gossip.encrypt_verify_outgoing, gossip.encrypt_verify_incoming);
            (host.keyring.clone(), seals, demands, gossip.label.clone())
        };
        let first = self.hosts.first().map(protection);
        let is_read = |host: &Host| {
            let own = protection(host);
            let (sealed, seals, demands, _) = &own;
            let opens = sealed.is_none() || *seals || !demands;
            host.habits == Habits::Own && opens && first.as_ref() == Some(&own)
        };
        self.freezes = !self.watches_everything()
            && !self.trace.is_readable()
            && self.hosts.iter().all(is_read);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::net::IpAddr;
    use std::time::Duration;

    use serf::{Command, Config, Profile, Serf};
    use wire::{Address, Key, NodeName};

    use crate::World;
    use crate::measure::Plan;
    use crate::world::Watch;

    fn plan(seed: u64) -> Plan {
        let address = Address::from(IpAddr::from([10, 0, 0, 1]));
        let mut gossip = gossip::Config::new(Profile::Lan, NodeName::from("n"), address, 7946);
        gossip.push_pull_interval = Duration::from_secs(2);
        Plan::new(seed, 530, Config::new(gossip))
    }

    fn run(world: &mut World, seconds: u64) {
        let until = world.now() + Duration::from_secs(seconds);
        world.run_until(until, |_, _| {});
    }

    /// A world in which members come, go and say something.
    fn play(plan: &Plan, watch: Watch) -> World {
        let mut world = plan.world();
        world.options.watch = watch;
        world.start_converged();
        let host = |number| world.host_ids().nth(number);
        let [Some(crashes), Some(leaves), Some(forced), Some(tells)] = [7, 400, 5, 520].map(host)
        else {
            panic!("there are so many");
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
        world
    }

    /// All that a member believes of the others, as one number.
    fn beliefs(serf: &Serf) -> u64 {
        let mut hasher = DefaultHasher::new();
        for node in serf.membership().nodes() {
            let state = (node.state as u8, node.incarnation, node.changed.as_nanos());
            (&node.name, node.address, node.port, &node.meta, state).hash(&mut hasher);
        }
        for member in serf.members() {
            (&member.name, member.status.as_str(), &*member.tags).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// What is not encoded says the same: to the last bit, and in as many bytes.
    #[test]
    fn frozen_states_make_no_difference() {
        let plain = plan(1);
        let mut protected = Plan { key: Key::new(&[7; 32]).ok(), ..plan(2) };
        protected.config.gossip.label = "east".into();
        let compressed = Plan { compress: true, ..plan(3) };
        for plan in [plain, protected, compressed] {
            let (frozen, encoded) = (play(&plan, Watch::Facts), play(&plan, Watch::Everything));
            let seen = |world: &World| (world.trace().hash(), world.traffic());
            assert_eq!(seen(&frozen), seen(&encoded), "seed {}", plan.seed);
            let all = |world: &World| -> Vec<Option<u64>> {
                world.hosts().iter().map(|host| host.serf().map(beliefs)).collect()
            };
            assert_eq!(all(&frozen), all(&encoded), "seed {}", plan.seed);
            // Every member has asked once, in the mean, and was answered.
            let exchanged = |world: &World| world.streams.frozen;
            assert!(exchanged(&frozen) > 1000, "{}", exchanged(&frozen));
            assert_eq!(exchanged(&encoded), 0);
        }
    }

    /// The ratio that stands for compression comes close to it.
    #[test]
    fn lengths_that_are_taken_for_alike_are_nearly_so() {
        let sent = |exact_up_to| {
            let mut world = Plan { compress: true, ..plan(4) }.world();
            world.streams.compression.exact_up_to = exact_up_to;
            world.start_converged();
            run(&mut world, 12);
            world.traffic().stream_bytes as f64
        };
        let (all, some) = (sent(usize::MAX), sent(0));
        assert!((some / all - 1.0).abs() < 0.005, "{some} instead of {all}");
        assert_ne!(some, all);
    }
}
