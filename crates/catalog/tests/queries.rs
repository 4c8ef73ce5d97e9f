//! Prepared queries: random writes against a list that is searched from end to end, and what the
//! recorded templates come to.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use catalog::{
    Behavior, Check, Command, Error, Found, Key, Kind, ModifyIndex, NAME_PREFIX_MATCH, Node,
    PreparedQuery, QueryTemplate, QueryWrite, Register, Response, Service, ServiceQuery, Session,
    SessionId, Snapshot, State, Time, Unfit, Uuid, Watch, Watches,
};
use proptest::prelude::*;

const NAMES: [&str; 7] = ["", "web", "Web", "web-", "WEB-A", "ä-", "w"];
const ASKED: [&str; 9] = ["web", "WEB", "web-a", "Web-B", "we", "ä-b", "Ä-", "x", "w"];

fn id(n: u8) -> Uuid {
    Uuid::from_bytes([n % 5 + 1; 16])
}

fn session_id(n: u8) -> SessionId {
    Uuid::from_bytes([n % 2 + 100; 16])
}

/// A query out of four bytes.
fn query([which, name, kind, session]: [u8; 4]) -> PreparedQuery {
    let name = match name % 9 {
        7 => id(kind).to_string(),
        place => NAMES[place as usize % NAMES.len()].to_owned(),
    };
    PreparedQuery {
        id: id(which),
        name: name.into(),
        session: (session % 3 == 0).then(|| session_id(session / 3)),
        template: QueryTemplate {
            kind: ["", "", NAME_PREFIX_MATCH, NAME_PREFIX_MATCH, "x"][kind as usize % 5].into(),
            ..QueryTemplate::default()
        },
        service: ServiceQuery { service: "${name.suffix}".into(), ..ServiceQuery::default() },
        ..PreparedQuery::default()
    }
}

fn command([what, a, b, c, d]: [u8; 5]) -> Command {
    let write = match what % 8 {
        0..=3 => QueryWrite::Create(query([a, b, c, d])),
        4 => QueryWrite::Update(query([a, b, c, d])),
        5 => QueryWrite::Delete(id(a)),
        6 => return Command::SessionDestroy(session_id(a)),
        _ => return session(a),
    };
    Command::Query(Box::new(write))
}

fn session(n: u8) -> Command {
    Command::SessionCreate(Box::new(Session {
        id: session_id(n),
        node: "n".into(),
        behavior: Behavior::Release,
        ..Session::default()
    }))
}

fn node() -> Command {
    let node = Node { name: "n".into(), address: "10.0.0.1".into(), ..Node::default() };
    Command::Register(Box::new(Register {
        node,
        skip_node_update: false,
        service: None,
        checks: Box::default(),
    }))
}

/// A list of queries, and which sessions there are.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    queries: Vec<PreparedQuery>,
    sessions: Vec<SessionId>,
    index: u64,
}

impl Model {
    fn set(&mut self, query: &PreparedQuery, create: u64, index: u64) -> Result<(), Error> {
        let others = || self.queries.iter().filter(|other| other.id != query.id);
        let folded = query.name.to_lowercase();
        if !folded.is_empty() && others().any(|other| other.name.to_lowercase() == folded) {
            return Err(Error::QueryName(query.name.clone()));
        }
        let catches_all = |other: &PreparedQuery| other.is_template() && other.name.is_empty();
        if catches_all(query) && others().any(catches_all) {
            return Err(Error::EmptyTemplateName);
        }
        if self.queries.iter().any(|other| other.id.to_string() == *query.name) {
            return Err(Error::QueryNameIsId(query.name.clone()));
        }
        if let Some(session) = query.session.filter(|id| !self.sessions.contains(id)) {
            return Err(Error::InvalidSession(session.to_string().into()));
        }
        if &*query.template.kind == "x" {
            return Err(Error::Template("Bad Template.Type 'x'".into()));
        }
        self.queries.retain(|other| other.id != query.id);
        let (create, modify) = (ModifyIndex(create), ModifyIndex(index));
        self.queries.push(PreparedQuery { create, modify, ..query.clone() });
        self.index = index;
        Ok(())
    }

    fn remove(&mut self, index: u64, goes: impl Fn(&PreparedQuery) -> bool) {
        let before = self.queries.len();
        self.queries.retain(|query| !goes(query));
        if self.queries.len() < before {
            self.index = index;
        }
    }

