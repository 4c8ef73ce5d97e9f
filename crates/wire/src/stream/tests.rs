#![allow(clippy::unwrap_used)]

use super::*;
use crate::message::gossip::{NodeState, Ping, PushPull, PushPullHeader, State, StreamMessage};
use crate::msgpack::Writer;
use crate::{Address, Incarnation, Key, Keyring, Security, SequenceNumber};

const NONCE: [u8; NONCE_BYTES] = [9; NONCE_BYTES];

fn secured(raw: &[u8], label: &'static str) -> Security {
    let keyring = Some(Keyring::new(Key::new(raw).unwrap()));
    Security { keyring, label: label.into(), ..Security::default() }
}

fn table(count: usize) -> PushPull {
    let node = |index: usize| NodeState {
        name: format!("node-{index:05}").as_str().into(),
        address: Address::from_bytes(&[10, 0, (index >> 8) as u8, index as u8]).unwrap(),
        port: 7946,
        meta: vec![b'm'; 40].into(),
        incarnation: Incarnation(index as u32),
        state: State::Alive,
        versions: vec![1, 5, 2, 2, 5, 4].into(),
    };
    let nodes = (0..count).map(node).collect();
    PushPull { join: true, nodes, user_state: vec![b'u'; 1000].into() }
}

fn ping() -> StreamMessage {
    StreamMessage::Ping(Ping { sequence_number: SequenceNumber(5), ..Ping::default() })
}

/// What a listener makes of bytes that come in pieces of this size.
fn listened(bytes: &[u8], security: &Security, piece: usize) -> Progress {
    let mut decoder = StreamDecoder::new(Role::Listener, security.clone());
    for bytes in bytes.chunks(piece) {
        let progress = decoder.feed(bytes);
        if progress != Progress::NeedMore {
            return progress;
        }
    }
    Progress::NeedMore
}

