//! The decoders of `wire`.

use std::fmt::Debug;
use std::sync::LazyLock;

use bytes::Bytes;
use wire::message::gossip::{Message, PushPull, StreamMessage, kind};
use wire::message::serf::{Filter, SerfMessage};
use wire::message::{Coordinate, decode_tags, encode_tags};
use wire::msgpack::{Dialect, Reader, Value, Writer};
use wire::packet::SealOptions;
use wire::rpc::{
    Command, CoordinateReply, EvidenceReply, Frame, JoinReply, KeyReport, LogRecord, MembersReply,
    QueryRecord, Request, RequestHeader, RequestStream, ResponseHeader, ResponseStream, Stats,
    StreamRecord,
};
use wire::seal::SealVersion;
use wire::stream::{self, Progress, Role, StreamDecoder, StreamSeal};
use wire::{DecodeError, Key, Keyring, Security, Versions, compound, limits, packet};

use crate::tape::Tape;

/// Inputs longer than this bring nothing that shorter ones do not.
const LONGEST: usize = 16 << 10;

/// What is compared after sealing must fit the budget of one decompressed datagram.
const COMPARED_BYTES: usize = 60_000;

const NONCE: [u8; 12] = [7; 12];

/// Flags of the layered targets.
const KEYRING: u8 = 1;
const LABEL: u8 = 2;
const LAX: u8 = 4;
/// The input is content that we wrap ourselves: no fuzzer forges a seal.
const WRAP: u8 = 8;
const CRC: u8 = 16;
const COMPRESS: u8 = 32;
const PADDED: u8 = 64;
const DIALER: u8 = 128;

/// The key of the recorded vectors.
static KEY: LazyLock<Key> = LazyLock::new(|| {
    let key = Key::new(&std::array::from_fn::<u8, 16, _>(|index| index as u8));
    key.expect("16 bytes are a key")
});

/// The key and the label of the recorded vectors.
fn security(flags: u8) -> Security {
    Security {
        keyring: (flags & KEYRING != 0).then(|| Keyring::new(KEY.clone())),
        label: if flags & LABEL != 0 { Bytes::from_static(b"blue-dc") } else { Bytes::new() },
        verify_incoming: flags & LAX == 0,
        verify_outgoing: true,
    }
}

fn version(flags: u8) -> SealVersion {
    if flags & PADDED != 0 { SealVersion::Padded } else { SealVersion::Plain }
}

/// The messages of a datagram, and how many parts of it were dropped.
fn open(datagram: &[u8], security: &Security) -> (Vec<Message>, usize) {
    let (mut messages, mut dropped) = (Vec::new(), 0);
    packet::open(datagram, security, |found| match found {
        Ok(message) => messages.push(message),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            dropped += 1;
        }
    });
    (messages, dropped)
}

pub(crate) fn datagram(input: &[u8]) {
    let mut tape = Tape::new(input);
    let flags = tape.byte();
    let security = security(flags);
    let options = SealOptions {
        crc: flags & CRC != 0,
        compress: flags & COMPRESS != 0,
        label: &security.label,
        key: security.sealing_keyring().map(Keyring::primary),
        version: version(flags),
    };
    let wrap = |body: &[u8]| {
        let mut out = Vec::new();
        packet::seal(body, &options, NONCE, &mut out);
        out
    };
    let content = tape.rest();
    let bytes = if flags & WRAP != 0 { wrap(content) } else { content.to_vec() };
    let (messages, dropped) = open(&bytes, &security);
    assert!(messages.len() + dropped <= bytes.len() + limits::DATAGRAM_DECOMPRESSED_BYTES);

    // What came out goes in again, and comes out alike.
    let encoded: Vec<Vec<u8>> = messages.iter().map(Message::encode).collect();
    if encoded.iter().map(Vec::len).sum::<usize>() > COMPARED_BYTES {
        return;
    }
    let mut again = Vec::new();
    for body in compound::assemble(&encoded) {
        let (messages, dropped) = open(&wrap(&body), &security);
        assert_eq!(dropped, 0, "something of our own was dropped");
        again.extend(messages);
    }
    assert_eq!(again, messages);
}

