//! The agent and a catalogue in virtual time: whatever happens to either, after a full sync the
//! catalogue has what the agent has.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use catalog::{
    Check, Command, ModifyIndex, Node, Register, Response, Service, ServiceAddress, State,
};
use local::{
    CallId, CheckDefinition, Config, Fact, Input, Key, Local, Outcome, Output, RemoteView,
    ServiceDefinition, Source, Status, Ticket, Time, Token,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

const START: Time = Time::from_secs(1_700_000_000);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A call on its way to the catalogue.
enum Call {
    Fetch,
    Register(CallId, Box<Register>),
    Deregister(CallId, catalog::ServiceId, catalog::CheckId),
    /// The catalogue has seen it; the answer is on its way back.
    Answer(Box<Input>),
}

/// What the catalogue answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Servers {
    Up,
    Down,
    Denying,
}

struct World {
    local: Local,
    state: State,
    index: u64,
    now: Time,
    servers: Servers,
    /// Answers take their time: they tell of what was.
    slow: bool,
    calls: Vec<Call>,
    /// Tokens of the calls so far.
    tokens: Vec<Token>,
    done: BTreeSet<Ticket>,
    tickets: BTreeSet<Ticket>,
    running: BTreeSet<catalog::CheckId>,
    files: BTreeMap<String, Vec<u8>>,
    facts: Vec<Fact>,
}

fn node() -> Node {
    Node {
        id: "11111111-2222-3333-4444-555555555555".into(),
        name: "node1".into(),
        address: "127.0.0.1".into(),
        meta: Some([("k".into(), "v".into())].into()),
        ..Node::default()
    }
}

impl World {
    fn new() -> Self {
        Self::with(Config::new(node()))
    }

