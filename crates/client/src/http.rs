//! A client of Consul's HTTP API: Consul's own agents and Tribune's alike.
//!
//! An [`Http`] knows where the agent is and what every request carries (token, datacenter); it
//! keeps one connection for the next request. Requests are sent as they are built, answers are
//! handed back with their status, their index and a body to be read whole or in pieces. It knows
//! no endpoint: what the answers mean is its callers' business. There is no time limit, because
//! many reads wait for a change.
//!
//! ```text
//!   Request ──▶ Http ──▶ kept or new connection (TCP, TLS, unix) ──▶ agent
//!   Response ◀────────── status, X-Consul-Index, body ◀─────────────
//! ```
//!
//! It needs a tokio runtime around it; one with a single thread does.
//!
//! ```no_run
//! use client::http::{Http, Request, Settings};
//!
//! # async fn example() -> Result<(), client::http::HttpError> {
//! let http = Http::new(&Settings::default())?;
//! let leader = http.read(Request::get("/v1/status/leader")).await?;
//! println!("{}", String::from_utf8_lossy(&leader));
//! # Ok(())
//! # }
//! ```

mod connection;
mod error;
mod request;
mod response;
mod settings;
mod sniffed;
mod tls;

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};

use self::connection::{Sender, Target, connect};
use self::request::escape_host;

pub use self::error::HttpError;
pub use self::request::Request;
pub use self::response::{LARGEST_ANSWER, Response};
pub use self::settings::{DEFAULT_ADDRESS, Settings, TlsSettings};

/// The index of what was read, where there is one.
pub type Index = u64;

/// A client of one agent. Copies share the connection that is kept.
#[derive(Clone, Debug)]
pub struct Http {
    target: Target,
    /// What stands before the path in the URLs that errors show.
    shown: String,
    host: HeaderValue,
    prefix: String,
    token: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    /// Parameters that every request carries.
    always: Vec<(&'static str, String)>,
    stale: bool,
    kept: Arc<Mutex<Option<Sender>>>,
}

impl Http {
    /// Reads the files that the settings name; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// For a scheme that is not known, and for files that cannot be read or are not what they
    /// should be.
    pub fn new(settings: &Settings) -> Result<Http, HttpError> {
        let (scheme, rest) = match settings.address.split_once("://") {
            Some((scheme @ ("http" | "https" | "unix"), rest)) => (scheme, rest),
            Some((scheme, _)) => return Err(HttpError::Scheme(scheme.to_owned())),
            None => ("", settings.address.as_str()),
        };
        let https = scheme == "https" || settings.https;
        // Given files are looked at even where nothing needs them.
        let given = settings.tls != Settings::default().tls;
        let tls = if https || given { Some(tls::config(&settings.tls)?) } else { None };
        let (host, prefix) = match (scheme, rest.split_once('/')) {
            ("http" | "https", Some((host, path))) => (host, format!("/{path}")),
            _ => (rest, String::new()),
        };
        let target = match (scheme, tls) {
            ("unix", _) => Target::Unix(host.to_owned()),
            (_, Some(config)) if https => {
                let (name, address) = host_and_address(host, "443");
                let name = tls::server_name(&settings.tls, name).map_err(HttpError::Tls)?;
                Target::Tls(address, name, config)
            }
            _ => Target::Tcp(host_and_address(host, "80").1),
        };
        let shown_scheme = if https && scheme != "unix" { "https" } else { "http" };
        let always = [
            ("dc", &settings.datacenter),
            ("ns", &settings.namespace),
            ("partition", &settings.partition),
        ];
        Ok(Http {
            host: header(if scheme == "unix" { "localhost" } else { host })?,
            shown: format!("{shown_scheme}://{}", escape_host(host)),
            target,
            prefix,
            token: token(settings)?,
            authorization: authorization(settings)?,
            always: always
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name, value.clone()))
                .collect(),
            stale: settings.stale,
            kept: Arc::default(),
        })
    }

    /// Sends a request and returns the answer, whatever its status.
    ///
    /// # Errors
    ///
    /// [`HttpError::Exchange`] if there is no answer.
    pub async fn send(&self, mut request: Request) -> Result<Response, HttpError> {
        for (name, value) in &self.always {
            request.query.entry((*name).to_owned()).or_insert_with(|| vec![value.clone()]);
        }
        if self.stale && request.method == hyper::Method::GET {
            request.query.entry("stale".to_owned()).or_insert_with(|| vec![String::new()]);
        }
        let target = request.target(&self.prefix);
        let operation = request.operation();
        let url = gotext::quote(&format!("{}{target}", self.shown));
        self.exchange(request, &target)
            .await
            .map(Response::new)
            .map_err(|reason| HttpError::Exchange { operation, url, reason })
    }

    async fn exchange(
        &self,
        request: Request,
        target: &str,
    ) -> Result<hyper::Response<hyper::body::Incoming>, String> {
        let mut builder = hyper::Request::builder()
            .method(request.method)
            .uri(target)
            .header(HOST, self.host.clone());
        if let Some(token) = &self.token {
            builder = builder.header("X-Consul-Token", token.clone());
        }
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        let message = builder.body(Full::new(request.body)).map_err(|error| error.to_string())?;
        let message = match self.take_kept().await {
            Some(mut sender) => match sender.try_send_request(message).await {
                Ok(answer) => return Ok(self.keep(sender, answer)),
                Err(mut error) => match error.take_message() {
                    // The agent has closed the connection; nothing of this went over it.
                    Some(message) => message,
                    None => return Err(reason(error.error())),
                },
            },
            None => message,
        };
        let mut sender = connect(&self.target).await?;
        match sender.send_request(message).await {
            Ok(answer) => Ok(self.keep(sender, answer)),
            Err(error) => Err(reason(&error)),
        }
    }

    /// The kept connection, unless the last answer is still under way on it.
    async fn take_kept(&self) -> Option<Sender> {
        // The task of the connection learns now that the answer has been read.
        tokio::task::yield_now().await;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take_if(|sender| sender.is_ready())
    }

    /// Keeps a connection for the next request.
    fn keep<T>(&self, sender: Sender, answer: T) -> T {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        answer
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// As [`Http::send`]; [`HttpError::Status`] for any status but 200.
    pub async fn read(&self, request: Request) -> Result<Vec<u8>, HttpError> {
        self.send(request).await?.success().await?.bytes(LARGEST_ANSWER).await
    }

    /// As [`Http::read`], with the index of the answer; nothing if there is no such thing (404).
    ///
    /// # Errors
    ///
    /// As [`Http::read`].
    pub async fn look_up(
        &self,
        request: Request,
    ) -> Result<(Option<Vec<u8>>, Option<Index>), HttpError> {
        let response = self.send(request).await?;
        let index = response.index();
        if response.status() == 404 {
            response.bytes(LARGEST_ANSWER).await?;
            return Ok((None, index));
        }
        Ok((Some(response.success().await?.bytes(LARGEST_ANSWER).await?), index))
    }
}

