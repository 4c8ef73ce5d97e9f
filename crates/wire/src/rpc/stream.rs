//! Incremental decoding of the two directions of a connection.

use super::{Command, Frame, Request, RequestHeader, ResponseHeader, Result};
use crate::msgpack::{Dialect, Reader};
use crate::{DecodeError, limits};

/// What a client sends, as the agent reads it.
///
/// Which of header and body comes next depends on what the agent makes of the header (a command
/// that is refused for want of authentication has no body), so the caller asks for either.
///
/// ```
/// use wire::rpc::{Command, Request, RequestStream};
///
/// let mut bytes = Vec::new();
/// Request::Handshake { version: 1 }.encode(7, &mut bytes);
///
/// let mut stream = RequestStream::new();
/// stream.push(&bytes[..5]);
/// assert_eq!(stream.next_header()?, None);
/// stream.push(&bytes[5..]);
/// let header = stream.next_header()?.expect("it is complete now");
/// let command = Command::from_name(&header.command).expect("a known command");
/// assert_eq!(stream.next_body(command)?, Some(Request::Handshake { version: 1 }));
/// # Ok::<(), wire::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct RequestStream {
    values: Values,
    header: RequestHeader,
}

impl Default for RequestStream {
    fn default() -> Self {
        RequestStream::new()
    }
}

impl RequestStream {
    /// At the start of a connection.
    pub fn new() -> Self {
        RequestStream {
            values: Values::new(limits::RPC_GREETING_BYTES),
            header: RequestHeader::default(),
        }
    }

    /// The client has said who it is: from now on its requests may have
    /// [`limits::RPC_REQUEST_BYTES`] instead of [`limits::RPC_GREETING_BYTES`].
    pub fn trust(&mut self) {
        self.values.limit = limits::RPC_REQUEST_BYTES;
    }

    /// Takes bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.values.push(bytes);
    }

    /// The next header, if it has arrived. Its absent fields are those of the previous one.
    /// An error is final: the connection must be closed.
    pub fn next_header(&mut self) -> Result<Option<RequestHeader>> {
        let Some(value) = self.values.next()? else { return Ok(None) };
        self.header.read_over(&mut Reader::with_dialect(value, Dialect::Rpc))?;
        Ok(Some(self.header.clone()))
    }

    /// The body of this command, if it has arrived; at once for commands without one. An error
    /// is final: the connection must be closed.
    pub fn next_body(&mut self, command: Command) -> Result<Option<Request>> {
        let value = if command.has_request_body() {
            let Some(value) = self.values.next()? else { return Ok(None) };
            value
        } else {
            &[]
        };
        Request::read_body(command, &mut Reader::with_dialect(value, Dialect::Rpc)).map(Some)
    }
}

/// What an agent sends, as a client reads it.
#[derive(Debug)]
pub struct ResponseStream {
    values: Values,
}

impl Default for ResponseStream {
    fn default() -> Self {
        ResponseStream::new()
    }
}

impl ResponseStream {
    /// At the start of a connection.
    pub fn new() -> Self {
        ResponseStream { values: Values::new(limits::RPC_RESPONSE_BYTES) }
    }

    /// Takes bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.values.push(bytes);
    }

    /// The next header, if it has arrived. An error is final.
    pub fn next_header(&mut self) -> Result<Option<ResponseHeader>> {
        self.values.next()?.map(ResponseHeader::decode).transpose()
    }

    /// The next body, if it has arrived. An error is final.
    pub fn next_body<B: Frame>(&mut self) -> Result<Option<B>> {
        self.values.next()?.map(B::decode).transpose()
    }
}

/// Cuts a stream into whole values. Every byte is looked at once, however it arrives.
#[derive(Debug)]
pub(super) struct Values {
    bytes: Vec<u8>,
    /// Where the value that is being looked for starts.
    start: usize,
    /// Up to where it has been looked at.
    scanned: usize,
    /// How many values are still wanted at each level of nesting.
    wanted: Vec<u64>,
    /// Largest value in bytes.
    limit: usize,
}

impl Values {
    pub(super) fn new(limit: usize) -> Self {
        Values { bytes: Vec::new(), start: 0, scanned: 0, wanted: vec![1], limit }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        self.forget_consumed();
        while let Some(wanted) = self.wanted.last_mut() {
            if *wanted == 0 {
                self.wanted.pop();
                continue;
            }
            let Some(shape) = Shape::of(&self.bytes[self.scanned..]) else { return self.wait() };
            let end = self.scanned.saturating_add(shape.length);
            self.check_length(end)?;
            if end > self.bytes.len() {
                return Ok(None);
            }
            if let Some(wanted) = self.wanted.last_mut() {
                *wanted -= 1;
            }
            self.scanned = end;
            if shape.children > 0 {
                if self.wanted.len() > limits::MSGPACK_DEPTH {
                    return Err(DecodeError::TooDeep);
                }
                self.wanted.push(shape.children);
            }
        }
        let value = self.start..self.scanned;
        self.start = self.scanned;
        self.wanted.push(1);
        Ok(Some(&self.bytes[value]))
    }

    fn wait(&self) -> Result<Option<&[u8]>> {
        self.check_length(self.bytes.len())?;
        Ok(None)
    }

    fn check_length(&self, end: usize) -> Result<()> {
        let length = end - self.start;
        if length > self.limit {
            return Err(DecodeError::LimitExceeded {
                what: "RPC value",
                value: length as u64,
                limit: self.limit as u64,
            });
        }
        Ok(())
    }

    /// Gives the space of consumed values back once it is the larger part.
    fn forget_consumed(&mut self) {
        if self.start == self.bytes.len() || self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
    }
}

/// How far a value's own bytes reach and how many values it holds.
struct Shape {
    length: usize,
    children: u64,
}

impl Shape {
    /// None if more bytes are needed to tell.
    fn of(bytes: &[u8]) -> Option<Shape> {
        let marker = *bytes.first()?;
        let number = |width: usize| {
            let digits = bytes.get(1..=width)?;
            Some(digits.iter().fold(0u64, |n, digit| n << 8 | u64::from(*digit)))
        };
        // Widths of lengths double from one marker to the next.
        let width = |first: u8| 1usize << (marker - first);
        let sized = |first: u8, extra: usize| {
            let width = width(first);
            Some((1 + width + extra + usize::try_from(number(width)?).ok()?, 0))
        };
        let (length, children) = match marker {
            0x80..=0x8f => (1, 2 * u64::from(marker & 0x0f)),
            0x90..=0x9f => (1, u64::from(marker & 0x0f)),
            0xa0..=0xbf => (1 + usize::from(marker & 0x1f), 0),
            0xc4..=0xc6 => sized(0xc4, 0)?,
            0xc7..=0xc9 => sized(0xc7, 1)?,
            0xca => (5, 0),
            0xcb => (9, 0),
            0xcc..=0xcf => (1 + width(0xcc), 0),
            0xd0..=0xd3 => (1 + width(0xd0), 0),
            0xd4..=0xd8 => (2 + width(0xd4), 0),
            0xd9..=0xdb => sized(0xd9, 0)?,
            0xdc | 0xdd => (1 + 2 * width(0xdc), number(2 * width(0xdc))?),
            0xde | 0xdf => (1 + 2 * width(0xde), 2 * number(2 * width(0xde))?),
            // One byte; 0xc1 is none, which the typed reader will say.
            _ => (1, 0),
        };
        Some(Shape { length, children })
    }
}
