//! A request, whose answer's code tells how the server is.
//!
//! The body is read for the operators; one that does not come to its end before the deadline
//! changes nothing ("Consul agent", section 6).

mod request;

use hyper::header::LOCATION;
use hyper::{Method, StatusCode};
use tokio::time::Instant;

use crate::capture::Capture;
use crate::dial::{self, DialError};
use crate::environment::Environment;
use crate::limits::REDIRECTS;
use crate::location::{Location, LocationError};
use crate::outcome::{Outcome, Status};
use crate::target::HttpTarget;
use crate::tls::{self, TlsError};
use crate::transport::{self, Head, Reader, TransportError};
use request::{Hop, RequestError};

/// Why there is no answer to judge. The operator sees it behind method and URL.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("unsupported protocol scheme {}", gotext::quote(.0))]
    Scheme(String),
    #[error("http: no Host in request URL")]
    NoHost,
    #[error("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")]
    TimedOut,
    #[error("http: server gave HTTP response to HTTPS client")]
    PlainServer,
    #[error("stopped after {REDIRECTS} redirects")]
    Redirects,
    #[error("failed to parse Location header {}: {error}", gotext::quote(text))]
    Location {
        text: String,
        #[source]
        error: LocationError,
    },
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Dial(DialError),
    #[error(transparent)]
    Tls(TlsError),
    #[error(transparent)]
    Transport(TransportError),
}

impl From<DialError> for HttpError {
    fn from(error: DialError) -> HttpError {
        if error.is_timeout() { HttpError::TimedOut } else { HttpError::Dial(error) }
    }
}

impl From<TlsError> for HttpError {
    fn from(error: TlsError) -> HttpError {
        match error {
            TlsError::TimedOut => HttpError::TimedOut,
            TlsError::NotTls { is_http: true } => HttpError::PlainServer,
            other => HttpError::Tls(other),
        }
    }
}

impl From<TransportError> for HttpError {
    fn from(error: TransportError) -> HttpError {
        match error {
            TransportError::TimedOut => HttpError::TimedOut,
            other => HttpError::Transport(other),
        }
    }
}

/// One run of a check.
pub(crate) async fn check(
    target: &HttpTarget,
    output_max_bytes: usize,
    deadline: Instant,
    environment: &Environment,
) -> Outcome {
    let name = if target.method.is_empty() { "GET" } else { &target.method };
    let Ok(method) = Method::from_bytes(name.as_bytes()) else {
        return Outcome::critical(format_args!("net/http: invalid method {}", gotext::quote(name)));
    };
    let start = match Location::parse(&target.url) {
        Ok(start) => start,
        Err(error) => return Outcome::critical(error),
    };
    let client = Client { target, output_max_bytes, deadline, environment };
    match client.follow(Hop::new(method, start)).await {
        Err((url, error)) => {
            Outcome::critical(format_args!("{} \"{url}\": {error}", operation(name)))
        }
        Ok(answer) => Outcome {
            status: status_of(answer.head.code),
            output: format!(
                "HTTP {name} {}: {} Output: {}",
                target.url,
                answer.head.status,
                answer.body.text()
            ),
        },
    }
}

/// `Get`, `Post`: how Go's errors write methods.
fn operation(method: &str) -> String {
    let (first, rest) = method.split_at(method.len().min(1));
    format!("{first}{}", rest.to_ascii_lowercase())
}

fn status_of(code: StatusCode) -> Status {
    match code {
        code if code.is_success() => Status::Passing,
        StatusCode::TOO_MANY_REQUESTS => Status::Warning,
        _ => Status::Critical,
    }
}

struct Client<'a> {
    target: &'a HttpTarget,
    output_max_bytes: usize,
    deadline: Instant,
    environment: &'a Environment,
}

struct Answer {
    head: Head,
    body: Capture,
}

/// The body of a page, unless it only leads to the next one.
struct Page {
    body: Capture,
    follows: bool,
}

impl Reader for Page {
    fn wants_body(&self, head: &Head) -> bool {
        !self.follows || next_of(head).is_none()
    }

    fn push(&mut self, bytes: &[u8]) -> bool {
        self.body.push(bytes);
        true
    }
}

/// Where an answer leads. One of the right code without a place is an answer like any other.
fn next_of(head: &Head) -> Option<String> {
    let leads = matches!(head.code.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = head.header.get(LOCATION).filter(|text| leads && !text.is_empty())?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

impl Client<'_> {
    /// The first answer that leads nowhere else; on failure also the URL of the failure.
    async fn follow(&self, mut hop: Hop) -> Result<Answer, (String, HttpError)> {
        loop {
            let here = |error| (hop.location.to_string(), error);
            let answer = self.ask(&hop).await.map_err(here)?;
            let next = next_of(&answer.head).filter(|_| !self.target.disable_redirects);
            let Some(text) = next else { return Ok(answer) };
            let next = match Location::parse(&text) {
                Ok(next) => hop.next(answer.head.code, &next),
                Err(error) => return Err(here(HttpError::Location { text, error })),
            };
            if next.number == REDIRECTS {
                return Err((text, HttpError::Redirects));
            }
            hop = next;
        }
    }

    async fn ask(&self, hop: &Hop) -> Result<Answer, HttpError> {
        let location = &hop.location;
        let is_secure = match location.scheme.as_str() {
            "http" => false,
            "https" => true,
            other => return Err(HttpError::Scheme(other.to_owned())),
        };
        if location.host.is_empty() {
            return Err(HttpError::NoHost);
        }
        let request = hop.request(self.target)?;
        let mut page = Page {
            body: Capture::new(self.output_max_bytes),
            follows: !self.target.disable_redirects,
        };
        let stream = dial::tcp(&location.address(), self.deadline).await?;
        let (head, _) = if is_secure {
            let (host, tls) = (location.host_name(), &self.target.tls);
            let trust = &self.environment.trust;
            let protocols: &[&[u8]] = &[b"h2", b"http/1.1"];
            let stream = tls::connect(stream, &host, tls, protocols, trust, self.deadline).await?;
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let request = request::for_http2(request, location)?;
                transport::over_http2(stream, request, self.deadline, &mut page).await?
            } else {
                let request = request::for_http1(request);
                transport::over_http1(stream, request, self.deadline, &mut page).await?
            }
        } else {
            let request = request::for_http1(request);
            transport::over_http1(stream, request, self.deadline, &mut page).await?
        };
        Ok(Answer { head, body: page.body })
    }
}

#[cfg(test)]
mod tests;