pub(crate) fn gossip_message(input: &[u8]) {
    if let Ok(message) = Message::decode(input) {
        assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message));
        match &message {
            Message::Ack(ack) => coordinate(ack.payload.as_deref().unwrap_or_default()),
            Message::Alive(alive) => {
                tags(&alive.meta);
                versions(&alive.versions);
            }
            Message::User(content) => serf_message(content),
            _ => {}
        }
    }
    if let Ok(message) = StreamMessage::decode(input) {
        assert_eq!(StreamMessage::decode(&message.encode()).as_ref(), Ok(&message));
    }
}

fn coordinate(payload: &[u8]) {
    if let Ok(read) = Coordinate::from_payload(payload) {
        let written = read.to_payload();
        let again = Coordinate::from_payload(&written).map(|read| read.to_payload());
        assert_eq!(again, Ok(written));
    }
}

fn tags(meta: &[u8]) {
    let read = decode_tags(meta);
    assert_eq!(decode_tags(&encode_tags(&read)), read);
}

fn versions(raw: &[u8]) {
    if let Some(versions) = Versions::from_bytes(raw) {
        assert_eq!(Versions::from_bytes(&versions.to_bytes()), Some(versions));
    }
}

pub(crate) fn serf_message(input: &[u8]) {
    // Relays may hold relays: each level takes bytes off, but no stack is endless.
    let mut current = Bytes::copy_from_slice(input);
    while let Ok(message) = SerfMessage::decode(&current) {
        assert_eq!(SerfMessage::decode(&message.encode()).as_ref(), Ok(&message));
        current = match message {
            SerfMessage::Query(query) => {
                query.filters.iter().flatten().for_each(|encoded| filter(encoded));
                query.payload.unwrap_or_default()
            }
            SerfMessage::QueryResponse(response) => response.payload.unwrap_or_default(),
            SerfMessage::Relay(relay) => relay.message,
            _ => break,
        };
    }
    filter(input);
    tags(input);
    coordinate(input);
}

fn filter(encoded: &[u8]) {
    if let Ok(filter) = Filter::decode(encoded) {
        assert_eq!(Filter::decode(&filter.encode()).as_ref(), Ok(&filter));
    }
}

pub(crate) fn msgpack(input: &[u8]) {
    let (mut reading, mut skipping) = (Reader::new(input), Reader::new(input));
    let (value, skipped) = (Value::read(&mut reading), skipping.skip());
    assert_eq!(value.as_ref().err(), skipped.as_ref().err());
    if let Ok(value) = value {
        assert_eq!(reading.position(), skipping.position());
        for dialect in [Dialect::Gossip, Dialect::Rpc] {
            let write = |value: &Value| {
                let mut out = Vec::new();
                Writer::with_dialect(&mut out, dialect).write_value(value);
                out
            };
            let written = write(&value);
            let again = Value::read(&mut Reader::with_dialect(&written, dialect));
            assert_eq!(again.map(|value| write(&value)).as_ref(), Ok(&written));
        }
    }
    for dialect in [Dialect::Gossip, Dialect::Rpc] {
        typed_reads(input, dialect);
    }
}

/// Reads the same bytes as every type.
fn typed_reads(input: &[u8], dialect: Dialect) {
    let read = |read: &dyn Fn(&mut Reader<'_>) -> bool| {
        let mut reader = Reader::with_dialect(input, dialect);
        let ok = read(&mut reader);
        assert!(reader.position() <= input.len());
        assert_eq!(reader.rest().len(), input.len() - reader.position());
        ok
    };
    let unsigned = read(&|reader| reader.read_u64().is_ok());
    assert!(unsigned || !read(&|reader| reader.read_u32().is_ok()), "a u32 that is no u64");
    assert!(unsigned || !read(&|reader| reader.read_u16().is_ok()), "a u16 that is no u64");
    assert!(unsigned || !read(&|reader| reader.read_u8().is_ok()), "a u8 that is no u64");
    read(&|reader| reader.read_i64().is_ok());
    read(&|reader| reader.read_f64().is_ok());
    read(&|reader| reader.read_bool().is_ok());
    read(&|reader| reader.read_bytes().is_ok());
    read(&|reader| reader.read_optional_bytes().is_ok());
    read(&|reader| reader.read_byte_list().is_ok());
    read(&|reader| reader.read_array().is_ok());
    read(&|reader| reader.read_map().is_ok());
    let raw = read(&|reader| reader.read_raw_text().is_ok());
    assert!(raw || !read(&|reader| reader.read_text().is_ok()), "a text that is no raw text");
    read(&|reader| reader.read_record(&["A", "B"], |reader, _| reader.skip()).is_ok());
}

