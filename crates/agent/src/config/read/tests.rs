#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::config::{Settings, log_level};

/// A directory of its own, gone when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tribune-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn vectors() -> PathBuf {
    match std::env::var_os("TRIBUNE_SHARED") {
        Some(shared) => PathBuf::from(shared).join("vectors/serf-cli"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/serf-cli"),
    }
}

/// The flags of a recorded command line, paths moved into the directory.
fn flags(argv: &[Value], directory: &Path) -> Vec<FlagSetting> {
    let mut flags = Vec::new();
    let mut words = argv.iter().skip(2).map(|word| word.as_str().unwrap());
    while let Some(word) = words.next() {
        let Some(word) = word.strip_prefix('-') else { break };
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => {
                let row = OPTIONS.iter().find(|row| row.flag == Some(word)).unwrap();
                let value = if row.kind == Kind::Bool { "true" } else { words.next().unwrap() };
                (word, value.to_owned())
            }
        };
        let value = if name.starts_with("config-") {
            directory.join(&value).display().to_string()
        } else {
            value
        };
        flags.push(FlagSetting { name: name.to_owned(), value });
    }
    flags
}

/// Everything that is judged before anything is opened; the lines that precede the failure.
fn judge(flags: &[FlagSetting]) -> Result<Settings, (Vec<String>, Failure)> {
    let reading = read(flags).map_err(|failure| (Vec::new(), failure))?;
    let mut lines = reading.warnings;
    let result = log_level(&reading.layer).and_then(|_| Settings::check(&reading.layer));
    let settings = result.map_err(|failure| (lines.clone(), failure))?;
    lines.push("Starting Serf agent...".to_owned());
    settings.machine().map_err(|failure| (lines, failure))?;
    Ok(settings)
}

/// Recordings whose failure needs the system: sockets, files of the member, syslog; or that are
/// judged by the parser of the command line; or that name keys and flags which ours knows.
const ELSEWHERE: &[&str] = &[
    "agent-config-newer-keys",
    "agent-config-syslog-facility",
    "agent-flag-bad-retry-max",
    "agent-flag-bind-unavailable",
    "agent-flag-encrypt-short",
    "agent-flag-keyring-missing",
    "agent-flag-mdns-iface",
    "agent-flag-rpc-addr-bad",
    "agent-flag-snapshot-bad",
    "agent-flag-syslog-none",
    "agent-flag-tags-file-and-tag",
    "agent-flag-tags-too-big",
    "agent-flag-unknown",
];

#[test]
fn recorded_failures_are_worded_alike() {
    let mut compared = 0;
    let mut paths: Vec<_> =
        fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !(name.starts_with("agent-config-") || name.starts_with("agent-flag-"))
            || ELSEWHERE.contains(&name.as_str())
        {
            continue;
        }
        let vector: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let directory = Directory::new(&name);
        for (file, text) in vector["files"].as_object().unwrap() {
            directory.write(file, text.as_str().unwrap());
        }
        let result = judge(&flags(vector["argv"].as_array().unwrap(), &directory.0));
        if vector["exit_code"] != 1 {
            assert!(result.is_ok(), "{name}: {result:?}");
            continue;
        }
        let (lines, failure) = result.expect_err(&name);
        let mut shown: String = lines.iter().map(|line| format!("==> {line}\n")).collect();
        shown.push_str(&format!("==> {failure}\n"));
        let prefix = format!("{}/", directory.0.display());
        assert_eq!(shown.replace(&prefix, ""), vector["stdout"].as_str().unwrap(), "{name}");
        compared += 1;
    }
    assert!(compared >= 25, "only {compared} recordings compared");
}

