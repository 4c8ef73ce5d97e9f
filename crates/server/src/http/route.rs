//! The way of one request.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::{
    Body, Consistency, Endpoint, Failure, Handler, Meta, Method, Query, QueryUse, Reader, Request,
};
use bytes::Bytes;
use catalog::Response;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, VARY,
};
use ipnet::IpNet;

use super::block::{self, Wait};
use super::body::{Bodies, Pieces};
use super::finished::Finished;
use super::parameters::{Parameters, check_cache_control, refuse_enterprise};
use super::path::{self, Path};
use super::reply::{Content, Reply};
use crate::catalogue::Catalogue;
use crate::limits::CACHE_KEYS;
use crate::random;
use crate::sessions::SessionTimers;
use crate::shell::{Shell, Spool};
use crate::store::Store;
use crate::telemetry::Telemetry;

/// What every answer of an endpoint may have.
const ACL_POLICY: HeaderName = HeaderName::from_static("x-consul-default-acl-policy");
const BACKEND: HeaderName = HeaderName::from_static("x-consul-query-backend");
const CONSISTENCY: HeaderName = HeaderName::from_static("x-consul-effective-consistency");
const INDEX: HeaderName = HeaderName::from_static("x-consul-index");
const KNOWN_LEADER: HeaderName = HeaderName::from_static("x-consul-knownleader");
const LAST_CONTACT: HeaderName = HeaderName::from_static("x-consul-lastcontact");
/// What a request may have.
const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");

/// How a site behaves, from the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    /// JSON over several lines, without being asked.
    pub(crate) pretty: bool,
    /// On every answer.
    pub(crate) response_headers: Vec<(String, String)>,
    /// Paths that begin so are refused.
    pub(crate) blocked: Vec<String>,
    /// Who may write; nobody is left out if it is empty.
    pub(crate) writers: Vec<IpNet>,
    /// Whether paths may hold what nobody sees.
    pub(crate) unprintable: bool,
    /// How long a read waits that does not say.
    pub(crate) wait: Duration,
    /// How long a read waits at most.
    pub(crate) wait_max: Duration,
    /// Whether there are pages for people.
    pub(crate) pages: bool,
    /// Whether `?cached` is looked at.
    pub(crate) cache: bool,
}

/// What every connection shares.
pub(crate) struct Site {
    pub(crate) agent: api::Agent,
    pub(crate) store: Store,
    pub(crate) timers: SessionTimers,
    pub(crate) shell: Shell,
    pub(crate) manners: Manners,
    /// What was read with `?cached`, as hashes, and when.
    pub(crate) asked: Mutex<HashMap<u64, Instant>>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// The room for the bodies of requests.
    pub(crate) bodies: Bodies,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// Over TCP.
    Address(SocketAddr),
    /// Over a socket of this machine.
    Local,
}

impl Site {
    pub(crate) fn catalogue(&self) -> &Catalogue {
        self.store.catalogue()
    }

