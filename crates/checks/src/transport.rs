//! One request and its answer over a connection that is not used again.
//!
//! Nothing is left to a task in the background: who drops the future drops the connection.

mod http1;
mod http2;

use std::future::Future;
use std::io;
use std::pin::pin;

use hyper::StatusCode;
use hyper::header::HeaderMap;

pub(crate) use http1::over_http1;
pub(crate) use http2::{handshake, over_http2};

/// The beginning of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) code: StatusCode,
    /// Code and reason, as the server gave them.
    pub(crate) status: String,
    pub(crate) header: HeaderMap,
}

/// How the body of an answer ended.
#[derive(Debug)]
pub(crate) enum BodyEnd {
    /// As it should; with trailers, if there were any.
    Complete(Option<HeaderMap>),
    /// It was not read, or not to its end.
    Unread,
    /// The connection broke.
    Broken(TransportError),
    /// The deadline came first.
    TimedOut,
}

/// Who reads an answer.
pub(crate) trait Reader {
    /// Whether the body is to be read at all.
    fn wants_body(&self, _head: &Head) -> bool {
        true
    }

    /// Some bytes of the body; false if no more are wanted.
    fn push(&mut self, bytes: &[u8]) -> bool;
}

/// Why there is no answer, in Go's words where they say enough.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The deadline.
    #[error("context deadline exceeded")]
    TimedOut,
    /// The server hung up instead of answering.
    #[error("EOF")]
    Closed,
    /// The network failed.
    #[error("{}", gotext::errno_text(.0))]
    Io(io::Error),
    /// It is no HTTP, or its head is beyond our bound.
    #[error("net/http: HTTP/1.x transport connection broken: malformed HTTP response: {0}")]
    Malformed(hyper::Error),
    /// It is no HTTP/2, or the server refuses the request.
    #[error("http2: {0}")]
    Http2(h2::Error),
}

/// Polls a connection until what is done over it is done.
pub(crate) async fn drive<T>(connection: impl Future, exchange: impl Future<Output = T>) -> T {
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange));
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            result = &mut exchange => return result,
            // If it failed, the exchange is told so.
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}
