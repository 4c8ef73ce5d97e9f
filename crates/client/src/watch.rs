//! Watches: something that is read again and again, and told whenever it is another thing.
//!
//! What can be watched, with which parameters, is the same for `consul watch` and for the watches
//! of an agent's configuration ("Consul agent", section 12). A [`Plan`] knows what to ask and what
//! was told last; a [`Watcher`] asks until there is something to tell, with longer and longer waits
//! after failures. What is done about it is its callers' business.

mod parameters;
mod shape;

use std::time::Duration;

use gotext::Json;
use gotext::decode::{Value, whole_value};

use crate::http::{Http, HttpError, LARGEST_ANSWER, Request, Response};

pub use self::parameters::Parameters;
use self::shape::{Shape, reshape};

/// How long to wait after the first failure; after the second four times as long, and so on.
const RETRY: Duration = Duration::from_secs(5);

/// How long to wait at most.
const LONGEST_RETRY: Duration = Duration::from_secs(180);

/// What is watched, and what was seen last.
#[derive(Clone, Debug)]
pub struct Plan {
    kind: Kind,
    request: Request,
    seen: Option<Seen>,
    /// The index of the last answer; 0 for what has none.
    index: u64,
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
    AgentService,
}

/// How far something was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Index(u64),
    /// The hash of what the agent itself has, which has no index.
    Hash(String),
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
            Kind::AgentService => &shape::SERVICE,
        }
    }
}

impl Plan {
    /// A watch of this type, whose parameters are taken; those that are left are no parameters of
    /// it. Certificates of the mesh cannot be watched.
    ///
    /// # Errors
    ///
    /// The text that says what is wrong with the type or a parameter.
    pub fn new(kind: &str, parameters: &mut Parameters) -> Result<Plan, String> {
        let stale = parameters.bool("stale")?;
        let (kind, request) = match kind {
            "key" => (Kind::Key, key_request(&parameters.needed("key")?)),
            "keyprefix" => {
                let request = key_request(&parameters.needed("prefix")?);
                (Kind::KeyPrefix, request.with("recurse", ""))
            }
            "services" => (Kind::Services, Request::get("/v1/catalog/services")),
            "nodes" => (Kind::Nodes, Request::get("/v1/catalog/nodes")),
            "service" => (Kind::Service, service_request(parameters)?),
            "checks" => (Kind::Checks, checks_request(parameters)?),
            "event" => {
                let name = parameters.text("name")?;
                (Kind::Event, Request::get("/v1/event/list").with_given("name", name))
            }
            "agent_service" => {
                let id = parameters.needed("service_id")?;
                (Kind::AgentService, Request::get(format!("/v1/agent/service/{id}")))
            }
            "connect_roots" | "connect_leaf" => {
                return Err(format!("Type {kind} is not supported: there is no mesh yet"));
            }
            other => return Err(format!("Unsupported watch type: {other}")),
        };
        let filterable =
            matches!(kind, Kind::Services | Kind::Nodes | Kind::Service | Kind::Checks);
        let request = match filterable {
            true => request.with_given("filter", parameters.text("filter")?),
            false => request,
        };
        let request = if stale { request.with("stale", "") } else { request };
        Ok(Plan { kind, request, seen: None, index: 0, last: None })
    }

    /// Asks once more and waits for the answer: the data if they are new.
    async fn next(&mut self, http: &Http) -> Result<Option<Json>, HttpError> {
        let request = match &self.seen {
            Some(Seen::Index(index)) if *index > 0 => {
                self.request.clone().with("index", index.to_string())
            }
            Some(Seen::Hash(hash)) => self.request.clone().with("hash", hash.as_str()),
            _ => self.request.clone(),
        };
        let response = http.send(request).await?;
        let seen = self.seen_by(&response);
        let is_missing_key =
            response.status() == 404 && matches!(self.kind, Kind::Key | Kind::KeyPrefix);
        let body = if is_missing_key {
            response.bytes(LARGEST_ANSWER).await?;
            b"null".to_vec()
        } else {
            response.success().await?.bytes(LARGEST_ANSWER).await?
        };
        let seen =
            seen.map_err(|header| HttpError::Answer(format!("the answer has no {header}")))?;
        if self.seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        let data = self.data(whole_value(&body)?);
        Ok(self.take(seen, data))
    }