    fn with(config: Config) -> Self {
        Self {
            local: Local::new(config, START, SmallRng::seed_from_u64(7)),
            state: State::default(),
            index: 0,
            now: START,
            servers: Servers::Up,
            slow: false,
            calls: Vec::new(),
            tokens: Vec::new(),
            done: BTreeSet::new(),
            tickets: BTreeSet::new(),
            running: BTreeSet::new(),
            files: BTreeMap::new(),
            facts: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.local.poll_output() {
            match output {
                Output::FetchRemote => self.calls.push(Call::Fetch),
                Output::Register { call, request, token } => {
                    self.tokens.push(token);
                    self.calls.push(Call::Register(call, request));
                }
                Output::Deregister { call, service, check, token } => {
                    self.tokens.push(token);
                    self.calls.push(Call::Deregister(call, service, check));
                }
                Output::Done(ticket) => assert!(self.done.insert(ticket), "a ticket came twice"),
                Output::Start { check, .. } => {
                    assert!(self.running.insert(check.clone()), "{check} runs already");
                }
                Output::Stop { check } => {
                    assert!(self.running.remove(&check), "{check} does not run");
                }
                Output::Save { file, bytes } => {
                    self.files.insert(file, bytes);
                }
                Output::Move { from, to } => {
                    let bytes = self.files.remove(&from).expect("it is there");
                    self.files.insert(to, bytes);
                }
                Output::Remove { file } => {
                    self.files.remove(&file);
                }
                Output::Changed(_) => {}
                Output::Fact(fact) => self.facts.push(fact),
            }
        }
    }

    fn handle(&mut self, input: Input) {
        self.local.handle(self.now, input);
        self.drain();
    }

    fn write(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let index = ModifyIndex(self.index);
        match self.state.apply(index, catalog::Time(self.index), [command]).remove(0) {
            Response::Done | Response::Written(true) => Outcome::Done,
            other => Outcome::Failed(format!("{other:?}")),
        }
    }

    /// Lets one of the calls through.
    fn deliver(&mut self, which: usize) {
        if self.calls.is_empty() {
            return;
        }
        let call = self.calls.remove(which % self.calls.len());
        let refused = match self.servers {
            Servers::Up => None,
            Servers::Down => Some(Outcome::of_error("No cluster leader")),
            Servers::Denying => Some(Outcome::of_error("Permission denied: it may not")),
        };
        let input = match (call, refused) {
            (Call::Answer(input), _) => return self.handle(*input),
            (Call::Fetch, None) => Input::Remote(Ok(self.view())),
            (Call::Fetch, Some(outcome)) => Input::Remote(Err(outcome)),
            (Call::Register(call, _) | Call::Deregister(call, ..), Some(outcome)) => {
                Input::Called { call, outcome }
            }
            (Call::Register(call, request), None) => {
                let mut request = *request;
                let outcome = match request.prepare() {
                    Ok(()) => self.write(Command::Register(Box::new(request))),
                    Err(why) => Outcome::Failed(why.to_string()),
                };
                Input::Called { call, outcome }
            }
            (Call::Deregister(call, service, check), None) => {
                let node = node().name;
                let outcome = self.write(Command::Deregister { node, service, check });
                Input::Called { call, outcome }
            }
        };
        if self.slow {
            self.calls.push(Call::Answer(Box::new(input)));
        } else {
            self.handle(input);
        }
    }

    fn deliver_all(&mut self) {
        while !self.calls.is_empty() {
            self.deliver(0);
        }
    }

    fn view(&self) -> RemoteView {
        let snapshot = self.state.snapshot();
        let name = node().name;
        RemoteView {
            node: snapshot.node(&name).cloned(),
            services: snapshot.services_of(&name).cloned().collect(),
            checks: snapshot.node_checks(&name).cloned().collect(),
        }
    }

    /// Lets time pass; calls are answered at once.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.deliver_all();
        while let Some(next) = self.local.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.handle(Input::Tick);
            self.deliver_all();
        }
        self.now = end;
    }

    fn register(&mut self, body: &str) -> Ticket {
        let service = ServiceDefinition::parse(body.as_bytes()).unwrap();
        let now = self.now;
        let ticket = self.local.register_service(now, service, Source::Request, "", false);
        self.ticket(ticket.unwrap())
    }

    fn register_check(&mut self, body: &str) -> Ticket {
        let check = CheckDefinition::parse(body.as_bytes()).unwrap();
        let ticket = self.local.register_check(self.now, check, Source::Request, "");
        self.ticket(ticket.unwrap())
    }

    fn tell(&mut self, check: &str, status: Status, output: &str) -> Ticket {
        let ticket = self.local.update_ttl(self.now, &check.into(), status, output);
        self.ticket(ticket.unwrap())
    }

    fn ticket(&mut self, ticket: Ticket) -> Ticket {
        self.tickets.insert(ticket);
        self.drain();
        ticket
    }

    /// Somebody else writes to the catalogue.
    fn foreign(&mut self, service: Option<Service>, checks: Vec<Check>) {
        let service = service.map(Box::new);
        let mut register =
            Register { node: node(), skip_node_update: true, service, checks: checks.into() };
        register.prepare().unwrap();
        self.write(Command::Register(Box::new(register)));
    }

    fn remove(&mut self, service: &str, check: &str) {
        let node = node().name;
        let (service, check) = (service.into(), check.into());
        self.write(Command::Deregister { node, service, check });
    }

    fn service(&self, id: &str) -> Option<Service> {
        self.state.snapshot().service(&node().name, &id.into()).cloned()
    }

    fn check(&self, id: &str) -> Option<Check> {
        self.state.snapshot().check(&node().name, &id.into()).cloned()
    }

    fn full_sync(&mut self) {
        self.handle(Input::TokensChanged);
        self.deliver_all();
    }

    /// What both sides must agree on.
    fn assert_equal(&self) {
        let view = self.view();
        let remote: Vec<_> = view.services.iter().map(normal_service).collect();
        let local: Vec<_> = self.local.services().map(|s| normal_service(s.row())).collect();
        assert_eq!(remote, local);
        let remote: Vec<_> = view.checks.iter().map(normal_check).collect();
        let local: Vec<_> = self.local.checks().map(|c| normal_check(c.row())).collect();
        assert_eq!(remote, local);
        let stored = view.node.unwrap();
        assert_eq!((stored.id, stored.meta), (node().id, node().meta));
    }
}

fn normal_service(service: &Service) -> Service {
    let mut service = service.clone();
    service.node = service.node.fold();
    (service.create, service.modify) = Default::default();
    service.tags = service.tags.filter(|tags| !tags.is_empty());
    service
}

/// Service name and tags are the catalogue's.
fn normal_check(check: &Check) -> Check {
    let mut check = check.clone();
    check.node = check.node.fold();
    (check.create, check.modify) = Default::default();
    (check.service_tags, check.service_name) = Default::default();
    check
}

