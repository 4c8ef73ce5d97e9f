//! The recorded table: expressions over one catalogue, with their results or the texts of their
//! errors. The rows are made of the table's set-up requests, with the defaults of the types.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{ERROR_PREFIX, Field, Filter, FilterError, fields};

fn table() -> Value {
    let shared = match std::env::var_os("TRIBUNE_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let text = std::fs::read(shared.join("vectors/consul-catalog/filters.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The defaults with what is given in their place.
fn with(mut defaults: Value, given: &Value) -> Value {
    for (name, value) in given.as_object().unwrap() {
        if let Some(place) = defaults.get_mut(name) {
            *place = match value {
                Value::Object(_) if place.get("Native").is_some() => with(place.clone(), value),
                Value::Object(_) if place.get("Upstreams").is_some() => with(place.clone(), value),
                other => other.clone(),
            };
        }
    }
    defaults
}

fn node(given: &Value) -> Value {
    let mut defaults = json!({
        "ID": "", "Node": "", "Address": "", "Datacenter": "dc1", "Partition": "", "PeerName": "",
        "TaggedAddresses": {}, "Meta": {},
    });
    if let Some(meta) = given.get("NodeMeta") {
        defaults["Meta"] = meta.clone();
    }
    with(defaults, given)
}

fn service(given: &Value) -> Value {
    let defaults = json!({
        "Kind": "", "ID": "", "Service": "", "Tags": [], "Address": "", "TaggedAddresses": {},
        "Meta": {}, "Port": 0, "SocketPath": "", "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": false, "Connect": {"Native": false}, "PeerName": "",
        "Proxy": {
            "DestinationServiceName": "", "DestinationServiceID": "", "LocalServiceAddress": "",
            "LocalServicePort": 0, "LocalServiceSocketPath": "", "Mode": "", "Upstreams": [],
            "MeshGateway": {"Mode": ""}, "Expose": {"Checks": false, "Paths": []},
            "TransparentProxy": {"OutboundListenerPort": 0, "DialedDirectly": false},
        },
    });
    let mut service = with(defaults, given);
    for upstream in service["Proxy"]["Upstreams"].as_array_mut().unwrap() {
        upstream["MeshGateway"] = json!({"Mode": ""});
    }
    service
}

fn check(given: &Value, node: &str, service: Option<&Value>) -> Value {
    let defaults = json!({
        "Node": node, "CheckID": "", "Name": "", "Status": "critical", "Notes": "", "Output": "",
        "ServiceID": "", "ServiceName": "", "ServiceTags": [], "Type": "", "Interval": "",
        "Timeout": "", "ExposedPort": 0, "PeerName": "",
    });
    let mut check = with(defaults, given);
    if let Some(service) = service {
        check["ServiceName"] = service["Service"].clone();
        check["ServiceTags"] = service["Tags"].clone();
    }
    check
}

/// The rows of the catalogue, in the order of answers.
#[derive(Default)]
struct Catalogue {
    nodes: BTreeMap<String, Value>,
    services: BTreeMap<(String, String), Value>,
    checks: BTreeMap<(String, String), Value>,
}

impl Catalogue {
    fn of(table: &Value) -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.register(&own_node());
        for request in table["setup"].as_array().unwrap() {
            let body = &request[2];
            match request[1].as_str().unwrap() {
                "/v1/catalog/register" => catalogue.register(body),
                "/v1/agent/service/register" => catalogue.register(&as_registration(body)),
                _ => {}
            }
        }
        catalogue
    }

    fn register(&mut self, request: &Value) {
        let name = request["Node"].as_str().unwrap();
        let key = name.to_lowercase();
        self.nodes.entry(key.clone()).or_insert_with(|| node(request));
        let service = request.get("Service").map(service);
        for given in request["Checks"].as_array().into_iter().flatten() {
            let of = service.as_ref().filter(|_| given.get("ServiceID").is_some());
            let check = check(given, name, of);
            let id = check["CheckID"].as_str().unwrap().to_lowercase();
            self.checks.insert((key.clone(), id), check);
        }
        if let Some(service) = service {
            let id = service["ID"].as_str().unwrap().to_lowercase();
            self.services.insert((key, id), service);
        }
    }

    fn services(&self, wanted: impl Fn(&str, &Value) -> bool) -> Vec<(&Value, &Value)> {
        let all = self.services.iter().filter(|((node, _), service)| wanted(node, service));
        all.map(|((node, _), service)| (&self.nodes[node], service)).collect()
    }

    fn checks(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.checks.values().filter(|check| wanted(check)).cloned().collect()
    }

    fn service_nodes(&self, wanted: impl Fn(&str, &Value) -> bool) -> Vec<Value> {
        let rows = self.services(wanted).into_iter().map(|(node, service)| {
            let mut row = json!({"NodeMeta": node["Meta"]});
            for name in ["ID", "Node", "Address", "Datacenter", "TaggedAddresses", "PeerName"] {
                row[name] = node[name].clone();
            }
            for (name, value) in service.as_object().unwrap() {
                let name = if name == "Service" { "Name" } else { name };
                row[format!("Service{name}")] = value.clone();
            }
            row
        });
        rows.collect()
    }

    fn entries(&self, wanted: impl Fn(&str, &Value) -> bool) -> Vec<Value> {
        let rows = self.services(wanted).into_iter().map(|(node, service)| {
            let checks = self.checks(|check| {
                let of = &check["ServiceID"];
                check["Node"] == node["Node"] && (*of == "" || *of == service["ID"])
            });
            json!({"Node": node, "Service": service, "Checks": checks})
        });
        rows.collect()
    }

    /// The rows that an endpoint filters, and what can be selected of them.
    fn rows(&self, endpoint: &str) -> Option<(Vec<Value>, &'static [Field])> {
        let named = |name: &'static str| move |_: &str, row: &Value| row["Service"] == name;
        let proxies = |_: &str, row: &Value| row["Proxy"]["DestinationServiceName"] == "web";
        let of_node = |name: &'static str| {
            let rows = self.services(move |node, _| node == name).into_iter();
            rows.map(|(_, service)| service.clone()).collect()
        };
        let own = ["app-1", "app-2"];
        Some(match endpoint {
            "nodes" => (self.nodes.values().cloned().collect(), fields::NODE),
            "services" => (self.service_nodes(|_, _| true), fields::SERVICE_NODE),
            "service" => (self.service_nodes(named("web")), fields::SERVICE_NODE),
            "connect" => (self.service_nodes(proxies), fields::SERVICE_NODE),
            "node" | "node-services" => (of_node("alpha"), fields::NODE_SERVICE),
            "node-checks" => (self.checks(|check| check["Node"] == "alpha"), fields::CHECK),
            "checks" => (self.checks(|check| check["ServiceName"] == "web"), fields::CHECK),
            "state" => (self.checks(|_| true), fields::CHECK),
            "health" => (self.entries(named("web")), fields::SERVICE_ENTRY),
            "health-db" => (self.entries(named("db")), fields::SERVICE_ENTRY),
            "health-connect" => (self.entries(proxies), fields::SERVICE_ENTRY),
            "ingress" => (Vec::new(), fields::SERVICE_ENTRY),
            "agent-services" => {
                let rows = self.services(|_, row| own.iter().any(|id| row["ID"] == *id));
                let rows = rows.into_iter().map(|(_, service)| service.clone());
                (rows.collect(), fields::NODE_SERVICE)
            }
            "agent-checks" => {
                let mine = |check: &Value| own.iter().any(|id| check["ServiceID"] == *id);
                (self.checks(mine), fields::CHECK)
            }
            "members" => (vec![member()], fields::MEMBER),
            _ => return None,
        })
    }
}