pub(crate) fn lzw(input: &[u8]) {
    let mut tape = Tape::new(input);
    let limit = 1_usize << (tape.byte() % 17);
    let bytes = tape.rest();
    let mut budget = limit;
    if let Ok(out) = wire::lzw::decompress(bytes, &mut budget) {
        assert_eq!(out.len() + budget, limit);
    }
    let mut budget = bytes.len();
    let there_and_back = wire::lzw::decompress(&wire::lzw::compress(bytes), &mut budget);
    assert_eq!(there_and_back.as_deref(), Ok(bytes));
    assert_eq!(budget, 0);
}

/// What becomes of a stream that arrives in pieces of this size.
fn feed(role: Role, security: &Security, bytes: &[u8], piece: usize) -> Progress {
    let mut decoder = StreamDecoder::new(role, security.clone());
    for piece in bytes.chunks(piece.max(1)) {
        let progress = decoder.feed(piece);
        if progress != Progress::NeedMore {
            assert_eq!(decoder.feed(bytes), Progress::NeedMore, "finished, and goes on");
            return progress;
        }
    }
    Progress::NeedMore
}

pub(crate) fn stream(input: &[u8]) {
    let mut tape = Tape::new(input);
    let (flags, piece) = (tape.byte(), usize::from(tape.byte()));
    let security = security(flags);
    let role = if flags & DIALER != 0 { Role::Dialer } else { Role::Listener };
    let seal = StreamSeal {
        label: &security.label,
        label_header: role == Role::Listener,
        compress: flags & COMPRESS != 0,
        key: security.sealing_keyring().map(Keyring::primary),
        version: version(flags),
    };
    let content = tape.rest();
    if content.len() > LONGEST {
        return;
    }
    let wrap = |content: &[u8]| stream::encode(&[content], &seal, NONCE).expect("far from 20 MiB");
    let bytes = if flags & WRAP != 0 { wrap(content) } else { content.to_vec() };
    let whole = feed(role, &security, &bytes, bytes.len());
    if bytes.len() <= limits::STREAM_UNIT_BYTES {
        assert_eq!(feed(role, &security, &bytes, piece), whole, "it matters how it is cut");
    }
    match whole {
        Progress::Message(message) => {
            let again = wrap(&message.encode());
            assert_eq!(feed(role, &security, &again, again.len()), Progress::Message(message));
        }
        Progress::Fail(failure) => {
            if let Some(reply) = failure.reply() {
                assert_eq!(role, Role::Listener, "a dialer answers an answer");
                let reply = stream::encode(&[&reply.encode()], &seal, NONCE);
                assert!(reply.is_ok());
            }
        }
        Progress::NeedMore => {}
    }
}

pub(crate) fn push_pull(input: &[u8]) {
    let mut reader = Reader::new(input);
    let read = PushPull::read(&mut reader);
    let mut bytes = vec![kind::PUSH_PULL];
    bytes.extend_from_slice(input);
    let mut decoder = StreamDecoder::new(Role::Listener, Security::default());
    let progress = decoder.feed(&bytes);
    match read {
        Ok(push_pull) => {
            for node in push_pull.nodes.iter() {
                tags(node.meta);
                versions(node.versions);
            }
            serf_message(&push_pull.user_state);
            assert_eq!(progress, Progress::Message(StreamMessage::PushPull(push_pull)));
        }
        Err(DecodeError::Incomplete) if bytes.len() <= limits::STREAM_UNIT_BYTES => {
            assert_eq!(progress, Progress::NeedMore);
        }
        Err(_) => assert!(!matches!(progress, Progress::Message(_))),
    }
}

