//! Measures the membership as its papers did, and writes tables and charts.
//!
//! ```text
//! report --out FOLDER [--only GROUP] [--quick]
//! ```
//!
//! Writes `FOLDER/gossip.md` and `FOLDER/gossip/*.svg`. With `--only` (size, eager, loss or slow)
//! it measures that group only, and prints its tables instead of writing the page. `--quick` takes
//! few seeds and small clusters, to see that it works. `--only speed` measures the simulator itself
//! and prints a table; it is not part of the page. With `--members` it plays one converged world of
//! that size.

mod figures;
mod runs;
mod speed;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use figures::Figure;
use runs::Effort;

/// What is measured together.
type Group = (&'static str, fn(&Effort) -> Vec<Figure>);

const GROUPS: [Group; 4] = [
    ("size", figures::size),
    ("eager", figures::eager),
    ("loss", figures::loss),
    ("slow", figures::slow),
];

const COMMAND: &str = "cargo run --profile seeds -p tribune-sim --example report -- --out bench";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).cloned()
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let only = value("--only");
    if only.as_deref() == Some("speed") {
        speed::speed(quick, value("--members").and_then(|members| members.parse().ok()));
        return ExitCode::SUCCESS;
    }
    let Some(folder) = value("--out").map(PathBuf::from) else {
        eprintln!(
            "usage: report --out FOLDER [--only size|eager|loss|slow] [--quick]\n       \
             report --only speed [--quick | --members N]"
        );
        return ExitCode::FAILURE;
    };
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    match report(&folder, only.as_deref(), &effort) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn report(folder: &Path, only: Option<&str>, effort: &Effort) -> Result<(), String> {
    let groups: Vec<&Group> =
        GROUPS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if groups.is_empty() {
        return Err("--only is one of size, eager, loss, slow, speed".to_owned());
    }
    let charts = folder.join("gossip");
    let write = |path: PathBuf, text: &str| {
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    std::fs::create_dir_all(&charts).map_err(|error| format!("{}: {error}", charts.display()))?;
    let began = Instant::now();
    let mut page = runs::introduction();
    for (name, measure) in groups {
        let figures = measure(effort);
        eprintln!("{name}: {:.0} s since the start", began.elapsed().as_secs_f64());
        for figure in figures {
            write(charts.join(format!("{}.svg", figure.name)), &figure.chart.svg())?;
            page.push_str(&figure.markdown(&format!("{COMMAND} --only {name}")));
        }
    }
    if only.is_some() {
        println!("{page}");
        return Ok(());
    }
    write(folder.join("gossip.md"), &page)
}
