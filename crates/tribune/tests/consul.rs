//! The recorded commands of Consul that need no server, run again with this program under the name
//! `consul`.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

/// Commands that there are not yet: their recordings are left out.
const LATER: &[&str] = &[
    "acl",
    "config",
    "connect",
    "debug",
    "exec",
    "intention",
    "keyring",
    "login",
    "logout",
    "operator autopilot",
    "operator raft remove-peer",
    "operator raft transfer-leader",
    "operator usage",
    "peering",
    "services export",
    "tls",
    "troubleshoot",
];

fn is_later(words: &str) -> bool {
    LATER.iter().any(|later| words == *later || words.starts_with(&format!("{later} ")))
}

fn recording(name: &str) -> Json {
    let shared = std::env::var_os("TRIBUNE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("vectors/consul-cli").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn words_of(step: &Json) -> Vec<&str> {
    step["cli"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// This program under the name `consul`, in a directory of its own that ends with this.
struct Consul {
    directory: PathBuf,
}

impl Consul {
    fn new(name: &str) -> Consul {
        let directory =
            std::env::temp_dir().join(format!("tribune-consul-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let link = directory.join("consul");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tribune"), link).unwrap();
        Consul { directory }
    }

    fn run(&self, words: &[&str], environment: &[(&str, &str)]) -> Output {
        Command::new(self.directory.join("consul"))
            .args(words)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .current_dir(&self.directory)
            .output()
            .unwrap()
    }

    fn path(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Consul {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What a text is without what is free: the wording of help, versions and dates.
fn normal(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut lines = Vec::new();
    for line in text.split('\n') {
        if line.starts_with("Usage: consul") {
            lines.push("<usage text>\n".to_owned());
            return lines.join("\n");
        }
        lines.push(match line {
            _ if line.starts_with("Consul v") => "Consul v<v>".to_owned(),
            _ if line.starts_with("Build Date ") => "Build Date <v>".to_owned(),
            line => line.to_owned(),
        });
    }
    lines.join("\n")
}

/// An address on which nobody listens, by a variable of the environment.
const NOBODY: &str = "127.0.0.1:1";

/// Runs the steps of a recording that are of now; returns how many.
fn replay(name: &str, environment: &[(&str, &str)], keep: impl Fn(&Json) -> bool) -> usize {
    let consul = Consul::new(name);
    let (mut compared, mut wrong) = (0, Vec::new());
    for step in recording(name)["steps"].as_array().unwrap() {
        let words = words_of(step);
        if is_later(&words.join(" ")) || !keep(step) {
            continue;
        }
        let own = step["env"].as_object().into_iter().flatten();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let environment: Vec<_> = environment.iter().copied().chain(own).collect();
        let output = consul.run(&words, &environment);
        let asked = environment.iter().any(|(_, value)| *value == NOBODY);
        let wanted = |stream: &str| {
            let text = step[stream].as_str().unwrap().to_owned();
            if asked { text.replace("127.0.0.1:8500", NOBODY) } else { text }
        };
        compared += 1;
        let found = (normal(&output.stdout), normal(&output.stderr), output.status.code());
        let code = step["exit_code"].as_i64().map(|code| code as i32);
        let wanted = match step["compare"].as_str() {
            Some("contains") => {
                for part in ["\"Version\": \"1.16.4\"", "\"RPC\": {\n      \"Default\": 2,"] {
                    assert!(found.0.contains(part), "{part}");
                }
                (found.0.clone(), wanted("stderr"), code)
            }
            _ => (wanted("stdout"), wanted("stderr"), code),
        };
        if found != wanted {
            wrong.push(format!("{}:\n  found  {found:?}\n  wanted {wanted:?}", step["id"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    compared
}

#[test]
fn commands_without_an_agent_answer_as_recorded() {
    let compared = replay("no-agent", &[("CONSUL_HTTP_ADDR", NOBODY)], |_| true);
    assert_eq!(compared, 27);
}

#[test]
fn versions_and_unknown_commands_answer_as_recorded() {
    assert_eq!(replay("version-and-unknown", &[], |_| true), 31);
}

#[test]
fn the_environment_is_obeyed_as_recorded_where_no_server_is_needed() {
    let compared = replay("environment", &[], |step| {
        // The others need a server, or files made for one.
        [
            "addr-tcp",
            "addr-unix-missing",
            "addr-scheme",
            "addr-refused",
            "addr-garbage",
            "ssl-ca-missing",
        ]
        .contains(&step["id"].as_str().unwrap())
    });
    assert_eq!(compared, 6);
}

#[test]
fn an_unreadable_switch_is_told_twice() {
    let consul = Consul::new("switch");
    let environment = [("CONSUL_HTTP_SSL", "zz"), ("CONSUL_HTTP_ADDR", NOBODY)];
    let output = consul.run(&["catalog", "datacenters"], &environment);
    let told = String::from_utf8(output.stderr).unwrap();
    let line = " [WARN]  consul-api: could not parse CONSUL_HTTP_SSL: \
                error=\"strconv.ParseBool: parsing \\\"zz\\\": invalid syntax\"\n";
    assert_eq!(told.matches(line).count(), 2, "{told}");
}

/// Complaints that have a line of ours behind the recorded text.
const HINTED: &[&str] = &[
    "unknown-nested",
    "camel-key",
    "bind-bad",
    "bind-template",
    "bind-template-bad",
    "service-camel",
];

/// What is said of a machine that has nothing but a loopback interface.
const LOOPBACK_ONLY: &[&str] = &[
    "dir-empty",
    "empty",
    "empty-hcl",
    "empty-object",
    "syntax-hcl",
    "bind-any-noadv",
    "hcl-heredoc",
    "ok-json-no-bind-address",
];

#[test]
fn configurations_are_checked_as_recorded() {
    let consul = Consul::new("validate");
    let (mut compared, mut wrong) = (0, Vec::new());
    for case in recording("validate")["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        if LOOPBACK_ONLY.contains(&id) {
            continue;
        }
        let directory = consul.path().join(id);
        std::fs::create_dir(&directory).unwrap();
        for (name, contents) in case["files"].as_object().into_iter().flatten() {
            let file = directory.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let text = contents.as_str().map_or_else(|| contents.to_string(), str::to_owned);
            std::fs::write(file, text).unwrap();
        }
        let output = Command::new(consul.path().join("consul"))
            .args(words_of(case))
            .env_clear()
            .stdin(Stdio::null())
            .current_dir(&directory)
            .output()
            .unwrap();
        let mut found = (normal(&output.stdout), normal(&output.stderr), output.status.code());
        let code = case["exit_code"].as_i64().map(|code| code as i32);
        let text = |stream: &str| case[stream].as_str().unwrap().to_owned();
        let wanted = (text("stdout"), text("stderr"), code);
        if HINTED.contains(&id) {
            assert!(found.1.len() > wanted.1.len(), "{id} has no hint: {}", found.1);
            found.1.truncate(wanted.1.len());
        }
        compared += 1;
        if found != wanted {
            wrong.push(format!("{id}:\n  found  {found:?}\n  wanted {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(compared, 217);
}

/// Flags and sub-commands that a help text lists.
fn listed(help: &str) -> (Vec<String>, Vec<String>) {
    let options = help.split("Options:").nth(1).unwrap_or_default();
    let mut flags: Vec<_> = options
        .lines()
        .filter(|line| line.starts_with("  -"))
        .map(|line| line.trim().to_owned())
        .collect();
    flags.sort();
    let children = help.split("Subcommands:").nth(1).unwrap_or_default();
    let mut children: Vec<_> = children
        .lines()
        .filter_map(|line| Some(line.strip_prefix("    ")?.split(' ').next()?.to_owned()))
        .collect();
    children.sort();
    (flags, children)
}

#[test]
fn help_lists_the_recorded_flags_and_sub_commands() {
    let consul = Consul::new("help");
    let mut compared = 0;
    for command in recording("flags")["commands"].as_array().unwrap() {
        let name = command["command"].as_str().unwrap();
        if name.is_empty() || is_later(name) {
            continue;
        }
        let words: Vec<_> = name.split(' ').chain(["-h"]).collect();
        let output = consul.run(&words, &[]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert_eq!(output.stderr, b"", "{name}");
        let (flags, children) = listed(&String::from_utf8(output.stdout).unwrap());
        let wanted = |list: &str| -> Vec<String> {
            let words = command[list].as_array().unwrap().iter();
            words.map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(flags, wanted("flags"), "{name}");
        let mut wanted_children = wanted("subcommands");
        wanted_children.retain(|child| !is_later(&format!("{name} {child}")));
        assert_eq!(children, wanted_children, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 36);
}

#[test]
fn recorded_snapshots_are_inspected() {
    let consul = Consul::new("inspect");
    let shared = std::env::var_os("TRIBUNE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let snapshot = shared.join("vectors/consul-catalog/snapshot-1.16.snap");
    let snapshot = snapshot.to_str().unwrap();
    let output = consul.run(&["snapshot", "inspect", "-kvdetails", snapshot], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        " ID           2-49-1795430480967\n Size         25433\n Index        49\n",
        "\n Register                    25         ",
        "\n Total                                  24.8KB\n",
        "\n\n Key Name",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let garbage = consul.path().join("garbage");
    std::fs::write(&garbage, "not a snapshot").unwrap();
    let output = consul.run(&["snapshot", "inspect", "garbage"], &[]);
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "Error reading snapshot: failed to decompress snapshot: gzip: invalid header\n"
    );
}
