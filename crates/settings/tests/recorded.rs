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

#[test]
fn configurations_are_judged_as_recorded() {
    let mut passed = 0;
    let mut failures = Vec::new();
    let cases = cases("validate.json");
    for case in &cases {
        let id = case["id"].as_str().unwrap();
        let exempt = VALIDATE_ELSEWHERE.iter().any(|(name, _)| *name == id);
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

/// The lines of the banner that settings decide.
fn banner(settings: &Settings) -> Vec<String> {
    let network = &settings.network;
    let shown = |port: Option<u16>| port.map_or(-1, i32::from);
    let client: Vec<_> = network.client.iter().map(ToString::to_string).collect();
    let ports = &network.ports;
    let tls = &settings.tls;
    let verify =
        |listener: &settings::TlsListener| format!("Verify Incoming: {}", listener.verify_incoming);
    vec![
        format!("Node name: '{}'", settings.node.name),
        format!("Datacenter: '{}' (Segment: '<all>')", settings.datacenter),
        format!("Server: {} (Bootstrap: {})", settings.server, settings.bootstrap),
        format!(
            "Client Addr: [{}] (HTTP: {}, HTTPS: {}, gRPC: {}, gRPC-TLS: {}, DNS: {})",
            client.join(" "),
            shown(ports.http),
            shown(ports.https),
            shown(ports.grpc),
            shown(ports.grpc_tls),
            shown(ports.dns),
        ),
        format!(
            "Cluster Addr: {} (LAN: {}, WAN: {})",
            network.advertise,
            shown(ports.serf_lan),
            shown(ports.serf_wan)
        ),
        format!("Gossip Encryption: {}", settings.gossip.encrypt.is_some()),
        format!("ACL Enabled: {}", settings.acl.enabled),
        format!("ACL Default Policy: {}", settings.acl.default_policy),
        format!(
            "HTTPS TLS: {}, Verify Outgoing: {}, Min Version: {}",
            verify(&tls.https),
            tls.https.verify_outgoing,
            tls.https.min_version
        ),
        format!("gRPC TLS: {}, Min Version: {}", verify(&tls.grpc), tls.grpc.min_version),
        format!(
            "Internal RPC TLS: {}, Verify Outgoing: {} (Verify Hostname: {}), Min Version: {}",
            verify(&tls.internal_rpc),
            tls.internal_rpc.verify_outgoing,
            tls.verify_server_hostname,
            tls.internal_rpc.min_version
        ),
    ]
}

/// Of the agent, for others: what the command line says, and what files say at the start.
const AGENT_ELSEWHERE: &[(&str, &str)] = &[
    ("extra-arg", "the command line: an argument too many"),
    ("badflag", "the command line: an unknown flag"),
    ("bool-value", "the command line: no boolean"),
    ("help", "the command line"),
    ("expect-bad", "the command line: no number"),
    ("port-bad", "the command line: no number"),
    ("log-file-dir-missing", "the log's file"),
    ("ca-missing", "the certificate's file"),
    ("node-id-file-bad", "the identity's file"),
];

/// Of the agent, answered differently on purpose.
const AGENT_DIFFERENT: &[(&str, &str)] = &[
    ("datadir-only", "no client agents yet"),
    ("datadir-parent-missing", "no client agents yet"),
    ("bind-any-no-private", "no client agents yet"),
    ("retry-join-max", "no client agents yet"),
    ("retry-join-provider", "no clouds; refused at once instead of tried for ever"),
];

#[test]
fn command_lines_are_judged_as_recorded() {
    let mut passed = 0;
    let mut failures = Vec::new();
    let cases = cases("agent-bad-options.json");
    for case in &cases {
        let id = case["id"].as_str().unwrap();
        let exempt = [AGENT_ELSEWHERE, AGENT_DIFFERENT].concat();
        let exempt = exempt.iter().any(|(name, _)| *name == id);
        let (stdout, stderr) =
            (case["stdout"].as_str().unwrap(), case["stderr"].as_str().unwrap_or_default());
        let difference = match given(&words(case)) {
            None => Some("the flags cannot be read".to_owned()),
            Some(flags) => {
                let loaded = load(&flags, &Recorded::of(case), &host());
                let loaded = loaded.and_then(|settings| {
                    settings.check_start()?;
                    Ok(settings)
                });
                difference(loaded, stdout, stderr)
            }
        };
        if difference.is_none() != exempt {
            passed += usize::from(!exempt);
        } else {
            failures.push(format!("{id}: {difference:?}\n  recorded: {stderr}{stdout}"));
        }
    }
    println!("agent-bad-options.json: {passed} of {} as recorded", cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not as recorded.
fn difference(found: Result<Settings, Failure>, stdout: &str, stderr: &str) -> Option<String> {
    let settings = match found {
        Ok(settings) => settings,
        Err(failure) => {
            let text = format!("==> {failure}\n");
            return (text != stderr).then(|| format!("refused: {failure}"));
        }
    };
    if !stderr.is_empty() {
        return Some("accepted".to_owned());
    }
    // Without a banner there is only the fact that it started.
    if stdout.contains("==> Starting Consul agent...") {
        let lines: Vec<_> = stdout.lines().map(str::trim).collect();
        for line in banner(&settings) {
            if !lines.contains(&line.as_str()) {
                return Some(format!("no line of the banner: {line}"));
            }
        }
    }
    match settings.check_after_banner() {
        Err(failure) if !stdout.contains(&format!("Error starting agent: error=\"{failure}\"")) => {
            Some(format!("refused at the start: {failure}"))
        }
        Err(_) => None,
        Ok(()) => {
            ["key size must be", "Protocol version", "Unsupported default ACL", "invalid mode"]
                .into_iter()
                .find(|words| stdout.contains(words))
                .map(|words| format!("not refused at the start: {words}"))
        }
    }
}

/// Every flag that the help of the real program lists, and no other.
#[test]
fn flags_are_those_of_the_real_program() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/consul-cli/");
    let text = fs::read_to_string(format!("{folder}flags.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let commands = table["commands"].as_array().unwrap();
    let agent = commands.iter().find(|command| command["command"] == "agent").unwrap();
    let mut recorded: Vec<_> = agent["flags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| {
            let flag = flag.as_str().unwrap().trim_start_matches('-');
            let (name, takes_value) =
                flag.split_once('=').map_or((flag, false), |(n, _)| (n, true));
            (name.to_owned(), takes_value)
        })
        .collect();
    recorded.sort();
    let ours: Vec<_> =
        flags().iter().map(|flag| (flag.name.to_owned(), flag.kind != FlagKind::Switch)).collect();
    assert_eq!(ours, recorded);
}

/// Whatever the recordings of other things start is understood: its flags, its files.
#[test]
fn agents_of_all_recordings_are_understood() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let (mut agents, mut failures) = (0, Vec::new());
    for folder in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("consul-") {
            continue;
        }
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let recording: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let mut found = Vec::new();
            started(&recording, &mut found);
            for agent in found {
                agents += 1;
                if let Err(why) = understood(agent) {
                    failures.push(format!("{}: {why}\n  {}", path.display(), agent["argv"]));
                }
            }
        }
    }
    println!("{agents} agents of other recordings");
    assert!(agents > 300, "only {agents}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn started<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            if fields.get("argv").is_some_and(Value::is_array) {
                found.push(value);
            }
            fields.values().for_each(|value| started(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| started(value, found)),
        _ => {}
    }
}

fn understood(agent: &Value) -> Result<(), String> {
    let argv: Vec<_> =
        agent["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let argv = argv.strip_prefix(&["agent"]).unwrap_or(&argv);
    // Variables of the player: numbers where they stand for numbers, else addresses and paths.
    let plain = |text: &str| {
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, behind) = behind.split_once('}').unwrap();
            let port = name.contains("port");
            plain.push_str(before);
            plain.push_str(if port { "9999" } else { "127.0.0.1" });
            rest = behind;
        }
        plain + rest
    };
    let words: Vec<_> = argv.iter().map(|word| plain(word)).collect();
    let given = given(&words).ok_or_else(|| format!("flags: {words:?}"))?;
    let mut files = Recorded::of(agent);
    if agent["config"].is_object() {
        files.0.insert("config.json".to_owned(), plain(&agent["config"].to_string()).into_bytes());
    }
    load(&given, &files, &host()).map(drop).map_err(|failure| failure.to_string())
}
