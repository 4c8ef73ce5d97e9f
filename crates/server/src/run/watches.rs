//! The watches of the configuration, and what runs when they see something new.
//!
//! Each watch is a task that asks this agent's own HTTP API; its handler is never run twice at a
//! time. A reload leaves watches alone that are what they were. One that goes lets its handler come
//! to its end, which may be what asked for the reload.
//!
//! Specification "Consul agent", section 12.

mod handler;

use std::sync::Arc;
use std::time::Duration;

use agent::log::{Level, Log};
use client::http::{Http, HttpError};
use client::watch::{Parameters, Plan, Watcher};
use gotext::GoDuration;
use gotext::decode::Value;
use settings::{Failure, ListenAddress, Settings};
use tokio::sync::oneshot;

use handler::Handler;

/// A watch that is to be run.
pub(super) struct Watch {
    kind: String,
    plan: Plan,
    handler: Handler,
    /// Its own: a connection that waits is of no use to others.
    http: Http,
    connection: client::http::Settings,
    /// What it was made of: two watches of the same are the same.
    object: gotext::object::Object,
}

/// The watches that run. They end with this.
#[derive(Default)]
pub(super) struct Watches(Vec<Running>);

struct Running {
    connection: client::http::Settings,
    object: gotext::object::Object,
    /// The task ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

/// The watches of a configuration, for an agent that was `started` with maybe another one: only
/// the next start moves its sockets.
pub(super) fn read(
    settings: &Settings,
    started: &Settings,
    log: &Log,
) -> Result<Vec<Watch>, Failure> {
    if settings.watches.is_empty() {
        return Ok(Vec::new());
    }
    let mut connection = connection(started)?;
    // With the token of the agent, as everything that it does by itself.
    let (agent, default) = (&settings.acl.agent_token, &settings.acl.default_token);
    let token = if agent.is_empty() { default } else { agent };
    connection.token = token.reveal().to_owned();
    let read = |definition: &settings::Definition| {
        read_one(&definition.object, connection.clone(), log)
            .map_err(|message| Failure { message, hint: None })
    };
    settings.watches.iter().map(read).collect()
}

fn read_one(
    object: &gotext::object::Object,
    mut connection: client::http::Settings,
    log: &Log,
) -> Result<Watch, String> {
    let mut parameters = Parameters::new(object.clone().rest());
    let kind = match parameters.take("handler_type") {
        None => "script".to_owned(),
        Some(Value::Text(kind)) if kind == "http" || kind == "script" => kind,
        Some(Value::Text(other)) => return Err(format!("Handler type '{other}' not recognized")),
        Some(_) => return Err("Handler type must be a string".to_owned()),
    };
    let failed = |parameters: &Parameters, why: String| {
        format!("Failed to parse watch ({}): {why}", shown(parameters.rest()))
    };
    let text = |parameters: &mut Parameters, name| {
        parameters.text(name).map_err(|why| failed(parameters, why))
    };
    // What may hold secrets first: a mistake shows the parameters that are left.
    let request = parameters.take("http_handler_config");
    let token = text(&mut parameters, "token")?;
    let datacenter = text(&mut parameters, "datacenter")?;
    let watched = text(&mut parameters, "type")?;
    if watched.is_empty() {
        return Err(failed(&parameters, "Watch type must be specified".to_owned()));
    }
    if kind == "http" && request.is_none() {
        let why = "Handler type 'http' requires 'http_handler_config' to be set".to_owned();
        return Err(failed(&parameters, why));
    }
    let plan = Plan::new(&watched, &mut parameters);
    let plan = plan.map_err(|why| failed(&parameters, why))?;
    let (line, words) = (parameters.take("handler"), parameters.take("args"));
    parameters.refuse_rest().map_err(|why| failed(&parameters, why))?;
    if line.is_some() {
        let text = "The 'handler' field in watches has been deprecated and replaced with the \
                    'args' field.";
        log.line(Level::Warn, "agent", text);
    }
    let handler = match (line, words, kind.as_str()) {
        (None, None, "http") => Handler::http(request)?,
        (None, None, _) => return Err("Must define a watch handler".to_owned()),
        (Some(line), None, "script") => Handler::shell(line)?,
        (None, Some(words), "script") => Handler::program(words)?,
        _ => return Err("Only one watch handler allowed".to_owned()),
    };
    if !datacenter.is_empty() {
        connection.datacenter = datacenter;
    }
    if !token.is_empty() {
        connection.token = token;
    }
    let http = Http::new(&connection).map_err(|error| error.to_string())?;
    Ok(Watch { kind: watched, plan, handler, http, connection, object: object.clone() })
}

/// How this agent is reached: as its first socket wants it.
fn connection(settings: &Settings) -> Result<client::http::Settings, Failure> {
    let mut connection = client::http::Settings::default();
    let network = &settings.network;
    let plain = network.http.first().map(|address| (address, false));
    let secure = network.https.first().map(|address| (address, true));
    let Some((address, https)) = plain.or(secure) else {
        return Err(Failure {
            message: "watch plans require an HTTP or HTTPS endpoint".to_owned(),
            hint: Some("give 'ports.http' a port, or leave 'watches' out".to_owned()),
        });
    };
    connection.https = https;
    connection.address = match address {
        ListenAddress::Unix(path) => format!("unix://{}", path.display()),
        ListenAddress::Tcp(address) if address.ip().is_unspecified() => {
            let host = if address.is_ipv4() { "127.0.0.1" } else { "[::1]" };
            format!("{host}:{}", address.port())
        }
        ListenAddress::Tcp(address) => address.to_string(),
    };
    if https {
        let own = &settings.tls.https;
        let text = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
        };
        connection.tls.ca_file = text(&own.ca_file);
        connection.tls.ca_path = text(&own.ca_path);
        connection.tls.certificate = text(&own.cert_file);
        connection.tls.key = text(&own.key_file);
    }
    Ok(connection)
}

