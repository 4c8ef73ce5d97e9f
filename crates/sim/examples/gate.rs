//! Plays seeds and says what went wrong.
//!
//! ```text
//! gate --seeds 300 [--from N]      many seeds; exit status 1 if one fails
//! gate --replay SEED               one seed, with a trace to read
//! ```

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sim::Tally;
use sim::check::Counts;
use sim::run::{self, Report};

const USAGE: &str = "usage: gate [--seeds N] [--from N] | gate --replay SEED";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // What is not understood must not become a run of something else that goes well.
    let (mut from, mut seeds) = (0, FULL_BAND);
    for pair in arguments.chunks(2) {
        match pair {
            [flag, number] => match (flag.as_str(), number.parse()) {
                ("--replay", Ok(seed)) => return replay(seed),
                ("--from", Ok(number)) => from = number,
                ("--seeds", Ok(number @ 1..)) => seeds = number,
                _ => return misused(pair),
            },
            _ => return misused(pair),
        }
    }
    play(from, seeds)
}

fn misused(arguments: &[String]) -> ExitCode {
    eprintln!("what is {:?}?\n{USAGE}", arguments.join(" "));
    ExitCode::from(2)
}

fn replay(seed: u64) -> ExitCode {
    let report = run::run(seed, true);
    for line in &report.lines {
        println!("{line}");
    }
    println!("hash {:016x}, {:?}", report.hash, report.counts);
    match &report.violation {
        Some(violation) => {
            println!("seed {seed}: {}: {}", violation.rule, violation.what);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// So many seeds must have seen and done everything that is counted.
const FULL_BAND: u64 = 300;

/// What many seeds have shown.
#[derive(Default)]
struct Sum {
    failed: Vec<u64>,
    counts: Counts,
    tally: Tally,
    inputs: u64,
    virtual_seconds: f64,
    agreed: Vec<Duration>,
    whole: Vec<Duration>,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.counts.add(&report.counts);
        self.tally.add(&report.tally);
        self.inputs += report.traffic.inputs;
        self.virtual_seconds += report.took.as_nanos() as f64 / 1e9;
        self.agreed.extend(report.agreed_after);
        self.whole.extend(report.whole_after);
        if report.violation.is_some() {
            self.failed.push(report.seed);
        }
    }
}

fn play(from: u64, seeds: u64) -> ExitCode {
    let began = Instant::now();
    let sum = Mutex::new(Sum::default());
    let next = AtomicU64::new(from);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed.wrapping_sub(from) >= seeds {
                        break;
                    }
                    let report = run::run(seed, false);
                    tell(&report);
                    sum.lock().unwrap_or_else(PoisonError::into_inner).add(&report);
                }
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let list = |named: &[(String, u64)]| {
        let entries: Vec<String> = named.iter().map(|(name, n)| format!("{n} {name}")).collect();
        entries.join(", ")
    };
    let (seen, done): (Vec<_>, Vec<_>) =
        (sum.counts.named().collect(), sum.tally.named().collect());
    println!("  seen: {}", list(&seen));
    for (what, times) in
        [("agreement after healing", &mut sum.agreed), ("views of crowds whole", &mut sum.whole)]
    {
        times.sort();
        if let (Some(median), Some(last)) = (times.get(times.len() / 2), times.last()) {
            println!("  {what}: median {median:.1?}, longest {last:.1?}");
        }
    }
    sum.failed.sort_unstable();
    if !sum.failed.is_empty() {
        println!("failed: {:?}", sum.failed);
    }
    let idle: Vec<&str> = (seen.iter().chain(&done))
        .filter(|(_, count)| seeds >= FULL_BAND && *count == 0)
        .map(|(name, _)| name.as_str())
        .collect();
    if !idle.is_empty() {
        println!("vacuous: none in all these seeds of {}", idle.join(", "));
    }
    println!(
        "{seeds} seeds from {from}: {} failed; {:.0} s for {:.0} s of virtual time, {} inputs; {}",
        sum.failed.len(),
        began.elapsed().as_secs_f64(),
        sum.virtual_seconds,
        sum.inputs,
        list(&done),
    );
    if sum.failed.is_empty() && idle.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(report: &Report) {
    if let Some(violation) = &report.violation {
        println!(
            "seed {} failed at {} s: {}: {}",
            report.seed,
            sim::Stamp(violation.at),
            violation.rule,
            violation.what
        );
        println!("  replay: {}", run::replay_command(report.seed));
    }
}