fn failed(bytes: &[u8], security: &Security) -> StreamFailure {
    match listened(bytes, security, 7) {
        Progress::Fail(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_combination_comes_back_however_it_is_cut() {
    let message = StreamMessage::PushPull(table(20));
    let encoded = message.encode();
    for security in [
        Security::default(),
        Security { label: "blue".into(), ..Security::default() },
        secured(&[1; 16], ""),
        secured(&[2; 24], "blue"),
    ] {
        for compress in [false, true] {
            let options = security.stream_options(true, compress);
            let (head, tail) = encoded.split_at(100);
            let bytes = encode(&[head, tail], &options, NONCE).unwrap();
            for piece in [1, 2, 64, bytes.len()] {
                let progress = listened(&bytes, &security, piece);
                assert_eq!(progress, Progress::Message(message.clone()));
            }
            assert_eq!(listened(&bytes[..bytes.len() - 1], &security, 50), Progress::NeedMore);
            let reply = encode(&[&encoded], &security.stream_options(false, compress), NONCE);
            let mut dialer = StreamDecoder::new(Role::Dialer, security.clone());
            let expected = Progress::Message(message.clone());
            assert_eq!(dialer.feed(&reply.unwrap()), expected);
        }
    }
}

#[test]
fn a_message_is_taken_without_waiting_for_the_end_of_the_stream() {
    let mut bytes = ping().encode();
    bytes.extend_from_slice(b"anything");
    let mut decoder = StreamDecoder::new(Role::Listener, Security::default());
    assert_eq!(decoder.feed(&bytes), Progress::Message(ping()));
    assert_eq!(decoder.feed(b"more"), Progress::NeedMore);
    let empty = StreamMessage::PushPull(PushPull::default());
    assert_eq!(listened(&empty.encode(), &Security::default(), 1), Progress::Message(empty));
    let nothing = StreamMessage::User(Default::default());
    assert_eq!(listened(&nothing.encode(), &Security::default(), 1), Progress::Message(nothing));
}

#[test]
fn failures_of_the_outer_layers_are_answered() {
    let (plain, sealing) = (Security::default(), secured(&[1; 16], ""));
    let sealed = |security: &Security| {
        encode(&[&ping().encode()], &security.stream_options(true, false), NONCE)
    };

    let failure = failed(&sealed(&sealing).unwrap(), &plain);
    let text = "Remote state is encrypted and encryption is not configured";
    assert_eq!(failure.reply(), Some(StreamMessage::Error(text.into())));

    let failure = failed(&ping().encode(), &sealing);
    let text = "Encryption is configured but remote state is not encrypted";
    assert_eq!(failure.reply(), Some(StreamMessage::Error(text.into())));

    let failure = failed(&sealed(&secured(&[2; 16], "")).unwrap(), &sealing);
    assert_eq!((failure.error, failure.answer), (SealError::NoKey.into(), true));

    let failure = failed(&[10, 1, 0x40, 0, 1], &sealing);
    let limit = limits::STREAM_BYTES;
    assert_eq!((failure.error, failure.answer), (StreamError::TooLong { limit }, true));

    for length in 0..29 {
        let bytes = [&[10, 0, 0, 0, length][..], &vec![1; usize::from(length)]].concat();
        let length = usize::from(length);
        assert_eq!(failed(&bytes, &sealing).error, SealError::TooShort { length }.into());
    }

    let failure = failed(b"\x09\x82\xa4Algo\x05\xa3Buf\xa1x", &plain);
    let text = "Cannot decompress unknown algorithm 5";
    assert_eq!(failure.reply(), Some(StreamMessage::Error(text.into())));
}

#[test]
fn failures_of_the_inner_message_just_close() {
    let plain = Security::default();
    for bytes in [&b"\x07\x01"[..], b"\x02\x80", b"\x0d\x80", b"\x00\xc3", b"\x06\x81\xa5Nodes\xff"]
    {
        let failure = failed(bytes, &plain);
        assert!(failure.reply().is_none(), "{failure:?}");
    }
    // A whole plaintext cannot be continued, so what is cut off in it is final.
    let sealing = secured(&[1; 16], "");
    let cut_off = encode(&[&ping().encode()[..5]], &sealing.stream_options(true, false), NONCE);
    let failure = failed(&cut_off.unwrap(), &sealing);
    assert_eq!((failure.error, failure.answer), (DecodeError::Incomplete.into(), false));
}

#[test]
fn dialers_never_answer() {
    let mut dialer = StreamDecoder::new(Role::Dialer, Security::default());
    let Progress::Fail(failure) = dialer.feed(&[10, 0, 0, 0, 50]) else { panic!("accepted") };
    assert_eq!((failure.error, failure.answer), (StreamError::Sealed, false));
    let mut dialer = StreamDecoder::new(Role::Dialer, Security::default());
    let error = StreamMessage::Error("no".into());
    assert_eq!(dialer.feed(&error.encode()), Progress::Message(error));
}

#[test]
fn labels_keep_clusters_apart() {
    let blue = Security { label: "blue".into(), ..Security::default() };
    let labelled = encode(&[&ping().encode()], &blue.stream_options(true, false), NONCE).unwrap();
    assert_eq!(listened(&labelled, &blue, 1), Progress::Message(ping()));
    for (bytes, security) in
        [(&labelled, &Security::default()), (&ping().encode(), &blue), (&vec![0xf4, 0, 0], &blue)]
    {
        let failure = failed(bytes, security);
        assert!(matches!(failure.error, StreamError::Label(_)));
        assert!(!failure.answer);
    }
}

#[test]
fn plain_streams_are_accepted_while_encryption_is_introduced() {
    let lenient = Security { verify_incoming: false, ..secured(&[1; 16], "") };
    assert_eq!(listened(&ping().encode(), &lenient, 3), Progress::Message(ping()));
}

#[test]
fn endless_units_and_streams_are_given_up() {
    let plain = Security::default();
    // A header whose unknown field goes on and on.
    let mut bytes = b"\x06\x82\xa1x\xdd\xff\xff\xff\xff".to_vec();
    bytes.resize(limits::STREAM_UNIT_BYTES + 2000, 0xc0);
    let failure = failed(&bytes, &plain);
    assert!(matches!(failure.error, StreamError::TooLong { .. }));
    // A name of 4 GiB.
    let mut decoder = StreamDecoder::new(Role::Listener, plain);
    assert_eq!(decoder.feed(b"\x00\x81\xa4Node\xdb\xff\xff\xff\xff"), Progress::NeedMore);
    let mebibyte = vec![b'x'; 1 << 20];
    let pieces = (0..100).take_while(|_| decoder.feed(&mebibyte) == Progress::NeedMore).count();
    assert_eq!(pieces + 1, limits::DECOMPRESSED_BYTES >> 20);
}

#[test]
fn a_compression_bomb_is_stopped_at_its_limit() {
    let zeros = vec![0; limits::DECOMPRESSED_BYTES + 1];
    let options = StreamSeal { compress: true, ..StreamSeal::default() };
    let bytes = encode(&[&zeros], &options, NONCE).unwrap();
    let failure = failed(&bytes, &Security::default());
    let limit = limits::DECOMPRESSED_BYTES;
    assert_eq!(failure.error, StreamError::Compress(CompressError::TooLarge { limit }));
    assert!(failure.answer);
}

#[test]
fn a_large_table_in_small_pieces_costs_each_byte_a_few_looks() {
    // Quadratic reading would take minutes here.
    let message = StreamMessage::PushPull(table(20_000));
    let progress = listened(&message.encode(), &Security::default(), 100);
    assert_eq!(progress, Progress::Message(message));
}

#[test]
fn a_table_known_in_encoded_form_is_sent_in_pieces() {
    let whole = table(3);
    let mut head = Vec::new();
    let header = PushPullHeader { join: true, nodes: 3, user_state_length: 1000 };
    header.write(&mut Writer::new(&mut head));
    let mut nodes = Vec::new();
    whole.nodes.iter().for_each(|node| node.write(&mut Writer::new(&mut nodes)));
    let segments = [&head[..], &nodes, &whole.user_state];
    let bytes = encode(&segments, &StreamSeal::default(), NONCE).unwrap();
    assert_eq!(bytes, StreamMessage::PushPull(whole).encode());
}

#[test]
fn a_sealed_message_beyond_the_limit_is_not_sent() {
    let sealing = secured(&[1; 16], "");
    let long = vec![8; limits::STREAM_BYTES];
    let refused = encode(&[&long], &sealing.stream_options(true, false), NONCE);
    assert_eq!(refused, Err(StreamError::TooLong { limit: limits::STREAM_BYTES }));
}
