//! How sources go together, what settings come of them, and what is said of mistakes that no
//! recording has.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use gotext::object::Object;
use proptest::prelude::*;
use settings::{
    Content, Failure, Files, FlagSetting, Host, Interface, LogLevel, Settings, TlsVersion, load,
};

/// Files by path; what ends with a slash is a directory.
struct Memory(BTreeMap<String, String>);

impl Files for Memory {
    fn open(&self, path: &str) -> io::Result<Content> {
        if let Some(text) = self.0.get(path) {
            return Ok(Content::File(text.clone().into_bytes()));
        }
        let names: Vec<_> =
            self.0.keys().filter_map(|p| p.strip_prefix(path)?.strip_prefix('/')).collect();
        match names.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            // Not sorted: who reads them has to.
            false => Ok(Content::Directory(names.into_iter().rev().map(str::to_owned).collect())),
        }
    }

    fn is_directory(&self, path: &str) -> Option<bool> {
        Some(matches!(self.open(path).ok()?, Content::Directory(_)))
    }
}

fn files(files: &[(&str, &str)]) -> Memory {
    Memory(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

fn host() -> Host {
    let interface = |name: &str, address: &str, default_route| Interface {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        prefix: 24,
        up: true,
        default_route,
    };
    Host {
        name: "host".to_owned(),
        interfaces: vec![
            interface("lo", "127.0.0.1", false),
            interface("eth0", "10.0.0.5", true),
            interface("eth0", "fe80::5", true),
            interface("eth1", "8.8.4.4", false),
        ],
    }
}

fn run(flags: &[&str], given: &[(&str, &str)]) -> Result<Settings, Failure> {
    run_on(flags, given, &host())
}

fn run_on(flags: &[&str], given: &[(&str, &str)], host: &Host) -> Result<Settings, Failure> {
    let flags: Vec<_> = flags
        .iter()
        .map(|flag| {
            let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
            FlagSetting { name: name.to_owned(), value: value.to_owned() }
        })
        .collect();
    load(&flags, &files(given), host)
}

/// With `-dev`, and this as the only file.
fn dev(extension: &str, text: &str) -> Result<Settings, Failure> {
    let path = format!("c.{extension}");
    run(&["dev", &format!("config-file={path}")], &[(&path, text)])
}

#[test]
fn later_sources_win_and_lists_are_joined() {
    let settings = run(
        &[
            "retry-join=flag",
            "node=flag",
            "dev",
            "config-dir=dir",
            "config-file=z.json",
            "hcl=datacenter = \"fragment\"",
            "hcl=node_meta { d = \"4\" }",
            "node-meta=c:3:3",
            "datacenter=flag",
        ],
        &[
            (
                "dir/b.json",
                r#"{"node_name": "b", "log_level": "WARN", "retry_join": ["b"],
                               "service": {"name": "b1"}, "services": [{"name": "b2"}]}"#,
            ),
            (
                "dir/a.hcl",
                "node_name = \"a\" log_level = \"ERR\" retry_join = [\"a\"]\n\
                           node_meta { a = \"1\" b = \"1\" }",
            ),
            ("dir/ignored.txt", "?"),
            (
                "z.json",
                r#"{"retry_join": ["z"], "node_meta": {"b": "2"},
                           "ports": {"http": 81}, "services": [{"name": "z"}],
                           "enable_debug": false}"#,
            ),
        ],
    )
    .unwrap();
    assert_eq!(settings.node.name, "flag");
    assert_eq!(settings.datacenter, "fragment");
    assert_eq!(settings.log.level(), Ok(LogLevel::Warn));
    assert_eq!(settings.cluster.retry_join, ["flag", "a", "b", "z"]);
    let meta: Vec<_> = settings.node.meta.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(meta, ["a=1", "b=2", "c=3:3", "d=4"]);
    assert_eq!(settings.network.ports.http, Some(81));
    // What -dev says is below all files.
    assert!(!settings.enable_debug && settings.server && settings.ui.enabled);
    let services: Vec<_> = settings
        .services
        .iter()
        .map(|service| (service.file.as_str(), service.object.clone().field("name").unwrap()))
        .collect();
    let expected: [(_, String); 3] =
        [("dir/b.json", "b1".into()), ("dir/b.json", "b2".into()), ("z.json", "z".into())];
    assert_eq!(services, expected);
    assert_eq!(settings.warnings.len(), 1);
    assert!(settings.warnings[0].starts_with("skipping file dir/ignored.txt"));
}