const PORT: i64 = 8301;

fn member() -> Value {
    json!({
        "Name": "node1", "Addr": [127, 0, 0, 1], "Port": PORT, "Status": 1,
        "Tags": {"role": "consul", "dc": "dc1"},
    })
}

/// The agent's own node.
fn own_node() -> Value {
    json!({
        "Node": "node1", "ID": "11111111-2222-3333-4444-555555555555", "Address": "127.0.0.1",
        "TaggedAddresses": {
            "lan": "127.0.0.1", "lan_ipv4": "127.0.0.1", "wan": "127.0.0.1",
            "wan_ipv4": "127.0.0.1",
        },
        "NodeMeta": {"consul-network-segment": "", "consul-version": "1.16.4"},
        "Service": {
            "ID": "consul", "Service": "consul", "Port": 8300,
            "Meta": {"non_voter": "false", "read_replica": "false"},
        },
        "Checks": [{
            "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing",
            "Output": "Agent alive and reachable",
        }],
    })
}

/// What a service of the agent becomes in the catalogue.
fn as_registration(body: &Value) -> Value {
    let (id, name) = (body["ID"].as_str().unwrap(), body["Name"].as_str().unwrap());
    let mut service = body.clone();
    service["Service"] = name.into();
    let status = body["Check"].get("Status").cloned().unwrap_or_else(|| "critical".into());
    json!({
        "Node": "node1", "Service": service,
        "Checks": [{
            "CheckID": format!("service:{id}"), "Name": format!("Service '{name}' check"),
            "Status": status, "ServiceID": id, "Type": "ttl",
        }],
    })
}

