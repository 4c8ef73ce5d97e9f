//! What a watch asks for, again and again.

use client::http::{Http, HttpError, LARGEST_ANSWER, Request};
use gotext::Json;
use gotext::decode::{Value, whole_value};

use super::shape::{self, Shape, reshape};

/// The parameters that a watch of some type may have, by the names of their flags.
const PARAMETERS: [&str; 8] =
    ["key", "prefix", "service", "tag", "passingonly", "state", "name", "filter"];

/// Types that only an agent can watch.
const AGENTS_OWN: [&str; 3] = ["connect_roots", "connect_leaf", "agent_service"];

/// What is watched, and what was seen last.
#[derive(Debug)]
pub(super) struct Plan {
    kind: Kind,
    request: Request,
    index: Option<u64>,
    last: Option<Json>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Key,
    KeyPrefix,
    Services,
    Nodes,
    Service,
    Checks,
    Event,
}

impl Kind {
    fn shape(self) -> &'static Shape {
        match self {
            Kind::Key | Kind::KeyPrefix => &shape::PAIRS,
            Kind::Services => &shape::SERVICES,
            Kind::Nodes => &shape::NODES,
            Kind::Service => &shape::ENTRIES,
            Kind::Checks => &shape::CHECKS,
            Kind::Event => &shape::EVENTS,
        }
    }
}