#[test]
fn formats_can_be_given() {
    let given = [("dir/a.conf", "node_name = \"a\""), ("b", "node_name = \"b\"")];
    let settings = run(&["dev", "config-format=hcl", "config-dir=dir", "config-file=b"], &given);
    assert_eq!(settings.unwrap().node.name, "b");
    let failure = run(&["dev", "config-file=b"], &given).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "file b has unknown extension; must be .hcl or .json, or config format must be set"
    );
}

#[test]
fn defaults_are_those_of_a_server() {
    let settings = run(&["server", "data-dir=/d", "bootstrap-expect=3"], &[]).unwrap();
    assert_eq!(settings.node.name, "host");
    assert_eq!((settings.bootstrap, settings.bootstrap_expect), (false, 3));
    let network = &settings.network;
    assert_eq!(network.bind.to_string(), "0.0.0.0");
    assert_eq!(network.advertise.to_string(), "10.0.0.5");
    let tagged: Vec<_> = network.tagged_addresses.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(tagged, ["lan=10.0.0.5", "lan_ipv4=10.0.0.5", "wan=10.0.0.5", "wan_ipv4=10.0.0.5"]);
    assert_eq!(network.http[0].to_string(), "127.0.0.1:8500");
    assert!(network.https.is_empty() && network.grpc.is_empty());
    assert_eq!(network.grpc_tls[0].to_string(), "127.0.0.1:8503");
    assert_eq!(network.ports.sidecars, Some((21000, 21255)));
    assert!(!settings.cluster.leave_on_terminate && settings.cluster.skip_leave_on_interrupt);
    assert_eq!(settings.default_query_time, Duration::from_secs(300));
    assert_eq!(settings.limits.kv_max_value_size, 512 << 10);
    assert_eq!(settings.limits.http_max_conns_per_client, Some(200));
    assert_eq!(settings.checks.output_max_size, 4096);
    assert_eq!(settings.dns.soa, [3600, 600, 86400, 0]);
    assert_eq!(settings.dns.domain, "consul.");
    assert_eq!(settings.telemetry.blocked_prefixes, ["consul.rpc.server.call"]);
    assert_eq!(settings.tls.https.min_version, TlsVersion::V1_2);
    assert_eq!(settings.gossip.lan.probe_interval, Duration::from_secs(1));
    assert!(settings.check_start().is_err_and(|failure| failure.hint.is_some()));
}