/// An answer in the short form of the table.
fn short(endpoint: &str, rows: &[&Value]) -> Value {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pair = |a: &Value, b: &Value| format!("{}/{}", text(a), text(b));
    let name = |row: &&Value| match endpoint {
        "nodes" => text(&row["Node"]),
        "members" => text(&row["Name"]),
        "node" | "node-services" | "agent-services" => text(&row["ID"]),
        "agent-checks" => text(&row["CheckID"]),
        "health" | "health-db" | "health-connect" => {
            pair(&row["Node"]["Node"], &row["Service"]["ID"])
        }
        "service" | "connect" => pair(&row["Node"], &row["ServiceID"]),
        "services" => text(&row["ServiceName"]),
        _ => pair(&row["Node"], &row["CheckID"]),
    };
    let names: Vec<String> = rows.iter().map(name).collect();
    match endpoint {
        "node" | "node-services" => json!({"Services": names}),
        "services" => {
            let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, row) in names.into_iter().zip(rows) {
                let tags = tags.entry(name).or_default();
                tags.extend(row["ServiceTags"].as_array().unwrap().iter().map(text));
                tags.sort();
                tags.dedup();
            }
            json!(tags)
        }
        _ => json!(names),
    }
}

/// Endpoints of other parts of the API, and those that do not filter.
const ELSEWHERE: &[&str] = &[
    "agent-self",
    "config",
    "config-other",
    "coordinates",
    "gateway-services",
    "intentions",
    "kv",
    "query",
    "sessions",
    "ui-nodes",
    "ui-services",
];

#[test]
fn every_expression_answers_as_recorded() {
    let table = table();
    let catalogue = Catalogue::of(&table);
    let (mut passed, mut wrong) = (0, Vec::new());
    for case in table["cases"].as_array().unwrap() {
        let endpoint = case["on"].as_str().unwrap();
        let Some((rows, fields)) = catalogue.rows(endpoint) else {
            assert!(ELSEWHERE.contains(&endpoint), "{endpoint}");
            continue;
        };
        // The recorded program crashes over a proxy that is not there; the rows here have all.
        if case.get("closed").is_some() {
            continue;
        }
        let text = case["filter"].as_str().unwrap();
        let text = text.replace("${serf_lan_port}", &PORT.to_string());
        let (want, got) = match Filter::new(&text, fields) {
            Ok(filter) => {
                let rows: Vec<&Value> = rows.iter().filter(|row| filter.matches(*row)).collect();
                (&case["result"], short(endpoint, &rows))
            }
            Err(error @ FilterError::Selector(_)) if endpoint == "agent-checks" => {
                (&case["body"], json!(error.to_string()))
            }
            Err(error) => (&case["body"], json!(format!("{ERROR_PREFIX}{error}"))),
        };
        if *want == got {
            passed += 1;
        } else {
            wrong.push(format!("{endpoint}: {text}\n  expected {want}\n  got      {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(passed, PASSED);
}

/// How many of the table's cases are played here.
const PASSED: usize = 356;
