//! How fast worlds run. Not part of the page: the figures are those of one machine.

use std::time::Duration;

use gossip::Time;
use sim::World;
use sim::measure::Plan;

use crate::runs;

/// Longest virtual time that a cold start is watched for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Prints one row for each world: small ones with `quick`, one converged world with `members`.
pub(crate) fn speed(quick: bool, members: Option<usize>) {
    let sizes = if quick { [50, 100, 300] } else { [100, 2_000, 10_000] };
    println!(
        "| world | to set up, s | virtual time, s | processor time, s | times real time | \
         inputs/s | peak memory, MiB | hash |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    let converged = |members: usize, failures: usize, watched: u64| {
        let began = processor_time();
        let mut world = plan(members).world();
        world.start_converged();
        let set_up = processor_time() - began;
        // The first seconds are of members that announce themselves: no part of an idle cluster.
        run(&mut world, Duration::from_secs(20));
        let row = measured(&mut world, |world| {
            for number in 0..failures {
                let host = world.host_ids().nth(members * (2 * number + 1) / (2 * failures));
                host.into_iter().for_each(|host| world.crash(host));
                run(world, Duration::from_secs(watched) / failures as u32);
            }
        });
        let what = format!("{members} converged, of which {failures} crash");
        row.print(&what, set_up);
    };
    if let Some(members) = members {
        return converged(members, 1, 60);
    }
    converged(sizes[0], 4, 600);
    cold(sizes[1]);
    converged(sizes[2], 1, 60);
}

/// Members that all start and join in the first ten seconds, until everybody knows everybody.
fn cold(members: usize) {
    let began = processor_time();
    let mut world = plan(members).world();
    let set_up = processor_time() - began;
    let row = measured(&mut world, |world| {
        for host in world.host_ids() {
            world.start(host);
            world.join(host, true);
            run(world, Duration::from_secs(10) / members as u32);
        }
        let knows_all = |world: &World| {
            let mut known = world.hosts().iter().filter_map(sim::Host::serf);
            known.all(|serf| serf.statistics().members == members)
        };
        while !knows_all(world) && world.now() < Time::ZERO + PATIENCE {
            run(world, Duration::from_secs(1));
        }
    });
    row.print(&format!("{members} from a cold start until all know all"), set_up);
}

fn plan(members: usize) -> Plan {
    Plan::new(1, members, runs::settings())
}

fn run(world: &mut World, lasts: Duration) {
    let until = world.now() + lasts;
    world.run_until(until, |_, _| {});
}

/// What one stretch of a world's time took.
struct Row {
    virtual_time: Duration,
    processor_time: Duration,
    inputs: u64,
    /// Of all that has happened in the world: what makes it faster does not change it.
    hash: u64,
}

fn measured(world: &mut World, play: impl FnOnce(&mut World)) -> Row {
    let (from, inputs, began) = (world.now(), world.traffic().inputs, processor_time());
    play(world);
    Row {
        virtual_time: world.now().since(from),
        processor_time: processor_time() - began,
        inputs: world.traffic().inputs - inputs,
        hash: world.trace().hash(),
    }
}

impl Row {
    fn print(&self, what: &str, set_up: Duration) {
        let (virtual_time, took) =
            (self.virtual_time.as_secs_f64(), self.processor_time.as_secs_f64());
        println!(
            "| {what} | {:.1} | {virtual_time:.0} | {took:.1} | {:.1} | {:.0} | {} | {:016x} |",
            set_up.as_secs_f64(),
            virtual_time / took,
            self.inputs as f64 / took,
            peak_memory_mib().map_or_else(|| "unknown".to_owned(), |peak| peak.to_string()),
            self.hash,
        );
    }
}

/// What this program has had of a processor, as Linux counts it: others that run beside it make no
/// difference. It has one thread.
fn processor_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = counted.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// The most memory that this process has had at one time, as Linux counts it.
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}