/// Parameters as Go's `%#v` shows them.
fn shown(parameters: &[(String, Value)]) -> String {
    let mut parameters: Vec<_> = parameters.iter().collect();
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    let pair = |(name, value): &&(String, Value)| {
        format!("{}:{}", gotext::quote(name), shown_value(value))
    };
    let pairs: Vec<_> = parameters.iter().map(pair).collect();
    format!("map[string]interface {{}}{{{}}}", pairs.join(", "))
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => number.as_str().to_owned(),
        Value::Text(text) => gotext::quote(text),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(shown_value).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => shown(fields),
    }
}

impl Watches {
    /// Runs these and no others.
    pub(super) fn replace(&mut self, watches: Vec<Watch>, log: &Log) {
        let mut before = std::mem::take(&mut self.0);
        let environment = Arc::new(checks::Environment::default());
        for watch in watches {
            let same =
                |old: &Running| old.object == watch.object && old.connection == watch.connection;
            if let Some(at) = before.iter().position(same) {
                self.0.push(before.swap_remove(at));
                continue;
            }
            let (stop, stopped) = oneshot::channel();
            let (connection, object) = (watch.connection.clone(), watch.object.clone());
            tokio::spawn(run(watch, environment.clone(), log.clone(), stopped));
            self.0.push(Running { connection, object, _stop: stop });
        }
    }
}

/// Watches until there is nobody who can stop it.
async fn run(
    watch: Watch,
    environment: Arc<checks::Environment>,
    log: Log,
    mut stopped: oneshot::Receiver<()>,
) {
    let Watch { kind, plan, handler, http, .. } = watch;
    let mut watcher = Watcher::new(plan);
    let tell = |error: &HttpError, wait: Duration| {
        let nanoseconds = wait.as_nanos().try_into().unwrap_or(i64::MAX);
        let retry = GoDuration::from_nanoseconds(nanoseconds).to_string();
        let fields = [
            ("type", kind.clone().into()),
            ("error", error.to_string().into()),
            ("retry", retry.into()),
        ];
        log.entry(Level::Err, "agent.watch", "Watch errored", fields);
    };
    loop {
        let data = tokio::select! {
            _ = &mut stopped => return,
            data = watcher.next(&http, tell) => data,
        };
        handler.run(&data, watcher.index(), &environment, &log).await;
    }
}

#[cfg(test)]
mod tests;
