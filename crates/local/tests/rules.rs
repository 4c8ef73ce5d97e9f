//! The rules of services and checks one by one, in virtual time.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use catalog::{CheckId, Node, ServiceId};
use gotext::object::Object;
use local::{
    Aggregate, CheckDefinition, CheckKind, Config, Fact, Input, Local, Output, Refused,
    ServiceDefinition, Source, Status, Ticket, Time, Token,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;

const START: Time = Time::from_secs(1_700_000_000);

fn agent(change: impl FnOnce(&mut Config)) -> Local {
    let mut config = Config::new(Node { name: "n1".into(), ..Node::default() });
    change(&mut config);
    Local::new(config, START, SmallRng::seed_from_u64(1))
}

fn at(seconds: u64) -> Time {
    START + Duration::from_secs(seconds)
}

fn register(local: &mut Local, body: &str) -> Result<Ticket, Refused> {
    let service = ServiceDefinition::parse(body.as_bytes())?;
    local.register_service(START, service, Source::Request, "", false)
}

fn register_check(local: &mut Local, body: &str) -> Result<Ticket, Refused> {
    let check = CheckDefinition::parse(body.as_bytes())?;
    local.register_check(START, check, Source::Request, "")
}

fn status<'a>(local: &'a Local, check: &str) -> (&'a str, &'a str) {
    let row = local.check(&check.into()).unwrap().row();
    (&row.status, &row.output)
}

fn check_ids(local: &Local) -> Vec<&str> {
    local.checks().map(|check| check.row().id.as_str()).collect()
}

fn ran(local: &mut Local, check: &str, status: Status) {
    let input = Input::Ran { check: check.into(), status, output: status.to_string() };
    local.handle(START, input);
}

fn outputs(local: &mut Local) -> Vec<Output> {
    std::iter::from_fn(|| local.poll_output()).collect()
}

#[test]
fn results_count_when_there_are_enough_of_them() {
    let mut local = agent(|_| {});
    let body = r#"{"Name":"c","TCP":"x:1","Interval":"1m","SuccessBeforePassing":2,
        "FailuresBeforeWarning":2,"FailuresBeforeCritical":3}"#;
    register_check(&mut local, body).unwrap();
    let expected = [
        // The first one counts at once.
        (Status::Passing, "passing"),
        (Status::Critical, "passing"),
        (Status::Critical, "warning"),
        (Status::Critical, "critical"),
        (Status::Critical, "critical"),
        (Status::Passing, "critical"),
        (Status::Critical, "critical"),
        (Status::Passing, "critical"),
        (Status::Warning, "warning"),
        (Status::Passing, "passing"),
    ];
    for (number, (result, shown)) in expected.into_iter().enumerate() {
        ran(&mut local, "c", result);
        assert_eq!(status(&local, "c").0, shown, "result {number}");
    }
}