    fn apply(&mut self, command: &Command, index: u64) -> Result<(), Error> {
        match command {
            Command::Query(write) => match &**write {
                QueryWrite::Create(query) => self.set(query, index, index)?,
                QueryWrite::Update(query) => {
                    let old = self.queries.iter().find(|old| old.id == query.id);
                    let create = old.ok_or(Error::MissingQuery(query.id))?.create.0;
                    self.set(query, create, index)?;
                }
                QueryWrite::Delete(id) => self.remove(index, |query| query.id == *id),
            },
            Command::SessionCreate(session) => self.sessions.push(session.id),
            Command::SessionDestroy(id) => {
                self.sessions.retain(|session| session != id);
                self.remove(index, |query| query.session == Some(*id));
            }
            _ => {}
        }
        Ok(())
    }

    /// The ID and the service of the query that a text means.
    fn lookup(&self, text: &str) -> Result<Option<(Uuid, String)>, Error> {
        let by_id = self.queries.iter().find(|query| query.id.to_string() == text);
        if let Some(query) = by_id {
            let service = query.service.service.to_string();
            return if query.is_template() {
                Err(Error::TemplateById)
            } else {
                Ok(Some((query.id, service)))
            };
        }
        let name = text.to_lowercase();
        let is_it = |query: &&PreparedQuery| {
            !query.is_template() && !query.name.is_empty() && query.name.to_lowercase() == name
        };
        if let Some(query) = self.queries.iter().find(is_it) {
            return Ok(Some((query.id, query.service.service.to_string())));
        }
        let templates = self.queries.iter().filter(|query| query.is_template());
        let fitting = templates.filter(|query| name.starts_with(&query.name.to_lowercase()));
        let longest = fitting.max_by_key(|query| query.name.to_lowercase().len());
        let suffix =
            |query: &PreparedQuery| text.strip_prefix(&*query.name).unwrap_or(text).to_owned();
        Ok(longest.map(|query| (query.id, suffix(query))))
    }
}

fn apply(state: &mut State, index: u64, command: &Command) -> Response {
    state.apply(ModifyIndex(index), Time(0), [command.clone()]).remove(0)
}

fn looked_up(snapshot: &Snapshot, text: &str) -> Result<Option<(Uuid, String)>, Error> {
    let found = snapshot.query_lookup(text)?;
    Ok(found.map(|query| (query.id, query.service.service.to_string())))
}

fn saved(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.save(&mut bytes).unwrap();
    bytes
}

proptest! {
    #[test]
    fn any_writes_are_as_those_of_a_list(
        commands in prop::collection::vec(prop::array::uniform5(any::<u8>()), 1..60),
    ) {
        let mut state = State::default();
        let mut model = Model::default();
        apply(&mut state, 1, &node());
        for (index, command) in (2..).zip(commands.into_iter().map(command)) {
            state.take_touched();
            let before = state.snapshot();
            let answer = apply(&mut state, index, &command);
            let expected = model.apply(&command, index);
            match expected {
                Ok(()) => prop_assert_eq!(answer, Response::Done),
                Err(error) => prop_assert_eq!(answer, Response::Refused(error)),
            }
            let now = state.snapshot();
            let mut listed = model.queries.clone();
            listed.sort_by_key(|query| query.id);
            prop_assert_eq!(now.query_list().cloned().collect::<Vec<_>>(), listed.clone());
            prop_assert_eq!(now.query_index().0, model.index);
            let ids = (0..5).map(|n| id(n).to_string());
            for text in ASKED.iter().map(ToString::to_string).chain(ids) {
                prop_assert_eq!(looked_up(&now, &text), model.lookup(&text), "{}", text);
            }
            // Whoever waits is woken if what it read is another.
            let mut watches = Watches::default();
            let list = watches.add([Watch::Any(Kind::Queries)]);
            let each: Vec<_> =
                (0..5).map(|n| (id(n), watches.add([Watch::Key(Key::Query(id(n)))]))).collect();
            let woken = watches.wake(&state.take_touched());
            prop_assert_eq!(woken.contains(&list), !before.query_list().eq(now.query_list()));
            for (id, watch) in each {
                prop_assert_eq!(woken.contains(&watch), before.query(&id) != now.query(&id));
            }
            // A restored state answers as the one that was saved.
            let bytes = saved(&now);
            let restored = Snapshot::restore(&mut &*bytes).unwrap();
            prop_assert_eq!(saved(&restored), bytes);
            for text in ASKED {
                prop_assert_eq!(looked_up(&restored, text), looked_up(&now, text));
            }
        }
    }

    #[test]
    fn no_text_panics(service in ".{0,40}|(\\$\\{[a-z0-9 +*/%!?:\"().-]{0,20}\\}?){0,3}") {
        let template = QueryTemplate { kind: NAME_PREFIX_MATCH.into(), ..Default::default() };
        let service = ServiceQuery { service: (&*service).into(), ..ServiceQuery::default() };
        let query = PreparedQuery { id: id(0), template, service, ..PreparedQuery::default() };
        let mut state = State::default();
        apply(&mut state, 1, &Command::Query(Box::new(QueryWrite::Create(query))));
        let _ = state.snapshot().query_lookup("name-12");
    }
}

