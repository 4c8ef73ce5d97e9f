//! The request of one hop, and what remains of it at the next.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri;
use hyper::{Method, Request, StatusCode, Uri};

use crate::limits::REQUEST_LINES;
use crate::location::Location;
use crate::target::HttpTarget;

/// Why a request cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("net/http: invalid header field name {}", gotext::quote(.0))]
    HeaderName(String),
    /// Values may be secrets.
    #[error("net/http: invalid header field value for {}", gotext::quote(.0))]
    HeaderValue(String),
    #[error("net/http: more than {REQUEST_LINES} header fields")]
    Lines,
    #[error("net/http: invalid request target: {0}")]
    Target(#[from] uri::InvalidUri),
}

/// One request of a chain of redirects.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) location: Location,
    /// How many redirects led here.
    pub(super) number: usize,
    method: Method,
    sends_body: bool,
    /// Whether the operator's `Host` still names the server.
    keeps_host: bool,
    /// Whether what is meant for the first host only may be sent.
    keeps_secrets: bool,
    first_host: String,
    referer: Option<String>,
}

impl Hop {
    pub(super) fn new(method: Method, location: Location) -> Hop {
        Hop {
            number: 0,
            method,
            sends_body: true,
            keeps_host: true,
            keeps_secrets: true,
            first_host: location.host_name(),
            referer: None,
            location,
        }
    }

    /// The hop to `next`, as browsers and Go do it: only 307 and 308 repeat method and body.
    pub(super) fn next(&self, code: StatusCode, next: &Location) -> Hop {
        let location = self.location.join(next);
        let repeats = matches!(code.as_u16(), 307 | 308);
        let is_downgrade = self.location.scheme == "https" && location.scheme == "http";
        Hop {
            number: self.number + 1,
            method: match self.method {
                Method::HEAD => Method::HEAD,
                _ if !repeats => Method::GET,
                ref method => method.clone(),
            },
            sends_body: self.sends_body && repeats,
            keeps_host: self.keeps_host && next.scheme.is_empty(),
            keeps_secrets: self.keeps_secrets && is_within(&location.host_name(), &self.first_host),
            first_host: self.first_host.clone(),
            referer: (!is_downgrade).then(|| self.location.referer()),
            location,
        }
    }

    /// Everything but how a version of HTTP wants it.
    pub(super) fn request(&self, target: &HttpTarget) -> Result<Request<Bytes>, RequestError> {
        let body = if self.sends_body { target.body.clone().into() } else { Bytes::new() };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.location.origin_form().parse()?;
        self.fill(request.headers_mut(), target)?;
        let length = request.body().len();
        // Servers that expect a body want to be told that there is none.
        if length > 0 || matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(request)
    }

    fn fill(&self, lines: &mut HeaderMap, target: &HttpTarget) -> Result<(), RequestError> {
        if target.header.len() > REQUEST_LINES {
            return Err(RequestError::Lines);
        }
        for (name, value) in &target.header {
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| RequestError::HeaderName(name.clone()))?;
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| RequestError::HeaderValue(name.clone()))?;
            let is_ours = FRAMING.contains(&key);
            let is_elsewhere = key == header::HOST && !self.keeps_host
                || SECRETS.contains(&key) && !self.keeps_secrets;
            if is_ours || is_elsewhere {
                continue;
            }
            if key == header::HOST {
                lines.insert(key, value);
            } else {
                lines.append(key, value);
            }
        }
        let invalid = |name: &HeaderName| RequestError::HeaderValue(name.to_string());
        let mut add = |name: HeaderName, value: &str| -> Result<(), RequestError> {
            if !lines.contains_key(&name) {
                let value = HeaderValue::from_str(value).map_err(|_| invalid(&name))?;
                lines.insert(name, value);
            }
            Ok(())
        };
        add(header::HOST, self.location.host_header())?;
        add(header::USER_AGENT, "Consul Health Check")?;
        add(header::ACCEPT, "text/plain, text/*, */*")?;
        if let Some(referer) = &self.referer {
            add(header::REFERER, referer)?;
        }
        if let Some(credentials) = self.location.credentials() {
            add(header::AUTHORIZATION, &format!("Basic {}", STANDARD.encode(credentials)))?;
        }
        Ok(())
    }
}

/// Lines that say how the body is sent and what becomes of the connection: not the operator's.
const FRAMING: &[HeaderName] =
    &[header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER, header::CONNECTION];

const SECRETS: &[HeaderName] = &[
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHENTICATE,
    header::COOKIE,
];

/// Whether a host is another, or below it.
fn is_within(host: &str, domain: &str) -> bool {
    if host == domain {
        return true;
    }
    let is_below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    is_below && host.parse::<IpAddr>().is_err()
}

/// With a connection that ends behind the answer.
pub(super) fn for_http1(request: Request<Bytes>) -> Request<Full<Bytes>> {
    let mut request = request.map(Full::new);
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    request
}

/// With the whole URL as its target, and the name of the server there; without what only HTTP/1
/// may say of a connection.
pub(super) fn for_http2(
    mut request: Request<Bytes>,
    location: &Location,
) -> Result<Request<Bytes>, RequestError> {
    let lines = request.headers_mut();
    for hop_by_hop in ["keep-alive", "proxy-connection", "upgrade"] {
        lines.remove(hop_by_hop);
    }
    let host = lines.remove(header::HOST);
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_else(|| location.host_header());
    let target: Uri = format!("https://{host}{}", location.origin_form()).parse()?;
    *request.uri_mut() = target;
    Ok(request)
}
