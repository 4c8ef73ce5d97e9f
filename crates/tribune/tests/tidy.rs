//! The rules of the house that a machine can check: which way the arrows point, which words the
//! cores may not use, how long a file may get.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate may know of the workspace.
const ARROWS: &[(&str, &[&str])] = &[
    ("tribune-gotext", &[]),
    ("tribune-memory", &[]),
    ("tribune-wire", &[]),
    ("tribune-catalog", &["tribune-pattern"]),
    ("tribune-dns", &["tribune-catalog", "tribune-gotext"]),
    ("tribune-local", &["tribune-catalog", "tribune-gotext"]),
    ("tribune-checks", &["tribune-gotext"]),
    ("tribune-archive", &["tribune-gotext", "tribune-wire"]),
    ("tribune-gossip", &["tribune-wire"]),
    ("tribune-pattern", &[]),
    ("tribune-filter", &["tribune-gotext", "tribune-pattern"]),
    ("tribune-hcl", &["tribune-gotext"]),
    ("tribune-settings", &["tribune-catalog", "tribune-gotext", "tribune-hcl", "tribune-pattern"]),
    ("tribune-serf", &["tribune-gossip", "tribune-pattern", "tribune-wire"]),
    ("tribune-sim", &["tribune-gossip", "tribune-role", "tribune-serf", "tribune-wire"]),
    ("tribune-client", &["tribune-gotext", "tribune-wire"]),
    ("tribune-sandbox", &["tribune-client"]),
    ("tribune-raft", &[]),
    ("tribune-api", &["tribune-catalog", "tribune-filter", "tribune-gotext", "tribune-local"]),
    (
        "tribune-server",
        &[
            "tribune-agent",
            "tribune-api",
            "tribune-archive",
            "tribune-catalog",
            "tribune-checks",
            "tribune-client",
            "tribune-dns",
            "tribune-filter",
            "tribune-gossip",
            "tribune-gotext",
            "tribune-local",
            "tribune-pattern",
            "tribune-raft",
            "tribune-serf",
            "tribune-settings",
            "tribune-wire",
        ],
    ),
    ("tribune-role", &["tribune-serf", "tribune-wire"]),
    (
        "tribune-agent",
        &["tribune-gossip", "tribune-gotext", "tribune-role", "tribune-serf", "tribune-wire"],
    ),
    (
        "tribune-fuzzing",
        &[
            "tribune-agent",
            "tribune-api",
            "tribune-archive",
            "tribune-catalog",
            "tribune-dns",
            "tribune-filter",
            "tribune-gossip",
            "tribune-gotext",
            "tribune-hcl",
            "tribune-local",
            "tribune-serf",
            "tribune-settings",
            "tribune-wire",
        ],
    ),
    (
        "tribune",
        &[
            "tribune-agent",
            "tribune-archive",
            "tribune-client",
            "tribune-gotext",
            "tribune-local",
            "tribune-memory",
            "tribune-pattern",
            "tribune-sandbox",
            "tribune-server",
            "tribune-settings",
            "tribune-sim",
            "tribune-wire",
        ],
    ),
];

/// The crates that do no I/O, and the words that would give them away.
const CORES: &[&str] = &[
    "wire", "gossip", "pattern", "filter", "hcl", "serf", "role", "catalog", "local", "api",
    "archive", "dns",
];
const BANNED: &[&str] = &[
    "tokio",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "Instant::now",
    "SystemTime::now",
    "thread_rng",
    "rand::rng(",
    "std::fs",
    "std::thread",
];

const FILE_LINES: usize = 800;
const LINE_WIDTH: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What cargo says of the crates of the workspace.
fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let mut metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    match metadata["packages"].take() {
        serde_json::Value::Array(packages) => packages,
        other => panic!("not packages: {other}"),
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

#[test]
fn arrows_point_down() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let packages = packages();
    assert_eq!(packages.len(), allowed.len(), "a crate without a row in ARROWS, or the reverse");
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            if dependency["kind"].is_null() && target.starts_with("tribune") {
                assert!(allowed[name].contains(&target), "{name} must not know {target}");
            }
        }
    }
}

/// Known mistakes are for the simulator alone: nothing turns the feature on, save the simulator's
/// own feature, which nothing turns on either. (And `main.rs` does not compile with it.)
#[test]
fn nothing_has_planted_mistakes() {
    let mentions = |value: &serde_json::Value| value.to_string().contains("planted");
    let mut owners = Vec::new();
    let packages = packages();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            assert!(!mentions(&dependency["features"]), "{name} depends on planted mistakes");
        }
        for (feature, turns_on) in package["features"].as_object().unwrap() {
            if feature == "planted" {
                owners.push((name, turns_on.to_string()));
            } else {
                assert!(!mentions(turns_on), "{name}'s {feature} turns planted mistakes on");
            }
        }
    }
    owners.sort();
    let sim = r#"["wire/planted"]"#.to_owned();
    assert_eq!(owners, [("tribune-sim", sim), ("tribune-wire", "[]".to_owned())]);
}

#[test]
fn cores_do_no_io() {
    for core in CORES {
        let mut files = Vec::new();
        rust_files(&root().join("crates").join(core).join("src"), &mut files);
        assert!(!files.is_empty());
        for file in files.iter().filter(|file| !is_test(file)) {
            let text = fs::read_to_string(file).unwrap();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in BANNED {
                    assert!(!code.contains(word), "{}:{}: {word}", file.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn files_stay_one_noun() {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files);
    let mut untidy = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let lines = text.lines().count();
        if !is_test(file) && lines > FILE_LINES {
            untidy.push(format!("{}: {lines} lines", file.display()));
        }
        for (number, line) in text.lines().enumerate() {
            let width = line.chars().count();
            let literal = line.contains('"') || line.contains("http");
            if width > LINE_WIDTH && !literal {
                untidy.push(format!("{}:{}: {width} columns", file.display(), number + 1));
            }
        }
    }
    assert!(untidy.is_empty(), "{}", untidy.join("\n"));
}