/// What a template's service is for a name, or why it is refused.
fn filled(prefix: &str, regexp: &str, service: &str, name: &str) -> Result<String, String> {
    let query = PreparedQuery {
        id: id(0),
        name: prefix.into(),
        template: QueryTemplate {
            kind: NAME_PREFIX_MATCH.into(),
            regexp: regexp.into(),
            remove_empty_tags: false,
        },
        service: ServiceQuery { service: service.into(), ..ServiceQuery::default() },
        ..PreparedQuery::default()
    };
    let mut state = State::default();
    match apply(&mut state, 1, &Command::Query(Box::new(QueryWrite::Create(query)))) {
        Response::Refused(error) => Err(error.to_string()),
        _ => looked_up(&state.snapshot(), name)
            .map(|found| found.map_or_else(|| "nothing".to_owned(), |(_, service)| service))
            .map_err(|error| error.to_string()),
    }
}

#[test]
fn templates_come_to_what_was_recorded() {
    let every = "s ${name.full}|${name.prefix}|${name.suffix}|${agent.segment}|$${name.full}|%{x}\
                 |${1}|${\"lit\"}|${match(0)}";
    let sums = "v${1 + 2 * 3}-${7 / 2}-${-4}-${1.5 + 1}-${true}-${!false}-${5 % 3}-${(1+2)*3}";
    for (prefix, regexp, service, name, wanted) in [
        ("geo-", "", "${name.suffix}", "geo-web", "web"),
        ("geo-", "", "${name.suffix}", "GEO-Web", "GEO-Web"),
        ("geo-", "^geo-(.*?)-([^\\-]+?)$", "x${match(1)}", "geo-a-b", "xa"),
        ("geo-", "^geo-(.*?)-([^\\-]+?)$", "x${match(9)}", "geo-a-b", "x"),
        ("geo-", "^geo-(.*?)-([^\\-]+?)$", "x${match(-1)}", "geo-a-b", "x"),
        ("geo-", "", "${name.suffix}", "ge", "nothing"),
        ("all-", "", every, "all-zz", "s all-zz|all-|zz||${name.full}|%{x}|1|lit|"),
        ("c-", "^c-(.*)$", "${match(1) == \"a\" ? \"yes\" : \"no\"}", "c-a", "yes"),
        ("c-", "^c-(.*)$", "${match(1) == \"a\" ? \"yes\" : \"no\"}", "c-b", "no"),
        ("ar-", "", sums, "ar-x", "v7-3--4-2.5-true-true-2-9"),
        ("n-", "", "${\"in ${name.suffix}\"}", "n-x", "in x"),
        ("n-", "", "${2 > 1 && 1 != 2 || 1 / 0 == 1}", "n-x", "true"),
        ("n-", "^n-(\\d*)$", "${match(1) == \"\" ? 0 : match(1) + 1}", "n-41", "42"),
        ("n-", "", "${1000000.5 * 2}", "n-", "2.000001e+06"),
    ] {
        assert_eq!(filled(prefix, regexp, service, name).as_deref(), Ok(wanted), "{service}");
    }
}

