//! What the real program was recorded saying of 225 configurations (`consul validate`) and of 123
//! command lines (`consul agent`).

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use serde_json::Value;
use settings::{
    Content, Failure, Files, FlagKind, FlagSetting, Host, Interface, Settings, flags, load,
};

/// Files that a recording names, and the directories around them.
struct Recorded(BTreeMap<String, Vec<u8>>);

impl Recorded {
    fn of(case: &Value) -> Self {
        let files = case["files"].as_object().into_iter().flatten().map(|(path, content)| {
            let text = match content {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (path.clone(), text.into_bytes())
        });
        Recorded(files.collect())
    }
}

impl Files for Recorded {
    fn open(&self, path: &str) -> io::Result<Content> {
        if let Some(text) = self.0.get(path) {
            return Ok(Content::File(text.clone()));
        }
        let inside = self.0.keys().filter_map(|p| p.strip_prefix(path)?.strip_prefix('/'));
        let names: BTreeSet<_> =
            inside.map(|rest| rest.split('/').next().unwrap().to_owned()).collect();
        match names.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(Content::Directory(names.into_iter().collect())),
        }
    }

    fn is_directory(&self, path: &str) -> Option<bool> {
        Some(matches!(self.open(path).ok()?, Content::Directory(_)))
    }
}

/// The machine of the recordings has nothing but a loopback interface.
fn host() -> Host {
    let loopback = |address: &str, prefix| Interface {
        name: "lo".to_owned(),
        address: address.parse().unwrap(),
        prefix,
        up: true,
        default_route: false,
    };
    Host {
        name: "testhost".to_owned(),
        interfaces: vec![loopback("127.0.0.1", 8), loopback("::1", 128)],
    }
}

fn cases(file: &str) -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/consul-cli/");
    let text = fs::read_to_string(format!("{folder}{file}")).unwrap();
    let mut table: Value = serde_json::from_str(&text).unwrap();
    match table["cases"].take() {
        Value::Array(cases) => cases,
        other => panic!("not cases: {other}"),
    }
}

fn words(case: &Value) -> Vec<String> {
    case["cli"].as_array().unwrap().iter().skip(1).map(|w| w.as_str().unwrap().to_owned()).collect()
}

/// Splits `-name=value` and switches by the crate's own list; nothing for what only a parser of the
/// command line can say something about.
fn given(words: &[String]) -> Option<Vec<FlagSetting>> {
    let known = flags();
    let parse = |word: &String| {
        let body = word.strip_prefix('-')?;
        let (name, value) = body.split_once('=').unwrap_or((body, "true"));
        let flag = known.iter().find(|flag| flag.name == name)?;
        let good = match flag.kind {
            FlagKind::Switch => value == "true" || value == "false",
            FlagKind::Number => value.parse::<i64>().is_ok(),
            FlagKind::Text | FlagKind::List => body.contains('='),
        };
        good.then(|| FlagSetting { name: name.to_owned(), value: value.to_owned() })
    };
    words.iter().map(parse).collect()
}

/// The text of `==> ` and of a warning, and what the whole answer would be.
#[derive(Debug, PartialEq)]
struct Answer {
    valid: bool,
    text: String,
}

fn answer(outcome: &Result<Settings, Failure>) -> Answer {
    match outcome {
        Ok(settings) => Answer {
            valid: true,
            text: settings.warnings.iter().map(|warning| format!("{warning}\n")).collect(),
        },
        Err(failure) => Answer { valid: false, text: format!("{failure}\n") },
    }
}

/// Of `validate`, for others: what only the command line says, and what the meaning of definitions
/// says, which the crate for the agent's own services and checks has.
const VALIDATE_ELSEWHERE: &[(&str, &str)] = &[
    ("none", "the command line: no path"),
    ("format-bad", "the command line: its own text for a format"),
    ("badflag", "the command line: an unknown flag"),
    ("service-weights", "meaning of a service"),
    ("service-weights-0", "meaning of a service"),
    ("service-port-socket", "meaning of a service"),
    ("service-meta-big", "meaning of a service"),
    ("service-meta-key", "meaning of a service"),
    ("service-proxy-nodest", "meaning of a service"),
    ("service-sidecar-id", "meaning of a service"),
    ("check-nothing", "meaning of a check"),
    ("check-both", "meaning of a check"),
    ("check-http-nointerval", "meaning of a check"),
    ("check-tcp-nointerval", "meaning of a check"),
    ("check-fbw", "meaning of a check"),
    ("check-output-max", "meaning of a check"),
    ("check-embedded", "meaning of a check"),
];

/// Of `validate`, answered differently on purpose.
const VALIDATE_DIFFERENT: &[(&str, &str)] = &[];

#[test]
fn configurations_are_judged_as_recorded() {
    let mut passed = 0;
    let mut failures = Vec::new();
    let cases = cases("validate.json");
    for case in &cases {
        let id = case["id"].as_str().unwrap();
        let exempt = [VALIDATE_ELSEWHERE, VALIDATE_DIFFERENT].concat();
        let exempt = exempt.iter().any(|(name, _)| *name == id);
        let mut settings = Vec::new();
        let mut known = true;
        for word in words(case) {
            match word.strip_prefix("-config-format=") {
                Some(format) => settings.push(("config-format", format.to_owned())),
                None if word == "-quiet" => {}
                None if word.starts_with('-') => known = false,
                None => settings.push(("config-file", word)),
            }
        }
        let settings: Vec<_> = settings
            .into_iter()
            .map(|(name, value)| FlagSetting { name: name.to_owned(), value })
            .collect();
        let found = answer(&load(&settings, &Recorded::of(case), &host()));
        let stderr = case["stderr"].as_str().unwrap();
        let recorded = Answer {
            valid: case["exit_code"] == 0,
            text: stderr.replacen("Config validation failed: ", "", 1),
        };
        let same = known && found == recorded;
        if same != exempt {
            passed += usize::from(same);
        } else {
            failures.push(format!("{id}\n  recorded: {recorded:?}\n  found:    {found:?}"));
        }
    }
    println!("validate.json: {passed} of {} as recorded", cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