#[test]
fn values_of_every_type_in_hcl() {
    let settings = dev(
        "hcl",
        r#"
        addresses { http = "unix:///run/c.sock 127.0.0.3" https = "{{ GetPrivateIP }}" }
        ports { https = 0x2135 dns = -1 }
        limits { rpc_rate = 1.5 http_max_conns_per_client = 0 }
        http_config {
            response_headers { X-A = "b" }
            block_endpoints = ["/v1/kv"]
            allow_write_http_from = ["10.0.0.0/8", "::1/128"]
        }
        dns_config { service_ttl { "*" = "5s" } soa { refresh = 7 } }
        tls {
            defaults { ca_file = "ca" tls_min_version = "TLSv1_3" verify_incoming = true }
            https { verify_incoming = false tls_cipher_suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" }
        }
        connect { ca_config { a { b = 1 } } }
        service {
            Name = "web"
            check { id = "c" args = ["x"] interval = "5s" Header = { h = ["1", "2"] } }
            connect { sidecar_service { port = 1 proxy { upstreams { destination_name = "x" } } } }
        }
        checks = [{ serviceid = "web", ttl = "1m" }]
        watches { type = "key" args = ["a"] }
        "#,
    )
    .unwrap();
    let network = &settings.network;
    let http: Vec<_> = network.http.iter().map(ToString::to_string).collect();
    assert_eq!(http, ["unix:///run/c.sock", "127.0.0.3:8500"]);
    assert_eq!(network.https[0].to_string(), "10.0.0.5:8501");
    assert!(network.dns.is_empty());
    assert_eq!(settings.limits.http_max_conns_per_client, None);
    assert_eq!(settings.given.float("limits.rpc_rate"), Some(1.5));
    assert_eq!(settings.http.response_headers["X-A"], "b");
    assert!(settings.http.allow_write_http_from[0].contains("10.9.9.9".parse().unwrap()));
    assert!(!settings.http.allow_write_http_from[0].contains("11.0.0.0".parse().unwrap()));
    assert!(settings.http.allow_write_http_from[1].contains("::1".parse().unwrap()));
    assert_eq!(settings.dns.service_ttl["*"], Duration::from_secs(5));
    assert_eq!(settings.dns.soa, [7, 600, 86400, 0]);
    assert!(settings.tls.grpc.verify_incoming && !settings.tls.https.verify_incoming);
    assert_eq!(settings.tls.https.min_version, TlsVersion::V1_3);
    assert_eq!(settings.tls.https.cipher_suites.len(), 1);
    let config = settings.given.given("connect.ca_config").unwrap();
    assert_eq!(config.to_string(), "map[a:map[b:1]]");

    let mut service = settings.services[0].object.clone();
    assert_eq!(service.field::<String>("name").unwrap(), "web");
    let mut check: Object = service.optional("check").unwrap().unwrap();
    assert_eq!(check.field::<Vec<String>>("args").unwrap(), ["x"]);
    let mut connect: Object = service.optional("connect").unwrap().unwrap();
    let mut sidecar: Object = connect.optional("sidecar_service").unwrap().unwrap();
    let mut proxy: Object = sidecar.optional("proxy").unwrap().unwrap();
    assert_eq!(proxy.objects("upstreams").unwrap().unwrap().len(), 1);
    let mut check = settings.check_definitions[0].object.clone();
    assert_eq!(check.field::<String>("service_id").unwrap(), "web");
    let mut watch = settings.watches[0].object.clone();
    assert_eq!(watch.field::<Vec<String>>("args").unwrap(), ["a"]);
}

#[test]
fn mistakes_are_named() {
    for (extension, text, message, hint) in [
        (
            "json",
            r#"{"DataDir": 1}"#,
            "1 error occurred:\n\t* invalid config key DataDir\n\n",
            "did you mean 'data_dir' instead of 'DataDir'?",
        ),
        (
            "json",
            r#"{"ports": {"htp": 1}}"#,
            "1 error occurred:\n\t* invalid config key ports.htp\n\n",
            "did you mean 'ports.http' instead of 'ports.htp'?",
        ),
        (
            "json",
            r#"{"ports.http": 1}"#,
            "1 error occurred:\n\t* invalid config key ports.http\n\n",
            "'http' stands in the block 'ports', which a dot cannot say",
        ),
        (
            "hcl",
            "services { check { intervall = \"1s\" } }",
            "1 error occurred:\n\t* invalid config key services[0].check.intervall\n\n",
            "did you mean 'services[0].check.interval' instead of 'services[0].check.intervall'?",
        ),
        (
            "hcl",
            "node_name = 5",
            "1 error(s) decoding:\n\n* 'node_name' expected type 'string', got unconvertible type 'int', value: '5'",
            "",
        ),
        (
            "hcl",
            "node_name = 5.5",
            "1 error(s) decoding:\n\n* 'node_name' expected type 'string', got unconvertible type 'float64', value: '5.5'",
            "",
        ),
        (
            "hcl",
            "recursors = [1]",
            "1 error(s) decoding:\n\n* 'recursors[0]' expected type 'string', got unconvertible type 'int', value: '1'",
            "",
        ),
        (
            "json",
            r#"{"service": {"port": true, "tags": [1]}, "ports": []}"#,
            "3 error(s) decoding:\n\n* 'ports' expected a map, got 'slice'\n* 'service.port' expected type 'int', got unconvertible type 'bool', value: 'true'\n* 'service.tags[0]' expected type 'string', got unconvertible type 'float64', value: '1'",
            "",
        ),
        (
            "json",
            r#"{"service": {"check": {"header": {"a": "b"}}}}"#,
            "1 error(s) decoding:\n\n* 'service.check.header[a]': source data must be an array or slice, got string",
            "",
        ),
        (
            "json",
            "7",
            "json: cannot unmarshal number into Go value of type map[string]interface {}",
            "",
        ),
        ("hcl", "x = \"", "At 1:5: literal not terminated", ""),
    ] {
        let failure = dev(extension, text).unwrap_err();
        assert_eq!(failure.to_string(), format!("failed to parse c.{extension}: {message}"));
        let hinted = failure.hint.unwrap_or_default();
        assert_eq!(hinted, hint, "{text}");
    }
}

#[test]
fn addresses_that_cannot_be_are_refused() {
    let mut several = host();
    several.interfaces[3].address = "192.168.0.1".parse().unwrap();
    let failure = run_on(&["server", "data-dir=d"], &[], &several).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Multiple private IPv4 addresses found. Please configure one with 'bind' and/or \
         'advertise'."
    );
    assert_eq!(failure.hint.as_deref(), Some("there are 10.0.0.5, 192.168.0.1"));
    let advertised = run_on(&["server", "data-dir=d", "advertise=1.2.3.4"], &[], &several);
    assert_eq!(advertised.unwrap().network.advertise.to_string(), "1.2.3.4");

    let none = Host { interfaces: Vec::new(), ..host() };
    let failure = run_on(&["server", "data-dir=d"], &[], &none).unwrap_err();
    assert_eq!(failure.to_string(), "No private IPv4 address found");

    let failure = run(&["dev", "bind={{ Nope }}"], &[]).unwrap_err();
    assert_eq!(failure.to_string(), "bind_addr cannot be empty");
    assert!(failure.hint.unwrap().contains("there is no function Nope"));
    let bound = run(&["dev", "bind={{ GetInterfaceIP \"eth1\" }}"], &[]).unwrap();
    assert_eq!(bound.network.bind.to_string(), "8.8.4.4");
    assert_eq!(bound.network.advertise.to_string(), "8.8.4.4");
    let failure = run(&["dev", "client={{ GetNothing }}"], &[]).unwrap_err();
    assert!(failure.to_string().contains("client_addr: invalid template"), "{failure}");
    let failure = dev("hcl", "recursors = [\"[::]:53\"]").unwrap_err();
    assert_eq!(failure.to_string(), "DNS recursor address cannot be 0.0.0.0, :: or [::]");
}

