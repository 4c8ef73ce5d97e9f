//! From an answer to the bytes that are sent.

use std::convert::Infallible;
use std::io::Write;

use api::{Answer, Failure};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use hyper::Response;
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};

use super::gzip::Gzip;

/// The body of a response: known, or made while it is sent.
pub(crate) type Content = Either<Full<Bytes>, Streamed>;

/// What is made while it is sent. It is dropped when the client hangs up.
pub(crate) type Streamed = UnsyncBoxBody<Bytes, Infallible>;

/// Shorter bodies are not worth compressing.
const GZIP_MIN: usize = 1400;

/// Type, encoding, length and date.
const MORE_HEADERS: usize = 4;

const TEXT: &str = "text/plain; charset=utf-8";
/// What is compressed already.
pub(crate) const ARCHIVE: &str = "application/x-gzip";
const JSON: &str = "application/json";

/// What is sent, before it is bytes.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: api::Body,
    /// Sent instead of the body, as it comes.
    pub(crate) stream: Option<Streamed>,
    /// Nothing more is read from this client.
    pub(crate) close: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: api::Body) -> Self {
        Self { status, headers: Vec::new(), body, stream: None, close: false }
    }

    /// What goes on until somebody ends it.
    pub(crate) fn streamed(
        body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static,
    ) -> Self {
        Self { stream: Some(body.boxed_unsync()), ..Self::new(200, api::Body::Empty) }
    }

    /// Plain text.
    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, api::Body::Text(text.into()))
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
        self.headers.push((name, value));
        self
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
        let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.reserve(self.headers.len() + MORE_HEADERS);
        if let Some(kind) = kind.filter(|kind| !kind.is_empty()) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        if self.close {
            headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
        }
        let gzip = gzip && kind != Some(ARCHIVE);
        if let Some(stream) = self.stream {
            let stream = match gzip {
                true => {
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                    Gzip::new(stream).boxed_unsync()
                }
                false => stream,
            };
            *response.body_mut() = Either::Right(stream);
            return response;
        }
        let compressed = (gzip && bytes.len() >= GZIP_MIN).then(|| compress(&bytes));
        if compressed.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        *response.body_mut() = Either::Left(Full::new(compressed.unwrap_or(bytes)));
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

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let reply = Self::new(answer.status, answer.body);
        answer.headers.iter().fold(reply, |reply, (name, value)| reply.with(name, value))
    }
}
