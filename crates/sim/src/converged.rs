//! A world that begins where a real cluster is after a while: everybody knows everybody.

use serf::Known;

use crate::host::HostId;
use crate::world::World;

impl World {
    /// Starts all hosts; each knows all others, and nothing is left to be told but that it is
    /// there.
    pub fn start_converged(&mut self) {
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
