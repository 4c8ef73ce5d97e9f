#![allow(clippy::unwrap_used)]

use catalog::Uuid;
use settings::{Disk, FlagSetting, Host};

use super::*;
use crate::identity::Meta;

fn shown(hcl: &str) -> Value {
    let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
    let flags = [flag("dev", "true"), flag("node", "node1"), flag("hcl", hcl)];
    let settings = settings::load(&flags, &Disk, &Host::default()).unwrap();
    let address = settings.network.advertise;
    let identity = Identity {
        node: settings.node.name.as_str().into(),
        node_id: Uuid::from_bytes([1; 16]),
        datacenter: settings.datacenter.as_str().into(),
        advertise: address,
        advertise_wan: settings.network.advertise_wan,
        server: (address, settings.network.ports.server).into(),
        expect: settings.bootstrap_expect,
        meta: Meta::new(Vec::new()),
    };
    shown_configuration(&settings, &identity)
}

#[test]
fn every_row_names_an_option() {
    let all = [SWITCHES, NUMBERS, RATES, DURATIONS, TEXTS, LISTS].concat();
    for (name, key) in all {
        assert!(settings::rows().any(|row| row.name() == key), "{name}: {key}");
    }
}

#[test]
fn what_was_configured_is_shown() {
    let shown = shown(
        r#"ports { dns = 9600 https = 9501 } limits { kv_max_value_size = 1000 }
           telemetry { disable_hostname = true } recursors = ["9.9.9.9"]
           autopilot { max_trailing_logs = 7 } dns_config { service_ttl { web = "5s" } }"#,
    );
    for (name, value) in [
        ("DNSPort", json!(9600)),
        ("DNSAddrs", json!(["tcp://127.0.0.1:9600", "udp://127.0.0.1:9600"])),
        ("HTTPSAddrs", json!(["tcp://127.0.0.1:9501"])),
        ("KVMaxValueSize", json!(1000)),
        ("AutopilotMaxTrailingLogs", json!(7)),
        ("DNSServiceTTL", json!({ "web": "5s" })),
        ("DNSRecursors", json!(["9.9.9.9"])),
        ("NodeName", json!("node1")),
        ("RPCRateLimit", json!(f64::MAX)),
        ("MaxQueryTime", json!("10m0s")),
        ("DevMode", json!(true)),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    assert_eq!(shown["Telemetry"]["DisableHostname"], true);
}

#[test]
fn no_secret_is_shown() {
    let key = "MDEyMzQ1Njc4OWFiY2RlZg==";
    let text = shown(&format!(
        r#"encrypt = "{key}"
           acl {{ tokens {{ default = "s3cret" agent = "s3cret" agent_recovery = "s3cret"
                            initial_management = "s3cret" replication = "s3cret" }} }}
           http_config {{ response_headers {{ "X-Api-Token" = "s3cret" "X-Plain" = "seen" }} }}
           service {{ name = "web" token = "s3cret"
                      check {{ http = "http://127.0.0.1/" interval = "10s"
                               header {{ Authorization = ["s3cret"] }} }} }}
           watches = [{{ type = "nodes" token = "s3cret" handler_type = "http"
                         http_handler_config {{ path = "http://127.0.0.1/"
                                                header {{ X = ["s3cret"] }} }} }}]
           tls {{ https {{ key_file = "s3cret" }} }}"#
    ))
    .to_string();
    assert!(!text.contains("s3cret") && !text.contains(key), "{text}");
    assert!(text.contains(r#""name":"web""#) && text.contains("seen"), "{text}");
}