#[test]
fn sources_are_merged_in_the_order_of_their_flags() {
    let directory = Directory::new("order");
    directory.write("1.json", r#"{"tags": {"v": "one"}, "log_level": "warn"}"#);
    directory.write("2.json", r#"{"tags": {"v": "two", "w": "two"}, "event_handlers": ["a"]}"#);
    directory.write("d/x.json", r#"{"tags": {"v": "dir", "x": "dir"}}"#);
    directory.write("d/B.json", r#"{"tags": {"x": "overridden"}}"#);
    directory.write("d/sub/y.json", "bad");
    directory.write("d/z.txt", "bad");
    let argv = [
        "serf",
        "agent",
        "-event-handler=b",
        "-config-file=2.json",
        "-config-dir=d",
        "-config-file=1.json",
        "-tag",
        "f=flag=1",
        "-log-level=debug",
    ];
    let argv: Vec<Value> = argv.into_iter().map(Value::from).collect();
    let layer = read(&flags(&argv, &directory.0)).unwrap().layer;
    let tags: Vec<String> = layer.tags().iter().map(|(k, v)| format!("{k}:{v}")).collect();
    assert_eq!(tags, ["f:flag=1", "v:one", "w:two", "x:dir"]);
    assert_eq!(layer.text("log_level"), "debug");
    assert_eq!(layer.list("event_handlers"), ["a", "b"]);
}

#[test]
fn low_waits_are_raised_and_said_so() {
    let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
    let reading = read(&[
        flag("retry-interval", "10ms"),
        flag("broadcast-timeout", "-5s"),
        flag("role", "web"),
        flag("rejoin", "true"),
    ])
    .unwrap();
    assert_eq!(
        reading.warnings,
        [
            "Deprecation warning: 'Role' has been replaced with 'Tags'",
            "Warning: 'RetryInterval' is too low. Setting to 1s",
            "Warning: 'BroadcastTimeout' is too low. Setting to 1s",
            "Warning: 'RejoinAfterLeave' enabled without snapshot file",
        ]
    );
    assert_eq!(reading.layer.duration("broadcast_timeout").to_string(), "1s");
    assert_eq!(reading.layer.duration("reconnect_timeout").to_string(), "24h0m0s");
}

#[test]
fn settings_of_newer_serf_are_checked() {
    let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
    let message = |flags: &[FlagSetting]| read(flags).unwrap_err().message;
    assert!(message(&[flag("mdns-iface", "lo")]).contains("without discovery"));
    assert_eq!(
        message(&[flag("mdns-iface", "nosuch0"), flag("discover", "c")]),
        "Invalid network interface: route ip+net: no such network interface"
    );
    let both = [
        flag("mdns-iface", "lo"),
        flag("discover", "c"),
        flag("mdns-disable-ipv4", "true"),
        flag("mdns-disable-ipv6", "true"),
    ];
    assert!(message(&both).contains("both IPv4 and IPv6"));
    let settings = Settings::check(&read(&both[..3]).unwrap().layer).unwrap();
    let mdns = settings.mdns.unwrap();
    assert!(!mdns.ipv4 && mdns.ipv6 && mdns.announce_interface);
}

#[test]
fn every_setting_reaches_the_machine() {
    let directory = Directory::new("machine");
    directory.write(
        "all.json",
        r#"{"node_name": "n", "bind": "127.0.0.1:7000", "advertise": "[fd00::1]", "profile": "wan",
            "protocol": 4, "tags": {"a": "b"}, "broadcast_timeout": "7s",
            "reconnect_interval": "11s", "reconnect_timeout": "12s", "tombstone_timeout": "13s",
            "disable_name_resolution": true, "rejoin_after_leave": true,
            "query_response_size_limit": 14, "query_size_limit": 15, "user_event_size_limit": 16,
            "keyring_file": "x", "validate_node_names": true, "label": "blue",
            "encrypt_verify_incoming": false, "encrypt_verify_outgoing": false,
            "dead_node_reclaim_time": "17s"}"#,
    );
    let path = directory.0.join("all.json").display().to_string();
    let reading = read(&[FlagSetting { name: "config-file".into(), value: path }]).unwrap();
    let machine = Settings::check(&reading.layer).unwrap().machine().unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(machine.gossip.name.as_str(), "n");
    // Without a port it is the usual one, not the bound one.
    let advertised = machine.gossip.advertise_address.to_ip().unwrap();
    assert_eq!((advertised.to_string(), machine.gossip.advertise_port), ("fd00::1".into(), 7946));
    assert_eq!(machine.gossip.bind_port, 7000);
    assert_eq!(machine.gossip.probe_interval, seconds(5));
    assert_eq!((machine.protocol, machine.tags["a"].as_str()), (4, "b"));
    assert_eq!(machine.broadcast_timeout, seconds(7));
    assert_eq!(machine.reconnect_interval, seconds(11));
    assert_eq!(machine.reconnect_timeout, seconds(12));
    assert_eq!(machine.tombstone_timeout, seconds(13));
    assert!(!machine.resolve_name_conflicts && machine.rejoin_after_leave);
    assert_eq!(machine.query_response_size_limit, 14);
    assert_eq!(machine.query_size_limit, 15);
    assert_eq!(machine.user_event_size_limit, 16);
    assert!(machine.persist_keyring && machine.validate_node_names);
    assert_eq!(machine.gossip.label, "blue");
    assert!(!machine.gossip.encrypt_verify_incoming && !machine.gossip.encrypt_verify_outgoing);
    assert_eq!(machine.gossip.dead_node_reclaim_time, seconds(17));
    // Without them nothing of ours is in force.
    let reading = read(&[FlagSetting { name: "bind".into(), value: "127.0.0.1".into() }]).unwrap();
    let machine = Settings::check(&reading.layer).unwrap().machine().unwrap();
    assert!(machine.gossip.encrypt_verify_incoming && machine.gossip.encrypt_verify_outgoing);
    assert!(machine.gossip.label.is_empty() && machine.gossip.dead_node_reclaim_time.is_zero());
}

#[test]
fn an_encryption_without_a_key_is_refused() {
    let directory = Directory::new("no-key");
    let settings = |text: &str| {
        directory.write("own.json", text);
        let path = directory.0.join("own.json").display().to_string();
        let bind = FlagSetting { name: "bind".into(), value: "127.0.0.1".into() };
        let reading = read(&[bind, FlagSetting { name: "config-file".into(), value: path }]);
        Settings::check(&reading.unwrap().layer).unwrap()
    };
    let key = [bytes::Bytes::from_static(&[1; 16])];
    assert!(settings("{}").check_keyring(&[]).is_ok());
    for text in [r#"{"encrypt_verify_incoming": true}"#, r#"{"encrypt_verify_outgoing": false}"#] {
        let settings = settings(text);
        assert!(settings.check_keyring(&key).is_ok());
        let failure = settings.check_keyring(&[]).unwrap_err();
        assert!(failure.message.ends_with("' is set, but there is no encryption key"));
        assert!(failure.hint.unwrap().contains("'encrypt_key' (-encrypt"));
    }
}