#[test]
fn templates_are_refused_in_the_recorded_words() {
    let deep = format!("${{{}1{}}}", "(".repeat(99), ")".repeat(99));
    let long = format!("${{1{}}}", "+1".repeat(600));
    for (regexp, service, wanted) in [
        ("(", "web", "Bad Regexp: error parsing regexp: missing closing ): `(`"),
        (
            "",
            "${name.full",
            "Bad format '${name.full' in Service.Service: parse error at 1:12: expected \"}\" but \
             found end of string",
        ),
        (
            "",
            "${}",
            "Bad format '${}' in Service.Service: parse error at 1:3: expected expression but \
             found \"}\"",
        ),
        (
            "",
            "${bogus}",
            "Bad evaluation for '${bogus}' in Service.Service: 1:3: unknown variable accessed: \
             bogus",
        ),
        (
            "",
            "${upper(\"a\")}",
            "Bad evaluation for '${upper(\"a\")}' in Service.Service: 1:3: unknown function \
             called: upper",
        ),
        (
            "",
            "${match()}",
            "Bad evaluation for '${match()}' in Service.Service: 1:3: match: expected 1 \
             arguments, got 0",
        ),
        (
            "",
            "${match(\"a\")}",
            "Bad evaluation for '${match(\"a\")}' in Service.Service: __builtin_StringToInt: \
             strconv.ParseInt: parsing \"a\": invalid syntax",
        ),
    ] {
        let wanted = format!("failed compiling template: {wanted}");
        assert_eq!(filled("t", regexp, service, "t"), Err(wanted));
    }
    for (service, why) in [(&deep, "nest too deeply"), (&long, "are too long")] {
        assert!(filled("t", "", service, "t").unwrap_err().contains(why));
    }
    let amplified = "${name.full}".repeat(500);
    assert!(filled("", "", &amplified, &"x".repeat(1000)).unwrap_err().contains("too long"));
    assert!(filled("", "", "web", &"x".repeat(1025)).unwrap_err().contains("1024 bytes"));
    let regexp = "()".repeat(1000);
    assert!(filled("", &regexp, "web", "x").unwrap_err().ends_with("expression too large"));
}

/// Also what is empty is work for each lookup.
#[test]
fn the_texts_of_a_template_are_counted() {
    let with_tags = |count| {
        let query = PreparedQuery {
            id: id(0),
            template: QueryTemplate { kind: NAME_PREFIX_MATCH.into(), ..Default::default() },
            service: ServiceQuery {
                service: "web".into(),
                tags: Some(vec!["".into(); count].into()),
                ..ServiceQuery::default()
            },
            ..PreparedQuery::default()
        };
        apply(&mut State::default(), 1, &Command::Query(Box::new(QueryWrite::Create(query))))
    };
    assert_eq!(with_tags(4_000), Response::Done);
    assert!(matches!(with_tags(5_000), Response::Refused(Error::Template(_))));
}

/// Three instances of a service, one of them critical by its node.
fn services() -> State {
    let mut state = State::default();
    let rows = [("a", "passing", "x"), ("B", "warning", "X"), ("c", "critical", "y")];
    for (index, (node, status, tag)) in (1..).zip(rows) {
        let pair: (Box<str>, Box<str>) = ("rack".into(), tag.into());
        let register = Register {
            node: Node {
                name: node.into(),
                address: format!("10.0.0.{index}").into(),
                meta: Some([pair.clone()].into()),
                ..Node::default()
            },
            skip_node_update: false,
            service: Some(Box::new(Service {
                node: node.into(),
                id: "web".into(),
                name: "web".into(),
                tags: Some([tag.into()].into()),
                meta: Some([pair].into()),
                native: node == "a",
                ..Service::default()
            })),
            checks: [Check {
                node: node.into(),
                id: "serfHealth".into(),
                status: status.into(),
                ..Check::default()
            }]
            .into(),
        };
        apply(&mut state, index, &Command::Register(Box::new(register)));
    }
    state
}