#[test]
fn old_names_give_way_to_new_ones() {
    let settings = dev(
        "json",
        r#"{"ca_file": "old", "tls": {"defaults": {"ca_file": "new"}}, "tls_min_version": "tls13",
            "start_join": ["old"], "retry_join": ["new"], "acl_token": "t", "ui": false}"#,
    )
    .unwrap();
    assert_eq!(settings.tls.https.ca_file.as_deref(), Some("new".as_ref()));
    assert_eq!(settings.tls.grpc.min_version, TlsVersion::V1_3);
    assert_eq!(settings.cluster.retry_join, ["new", "old"]);
    assert_eq!(settings.acl.default_token.reveal(), "t");
    assert!(!settings.ui.enabled);
    assert_eq!(settings.warnings.len(), 5);
}

#[test]
fn secrets_are_not_shown() {
    let settings = dev(
        "hcl",
        "encrypt = \"MTIzNDU2Nzg5MDEyMzQ1Ng==\"\nacl { tokens { agent = \"hush\" } }\n\
         service { name = \"a\" token = \"hush\" }",
    )
    .unwrap();
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hush") && !shown.contains("MTIz") && !shown.contains("49, 50"));
}

#[test]
fn a_reload_names_what_waits_for_a_restart() {
    let old = dev("hcl", "log_level = \"INFO\" data_dir = \"a\"").unwrap();
    let new = dev("hcl", "log_level = \"WARN\" data_dir = \"b\" ports { http = 1 }").unwrap();
    assert_eq!(old.check_reload(&new), Ok(vec!["data_dir", "ports.http"]));
    assert_eq!(old.check_reload(&old), Ok(Vec::new()));
    let other = dev("hcl", "datacenter = \"other\"").unwrap();
    let failure = old.check_reload(&other).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "datacenter cannot change from \"dc1\" to \"other\" without a restart"
    );
}

