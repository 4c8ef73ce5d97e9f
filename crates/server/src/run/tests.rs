//! Servers as a whole, each at an address of its own.

#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use agent::log::{Line, Log, Sink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::process::Process;
use super::*;

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &Line) {}
}

/// An address for the usual ports.
fn address(test: u8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 8 + test, high, low)
}

async fn started(address: Ipv4Addr, hcl: &str) -> Process {
    let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
    let at = address.to_string();
    let flags = [flag("dev", "true"), flag("bind", &at), flag("client", &at), flag("hcl", hcl)];
    let (settings, definitions) = read(&flags).unwrap();
    let log = Log::consul(Level::Err, Box::new(Nowhere), None);
    let node_id = Uuid::from_bytes([1; 16]);
    let started = process::start(settings, definitions, node_id, &flags, &log).await;
    started.unwrap_or_else(|failure| panic!("{failure}"))
}

async fn get(address: Ipv4Addr, path: &str) -> String {
    get_with(address, path, "").await
}

async fn get_with(address: Ipv4Addr, path: &str, field: &str) -> String {
    let mut stream = TcpStream::connect((address, 8500)).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{field}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A folder of its own for one test, removed with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn certificates_are_read_again_and_the_socket_of_https_goes() {
    let name = format!("tribune-reload-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = |name: &str| folder.0.join(name).display().to_string();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(file("cert.pem"), cert.pem()).unwrap();
    std::fs::write(file("key.pem"), signing_key.serialize_pem()).unwrap();
    let hcl = format!(
        r#"ports {{ https = 8501 }} addresses {{ https = "unix://{}" }}
           tls {{ https {{ cert_file = "{}" key_file = "{}" }} }}"#,
        file("https.sock"),
        file("cert.pem"),
        file("key.pem")
    );
    let mut process = started(address(1), &hcl).await;
    assert!(folder.0.join("https.sock").exists());
    assert_eq!(reload::reload(&mut process).await, Ok(()));
    std::fs::write(file("cert.pem"), "nonsense").unwrap();
    let why = reload::reload(&mut process).await.unwrap_err();
    assert!(why.starts_with("Failed to load cert/key pair: "), "{why}");
    process.running.stop().await;
    assert!(!folder.0.join("https.sock").exists());
}

#[tokio::test]
async fn a_datacenter_is_looked_at_by_all_but_the_agents_own() {
    let address = address(2);
    let process = started(address, "").await;
    for (path, status, body) in [
        ("/v1/status/leader?datacenter=dc1&dc=nope", "200 OK", ":8300\"\n"),
        ("/v1/status/leader?dc=nope", "500 Internal Server Error", "No path to datacenter"),
        ("/v1/status/leader?datacenter=nope", "500 Internal Server Error", "No path to datacenter"),
        ("/v1/agent/service/none?dc=nope", "404 Not Found", "unknown service ID: none"),
        ("/v1/event/list?dc=nope", "200 OK", "[]\n"),
    ] {
        let answer = get(address, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {answer}");
        assert!(answer.ends_with(body), "{path}: {answer}");
    }
    process.running.stop().await;
}

#[tokio::test]
async fn an_address_has_its_places_and_gets_them_back() {
    let address = address(3);
    let process = started(address, "limits { http_max_conns_per_client = 2 }").await;
    let connect = async || TcpStream::connect((address, 8500)).await.unwrap();
    let turned_away = async || {
        let mut answer = String::new();
        let mut stream = connect().await;
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n")
    };
    let (silent, mut watcher) = (connect().await, connect().await);
    watcher.write_all(b"GET /v1/kv/a?index=9 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(turned_away().await);
    // Who hangs up makes room, also while it waits; an answer may be in the way of a reset.
    drop(watcher);
    let served = async {
        loop {
            let mut stream = connect().await;
            let head = b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            let mut answer = String::new();
            let told = stream.write_all(head).await.is_ok()
                && stream.read_to_string(&mut answer).await.is_ok();
            if told && answer.starts_with("HTTP/1.1 200 OK\r\n") {
                return;
            }
        }
    };
    timeout(PATIENCE, served).await.unwrap();
    process.running.limit_connections(1);
    assert!(turned_away().await);
    drop(silent);
    process.running.stop().await;
}

/// What a handler has written, once this is in it.
async fn written(file: &std::path::Path, part: &str) -> String {
    let look = async {
        loop {
            match std::fs::read_to_string(file) {
                Ok(text) if text.contains(part) => return text,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(PATIENCE, look).await.unwrap()
}

async fn put(address: Ipv4Addr, path: &str, body: &str) -> String {
    send("PUT", address, path, body).await
}

async fn send(method: &str, address: Ipv4Addr, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect((address, 8500)).await.unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n");
    stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer
}

#[tokio::test]
async fn who_deregisters_what_an_agent_owns_is_warned() {
    let address = address(6);
    let process = started(address, "node_name = \"n\u{e4}\"").await;
    put(address, "/v1/agent/service/register", r#"{"Name": "web", "Check": {"TTL": "1h"}}"#).await;
    let node = "n\u{e4}";
    let foreign =
        format!(r#"{{"Node": "{node}", "SkipNodeUpdate": true, "Service": {{"Service": "db"}}}}"#);
    put(address, "/v1/catalog/register", &foreign).await;
    let other = r#"{"Node": "n2", "Address": "127.0.0.1", "Service": {"Service": "web"}}"#;
    put(address, "/v1/catalog/register", other).await;
    let warning = |answer: &str| {
        let answer = answer.to_lowercase();
        answer.lines().find_map(|line| line.strip_prefix("warning: ").map(str::to_owned))
    };
    let warned = async |node: &str, what: &str| {
        let body = format!(r#"{{"Node": "{node}"{what}}}"#);
        warning(&put(address, "/v1/catalog/deregister", &body).await)
    };
    let text = |what: &str, call: &str| {
        Some(format!(
            "299 - \"agent nu{{e4}} owns this {what} and will register it again, ask it: /v1/agent/{call}\""
        ))
    };
    let deleted = async |removals: &[(&str, &str)]| {
        let removal = |(node, id): &(&str, &str)| {
            let service = format!(r#""Node": "{node}", "Service": {{"Service": "{id}"}}"#);
            format!(r#"{{"Service": {{"Verb": "delete", {service}}}}}"#)
        };
        let ops: Vec<_> = removals.iter().map(removal).collect();
        warning(&put(address, "/v1/txn", &format!("[{}]", ops.join(","))).await)
    };
    assert_eq!(deleted(&[("n2", "web")]).await, None);
    let both = deleted(&[(node, "db"), (node, "web")]).await;
    assert_eq!(both, text("service", "service/deregister"));
    assert_eq!(warned("n2", r#", "ServiceID": "web""#).await, None);
    assert_eq!(warned(node, r#", "ServiceID": "db""#).await, None);
    assert_eq!(
        warned(node, r#", "CheckID": "service:web""#).await,
        text("check", "check/deregister")
    );
    assert_eq!(
        warned(node, r#", "ServiceID": "web""#).await,
        text("service", "service/deregister")
    );
    assert_eq!(warned(node, "").await, text("node", "leave"));
    process.running.stop().await;
}

#[tokio::test]
async fn a_restoring_goes_to_its_end_though_the_client_hangs_up() {
    let address = address(7);
    let process = started(address, "node_name = \"n1\"").await;
    put(address, "/v1/agent/service/register", r#"{"Name": "web"}"#).await;
    let mut state = catalog::Snapshot::default();
    let (create, modify) = (catalog::ModifyIndex(1), catalog::ModifyIndex(1));
    state.enter(catalog::Row::Entry(catalog::Entry::new(catalog::Fields {
        key: b"restored",
        value: b"",
        flags: 0,
        lock_index: 0,
        session: None,
        create,
        modify,
    })));
    let mut archive = Vec::new();
    let meta = archive::Meta::default();
    let records = |out: &mut dyn std::io::Write| crate::records::write(&state, "dc1", out);
    archive::write(&mut archive, &meta, records).unwrap();

    let site = process.running.site();
    let state = || site.catalogue().read().clone();
    let spool = crate::shell::Spool::of(&archive);
    let mut restoring =
        Box::pin(crate::shell::restore(site, spool, crate::http::Parameters::default()));
    while state().kv_get(b"restored").is_none() {
        tokio::select! {
            biased;
            reply = &mut restoring => assert_eq!(reply.status, 200),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(restoring);
    let registered = async {
        for service in ["consul", "web"] {
            while state().service(&"n1".into(), &service.into()).is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    timeout(PATIENCE / 2, registered).await.unwrap();
    process.running.stop().await;
}

#[tokio::test]
async fn watches_of_the_configuration_run_their_handlers_and_are_reloaded() {
    let folder = Folder(std::env::temp_dir().join(format!("tribune-watch-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let (script, shell) = (folder.0.join("script"), folder.0.join("shell"));
    let config = folder.0.join("watches.hcl");
    let key = format!(
        r#"{{ type = "key" key = "a" args = ["sh", "-c", "cat >> {}"] }}"#,
        script.display()
    );
    std::fs::write(&config, format!("watches = [{key}]")).unwrap();
    let address = address(4);
    let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
    let mut process = started(address, "").await;
    process.flags.push(flag("config-file", &config.display().to_string()));
    assert_eq!(reload::reload(&mut process).await, Ok(()));
    assert_eq!(written(&script, "\n").await, "null\n");
    put(address, "/v1/kv/a", "1").await;
    let told = written(&script, "\"Value\":\"MQ==\",\"Session\":\"\"}\n").await;
    assert!(told.starts_with("null\n{\"Key\":\"a\","), "{told}");

    // One more; what was there is not told again, and the socket stays where it is.
    let service =
        format!(r#"{{ type = "services" handler = "echo $CONSUL_INDEX >> {}" }}"#, shell.display());
    let moved = format!("ports {{ http = 1 }} watches = [{key}, {service}]");
    std::fs::write(&config, moved).unwrap();
    assert_eq!(reload::reload(&mut process).await, Ok(()));
    let index: u64 = written(&shell, "\n").await.trim().parse().unwrap();
    assert!(index > 0);
    assert_eq!(std::fs::read_to_string(&script).unwrap(), told);

    // What cannot be run changes nothing.
    std::fs::write(&config, r#"watches = [{ type = "zz" handler = "x" }]"#).unwrap();
    let why = reload::reload(&mut process).await.unwrap_err();
    assert!(why.ends_with("Unsupported watch type: zz"), "{why}");
    put(address, "/v1/kv/a", "2").await;
    let more = written(&script, "\"Value\":\"Mg==\",\"Session\":\"\"}\n").await;
    assert!(more.starts_with(&told), "{more}");
    process.running.stop().await;
}

#[tokio::test]
async fn a_reload_answers_for_the_same_zones_with_other_times() {
    let folder = Folder(std::env::temp_dir().join(format!("tribune-zones-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let config = folder.0.join("zones.hcl");
    let address = address(7);
    let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
    let mut process = started(address, r#"node_name = "n1" alt_domain = "old""#).await;
    process.flags.retain(|flag| flag.name != "hcl");
    process.flags.push(flag("config-file", &config.display().to_string()));
    let write = |domain: &str, ttl| {
        let settings = format!(
            r#"node_name = "n2" domain = "{domain}" alt_domain = "new"
               dns_config {{ node_ttl = "{ttl}s" }}"#
        );
        std::fs::write(&config, settings).unwrap();
    };
    write("other", 7);
    assert_eq!(reload::reload(&mut process).await, Ok(()));
    let (new, _) = read(&process.flags).unwrap();
    // One that could not even be written in a message changes nothing.
    write(&"a".repeat(64), 8);
    let refused = reload::reload(&mut process).await.unwrap_err();
    assert!(refused.starts_with("domain ") && refused.contains("is no domain name"), "{refused}");
    for (name, code) in [
        ("n1.node.consul", "NOERROR"),
        ("n1.node.old", "NOERROR"),
        ("n1.node.new", "REFUSED"),
        ("n1.node.other", "REFUSED"),
    ] {
        let answer = get(address, &format!("/v1/tribune/explain/dns/{name}")).await;
        assert!(answer.contains(&format!(r#""Code": "{code}""#)), "{name}: {answer}");
        assert_eq!(answer.contains(" 7 "), code == "NOERROR", "{name}: {answer}");
    }
    let rules = options::dns_rules(&new, &process.settings);
    assert_eq!((&*rules.zone.node, rules.zone.node_ttl), ("n1", Duration::from_secs(7)));
    process.running.stop().await;
}

#[tokio::test]
async fn an_explanation_is_for_who_asks_and_for_the_room_it_has() {
    let address = address(8);
    let process = started(address, r#"node_name = "own""#).await;
    let other = r#"{"Node": "n2", "Address": "10.0.0.2", "Service": {"Service": "web"}}"#;
    put(address, "/v1/catalog/register", other).await;
    let query = r#"{"Name": "pq", "Service": {"Service": "web", "Near": "_ip"}}"#;
    send("POST", address, "/v1/query", query).await;
    let explained = async |parameters: &str| {
        let path = format!("/v1/tribune/explain/dns/pq.query.consul{parameters}");
        get_with(address, &path, &format!("X-Forwarded-For: {address}\r\n")).await
    };
    let answer = explained("").await;
    assert!(answer.contains("sorted by distance from own"), "{answer}");
    assert!(answer.contains("at most 512 bytes"), "{answer}");
    let answer = explained("?edns=1400").await;
    assert!(answer.contains("at most 1400 bytes"), "{answer}");
    let answer = explained("?edns=65536").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // What no path can say, and types that nobody has here.
    for (name, record_type, asked) in [
        (".", "IXFR", "asked for IXFR of ., at most"),
        ("a%2fb.service.consul", "caa", "asked for CAA of a/b.service.consul., at most"),
        ("a//b.node.consul", "TYPE64", "asked for SVCB of a//b.node.consul., at most"),
    ] {
        let path = format!("/v1/tribune/explain/dns/?name={name}&type={record_type}");
        let answer = get(address, &path).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(asked), "{answer}");
    }
    for impossible in ["..", "a..b"] {
        let answer = get(address, &format!("/v1/tribune/explain/dns/?name={impossible}")).await;
        let why = format!("There can be no name \"{impossible}\" in DNS");
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(&why), "{answer}");
    }
    process.running.stop().await;
}

#[test]
fn what_can_be_no_recursor_is_refused() {
    let with = |recursor: &str| {
        let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
        read(&[flag("dev", "true"), flag("recursor", recursor)]).map(|(settings, _)| settings)
    };
    let taken = with("8.8.8.8 resolver:54").unwrap().network.recursors;
    assert_eq!(taken, ["8.8.8.8", "resolver:54"]);
    let why = with("8.8.8.8:53x").unwrap_err().message;
    assert_eq!(why, "Invalid recursor address: \"8.8.8.8:53x\"");
}

#[tokio::test]
async fn a_watch_tells_a_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let hcl = format!(
        r#"watches = [{{ type = "keyprefix" prefix = "none/" handler_type = "http"
             http_handler_config {{ path = "http://{at}/told" }} }}]"#
    );
    let process = started(address(5), &hcl).await;
    let accepted = timeout(PATIENCE, listener.accept()).await.unwrap();
    let (mut stream, _) = accepted.unwrap();
    let mut request = String::new();
    while !request.ends_with("null") {
        let mut piece = [0; 4096];
        let count = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
        assert!(count > 0, "{request}");
        request.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    let head = request.to_lowercase();
    assert!(head.starts_with("post /told http/1.1\r\n"), "{request}");
    assert!(head.contains("content-type: application/json\r\n"), "{request}");
    assert!(head.contains("x-consul-index: "), "{request}");
    process.running.stop().await;
}