#[test]
fn a_query_finds_the_instances_that_it_is_for() {
    let snapshot = services().snapshot();
    let found = |connect, change: &dyn Fn(&mut ServiceQuery)| {
        let mut service = ServiceQuery { service: "WEB".into(), ..ServiceQuery::default() };
        change(&mut service);
        let query = PreparedQuery { service, ..PreparedQuery::default() };
        let mut chosen = Vec::new();
        let run = snapshot.query_run(&query, connect, &mut chosen, None);
        let hasty: Vec<_> = chosen.iter().map(|chosen| chosen.place).collect();
        let names: Vec<_> = (chosen.iter())
            .filter_map(|chosen| Some(run.instances.get(chosen.place)?.node().name.to_string()))
            .collect();
        let mut passed = 0;
        let mut told = |_: &Found<'_>, _: Unfit<'_>| passed += 1;
        snapshot.query_run(&query, connect, &mut chosen, Some(&mut told));
        let told: Vec<_> = chosen.iter().map(|chosen| chosen.place).collect();
        assert_eq!(told, hasty, "who looks on changes what is chosen");
        assert_eq!(chosen.len() + passed, run.instances.len());
        names
    };
    let pairs = |value: &str| Some([("rack".into(), value.into())].into());
    assert_eq!(found(false, &|_| ()), ["a", "B"]);
    assert_eq!(found(true, &|_| ()), ["a"]);
    assert_eq!(found(false, &|query| query.connect = true), ["a"]);
    assert_eq!(found(false, &|query| query.peer = "p".into()), [""; 0]);
    assert_eq!(found(false, &|query| query.only_passing = true), ["a"]);
    let ignored = Some(["serfHealth".into()].into());
    assert_eq!(found(false, &|query| query.ignore_check_ids = ignored.clone()), ["a", "B", "c"]);
    let other = Some(["other".into()].into());
    assert_eq!(found(false, &|query| query.ignore_check_ids = other.clone()), ["a", "B"]);
    assert_eq!(found(false, &|query| query.tags = Some(["X".into()].into())), ["a", "B"]);
    assert_eq!(found(false, &|query| query.tags = Some(["!X".into()].into())), [""; 0]);
    assert_eq!(found(false, &|query| query.node_meta = pairs("X")), ["B"]);
    assert_eq!(found(false, &|query| query.service_meta = pairs("x")), ["a"]);
}

#[test]
fn the_near_node_is_the_asked_one_and_comes_first() {
    let snapshot = services().snapshot();
    let near = |own: &str, asked: &str, source: Option<&str>| {
        let service = ServiceQuery { near: own.into(), ..ServiceQuery::default() };
        let query = PreparedQuery { service, ..PreparedQuery::default() };
        let source = source.map(|text| text.parse::<IpAddr>().unwrap());
        snapshot.query_near(&query, asked, "b", source).map(|node| node.name.to_string())
    };
    assert_eq!(near("", "", None), None);
    assert_eq!(near("A", "", None).as_deref(), Some("a"));
    assert_eq!(near("A", "_agent", None).as_deref(), Some("B"));
    assert_eq!(near("absent", "", None), None);
    assert_eq!(near("_ip", "", Some("10.0.0.2")).as_deref(), Some("B"));
    assert_eq!(near("_ip", "", Some("::ffff:10.0.0.3")).as_deref(), Some("c"));
    assert_eq!(near("_ip", "", Some("10.0.0.9")), None);
    let ignore_check_ids = Some(["serfHealth".into()].into());
    let service =
        ServiceQuery { service: "web".into(), ignore_check_ids, ..ServiceQuery::default() };
    let query = PreparedQuery { service, ..PreparedQuery::default() };
    let mut chosen = Vec::new();
    let run = snapshot.query_run(&query, false, &mut chosen, None);
    assert_eq!((chosen.len(), chosen[0].place), (3, 0));
    let near = snapshot.query_near(&query, "C", "", None).unwrap();
    snapshot.query_sort(run.instances, near, &mut chosen);
    assert_eq!(run.instances.get(chosen[0].place).unwrap().node().name.as_str(), "c");
}

/// A blank tag is one: the reference removes only those without any letter.
#[test]
fn only_empty_tags_are_removed_from_a_template() {
    let query = PreparedQuery {
        id: id(0),
        name: "t-".into(),
        template: QueryTemplate {
            kind: NAME_PREFIX_MATCH.into(),
            remove_empty_tags: true,
            ..Default::default()
        },
        service: ServiceQuery {
            service: "web".into(),
            tags: Some(["${match(0)}".into(), " ".into(), "x".into()].into()),
            ..ServiceQuery::default()
        },
        ..PreparedQuery::default()
    };
    let mut state = State::default();
    let create = Command::Query(Box::new(QueryWrite::Create(query)));
    assert_eq!(apply(&mut state, 1, &create), Response::Done);
    let snapshot = state.snapshot();
    let filled = snapshot.query_lookup("t-web").unwrap().unwrap();
    assert_eq!(filled.service.tags, Some([" ".into(), "x".into()].into()));
}
