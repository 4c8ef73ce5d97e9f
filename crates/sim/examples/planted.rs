//! Plants one known mistake after another into the cores and plays seeds until a checker catches
//! it; without the mistake the same seed has to go well. Exit status 1 if one gets away.
//!
//! ```text
//! planted [FAULT ...]              all, or those of these names
//! planted --replay FAULT SEED      one seed with a trace to read
//! ```

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sim::check::Violation;
use sim::run;
use wire::planted::{Fault, plant};

/// A mistake that this many seeds do not show is not caught.
const SEEDS: u64 = 200;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [replay, fault, seed] = wanted.as_slice()
        && replay == "--replay"
    {
        return play_again(fault, seed);
    }
    let known = |name: &&String| Fault::ALL.iter().any(|fault| format!("{fault:?}") == **name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        eprintln!("there is no fault {unknown}");
        return ExitCode::FAILURE;
    }
    let chosen = |fault: &&Fault| wanted.is_empty() || wanted.contains(&format!("{fault:?}"));
    let faults: Vec<Fault> = Fault::ALL.iter().filter(chosen).copied().collect();
    let began = Instant::now();
    // A run that panics is caught as well: its message would only hide the table.
    std::panic::set_hook(Box::new(|_| {}));
    let next = AtomicUsize::new(0);
    let away = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !is_caught(*fault) {
                        away.lock().expect("nobody panics with it").push(*fault);
                    }
                }
            });
        }
    });
    let away = away.into_inner().expect("nobody panics with it");
    let seconds = began.elapsed().as_secs();
    println!("{} of {} caught in {seconds} s", faults.len() - away.len(), faults.len());
    if away.is_empty() && !faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_caught(fault: Fault) -> bool {
    plant(Some(fault));
    let began = Instant::now();
    let violation = (0..SEEDS).find_map(|seed| Some((seed, run::run(seed, false).violation?)));
    plant(None);
    let (trap, seconds) = (fault.trap(), began.elapsed().as_secs_f64());
    let name = format!("{fault:?}");
    let Some((seed, violation)) = violation else {
        println!("{trap:4} {name:22} NOT CAUGHT in {SEEDS} seeds");
        return false;
    };
    let (rule, what) = (violation.rule, &violation.what);
    println!("{trap:4} {name:22} seed {seed:3} {seconds:5.1} s  {rule}: {what}");
    let innocent = run::run(seed, false).violation;
    if let Some(Violation { rule, what, .. }) = &innocent {
        println!("{trap:4} {name:22} BUT seed {seed} fails without it, too: {rule}: {what}");
    }
    innocent.is_none()
}

/// One seed with the mistake of that name, with a trace to read.
fn play_again(fault: &str, seed: &str) -> ExitCode {
    let named = |known: &&Fault| format!("{known:?}") == fault;
    let (Some(fault), Ok(seed)) = (Fault::ALL.iter().find(named), seed.parse()) else {
        eprintln!("--replay wants the name of a fault and a seed");
        return ExitCode::FAILURE;
    };
    plant(Some(*fault));
    let report = run::run(seed, true);
    report.lines.iter().for_each(|line| println!("{line}"));
    println!("{:?}", report.violation);
    ExitCode::SUCCESS
}
