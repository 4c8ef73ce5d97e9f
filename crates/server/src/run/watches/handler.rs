//! What runs when a watch sees something new.

use std::collections::BTreeMap;
use std::time::Duration;

use agent::log::{Level, Log};
use checks::{Environment, HttpTarget, Limits, Status, Target, Told};
use gotext::decode::Value;
use gotext::object::{FromValue, Object, ObjectError};
use gotext::{GoDuration, Json};

/// What of a handler's output goes into the log.
const OUTPUT_MAX_BYTES: usize = 4096;

/// How long a server may take that is told something, unless another time is given.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// The shell of a user who has named none.
const DEFAULT_SHELL: &str = "/bin/sh";

/// What is done with what a watch sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    /// A program gets it as its standard input.
    Script(Vec<String>),
    /// A server is sent it.
    Http { target: HttpTarget, timeout: Duration },
}

impl Handler {
    /// A line for the shell.
    pub(super) fn shell(line: Value) -> Result<Handler, String> {
        let Value::Text(line) = line else {
            return Err("Watch handler must be a string".to_owned());
        };
        let named = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty());
        let shell = named.unwrap_or_else(|| DEFAULT_SHELL.to_owned());
        Ok(Handler::Script(vec![shell, "-c".to_owned(), line]))
    }

    /// A program and its arguments.
    pub(super) fn program(words: Value) -> Result<Handler, String> {
        let wrong = || "Watch args must be a list of strings".to_owned();
        let Value::List(words) = words else { return Err(wrong()) };
        let word = |word| match word {
            Value::Text(word) => Ok(word),
            _ => Err(wrong()),
        };
        Ok(Handler::Script(words.into_iter().map(word).collect::<Result<_, _>>()?))
    }

    /// The server of `http_handler_config`.
    pub(super) fn http(config: Option<Value>) -> Result<Handler, String> {
        // A block of HCL is a list.
        let config = match config {
            Some(Value::List(mut blocks)) if blocks.len() == 1 => blocks.pop(),
            config => config,
        };
        let failed = |why: String| format!("Failed to parse 'http_handler_config': {why}");
        let Some(Value::Object(fields)) = config else {
            return Err(failed("it is no object".to_owned()));
        };
        let known = ["path", "method", "header", "timeout", "tls_skip_verify"];
        if let Some((name, _)) = fields.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(failed(format!("invalid key {}", gotext::quote(name))));
        }
        Handler::target(Value::Object(fields)).map_err(failed)
    }

    fn target(config: Value) -> Result<Handler, String> {
        let text = |error: ObjectError| error.to_string();
        let mut config = Object::from_value(config).map_err(text)?;
        let url: String = config.field("path").map_err(text)?;
        if url.is_empty() {
            return Err("Requires 'path' to be set".to_owned());
        }
        let method: String = config.field("method").map_err(text)?;
        let given: BTreeMap<String, Vec<String>> = config.field("header").map_err(text)?;
        let timeout: String = config.field("timeout").map_err(text)?;
        let timeout = match timeout.as_str() {
            "" => HTTP_TIMEOUT,
            given => GoDuration::parse(given)
                .map_err(|error| format!("Failed to parse 'timeout': {error}"))?
                .saturating_std(),
        };
        let mut header = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        for (name, values) in given {
            if name.eq_ignore_ascii_case("content-type") {
                header.clear();
            }
            header.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
        let skip_verify = config.field("tls_skip_verify").map_err(text)?;
        let tls = checks::Tls { skip_verify, ..checks::Tls::default() };
        let method = if method.is_empty() { "POST".to_owned() } else { method };
        let target = HttpTarget { url, method, header, tls, ..HttpTarget::default() };
        Ok(Handler::Http { target, timeout })
    }

    /// Hands on what was seen. What goes wrong is told to the log.
    pub(super) async fn run(&self, data: &Json, index: u64, environment: &Environment, log: &Log) {
        match self {
            Handler::Script(args) => {
                let told = Told {
                    environment: vec![("CONSUL_INDEX".to_owned(), index.to_string())],
                    input: format!("{}\n", data.compact()).into_bytes(),
                };
                script(args, told, log).await;
            }
            Handler::Http { target, timeout } => {
                let mut target = HttpTarget { body: data.compact(), ..target.clone() };
                target.header.push(("X-Consul-Index".to_owned(), index.to_string()));
                post(target, *timeout, environment, log).await;
            }
        }
    }
}

async fn script(args: &[String], told: Told, log: &Log) {
    let handler = || ("handler", args.join(" ").into());
    let why = match checks::tell(args, told, OUTPUT_MAX_BYTES).await {
        Ok(ended) => {
            let fields = [handler(), ("output", ended.output.into())];
            log.entry(Level::Debug, "agent", "watch handler output", fields);
            ended.failure
        }
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = why {
        let fields = [handler(), ("error", why.into())];
        log.entry(Level::Err, "agent", "Failed to run watch handler", fields);
    }
}

async fn post(target: HttpTarget, timeout: Duration, environment: &Environment, log: &Log) {
    let url = target.url.clone();
    let limits = Limits { timeout, output_max_bytes: OUTPUT_MAX_BYTES };
    let outcome = checks::run(&Target::Http(target), limits, environment).await;
    let (level, text) = match outcome.status {
        Status::Passing => (Level::Debug, "http watch handler output"),
        _ => (Level::Err, "Failed to run http watch handler"),
    };
    let fields = [("http_path", url.into()), ("output", outcome.output.into())];
    log.entry(level, "agent", text, fields);
}
