//! What signals do to a running agent: leave rules, exit codes, reload.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("tribune-signals-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

struct Agent {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    bind: String,
    rpc: String,
}

impl Agent {
    /// An agent that runs; its addresses are its own.
    fn start(name: &str, flags: &[&str]) -> Self {
        let (bind, rpc) = (free_address(), free_address());
        let mut child = Command::new(env!("CARGO_BIN_EXE_tribune"))
            .args(["serf", "agent", &format!("-node={name}"), &format!("-bind={bind}")])
            .arg(format!("-rpc-addr={rpc}"))
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut agent = Agent { child, lines, seen: Vec::new(), bind, rpc };
        agent.until("Log data will now stream in");
        agent
    }

    /// Waits for a line that holds `text`.
    fn until(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no {text:?} in {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// What a command prints.
    fn command(&self, words: &[&str]) -> String {
        let (command, rest) = words.split_first().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_tribune"))
            .args(["serf", command, &format!("-rpc-addr={}", self.rpc)])
            .args(rest)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Looks again and again until a command prints `text`.
    fn until_command(&self, words: &[&str], text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.command(words).contains(text) {
            assert!(Instant::now() < end, "no {text:?} in {}", self.command(words));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn exit_code(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < end, "it does not end: {:#?}", self.seen);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn interrupt_leaves_and_terminate_does_not() {
    let scratch = Scratch::new("rules");
    let both = r#"{"leave_on_terminate": true, "skip_leave_on_interrupt": true}"#;
    let other = format!("-config-file={}", scratch.file("other.json", both));
    for (flags, signal, word, leaves) in [
        (&[][..], "-INT", "interrupt", true),
        (&[], "-TERM", "terminated", false),
        (&[other.as_str()], "-INT", "interrupt", false),
        (&[other.as_str()], "-TERM", "terminated", true),
    ] {
        let mut agent = Agent::start("one", flags);
        agent.signal(signal);
        agent.until(&format!("==> Caught signal: {word}"));
        if leaves {
            agent.until("==> Gracefully shutting down agent...");
        }
        assert_eq!(agent.exit_code(), i32::from(!leaves), "{flags:?} {signal}");
    }
}

/// The real agent gives up after three seconds, which is less than this profile needs.
#[test]
fn the_whole_leave_is_waited_for() {
    let mut one = Agent::start("one", &["-profile=wan"]);
    let join = format!("-join={}", one.bind);
    let two = Agent::start("two", &["-profile=wan", &join]);
    two.until_command(&["members", "-status=alive"], "one");
    one.signal("-INT");
    assert_eq!(one.exit_code(), 0);
    two.until_command(&["members", "-status=left"], "one");
}

#[test]
fn a_second_signal_ends_a_leave_at_once() {
    let mut agent = Agent::start("one", &[]);
    agent.signal("-INT");
    agent.until("==> Gracefully shutting down agent...");
    agent.signal("-TERM");
    assert_eq!(agent.exit_code(), 1);
}

/// The real agent takes the configured tags, of which there are none, and empties the file.
#[test]
fn a_reload_leaves_the_tags_file_alone() {
    let scratch = Scratch::new("tags");
    let file = scratch.0.join("tags.json");
    let mut agent = Agent::start("one", &[&format!("-tags-file={}", file.to_str().unwrap())]);
    let set = agent.command(&["tags", "-set=role=web"]);
    assert_eq!(set, "Successfully updated agent tags\n");
    let content = |file: &Path| std::fs::read_to_string(file).unwrap();
    assert_eq!(content(&file), "{\n  \"role\": \"web\"\n}");
    for _ in 0..2 {
        // What the first had set in motion is over when the second is done.
        agent.signal("-HUP");
        agent.until("==> Reloading configuration...");
        assert!(agent.command(&["members"]).contains("role=web"));
    }
    agent.signal("-INT");
    assert_eq!(agent.exit_code(), 0);
    assert_eq!(content(&file), "{\n  \"role\": \"web\"\n}");
}

#[test]
fn a_reload_takes_what_it_can_and_names_the_rest() {
    let scratch = Scratch::new("reload");
    let file = scratch.file("agent.json", r#"{"tags": {"role": "web"}, "log_level": "info"}"#);
    let mut agent = Agent::start("one", &[&format!("-config-file={file}")]);
    scratch.file(
        "agent.json",
        r#"{"tags": {"role": "db"}, "log_level": "debug", "profile": "wan",
            "rpc_auth": "x", "skip_leave_on_interrupt": true}"#,
    );
    agent.signal("-HUP");
    let line = agent.until("[WARN] agent: Changed settings that only a restart takes into use: ");
    assert!(line.ends_with(": profile, rpc_auth"), "{line}");
    agent.until_command(&["members"], "role=db");
    // What cannot be read changes nothing.
    scratch.file("agent.json", r#"{"tags": {"role": 7}}"#);
    agent.signal("-HUP");
    agent.until("==> Error decoding");
    agent.until("==> Failed to reload configs");
    assert!(agent.command(&["members"]).contains("role=db"));
    agent.command(&["event", "x"]);
    agent.until("[DEBUG] agent: Requesting user event send: x.");
    agent.signal("-INT");
    assert_eq!(agent.exit_code(), 1, "the new rule is in force");
}
