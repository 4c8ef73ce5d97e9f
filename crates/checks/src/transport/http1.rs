//! HTTP/1.1.

use std::error::Error as _;
use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::{BodyEnd, Head, Reader, TransportError, drive};
use crate::limits::{HEAD_BYTES, REASON_BYTES};

/// Sends a request, its target in origin form, and reads the answer.
pub(crate) async fn over_http1<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Full<Bytes>>,
    deadline: Instant,
    reader: &mut impl Reader,
) -> Result<(Head, BodyEnd), TransportError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await?;
    let exchange = async {
        let answer = timeout_at(deadline, sender.send_request(request)).await;
        let response = answer.map_err(|_| TransportError::TimedOut)??;
        let head = head_of(&response);
        if !reader.wants_body(&head) {
            return Ok((head, BodyEnd::Unread));
        }
        let read = read(response.into_body(), reader);
        let end = timeout_at(deadline, read).await.unwrap_or(BodyEnd::TimedOut);
        Ok((head, end))
    };
    drive(connection, exchange).await
}

fn head_of(response: &Response<Incoming>) -> Head {
    let code = response.status();
    let status = match response.extensions().get::<ReasonPhrase>() {
        // There is one where it is not the usual one.
        Some(own) => {
            let own = &own.as_bytes()[..own.as_bytes().len().min(REASON_BYTES)];
            format!("{} {}", code.as_str(), String::from_utf8_lossy(own))
        }
        None => code.to_string(),
    };
    Head { code, status, header: response.headers().clone() }
}

async fn read(mut body: Incoming, reader: &mut impl Reader) -> BodyEnd {
    while let Some(frame) = body.frame().await {
        match frame {
            Err(error) => return BodyEnd::Broken(error.into()),
            Ok(frame) => match frame.into_data() {
                Ok(bytes) if !reader.push(&bytes) => return BodyEnd::Unread,
                Ok(_) => {}
                // Trailers: nobody reads them in HTTP/1.
                Err(_) => {}
            },
        }
    }
    BodyEnd::Complete(None)
}

impl From<hyper::Error> for TransportError {
    fn from(error: hyper::Error) -> TransportError {
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return TransportError::Closed;
        }
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause {
            Some(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => TransportError::Closed,
            Some(cause) => TransportError::Io(copy(cause)),
            None => TransportError::Malformed(error),
        }
    }
}

/// The same error of the operating system: errors cannot be cloned.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
