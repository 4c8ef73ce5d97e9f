//! The incremental decoder.

use bytes::{Buf, BytesMut};

use super::{ENCRYPT_HEADER_BYTES, StreamError, additional_data};
use crate::label::{self, LabelError};
use crate::lzw::{self, CompressError};
use crate::message::gossip::{NodeTable, PushPull, PushPullHeader, StreamMessage, kind};
use crate::msgpack::Reader;
use crate::seal::{self, SealError};
use crate::{DecodeError, Security, limits};

/// Which side of the connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It was dialled to, and reads a request: push/pull, ping or user message.
    Listener,
    /// It dialled, and reads the answer: push/pull, ack or error.
    Dialer,
}

/// What has become of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The message is not whole yet.
    NeedMore,
    /// The message is whole. Bytes behind it do not count.
    Message(StreamMessage),
    /// There will be no message.
    Fail(StreamFailure),
}

/// Why there will be no message, and what to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamFailure {
    /// Why.
    pub error: StreamError,
    /// Whether a listener answers with the error's text, in a [`StreamMessage::Error`], before
    /// it closes the connection; otherwise it just closes.
    pub answer: bool,
}

impl StreamFailure {
    /// The answer to write before closing, if any.
    pub fn reply(&self) -> Option<StreamMessage> {
        self.answer.then(|| StreamMessage::Error(self.error.to_string()))
    }
}

/// Reads one message from the bytes of a stream, however they are cut.
///
/// Holds at most [`limits::STREAM_BYTES`] of a sealed and [`limits::DECOMPRESSED_BYTES`] of a
/// plain stream, and looks at every byte a bounded number of times.
#[derive(Debug)]
pub struct StreamDecoder {
    role: Role,
    security: Security,
    buffer: BytesMut,
    /// Bytes already taken off the front of the buffer.
    taken: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Label,
    Outer,
    /// A plain compressed message, behind its type byte.
    Compressed,
    /// A plain message of one record, from its type byte.
    Record,
    /// A plain push/pull, behind its header.
    Nodes(PushPullHeader, NodeTable, usize),
    /// A plain push/pull, behind its table.
    UserState(PushPullHeader, NodeTable),
    Finished,
}

/// Why a step could not be made.
enum Stop {
    NeedMore,
    Fail(StreamFailure),
}

impl Stop {
    fn silent(error: impl Into<StreamError>) -> Self {
        Stop::Fail(StreamFailure { error: error.into(), answer: false })
    }
}

/// The outer layers' failures are answered, the inner message's are not.
fn answered(error: impl Into<StreamError>) -> Stop {
    Stop::Fail(StreamFailure { error: error.into(), answer: true })
}

impl StreamDecoder {
    /// A decoder for a fresh connection.
    pub fn new(role: Role, security: Security) -> Self {
        let stage = match role {
            Role::Listener => Stage::Label,
            // Answers carry no label.
            Role::Dialer => Stage::Outer,
        };
        StreamDecoder { role, security, buffer: BytesMut::new(), taken: 0, stage }
    }

