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

use sim::check::Counts;
use sim::run::{self, Report};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    if let Some(seed) = number("--replay") {
        return replay(seed);
    }
    let from = number("--from").unwrap_or(0);
    let seeds = number("--seeds").unwrap_or(300);
    play(from, seeds)
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

/// What many seeds have shown.
#[derive(Default)]
struct Sum {
    failed: Vec<u64>,
    counts: Counts,
    inputs: u64,
    virtual_seconds: f64,
    agreed: Vec<Duration>,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.counts.add(&report.counts);
        self.inputs += report.traffic.inputs;
        self.virtual_seconds += report.took.as_nanos() as f64 / 1e9;
        self.agreed.extend(report.agreed_after);
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
                    if seed >= from + seeds {
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
    for (name, count) in sum.counts.named() {
        println!("  {name}: {count}");
    }
    sum.agreed.sort();
    let agreed = &sum.agreed;
    if let (Some(median), Some(last)) = (agreed.get(agreed.len() / 2), agreed.last()) {
        println!("  agreement after healing: median {median:.1?}, longest {last:.1?}");
    }
    sum.failed.sort_unstable();
    if !sum.failed.is_empty() {
        println!("failed: {:?}", sum.failed);
    }
    let idle = sum.counts.named().into_iter().find(|(_, count)| seeds >= 100 && *count == 0);
    if let Some((name, _)) = idle {
        println!("vacuous: not one of {name} in all these seeds");
    }
    println!(
        "{seeds} seeds from {from}: {} failed; {:.0} s for {:.0} s of virtual time, {} inputs",
        sum.failed.len(),
        began.elapsed().as_secs_f64(),
        sum.virtual_seconds,
        sum.inputs,
    );
    if sum.failed.is_empty() && idle.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
