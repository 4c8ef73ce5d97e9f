//! gRPC's health service: one call of `grpc.health.v1.Health/Check`.
//!
//! The two messages have one field each, so they are written and read here: a request is the
//! service's name (field 1, text), an answer a number (field 1): 1 is `SERVING`.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use h2::Reason;
use hyper::Request;
use hyper::header::{self, HeaderMap};
use hyper::http;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::dial::{self, DialError};
use crate::environment::Environment;
use crate::limits::GRPC_MESSAGE_BYTES;
use crate::outcome::Outcome;
use crate::target::Tls;
use crate::tls::{self, TlsError};
use crate::transport::{self, BodyEnd, Head, Reader, TransportError};

/// Why a service is not known to be well.
#[derive(Debug, thiserror::Error)]
enum GrpcError {
    #[error("{}", Unavailable("transport: Error while dialing", .0))]
    Dial(DialError),
    #[error("{}", Unavailable("transport: authentication handshake failed", .0))]
    Tls(#[from] TlsError),
    #[error("{}", Unavailable("error reading server preface", .0))]
    Transport(TransportError),
    #[error("rpc error: code = DeadlineExceeded desc = context deadline exceeded")]
    TimedOut,
    #[error("rpc error: code = {code} desc = {message}")]
    Status { code: String, message: String },
    #[error("rpc error: code = Internal desc = {0}")]
    Malformed(String),
    #[error("service is {0}")]
    NotServing(ServingStatus),
    #[error("rpc error: code = Internal desc = invalid target: {0}")]
    Target(#[from] http::Error),
}

impl From<DialError> for GrpcError {
    fn from(error: DialError) -> GrpcError {
        if error.is_timeout() { GrpcError::TimedOut } else { GrpcError::Dial(error) }
    }
}

impl From<TransportError> for GrpcError {
    fn from(error: TransportError) -> GrpcError {
        match error {
            TransportError::TimedOut => GrpcError::TimedOut,
            TransportError::Http2(error) if error.is_reset() && error.is_remote() => reset(&error),
            other => GrpcError::Transport(other),
        }
    }
}

/// How gRPC's clients report a connection that did not come about.
struct Unavailable<'a, E>(&'a str, &'a E);

impl<E: fmt::Display> fmt::Display for Unavailable<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = gotext::quote(&format!("{}: {}", self.0, self.1));
        write!(f, "rpc error: code = Unavailable desc = connection error: desc = {why}")
    }
}

/// What gRPC's clients make of a server that breaks off this one call.
fn reset(error: &h2::Error) -> GrpcError {
    let (code, name) = match error.reason() {
        Some(Reason::REFUSED_STREAM) => ("Unavailable", "REFUSED_STREAM".to_owned()),
        Some(Reason::CANCEL) => ("Canceled", "CANCEL".to_owned()),
        Some(Reason::ENHANCE_YOUR_CALM) => ("ResourceExhausted", "ENHANCE_YOUR_CALM".to_owned()),
        other => ("Internal", format!("{}", other.map_or(0, u32::from))),
    };
    let message = format!("stream terminated by RST_STREAM with error code: {name}");
    GrpcError::Status { code: code.to_owned(), message }
}

/// What a service says of itself; other numbers than 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ServingStatus(u64);

impl fmt::Display for ServingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("UNKNOWN"),
            2 => f.write_str("NOT_SERVING"),
            3 => f.write_str("SERVICE_UNKNOWN"),
            other => write!(f, "{other}"),
        }
    }
}

const SERVING: ServingStatus = ServingStatus(1);

/// One run of a check.
pub(crate) async fn check(
    target: &str,
    tls: Option<&Tls>,
    deadline: Instant,
    environment: &Environment,
) -> Outcome {
    match ask(target, tls, deadline, environment).await {
        Ok(SERVING) => Outcome::passing(format!("gRPC check {target}: success")),
        Ok(other) => Outcome::critical(GrpcError::NotServing(other)),
        Err(error) => Outcome::critical(error),
    }
}

async fn ask(
    target: &str,
    tls: Option<&Tls>,
    deadline: Instant,
    environment: &Environment,
) -> Result<ServingStatus, GrpcError> {
    let (address, service) = target.split_once('/').unwrap_or((target, ""));
    let stream = dial::tcp(address, deadline).await?;
    let Some(tls) = tls else {
        return call(stream, request("http", address, service)?, deadline).await;
    };
    let host = tls::host_of(address);
    let stream = tls::connect(stream, host, tls, &[b"h2"], &environment.trust, deadline).await?;
    let authority = if tls.server_name.is_empty() { address } else { &tls.server_name };
    call(stream, request("https", authority, service)?, deadline).await
}

