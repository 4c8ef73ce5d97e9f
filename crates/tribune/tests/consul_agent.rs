//! A server as a process: what is shown, signals, reload, and what a data directory brings back.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("tribune-agent-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn file(&self, name: &str, content: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A loopback address that no other test has, so that all ports can be the usual ones.
fn own_address() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low] = u16::try_from(std::process::id() % 0xF000).unwrap().to_be_bytes();
    format!("127.{}.{low}.{}", 16 + high, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The command of a server of its own.
fn command(address: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribune"));
    command
        .args(["agent", "-node=n1", &format!("-bind={address}"), &format!("-client={address}")])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

struct Agent {
    child: Child,
    address: String,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Agent {
    /// A server that runs.
    fn start(address: &str, flags: &[&str]) -> Self {
        Self::spawn(address, command(address, flags))
    }

    fn spawn(address: &str, mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let address = address.to_owned();
        let mut agent = Agent { child, address, lines, seen: Vec::new() };
        agent.wait_for("Consul agent running!");
        agent
    }

    /// A development server in a directory of its own.
    fn dev(flags: &[&str]) -> Self {
        Self::start(&own_address(), &[&["-dev"], flags].concat())
    }

    /// Waits for a line that has this in it.
    fn wait_for(&mut self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(rest) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("no {part:?} in\n{}", self.seen.join("\n")),
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for the end; the exit code, none if a signal was the end.
    fn code(mut self) -> (Option<i32>, Vec<String>) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "still running:\n{}", self.seen.join("\n"));
            std::thread::sleep(LOOK);
        };
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            self.seen.push(line);
        }
        (status.code(), std::mem::take(&mut self.seen))
    }

    fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let address: SocketAddr = format!("{}:8500", self.address).parse().unwrap();
        exchange(TcpStream::connect(address).unwrap(), method, path, body)
    }

    fn put(&self, path: &str, body: &str) {
        let (status, text) = self.http("PUT", path, body);
        assert_eq!(status, 200, "{path}: {text}");
    }

    fn get(&self, path: &str) -> Json {
        let (status, text) = self.http("GET", path, "");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Whether there is a gauge; its name follows that of the machine.
    fn shows_gauge(&self, name: &str) -> bool {
        let metrics = self.get("/v1/agent/metrics");
        let gauges = metrics["Gauges"].as_array().unwrap();
        gauges.iter().any(|gauge| gauge["Name"].as_str().unwrap().ends_with(name))
    }

    /// The names of the services in the catalogue, once they are these.
    fn wait_for_services(&self, names: &[&str]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let services = self.get("/v1/catalog/services");
            let found: Vec<_> = services.as_object().unwrap().keys().map(String::as_str).collect();
            if found == names {
                return;
            }
            assert!(Instant::now() < end, "{found:?}");
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own.
fn exchange(mut stream: impl Read + Write, method: &str, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// What an agent says that does not start: standard output, standard error, exit code.
fn refused(address: &str, directory: &Path, flags: &[&str]) -> (String, String, Option<i32>) {
    let output = command(address, flags).current_dir(directory).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// A server that keeps what it has.
fn durable(scratch: &Scratch) -> Vec<String> {
    let data_dir = format!("-data-dir={}", scratch.path("data").display());
    vec!["-server".into(), "-bootstrap-expect=1".into(), data_dir]
}

fn as_flags(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

#[test]
fn a_server_ends_at_once_unless_it_is_to_leave() {
    for signal in ["-INT", "-TERM"] {
        let agent = Agent::dev(&[]);
        agent.signal(signal);
        let (code, lines) = agent.code();
        assert_eq!(code, Some(1));
        assert_eq!(lines[0], "==> Starting Consul agent...");
        let banner = lines.iter().position(|line| line.starts_with("==> Log data")).unwrap();
        assert!(lines[banner + 2].contains("Z [") || lines[banner + 2].contains("00 ["));
        let said = |part: &str| lines.iter().any(|line| line.ends_with(part));
        assert!(said("[INFO]  agent: Graceful shutdown disabled. Exiting"), "{lines:?}");
        assert!(said("[INFO]  agent: Exit code: code=1"), "{lines:?}");
    }
    let drain = "-hcl=performance { leave_drain_time = \"1ms\" }";
    for (signal, rule) in
        [("-INT", "-hcl=skip_leave_on_interrupt=false"), ("-TERM", "-hcl=leave_on_terminate=true")]
    {
        let agent = Agent::dev(&[rule, drain]);
        agent.signal(signal);
        let (code, lines) = agent.code();
        assert_eq!(code, Some(0));
        let said = |part: &str| lines.iter().any(|line| line.ends_with(part));
        assert!(said("agent: Graceful exit completed"), "{lines:?}");
        assert!(said("agent: Exit code: code=0"), "{lines:?}");
    }
}

#[test]
fn a_second_signal_ends_a_leave() {
    let mut agent = Agent::dev(&["-hcl=skip_leave_on_interrupt=false"]);
    agent.signal("-INT");
    agent.wait_for("server starting leave");
    agent.signal("-INT");
    let (code, lines) = agent.code();
    assert_eq!(code, Some(1));
    let said = |part: &str| lines.iter().any(|line| line.ends_with(part));
    assert!(said("agent: Caught second signal, Exiting: signal=interrupt"), "{lines:?}");
}

#[test]
fn a_request_to_leave_is_answered_before_the_end() {
    let agent = Agent::dev(&["-hcl=performance { leave_drain_time = \"1ms\" }"]);
    agent.put("/v1/agent/leave", "");
    assert_eq!(agent.code().0, Some(0));
}

#[test]
fn a_reload_replaces_what_files_define_and_nothing_else() {
    let scratch = Scratch::new("reload");
    let write = |name: &str, more: &str| {
        let service = format!("service {{ name = \"{name}\" check {{ ttl = \"1h\" }} }}");
        scratch.file("conf/a.hcl", &format!("{service} {more}"));
    };
    write("one", "");
    let directory = format!("-config-dir={}", scratch.path("conf").display());
    let mut agent = Agent::dev(&[&directory]);
    agent.put("/v1/agent/service/register", r#"{"Name": "asked"}"#);
    agent.wait_for_services(&["asked", "consul", "one"]);

    assert!(agent.shows_gauge("raft.peers"));

    write(
        "two",
        "node_meta { rack = \"7\" } log_level = \"INFO\" enable_local_script_checks = true \
         telemetry { prefix_filter = [\"-consul.raft\"] }",
    );
    agent.signal("-HUP");
    agent.wait_for("[WARN]  agent: Changed options take effect with the next start only");
    assert!(agent.seen.last().unwrap().ends_with("options=[\"enable_local_script_checks\"]"));
    agent.wait_for_services(&["asked", "consul", "two"]);
    let end = Instant::now() + PATIENCE;
    while agent.get("/v1/catalog/node/n1")["Node"]["Meta"]["rack"] != "7" {
        assert!(Instant::now() < end, "the metadata does not come");
        std::thread::sleep(LOOK);
    }
    while agent.shows_gauge("raft.peers") {
        assert!(Instant::now() < end, "the filter of metrics does not come");
        std::thread::sleep(LOOK);
    }
    assert!(agent.shows_gauge("server.isLeader"));

    // What is wrong changes nothing, whoever asks and however late it shows.
    for (text, why) in [
        ("{", "failed to parse "),
        ("datacenter = \"dc2\"", "datacenter cannot change from \"dc1\" to \"dc2\""),
        ("service { port = 1 }", "Failed to register service \"\": Service name missing"),
        ("log_level = \"loud\"", "Invalid log level: loud"),
    ] {
        scratch.file("conf/a.hcl", text);
        agent.signal("-HUP");
        let line = agent.wait_for("agent: Reload config failed");
        assert!(line.contains("error="), "{line}");
        let (status, body) = agent.http("PUT", "/v1/agent/reload", "");
        assert!(status == 500 && body.starts_with(why), "{status} {body}");
        agent.wait_for_services(&["asked", "consul", "two"]);
    }
    write("three", "");
    agent.put("/v1/agent/reload", "");
    agent.wait_for_services(&["asked", "consul", "three"]);
}

#[test]
fn a_killed_server_comes_back_with_what_it_had() {
    let scratch = Scratch::new("killed");
    let (address, flags) = (own_address(), durable(&scratch));
    let agent = Agent::start(&address, &as_flags(&flags));
    agent.put("/v1/kv/a", "1");
    let service = r#"{"Name": "web", "Port": 80, "Check": {"CheckID": "alive", "TTL": "1h"}}"#;
    agent.put("/v1/agent/service/register", service);
    agent.put("/v1/agent/check/warn/alive?note=so-so", "");
    let id = std::fs::read_to_string(scratch.path("data/node-id")).unwrap();
    agent.signal("-KILL");
    assert_eq!(agent.code().0, None);

    let agent = Agent::start(&address, &as_flags(&flags));
    agent.wait_for_services(&["consul", "web"]);
    let check = &agent.get("/v1/agent/checks")["alive"];
    assert_eq!((&check["Status"], &check["Output"]), (&"warning".into(), &"so-so".into()));
    assert_eq!(agent.get("/v1/agent/self")["Config"]["NodeID"], id.as_str());
    assert_eq!(agent.http("GET", "/v1/kv/a?raw", ""), (200, "1".to_owned()));
    let mode =
        |name: &str| std::fs::metadata(scratch.path(name)).unwrap().permissions().mode() & 0o777;
    let modes = ["data/node-id", "data/server_metadata.json", "data/serf", "data/services"];
    assert_eq!(modes.map(mode), [0o600, 0o600, 0o755, 0o700]);
}

#[test]
fn a_log_of_consuls_is_left_alone() {
    let scratch = Scratch::new("foreign");
    let mut page = vec![0; 4096];
    page[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
    std::fs::create_dir_all(scratch.path("data/raft")).unwrap();
    std::fs::write(scratch.path("data/raft/raft.db"), &page).unwrap();
    let flags = durable(&scratch);
    let (shown, complained, code) = refused(&own_address(), &scratch.0, &as_flags(&flags));
    assert_eq!((complained.as_str(), code), ("", Some(1)));
    let line = shown.lines().find(|line| line.contains("Error starting agent")).unwrap();
    assert!(line.contains("Failed to start Raft: ") && line.contains("snapshot save"), "{line}");
    assert_eq!(std::fs::read(scratch.path("data/raft/raft.db")).unwrap(), page);
}

#[test]
fn what_is_wrong_is_said_before_or_behind_the_banner() {
    let scratch = Scratch::new("wrong");
    let address = own_address();
    let (shown, complained, code) = refused(&address, &scratch.0, &["-dev", "-datacenter=a b"]);
    assert_eq!((shown.as_str(), code), ("", Some(1)));
    assert!(complained.starts_with("==> datacenter can only contain"), "{complained}");

    let taken = TcpListener::bind(format!("{address}:8300")).unwrap();
    let (shown, complained, code) = refused(&address, &scratch.0, &["-dev"]);
    assert_eq!((complained.as_str(), code), ("", Some(1)));
    let expected = format!(
        "[ERROR] agent: Error starting agent: error=\"Failed to start Consul server: Failed to \
         start RPC layer: listen tcp {address}:8300: bind: address already in use\""
    );
    assert!(shown.contains(&expected), "{shown}");
    drop(taken);

    let (shown, _, code) = refused(&address, &scratch.0, &["-dev", "-pid-file=none/x.pid"]);
    assert_eq!(code, Some(1));
    assert!(shown.contains("Could not open pid file: open none/x.pid: no such file"), "{shown}");

    let hour_one = r#"{"last_seen_unix": 3600}"#;
    scratch.file("data/server_metadata.json", hour_one);
    let flags = durable(&scratch);
    let mut child = command(&address, &as_flags(&flags)).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().contains("startup error")).unwrap();
    assert!(line.unwrap().contains("refusing to rejoin cluster because server has been offline"));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(lines.any(|line| line.unwrap().contains("Exit code: code=1")));
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(
        std::fs::read_to_string(scratch.path("data/server_metadata.json")).unwrap(),
        hour_one
    );
}

#[test]
fn keys_are_kept_and_win_over_the_configured_one() {
    let scratch = Scratch::new("keys");
    let (address, mut flags) = (own_address(), durable(&scratch));
    flags.push("-encrypt=MTIzNDU2Nzg5MDEyMzQ1Ng==".into());
    let first = r#"["MTIzNDU2Nzg5MDEyMzQ1Ng=="]"#;
    let agent = Agent::start(&address, &as_flags(&flags));
    agent.signal("-INT");
    let (_, lines) = agent.code();
    assert!(lines.iter().any(|line| line.ends_with("Gossip Encryption: true")), "{lines:?}");
    for name in ["data/serf/local.keyring", "data/serf/remote.keyring"] {
        assert_eq!(std::fs::read_to_string(scratch.path(name)).unwrap(), first);
    }
    let second = r#"["YWJjZGVmZ2hpamtsbW5vcA=="]"#;
    scratch.file("data/serf/local.keyring", second);
    let agent = Agent::start(&address, &as_flags(&flags));
    agent.signal("-INT");
    assert_eq!(agent.code().0, Some(1));
    assert_eq!(std::fs::read_to_string(scratch.path("data/serf/local.keyring")).unwrap(), second);

    scratch.file("data/serf/local.keyring", r#"["zz"]"#);
    let (shown, _, code) = refused(&address, &scratch.0, &as_flags(&flags));
    assert_eq!(code, Some(1));
    let expected = "error=\"Failed to configure keyring: illegal base64 data at input byte 0\"";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn sockets_pid_file_and_log_file_are_where_they_are_wanted() {
    let scratch = Scratch::new("files");
    let shown = |name: &str| scratch.path(name).display().to_string();
    scratch.file(
        "a.hcl",
        &format!(
            "addresses {{ http = \"unix://{}\" }} unix_sockets {{ mode = \"0600\" }} \
             log_json = true",
            shown("http.sock")
        ),
    );
    let config = format!("-config-file={}", shown("a.hcl"));
    let (pid, log) = (format!("-pid-file={}", shown("x.pid")), format!("-log-file={}/", shown("")));
    let supervisor = UnixDatagram::bind(scratch.path("notify.sock")).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = own_address();
    let mut command = command(&address, &["-dev", &config, &pid, &log]);
    command.env("NOTIFY_SOCKET", scratch.path("notify.sock"));
    let agent = Agent::spawn(&address, command);
    let told = || {
        let mut buffer = [0; 100];
        let length = supervisor.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(told(), "READY=1");
    agent.signal("-HUP");
    assert!(told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told(), "READY=1");
    let socket = UnixStream::connect(scratch.path("http.sock")).unwrap();
    let (status, body) = exchange(socket, "GET", "/v1/status/leader", "");
    assert_eq!((status, body.trim()), (200, format!("\"{}:8300\"", agent.address).as_str()));
    let mode =
        |name: &str| std::fs::metadata(scratch.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["http.sock", "x.pid", "consul.log"].map(mode), [0o600, 0o644, 0o640]);
    let number = std::fs::read_to_string(scratch.path("x.pid")).unwrap();
    assert_eq!(number, agent.child.id().to_string());
    agent.signal("-INT");
    let (_, lines) = agent.code();
    assert_eq!(told(), "STOPPING=1");
    assert!(!scratch.path("x.pid").exists() && !scratch.path("http.sock").exists());
    let file = std::fs::read_to_string(scratch.path("consul.log")).unwrap();
    let file: Vec<&str> = file.lines().collect();
    assert_eq!(lines, file);
    for line in lines {
        let line: Json = serde_json::from_str(&line).unwrap();
        assert!(line["@level"].is_string() && line["@timestamp"].is_string(), "{line}");
    }
}

#[test]
fn servers_join_in_the_background_and_give_up_if_told_to() {
    let (first, second) = (own_address(), own_address());
    let mut agent =
        Agent::start(&first, &["-dev", &format!("-retry-join={second}"), "-retry-interval=20ms"]);
    agent.wait_for(
        "[WARN]  agent: Join cluster failed, will retry: cluster=LAN retry_interval=20ms",
    );
    // Somebody who answers; that another datacenter's server is no member is not at stake here.
    let _other = Agent::start(&second, &["-dev", "-node=n2"]);
    agent.wait_for("Join cluster completed. Synced with initial agents: cluster=LAN num_agents=1");

    let mut agent = Agent::start(
        &own_address(),
        &["-dev", "-retry-join=127.0.0.1:1", "-retry-interval=1ms", "-retry-max=2"],
    );
    agent.wait_for(
        "agent: Retry join failed: error=\"agent: max join LAN retry exhausted, exiting\"",
    );
    assert_eq!(agent.code().0, Some(1));
}
