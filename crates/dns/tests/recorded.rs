//! The recordings `consul-dns`, without sockets: those whose set-up is registrations. The others,
//! and what recursors say, are played over sockets by the suites of the whole program.

mod support;

use api::Method;
use dns::{Config, Foreign, Outcome, Step, Transport};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::Value;
use support::{Reply, World, ask, settings};

/// Scenarios that need more than a catalogue: permissions, an agent's own services, a second
/// datacenter.
const ELSEWHERE: &[&str] = &[
    "acl-deny-anonymous",
    "acl-dns-token",
    "acl-unknown-token",
    "agent-services",
    "two-datacenters",
    "two-datacenters-translate",
];

fn folder() -> std::path::PathBuf {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    shared.join("vectors/consul-dns")
}

/// The body of the `i`th repetition.
fn filled(body: &str, i: u64) -> String {
    body.replace("${i}", &i.to_string())
        .replace("${i3}", &format!("{i:03}"))
        .replace("${hi}", &(i / 100).to_string())
        .replace("${lo}", &(i % 100 + 1).to_string())
}

fn world(scenario: &Value) -> World {
    let mut world = World::with_agent();
    for request in scenario["setup"].as_array().into_iter().flatten() {
        let path = request["path"].as_str().unwrap_or("");
        let by = match path {
            "/v1/catalog/register" => Method::Put,
            "/v1/query" => Method::Post,
            _ => continue,
        };
        let body = request["body"].to_string();
        for i in 1..=request["repeat"].as_u64().unwrap_or(1) {
            world.write(by, path, &filled(&body, i));
        }
    }
    world
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// Whether a case is about what is not here.
fn is_elsewhere(case: &Value) -> bool {
    let name = case["name"].as_str().unwrap_or("");
    let mut words = name.split('.');
    words.any(|word| word == "ingress" || word.contains("${"))
        || case.get("query").is_none() && case.get("raw_queries").is_none()
}

/// What a case's messages are, with what was answered to each.
fn exchanges(case: &Value) -> Vec<(Vec<u8>, Option<Vec<u8>>, Value)> {
    let list = |value: &Value| match value {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let queries = case.get("raw_queries").map_or_else(|| vec![case["query"].clone()], list);
    let (answers, parsed) = (list(&case["answer"]), list(&case["parsed"]));
    let read = |value: Option<&Value>| value.and_then(Value::as_str).map(bytes);
    let raw = |value: &Value| bytes(value.as_str().expect("a query"));
    // On a connection, what is no question is passed over, and what follows is answered.
    let several = queries.len() > 1;
    let is_reply = |query: &[u8]| query.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let asked = queries.iter().filter(|query| !several || !is_reply(&raw(query)));
    let each = asked.enumerate();
    each.map(|(at, query)| {
        let parsed = parsed.get(at).cloned().unwrap_or_default();
        (raw(query), read(answers.get(at)), parsed)
    })
    .collect()
}

/// Says what differs.
fn differs(case: &Value, want: &[u8], got: &[u8]) -> Option<String> {
    let mode = case["compare"].as_str().unwrap_or("exact");
    let (want, got) = (Reply::read(want), Reply::read(got));
    let fine = match mode {
        "exact" if case["id"] != "alpha-any" => want == got,
        "any-order" | "exact" => {
            let (want, got) = (want.sorted(), got.sorted());
            return (want != got).then(|| format!("expected {want:#?}\ngot {got:#?}"));
        }
        _ => {
            let heads = (&want.head, &want.edns, want.truncated, want.counts())
                == (&got.head, &got.edns, got.truncated, got.counts());
            let one_of = case["alternatives"].as_array().is_some_and(|alternatives| {
                alternatives.iter().all(|answers| {
                    answers.as_array().is_some_and(|answers| answers.len() != got.counts()[0])
                })
            });
            heads && !one_of
        }
    };
    (!fine).then(|| format!("expected {want:#?}\ngot {got:#?}"))
}

#[test]
fn recordings_are_answered_as_they_were() {
    let mut played = 0;
    let mut failures = Vec::new();
    for file in std::fs::read_dir(folder()).expect("the recordings") {
        let path = file.expect("a file").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("").to_owned();
        if path.extension().is_none_or(|end| end != "json") || ELSEWHERE.contains(&&*name) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        let scenario: Value = serde_json::from_str(&text).expect("a recording");
        let config = Config::new(&settings(&scenario["agent"]["config"])).expect("settings");
        let world = world(&scenario);
        let snapshot = world.snapshot();
        let snapshot = (scenario["agent"]["no_leader"] != true).then_some(&snapshot);
        let mut rng = SmallRng::seed_from_u64(7);
        for case in scenario["cases"].as_array().expect("cases") {
            if is_elsewhere(case) {
                continue;
            }
            let transport =
                if case["transport"] == "tcp" { Transport::Tcp } else { Transport::Udp };
            for (query, want, parsed) in exchanges(case) {
                played += 1;
                if let Some(why) =
                    play(case, &config, snapshot, transport, &query, want, &parsed, &mut rng)
                {
                    failures.push(format!("{name}/{}: {why}", case["id"]));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {played}:\n{}", failures.len(), failures.join("\n"));
    assert!(played > 850, "only {played} exchanges were played");
}

#[allow(clippy::too_many_arguments)]
fn play(
    case: &Value,
    config: &Config,
    snapshot: Option<&catalog::Snapshot>,
    transport: Transport,
    query: &[u8],
    want: Option<Vec<u8>>,
    parsed: &Value,
    rng: &mut SmallRng,
) -> Option<String> {
    let upstream = case["upstream"].as_array().map_or(0, Vec::len);
    let (outcome, got, trace) = ask(config, snapshot, transport, query, rng, &[]);
    let last = trace.steps.last();
    match outcome {
        Outcome::Recurse => {
            // What the recursors say is not ours.
            let ours = upstream == 0 && parsed["rcode"] != "SERVFAIL";
            if ours || last != Some(&Step::Passed) {
                return Some("passed on".to_owned());
            }
            let want = want.unwrap_or_default();
            return misexplained(case, Some(&dns::said(Some(&want))), &want, parsed);
        }
        Outcome::Chase => return (upstream == 0).then(|| "chased".to_owned()),
        Outcome::Silent => {
            assert_eq!(last, Some(&Step::Silent));
            return (!parsed.is_null()).then(|| "silent".to_owned());
        }
        Outcome::Answered => {}
    }
    if let Some(why) = misexplained(case, last, &got, parsed) {
        return Some(why);
    }
    match want {
        Some(want) => differs(case, &want, &got),
        // A better answer than none is welcome.
        None if parsed.is_null() => (got.len() < 12).then(|| "no reply".to_owned()),
        None => None,
    }
}

/// What is wrong with the last step: it must say what was replied, and what was recorded.
fn misexplained(case: &Value, last: Option<&Step>, got: &[u8], parsed: &Value) -> Option<String> {
    let Some(Step::Replied { rcode, truncated, answers, authority, additional }) = last else {
        return Some(format!("the last step is {last:?}"));
    };
    let records = |text: &[String]| {
        let mut lines: Vec<_> = text.iter().map(|line| line.replacen(" IN ", " ", 1)).collect();
        lines.sort();
        lines
    };
    if got.get(4..6) == Some(&[0, 1]) {
        let mut reply = Reply::read(got);
        let unusual = reply.sections[0].iter().any(|text| text.contains('\\'));
        // The independent parser writes texts without their quotes, and leaves EDNS0 out.
        let texts = reply.sections[0].iter_mut().filter(|text| text.contains(" TXT "));
        texts.for_each(|text| {
            *text = text.replace('"', "\\\"").replacen(" TXT ", " TXT \"", 1) + "\"";
        });
        let counts = [answers.len(), *authority, additional - usize::from(reply.edns.is_some())];
        let soa = |line: &String| !line.contains(" SOA ");
        let same: Vec<_> = records(answers).into_iter().filter(soa).collect();
        let said: Vec<_> = records(&reply.sections[0]).into_iter().filter(soa).collect();
        // It writes other letters of names by their numbers; what was recorded shows those.
        let other = !unusual && same != said;
        if other || *truncated != reply.truncated || counts != reply.counts() {
            return Some(format!("explained as {last:?}, replied {reply:#?}"));
        }
    }
    if parsed.is_null() {
        return None;
    }
    let recorded: Vec<String> = parsed["answer"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|line| line.replace("<serial>", "1700000000").replace("<version>", "1.16.4"))
        .map(|line| line.replace("<server-port>", "8300"))
        .collect();
    // Where chance decides, or what was there at the time, which records these are is no matter.
    let by_chance = !matches!(case["compare"].as_str(), None | Some("exact" | "any-order"))
        || parsed["answer"].to_string().contains("${");
    let other = !by_chance && records(&recorded) != records(answers);
    let counted = parsed["counts"][1].as_u64() == Some(answers.len() as u64);
    (other || parsed["rcode"] != **rcode || !counted)
        .then(|| format!("explained as {last:?}, recorded as {parsed}"))
}

#[test]
fn names_of_other_zones_are_followed_with_what_recursors_say() {
    let mut world = World::with_agent();
    world.put(
        "/v1/catalog/register",
        r#"{"Node": "s1", "Address": "10.3.0.1", "Service":
            {"Service": "alias", "Port": 80, "Address": "Alias.example.com"}}"#,
    );
    let snapshot = world.snapshot();
    let config = Config::new(&dns::Settings { recursors: true, ..dns::Settings::default() });
    let config = config.expect("settings");
    let mut rng = SmallRng::seed_from_u64(7);
    let query = support::question(&"alias.service.consul.".parse().expect("a name"), 1, None);
    let view = dns::View {
        snapshot: Some(&snapshot),
        transport: Transport::Udp,
        source: [127, 0, 0, 1].into(),
        unix_seconds: 1,
        foreign: &[],
    };
    let (mut scratch, mut out) = (dns::Scratch::default(), Vec::new());
    let outcome = dns::answer(&config, &view, &query, &mut rng, &mut scratch, &mut (), &mut out);
    assert_eq!((outcome, out.len()), (Outcome::Chase, 0));
    let wanted = scratch.wanted().to_vec();
    assert_eq!(wanted, b"\x05alias\x07example\x03com\0");
    let mut reply = Vec::new();
    dns::chase_query(&wanted, 7, &mut reply);
    assert!(!dns::belongs(&reply, &reply));
    let asked = reply.clone();
    reply[2] |= 0x80;
    reply[7] = 2;
    reply.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x2c\0\x06\x03www\xc0\x12");
    reply.extend_from_slice(b"\xc0\x2f\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x01");
    assert!(dns::belongs(&asked, &reply));
    let foreign = [Foreign { name: &wanted, reply: Some(&reply) }];
    let answers = |foreign: &[Foreign<'_>]| {
        let mut rng = SmallRng::seed_from_u64(7);
        let udp = Transport::Udp;
        let (outcome, out, _) = ask(&config, Some(&snapshot), udp, &query, &mut rng, foreign);
        assert_eq!(outcome, Outcome::Answered);
        Reply::read(&out).sections[0].clone()
    };
    let first = "alias.service.consul. 0 CNAME Alias.example.com.";
    let second = "alias.example.com. 0 CNAME www.example.com.";
    assert_eq!(answers(&foreign), [first, second, "www.example.com. 0 A 198.51.100.1"]);
    assert_eq!(answers(&[Foreign { name: &wanted, reply: None }]), [first]);
    // Cut anywhere, the reply is worth as much as can be read of it.
    for end in 0..reply.len() {
        let foreign = [Foreign { name: &wanted, reply: reply.get(..end) }];
        assert_eq!(answers(&foreign)[0], first);
    }
}

#[test]
fn an_explanation_says_which_service_and_tag_are_meant() {
    let config = Config::new(&dns::Settings::default()).expect("settings");
    let snapshot = World::with_agent().snapshot();
    for (name, service, tag) in [
        ("V1.x.web.service.consul.", "web", Some("v1.x")),
        ("_web._udp.service.consul.", "web", Some("udp")),
        ("_web._tcp.service.consul.", "web", None),
        ("web.service.consul.", "web", None),
        ("a._web._tcp.service.consul.", "_tcp", Some("a._web")),
    ] {
        let query =
            support::question(&hickory_proto::rr::Name::from_ascii(name).expect(name), 1, None);
        let mut rng = SmallRng::seed_from_u64(7);
        let (.., trace) = ask(&config, Some(&snapshot), Transport::Udp, &query, &mut rng, &[]);
        let (name, tag) = (service.to_owned(), tag.map(str::to_owned));
        let meant = Step::Meant { form: "service", name, tag };
        assert!(trace.steps.contains(&meant), "{meant:?} is not in {:?}", trace.steps);
    }
}
