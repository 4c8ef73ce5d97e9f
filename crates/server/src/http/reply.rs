//! From an answer to the bytes that are sent.

use std::io::Write;

use api::{Answer, Body, Failure};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

/// The body of a response: known, or made while it is sent.
pub(crate) type Content = Either<Full<Bytes>, Channel<Bytes>>;

/// Shorter bodies are not worth compressing.
const GZIP_MIN: usize = 1400;

const TEXT: &str = "text/plain; charset=utf-8";
/// What is compressed already.
pub(crate) const ARCHIVE: &str = "application/x-gzip";
const JSON: &str = "application/json";

/// What is sent, before it is bytes.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    /// Sent instead of the body, as it comes.
    pub(crate) stream: Option<Channel<Bytes>>,
    /// Nothing more is read from this client.
    pub(crate) close: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Body) -> Self {
        Self { status, headers: Vec::new(), body, stream: None, close: false }
    }

    /// Plain text.
    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, Body::Text(text.into()))
    }

    /// The same with a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Makes the response. `pretty` spreads JSON over lines, `gzip` compresses what is long.
    pub(crate) fn respond(self, pretty: bool, gzip: bool) -> Response<Content> {
        let (kind, bytes) = match self.body {
            Body::Empty => (None, Bytes::new()),
            Body::Text(text) => (Some(TEXT), Bytes::from(text)),
            Body::Bytes(kind, bytes) => (Some(kind), bytes),
            Body::Json(bytes) if pretty => (Some(JSON), Bytes::from(api::json::indent(&bytes))),
            Body::Json(bytes) => (Some(JSON), bytes),
        };
        let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        if let Some(kind) = kind.filter(|kind| !kind.is_empty()) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        if self.close {
            headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
        }
        let packed = kind == Some(ARCHIVE);
        let compressed = (gzip && !packed && bytes.len() >= GZIP_MIN).then(|| compress(&bytes));
        if compressed.is_some() {
            headers.insert(hyper::header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        *response.body_mut() = match self.stream {
            Some(stream) => Either::Right(stream),
            None => Either::Left(Full::new(compressed.unwrap_or(bytes))),
        };
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
        let headers = answer.headers;
        Self { headers, ..Self::new(answer.status, answer.body) }
    }
}
