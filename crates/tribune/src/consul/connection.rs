//! The agent that the flags and the environment name.

use client::http::{Http, HttpError, Request, Response, Settings};
use gotext::decode::{Value, whole_value};
use gotext::object::{Object, objects};
use tokio::runtime::{Builder, Runtime};

use super::{Failure, log_line};
use crate::flags::Parsed;

/// The agent, and the runtime that talks to it.
#[derive(Debug)]
pub(super) struct Agent {
    runtime: Runtime,
    http: Http,
}

impl Agent {
    /// Prepares to talk to the agent; nothing is sent yet.
    pub(super) fn connect(parsed: &Parsed) -> Result<Agent, Failure> {
        let failed =
            |why: &dyn std::fmt::Display| Failure::of("Error connecting to Consul agent", why);
        let http = Http::new(&settings(parsed)).map_err(|error| failed(&error))?;
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
        Ok(Agent { runtime, http })
    }

    /// The client, for what is done within [`Agent::wait`].
    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// Waits for something that is done within the runtime.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Sends a request that must succeed; returns the body of the answer.
    pub(super) fn read(&self, request: Request) -> Result<Vec<u8>, HttpError> {
        self.wait(self.http.read(request))
    }

    /// Sends a request that must succeed; the body is still to be read.
    pub(super) fn open(&self, request: Request) -> Result<Response, HttpError> {
        self.wait(async { self.http.send(request).await?.success().await })
    }

    /// Reads an object.
    pub(super) fn object(&self, request: Request) -> Result<Object, HttpError> {
        Ok(Object::parse(&self.read(request)?)?)
    }

    /// Reads a list of objects; `null` is an empty one.
    pub(super) fn objects(&self, request: Request) -> Result<Vec<Object>, HttpError> {
        objects_of(&self.read(request)?)
    }

    /// What the agent says about itself.
    pub(super) fn about_itself(&self) -> Result<Object, HttpError> {
        self.object(Request::get("/v1/agent/self"))
    }

    /// The name of the agent's node.
    pub(super) fn node_name(&self) -> Result<String, HttpError> {
        let mut config: Object = self.about_itself()?.field("Config")?;
        Ok(config.field("NodeName")?)
    }
}

/// The list of objects of an answer; `null` is an empty one.
pub(super) fn objects_of(body: &[u8]) -> Result<Vec<Object>, HttpError> {
    match whole_value(body)? {
        Value::Null => Ok(Vec::new()),
        list => Ok(objects(list)?),
    }
}

/// The yes or no of an answer.
pub(super) fn is_true(body: &[u8]) -> bool {
    body.trim_ascii() == b"true"
}

fn settings(parsed: &Parsed) -> Settings {
    let (mut settings, unreadable) = Settings::from_environment(|name| std::env::var(name).ok());
    // The reference reads its environment twice, and complains as often.
    for (variable, value) in unreadable.iter().chain(&unreadable) {
        let error = format!("strconv.ParseBool: parsing {}: invalid syntax", gotext::quote(value));
        let error = log_line::field(&error);
        let text = format!("consul-api: could not parse {variable}: error={error}");
        log_line::write("WARN", &text);
    }
    // A token that is typed wins over both variables, and a file that is typed over all.
    match (parsed.given("token-file"), parsed.given("token")) {
        (Some(file), _) => settings.token_file = file.to_owned(),
        (None, Some(token)) => {
            settings.token = token.to_owned();
            settings.token_file.clear();
        }
        (None, None) => {}
    }
    let tls = &mut settings.tls;
    for (flag, field) in [
        ("http-addr", &mut settings.address),
        ("datacenter", &mut settings.datacenter),
        ("namespace", &mut settings.namespace),
        ("partition", &mut settings.partition),
        ("ca-file", &mut tls.ca_file),
        ("ca-path", &mut tls.ca_path),
        ("client-cert", &mut tls.certificate),
        ("client-key", &mut tls.key),
        ("tls-server-name", &mut tls.server_name),
    ] {
        if let Some(value) = parsed.given(flag) {
            *field = value.to_owned();
        }
    }
    settings.stale = parsed.on("stale");
    settings
}
