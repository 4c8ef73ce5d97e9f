//! The texts and statuses that the original's agent gave to checks: `consul-http/agent-check-*`.
//!
//! The recordings were made against the agent's own ports; servers that answer as those did stand
//! in for them here.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use checks::{Environment, HttpTarget, Limits, Outcome, Status, Target, Tls, run};
use gotext::GoDuration;
use hyper::Response;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn recording(name: &str) -> Value {
    let shared = match std::env::var_os("TRIBUNE_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let file = shared.join("vectors/consul-http").join(name);
    serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
}

/// What was registered, and what was seen of it later, by identity.
fn checks_of(recording: &Value) -> BTreeMap<String, (Value, Value)> {
    let steps = recording["steps"].as_array().unwrap();
    let mut registered: BTreeMap<String, Value> = BTreeMap::new();
    let mut found = BTreeMap::new();
    if let Some(from_file) = recording["agent"]["config"].get("check") {
        registered.insert(from_file["id"].as_str().unwrap().to_owned(), from_file.clone());
    }
    for step in steps {
        let path = step["request"]["path"].as_str().unwrap_or_default();
        if path == "/v1/agent/check/register" {
            let body = &step["request"]["json"];
            registered.insert(body["ID"].as_str().unwrap().to_owned(), body.clone());
        } else if path.starts_with("/v1/agent/checks") {
            for (id, seen) in step["response"]["json"].as_object().unwrap() {
                found.insert(id.clone(), (registered[id].clone(), seen.clone()));
            }
        }
    }
    found
}

fn text(definition: &Value, name: &str) -> Option<String> {
    definition.get(name).map(|value| value.as_str().unwrap().to_owned())
}

fn list(definition: &Value, name: &str) -> Option<Vec<String>> {
    let items = definition.get(name)?.as_array().unwrap().iter();
    Some(items.map(|item| item.as_str().unwrap().to_owned()).collect())
}

/// What a definition checks; none for the kinds that are not this crate's.
fn target_of(definition: &Value) -> Option<Target> {
    if let Some(url) = text(definition, "HTTP") {
        let mut header = Vec::new();
        for (name, values) in
            definition.get("Header").and_then(Value::as_object).into_iter().flatten()
        {
            let values = values.as_array().unwrap().iter();
            header.extend(values.map(|value| (name.clone(), value.as_str().unwrap().to_owned())));
        }
        return Some(Target::Http(HttpTarget {
            url,
            method: text(definition, "Method").unwrap_or_default(),
            header,
            body: text(definition, "Body").unwrap_or_default(),
            disable_redirects: definition["DisableRedirects"] == true,
            tls: Tls::default(),
        }));
    }
    if let Some(address) = text(definition, "TCP") {
        return Some(Target::Tcp { address, tls: None });
    }
    if let Some(address) = text(definition, "UDP") {
        return Some(Target::Udp { address });
    }
    if let Some(target) = text(definition, "GRPC") {
        return Some(Target::Grpc { target, tls: None });
    }
    if let Some(address) = text(definition, "H2PING") {
        return Some(Target::H2Ping { address, tls: None });
    }
    let args = ["Args", "ScriptArgs", "script_args", "args"];
    let args = args.iter().find_map(|name| list(definition, name))?;
    Some(match text(definition, "DockerContainerID") {
        Some(container) => Target::Docker { container, args },
        None => Target::Script { args },
    })
}

async fn outcome_of(definition: &Value) -> Option<Outcome> {
    let target = target_of(definition)?;
    // The recorded targets answer at once, also where this machine is busy; only who is meant to
    // be too slow gets the time that was recorded.
    let timeout = match text(definition, "Timeout").filter(|_| definition["ID"] == "sto") {
        Some(text) => GoDuration::parse(&text).unwrap().saturating_std(),
        None => Duration::from_secs(60),
    };
    let limits = Limits { timeout, output_max_bytes: Limits::OUTPUT_MAX_BYTES };
    Some(run(&target, limits, &environment()).await)
}

/// As usual, but without Docker: there was none, and here may be one.
fn environment() -> Environment {
    Environment { docker_socket: "/no/docker.sock".into(), ..Environment::default() }
}

fn compare(id: &str, found: &Outcome, seen: &Value) {
    assert_eq!(found.status.as_str(), seen["Status"], "{id}: {}", found.output);
    assert_eq!(found.output, seen["Output"].as_str().unwrap(), "{id}");
}

#[tokio::test]
async fn scripts_and_docker() {
    let mut count = 0;
    for name in ["agent-check-scripts.json", "agent-check-scripts-local.json"] {
        for (id, (definition, mut seen)) in checks_of(&recording(name)) {
            if definition["Interval"] == "1h" {
                // Never run while it was recorded.
                continue;
            }
            let output = seen["Output"].as_str().unwrap();
            let output = output.replace("%2Fvar%2Frun%2Fdocker.sock", "%2Fno%2Fdocker.sock");
            seen["Output"] = output.replace("/var/run/docker.sock", "/no/docker.sock").into();
            let found = outcome_of(&definition).await.unwrap();
            compare(&id, &found, &seen);
            count += 1;
        }
    }
    assert_eq!(count, 9);
    assert_eq!(Environment::default().docker_socket, Path::new("/var/run/docker.sock"));
}

/// The pages that stand in for the agent's own: by method, path and a header line.
fn page(request: &str) -> String {
    let (status, more, body) = match request.lines().next().unwrap() {
        "GET /v1/status/leader HTTP/1.1" => ("200 OK", "", "\"127.0.0.1:8300\"\n"),
        "GET /v1/nope HTTP/1.1" => {
            ("404 Not Found", "", "Invalid URL path: not a recognized HTTP API endpoint\n")
        }
        "GET /v1/agent/health/service/id/warned?format=text HTTP/1.1" => {
            ("429 Too Many Requests", "", "warning")
        }
        "POST /v1/status/leader HTTP/1.1" => {
            ("405 Method Not Allowed", "", "method POST not allowed")
        }
        "PUT /v1/kv/from-check HTTP/1.1" if request.ends_with("\r\n\r\nbody text") => {
            ("200 OK", "", "true\n")
        }
        "GET /v1/kv?keys HTTP/1.1" => (
            "301 Moved Permanently",
            "Location: /v1/kv/?keys\r\n",
            "<a href=\"/v1/kv/?keys\">Moved Permanently</a>.\n\n",
        ),
        "GET /v1/kv/?keys HTTP/1.1" => ("200 OK", "", "[\n    \"from-check\"\n]\n"),
        "GET /v1/kv/a?cached HTTP/1.1" if request.contains("\r\nCache-Control: max-age=x\r\n") => {
            ("400 Bad Request", "", "Invalid Cache-Control header.")
        }
        // What Go's server says to who speaks TLS to it.
        _ => ("400 Bad Request", "", ""),
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\n\r\n{body}")
}

async fn serve_pages() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                let count = stream.read(&mut request).await.unwrap_or(0);
                let mut request = String::from_utf8_lossy(&request[..count]).into_owned();
                if request.starts_with("PUT") && !request.ends_with("text") {
                    let mut body = [0; 9];
                    let _ = stream.read_exact(&mut body).await;
                    request.push_str(&String::from_utf8_lossy(&body));
                }
                if count > 0 {
                    let _ = stream.write_all(page(&request).as_bytes()).await;
                }
            });
        }
    });
    port
}

