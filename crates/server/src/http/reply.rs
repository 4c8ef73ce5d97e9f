//! From an answer to the bytes that are sent.

use std::io::{self, Write};

use api::{Answer, Failure};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use hyper::Response;
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::gzip::Gzip;

/// The body of a response: known, or made while it is sent.
pub(crate) type Content = Either<Full<Bytes>, Streamed>;

/// What is made while it is sent. It is dropped when the client hangs up; if it fails, the
/// connection breaks off, so that the client knows that this is not all.
pub(crate) type Streamed = UnsyncBoxBody<Bytes, io::Error>;

/// Shorter bodies are not worth compressing.
const GZIP_MIN: usize = 1400;

/// Bodies that take milliseconds to be compressed.
const LONG_BYTES: usize = 256 << 10;

/// Headers that almost no answer of an endpoint has more of.
const USUAL_HEADERS: usize = 9;

const TEXT: &str = "text/plain; charset=utf-8";
/// What is compressed already.
pub(crate) const ARCHIVE: &str = "application/x-gzip";
const JSON: &str = "application/json";

/// What is sent, before it is bytes.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: api::Body,
    /// Sent instead of the body, as it comes.
    pub(crate) stream: Option<Streamed>,
    /// Nothing more is read from this client.
    pub(crate) close: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: api::Body) -> Self {
        Self { status, headers: HeaderMap::new(), body, stream: None, close: false }
    }

    /// What goes on until somebody ends it.
    pub(crate) fn streamed(
        body: impl Body<Data = Bytes, Error = io::Error> + Send + 'static,
    ) -> Self {
        Self { stream: Some(body.boxed_unsync()), ..Self::new(200, api::Body::Empty) }
    }

    /// Plain text.
    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, api::Body::Text(text.into()))
    }

    /// The text of an answer that is an error: not that something is absent, nor that a service is
    /// not well.
    pub(super) fn error(&self, endpoint: &api::Endpoint) -> Option<&str> {
        match &self.body {
            api::Body::Text(text)
                if self.status >= 400
                    && !text.is_empty()
                    && !endpoint.path.starts_with("/v1/agent/health/") =>
            {
                Some(text)
            }
            _ => None,
        }
    }

    /// The same with a header; one that cannot be sent is left out.
    pub(crate) fn with(self, name: &str, value: impl AsRef<str>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        match (name, HeaderValue::from_str(value.as_ref())) {
            (Ok(name), Ok(value)) => self.set(name, value),
            _ => self,
        }
    }

    /// The same with a header that is known to be one.
    pub(crate) fn set(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.add(name, value);
        self
    }

    /// Adds a header that is known to be one.
    pub(crate) fn add(&mut self, name: HeaderName, value: HeaderValue) {
        if self.headers.is_empty() {
            self.headers.reserve(USUAL_HEADERS);
        }
        self.headers.insert(name, value);
    }

    /// Whether to spread or compress it takes milliseconds.
    pub(super) fn is_long(&self) -> bool {
        match &self.body {
            api::Body::Empty => false,
            api::Body::Text(text) => text.len() >= LONG_BYTES,
            api::Body::Bytes(_, bytes) | api::Body::Json(bytes) => bytes.len() >= LONG_BYTES,
        }
    }

    /// Makes the response. `pretty` spreads JSON over lines, `gzip` compresses what is long.
    pub(crate) fn respond(self, pretty: bool, gzip: bool) -> Response<Content> {
        let (kind, bytes) = match self.body {
            api::Body::Empty => (None, Bytes::new()),
            api::Body::Text(text) => (Some(TEXT), Bytes::from(text)),
            api::Body::Bytes(kind, bytes) => (Some(kind), bytes),
            api::Body::Json(bytes) if pretty => {
                (Some(JSON), Bytes::from(api::json::indent(&bytes)))
            }
            api::Body::Json(bytes) => (Some(JSON), bytes),
        };
        let mut headers = self.headers;
        if let Some(kind) = kind.filter(|kind| !kind.is_empty()) {
            // An endpoint's own type counts for more.
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        }
        if self.close {
            headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
        }
        let gzip = gzip && kind != Some(ARCHIVE);
        let content = match self.stream {
            Some(stream) if gzip => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                Either::Right(Gzip::new(stream).boxed_unsync())
            }
            Some(stream) => Either::Right(stream),
            None if gzip && bytes.len() >= GZIP_MIN => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                Either::Left(Full::new(compress(&bytes)))
            }
            None => Either::Left(Full::new(bytes)),
        };
        let mut response = Response::new(content);
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        *response.headers_mut() = headers;
        response
    }
}

fn compress(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    Bytes::from(done.expect("memory takes every byte"))
}

impl From<Failure> for Reply {
    /// Some texts mean a status, wherever they come from.
    fn from(failure: Failure) -> Self {
        let text = failure.text;
        let denied = text.contains("Permission denied") || text.contains("ACL not found");
        Self::text(if denied { 403 } else { failure.status }, text)
    }
}

impl From<Failure> for Box<Reply> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.into())
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let reply = Self::new(answer.status, answer.body);
        answer.headers.iter().fold(reply, |reply, (name, value)| reply.with(name, value))
    }
}
