//! What the real program was recorded answering to registrations and updates, step by step. The
//! agent's part of the HTTP API is played by this test, no more than it takes to ask the machine.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{CheckId, Node, ServiceId, ServiceName};
use local::{
    Aggregate, CheckDefinition, Config, Fact, Input, Local, LocalCheck, LocalService, Output,
    Refused, ServiceDefinition, Source, Status, Time, agent_proxy, content_hash, parse_update,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/consul-http/");

/// An answer: status and body.
type Answer = (u16, Body);

#[derive(Debug)]
enum Body {
    Empty,
    Text(String),
    Json(Value),
}

struct Agent {
    local: Local,
    now: Time,
    /// Every step takes a moment.
    step: Duration,
}

impl Agent {
    fn new(config: &Value) -> Self {
        let node = Node { name: "node1".into(), address: "127.0.0.1".into(), ..Node::default() };
        let mut settings = Config::new(node);
        settings.scripts_of_requests = config["enable_script_checks"] == true;
        settings.scripts_of_files = config["enable_local_script_checks"] == true;
        let now = Time::from_secs(1_700_000_000);
        let local = Local::new(settings, now, SmallRng::seed_from_u64(1));
        Self { local, now, step: Duration::from_millis(1) }
    }

    /// Lets time pass, with the results of checks whose targets nobody plays.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.local.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.local.handle(self.now, Input::Tick);
            self.drain();
        }
        self.now = end;
    }

    /// The catalogue takes everything; targets that nobody plays refuse connections.
    fn drain(&mut self) {
        while let Some(output) = self.local.poll_output() {
            let input = match output {
                Output::Register { call, .. } | Output::Deregister { call, .. } => {
                    Input::Called { call, outcome: local::Outcome::Done }
                }
                Output::Start { check, definition, .. }
                    if definition.run_interval() < Duration::from_secs(5) =>
                {
                    let status = Status::Critical;
                    Input::Ran { check, status, output: "connection refused".into() }
                }
                Output::Fact(Fact::BadFile { file, why }) => panic!("{file}: {why}"),
                _ => continue,
            };
            self.local.handle(self.now, input);
        }
    }

    /// `None` for a request that is not this crate's.
    fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        self.pass(self.step);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: BTreeMap<String, String> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (key.to_owned(), decoded(value)))
            .collect();
        if query.contains_key("ns") {
            return None;
        }
        let path = decoded(path.strip_prefix("/v1/agent/")?);
        let answer = if method == "PUT" {
            match self.put(&path, &query, body)? {
                Ok(()) => (200, Body::Empty),
                Err(why) => (why.status(), Body::Text(why.to_string())),
            }
        } else {
            self.read(&path, &query)?
        };
        self.drain();
        Some(answer)
    }

    fn put(
        &mut self,
        path: &str,
        query: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Option<Result<(), Refused>> {
        let now = self.now;
        let local = &mut self.local;
        let enable = match query.get("enable").map(String::as_str) {
            Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Some(true),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Some(false),
            _ => None,
        };
        let reason = query.get("reason").map_or("", String::as_str);
        let note = query.get("note").map_or("", String::as_str);
        let replace =
            matches!(query.get("replace-existing-checks").map(String::as_str), Some("" | "true"));
        let told = |local: &mut Local, id: &str, status| {
            local.update_ttl(now, &CheckId::from(id), status, note)
        };
        let done = match path.split_once('/')? {
            ("service", "register") => ServiceDefinition::parse(body)
                .and_then(|d| local.register_service(now, d, Source::Request, "", replace)),
            ("check", "register") => CheckDefinition::parse(body)
                .and_then(|d| local.register_check(now, d, Source::Request, "")),
            ("maintenance", "") => return None,
            ("service", rest) => match rest.split_once('/')? {
                ("deregister", id) => local.deregister_service(now, &ServiceId::from(id)),
                ("maintenance", "") => return None,
                ("maintenance", id) => match enable {
                    None => {
                        let known = local.service(&ServiceId::from(id)).is_some();
                        assert!(known, "{id}");
                        return None;
                    }
                    Some(true) => {
                        local.enter_service_maintenance(now, &ServiceId::from(id), reason, "")
                    }
                    Some(false) => local.leave_service_maintenance(now, &ServiceId::from(id)),
                },
                _ => return None,
            },
            ("check", rest) => match rest.split_once('/')? {
                ("deregister", id) => local.deregister_check(now, &CheckId::from(id)),
                ("pass", id) => told(local, id, Status::Passing),
                ("warn", id) => told(local, id, Status::Warning),
                ("fail", id) => told(local, id, Status::Critical),
                ("update", id) => parse_update(body).and_then(|(status, output)| {
                    local.update_ttl(now, &CheckId::from(id), status, &output)
                }),
                _ => return None,
            },
            _ => return None,
        };
        Some(done.map(|_| ()))
    }

    fn node_maintenance(&mut self, enable: bool, reason: &str) {
        if enable {
            self.local.enter_node_maintenance(self.now, reason, "");
        } else {
            self.local.leave_node_maintenance(self.now);
        }
        self.drain();
    }

    fn read(&self, path: &str, query: &BTreeMap<String, String>) -> Option<Answer> {
        let filter = query.get("filter").map_or("", String::as_str);
        let terms: Vec<(&str, &str)> = if filter.is_empty() {
            Vec::new()
        } else {
            let term = |term: &'_ str| -> Option<(String, String)> {
                let (field, value) = term.split_once("==")?;
                Some((field.to_owned(), value.trim_matches('"').to_owned()))
            };
            let all: Option<Vec<_>> = filter.split(" and ").map(term).collect();
            all?;
            filter.split(" and ").filter_map(|term| term.split_once("==")).collect()
        };
        let fits = |value: &Value| {
            terms.iter().all(|(field, wanted)| value[field] == wanted.trim_matches('"'))
        };
        if terms
            .iter()
            .any(|(field, _)| !matches!(*field, "CheckID" | "Status" | "ServiceName" | "Service"))
        {
            return None;
        }
        let answer = match path {
            "services" => {
                let all = self.local.services().map(|s| (s.row().id.to_string(), service(s, None)));
                Value::Object(all.filter(|(_, value)| fits(value)).collect())
            }
            "checks" => {
                let all = self.local.checks().map(|c| (c.row().id.to_string(), check(c)));
                Value::Object(all.filter(|(_, value)| fits(value)).collect())
            }
            path => {
                if let Some(id) = path.strip_prefix("service/") {
                    return Some(match self.local.service(&ServiceId::from(id)) {
                        None => (404, Body::Text(format!("unknown service ID: {id}"))),
                        Some(s) => (200, Body::Json(service(s, Some(content_hash(s.row()))))),
                    });
                }
                return self.health(path, query);
            }
        };
        Some((200, Body::Json(answer)))
    }

    /// The text form alone: the other one is the server's.
    fn health(&self, path: &str, query: &BTreeMap<String, String>) -> Option<Answer> {
        if query.get("format").map(String::as_str) != Some("text") {
            return None;
        }
        let worst = if let Some(id) = path.strip_prefix("health/service/id/") {
            self.local.health(&ServiceId::from(id)).map(|health| health.status)
        } else {
            let name = ServiceName::from(path.strip_prefix("health/service/name/")?);
            self.local.health_of_name(&name).map(|health| health.status).max()
        };
        worst.map(|worst: Aggregate| (worst.http_status(), Body::Text(worst.to_string())))
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' && after.len() >= 2 {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn tags(tags: &catalog::Tags) -> Value {
    json!(tags.as_deref().into_iter().flatten().collect::<Vec<_>>())
}

