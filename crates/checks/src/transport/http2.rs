//! HTTP/2.

use std::io;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{self, Connection, SendRequest};
use hyper::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::{BodyEnd, Head, Reader, TransportError, drive};
use crate::limits::{HEADER_LIST_BYTES, WINDOW_BYTES};

/// Begins to speak HTTP/2.
pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    deadline: Instant,
) -> Result<(SendRequest<Bytes>, Connection<S, Bytes>), TransportError> {
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES);
    let greeted = timeout_at(deadline, builder.handshake(stream)).await;
    Ok(greeted.map_err(|_| TransportError::TimedOut)??)
}

/// Sends a request, its target in absolute form, and reads the answer.
pub(crate) async fn over_http2<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Bytes>,
    deadline: Instant,
    reader: &mut impl Reader,
) -> Result<(Head, BodyEnd), TransportError> {
    let (sender, connection) = handshake(stream, deadline).await?;
    let exchange = async {
        let answer = timeout_at(deadline, send(sender, request)).await;
        let (head, body) = answer.map_err(|_| TransportError::TimedOut)??;
        if !reader.wants_body(&head) {
            return Ok((head, BodyEnd::Unread));
        }
        let end = match timeout_at(deadline, read(body, reader)).await {
            Ok(Ok(end)) => end,
            Ok(Err(error)) => BodyEnd::Broken(error.into()),
            Err(_) => BodyEnd::TimedOut,
        };
        Ok((head, end))
    };
    drive(connection, exchange).await
}

async fn send(
    sender: SendRequest<Bytes>,
    request: Request<Bytes>,
) -> Result<(Head, RecvStream), h2::Error> {
    let (parts, body) = request.into_parts();
    let mut sender = sender.ready().await?;
    let (response, mut stream) =
        sender.send_request(Request::from_parts(parts, ()), body.is_empty())?;
    if !body.is_empty() {
        stream.send_data(body, true)?;
    }
    let (parts, body) = response.await?.into_parts();
    let head = Head { code: parts.status, status: parts.status.to_string(), header: parts.headers };
    Ok((head, body))
}

async fn read(mut body: RecvStream, reader: &mut impl Reader) -> Result<BodyEnd, h2::Error> {
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        if !reader.push(&bytes) {
            return Ok(BodyEnd::Unread);
        }
        body.flow_control().release_capacity(bytes.len())?;
    }
    Ok(BodyEnd::Complete(body.trailers().await?))
}

impl From<h2::Error> for TransportError {
    fn from(error: h2::Error) -> TransportError {
        if !error.is_io() {
            return TransportError::Http2(error);
        }
        match error.into_io() {
            Some(cause) if !is_end(&cause) => TransportError::Io(cause),
            _ => TransportError::Closed,
        }
    }
}

/// How the library says that the stream has ended.
fn is_end(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe];
    error.raw_os_error().is_none() && kinds.contains(&error.kind())
}