    /// Notes what an answer holds: the data if they are new.
    fn take(&mut self, seen: Seen, data: Json) -> Option<Json> {
        let is_first = self.seen.is_none();
        if let Seen::Index(index) = seen {
            self.index = index;
        }
        // An index that falls back begins anew. Those of events are no numbers that grow.
        let falls_back = match (&self.seen, &seen) {
            (Some(Seen::Index(last)), Seen::Index(index)) => {
                self.kind != Kind::Event && index < last
            }
            _ => false,
        };
        self.seen = Some(if falls_back { Seen::Index(0) } else { seen });
        if !is_first && self.last.as_ref() == Some(&data) {
            return None;
        }
        self.last = Some(data.clone());
        Some(data)
    }

    /// How far an answer has seen, else the header that it should have.
    fn seen_by(&self, response: &Response) -> Result<Seen, &'static str> {
        match self.kind {
            Kind::AgentService => {
                let hash = response.content_hash().ok_or("X-Consul-ContentHash")?;
                Ok(Seen::Hash(hash.to_owned()))
            }
            _ => response.index().map(Seen::Index).ok_or("X-Consul-Index"),
        }
    }

    fn data(&self, value: Value) -> Json {
        let value = match (value, &self.seen) {
            (Value::List(events), Some(Seen::Index(index))) if self.kind == Kind::Event => {
                Value::List(newer(events, *index))
            }
            (value, _) => value,
        };
        match (self.kind, reshape(value, self.kind.shape())) {
            (Kind::Key, Json::List(pairs)) => pairs.into_iter().next().unwrap_or(Json::Null),
            (_, data) => data,
        }
    }
}

/// A plan that is carried out.
#[derive(Clone, Debug)]
pub struct Watcher {
    plan: Plan,
    failures: u32,
}

impl Watcher {
    /// Nothing is asked yet.
    pub fn new(plan: Plan) -> Watcher {
        Watcher { plan, failures: 0 }
    }

