//! `tribune simulate`, as it is typed.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribune"));
    command.arg("simulate").args(arguments).output().unwrap()
}

/// What a run that went well has printed.
fn printed(arguments: &[&str]) -> String {
    let output = simulate(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(output.stderr.is_empty(), "a progress bar without a terminal");
    text
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.join(format!("simulate-{}-{name}", std::process::id()))
}

const SMALL: [&str; 4] = ["--nodes", "12", "--duration", "1m"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().chain(more).copied().collect()
}

#[test]
fn the_same_seed_gives_the_same_output_and_another_another() {
    let flags = small(&["--churn", "10%/day", "--loss", "5%", "--seed", "7", "-format=json"]);
    let first = printed(&flags);
    assert_eq!(first, printed(&flags));
    let other = printed(&small(&["--loss=5%", "--seed=18446744073709551615", "-format=json"]));
    assert!(other.contains("\"seed\": 18446744073709551615,"), "{other}");
    assert_ne!(first, other);
    let json: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&json["nodes"], &json["seed"]), (&12.into(), &7.into()));
    assert_eq!((json["loss"].as_f64(), json["churn_per_day"].as_f64()), (Some(0.05), Some(0.1)));
    let failures = json["failures"].as_u64().unwrap();
    assert!(failures > 0);
    // A probe that fails takes a second, and the shortest suspicion four more and a bit.
    let detection = &json["detection"];
    assert_eq!(detection["everybody"]["count"].as_u64(), Some(failures));
    assert!(detection["suspected"]["median_ms"].as_u64().unwrap() >= 1000);
    assert!(detection["declared"]["median_ms"].as_u64().unwrap() >= 5000);
    let quiet = &json["bandwidth"]["quiet"];
    assert!(quiet["bytes_per_second"].as_u64().unwrap() > 100);
    assert!(json["bandwidth"]["failure"]["bytes"].as_u64().unwrap() > 0);
    assert!(json["memory_bytes"].as_u64().unwrap() > 1_000_000);
}

#[test]
fn the_agents_configuration_decides() {
    let file = scratch("agent.json");
    let text = r#"{"profile": "local", "bind": "203.0.113.7:7946", "disable_eager_gossip": true}"#;
    std::fs::write(&file, text).unwrap();
    let json = |more: &[&str]| -> serde_json::Value {
        serde_json::from_str(&printed(&small(more))).unwrap()
    };
    let local = json(&["-config", file.to_str().unwrap(), "-format", "json"]);
    let lan = json(&["-format", "json"]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!((local["profile"].as_str(), lan["profile"].as_str()), (Some("local"), Some("lan")));
    let event =
        |json: &serde_json::Value| json["event_known_to_everybody"]["median_ms"].as_u64().unwrap();
    // Ticks of a tenth of a second against milliseconds.
    assert!(event(&local) > 4 * event(&lan), "{} {}", event(&local), event(&lan));
}

#[test]
fn a_time_line_is_drawn_and_the_text_is_for_people() {
    let file = scratch("time.svg");
    // An older and longer one is replaced.
    std::fs::write(&file, [b'x'; 1 << 20]).unwrap();
    let text = printed(&small(&["-churn", "0", "-svg", file.to_str().unwrap()]));
    let svg = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(svg.trim_end().ends_with("</svg>"), "{svg}");
    // Neither a pipe nor a terminal can be made shorter.
    assert!(printed(&small(&["-svg", "/dev/stdout"])).contains("</svg>"));
    assert!(svg.starts_with("<svg ") && svg.contains("bytes sent by one member"), "{svg}");
    assert!(!svg.contains("a member fails"));
    for line in [
        "12 members, profile lan",
        "first declared failed not seen",
        "declared failed       0 (fewer than",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn settings_with_which_nothing_could_be_seen_are_refused() {
    for (text, says) in [
        (r#"{"reconnect_interval": "1ns"}"#, "-config: reconnect_interval is 1ns, in a simulation"),
        (
            r#"{"user_event_size_limit": 10}"#,
            "-config: user_event_size_limit is 10, in a simulation",
        ),
    ] {
        let file = scratch("refused.json");
        std::fs::write(&file, text).unwrap();
        let output = simulate(&small(&["-config", file.to_str().unwrap()]));
        std::fs::remove_file(&file).unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(told.contains(says), "{text} says\n{told}");
    }
}

#[test]
fn mistakes_are_named_with_the_flag_the_value_and_what_to_write() {
    for (flags, says) in [
        (&["-nodes", "1"][..], "-nodes is 1: write a number from 2 to 10000"),
        (&["-nodes", "100000"], "-nodes is 100000: write a number from 2 to 10000"),
        (&["-nodes", "x"], "invalid value \"x\" for flag -nodes: parse error"),
        (&["-loss", "51%"], "-loss is '51%': write a percentage from 0% to 50%, such as 1%"),
        (&["-loss", "0.1"], "-loss is '0.1': write a percentage"),
        (&["-churn", "10%"], "-churn is '10%': write a percentage and a time, such as 10%/day"),
        (&["-churn", "999%/hour"], "-churn is '999%/hour': write a percentage and a time"),
        (&["-duration", "5s"], "-duration is 5s: write a duration from 1m0s to 24h0m0s"),
        (&["-duration", "-5m"], "-duration is -5m0s: write a duration"),
        (&["-rtt", "2s"], "-rtt is 2s: write a duration from 0s to 1s"),
        (&["-seed", "-1"], "invalid value \"-1\" for flag -seed: parse error"),
        (&["-seed", "18446744073709551616"], "for flag -seed: value out of range"),
        (&["-svg", "/none/such.svg"], "Error: -svg: open /none/such.svg: no such file"),
        (&["-format", "yaml"], "-format is 'yaml': write text or json"),
        (&["-config", "/none/such"], "-config: Error reading '/none/such': open /none/such: no"),
        (&["-nope"], "flag provided but not defined: -nope"),
        (&["extra"], "Nothing may stand behind the flags"),
    ] {
        let output = simulate(flags);
        let mut all = output.stdout;
        all.extend(output.stderr);
        let text = String::from_utf8(all).unwrap();
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
        assert!(text.contains(says), "{flags:?} says\n{text}");
    }
}