#[test]
fn a_check_without_thresholds_says_what_it_finds() {
    let mut local = agent(|_| {});
    register_check(&mut local, r#"{"Name":"c","TCP":"x:1","Interval":"1m"}"#).unwrap();
    for result in [Status::Critical, Status::Passing, Status::Warning, Status::Critical] {
        ran(&mut local, "c", result);
        assert_eq!(status(&local, "c"), (result.as_str(), result.as_str()));
    }
    // Nobody is told what nobody has.
    ran(&mut local, "nobody", Status::Passing);
}

#[test]
fn other_checks_go_when_they_are_replaced() {
    let mut local = agent(|_| {});
    let two = r#"{"Name":"web","Checks":[{"TTL":"1h"},{"TTL":"2h","Status":"passing"}]}"#;
    register(&mut local, two).unwrap();
    local.enter_service_maintenance(START, &"web".into(), "why", "").unwrap();
    register(&mut local, r#"{"Name":"web","Check":{"TTL":"1h"}}"#).unwrap();
    let all = ["_service_maintenance:web", "service:web", "service:web:1", "service:web:2"];
    assert_eq!(check_ids(&local), all);
    let one =
        ServiceDefinition::parse(br#"{"Name":"web","Checks":[{"CheckID":"mine","TTL":"1h"}]}"#);
    local.register_service(START, one.unwrap(), Source::Request, "", true).unwrap();
    assert_eq!(check_ids(&local), ["_service_maintenance:web", "mine"]);
}

#[test]
fn a_check_moves_to_the_service_that_names_it() {
    let mut local = agent(|_| {});
    register(&mut local, r#"{"Name":"a","Check":{"CheckID":"c","TTL":"1h"}}"#).unwrap();
    local.update_ttl(START, &"c".into(), Status::Warning, "w").unwrap();
    register(&mut local, r#"{"Name":"b","Check":{"CheckID":"c","TTL":"1h"}}"#).unwrap();
    assert_eq!(status(&local, "c"), ("warning", "w"));
    assert_eq!(local.checks_of(&"a".into()).count(), 0);
    assert_eq!(local.checks_of(&"b".into()).count(), 1);
    local.deregister_service(START, &"a".into()).unwrap();
    assert_eq!(check_ids(&local), ["c"]);
}

#[test]
fn runners_follow_their_checks() {
    let mut local = agent(|_| {});
    let body = r#"{"Name":"c","HTTP":"http://x/","Interval":"10ms","OutputMaxSize":9}"#;
    register_check(&mut local, body).unwrap();
    let starts: Vec<Output> = outputs(&mut local)
        .into_iter()
        .filter(|output| matches!(output, Output::Start { .. }))
        .collect();
    let [Output::Start { check, definition, output_max_bytes: 9 }] = &starts[..] else {
        panic!("{starts:?}")
    };
    assert_eq!((check.as_str(), definition.kind()), ("c", CheckKind::Http));
    assert_eq!(definition.run_interval(), Duration::from_secs(1));
    assert_eq!(definition.run_timeout(), Duration::from_secs(10));
    // The same again goes on; another one starts anew; a TTL has no runner.
    let runners = |local: &mut Local, body: &str| -> Vec<bool> {
        register_check(local, body).unwrap();
        let of_runners = |output: Output| match output {
            Output::Start { .. } => Some(true),
            Output::Stop { .. } => Some(false),
            _ => None,
        };
        outputs(local).into_iter().filter_map(of_runners).collect()
    };
    assert_eq!(runners(&mut local, body), []);
    let other = r#"{"Name":"c","HTTP":"http://y/","Interval":"10s"}"#;
    assert_eq!(runners(&mut local, other), [false, true]);
    assert_eq!(runners(&mut local, r#"{"Name":"c","TTL":"1h"}"#), [false]);
    let elsewhere = r#"{"Name":"c","AliasNode":"n2","AliasService":"s"}"#;
    assert_eq!(runners(&mut local, elsewhere), [true]);
    let here = r#"{"Name":"c","AliasNode":"n1","AliasService":"s"}"#;
    assert_eq!(runners(&mut local, here), [false]);
    let in_capitals = r#"{"Name":"c","AliasNode":"N1","AliasService":"s"}"#;
    assert_eq!(runners(&mut local, in_capitals), []);
}

#[test]
fn who_has_no_runner_any_longer_does_not_listen_to_it() {
    let mut local = agent(|_| {});
    register_check(&mut local, r#"{"Name":"c","HTTP":"http://x/","Interval":"10s"}"#).unwrap();
    register_check(&mut local, r#"{"Name":"c","TTL":"1h"}"#).unwrap();
    ran(&mut local, "c", Status::Passing);
    assert_eq!(status(&local, "c"), ("critical", ""));
    register_check(&mut local, r#"{"Name":"c","AliasService":"s"}"#).unwrap();
    ran(&mut local, "c", Status::Passing);
    assert_eq!(status(&local, "c").0, "critical");
    // Nor does maintenance have one.
    local.enter_node_maintenance(START, "", "");
    ran(&mut local, "_node_maintenance", Status::Passing);
    assert_eq!(status(&local, "_node_maintenance").0, "critical");
}

#[test]
fn what_an_alias_of_another_node_says_is_bounded() {
    let mut local = agent(|_| {});
    register_check(&mut local, r#"{"Name":"c","AliasNode":"n2","AliasService":"s"}"#).unwrap();
    let (check, output) = ("c".into(), "\u{e9}".repeat(4096));
    local.handle(START, Input::Ran { check, status: Status::Warning, output });
    assert_eq!(status(&local, "c"), ("warning", &*"\u{e9}".repeat(2048)));
}

#[test]
fn a_service_goes_at_the_first_look_after_its_time() {
    for (after, failed, gone) in [("1s", 1, 90), ("1s", 29, 90), ("1s", 31, 120), ("2m", 0, 150)] {
        let mut local = agent(|_| {});
        let body = format!(
            r#"{{"Name":"s","Checks":[{{"TTL":"1h","DeregisterCriticalServiceAfter":"{after}"}},
                {{"TTL":"1h"}}]}}"#
        );
        register(&mut local, &body).unwrap();
        local.update_ttl(at(failed), &"service:s:1".into(), Status::Critical, "").unwrap();
        local.handle(at(gone - 1), Input::Tick);
        assert!(local.service(&"s".into()).is_some(), "{after}, {failed}");
        local.handle(at(gone), Input::Tick);
        assert_eq!(local.services().count() + local.checks().count(), 0, "{after}, {failed}");
        let check = "service:s:1".into();
        let fact = Fact::Reaped { service: "s".into(), check };
        assert!(outputs(&mut local).contains(&Output::Fact(fact)));
    }
}

#[test]
fn a_service_that_is_critical_already_can_be_told_to_go() {
    let mut local = agent(|_| {});
    register(&mut local, r#"{"Name":"s","Check":{"TTL":"1h"}}"#).unwrap();
    local.update_ttl(at(10), &"service:s".into(), Status::Critical, "").unwrap();
    let body = br#"{"Name":"s","Check":{"TTL":"1h","DeregisterCriticalServiceAfter":"1m"}}"#;
    let service = ServiceDefinition::parse(body).unwrap();
    local.register_service(at(30), service, Source::Request, "", false).unwrap();
    local.handle(at(89), Input::Tick);
    assert_eq!(local.services().count(), 1);
    local.handle(at(90), Input::Tick);
    assert_eq!(local.services().count(), 0);
}

#[test]
fn a_check_of_the_node_takes_nothing_along() {
    let mut local = agent(|_| {});
    let body = r#"{"Name":"c","TTL":"1s","DeregisterCriticalServiceAfter":"1m"}"#;
    register_check(&mut local, body).unwrap();
    for seconds in [2, 100, 1000] {
        local.handle(at(seconds), Input::Tick);
    }
    assert_eq!(status(&local, "c"), ("critical", "TTL expired"));
}

#[test]
fn aliases_follow_at_once() {
    let mut local = agent(|_| {});
    register(&mut local, r#"{"Name":"web","Check":{"TTL":"1h","Status":"passing"}}"#).unwrap();
    let alias = r#"{"Name":"api","Check":{"CheckID":"a","AliasService":"web"}}"#;
    register(&mut local, alias).unwrap();
    let second = r#"{"Name":"top","Check":{"CheckID":"b","AliasService":"api"}}"#;
    register(&mut local, second).unwrap();
    assert_eq!(status(&local, "b"), ("passing", "All checks passing."));
    local.update_ttl(START, &"service:web".into(), Status::Critical, "why").unwrap();
    assert_eq!(
        status(&local, "a"),
        ("critical", r#"Aliased check "Service 'web' check" failing: why"#)
    );
    assert_eq!(status(&local, "b").0, "critical");
    local.update_ttl(START, &"service:web".into(), Status::Passing, "").unwrap();
    assert_eq!(status(&local, "b").0, "passing");
    // The node's maintenance is everybody's.
    local.enter_node_maintenance(START, "", "");
    assert_eq!((status(&local, "a").0, status(&local, "b").0), ("critical", "critical"));
    local.leave_node_maintenance(START);
    assert_eq!((status(&local, "a").0, status(&local, "b").0), ("passing", "passing"));
    // A check that moves is another service's affair.
    local.update_ttl(START, &"service:web".into(), Status::Warning, "").unwrap();
    assert_eq!(status(&local, "a").0, "warning");
    let other = r#"{"Name":"other","Check":{"CheckID":"service:web","TTL":"1h"}}"#;
    register(&mut local, other).unwrap();
    assert_eq!(status(&local, "a"), ("passing", "No checks found."));
    local.deregister_service(START, &"web".into()).unwrap();
    assert_eq!(status(&local, "a"), ("critical", "Service web could not be found on node "));
}

#[test]
fn aliases_in_a_circle_come_to_rest() {
    let mut local = agent(|_| {});
    for (own, other) in [("a", "b"), ("b", "a")] {
        let body = format!(
            r#"{{"Name":"{own}","Check":{{"CheckID":"of-{own}","AliasService":"{other}"}}}}"#
        );
        register(&mut local, &body).unwrap();
    }
    for number in 0..20 {
        local.handle(at(number), Input::Tick);
        local.enter_node_maintenance(at(number), "", "");
        local.leave_node_maintenance(at(number));
    }
    assert!(status(&local, "of-a").1.len() <= 4096);
    // The node's own aliases do not hold each other.
    register(&mut local, r#"{"Name":"c"}"#).unwrap();
    register_check(&mut local, r#"{"Name":"one","AliasService":"c"}"#).unwrap();
    register_check(&mut local, r#"{"Name":"two","AliasService":"c"}"#).unwrap();
    local.enter_node_maintenance(START, "", "");
    assert_eq!((status(&local, "one").0, status(&local, "two").0), ("critical", "critical"));
    local.leave_node_maintenance(START);
    assert_eq!(status(&local, "one").0, "passing");
    assert_eq!(status(&local, "two").0, "passing");
}

#[test]
fn outputs_are_bounded_or_not_kept() {
    let mut local = agent(|_| {});
    register_check(&mut local, r#"{"Name":"c","TTL":"1h","OutputMaxSize":5}"#).unwrap();
    local.update_ttl(START, &"c".into(), Status::Passing, "ab\u{e9}\u{e9}").unwrap();
    // Never within a character.
    assert_eq!(status(&local, "c").1, "ab\u{e9} ... (captured 5 of 6 bytes)");
    let mut config = local.config().clone();
    config.discard_check_output = true;
    local.configure(START, config);
    assert_eq!(status(&local, "c").1, "");
    local.update_ttl(START, &"c".into(), Status::Warning, "more").unwrap();
    assert_eq!(status(&local, "c"), ("warning", ""));
}

#[test]
fn sidecars_have_the_lowest_free_port_and_keep_it() {
    let mut local = agent(|config| config.sidecar_ports = Some(21_000..=21_001));
    let sidecar =
        |name: &str| format!(r#"{{"Name":"{name}","Connect":{{"SidecarService":{{}}}}}}"#);
    let port = |local: &Local, id: &str| local.service(&id.into()).unwrap().row().port;
    register(&mut local, &sidecar("a")).unwrap();
    register(&mut local, &sidecar("b")).unwrap();
    register(&mut local, &sidecar("b")).unwrap();
    assert_eq!(port(&local, "b-sidecar-proxy"), 21_001);
    let taken = register(&mut local, &sidecar("c")).unwrap_err();
    assert_eq!((taken.status(), local.services().count()), (500, 4));
    assert_eq!(
        taken.to_string(),
        "no port provided for sidecar_service and none left in the configured range [21000, 21001]"
    );
    local.deregister_service(START, &"a".into()).unwrap();
    register(&mut local, &sidecar("c")).unwrap();
    assert_eq!(port(&local, "c-sidecar-proxy"), 21_000);
    let mut off = agent(|config| config.sidecar_ports = None);
    assert_eq!(register(&mut off, &sidecar("a")), Err(Refused::SidecarPortsOff));
}

#[test]
fn programs_run_for_whom_they_may() {
    let body = r#"{"Name":"c","Args":["true"],"Interval":"1m"}"#;
    let from_file = || {
        let text = r#"{"name": "c", "args": ["true"], "interval": "1m"}"#;
        CheckDefinition::from_file(Object::parse(text.as_bytes()).unwrap()).unwrap()
    };
    let mut none = agent(|_| {});
    assert_eq!(register_check(&mut none, body), Err(Refused::RemoteScripts));
    let refused = none.register_check(START, from_file(), Source::File, "");
    assert_eq!(refused, Err(Refused::Scripts));
    let mut files = agent(|config| config.scripts_of_files = true);
    assert_eq!(register_check(&mut files, body), Err(Refused::RemoteScripts));
    files.register_check(START, from_file(), Source::File, "").unwrap();
    let mut all = agent(|config| config.scripts_of_requests = true);
    register_check(&mut all, body).unwrap();
    all.register_check(START, from_file(), Source::File, "").unwrap();
}

#[test]
fn definitions_of_files_go_with_the_token_of_files() {
    let mut local = agent(|_| {});
    let file = |text: &str| Object::parse(text.as_bytes()).unwrap();
    let services = [
        r#"{"name": "plain", "tagged_addresses": {"lan": {"address": "a", "port": 1}}}"#,
        // As HCL has it: each block a list of one.
        r#"{"name": "own", "token": "t", "meta": [{"k": "v"}], "check": [{"ttl": "1h"}]}"#,
    ];
    let services = services.map(|text| ServiceDefinition::from_file(file(text)).unwrap());
    local.handle(START, Input::Tick);
    assert_eq!(local.register_files(START, services.into(), vec![]), []);
    let mut tokens = Vec::new();
    while let Some(output) = local.poll_output() {
        match output {
            Output::Register { call, token, .. } => {
                tokens.push(token);
                let outcome = local::Outcome::Done;
                local.handle(START, Input::Called { call, outcome });
            }
            Output::Save { file, .. } => panic!("{file}"),
            _ => {}
        }
    }
    assert_eq!(tokens, [Token::Own("t".into()), Token::File]);
    let own = local.service(&"own".into()).unwrap().row();
    assert_eq!(own.meta, Some([("k".into(), "v".into())].into()));
    assert_eq!(check_ids(&local), ["service:own"]);
}

#[test]
fn nameless_definitions_of_files_are_refused_without_their_secrets() {
    let mut local = agent(|_| {});
    let text = r#"{"http": "http://x/", "interval": "1m", "token": "secret",
        "header": {"Authorization": ["secret"], "Accept": ["secret"]}}"#;
    let check = CheckDefinition::from_file(Object::parse(text.as_bytes()).unwrap()).unwrap();
    let refused = local.register_files(START, vec![], vec![check]);
    let [(name, why)] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!(name, "check ''");
    let why = why.to_string();
    assert!(why.starts_with("CheckID missing &{"), "{why}");
    assert!(why.contains("map[Accept:[hidden] Authorization:[hidden]]"), "{why}");
    assert!(!why.contains("secret"), "{why}");
    assert_eq!(local.checks().count(), 0);
}

#[test]
fn unknown_names_of_files_are_refused() {
    for text in [
        r#"{"Name": "a", "TaggedAddresses": {}}"#,
        r#"{"name": "a", "check": {"ttl": "1s", "nope": 1}}"#,
        r#"{"name": "a", "connect": {"nope": 1}}"#,
        r#"{"name": "a", "proxy": {"DestinationServiceName": "b"}}"#,
    ] {
        let object = Object::parse(text.as_bytes()).unwrap();
        let refused = ServiceDefinition::from_file(object).unwrap_err();
        assert!(refused.to_string().starts_with("json: unknown field"), "{text}: {refused}");
    }
}

#[test]
fn health_is_the_worst_of_the_service_and_its_node() {
    let mut local = agent(|_| {});
    register(&mut local, r#"{"Name":"web","Check":{"TTL":"1h","Status":"warning"}}"#).unwrap();
    register(&mut local, r#"{"Name":"web","ID":"two"}"#).unwrap();
    let health = |local: &Local, id: &str| local.health(&id.into()).unwrap().status;
    assert_eq!(health(&local, "web"), Aggregate::Warning);
    assert_eq!(health(&local, "two"), Aggregate::Passing);
    register_check(&mut local, r#"{"Name":"node","TTL":"1h"}"#).unwrap();
    assert_eq!(health(&local, "two"), Aggregate::Critical);
    local.enter_service_maintenance(START, &"two".into(), "", "").unwrap();
    let named = local.health_of_name(&"web".into());
    let named: Vec<_> = named.map(|health| (health.status, health.checks.len())).collect();
    assert_eq!(named, [(Aggregate::Maintenance, 2), (Aggregate::Critical, 2)]);
    assert!(local.health(&ServiceId::from("WEB")).is_none());
}

#[test]
fn a_ttl_begins_anew_with_each_word_and_each_registration() {
    let mut local = agent(|_| {});
    let body = r#"{"Name":"c","TTL":"10s","Status":"passing"}"#;
    register_check(&mut local, body).unwrap();
    local.update_ttl(at(9), &"c".into(), Status::Passing, "fine").unwrap();
    local.handle(at(18), Input::Tick);
    assert_eq!(status(&local, "c"), ("passing", "fine"));
    let check = CheckDefinition::parse(body.as_bytes()).unwrap();
    local.register_check(at(18), check, Source::Request, "").unwrap();
    local.handle(at(27), Input::Tick);
    assert_eq!(status(&local, "c"), ("passing", "fine"));
    local.handle(at(28), Input::Tick);
    assert_eq!(status(&local, "c").0, "critical");
    assert!(outputs(&mut local).contains(&Output::Fact(Fact::TtlExpired(CheckId::from("c")))));
}