/// The values of parameters, which are taken out one after another.
struct Parameters(Vec<(&'static str, Vec<String>)>);

impl Parameters {
    fn take_all(&mut self, name: &str) -> Vec<String> {
        match self.0.iter().position(|(given, _)| *given == name) {
            Some(at) => self.0.remove(at).1,
            None => Vec::new(),
        }
    }

    fn take(&mut self, name: &str) -> String {
        self.take_all(name).pop().unwrap_or_default()
    }

    fn needed(&mut self, name: &str) -> Result<String, String> {
        match self.take(name) {
            value if value.is_empty() => Err(format!("Must specify a single {name} to watch")),
            value => Ok(value),
        }
    }
}

impl Plan {
    /// A watch of this type; `values` looks parameters up. Why not is told in a text.
    pub(super) fn new(
        kind: &str,
        values: impl Fn(&'static str) -> Vec<String>,
    ) -> Result<Plan, String> {
        let given = PARAMETERS.into_iter().map(|name| (name, values(name)));
        let mut parameters =
            Parameters(given.filter(|(_, values)| values.iter().any(|v| !v.is_empty())).collect());
        let passing = match parameters.take("passingonly").as_str() {
            "" => None,
            text => Some(gotext::parse_bool(text).map_err(|_| {
                let text = gotext::quote(text);
                format!(
                    "Failed to parse passingonly flag: strconv.ParseBool: parsing {text}: invalid \
                     syntax"
                )
            })?),
        };
        let (kind, request) = match kind {
            "key" => (Kind::Key, Request::get(format!("/v1/kv/{}", parameters.needed("key")?))),
            "keyprefix" => {
                let prefix = parameters.needed("prefix")?;
                (Kind::KeyPrefix, Request::get(format!("/v1/kv/{prefix}")).with("recurse", ""))
            }
            "services" => (Kind::Services, Request::get("/v1/catalog/services")),
            "nodes" => (Kind::Nodes, Request::get("/v1/catalog/nodes")),
            "service" => (Kind::Service, service_request(&mut parameters, passing)?),
            "checks" => (Kind::Checks, checks_request(&mut parameters)?),
            "event" => {
                let name = parameters.take("name");
                (Kind::Event, Request::get("/v1/event/list").with_given("name", name))
            }
            own if AGENTS_OWN.contains(&own) => {
                // What is told first is what is told of every other type.
                refuse_others(parameters)?;
                return Err(format!("Type {own} is not supported in the CLI tool"));
            }
            other => return Err(format!("Unsupported watch type: {other}")),
        };
        let filterable =
            matches!(kind, Kind::Services | Kind::Nodes | Kind::Service | Kind::Checks);
        let request = match filterable {
            true => request.with_given("filter", parameters.take("filter")),
            false => request,
        };
        if passing.is_some() && kind != Kind::Service {
            parameters.0.push(("passingonly", Vec::new()));
        }
        refuse_others(parameters)?;
        Ok(Plan { kind, request, index: None, last: None })
    }

    /// Asks once more and waits for the answer: the data if they are new.
    pub(super) async fn next(&mut self, http: &Http) -> Result<Option<Json>, HttpError> {
        let mut request = self.request.clone();
        if let Some(index) = self.index.filter(|index| *index > 0) {
            request = request.with("index", index.to_string());
        }
        let response = http.send(request).await?;
        let index = response.index();
        let is_missing_key =
            response.status() == 404 && matches!(self.kind, Kind::Key | Kind::KeyPrefix);
        let body = if is_missing_key {
            response.bytes(LARGEST_ANSWER).await?;
            b"null".to_vec()
        } else {
            response.success().await?.bytes(LARGEST_ANSWER).await?
        };
        let Some(index) = index else {
            return Err(HttpError::Answer("the answer has no X-Consul-Index".to_owned()));
        };
        let previous = self.index;
        if previous == Some(index) {
            return Ok(None);
        }
        let data = self.data(whole_value(&body)?);
        // An index that falls back begins anew. Those of events are no numbers that grow.
        let falls_back = self.kind != Kind::Event && previous.is_some_and(|last| index < last);
        self.index = Some(if falls_back { 0 } else { index });
        if previous.is_some() && self.last.as_ref() == Some(&data) {
            return Ok(None);
        }
        self.last = Some(data.clone());
        Ok(Some(data))
    }

    /// The index of the last answer.
    pub(super) fn index(&self) -> u64 {
        self.index.unwrap_or_default()
    }

    fn data(&self, value: Value) -> Json {
        let value = match (value, self.index) {
            (Value::List(events), Some(index)) if self.kind == Kind::Event => {
                Value::List(newer(events, index))
            }
            (value, _) => value,
        };
        match (self.kind, reshape(value, self.kind.shape())) {
            (Kind::Key, Json::List(pairs)) => pairs.into_iter().next().unwrap_or(Json::Null),
            (_, data) => data,
        }
    }
}

fn service_request(parameters: &mut Parameters, passing: Option<bool>) -> Result<Request, String> {
    let service = parameters.needed("service")?;
    let mut request = Request::get(format!("/v1/health/service/{service}"));
    for tag in parameters.take_all("tag") {
        request = request.with("tag", tag);
    }
    Ok(if passing == Some(true) { request.with("passing", "1") } else { request })
}

fn checks_request(parameters: &mut Parameters) -> Result<Request, String> {
    let (service, state) = (parameters.take("service"), parameters.take("state"));
    match (service.as_str(), state.as_str()) {
        ("", "") => Ok(Request::get("/v1/health/state/any")),
        ("", state) => Ok(Request::get(format!("/v1/health/state/{state}"))),
        (service, "") => Ok(Request::get(format!("/v1/health/checks/{service}"))),
        _ => Err("Cannot specify service and state".to_owned()),
    }
}

fn refuse_others(parameters: Parameters) -> Result<(), String> {
    let names: Vec<_> = parameters.0.into_iter().map(|(name, _)| name).collect();
    if names.is_empty() {
        Ok(())
    } else {
        Err(format!("Invalid parameters: [{}]", names.join(" ")))
    }
}

/// The events behind the one with this index; all of them if it is not there.
fn newer(mut events: Vec<Value>, index: u64) -> Vec<Value> {
    let seen = events.iter().position(|event| {
        let Value::Object(fields) = event else { return false };
        fields.iter().any(|(name, value)| match value {
            Value::Text(id) => name == "ID" && event_index(id) == Some(index),
            _ => false,
        })
    });
    if let Some(at) = seen {
        events.drain(..=at);
    }
    events
}

/// The index of an event: the halves of its identity, one upon the other.
fn event_index(id: &str) -> Option<u64> {
    let digits: String = id.chars().filter(|character| *character != '-').collect();
    let (low, high) = digits.split_at_checked(16)?;
    Some(u64::from_str_radix(low, 16).ok()? ^ u64::from_str_radix(high, 16).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn plan(kind: &str, given: &[(&str, &str)]) -> Result<Plan, String> {
        Plan::new(kind, |name| {
            let found = given.iter().filter(|(given, _)| *given == name);
            found.map(|(_, value)| (*value).to_owned()).collect()
        })
    }

    #[test]
    fn mistakes_are_told_as_recorded() {
        for (kind, given, text) in [
            ("zz", &[][..], "Unsupported watch type: zz"),
            ("key", &[], "Must specify a single key to watch"),
            ("keyprefix", &[], "Must specify a single prefix to watch"),
            ("service", &[], "Must specify a single service to watch"),
            ("checks", &[("service", "a"), ("state", "b")], "Cannot specify service and state"),
            ("nodes", &[("key", "x")], "Invalid parameters: [key]"),
            ("key", &[("key", "a"), ("prefix", "b")], "Invalid parameters: [prefix]"),
            ("agent_service", &[("key", "x")], "Invalid parameters: [key]"),
            ("connect_roots", &[], "Type connect_roots is not supported in the CLI tool"),
            ("event", &[("passingonly", "true")], "Invalid parameters: [passingonly]"),
            (
                "service",
                &[("service", "a"), ("passingonly", "maybe")],
                "Failed to parse passingonly flag: strconv.ParseBool: parsing \"maybe\": invalid \
                 syntax",
            ),
        ] {
            assert_eq!(plan(kind, given).unwrap_err(), text);
        }
    }

    #[test]
    fn events_are_told_once() {
        let (a, b) =
            ("00000000-0000-0001-0000-000000000003", "00000000-0000-0000-0000-000000000007");
        assert_eq!(event_index(a), Some(2));
        assert_eq!(event_index("zz"), None);
        let list = format!(r#"[{{"ID":"{a}"}},{{"ID":"{b}"}}]"#);
        let mut plan = plan("event", &[("name", "x")]).unwrap();
        let told = |plan: &Plan| match plan.data(whole_value(list.as_bytes()).unwrap()) {
            Json::List(events) => events.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(&plan), 2);
        plan.index = Some(2);
        assert_eq!(told(&plan), 1);
        plan.index = Some(7);
        assert_eq!(told(&plan), 0);
        plan.index = Some(99);
        assert_eq!(told(&plan), 2);
    }
}
