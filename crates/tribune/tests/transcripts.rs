//! The recorded commands that need no agent, run again with this program under the name `serf`.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

/// What stands for a help text in the recordings.
const USAGE: &str = "<usage text>";

fn shared() -> PathBuf {
    std::env::var_os("TRIBUNE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

/// This program under the name `serf`, in a directory of its own.
fn serf_in(directory: &Path) -> PathBuf {
    let link = directory.join("serf");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tribune"), &link).unwrap();
    }
    link
}

fn run(program: &Path, arguments: &[&str], environment: &Json) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    for (name, value) in environment.as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap());
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The help text that stands for [`USAGE`] in this recording: the command's, or the list.
fn usage_of(serf: &Path, arguments: &[&str]) -> String {
    let command = arguments.iter().find(|argument| !argument.starts_with('-')).copied();
    let help = |arguments: &[&str]| text(&run(serf, arguments, &Json::Null).stderr);
    let usage = match command {
        Some(command) if !command.is_empty() => help(&[command, "-h"]),
        _ => help(&["-h"]),
    };
    usage.trim_end_matches('\n').to_owned()
}

#[test]
fn commands_without_an_agent_answer_as_recorded() {
    let directory = tempdir();
    let serf = serf_in(&directory);
    let mut files: Vec<PathBuf> = std::fs::read_dir(shared().join("vectors/serf-cli"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for path in files {
        let recording: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if recording["cluster"] != "none" || recording["id"] == "rpc-peer-closes" {
            // That one needs a peer that closes; it has a test of its own.
            continue;
        }
        let words: Vec<&str> =
            recording["argv"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
        let output = run(&serf, &words[1..], &recording["env"]);
        let usage = usage_of(&serf, &words[1..]);
        let hide = |bytes: &[u8]| match usage.as_str() {
            "" => text(bytes),
            usage => text(bytes).replace(usage, USAGE),
        };
        let (mut stdout, stderr) = (hide(&output.stdout), hide(&output.stderr));
        let mut expected = recording["stdout"].as_str().unwrap().to_owned();
        if recording["id"].as_str().unwrap().contains("keygen") && !expected.is_empty() {
            // A key is a key of the same length.
            assert_ne!(stdout, expected);
            (stdout, expected) = (stdout.len().to_string(), expected.len().to_string());
        }
        if expected.starts_with("0.8.2-dev\n") {
            // The third line is ours: tests/deviations.toml.
            expected.push_str(concat!("Tribune ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        // The list of commands ends in an empty line, which is part of the text.
        let stderr = stderr.replace(&format!("{USAGE}\n\n"), &format!("{USAGE}\n"));
        let found = (stdout, stderr, output.status.code());
        let wanted = (
            expected,
            recording["stderr"].as_str().unwrap().to_owned(),
            recording["exit_code"].as_i64().map(|code| code as i32),
        );
        compared += 1;
        if found != wanted {
            wrong.push(format!("{}:\n  found  {found:?}\n  wanted {wanted:?}", recording["id"]));
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(compared, 88);
}

#[test]
fn a_peer_that_closes_is_a_failed_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("-rpc-addr={}", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let directory = tempdir();
    let output = run(&serf_in(&directory), &["members", &address], &Json::Null);
    peer.join().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(text(&output.stdout), "Error connecting to Serf agent: client closed\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_reader_that_goes_away_ends_the_program_by_sigpipe() {
    use std::os::unix::process::ExitStatusExt;

    let directory = tempdir();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(serf_in(&directory)).arg("version").stdout(writer).status().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(status.signal(), Some(13));
}

#[test]
fn tribune_has_its_own_list_and_serfs_commands_under_serf() {
    let tribune = Path::new(env!("CARGO_BIN_EXE_tribune"));
    let none = run(tribune, &[], &Json::Null);
    assert_eq!(none.status.code(), Some(127));
    let help = run(tribune, &["help"], &Json::Null);
    assert!(text(&help.stdout).contains("why NAME"));
    let event = run(tribune, &["serf", "event"], &Json::Null);
    assert!(
        text(&event.stdout).starts_with("An event name must be specified.\n\nUsage: serf event")
    );
    assert_eq!(run(tribune, &["frobnicate"], &Json::Null).status.code(), Some(127));
    let version = run(tribune, &["version"], &Json::Null);
    assert!(text(&version.stdout).starts_with("Consul v1."));
    for shell in ["bash", "zsh", "fish"] {
        let script = run(tribune, &["completions", shell], &Json::Null);
        let script = text(&script.stdout);
        for word in ["force-leave", "relay-factor", "broadcast-timeout", "kvdepth", "keyprefix"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let manual = text(&run(tribune, &["manual"], &Json::Null).stdout);
    assert!(manual.starts_with(".TH SERF 1") && manual.contains("leave_on_terminate"));
}

fn tempdir() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name =
        format!("tribune-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