/// The bare name of a host, and its address with a port.
fn host_and_address<'a>(host: &'a str, port: &str) -> (&'a str, String) {
    let end = host.rfind(']').map_or(0, |end| end + 1);
    let (name, port) = match host[end..].rfind(':') {
        Some(at) if end + at + 1 < host.len() => (&host[..end + at], &host[end + at + 1..]),
        Some(at) => (&host[..end + at], port),
        None => (host, port),
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match bare.contains(':') {
        true => (bare, format!("[{bare}]:{port}")),
        false => (bare, format!("{bare}:{port}")),
    }
}

fn token(settings: &Settings) -> Result<Option<HeaderValue>, HttpError> {
    let mut token = settings.token.clone();
    if !settings.token_file.is_empty() {
        let text = std::fs::read_to_string(&settings.token_file).map_err(|error| {
            HttpError::TokenFile(gotext::path_error("open", &settings.token_file, &error))
        })?;
        if !text.trim().is_empty() {
            token = text.trim().to_owned();
        }
    }
    if token.is_empty() { Ok(None) } else { secret(&token).map(Some) }
}

fn authorization(settings: &Settings) -> Result<Option<HeaderValue>, HttpError> {
    let Some((user, password)) = &settings.basic_auth else { return Ok(None) };
    secret(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).map(Some)
}

fn secret(text: &str) -> Result<HeaderValue, HttpError> {
    let mut value = header(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn header(text: &str) -> Result<HeaderValue, HttpError> {
    HeaderValue::from_str(text)
        .map_err(|_| HttpError::Answer("net/http: invalid header field value".to_owned()))
}

/// Why an exchange broke off, in Go's words where it has some.
fn reason(error: &hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "EOF".to_owned();
    }
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<std::io::Error>()) {
        Some(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "unexpected EOF".to_owned()
        }
        Some(error) => gotext::errno_text(error),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
