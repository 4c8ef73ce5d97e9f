//! `tribune simulate`: a cluster with an operator's settings, under virtual time.

mod report;

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::time::Duration;

use agent::config::Simulated;
use gotext::GoDuration;
use sim::measure::{self, Plan, limits};
use wire::Key;

use super::{Format, fail};
use crate::command::{Action, Command};
use crate::flags::{Flag, Kind, Parsed};
use crate::output::say;
use report::Forecast;

/// The command, which only `tribune` has.
pub(crate) const SIMULATE: Command = Command {
    name: "simulate",
    synopsis: "Try settings on a simulated cluster",
    operands: "",
    description: "Runs a cluster of simulated members, which are the machines of real agents, \
                  under virtual time, and shows what is to be expected of it: how soon a failure \
                  is detected, how often a running member is taken for failed, what the members \
                  send, and what memory an agent takes. The same flags give the same output.\n\n\
                  Where fewer members than a dozen would fail in the simulated time, more do, and \
                  what they cost is scaled to the churn that was asked for. Memory grows with the \
                  square of the members: 2500 take half a GiB, 10000 begin with 3.5.",
    flags: || {
        vec![
            Flag::new("nodes", Kind::Int, "N", "100", "Members, from 2 to 10000."),
            Flag::new(
                "churn",
                Kind::Text,
                "SHARE/TIME",
                "10%/day",
                "Share of the members that fail, and come back, in a day or an hour.",
            ),
            Flag::new("loss", Kind::Text, "SHARE", "0%", "Share of the datagrams that get lost."),
            Flag::new("rtt", Kind::Duration, "DURATION", "1ms", "Round trip between two members."),
            Flag::new("duration", Kind::Duration, "DURATION", "5m", "Time to simulate."),
            Flag::new(
                "config",
                Kind::Text,
                "PATH",
                "",
                "The agents' configuration: a JSON file, or a folder of them.",
            ),
            Flag::new("seed", Kind::Unsigned, "N", "1", "Another one gives another run."),
            Flag::new("format", Kind::Text, "FORMAT", "text", "Output as text or json.")
                .choices(&["text", "json"]),
            Flag::new("svg", Kind::Text, "PATH", "", "Also draw the time line into this file."),
        ]
    },
    prefix: "",
    action: Action::Parsed(run),
};

/// The fewest failures that say something about detection.
const FEWEST_FAILURES: f64 = 12.0;

/// How long a failure may go on, in the mean, while another begins in a small cluster.
const APART: Duration = Duration::from_secs(30);

fn run(command: &Command, parsed: &Parsed) -> i32 {
    if !parsed.positional.is_empty() {
        return command.misused("Nothing may stand behind the flags");
    }
    let (wanted, format) = match (wanted(parsed), Format::from_name(&parsed.text("format"))) {
        (Ok(wanted), Some(format)) => (wanted, format),
        (Err(why), _) => return fail(format!("Error: {why}")),
        (_, None) => {
            let format = parsed.text("format");
            return fail(format!("Error: -format is '{format}': write text or json"));
        }
    };
    let path = parsed.text("svg");
    let not_written = |doing: &str, error: std::io::Error| {
        let why = gotext::path_error(doing, &path, &error);
        fail(format!("Error: -svg: {why}: name a file that can be written"))
    };
    // Before the run, of which nothing is to be lost by a bad name; an older one stays until then.
    let open = |path| OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let svg = match Some(&path).filter(|path| !path.is_empty()).map(open).transpose() {
        Ok(svg) => svg,
        Err(error) => return not_written("open", error),
    };
    let bar = Bar::new();
    let measured = measure::measure(&wanted.plan, |share| bar.show(share));
    bar.clear();
    let measurement = match measured {
        Ok(measurement) => measurement,
        Err(error) => return fail(format!("Error: {error}")),
    };
    let forecast = Forecast { wanted: &wanted, measurement: &measurement };
    match format {
        Format::Text => say(forecast.text()),
        Format::Json => say(forecast.json().indented()),
    }
    if let Some(mut svg) = svg
        && let Err(error) = replace(&mut svg, &forecast.timeline().svg())
    {
        return not_written("write", error);
    }
    0
}

/// Writes a text in the place of what a file has; a pipe or a terminal has nothing.
fn replace(file: &mut File, text: &str) -> std::io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

/// What was asked for.
struct Wanted {
    plan: Plan,
    profile: String,
    churn_per_day: f64,
}

