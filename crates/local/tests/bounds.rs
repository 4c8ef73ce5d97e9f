//! Nothing that comes from outside ends the agent: bodies, files, views of the catalogue.

#![allow(clippy::unwrap_used)]

use catalog::{Check, Node, Service};
use gotext::object::Object;
use local::{
    CheckDefinition, Config, Input, Local, RemoteView, ServiceDefinition, Source, Time,
    agent_proxy, content_hash, parse_update,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

const NOW: Time = Time::from_secs(1_700_000_000);

fn agent() -> Local {
    let mut config = Config::new(Node { name: "n1".into(), ..Node::default() });
    config.scripts_of_requests = true;
    config.os_services = true;
    Local::new(config, NOW, SmallRng::seed_from_u64(1))
}

const NAMES: &[&str] = &[
    "Name",
    "ID",
    "Tags",
    "Port",
    "Check",
    "Checks",
    "TTL",
    "HTTP",
    "Interval",
    "AliasService",
    "Connect",
    "SidecarService",
    "sidecar_service",
    "Proxy",
    "DestinationServiceName",
    "Kind",
    "Upstreams",
    "DestinationName",
    "LocalBindPort",
    "Config",
    "Weights",
    "Passing",
    "Address",
    "TaggedAddresses",
    "Meta",
    "Status",
    "Output",
    "Service",
    "Token",
    "CheckID",
    "ChkType",
    "ServiceID",
    "Expires",
    "Source",
    "Args",
    "Header",
    "OutputMaxSize",
    "Expose",
    "Paths",
    "DeregisterCriticalServiceAfter",
    "FailuresBeforeCritical",
    "Locality",
    "Timeout",
];

const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "80",
    "1e300",
    "9223372036854775807",
    "1.5",
    r#""""#,
    r#""web""#,
    r#""10s""#,
    r#""-1s""#,
    r#""2562047h""#,
    r#""connect-proxy""#,
    r#""mesh-gateway""#,
    r#""*""#,
    r#""10.0.0.1""#,
    r#""::""#,
    r#""passing""#,
    r#""\u0000""#,
    r#""remote""#,
    "[]",
    "{}",
    "[null]",
];