/// `/v1/agent/services` and `/v1/agent/service/<id>`.
fn service(service: &LocalService, hash: Option<String>) -> Value {
    let row = service.row();
    let meta: BTreeMap<_, _> = row.meta.iter().flatten().map(|(k, v)| (k, v)).collect();
    let mut value = json!({
        "ID": row.id.as_str(), "Service": row.name.as_str(), "Tags": tags(&row.tags),
        "Meta": meta, "Port": row.port, "Address": row.address,
        "Weights": {"Passing": row.weights.passing, "Warning": row.weights.warning},
        "EnableTagOverride": row.enable_tag_override, "Datacenter": "dc1",
    });
    let mut put = |name: &str, field: Value| {
        value[name] = field;
    };
    if !row.kind.is_empty() {
        put("Kind", json!(row.kind));
    }
    if !row.socket_path.is_empty() {
        put("SocketPath", json!(row.socket_path));
    }
    let addresses = row.tagged_addresses.as_deref().unwrap_or_default();
    if !addresses.is_empty() {
        let all = addresses.iter().map(|(tag, address)| {
            (tag.to_string(), json!({"Address": address.address, "Port": address.port}))
        });
        put("TaggedAddresses", Value::Object(all.collect()));
    }
    if let Some(hash) = hash {
        put("ContentHash", json!(hash));
    }
    if row.kind.ends_with("-gateway") || row.kind.ends_with("-proxy") {
        let proxy = agent_proxy(row.proxy.as_deref());
        put("Proxy", serde_json::from_str(&proxy).unwrap());
    }
    if row.native {
        put("Connect", json!({"Native": true}));
    }
    if let Some(locality) = &row.locality {
        put("Locality", serde_json::from_str(locality).unwrap());
    }
    value
}