fn request(scheme: &str, authority: &str, service: &str) -> Result<Request<Bytes>, http::Error> {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(FIELD_1_BYTES);
        put_varint(&mut message, service.len() as u64);
        message.put_slice(service.as_bytes());
    }
    let mut body = BytesMut::with_capacity(5 + message.len());
    // Not compressed; then the length. Names of services are far below 4 GiB.
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(&message);
    Request::post(format!("{scheme}://{authority}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "Consul Health Check")
        .body(body.freeze())
}

async fn call<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Bytes>,
    deadline: Instant,
) -> Result<ServingStatus, GrpcError> {
    let mut message = Message(BytesMut::new());
    let (head, end) = transport::over_http2(stream, request, deadline, &mut message).await?;
    let trailers = match end {
        BodyEnd::Complete(trailers) => trailers,
        BodyEnd::Broken(error) => return Err(error.into()),
        BodyEnd::TimedOut => return Err(GrpcError::TimedOut),
        BodyEnd::Unread => {
            return Err(GrpcError::Malformed(format!(
                "received a message of more than {GRPC_MESSAGE_BYTES} bytes"
            )));
        }
    };
    // An answer without a message has the status in its head.
    let status = trailers.as_ref().and_then(status_of).or_else(|| status_of(&head.header));
    match status {
        None if !head.code.is_success() => Err(of_http_code(&head)),
        None => Err(GrpcError::Malformed("server closed the stream without a status".to_owned())),
        Some((0, _)) => decode(&message.0),
        Some((code, message)) => Err(GrpcError::Status { code: code_name(code), message }),
    }
}

/// A message of a bounded length.
struct Message(BytesMut);

impl Reader for Message {
    fn push(&mut self, bytes: &[u8]) -> bool {
        if self.0.len() + bytes.len() > GRPC_MESSAGE_BYTES {
            return false;
        }
        self.0.extend_from_slice(bytes);
        true
    }
}

/// Code and message of a call.
fn status_of(lines: &HeaderMap) -> Option<(u32, String)> {
    let code = lines.get("grpc-status")?.to_str().ok()?.parse().unwrap_or(2);
    let message = lines.get("grpc-message").map(|text| percent_decoded(text.as_bytes()));
    Some((code, message.unwrap_or_default()))
}

fn percent_decoded(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let escaped = digits.filter(|_| byte == b'%');
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(meant) => {
                decoded.push(meant);
                rest = &behind[2..];
            }
            None => {
                decoded.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// What gRPC's clients make of an answer that is none of gRPC.
fn of_http_code(head: &Head) -> GrpcError {
    let code = match head.code.as_u16() {
        400 => "Internal",
        401 => "Unauthenticated",
        403 => "PermissionDenied",
        404 => "Unimplemented",
        429 | 502 | 503 | 504 => "Unavailable",
        _ => "Unknown",
    };
    let reason = head.code.canonical_reason().unwrap_or_default();
    let message = format!(
        "unexpected HTTP status code received from server: {} ({reason})",
        head.code.as_str()
    );
    GrpcError::Status { code: code.to_owned(), message }
}

/// gRPC's names for its codes.
fn code_name(code: u32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("Code({code})"), |name| (*name).to_owned())
}

const FIELD_1_BYTES: u8 = 1 << 3 | 2;

fn put_varint(buffer: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        buffer.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}

/// The status in an answer: its prefix of five bytes, then fields, of which the last number 1
/// counts and unknown ones are skipped.
fn decode(body: &[u8]) -> Result<ServingStatus, GrpcError> {
    let malformed = || GrpcError::Malformed("cannot read the answer of the server".to_owned());
    let (prefix, message) = body.split_at_checked(5).ok_or_else(malformed)?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if prefix[0] != 0 || usize::try_from(length).ok() != Some(message.len()) {
        return Err(malformed());
    }
    decode_message(message).ok_or_else(malformed)
}

fn decode_message(mut rest: &[u8]) -> Option<ServingStatus> {
    let mut status = ServingStatus(0);
    while !rest.is_empty() {
        let key = take_varint(&mut rest)?;
        let skipped = match key & 7 {
            0 => {
                let value = take_varint(&mut rest)?;
                if key >> 3 == 1 {
                    status = ServingStatus(value);
                }
                0
            }
            1 => 8,
            2 => usize::try_from(take_varint(&mut rest)?).ok()?,
            5 => 4,
            _ => return None,
        };
        rest = rest.get(skipped..)?;
    }
    Some(status)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