/// JSON that is nearly a definition.
fn nearly() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(VALUES).prop_map(str::to_owned);
    leaf.prop_recursive(5, 48, 8, |inner| {
        let field = (prop::sample::select(NAMES), inner.clone());
        prop_oneof![
            4 => prop::collection::vec(field, 0..8).prop_map(|fields| {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
            1 => prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

/// JSON that is a definition but for a few fields.
fn definition() -> impl Strategy<Value = String> {
    let field = |names: &'static [&'static str], values: &'static [&'static str]| {
        (prop::sample::select(names), prop::sample::select(values))
    };
    let texts: &[&str] = &[r#""""#, r#""web""#, r#""10.0.0.1""#, r#""passing""#, r#""*""#, "null"];
    let numbers: &[&str] = &["0", "-1", "80", "9223372036854775807", "null"];
    let durations: &[&str] = &[r#""10s""#, "0", "-1", "1e300", r#""2562047h""#, "true"];
    let kinds: &[&str] = &[r#""""#, r#""connect-proxy""#, r#""ingress-gateway""#, r#""x""#];
    let check = prop::collection::vec(
        prop_oneof![
            field(&["CheckID", "HTTP", "TCP", "AliasService", "AliasNode"], texts),
            field(&["TTL", "Interval", "DeregisterCriticalServiceAfter", "Timeout"], durations),
            field(&["FailuresBeforeCritical", "SuccessBeforePassing", "OutputMaxSize"], numbers),
        ],
        0..5,
    );
    let service = prop::collection::vec(
        prop_oneof![
            field(&["ID", "Address", "SocketPath"], texts),
            field(&["Port"], numbers),
            field(&["Kind"], kinds),
            field(&["Connect"], &[r#"{"Native":true}"#, r#"{"SidecarService":{}}"#, "null"]),
            field(&["Proxy"], &["{}", r#"{"DestinationServiceName":"b"}"#]),
        ],
        0..5,
    );
    let list = |fields: Vec<(&str, &str)>| -> String {
        fields.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect()
    };
    (service, check.clone(), check).prop_map(move |(service, one, two)| {
        let (one, two) = (list(one), list(two));
        let checks = format!(r#"[{{"Name":"c"{one}}},{{"Name":"d"{two}}}]"#);
        format!(r#"{{"Name":"web"{},"Checks":{checks}}}"#, list(service))
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn bodies(text in prop_oneof![nearly(), definition()], cut in 0..400_usize) {
        let mut local = agent();
        for body in [text.as_bytes(), &text.as_bytes()[..cut.min(text.len())]] {
            if let Ok(service) = ServiceDefinition::parse(body) {
                let _ = content_hash(service.service());
                let _ = agent_proxy(service.service().proxy.as_deref());
                let _ = local.register_service(NOW, service, Source::Request, "", true);
            }
            if let Ok(check) = CheckDefinition::parse(body) {
                let _ = local.register_check(NOW, check, Source::Request, "");
            }
            let _ = parse_update(body);
            if let Ok(object) = Object::parse(body) {
                if let Ok(service) = ServiceDefinition::from_file(object.clone()) {
                    let _ = (service.complaints(), service.validate());
                    local.register_files(NOW, vec![service], vec![]);
                }
                let _ = CheckDefinition::from_file(object).map(|check| check.validate());
            }
        }
        local.handle(Time::from_nanos(u64::MAX), Input::Tick);
    }

    #[test]
    fn definitions(body in definition()) {
        let mut local = agent();
        if let Ok(service) = ServiceDefinition::parse(body.as_bytes()) {
            let id = service.service().id.clone();
            prop_assert!(!id.is_empty());
            if local.register_service(NOW, service, Source::Request, "", true).is_ok() {
                prop_assert!(local.health(&id).is_some_and(|health| health.checks.len() <= 2));
            }
        }
        for number in 0..4 {
            local.handle(NOW + std::time::Duration::from_secs(number * 40), Input::Tick);
        }
        local.handle(Time::from_nanos(u64::MAX), Input::Tick);
    }

    #[test]
    fn files(texts in prop::collection::vec((0..3_usize, nearly()), 1..6), raw: Vec<u8>) {
        let directory = |which: usize| local::DIRECTORIES[which];
        let mut files: Vec<(String, Vec<u8>)> = texts
            .into_iter()
            .enumerate()
            .map(|(number, (which, text))| {
                (format!("{}/{number}", directory(which)), text.into_bytes())
            })
            .collect();
        files.push(("checks/raw".to_owned(), raw));
        let mut local = agent();
        local.load(NOW, files);
        local.handle(Time::from_nanos(u64::MAX), Input::Tick);
    }

    #[test]
    fn views(proxy in nearly(), locality in nearly(), definition in nearly()) {
        let mut local = agent();
        let body = br#"{"Name":"web","Proxy":{},"Check":{"TTL":"1h"}}"#;
        let web = ServiceDefinition::parse(body).unwrap();
        local.register_service(NOW, web, Source::Request, "", false).unwrap();
        local.handle(NOW, Input::TokensChanged);
        let service = Service {
            id: "web".into(),
            name: "web".into(),
            kind: "connect-proxy".into(),
            proxy: Some(proxy.into()),
            locality: Some(locality.into()),
            ..Service::default()
        };
        let _ = content_hash(&service);
        let id = "service:web".into();
        let check = Check { id, definition: Some(definition.into()), ..Check::default() };
        let view = RemoteView { node: None, services: vec![service], checks: vec![check] };
        local.handle(NOW, Input::Remote(Ok(view)));
    }
}

#[test]
fn a_service_has_a_bounded_number_of_checks() {
    let register = |count: usize| {
        let checks: Vec<_> =
            (0..count).map(|n| format!(r#"{{"TTL":"1m","CheckID":"{n}"}}"#)).collect();
        let body = format!(r#"{{"Name":"web","Checks":[{}]}}"#, checks.join(","));
        let definition = ServiceDefinition::parse(body.as_bytes()).unwrap();
        agent().register_service(NOW, definition, Source::Request, "", false).map(drop)
    };
    assert_eq!(register(512), Ok(()));
    let refused = register(513).unwrap_err();
    assert_eq!(refused.status(), 400);
    assert!(refused.to_string().contains("513"), "{refused}");
}
