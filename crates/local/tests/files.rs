//! The data directory and the configuration's files, as recorded: what a real agent leaves is what
//! this one writes and reads.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{CheckId, Node, ServiceId};
use gotext::object::Object;
use local::{
    CheckDefinition, Config, Fact, Input, Local, Outcome, Output, ServiceDefinition, Source,
    Status, Time,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::Value;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/consul-cli/");

const NOW: Time = Time::from_secs(1_700_000_000);

fn recorded(file: &str, run: &str) -> Value {
    let text = std::fs::read(format!("{VECTORS}{file}")).unwrap();
    let all: Value = serde_json::from_slice(&text).unwrap();
    let runs = all["runs"].as_array().unwrap();
    runs.iter().find(|found| found["id"] == run).unwrap().clone()
}

fn agent() -> Local {
    let node = Node { name: "n1".into(), address: "127.0.0.1".into(), ..Node::default() };
    Local::new(Config::new(node), NOW, SmallRng::seed_from_u64(1))
}

/// The data directory after these outputs, and what the log was told of bad files.
#[derive(Default)]
struct Directory {
    files: BTreeMap<String, Vec<u8>>,
    bad: Vec<String>,
    /// How often something was written.
    saved: usize,
}

impl Directory {
    fn follow(&mut self, local: &mut Local) {
        while let Some(output) = local.poll_output() {
            match output {
                Output::Save { file, bytes } => {
                    self.files.insert(file, bytes);
                    self.saved += 1;
                }
                Output::Move { from, to } => {
                    let bytes = self.files.remove(&from).unwrap();
                    self.files.insert(to, bytes);
                }
                Output::Remove { file } => {
                    self.files.remove(&file);
                }
                Output::Register { call, .. } | Output::Deregister { call, .. } => {
                    local.handle(NOW, Input::Called { call, outcome: Outcome::Done });
                }
                Output::Fact(Fact::BadFile { file, .. }) => self.bad.push(file),
                _ => {}
            }
        }
    }

    fn saved(&self) -> Vec<(String, Vec<u8>)> {
        self.files.iter().map(|(file, bytes)| (file.clone(), bytes.clone())).collect()
    }
}

/// Files of a recorded `cat`: a line with the path below `d/`, a line with what stands in it.
/// `<v>` stands for numbers that vary: indexes are zero here, and so is an interval not given.
fn printed(text: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    while let (Some(path), Some(content)) = (lines.next(), lines.next()) {
        files.insert(path.strip_prefix("d/").unwrap().to_owned(), content.to_owned());
    }
    files
}

/// Makes the recorded numbers that vary, and only those, those of this run.
fn filled(recorded: &str, ours: &str) -> String {
    let mut out = String::new();
    let mut ours_rest = ours;
    for (index, part) in recorded.split("<v>").enumerate() {
        if index > 0 {
            let digits = ours_rest.bytes().take_while(u8::is_ascii_digit).count();
            out.push_str(&ours_rest[..digits]);
            ours_rest = &ours_rest[digits..];
        }
        out.push_str(part);
        ours_rest = ours_rest.get(part.len()..).unwrap_or("");
    }
    out
}

#[test]
fn registrations_are_kept_as_recorded() {
    let run = recorded("agent-runs.json", "persisted");
    let mut local = agent();
    let filed = run["files"]["conf/a.json"]["service"].to_string();
    let filed = ServiceDefinition::from_file(Object::parse(filed.as_bytes()).unwrap()).unwrap();
    assert_eq!(local.register_files(NOW, vec![filed], vec![]), []);
    let mut directory = Directory::default();
    directory.follow(&mut local);
    for step in run["steps"].as_array().unwrap() {
        let body = step["http"]["body"].to_string().into_bytes();
        match step["http"]["path"].as_str().unwrap_or_default() {
            "/v1/agent/service/register" => {
                let service = ServiceDefinition::parse(&body).unwrap();
                local.register_service(NOW, service, Source::Request, "", false).unwrap();
            }
            "/v1/agent/check/register" => {
                let check = CheckDefinition::parse(&body).unwrap();
                local.register_check(NOW, check, Source::Request, "").unwrap();
            }
            "/v1/agent/check/pass/chk?note=fine" => {
                local.update_ttl(NOW, &"chk".into(), Status::Passing, "fine").unwrap();
            }
            "/v1/agent/maintenance?enable=true&reason=r" => {
                local.enter_node_maintenance(NOW, "r", "");
            }
            other => assert_eq!(other, ""),
        }
        directory.follow(&mut local);
    }
    let results = run["results"].as_array().unwrap();
    let files = results.iter().filter_map(|result| result["stdout"].as_str());
    let wanted = printed(files.clone().find(|text| text.contains("ChkType")).unwrap());
    assert_eq!(wanted.len(), 6);
    assert_eq!(directory.files.len(), wanted.len());
    for (file, wanted) in wanted {
        let ours = String::from_utf8(directory.files[&file].clone()).unwrap();
        assert_eq!(ours, filled(&wanted, &ours), "{file}");
    }
    taken_over(&directory);
}

/// What the agent left is there again after its next start.
fn taken_over(directory: &Directory) {
    let mut local = agent();
    local.load(NOW, directory.saved());
    let mut after = Directory { files: directory.files.clone(), ..Directory::default() };
    after.follow(&mut local);
    assert_eq!(after.bad, [] as [&str; 0]);
    assert_eq!(after.files, directory.files);
    let service = local.service(&"web-1".into()).unwrap();
    assert_eq!((service.row().name.as_str(), service.row().port), ("web", 80));
    let checks: Vec<_> =
        local.checks().map(|check| (check.row().id.as_str(), &*check.row().status)).collect();
    let expected = [
        ("_node_maintenance", "critical"),
        ("chk", "passing"),
        ("hc", "critical"),
        ("service:web-1", "critical"),
    ];
    assert_eq!(checks, expected);
    assert_eq!(&*local.check(&"chk".into()).unwrap().row().output, "fine");
    // The TTL goes on, and what it was told is over when it is over.
    let mut late = agent();
    let later = NOW + Duration::from_secs(601);
    late.load(later, directory.saved());
    assert_eq!(&*late.check(&"chk".into()).unwrap().row().status, "critical");
}

#[test]
fn sidecars_are_kept_as_recorded() {
    let run = recorded("agent-files.json", "sidecar-files");
    let mut local = agent();
    let mut directory = Directory::default();
    let body = run["steps"][1]["http"]["body"].to_string();
    let service = ServiceDefinition::parse(body.as_bytes()).unwrap();
    local.register_service(NOW, service, Source::Request, "", false).unwrap();
    directory.follow(&mut local);
    let results = run["results"].as_array().unwrap();
    let text = results.iter().find_map(|result| result["stdout"].as_str()).unwrap();
    let mut wanted = printed(text);
    // What the servers' configuration adds to a proxy is not kept here.
    wanted.retain(|file, _| !file.starts_with("services/configs/"));
    assert_eq!(wanted.len(), 2);
    for (file, wanted) in wanted {
        let ours = String::from_utf8(directory.files[&file].clone()).unwrap();
        assert_eq!(ours, filled(&wanted, &ours), "{file}");
    }
    let listed = results.iter().find_map(|result| result["list_dir_result"].as_array()).unwrap();
    let checks = listed.iter().filter_map(|line| line.as_str()?.strip_suffix(" 600"));
    let checks: Vec<&str> = checks.filter(|line| line.starts_with("checks/")).collect();
    let ours = directory.files.keys().filter(|file| file.starts_with("checks/"));
    assert_eq!(ours.collect::<Vec<_>>(), checks);
    let mut again = agent();
    again.load(NOW, directory.saved());
    let mut after = Directory { files: directory.files.clone(), ..Directory::default() };
    after.follow(&mut again);
    assert_eq!(after.bad, [] as [&str; 0]);
    assert_eq!(after.files, directory.files);
    // It still goes with its service.
    again.deregister_service(NOW, &"web".into()).unwrap();
    after.follow(&mut again);
    assert_eq!(after.files.len(), 0);
    assert_eq!(again.services().count() + again.checks().count(), 0);
}

fn started(run: &Value) -> (Local, Directory) {
    let mut local = agent();
    let mut directory = Directory::default();
    let mut services = Vec::new();
    for (path, content) in run["files"].as_object().unwrap() {
        if let Some(path) = path.strip_prefix("d/") {
            let text = content.as_str().unwrap().as_bytes();
            directory.files.insert(path.to_owned(), text.to_vec());
        } else {
            let service = content["service"].to_string();
            let object = Object::parse(service.as_bytes()).unwrap();
            services.push(ServiceDefinition::from_file(object).unwrap());
        }
    }
    assert_eq!(local.register_files(NOW, services, vec![]), []);
    local.load(NOW, directory.saved());
    directory.follow(&mut local);
    (local, directory)
}

#[test]
fn a_file_of_the_configuration_wins() {
    let (local, directory) = started(&recorded("agent-files.json", "service-in-file-and-disk"));
    let service = local.service(&"web-1".into()).unwrap();
    assert_eq!(service.row().tags.as_deref().unwrap(), ["file".into()]);
    assert_eq!(directory.files.len(), 0);
}

#[test]
fn a_kept_service_is_there_again() {
    let (local, directory) = started(&recorded("agent-files.json", "persisted-service-loaded"));
    let service = local.service(&"web-1".into()).unwrap();
    assert_eq!(service.row().tags.as_deref().unwrap(), ["disk".into()]);
    assert_eq!(directory.files.len(), 1);
}

#[test]
fn a_sidecar_may_stand_in_a_file_of_the_configuration() {
    let text = r#"{"name": "web", "port": 80, "connect": {"sidecar_service": {"proxy":
        {"upstreams": [{"destination_name": "db", "local_bind_port": 9191}]}}}}"#;
    let web = ServiceDefinition::from_file(Object::parse(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(web.complaints(), [] as [&str; 0]);
    assert_eq!(web.validate(), Ok(()));
    let mut local = agent();
    local.register_files(NOW, vec![web.clone()], vec![]);
    let ids = |local: &Local| -> Vec<String> {
        let services = local.services().map(|service| service.row().id.to_string());
        services.chain(local.checks().map(|check| check.row().id.to_string())).collect()
    };
    let all =
        ["web", "web-sidecar-proxy", "service:web-sidecar-proxy:1", "service:web-sidecar-proxy:2"];
    assert_eq!(ids(&local), all);
    local.register_files(NOW, vec![web], vec![]);
    assert_eq!(ids(&local), all);
    local.register_files(NOW, vec![], vec![]);
    assert_eq!(ids(&local), [] as [&str; 0]);
}

/// Older agents named them by another hash. They would outlive what they are about.
#[test]
fn files_of_other_names_are_renamed() {
    let mut local = agent();
    let mut directory = Directory::default();
    let body = br#"{"Name":"web","Port":80,"Check":{"TTL":"1h"}}"#;
    let web = ServiceDefinition::parse(body).unwrap();
    local.register_service(NOW, web, Source::Request, "t", false).unwrap();
    local.update_ttl(NOW, &"service:web".into(), Status::Warning, "w").unwrap();
    directory.follow(&mut local);
    assert_eq!(directory.files.len(), 3);
    let rename = |(file, bytes): (&String, &Vec<u8>)| {
        (format!("{}/other", file.rsplit_once('/').unwrap().0), bytes.clone())
    };
    let renamed = directory.files.iter().map(rename).collect();
    let mut after = Directory { files: renamed, ..Directory::default() };
    let mut local = agent();
    local.load(NOW, after.saved());
    after.follow(&mut local);
    assert_eq!(after.files, directory.files);
    // Whatever happens meanwhile, they have one name or the other.
    assert_eq!(after.saved, 0);
    assert_eq!(&*local.check(&"service:web".into()).unwrap().row().status, "warning");
    local.deregister_service(NOW, &"web".into()).unwrap();
    after.follow(&mut local);
    assert_eq!(after.files, BTreeMap::new());
}

#[test]
fn bad_files_are_told_and_stay() {
    let mut local = agent();
    let orphan = r#"{"Check":{"CheckID":"c","Name":"c","ServiceID":"gone","Type":"ttl"},
        "ChkType":{"TTL":1000000000},"Token":"","Source":"remote"}"#;
    let files = [
        ("services/a", "{"),
        ("services/b", "{}"),
        ("checks/c", r#"{"Check":{"CheckID":"c"},"ChkType":{}}"#),
        ("checks/d", "[]"),
        ("checks/state/e", r#"{"Expires":"x"}"#),
        ("checks/orphan", orphan),
        ("services/half.tmp", "{"),
        ("raft/raft.db", "\0"),
    ];
    let files = files.map(|(file, text)| (file.to_owned(), text.as_bytes().to_vec()));
    let mut directory = Directory { files: files.clone().into(), ..Directory::default() };
    local.load(NOW, files);
    directory.follow(&mut local);
    directory.bad.sort();
    assert_eq!(
        directory.bad,
        ["checks/c", "checks/d", "checks/state/e", "services/a", "services/b"]
    );
    assert!(!directory.files.contains_key("checks/orphan"));
    assert!(!directory.files.contains_key("services/half.tmp"));
    assert_eq!(directory.files.len(), 6);
    assert_eq!(local.services().count() + local.checks().count(), 0);
}

#[test]
fn a_reload_removes_what_the_files_define_no_longer() {
    let file = |text: &str| Object::parse(text.as_bytes()).unwrap();
    let service = |text| ServiceDefinition::from_file(file(text)).unwrap();
    let web = r#"{"name": "web", "port": 80, "check": {"ttl": "1h"}, "token": "t"}"#;
    let check = CheckDefinition::from_file(file(r#"{"name": "disk", "ttl": "1h"}"#)).unwrap();
    let mut local = agent();
    let mut directory = Directory::default();
    local.register_files(NOW, vec![service(web), service(r#"{"name": "db"}"#)], vec![check]);
    let body = ServiceDefinition::parse(br#"{"Name": "asked"}"#).unwrap();
    local.register_service(NOW, body, Source::Request, "", false).unwrap();
    local.enter_service_maintenance(NOW, &"web".into(), "", "").unwrap();
    local.update_ttl(NOW, &"service:web".into(), Status::Passing, "fine").unwrap();
    directory.follow(&mut local);
    local.register_files(NOW, vec![service(r#"{"name": "web", "check": {"ttl": "2h"}}"#)], vec![]);
    directory.follow(&mut local);
    let services: Vec<ServiceId> = local.services().map(|s| s.row().id.clone()).collect();
    assert_eq!(services, ["asked".into(), "web".into()]);
    let checks: Vec<CheckId> = local.checks().map(|c| c.row().id.clone()).collect();
    assert_eq!(checks, ["_service_maintenance:web".into(), "service:web".into()]);
    let kept = local.check(&"service:web".into()).unwrap();
    assert_eq!((&*kept.row().status, &*kept.row().output), ("passing", "fine"));
}

/// What ends the start of an agent.
#[test]
fn files_are_refused_at_the_start_as_recorded() {
    let text = std::fs::read(format!("{VECTORS}agent-bad-options.json")).unwrap();
    let all: Value = serde_json::from_slice(&text).unwrap();
    let mut refused = 0;
    for case in all["cases"].as_array().unwrap() {
        let config = &case["files"]["c.json"];
        let stdout = case["stdout"].as_str().unwrap_or_default();
        if !stdout.contains("Failed to register ") {
            continue;
        }
        let (mut services, mut checks) = (Vec::new(), Vec::new());
        let object = |name: &str| Object::parse(config[name].to_string().as_bytes()).unwrap();
        if config["service"].is_object() {
            services.push(ServiceDefinition::from_file(object("service")).unwrap());
        }
        if config["check"].is_object() {
            checks.push(CheckDefinition::from_file(object("check")).unwrap());
        }
        let mut local = agent();
        let all = local.register_files(NOW, services, checks);
        let [(name, why)] = &all[..] else { panic!("{all:?}") };
        let wanted = gotext::quote(&format!("Failed to register {name}: {why}"));
        assert!(stdout.contains(&wanted), "{wanted} expected in {stdout}");
        assert_eq!(local.services().count() + local.checks().count(), 0);
        refused += 1;
    }
    assert_eq!(refused, 3);
}

/// The recorded refusals of whole configurations that are about a service or a check.
#[test]
fn definitions_of_files_are_refused_as_recorded() {
    let text = std::fs::read(format!("{VECTORS}validate.json")).unwrap();
    let all: Value = serde_json::from_slice(&text).unwrap();
    let mut refused = 0;
    let mut accepted = 0;
    for case in all["cases"].as_array().unwrap() {
        let config = &case["files"]["c.json"];
        let stderr = case["stderr"].as_str().unwrap_or_default();
        // Texts of other layers: names, types and durations are the configuration's.
        let other_layer = ["failed to parse", "invalid duration"];
        if other_layer.iter().any(|text| stderr.contains(text)) {
            continue;
        }
        let wrong = if config["service"].is_object() {
            let object = Object::parse(config["service"].to_string().as_bytes()).unwrap();
            let service = ServiceDefinition::from_file(object).unwrap();
            match &service.complaints()[..] {
                [] => service.validate().err(),
                complaints => Some(gotext::multi_error(complaints)),
            }
        } else if config["check"].is_object() {
            let object = Object::parse(config["check"].to_string().as_bytes()).unwrap();
            let check = CheckDefinition::from_file(object).unwrap();
            let name = gotext::quote(&check.name);
            check.validate().err().map(|why| format!("check {name}: {why}"))
        } else {
            continue;
        };
        match wrong {
            None => {
                assert_eq!(case["exit_code"], 0, "{config}");
                accepted += 1;
            }
            Some(wrong) => {
                let text = format!("Config validation failed: {wrong}");
                assert_eq!(stderr.trim_end(), text.trim_end(), "{config}");
                refused += 1;
            }
        }
    }
    assert_eq!((refused, accepted), (14, 8));
}