/// A gRPC server without the health service.
async fn serve_grpc() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut send))) = connection.accept().await {
                    let response = Response::builder()
                        .header("content-type", "application/grpc")
                        .header("grpc-status", "12")
                        .header("grpc-message", "unknown service grpc.health.v1.Health")
                        .body(())
                        .unwrap();
                    let mut stream = send.send_response(response, true).unwrap();
                    let _ = stream.send_data(Bytes::new(), true);
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn kinds_over_the_network() {
    let (http, grpc) = (serve_pages().await.to_string(), serve_grpc().await.to_string());
    let text = recording("agent-check-types.json").to_string();
    let text = text.replace("${http_port}", &http).replace("${grpc_port}", &grpc);
    let text = text.replace("${server_port}", "8300");
    let recording: Value = serde_json::from_str(&text).unwrap();
    let (mut count, mut others) = (0, Vec::new());
    for (id, (definition, mut seen)) in checks_of(&recording) {
        let Some(mut found) = outcome_of(&definition).await else {
            others.push(id);
            continue;
        };
        if id == "udpbad" {
            // Ours is another port.
            found.output = without_port(&found.output);
            seen["Output"] = without_port(seen["Output"].as_str().unwrap()).into();
        }
        compare(&id, &found, &seen);
        count += 1;
    }
    assert_eq!(count, 19);
    assert_eq!(others, ["aliasboth", "aliasnode", "aliasnone", "aliasok", "aliaswarn"]);
}

fn without_port(text: &str) -> String {
    let (from, to) = text.split_once("->").unwrap();
    let (host, port) = from.rsplit_once(':').unwrap();
    assert!(port.parse::<u16>().is_ok());
    format!("{host}->{to}")
}

#[test]
fn statuses_have_the_words_of_the_api() {
    let words = [Status::Passing, Status::Warning, Status::Critical].map(|s| s.to_string());
    assert_eq!(words, ["passing", "warning", "critical"]);
}