/// `/v1/agent/checks`.
fn check(check: &LocalCheck) -> Value {
    let row = check.row();
    json!({
        "Node": row.node.as_str(), "CheckID": row.id.as_str(), "Name": row.name,
        "Status": row.status, "Notes": row.notes, "Output": row.output,
        "ServiceID": row.service_id.as_str(), "ServiceName": row.service_name.as_str(),
        "ServiceTags": tags(&row.service_tags), "Type": row.kind, "Interval": row.interval,
        "Timeout": row.timeout, "ExposedPort": row.exposed_port, "Definition": {},
        "CreateIndex": 0, "ModifyIndex": 0,
    })
}

/// The places whose values vary from run to run, as far as they concern this test: what a check
/// that somebody runs says.
fn without_volatile(value: &mut Value, volatile: &[String]) {
    for path in volatile {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let [id, field @ ("Output" | "Status")] = parts[..] else { continue };
        for (name, inner) in value.as_object_mut().into_iter().flatten() {
            if (id == "*" || id == name) && inner.get(field).is_some() {
                inner[field] = Value::Null;
            }
        }
    }
}

/// Plays a scenario and returns how many of its answers were compared.
fn play(name: &str) -> usize {
    let text = std::fs::read(format!("{VECTORS}{name}.json")).unwrap();
    let scenario: Value = serde_json::from_slice(&text).unwrap();
    let mut agent = Agent::new(&scenario["agent"]["config"]);
    let mut compared = 0;
    for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
        if let Some(seconds) = step["sleep"].as_f64() {
            agent.pass(Duration::from_secs_f64(seconds));
        }
        let Some(request) = step.get("request") else { continue };
        let method = request["method"].as_str().unwrap();
        let path = request["path"].as_str().unwrap();
        let body = match (&request["body"], &request["json"]) {
            (Value::String(body), _) => body.clone().into_bytes(),
            (_, Value::Null) if request.get("json").is_none() => Vec::new(),
            (_, body) => body.to_string().into_bytes(),
        };
        if let Some(rest) = path.strip_prefix("/v1/agent/maintenance?enable=") {
            let (value, reason) = rest.split_once("&reason=").unwrap_or((rest, ""));
            if let Ok(enable) = gotext::parse_bool(value) {
                agent.node_maintenance(enable, &decoded(reason));
            }
            continue;
        }
        if path.contains("wait=") || is_run_outside(&step["response"]["json"]) {
            continue;
        }
        let closed = step["response"]["closed"] == true;
        let volatile: Vec<String> = step["volatile"]
            .as_array()
            .map(|paths| paths.iter().filter_map(|path| path.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        let mut patience = step["retry"].as_u64().unwrap_or(0) * 10;
        loop {
            let Some((status, got)) = agent.answer(method, path, &body) else { break };
            let wrong = if closed {
                // The real program ends here, which nobody can rely on.
                (status != 400).then(|| "not refused".to_owned())
            } else {
                difference(step, status, got, &volatile)
            };
            match wrong {
                None => {
                    compared += 1;
                    break;
                }
                Some(_) if patience > 0 => {
                    patience -= 1;
                    agent.pass(Duration::from_millis(100));
                }
                Some(wrong) => panic!("{name}, step {number}, {method} {path}: {wrong}"),
            }
        }
    }
    println!("{name}: {compared}");
    compared
}

/// Whether these are checks of targets that nobody plays here.
fn is_run_outside(checks: &Value) -> bool {
    let known = |kind: &str| matches!(kind, "ttl" | "alias" | "maintenance");
    let ran = |check: &Value| {
        let seen = check["Output"] != "" || check["Type"] == "script";
        seen && check["Type"].as_str().is_some_and(|kind| !known(kind))
    };
    checks.as_object().is_some_and(|checks| checks.values().any(ran))
}

fn difference(step: &Value, status: u16, got: Body, volatile: &[String]) -> Option<String> {
    let recorded = &step["response"];
    if recorded["status"] != status {
        return Some(format!("{} expected, got {status}: {got:?}", recorded["status"]));
    }
    if step["compare"] == "status" || step["compare"] == "shape" {
        return None;
    }
    match got {
        Body::Empty => None,
        Body::Text(got) => {
            let texts = [&recorded["body"], &recorded["recorded_body"]];
            let wanted = texts.iter().find_map(|text| text.as_str()).unwrap_or_default();
            // Go names its own type behind this.
            let stem = |text: &str| text.split(" into Go").next().map(str::to_owned);
            (stem(wanted) != stem(&got)).then(|| format!("{wanted:?} expected, got {got:?}"))
        }
        Body::Json(mut got) => {
            let mut wanted = recorded["json"].clone();
            without_volatile(&mut wanted, volatile);
            without_volatile(&mut got, volatile);
            if wanted["ContentHash"].as_str().is_some_and(|hash| hash.starts_with("${")) {
                got["ContentHash"] = wanted["ContentHash"].clone();
            }
            (wanted != got).then(|| format!("\n{wanted} expected, got\n{got}"))
        }
    }
}

#[test]
fn services_are_refused_as_recorded() {
    assert_eq!(play("agent-service-register-errors"), 178);
}

#[test]
fn checks_are_refused_as_recorded() {
    assert_eq!(play("agent-check-register-errors"), 107);
}

#[test]
fn services_are_registered_as_recorded() {
    assert_eq!(play("agent-service-register"), 53);
}

#[test]
fn checks_are_registered_as_recorded() {
    assert_eq!(play("agent-check-register"), 22);
}

#[test]
fn content_hashes_are_those_recorded() {
    assert_eq!(play("blocking-hash"), 35);
}

#[test]
fn ttl_checks_go_as_recorded() {
    assert_eq!(play("agent-ttl"), 67);
}

#[test]
fn maintenance_goes_as_recorded() {
    assert_eq!(play("agent-maintenance"), 16);
}

#[test]
fn critical_services_go_as_recorded() {
    assert_eq!(play("agent-deregister-critical"), 11);
}

#[test]
fn sidecars_go_as_recorded() {
    assert_eq!(play("agent-sidecar"), 11);
}

#[test]
fn aliases_go_as_recorded() {
    assert_eq!(play("agent-check-types"), 33);
}

#[test]
fn scripts_are_refused_as_recorded() {
    assert_eq!(play("agent-check-scripts") + play("agent-check-scripts-local"), 12);
}

#[test]
fn health_is_aggregated_as_recorded() {
    assert_eq!(play("agent-health"), 26);
}