#[test]
fn what_is_yet_to_come_is_refused_at_the_start() {
    for (flags, words) in [
        (&["data-dir=d"][..], "server only"),
        (&["server", "data-dir=d", "bootstrap-expect=3"], "several servers"),
        (&["dev", "retry-join=provider=aws tag_key=x"], "cloud"),
        (&["dev", "node-id=x"], "uuid string is wrong length"),
        (&["dev", "serf-lan-allowed-cidrs=10.0.0.0/8"], "serf_lan_allowed_cidrs cannot keep"),
        (&["dev", "serf-wan-allowed-cidrs=10.0.0.0/8"], "serf_wan_allowed_cidrs cannot keep"),
        (&["dev", "hcl=limits { request_limits { mode = \"enforcing\" } }"], "not limited yet"),
        (&["dev", "hcl=acl { enabled = true default_policy = \"deny\" }"], "no access control"),
    ] {
        let failure = run(flags, &[]).unwrap().check_start().unwrap_err();
        assert!(failure.to_string().contains(words) && failure.hint.is_some(), "{failure}");
    }
    let old = dev("hcl", "").unwrap();
    for new in [
        "serf_lan_allowed_cidrs = [\"10.0.0.0/8\"]",
        "acl { enabled = true default_policy = \"deny\" }",
    ] {
        let new = dev("hcl", new).unwrap();
        assert!(old.check_reload(&new).is_err(), "a reload does not take what no start would");
    }
    for taken in [
        "limits { request_limits { mode = \"permissive\" } }",
        "acl { enabled = true }",
        "acl { default_policy = \"deny\" }",
    ] {
        assert_eq!(dev("hcl", taken).unwrap().check_start(), Ok(()));
    }
}

/// JSON with known and unknown keys at known and unknown places.
fn json() -> impl Strategy<Value = String> {
    let key = prop::sample::select(
        &[
            "service",
            "services",
            "check",
            "checks",
            "ports",
            "http",
            "node_meta",
            "connect",
            "ca_config",
            "watches",
            "retry_join",
            "bind_addr",
            "nope",
            "tls",
            "defaults",
            "name",
            "segments",
            "recursors",
            "encrypt",
            "dns_config",
            "soa",
            "refresh",
            "alt_domain",
        ][..],
    );
    let leaf =
        prop::sample::select(
            &[
                "1",
                "-1",
                "1e300",
                "true",
                "null",
                "\"x\"",
                "\"{{ GetPrivateIP }}\"",
                "\"10s\"",
                "[]",
            ][..],
        )
        .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key.clone(), inner), 0..4).prop_map(|fields| {
                let fields = fields.iter().map(|(key, value)| format!("\"{key}\":{value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

#[test]
fn the_old_name_of_the_primary_datacenter_switches_access_control_on() {
    let settings = dev("json", r#"{"acl_datacenter": "dc1"}"#).unwrap();
    assert!(settings.acl.enabled);
    assert_eq!(settings.primary_datacenter, "dc1");
    assert!(!dev("json", r#"{"primary_datacenter": "dc1"}"#).unwrap().acl.enabled);
}

proptest! {
    #[test]
    fn never_panics(text in json(), bytes in ".{0,60}") {
        for (extension, text) in [("json", &text), ("hcl", &text), ("json", &bytes), ("hcl", &bytes)] {
            match dev(extension, text) {
                Ok(settings) => {
                    let _ = settings.check_after_banner();
                    if settings.check_start().is_ok() {
                        prop_assert_eq!(settings.check_reload(&settings), Ok(Vec::new()));
                    }
                }
                Err(failure) => prop_assert!(!failure.to_string().is_empty()),
            }
        }
    }
}