    /// Answers one request; `sent` makes the body of the response of its content. It cannot fail,
    /// and is what hyper wants of a service: a future within another one would be copied once more.
    pub(crate) async fn answer<B>(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        peer: Peer,
        sent: impl FnOnce(Content) -> B,
    ) -> Result<hyper::Response<B>, Infallible> {
        let gzip = accepts_gzip(request.headers());
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let pretty = self.manners.pretty || query.as_ref().is_some_and(|query| query.has("pretty"));
        let reply = match self.route(request, query, peer).await {
            Outcome::Redirect(reply) => return Ok(reply.respond(false, false).map(sent)),
            Outcome::Plain(reply) => reply,
            Outcome::Api(mut reply) => {
                reply.add(VARY, HeaderValue::from_static("Accept-Encoding"));
                reply.add(ACL_POLICY, HeaderValue::from_static("allow"));
                reply
            }
        };
        let mut response = if (pretty || gzip) && reply.is_long() {
            // Rare, and more than a connection's own place has room for.
            let respond = move || reply.respond(pretty, gzip);
            Box::pin(self.catalogue().answers().aside(respond)).await
        } else {
            reply.respond(pretty, gzip)
        };
        for (name, value) in &self.manners.response_headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value.parse()) {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response.map(sent))
    }

    async fn route(
        self: &Arc<Self>,
        request: hyper::Request<Incoming>,
        query: Option<Query>,
        peer: Peer,
    ) -> Outcome {
        if let Some(reply) = malformed(&request) {
            return Outcome::Redirect(reply);
        }
        if request.method() == hyper::Method::OPTIONS && request.uri().path() == "*" {
            return Outcome::Redirect(Reply::new(200, Body::Empty));
        }
        // A copy: the original is a part of the buffer that the request was read into.
        let url = request.uri().path_and_query().map_or("", |url| url.as_str());
        let url: Box<str> = url.into();
        let (raw_path, raw_query) = url.split_once('?').unwrap_or((&url, ""));
        let raw_path = if raw_path.is_empty() && !url.is_empty() { "/" } else { raw_path };
        let is_get = request.method() == hyper::Method::GET;
        let shows = is_get || request.method() == hyper::Method::HEAD;
        let path = match path::read(raw_path, self.manners.unprintable) {
            Path::Clean(path) => path,
            Path::Roundabout(path)
                if is_subtree(&format!("{}/", String::from_utf8_lossy(&path))) =>
            {
                return redirect(&[&path[..], b"/"].concat(), raw_query, shows, is_get);
            }
            Path::Roundabout(path) => return redirect(&path, raw_query, shows, is_get),
            Path::Broken => {
                let mut reply = Reply::text(400, "400 Bad Request");
                reply.close = true;
                return Outcome::Redirect(reply);
            }
            Path::Unprintable => return Outcome::Plain(Reply::new(400, Body::Empty)),
        };
        let text = String::from_utf8_lossy(&path);
        let Some(found) = api::find(&text) else {
            return self.elsewhere(&text, raw_query, shows, is_get);
        };
        // Cut from the bytes, which may not be text.
        let tail = path.get(found.endpoint.path.len()..).unwrap_or_default();
        let (started, method) = (Instant::now(), request.method().clone());
        let asked = self.prepare(found.endpoint, tail, &text, &request, query, peer);
        // Who waits is not to keep the buffer: of the request its body alone goes on.
        let body = request.into_body();
        let reply = match asked {
            Ok(asked) => self.carry_out(found.endpoint, asked, body).await,
            Err(reply) => *reply,
        };
        let took = started.elapsed();
        if let Some(method) = Method::parse(method.as_str()) {
            self.telemetry.answered(found.index, tail, method, reply.status, took);
        }
        let error = reply.error(found.endpoint);
        Finished { method: &method, url: &url, peer, took, error }.log(&self.shell.log);
        Outcome::Api(reply)
    }

    /// What is not the API.
    fn elsewhere(&self, path: &str, raw_query: &str, shows: bool, is_get: bool) -> Outcome {
        let below = format!("{path}/");
        if is_subtree(&below) {
            return redirect(below.as_bytes(), raw_query, shows, is_get);
        }
        let plain = |status, text: &str| Outcome::Plain(Reply::text(status, text));
        match path {
            "/" if self.manners.pages => {
                let Outcome::Redirect(reply) = redirect(b"/ui/", "", shows, is_get) else {
                    return plain(404, "");
                };
                Outcome::Plain(reply)
            }
            "/" => plain(
                200,
                "Consul Agent: UI disabled. To enable, set ui_config.enabled=true in the agent \
                 configuration and restart.",
            ),
            "/ui" if self.manners.pages => redirect(b"/ui/", raw_query, shows, is_get),
            "/robots.txt" if self.manners.pages => plain(200, "User-agent: *\nDisallow: /\n"),
            _ if self.manners.pages && path.starts_with("/ui/") => {
                let page = Bytes::from_static(PAGE.as_bytes());
                Outcome::Plain(Reply::new(200, Body::Bytes("text/html; charset=utf-8", page)))
            }
            _ if path.contains("/v1/") => {
                plain(404, "Invalid URL path: not a recognized HTTP API endpoint\n")
            }
            _ => plain(
                404,
                "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with \
                 '/v1/'\n",
            ),
        }
    }

    /// What a head asks for, before its body is read; an answer if that is refused.
    fn prepare(
        &self,
        endpoint: &'static Endpoint,
        tail: &[u8],
        path: &str,
        request: &hyper::Request<Incoming>,
        query: Option<Query>,
        peer: Peer,
    ) -> Result<Asked, Box<Reply>> {
        if self.manners.blocked.iter().any(|prefix| path.starts_with(prefix.as_str())) {
            return Err(Reply::text(403, "Endpoint is blocked by agent configuration").into());
        }
        let method = request.method().as_str();
        let own = QueryUse::of(endpoint, tail).map(QueryUse::methods);
        if method == "OPTIONS" {
            let reply = match own {
                None => Reply::new(200, Body::Empty).with("Allow", endpoint.allow()),
                Some(methods) => Reply::new(200, Body::Json(Bytes::from_static(b"{}")))
                    .with("Allow", format!("OPTIONS,{methods}")),
            };
            return Err(reply.into());
        }
        if let Some(reply) = self.refused_writer(method, peer) {
            return Err(reply.into());
        }
        let is_allowed =
            own.is_none_or(|methods| methods.split(',').any(|allowed| allowed == method));
        let handler = Method::parse(method).filter(|_| is_allowed);
        let handler = handler.and_then(|method| Some((method, endpoint.handler(method)?)));
        let Some((method, handler)) = handler else {
            let allow = own.map_or_else(|| endpoint.allow(), str::to_owned);
            let text = format!("method {method} not allowed");
            return Err(Reply::text(405, text).with("Allow", allow).into());
        };
        let Some(mut query) = query else {
            return Err(Reply::new(500, Body::Empty).into());
        };
        if !self.manners.cache {
            query = query.without("cached");
        }
        if let Handler::Off(status, text) = handler {
            let reply = Reply::text(status, text);
            let deferred = endpoint.meta == Meta::Deferred;
            return Err(if deferred { unread(reply) } else { reply }.into());
        }
        let headers = request.headers();
        let has = |name: &HeaderName| headers.get(name).is_some_and(|value| !value.is_empty());
        refuse_enterprise(endpoint, &query, has)?;
        let cache = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let looks =
            matches!(endpoint.parameters, api::Parameters::All | api::Parameters::Consistency);
        let cache = cache.filter(|_| looks).unwrap_or_default();
        let parameters = Parameters::read(endpoint, &query)?;
        check_cache_control(cache)?;
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        Ok(Asked {
            handler,
            parameters,
            cache: cache.into(),
            accept: accept.unwrap_or_default().into(),
            request: Request {
                method,
                tail: tail.into(),
                token: token(headers, &query),
                source: source(headers, peer),
                query,
                body: Bytes::new(),
            },
        })
    }

    async fn carry_out(
        self: &Arc<Self>,
        endpoint: &'static Endpoint,
        asked: Asked,
        body: Incoming,
    ) -> Reply {
        let Asked { handler, parameters, cache, accept, mut request } = asked;
        // Its room is taken until the request is carried out.
        let whole;
        if request.method != Method::Get {
            let body = match Pieces::new(endpoint, &self.agent, body) {
                Ok(body) => body,
                Err(reply) => return *reply,
            };
            if let (Handler::Shell(api::Call::Snapshot), Method::Put) = (&handler, request.method) {
                // Rare, and more than a connection's own place has room for.
                let taken = async {
                    let spool = Spool::take(&self.shell.scratch, body).await?;
                    self.own_datacenter(endpoint, &request.query)?;
                    Ok(crate::shell::restore(self, spool, parameters).await)
                };
                return Box::pin(taken).await.unwrap_or_else(|refused: Reply| refused);
            }
            match Box::pin(body.whole(&self.bodies)).await {
                Ok(body) => whole = body,
                Err(reply) => return reply,
            }
            request.body = whole.bytes.clone();
        }
        match handler {
            Handler::Read(read) => self.read(endpoint, read, &request, parameters, &cache).await,
            // What is no read has a place of its own: each connection has room for one request.
            Handler::Write(write) => Box::pin(self.write(endpoint, write, &request)).await,
            Handler::Shell(call) => {
                let call = self.call(endpoint, call, &request, parameters, &accept);
                let reply = Box::pin(call).await;
                let cached = endpoint.cached && request.query.has("cached");
                if cached { self.cache_said(endpoint, &request, &cache, reply) } else { reply }
            }
            Handler::Off(status, text) => Reply::text(status, text),
        }
    }

    fn refused_writer(&self, method: &str, peer: Peer) -> Option<Reply> {
        if self.manners.writers.is_empty() || matches!(method, "GET" | "HEAD") {
            return None;
        }
        match peer {
            Peer::Address(address) => {
                let allowed =
                    self.manners.writers.iter().any(|known| known.contains(&address.ip()));
                (!allowed).then(|| Reply::text(403, "Access is restricted"))
            }
            Peer::Local => Some(Reply::text(
                500,
                "unable to parse remote addr: address @: missing port in address",
            )),
        }
    }

    async fn read(
        &self,
        endpoint: &'static Endpoint,
        read: block::Read,
        request: &Request,
        parameters: Parameters,
        cache: &str,
    ) -> Reply {
        let outcome = self.evaluate(endpoint, read, request, parameters).await;
        let mut shows_meta = endpoint.meta != Meta::None;
        let streams = endpoint.meta == Meta::Health && api::streams(request);
        let mut reply = match outcome {
            Ok(answer) => {
                shows_meta &= answer.meta;
                let index = answer.index.0.max(1);
                let mut reply = Reply::from(answer);
                if shows_meta {
                    let known = if streams { "false" } else { "true" };
                    reply.add(INDEX, index.into());
                    reply.add(KNOWN_LEADER, HeaderValue::from_static(known));
                    reply.add(LAST_CONTACT, HeaderValue::from_static("0"));
                }
                if shows_meta && matches!(endpoint.meta, Meta::Catalog | Meta::Health) {
                    let used = parameters.consistency.as_str();
                    reply.add(CONSISTENCY, HeaderValue::from_static(used));
                }
                let of_query = QueryUse::of(endpoint, &request.tail);
                let is_cached = of_query.is_none_or(|of| of == QueryUse::Execute) && shows_meta;
                if endpoint.cached && is_cached && request.query.has("cached") {
                    let cache = match (of_query, parameters.index) {
                        (Some(_), _) => cache,
                        // A read that waits is never an old one.
                        (None, 1..) => "max-age=0",
                        (None, 0) => "",
                    };
                    reply = self.cache_said(endpoint, request, cache, reply);
                }
                reply
            }
            Err(failure) => {
                let deferred = matches!(endpoint.meta, Meta::Deferred | Meta::Catalog);
                // That a prepared query is not there is found out late, too.
                let late = failure.status == 404 && endpoint.path.starts_with("/v1/query");
                let deferred = deferred && (failure.status == 500 || late);
                let reply = Reply::from(failure);
                if !deferred {
                    return reply;
                }
                return unread(reply);
            }
        };
        if shows_meta {
            let backend = if streams { "streaming" } else { "blocking-query" };
            reply.add(BACKEND, HeaderValue::from_static(backend));
        }
        reply
    }

    /// There is no cache: what is read is as fresh as it would be in one. Clients that count its
    /// hits are told what they would be.
    fn cache_said(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        cache: &str,
        reply: Reply,
    ) -> Reply {
        let mut hasher = DefaultHasher::new();
        // Who wants only what passes picks it out of the same entry.
        let query = UNCACHED.iter().fold(request.query.clone(), |query, name| query.without(name));
        (endpoint.path, &request.tail, query.encode()).hash(&mut hasher);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= CACHE_KEYS {
            asked.clear();
        }
        let now = Instant::now();
        let since = asked.entry(hasher.finish());
        let age = match &since {
            Entry::Occupied(since) => Some(now.duration_since(*since.get())),
            Entry::Vacant(_) => None,
        };
        match age.filter(|age| may_be_old(cache, *age)) {
            // Entries that nobody bounds are refreshed behind the scenes.
            Some(age) => {
                let bounded = endpoint.meta == Meta::None || endpoint.path == "/v1/query/";
                let age = if bounded { age.as_secs() } else { 0 };
                reply.with("X-Cache", "HIT").with("Age", age.to_string())
            }
            None => {
                since.insert_entry(now);
                reply.with("X-Cache", "MISS")
            }
        }
    }

    async fn evaluate(
        &self,
        endpoint: &'static Endpoint,
        read: block::Read,
        request: &Request,
        parameters: Parameters,
    ) -> Result<api::Answer, Failure> {
        self.own_datacenter(endpoint, &request.query)?;
        if parameters.consistency == Consistency::Consistent {
            let unsure = |error: crate::store::WriteError| Failure::internal(error.to_string());
            self.store.confirm().await.map_err(unsure)?;
        }
        // What a query finds comes in an order by chance, and nobody waits for it.
        let runs = QueryUse::of(endpoint, &request.tail).is_some_and(|of| of != QueryUse::Row);
        let fresh = runs.then(random::uuid);
        let waits = parameters.index > 0 && endpoint.meta != Meta::None && !runs;
        let wait = waits.then(|| {
            let wait = parameters.wait.unwrap_or(self.manners.wait).min(self.manners.wait_max);
            Wait::new(parameters.index, wait)
        });
        let site = (self.catalogue(), &self.agent);
        block::read(site, fresh, (endpoint, read), request, wait).await
    }

    /// There is one datacenter.
    fn own_datacenter(&self, endpoint: &Endpoint, query: &Query) -> Result<(), Failure> {
        if endpoint.parameters != api::Parameters::All {
            return Ok(());
        }
        let asked = query.filled("datacenter").or(query.filled("dc"));
        match asked {
            Some(asked) if asked != &*self.agent.datacenter => {
                Err(Failure::internal("No path to datacenter"))
            }
            _ => Ok(()),
        }
    }

    async fn write(
        &self,
        endpoint: &Endpoint,
        write: fn(&Request, &Reader<'_>) -> Result<api::Proposal, Failure>,
        request: &Request,
    ) -> Reply {
        match self.proposal(endpoint, write, request).await {
            Ok(answer) => answer.into(),
            Err(failure) => failure.into(),
        }
    }

    async fn proposal(
        &self,
        endpoint: &Endpoint,
        write: fn(&Request, &Reader<'_>) -> Result<api::Proposal, Failure>,
        request: &Request,
    ) -> Result<api::Answer, Failure> {
        let started = Instant::now();
        let fresh = random::uuid();
        let proposal = if api::is_long(endpoint, request, &self.catalogue().read()) {
            let (catalogue, agent) = (self.catalogue().clone(), self.agent.clone());
            let request = request.clone();
            let propose = move || {
                let snapshot = catalogue.read();
                write(&request, &Reader { snapshot: &snapshot, agent: &agent, fresh })
            };
            self.catalogue().answers().aside(propose).await?
        } else {
            let snapshot = self.catalogue().read();
            write(request, &Reader { snapshot: &snapshot, agent: &self.agent, fresh })?
        };
        self.own_datacenter(endpoint, &request.query)?;
        match proposal {
            api::Proposal::Answer(answer) => {
                if endpoint.path == "/v1/txn" {
                    self.telemetry.transaction_read(started.elapsed());
                }
                Ok(answer)
            }
            api::Proposal::Command(command, then) => {
                let owned = crate::shell::owned(self, &command).await;
                let response = self.store.write(command).await;
                let response = response.map_err(|error| Failure::internal(error.to_string()))?;
                let done = !matches!(response, Response::Refused(_) | Response::TxnFailed(_));
                let mut answer = then(response)?;
                if done {
                    answer.headers.extend(crate::shell::warn(self, owned));
                }
                Ok(answer)
            }
        }
    }

    async fn call(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        call: api::Call,
        request: &Request,
        parameters: Parameters,
        accept: &str,
    ) -> Reply {
        // The agent's own services are nowhere else.
        if call != api::Call::AgentService
            && let Err(failure) = self.own_datacenter(endpoint, &request.query)
        {
            return failure.into();
        }
        crate::shell::call(self, call, request, parameters, accept).await
    }
}

/// What a head must have besides what the parser demands.
fn malformed(request: &hyper::Request<Incoming>) -> Option<Reply> {
    let refused = |status, text: &str| {
        let mut reply = Reply::text(status, text);
        reply.close = true;
        Some(reply)
    };
    let mut hosts = request.headers().get_all(hyper::header::HOST).iter();
    let host = hosts.next();
    if host.is_none() && request.version() == hyper::Version::HTTP_11 {
        return refused(400, "400 Bad Request: missing required Host header");
    }
    if hosts.next().is_some() {
        return refused(400, "400 Bad Request");
    }
    let strange = |byte: &u8| *byte <= b' ' || *byte >= 0x7f || b"\"<>\\^`{|}".contains(byte);
    if host.is_some_and(|host| host.as_bytes().iter().any(strange)) {
        return refused(400, "400 Bad Request: malformed Host header");
    }
    let expect = request.headers().get(hyper::header::EXPECT);
    if expect.is_some_and(|expect| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        let mut reply = Reply::new(417, Body::Empty);
        reply.close = true;
        return Some(reply);
    }
    None
}

/// Whether a client takes an answer of this age.
fn may_be_old(cache: &str, age: Duration) -> bool {
    cache.split(',').map(str::trim).all(|directive| {
        let bound = directive.strip_prefix("max-age=").and_then(|text| text.parse().ok());
        directive != "must-revalidate"
            && bound.is_none_or(|bound| bound > 0 && age <= Duration::from_secs(bound))
    })
}

/// Whether everything below a path is an endpoint's.
fn is_subtree(path: &str) -> bool {
    api::ENDPOINTS.iter().any(|endpoint| endpoint.path == path)
}

/// The headers of a read that failed before it read anything.
fn unread(reply: Reply) -> Reply {
    reply
        .set(INDEX, 1.into())
        .set(KNOWN_LEADER, HeaderValue::from_static("false"))
        .set(LAST_CONTACT, HeaderValue::from_static("0"))
        .set(BACKEND, HeaderValue::from_static("blocking-query"))
}

/// What a head asks for.
struct Asked {
    handler: Handler,
    /// Still without its body.
    request: Request,
    parameters: Parameters,
    /// What the client asks of a cache.
    cache: Box<str>,
    /// The types that it takes.
    accept: Box<str>,
}

/// What makes no other entry of a cache.
const UNCACHED: [&str; 8] =
    ["cached", "passing", "stale", "max_stale", "index", "wait", "pretty", "token"];

/// What a path came to.
enum Outcome {
    /// Sent as it is, without any of our headers.
    Redirect(Reply),
    /// With the configured headers.
    Plain(Reply),
    /// An endpoint's.
    Api(Reply),
}

/// A page for people, until there is a console.
const PAGE: &str = "<!doctype html><title>Tribune</title><p>This server answers Consul's HTTP API \
                    under <a href=\"/v1/catalog/services\">/v1/</a>.</p>\n";

fn redirect(path: &[u8], raw_query: &str, shows: bool, is_get: bool) -> Outcome {
    let mut location = path::escape(path);
    if !raw_query.is_empty() {
        location = format!("{location}?{raw_query}");
    }
    let shown = location
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;");
    let text = if is_get {
        format!("<a href=\"{shown}\">Moved Permanently</a>.\n\n")
    } else {
        String::new()
    };
    let kind = if shows { "text/html; charset=utf-8" } else { "" };
    let reply = Reply::new(301, Body::Bytes(kind, text.into()));
    Outcome::Redirect(reply.with("Location", location))
}

/// Whether a client named gzip, not forbidding it.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let refused = weight
                .trim()
                .strip_prefix("q=")
                .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight == 0.0));
            name.trim().eq_ignore_ascii_case("gzip") && !refused
        })
    })
}

/// The address of who asks: the first that a proxy names, else the peer's.
fn source(headers: &HeaderMap, peer: Peer) -> Option<IpAddr> {
    let passed_on = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    match (passed_on.and_then(|list| list.split(',').next()), peer) {
        (Some(first), _) => first.trim().parse().ok(),
        (None, Peer::Address(address)) => Some(address.ip()),
        (None, Peer::Local) => None,
    }
}

/// The secret that a request carries, wherever it does.
fn token(headers: &HeaderMap, query: &Query) -> Box<str> {
    if let Some(token) = query.filled("token") {
        return token.into();
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(token) = text(TOKEN).filter(|token| !token.is_empty()) {
        return token.into();
    }
    let bearer = text(AUTHORIZATION).and_then(|value| {
        let (scheme, rest) = value.trim_start().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| rest.split_whitespace().next())?
    });
    bearer.unwrap_or_default().into()
}