fn wanted(parsed: &Parsed) -> Result<Wanted, String> {
    let members = usize::try_from(parsed.int("nodes")).unwrap_or(0);
    if !(limits::FEWEST_MEMBERS..=limits::MOST_MEMBERS).contains(&members) {
        return Err(format!(
            "-nodes is {}: write a number from {} to {}",
            parsed.int("nodes"),
            limits::FEWEST_MEMBERS,
            limits::MOST_MEMBERS
        ));
    }
    let seed = parsed.unsigned("seed");
    let loss = parsed.text("loss");
    let loss = share(&loss).filter(|share| *share <= limits::MOST_LOSS).ok_or_else(|| {
        let most = limits::MOST_LOSS * 100.0;
        format!("-loss is '{loss}': write a percentage from 0% to {most}%, such as 1%")
    })?;
    let churn = parsed.text("churn");
    let churn_per_day =
        per_day(&churn).filter(|share| *share <= limits::MOST_CHURN).ok_or_else(|| {
            let most = limits::MOST_CHURN * 100.0;
            format!(
                "-churn is '{churn}': write a percentage and a time, such as 10%/day or 1%/hour, \
                 of at most {most}%/day"
            )
        })?;
    let duration = time(parsed, "duration", limits::SHORTEST, limits::LONGEST)?;
    let round_trip = time(parsed, "rtt", Duration::ZERO, limits::LONGEST_ROUND_TRIP)?;
    let path = parsed.text("config");
    let path = Some(path.as_str()).filter(|path| !path.is_empty());
    let Simulated { config, profile, sealed, compressed } = agent::config::simulated(path)
        .map_err(|failure| match failure.hint {
            Some(hint) => format!("-config: {}\nHint: {hint}", failure.message),
            None => format!("-config: {}", failure.message),
        })?;
    let mut plan = Plan { loss, duration, round_trip, ..Plan::new(seed, members, config) };
    // Which key it is makes no difference to anybody.
    plan.key = if sealed { Key::new(&[7; 32]).ok() } else { None };
    plan.compress = compressed;
    plan.failures = failures(&plan, churn_per_day);
    plan.check().map_err(|error| format!("-config: {error}"))?;
    Ok(Wanted { plan, profile, churn_per_day })
}

/// Members to fail: as many as the churn says, but some at least where there is any.
fn failures(plan: &Plan, churn_per_day: f64) -> usize {
    if churn_per_day == 0.0 {
        return 0;
    }
    let one_by_one = plan.duration.as_secs_f64() / 2.0 / APART.as_secs_f64();
    let room = (plan.members as f64 / 4.0).max(one_by_one);
    let fewest = FEWEST_FAILURES.min(room).max(1.0);
    plan.expected_failures(churn_per_day).max(fewest).round() as usize
}

/// A duration within bounds.
fn time(parsed: &Parsed, name: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let given = parsed.duration(name);
    let nanoseconds = u64::try_from(given.as_nanoseconds()).ok();
    let duration = nanoseconds.map(Duration::from_nanos);
    duration.filter(|duration| (least..=most).contains(duration)).ok_or_else(|| {
        let (least, most) = (shown(least), shown(most));
        format!("-{name} is {given}: write a duration from {least} to {most}")
    })
}

fn shown(duration: Duration) -> GoDuration {
    GoDuration::from_nanoseconds(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// `1%`, `0.5%` or `0` as a share.
fn share(text: &str) -> Option<f64> {
    let number = match text.strip_suffix('%') {
        Some(number) => number,
        None if text == "0" => text,
        None => return None,
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent: f64 = number.parse().ok().filter(|_| plain)?;
    Some(percent / 100.0)
}

/// `10%/day`, `1%/hour` or `0` as a share a day.
fn per_day(text: &str) -> Option<f64> {
    match text.split_once('/') {
        None => share(text).filter(|share| *share == 0.0),
        Some((share_text, "day" | "d")) => share(share_text),
        Some((share_text, "hour" | "h")) => share(share_text).map(|share| share * 24.0),
        Some(_) => None,
    }
}

/// How far the simulation is, on a terminal; nothing elsewhere.
struct Bar {
    wanted: bool,
}

impl Bar {
    /// Characters of a full bar.
    const WIDTH: usize = 40;

    fn new() -> Bar {
        let bar = Bar { wanted: std::io::stderr().is_terminal() };
        bar.show(0.0);
        bar
    }

    fn show(&self, share: f64) {
        let share = share.clamp(0.0, 1.0);
        let full = (share * Self::WIDTH as f64) as usize;
        let (done, rest) = ("#".repeat(full), " ".repeat(Self::WIDTH - full));
        self.write(&format!("\r[{done}{rest}] {:3.0} %", share * 100.0));
    }

    fn clear(&self) {
        self.write(&format!("\r{}\r", " ".repeat(Self::WIDTH + 8)));
    }

    fn write(&self, text: &str) {
        if self.wanted {
            // A bar that cannot be drawn is not missed.
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        for (text, value) in [("0", Some(0.0)), ("0%", Some(0.0)), ("12.5%", Some(0.125))] {
            assert_eq!(share(text), value, "{text}");
        }
        for text in ["", "%", "1", "0.1", "-1%", "+1%", "1 %", "1e1%", "nan%", "inf%", "1%%"] {
            assert_eq!(share(text), None, "{text}");
        }
    }

    #[test]
    fn churn_has_a_time() {
        for (text, value) in [("10%/day", Some(0.1)), ("1%/hour", Some(0.24)), ("0", Some(0.0))] {
            assert_eq!(per_day(text), value, "{text}");
        }
        for text in ["10%", "10/day", "10%/week", "/day", "10%/", "10%/day/day"] {
            assert_eq!(per_day(text), None, "{text}");
        }
    }
}