#[test]
fn a_registration_is_in_the_catalogue_when_its_ticket_comes_back() {
    let mut world = World::new();
    let ticket = world.register(r#"{"Name": "web", "Port": 80, "Check": {"TTL": "1h"}}"#);
    assert!(!world.done.contains(&ticket));
    // The node goes first; the service takes its check along.
    world.deliver_all();
    assert!(world.done.contains(&ticket));
    assert_eq!(world.service("web").unwrap().port, 80);
    assert_eq!(&*world.check("service:web").unwrap().status, "critical");
    let synced = |key| Fact::Synced(key);
    let expected = [synced(Key::Service("web".into())), synced(Key::Check("service:web".into()))];
    let facts: Vec<_> =
        world.facts.iter().filter(|fact| expected.contains(fact)).cloned().collect();
    assert_eq!(facts, expected);
}

#[test]
fn the_node_comes_first_and_later_calls_leave_it_alone() {
    let mut world = World::new();
    world.handle(Input::Tick);
    assert!(matches!(world.calls[..], [Call::Fetch]));
    world.deliver(0);
    world.register(r#"{"Name": "web"}"#);
    let [Call::Register(_, request)] = &world.calls[..] else { panic!("not one call") };
    assert!(request.service.is_none() && !request.skip_node_update);
    world.deliver(0);
    let [Call::Register(_, request)] = &world.calls[..] else { panic!("not one call") };
    assert!(request.service.is_some() && request.skip_node_update);
    assert_eq!(world.tokens, [Token::Agent, Token::Default]);
}

#[test]
fn a_call_before_the_first_view_tells_of_the_node_too() {
    let mut world = World::new();
    world.register(r#"{"Name": "web"}"#);
    let [Call::Register(_, request)] = &world.calls[..] else { panic!("not one call") };
    assert!(request.service.is_some() && !request.skip_node_update);
    world.deliver_all();
    assert_eq!(world.view().node.unwrap().meta, node().meta);
}

#[test]
fn a_change_on_the_way_is_pushed_behind() {
    let mut world = World::new();
    world.pass(secs(1));
    let first = world.register(r#"{"Name": "web", "Port": 1}"#);
    let second = world.register(r#"{"Name": "web", "Port": 2}"#);
    assert_eq!(world.calls.len(), 1);
    world.deliver(0);
    assert_eq!(world.service("web").unwrap().port, 1);
    assert!(world.done.contains(&first) && !world.done.contains(&second));
    world.deliver(0);
    assert_eq!(world.service("web").unwrap().port, 2);
    assert!(world.done.contains(&second));
    // A removal too waits for what is on its way.
    world.register(r#"{"Name": "web", "Port": 3}"#);
    let gone = world.local.deregister_service(world.now, &"web".into()).unwrap();
    world.drain();
    assert_eq!(world.calls.len(), 1);
    world.deliver_all();
    assert!(world.done.contains(&gone));
    assert_eq!(world.service("web"), None);
}

#[test]
fn what_others_change_is_put_back() {
    let mut world = World::new();
    world.register(
        r#"{"Name": "local", "ID": "a", "Port": 80, "Tags": ["t"], "Check": {"TTL": "1h"}}"#,
    );
    world.register(r#"{"Name": "local", "ID": "b", "Port": 81}"#);
    world.register(r#"{"Name": "eto", "Port": 82, "Tags": ["t"], "EnableTagOverride": true}"#);
    world.register_check(r#"{"Name": "nodecheck", "TTL": "1h"}"#);
    world.pass(secs(5));
    world.assert_equal();
    let foreign = |id: &str, tags: &str| Service {
        id: id.into(),
        name: id.into(),
        port: 9,
        tags: Some([tags.into()].into()),
        enable_tag_override: id == "eto",
        ..Service::default()
    };
    world.foreign(Some(foreign("foreign", "x")), vec![]);
    world.foreign(Some(foreign("a", "x")), vec![]);
    world.foreign(Some(foreign("eto", "overridden")), vec![]);
    world.foreign(Some(foreign("consul", "x")), vec![]);
    let check = |id: &str| Check { id: id.into(), name: id.into(), ..Check::default() };
    world.foreign(None, vec![check("foreign-check"), check("serfHealth")]);
    world.foreign(None, vec![Check { service_id: "a".into(), ..check("service:a") }]);
    world.remove("b", "");
    world.remove("", "nodecheck");
    let other = Node { address: "10.77.0.1".into(), meta: None, ..node() };
    let checks = Box::default();
    let request = Register { node: other, skip_node_update: false, service: None, checks };
    world.write(Command::Register(Box::new(request)));
    // A local change pushes itself alone.
    world.register(r#"{"Name": "trigger"}"#);
    world.deliver_all();
    assert_eq!(world.service("a").unwrap().port, 9);
    assert_eq!(&*world.view().node.unwrap().address, "10.77.0.1");
    world.pass(secs(121));
    // The servers' own entries are theirs.
    assert!(world.service("consul").is_some() && world.check("serfHealth").is_some());
    world.remove("consul", "");
    world.remove("", "serfHealth");
    world.assert_equal();
    let eto = world.local.service(&"eto".into()).unwrap().row().clone();
    assert_eq!((eto.tags.unwrap(), eto.port), ([("overridden").into()].into(), 82));
    assert_eq!(&*world.view().node.unwrap().address, "127.0.0.1");
}

#[test]
fn virtual_addresses_of_the_servers_stay() {
    let mut world = World::new();
    world.register(r#"{"Name": "m", "Port": 1, "Connect": {"Native": true}}"#);
    world.pass(secs(5));
    let mut row = world.service("m").unwrap();
    let address = ServiceAddress { address: "240.0.0.1".into(), port: 1 };
    row.tagged_addresses = Some([("consul-virtual".into(), address)].into());
    world.foreign(Some(row.clone()), vec![]);
    world.full_sync();
    assert_eq!(
        world.local.service(&"m".into()).unwrap().row().tagged_addresses,
        row.tagged_addresses
    );
    world.assert_equal();
}

#[test]
fn a_failure_is_tried_again_and_keeps_nobody_waiting() {
    let mut world = World::new();
    world.servers = Servers::Down;
    let ticket = world.register(r#"{"Name": "web", "Check": {"TTL": "1h"}}"#);
    world.deliver_all();
    assert!(world.done.contains(&ticket));
    assert_eq!(world.service("web"), None);
    world.servers = Servers::Up;
    world.pass(secs(31));
    world.assert_equal();
    assert!(world.service("web").is_some());
}

#[test]
fn servers_that_fail_are_asked_one_thing_at_a_time() {
    let mut world = World::new();
    world.pass(secs(1));
    for id in 0..200 {
        world.register(&format!(r#"{{"Name": "s{id}"}}"#));
    }
    assert_eq!(world.calls.len(), 64);
    world.servers = Servers::Down;
    for _ in 0..64 {
        world.deliver(0);
    }
    assert_eq!(world.calls.len(), 1);
    let asked = world.register(r#"{"Name": "zzz"}"#);
    // What somebody waits for is next, by name; all of these are waited for.
    while !world.done.contains(&asked) {
        world.deliver(0);
        assert!(world.calls.len() <= 1);
    }
    world.servers = Servers::Up;
    world.pass(secs(31));
    world.assert_equal();
}

#[test]
fn who_waits_does_not_wait_for_those_nobody_waits_for() {
    let mut before = World::new();
    for id in 0..100 {
        before.register(&format!(r#"{{"Name": "s{id}"}}"#));
    }
    let mut world = World::new();
    world.servers = Servers::Down;
    world.local.load(START, before.files);
    world.drain();
    assert_eq!(world.calls.len(), 64);
    while world.calls.len() > 1 {
        world.deliver(0);
    }
    let asked = world.register(r#"{"Name": "zzz"}"#);
    // One is on its way already.
    for _ in 0..2 {
        assert!(!world.done.contains(&asked));
        world.deliver(0);
    }
    assert!(world.done.contains(&asked));
}

#[test]
fn what_asks_for_a_full_sync_while_one_reads_gets_another() {
    let mut world = World::new();
    world.pass(secs(5));
    world.slow = true;
    world.handle(Input::TokensChanged);
    world.deliver(0);
    // What was read does not have it.
    let row = Service { id: "x".into(), name: "x".into(), ..Service::default() };
    world.foreign(Some(row), vec![]);
    world.handle(Input::TokensChanged);
    assert_eq!(world.calls.len(), 1);
    world.deliver_all();
    world.handle(Input::Tick);
    world.deliver_all();
    assert_eq!(world.service("x"), None);
}

#[test]
fn a_foreign_service_goes_with_its_checks_in_one_call() {
    let mut world = World::new();
    world.pass(secs(5));
    let row = Service { id: "x".into(), name: "x".into(), ..Service::default() };
    let check = Check { id: "c".into(), service_id: "x".into(), ..Check::default() };
    world.foreign(Some(row), vec![check]);
    let before = world.tokens.len();
    world.full_sync();
    assert_eq!(world.tokens.len(), before + 1);
    world.assert_equal();
}

#[test]
fn an_old_view_undoes_nothing() {
    let mut world = World::new();
    world.register(r#"{"Name": "w", "Tags": ["old"], "EnableTagOverride": true}"#);
    world.pass(secs(5));
    world.slow = true;
    world.handle(Input::TokensChanged);
    world.deliver(0);
    // The answer is on its way, and with it tags that were. A registration overtakes it.
    let ticket = world.register(r#"{"Name": "w", "Tags": ["new"], "EnableTagOverride": true}"#);
    while !world.done.contains(&ticket) {
        world.deliver(1);
    }
    assert_eq!(world.calls.len(), 1);
    world.deliver_all();
    assert_eq!(world.service("w").unwrap().tags.unwrap(), ["new".into()].into());
    world.assert_equal();
}

#[test]
fn what_fails_while_the_catalogue_is_read_is_tried_again_at_once() {
    let mut world = World::new();
    world.pass(secs(5));
    world.slow = true;
    world.handle(Input::TokensChanged);
    world.deliver(0);
    world.servers = Servers::Down;
    let ticket = world.register(r#"{"Name": "w"}"#);
    while !world.done.contains(&ticket) {
        world.deliver(1);
    }
    world.servers = Servers::Up;
    assert_eq!(world.service("w"), None);
    world.deliver_all();
    assert!(world.service("w").is_some());
}

#[test]
fn a_check_brings_the_service_that_failed_along() {
    let mut world = World::new();
    world.pass(secs(5));
    world.servers = Servers::Down;
    world.register(r#"{"Name": "w"}"#);
    world.deliver_all();
    world.servers = Servers::Up;
    let ticket = world.register_check(r#"{"Name": "c", "ServiceID": "w", "TTL": "1h"}"#);
    world.deliver_all();
    assert!(world.done.contains(&ticket));
    world.assert_equal();
    assert!(world.check("c").is_some());
}

#[test]
fn the_checks_of_a_service_that_goes_are_not_removed_one_by_one() {
    let mut world = World::new();
    world.pass(secs(5));
    world.register(r#"{"Name": "w"}"#);
    // It waits for its service.
    let waiting = world.register_check(r#"{"Name": "c", "ServiceID": "w", "TTL": "1h"}"#);
    let gone = world.local.deregister_service(world.now, &"w".into()).unwrap();
    world.ticket(gone);
    assert!(world.done.contains(&waiting));
    let before = world.tokens.len();
    world.deliver_all();
    assert_eq!(world.tokens.len(), before + 1);
    world.assert_equal();
}

#[test]
fn every_field_is_put_back() {
    let mut world = World::new();
    world.register(
        r#"{"Name": "w", "Port": 1, "Check": {"TTL": "1h"}, "Proxy": {"Mode": "direct"}}"#,
    );
    world.pass(secs(5));
    let text = || Box::<str>::from("x");
    let services: [fn(&mut Service, Box<str>); 12] = [
        |row, text| row.name = (&*text).into(),
        |row, text| row.kind = text,
        |row, text| row.tags = Some([text].into()),
        |row, text| row.address = text,
        |row, text| {
            let address = ServiceAddress { address: text.clone(), port: 1 };
            row.tagged_addresses = Some([(text, address)].into());
        },
        |row, text| row.meta = Some([(text.clone(), text)].into()),
        |row, _| row.port = 2,
        |row, text| row.socket_path = text,
        |row, _| row.weights.warning = 7,
        |row, _| row.enable_tag_override = true,
        |row, _| row.proxy = Some(r#"{"Mode":"transparent"}"#.into()),
        |row, _| row.locality = Some(r#"{"Region":"r"}"#.into()),
    ];
    for change in services {
        let mut row = world.service("w").unwrap();
        change(&mut row, text());
        assert_ne!(normal_service(&row), normal_service(&world.service("w").unwrap()));
        world.foreign(Some(row), vec![]);
        world.full_sync();
        world.assert_equal();
    }
    let checks: [fn(&mut Check, Box<str>); 9] = [
        |row, text| row.name = text,
        |row, _| row.status = "passing".into(),
        |row, text| row.notes = text,
        |row, text| row.output = text,
        |row, text| row.kind = text,
        |row, text| row.interval = text,
        |row, text| row.timeout = text,
        |row, _| row.exposed_port = 1,
        |row, _| row.definition = Some(r#"{"HTTP":"x"}"#.into()),
    ];
    for change in checks {
        let mut row = world.check("service:w").unwrap();
        change(&mut row, text());
        world.foreign(None, vec![row]);
        world.full_sync();
        world.assert_equal();
    }
    // What is the same in other words stays as it is.
    let mut row = world.service("w").unwrap();
    row.proxy = Some(r#"{"mode":"direct","Config":{},"Upstreams":[]}"#.into());
    row.tags = Some([].into());
    world.foreign(Some(row.clone()), vec![]);
    world.full_sync();
    assert_eq!(world.service("w").unwrap().proxy, row.proxy);
}

#[test]
fn what_is_denied_is_tried_again_at_the_next_full_sync_only() {
    let mut world = World::new();
    world.pass(secs(1));
    world.servers = Servers::Denying;
    let ticket = world.register(r#"{"Name": "web"}"#);
    world.deliver_all();
    assert!(world.done.contains(&ticket));
    assert!(world.facts.contains(&Fact::Blocked(Key::Service("web".into()))));
    world.servers = Servers::Up;
    world.register(r#"{"Name": "other"}"#);
    world.deliver_all();
    assert_eq!(world.service("web"), None);
    world.full_sync();
    assert!(world.service("web").is_some());
}

#[test]
fn checks_of_other_tokens_go_by_themselves_behind_their_service() {
    let mut world = World::new();
    world.pass(secs(1));
    let service = ServiceDefinition::parse(br#"{"Name": "web"}"#).unwrap();
    let now = world.now;
    world.local.register_service(now, service, Source::Request, "one", false).unwrap();
    let body = br#"{"Name": "c", "ServiceID": "web", "TTL": "1h"}"#;
    let check = CheckDefinition::parse(body).unwrap();
    let ticket = world.local.register_check(now, check, Source::Request, "two").unwrap();
    world.drain();
    assert_eq!(world.tokens[1..], [Token::Own("one".into())]);
    world.deliver_all();
    assert_eq!(world.tokens[1..], [Token::Own("one".into()), Token::Own("two".into())]);
    assert!(world.done.contains(&ticket));
    assert!(world.check("c").is_some());
}

#[test]
fn an_output_alone_waits_and_a_status_does_not() {
    let mut world = World::new();
    world.register_check(r#"{"Name": "c", "TTL": "24h"}"#);
    world.tell("c", Status::Passing, "one");
    world.pass(secs(5));
    let ticket = world.tell("c", Status::Passing, "two");
    assert!(world.done.contains(&ticket) && world.calls.is_empty());
    // Full syncs do not take it along before its time, half of the interval at least.
    world.pass(secs(149));
    assert_eq!(&*world.check("c").unwrap().output, "one");
    world.pass(secs(301));
    assert_eq!(&*world.check("c").unwrap().output, "two");
    world.tell("c", Status::Passing, "three");
    world.tell("c", Status::Warning, "four");
    world.deliver_all();
    assert_eq!(&*world.check("c").unwrap().output, "four");
    // The same again is nothing.
    let ticket = world.tell("c", Status::Warning, "four");
    assert!(world.done.contains(&ticket) && world.calls.is_empty());
}

#[test]
fn full_syncs_are_a_minute_or_two_apart_and_rarer_in_a_large_cluster() {
    for (members, scale) in [(1, 1), (128, 1), (129, 2), (256, 2), (257, 3), (513, 4)] {
        let mut world = World::new();
        world.handle(Input::Members(members));
        world.deliver_all();
        for _ in 0..20 {
            let wait = world.local.next_timeout().unwrap().since(world.now);
            assert!(wait >= secs(60 * scale) && wait <= secs(120 * scale), "{members}: {wait:?}");
            world.pass(wait);
        }
        world.handle(Input::ServerJoined);
        let wait = world.local.next_timeout().unwrap().since(world.now);
        assert!(wait <= secs(3 * scale));
    }
}

#[test]
fn who_leaves_says_nothing_any_longer() {
    let mut world = World::new();
    world.pass(secs(1));
    let waiting = world.register(r#"{"Name": "web"}"#);
    world.handle(Input::Leaving);
    assert!(world.done.contains(&waiting));
    world.deliver_all();
    let late = world.register(r#"{"Name": "late"}"#);
    assert!(world.done.contains(&late) && world.calls.is_empty());
    world.pass(secs(600));
    assert_eq!(world.service("late"), None);
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Register { id: u8, port: u8, token: bool, check: u8, replace: bool },
    Deregister(u8),
    Check { id: u8, of: u8 },
    DropCheck(u8),
    Tell { id: u8, status: u8, output: u8 },
    Ran { id: u8, status: u8 },
    Maintenance { id: u8, on: bool },
    NodeMaintenance(bool),
    ForeignService { id: u8, port: u8 },
    ForeignCheck { id: u8, of: u8 },
    ForeignRemove { id: u8, check: bool },
    ForeignNode,
    Deliver(usize),
    Servers(u8),
    Pass(u16),
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..4_u8;
    prop_oneof![
        4 => (id.clone(), 0..3_u8, any::<bool>(), 0..4_u8, any::<bool>())
            .prop_map(|(id, port, token, check, replace)| {
                Step::Register { id, port, token, check, replace }
            }),
        2 => id.clone().prop_map(Step::Deregister),
        2 => (id.clone(), 0..5_u8).prop_map(|(id, of)| Step::Check { id, of }),
        1 => id.clone().prop_map(Step::DropCheck),
        3 => (id.clone(), 0..3_u8, 0..3_u8)
            .prop_map(|(id, status, output)| Step::Tell { id, status, output }),
        2 => (id.clone(), 0..3_u8).prop_map(|(id, status)| Step::Ran { id, status }),
        1 => (id.clone(), any::<bool>()).prop_map(|(id, on)| Step::Maintenance { id, on }),
        1 => any::<bool>().prop_map(Step::NodeMaintenance),
        2 => (0..6_u8, 0..3_u8).prop_map(|(id, port)| Step::ForeignService { id, port }),
        2 => (0..6_u8, 0..6_u8).prop_map(|(id, of)| Step::ForeignCheck { id, of }),
        2 => (0..6_u8, any::<bool>()).prop_map(|(id, check)| Step::ForeignRemove { id, check }),
        1 => Just(Step::ForeignNode),
        12 => (0..8_usize).prop_map(Step::Deliver),
        1 => (0..6_u8).prop_map(Step::Servers),
        2 => (1..300_u16).prop_map(Step::Pass),
        1 => Just(Step::Sync),
    ]
}

const STATUSES: [Status; 3] = [Status::Passing, Status::Warning, Status::Critical];

impl World {
    fn step(&mut self, step: Step) {
        let now = self.now;
        let service = |id: u8| catalog::ServiceId::from(format!("s{id}").as_str());
        let check = |id: u8| catalog::CheckId::from(format!("c{id}").as_str());
        let ticket = match step {
            Step::Register { id, port, token, check, replace } => {
                let checks = match check {
                    0 => String::new(),
                    1 => r#","Check":{"TTL":"30s"}"#.to_owned(),
                    2 => format!(
                        r#","Checks":[{{"CheckID":"c{id}","HTTP":"x","Interval":"1m",
                            "DeregisterCriticalServiceAfter":"2m"}},{{"AliasService":"s0"}}]"#
                    ),
                    _ => r#","Connect":{"SidecarService":{}}"#.to_owned(),
                };
                let tags = if port == 0 { "null" } else { r#"["t"]"# };
                let body = format!(
                    r#"{{"Name":"n","ID":"s{id}","Port":{port},"Tags":{tags},
                        "EnableTagOverride":{}{checks}}}"#,
                    port == 2
                );
                let service = ServiceDefinition::parse(body.as_bytes()).unwrap();
                let token = if token { "token" } else { "" };
                self.local.register_service(now, service, Source::Request, token, replace).ok()
            }
            Step::Deregister(id) => self.local.deregister_service(now, &service(id)).ok(),
            Step::Check { id, of } => {
                let kind = match id {
                    0 => r#""TTL":"2m""#,
                    1 => r#""TCP":"x:1","Interval":"1m","FailuresBeforeCritical":2"#,
                    2 => r#""AliasService":"s1""#,
                    _ => r#""TTL":"10m","DeregisterCriticalServiceAfter":"1m""#,
                };
                let of = if of < 4 { format!("s{of}") } else { String::new() };
                let body = format!(r#"{{"Name":"c{id}","ServiceID":"{of}",{kind}}}"#);
                let check = CheckDefinition::parse(body.as_bytes()).unwrap();
                self.local.register_check(now, check, Source::Request, "").ok()
            }
            Step::DropCheck(id) => self.local.deregister_check(now, &check(id)).ok(),
            Step::Tell { id, status, output } => {
                let output = ["", "a", "b"][usize::from(output)];
                let status = STATUSES[usize::from(status)];
                self.local.update_ttl(now, &check(id), status, output).ok()
            }
            Step::Ran { id, status } => {
                // Results of checks that do not run any longer come too.
                let status = STATUSES[usize::from(status)];
                self.handle(Input::Ran { check: check(id), status, output: "ran".into() });
                None
            }
            Step::Maintenance { id, on: true } => {
                self.local.enter_service_maintenance(now, &service(id), "", "").ok()
            }
            Step::Maintenance { id, on: false } => {
                self.local.leave_service_maintenance(now, &service(id)).ok()
            }
            Step::NodeMaintenance(true) => Some(self.local.enter_node_maintenance(now, "r", "")),
            Step::NodeMaintenance(false) => Some(self.local.leave_node_maintenance(now)),
            other => {
                self.step_outside(other);
                None
            }
        };
        if let Some(ticket) = ticket {
            self.tickets.insert(ticket);
        }
        self.drain();
    }

    fn step_outside(&mut self, step: Step) {
        match step {
            Step::ForeignService { id, port } => {
                let (id, tags) = (format!("s{id}"), Some([Box::from("foreign")].into()));
                let port = port.into();
                let id = id.as_str().into();
                let row = Service { id, name: "n".into(), port, tags, ..Service::default() };
                self.foreign(Some(row), vec![]);
            }
            Step::ForeignCheck { id, of } => {
                let name = format!("c{id}");
                let of = if of < 5 { format!("s{of}") } else { String::new() };
                if !of.is_empty() && self.service(&of).is_none() {
                    return;
                }
                let row = Check {
                    id: name.as_str().into(),
                    name: name.as_str().into(),
                    service_id: of.as_str().into(),
                    output: "foreign".into(),
                    ..Check::default()
                };
                self.foreign(None, vec![row]);
            }
            Step::ForeignRemove { id, check: true } => self.remove("", &format!("c{id}")),
            Step::ForeignRemove { id, check: false } => self.remove(&format!("s{id}"), ""),
            Step::ForeignNode => self.remove("", ""),
            Step::Deliver(which) => self.deliver(which),
            Step::Servers(0) => self.servers = Servers::Down,
            Step::Servers(1) => self.servers = Servers::Denying,
            Step::Servers(_) => self.servers = Servers::Up,
            Step::Pass(seconds) => {
                // Calls stay on their way meanwhile.
                self.now = self.now + secs(seconds.into());
                self.handle(Input::Tick);
            }
            Step::Sync => self.handle(Input::ServerJoined),
            other => unreachable!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn after_a_full_sync_the_catalogue_is_equal(
        steps in proptest::collection::vec(step(), 1..60),
        deferred in any::<bool>(),
    ) {
        let mut config = Config::new(node());
        if !deferred {
            config.check_update_interval = Duration::ZERO;
        }
        let mut world = World::with(config);
        world.slow = true;
        for step in steps {
            world.step(step);
            // What is due is done when it is told the time.
            world.handle(Input::Tick);
            prop_assert!(world.local.next_timeout().is_none_or(|due| due > world.now));
        }
        world.servers = Servers::Up;
        world.deliver_all();
        // What nobody is told of any longer is over, and outputs have had their time.
        world.pass(secs(1_500));
        world.full_sync();
        prop_assert!(world.calls.is_empty());
        world.assert_equal();
        prop_assert_eq!(&world.done, &world.tickets, "tickets");
        let mut runs = world.local.checks().filter(|check| {
            check.definition().is_some_and(|d| !d.is_alias() && d.ttl == Default::default())
        });
        prop_assert!(runs.all(|check| world.running.remove(&check.row().id)));
        prop_assert!(world.running.is_empty());

        // The next start finds the same.
        let mut again = Local::new(Config::new(node()), world.now, SmallRng::seed_from_u64(1));
        again.load(world.now, world.files.clone());
        while let Some(output) = again.poll_output() {
            prop_assert!(!matches!(output, Output::Fact(Fact::BadFile { .. })), "{output:?}");
        }
        let services = |local: &Local| -> Vec<_> {
            local.services().map(|s| (normal_service(s.row()).id, s.row().port)).collect()
        };
        let checks = |local: &Local| -> Vec<_> {
            local.checks().map(|c| (c.row().id.clone(), c.definition().cloned())).collect()
        };
        prop_assert_eq!(services(&again), services(&world.local));
        prop_assert_eq!(checks(&again), checks(&world.local));
    }
}