type Requests = (Vec<(RequestHeader, Option<Request>)>, Option<DecodeError>);

/// Reads requests as an agent does, which closes on an unknown command.
fn requests(bytes: &[u8], piece: usize) -> Requests {
    let mut stream = RequestStream::new();
    let mut read = Vec::new();
    let mut awaiting: Option<(RequestHeader, Command)> = None;
    for piece in bytes.chunks(piece.max(1)) {
        stream.push(piece);
        loop {
            let (header, command) = match awaiting.take() {
                Some(awaited) => awaited,
                None => match stream.next_header() {
                    Ok(None) => break,
                    Err(error) => return (read, Some(error)),
                    Ok(Some(header)) => match Command::from_name(&header.command) {
                        Some(command) => (header, command),
                        None => {
                            read.push((header, None));
                            return (read, None);
                        }
                    },
                },
            };
            match stream.next_body(command) {
                Ok(Some(body)) => read.push((header, Some(body))),
                Ok(None) => {
                    awaiting = Some((header, command));
                    break;
                }
                Err(error) => return (read, Some(error)),
            }
            assert!(read.len() <= bytes.len(), "requests out of nothing");
        }
    }
    (read, None)
}

pub(crate) fn rpc_request(input: &[u8]) {
    let mut tape = Tape::new(input);
    let piece = usize::from(tape.byte());
    let bytes = tape.rest();
    let whole = requests(bytes, bytes.len());
    assert_eq!(requests(bytes, piece), whole, "it matters how it is cut");
    assert_ne!(whole.1, Some(DecodeError::Incomplete), "a value was taken too soon");
    let mut written = Vec::new();
    let mut expected = Vec::new();
    for (header, request) in whole.0 {
        let Some(request) = request else { continue };
        request.encode(header.sequence, &mut written);
        expected.push((header, Some(request)));
    }
    if written.len() <= limits::RPC_REQUEST_BYTES {
        assert_eq!(requests(&written, written.len()), (expected, None));
    }
}

/// Header and body after header and body; the result is what they look like when written.
fn responses<B: Frame + Debug>(bytes: &[u8], piece: usize) -> (Vec<u8>, Option<DecodeError>) {
    let mut stream = ResponseStream::new();
    let mut written = Vec::new();
    let mut header_is_next = true;
    for piece in bytes.chunks(piece.max(1)) {
        stream.push(piece);
        loop {
            let step = if header_is_next {
                stream.next_header().map(|header: Option<ResponseHeader>| {
                    header.map(|header| header.encode(&mut written)).is_some()
                })
            } else {
                stream
                    .next_body::<B>()
                    .map(|body| body.map(|body| body.encode(&mut written)).is_some())
            };
            match step {
                Ok(true) => header_is_next = !header_is_next,
                Ok(false) => break,
                Err(error) => return (written, Some(error)),
            }
        }
    }
    (written, None)
}

fn check_responses<B: Frame + Debug>(bytes: &[u8], piece: usize) {
    let whole = responses::<B>(bytes, bytes.len());
    assert_eq!(responses::<B>(bytes, piece), whole, "it matters how it is cut");
    assert_ne!(whole.1, Some(DecodeError::Incomplete), "a value was taken too soon");
    let written = whole.0;
    assert_eq!(responses::<B>(&written, written.len()), (written.clone(), None));
}

pub(crate) fn rpc_response(input: &[u8]) {
    let mut tape = Tape::new(input);
    let (body, piece) = (tape.byte(), usize::from(tape.byte()));
    let bytes = tape.rest();
    match body % 9 {
        0 => check_responses::<JoinReply>(bytes, piece),
        1 => check_responses::<MembersReply>(bytes, piece),
        2 => check_responses::<KeyReport>(bytes, piece),
        3 => check_responses::<Stats>(bytes, piece),
        4 => check_responses::<CoordinateReply>(bytes, piece),
        5 => check_responses::<LogRecord>(bytes, piece),
        6 => check_responses::<StreamRecord>(bytes, piece),
        7 => check_responses::<QueryRecord>(bytes, piece),
        _ => check_responses::<EvidenceReply>(bytes, piece),
    }
}