    /// Waits for data that were not told yet. Each failure is told, with how long it is waited
    /// before the next attempt. May be dropped at any time; then nothing is lost but the question.
    pub async fn next(&mut self, http: &Http, tell: impl Fn(&HttpError, Duration)) -> Json {
        loop {
            match self.plan.next(http).await {
                Ok(data) => {
                    self.failures = 0;
                    if let Some(data) = data {
                        return data;
                    }
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    let factor = self.failures.saturating_mul(self.failures);
                    let wait = RETRY.saturating_mul(factor).min(LONGEST_RETRY);
                    tell(&error, wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// The index of the last answer; 0 for what has none.
    pub fn index(&self) -> u64 {
        self.plan.index
    }
}

/// Keys begin without a slash, as Go's client has it.
fn key_request(key: &str) -> Request {
    Request::get(format!("/v1/kv/{}", key.strip_prefix('/').unwrap_or(key)))
}

fn service_request(parameters: &mut Parameters) -> Result<Request, String> {
    let service = parameters.needed("service")?;
    let mut request = Request::get(format!("/v1/health/service/{service}"));
    for tag in parameters.texts("tag")? {
        request = request.with("tag", tag);
    }
    let passing = parameters.bool("passingonly")?;
    Ok(if passing { request.with("passing", "1") } else { request })
}

fn checks_request(parameters: &mut Parameters) -> Result<Request, String> {
    let (service, state) = (parameters.text("service")?, parameters.text("state")?);
    match (service.as_str(), state.as_str()) {
        ("", "") => Ok(Request::get("/v1/health/state/any")),
        ("", state) => Ok(Request::get(format!("/v1/health/state/{state}"))),
        (service, "") => Ok(Request::get(format!("/v1/health/checks/{service}"))),
        _ => Err("Cannot specify service and state".to_owned()),
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

    fn plan(kind: &str, given: &[(&str, Value)]) -> Result<Plan, String> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let mut parameters = Parameters::new(given);
        let plan = Plan::new(kind, &mut parameters)?;
        parameters.refuse_rest()?;
        Ok(plan)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn mistakes_are_told_as_recorded() {
        for (kind, given, why) in [
            ("zz", &[][..], "Unsupported watch type: zz"),
            ("key", &[], "Must specify a single key to watch"),
            ("keyprefix", &[("prefix", text(""))], "Must specify a single prefix to watch"),
            ("service", &[], "Must specify a single service to watch"),
            ("agent_service", &[], "Must specify a single service_id to watch"),
            (
                "checks",
                &[("service", text("a")), ("state", text("b"))],
                "Cannot specify service and state",
            ),
            ("nodes", &[("key", text("x"))], "Invalid parameters: [key]"),
            ("key", &[("key", text("a")), ("prefix", text("b"))], "Invalid parameters: [prefix]"),
            ("event", &[("passingonly", Value::Bool(true))], "Invalid parameters: [passingonly]"),
            ("key", &[("key", Value::Bool(true))], "Expecting key to be a string"),
            ("nodes", &[("stale", text("x"))], "Expecting stale to be a boolean"),
        ] {
            assert_eq!(plan(kind, given).unwrap_err(), why);
        }
    }

    #[test]
    fn what_is_asked_follows_the_parameters() {
        let tags = Value::List(vec![text("a"), text("b")]);
        let given = [
            ("service", text("web")),
            ("tag", tags),
            ("passingonly", Value::Bool(true)),
            ("stale", Value::Bool(true)),
        ];
        let target = plan("service", &given).unwrap().request.target("");
        assert_eq!(target, "/v1/health/service/web?passing=1&stale=&tag=a&tag=b");
        let one = plan("service", &[("service", text("web")), ("tag", text("a"))]).unwrap();
        assert_eq!(one.request.target(""), "/v1/health/service/web?tag=a");
        let key = plan("key", &[("key", text("/a/b?"))]).unwrap();
        assert_eq!(key.request.target(""), "/v1/kv/a/b%3F");
    }

    #[test]
    fn what_is_the_same_is_not_told_again_and_an_index_that_falls_back_begins_anew() {
        let mut plan = plan("nodes", &[]).unwrap();
        let (a, b) = (Json::text("a"), Json::text("b"));
        for (index, data, told, next) in [
            (5, &a, true, 5),
            (6, &a, false, 6),
            (7, &b, true, 7),
            // Restored from a snapshot, say: the next question waits for nothing.
            (3, &a, true, 0),
            (3, &a, false, 3),
        ] {
            let new = plan.take(Seen::Index(index), data.clone());
            assert_eq!(new.as_ref(), told.then_some(data), "{index}");
            assert_eq!((plan.index, &plan.seen), (index, &Some(Seen::Index(next))));
        }
    }

    #[test]
    fn events_are_told_once() {
        let (a, b) =
            ("00000000-0000-0001-0000-000000000003", "00000000-0000-0000-0000-000000000007");
        assert_eq!(event_index(a), Some(2));
        assert_eq!(event_index("zz"), None);
        let list = format!(r#"[{{"ID":"{a}"}},{{"ID":"{b}"}}]"#);
        let mut plan = plan("event", &[("name", text("x"))]).unwrap();
        let told = |plan: &Plan| match plan.data(whole_value(list.as_bytes()).unwrap()) {
            Json::List(events) => events.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(&plan), 2);
        for (index, count) in [(2, 1), (7, 0), (99, 2)] {
            plan.seen = Some(Seen::Index(index));
            assert_eq!(told(&plan), count);
        }
    }
}