    /// Takes the next bytes. After a message or a failure the decoder is finished, and further
    /// bytes are ignored.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        if matches!(self.stage, Stage::Finished) {
            return Progress::NeedMore;
        }
        self.buffer.extend_from_slice(bytes);
        let progress = self.advance();
        if progress != Progress::NeedMore {
            self.stage = Stage::Finished;
            self.buffer = BytesMut::new();
        }
        progress
    }

    fn advance(&mut self) -> Progress {
        loop {
            match self.step() {
                Ok(None) => {}
                Ok(Some(message)) => return Progress::Message(message),
                Err(Stop::NeedMore) => break,
                Err(Stop::Fail(mut failure)) => {
                    failure.answer &= self.role == Role::Listener;
                    return Progress::Fail(failure);
                }
            }
        }
        let limit = limits::DECOMPRESSED_BYTES;
        if self.taken + self.buffer.len() > limit {
            let error = StreamError::TooLong { limit };
            return Progress::Fail(StreamFailure { error, answer: false });
        }
        Progress::NeedMore
    }

    fn step(&mut self) -> Result<Option<StreamMessage>, Stop> {
        match &mut self.stage {
            Stage::Label => self.read_label().map(|()| None),
            Stage::Outer => self.read_outer(),
            Stage::Compressed => self.read_compressed().map(Some),
            Stage::Record => self.read_record(),
            Stage::Nodes(header, nodes, left) => {
                let mut read = 0;
                while *left > 0 {
                    let entry = |reader: &mut Reader<'_>| nodes.read_entry(reader);
                    match read_unit(&self.buffer[read..], entry) {
                        Ok(((), length)) => read += length,
                        Err(stop) => {
                            self.skip(read);
                            return Err(stop);
                        }
                    }
                    *left -= 1;
                }
                self.stage = Stage::UserState(*header, std::mem::take(nodes));
                self.skip(read);
                Ok(None)
            }
            Stage::UserState(header, nodes) => {
                if self.buffer.len() < header.user_state_length {
                    return Err(Stop::NeedMore);
                }
                let user_state = self.buffer.split_to(header.user_state_length).freeze();
                let (join, nodes) = (header.join, std::mem::take(nodes));
                Ok(Some(StreamMessage::PushPull(PushPull { join, nodes, user_state })))
            }
            Stage::Finished => Err(Stop::NeedMore),
        }
    }

    fn read_label(&mut self) -> Result<(), Stop> {
        let header = match *self.buffer {
            [] | [kind::LABEL] => return Err(Stop::NeedMore),
            [kind::LABEL, length, ..] if self.buffer.len() < 2 + usize::from(length) => {
                return Err(Stop::NeedMore);
            }
            [kind::LABEL, length, ..] => 2 + usize::from(length),
            _ => 0,
        };
        let rest = label::strip_expected(&self.buffer[..header.max(1)], &self.security.label);
        rest.map_err(|error: LabelError| Stop::silent(error))?;
        self.skip(header);
        self.stage = Stage::Outer;
        Ok(())
    }

    /// Decides by the type byte; opens the seal where there is one, and then all of the message
    /// is at hand.
    fn read_outer(&mut self) -> Result<Option<StreamMessage>, Stop> {
        let found = *self.buffer.first().ok_or(Stop::NeedMore)?;
        if found == kind::ENCRYPT {
            let plaintext = self.open_seal()?;
            return read_plaintext(self.role, &plaintext).map(Some);
        }
        if self.security.keyring.is_some() && self.security.verify_incoming {
            return Err(answered(StreamError::NotSealed));
        }
        if found == kind::COMPRESS {
            self.skip(1);
            self.stage = Stage::Compressed;
        } else {
            check_kind(self.role, found)?;
            self.stage = Stage::Record;
        }
        Ok(None)
    }

    fn open_seal(&self) -> Result<Vec<u8>, Stop> {
        let keyring = self.security.keyring.as_ref();
        let keyring = keyring.ok_or_else(|| answered(StreamError::Sealed))?;
        let (header, rest) =
            self.buffer.split_at_checked(ENCRYPT_HEADER_BYTES).ok_or(Stop::NeedMore)?;
        let [_, a, b, c, d] = *header else { return Err(Stop::NeedMore) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let limit = limits::STREAM_BYTES;
        if length > limit {
            return Err(answered(StreamError::TooLong { limit }));
        }
        if length == 0 {
            return Err(answered(SealError::TooShort { length }));
        }
        let sealed = rest.get(..length).ok_or(Stop::NeedMore)?;
        let aad = additional_data(header, &self.security.label);
        let (plaintext, _) = seal::open(keyring, sealed, &aad).map_err(answered)?;
        Ok(plaintext)
    }

    fn read_compressed(&mut self) -> Result<StreamMessage, Stop> {
        let read = read_unit(&self.buffer, |reader| lzw::read_message(reader));
        let ((algorithm, compressed), _) = read.map_err(|stop| match stop {
            Stop::Fail(failure) => answered(failure.error),
            Stop::NeedMore => Stop::NeedMore,
        })?;
        read_decompressed(self.role, algorithm, compressed)
    }

    fn read_record(&mut self) -> Result<Option<StreamMessage>, Stop> {
        let found = *self.buffer.first().ok_or(Stop::NeedMore)?;
        if found == kind::PUSH_PULL {
            let (header, length) = read_unit(&self.buffer[1..], PushPullHeader::read)?;
            self.skip(1 + length);
            self.stage = Stage::Nodes(header, NodeTable::default(), header.nodes);
            return Ok(None);
        }
        let read = |reader: &mut Reader<'_>| StreamMessage::read(found, reader);
        let (message, _) = read_unit(&self.buffer[1..], read)?;
        Ok(Some(message))
    }

    fn skip(&mut self, length: usize) {
        self.buffer.advance(length);
        self.taken += length;
    }
}

/// Reads one unit of a stream (a header, an entry, a small message) from the front of the
/// buffer, and returns its length with it.
///
/// A unit is read again from its start when more bytes have come, so one that goes on for more
/// than [`limits::STREAM_UNIT_BYTES`] without ending is refused. Long strings do not count: a
/// reader that waits for one stops in front of it.
fn read_unit<'a, T>(
    buffer: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<(T, usize), Stop> {
    let mut reader = Reader::new(buffer);
    match read(&mut reader) {
        Ok(unit) => Ok((unit, reader.position())),
        Err(DecodeError::Incomplete) if reader.position() <= limits::STREAM_UNIT_BYTES => {
            Err(Stop::NeedMore)
        }
        Err(DecodeError::Incomplete) => {
            Err(Stop::silent(StreamError::TooLong { limit: limits::STREAM_UNIT_BYTES }))
        }
        Err(error) => Err(Stop::silent(error)),
    }
}

/// Reads the message inside a seal.
fn read_plaintext(role: Role, plaintext: &[u8]) -> Result<StreamMessage, Stop> {
    if let [kind::COMPRESS, body @ ..] = plaintext {
        let (algorithm, compressed) = lzw::read_message(&mut Reader::new(body))
            .map_err(|error| answered(StreamError::Compress(error.into())))?;
        return read_decompressed(role, algorithm, compressed);
    }
    read_whole(role, plaintext)
}

fn read_decompressed(role: Role, algorithm: u8, compressed: &[u8]) -> Result<StreamMessage, Stop> {
    let mut budget = limits::DECOMPRESSED_BYTES;
    let message = lzw::open_message(algorithm, compressed, &mut budget)
        .map_err(|error: CompressError| answered(StreamError::Compress(error)))?;
    read_whole(role, &message)
}

fn read_whole(role: Role, message: &[u8]) -> Result<StreamMessage, Stop> {
    check_kind(role, *message.first().ok_or_else(|| Stop::silent(DecodeError::Empty))?)?;
    StreamMessage::decode(message).map_err(Stop::silent)
}

/// Refuses at once what this side does not expect.
fn check_kind(role: Role, found: u8) -> Result<(), Stop> {
    match (role, found) {
        (Role::Listener, kind::PUSH_PULL | kind::PING | kind::USER)
        | (Role::Dialer, kind::PUSH_PULL | kind::ACK | kind::ERROR) => Ok(()),
        _ => Err(Stop::silent(DecodeError::UnknownType { what: "stream message", found })),
    }
}
