#![allow(clippy::unwrap_used)]

use super::*;
use crate::message::gossip::{Nack, Ping};
use crate::msgpack::Writer;
use crate::{Keyring, SequenceNumber};

const NONCE: [u8; NONCE_BYTES] = [7; NONCE_BYTES];

fn nack(sequence_number: u32) -> Vec<u8> {
    Message::Nack(Nack { sequence_number: SequenceNumber(sequence_number) }).encode()
}

fn opened(datagram: &[u8], security: &Security) -> Vec<Result<Message, PacketError>> {
    let mut found = Vec::new();
    open(datagram, security, |message| found.push(message));
    found
}

/// The sequence numbers of the nacks in a datagram, and the number of errors.
fn nacks(datagram: &[u8], security: &Security) -> (Vec<u32>, usize) {
    let (mut numbers, mut errors) = (Vec::new(), 0);
    open(datagram, security, |message| match message {
        Ok(Message::Nack(nack)) => numbers.push(nack.sequence_number.0),
        Ok(other) => panic!("{other:?}"),
        Err(_) => errors += 1,
    });
    (numbers, errors)
}

fn ring(keys: &[&[u8]]) -> Keyring {
    let mut keys = keys.iter().map(|raw| Key::new(raw).unwrap());
    Keyring::with_keys(keys.next().unwrap(), keys)
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    lzw::write_message(message, &mut out);
    out
}

fn secured(keys: &[&[u8]], label: &'static str) -> Security {
    Security { keyring: Some(ring(keys)), label: label.into(), ..Security::default() }
}

#[test]
fn nothing_is_nothing_and_garbage_is_one_error() {
    let plain = Security::default();
    assert!(opened(b"", &plain).is_empty());
    assert_eq!(
        opened(b"\xf5\x00", &plain),
        [Err(DecodeError::UnknownType { what: "message", found: 0xf5 }.into())]
    );
    assert_eq!(opened(b"\xf4\x00\x00", &plain), [Err(LabelError::Malformed.into())]);
    assert_eq!(opened(b"\xf4\x05ab", &plain), [Err(LabelError::Malformed.into())]);
}

#[test]
fn a_bad_part_does_not_spoil_the_others() {
    let bad_crc = b"\x0c\x00\x00\x00\x00\x0b\x81\xa5SeqNo\x01".to_vec();
    let parts = [nack(1), b"\x63".to_vec(), bad_crc, Vec::new(), nack(2)];
    let mut body = Vec::new();
    compound::write(&parts, &mut body);
    assert_eq!(nacks(&body, &Security::default()), (vec![1, 2], 3));
    body.truncate(body.len() - 1);
    let found = opened(&body, &Security::default());
    assert_eq!(found.last(), Some(&Err(PacketError::Truncated { lost: 1 })));
    let table_cut_off = &body[..6];
    assert_eq!(opened(table_cut_off, &Security::default()), [Err(CompoundError.into())]);
}

#[test]
fn many_messages_are_split_into_compounds_that_old_members_survive() {
    let messages: Vec<_> = (0..300).map(nack).collect();
    let bodies = compound::assemble(&messages);
    assert_eq!(bodies.len(), 3);
    let found: Vec<_> =
        bodies.iter().flat_map(|body| nacks(body, &Security::default()).0).collect();
    assert_eq!(found, (0..300).collect::<Vec<_>>());
    assert!(bodies.iter().all(|body| body[1] <= 127));
    assert_eq!(compound::assemble(&messages[..1]), [nack(0)]);
    let long = vec![8; 70_000];
    assert_eq!(compound::assemble(&[nack(1), long.clone(), nack(2)]), [nack(1), long, nack(2)]);
}

#[test]
fn layers_may_nest_but_not_for_ever() {
    let mut message = nack(1);
    for _ in 0..limits::LAYER_DEPTH / 2 {
        let mut body = Vec::new();
        compound::write(&[message, nack(2)], &mut body);
        message = compressed(&body);
    }
    let (found, errors) = nacks(&message, &Security::default());
    assert_eq!((found.len(), errors), (1 + limits::LAYER_DEPTH / 2, 0));
    let deeper = compressed(&message);
    assert_eq!(nacks(&deeper, &Security::default()), (vec![2, 2, 2], 1));
}

#[test]
fn decompression_has_one_budget_per_datagram() {
    let large = compressed(&vec![8; limits::DATAGRAM_DECOMPRESSED_BYTES * 2 / 3]);
    assert!(large.len() < 20_000);
    let mut body = Vec::new();
    compound::write(&[&large[..], &large, &large, &nack(1)], &mut body);
    let found = opened(&body, &Security::default());
    assert!(matches!(found[0], Ok(Message::User(_))));
    for late in &found[1..3] {
        assert!(matches!(late, Err(PacketError::Compress(CompressError::TooLarge { .. }))));
    }
    assert!(found[3].is_ok());
}

#[test]
fn what_does_not_decompress_says_why() {
    let wrap = |algorithm: u64, buffer: &[u8]| {
        let mut out = vec![kind::COMPRESS];
        let mut writer = Writer::new(&mut out);
        writer.write_map(2);
        writer.field_u64("Algo", algorithm);
        writer.field_bytes("Buf", buffer);
        opened(&out, &Security::default())
    };
    let sound = lzw::compress(&nack(1));
    assert!(wrap(0, &sound)[0].is_ok());
    assert_eq!(wrap(1, &sound), [Err(CompressError::UnknownAlgorithm(1).into())]);
    let cut_off = &sound[..sound.len() - 2];
    assert_eq!(wrap(0, cut_off), [Err(CompressError::Damaged.into())]);
    assert_eq!(wrap(0, &lzw::compress(b"")), [Err(CompressError::Empty.into())]);
    assert_eq!(wrap(0, b""), [Err(CompressError::Damaged.into())]);
    assert_eq!(wrap(0, &[0xff; 64]), [Err(CompressError::Damaged.into())]);
}

#[test]
fn a_packet_is_compressed_only_if_that_makes_it_smaller() {
    let options = SealOptions { compress: true, ..SealOptions::default() };
    let mut out = Vec::new();
    seal(&nack(1), &options, NONCE, &mut out);
    assert_eq!(out, nack(1));
    out.clear();
    let long = Message::User(vec![b'y'; 500].into()).encode();
    seal(&long, &options, NONCE, &mut out);
    assert_eq!(out[0], kind::COMPRESS);
    assert!(out.len() < long.len());
    assert_eq!(opened(&out, &Security::default()), [Message::decode(&long).map_err(Into::into)]);
}

#[test]
fn every_combination_of_layers_comes_back() {
    let long = Message::User(vec![b'y'; 500].into()).encode();
    let label = "blue";
    for key in [None, Some([1; 16].as_slice()), Some(&[2; 24]), Some(&[3; 32])] {
        let security = Security {
            keyring: key.map(|key| ring(&[key])),
            label: label.into(),
            ..Security::default()
        };
        for version in [SealVersion::Padded, SealVersion::Plain] {
            for (crc, compress) in [(false, false), (false, true), (true, false), (true, true)] {
                for body in [&long, &nack(1)] {
                    let options = security.packet_options(crc, compress);
                    let mut out = b"before".to_vec();
                    seal(body, &SealOptions { version, ..options }, NONCE, &mut out);
                    let expected = Message::decode(body).unwrap();
                    assert_eq!(opened(&out[6..], &security), [Ok(expected)]);
                }
            }
        }
    }
}

#[test]
fn security_reckons_its_overhead() {
    for security in [Security::default(), secured(&[&[1; 16]], ""), secured(&[&[1; 16]], "blue")] {
        let mut out = Vec::new();
        seal(&nack(1), &security.packet_options(false, false), NONCE, &mut out);
        assert_eq!(out.len(), nack(1).len() + security.packet_overhead());
    }
}

#[test]
fn foreign_and_plain_packets_are_refused() {
    let security = secured(&[&[1; 16], &[2; 32]], "");
    let from = |keys: &[&[u8]], label: &'static str| {
        let mut out = Vec::new();
        seal(&nack(1), &secured(keys, label).packet_options(true, false), NONCE, &mut out);
        out
    };
    assert_eq!(nacks(&from(&[&[2; 32]], ""), &security), (vec![1], 0));
    assert_eq!(opened(&from(&[&[3; 32]], ""), &security), [Err(SealError::NoKey.into())]);
    let labelled = from(&[&[1; 16]], "red");
    assert_eq!(opened(&labelled, &security), [Err(LabelError::Wrong.into())]);
    assert_eq!(opened(&nack(1), &security), [Err(SealError::Version(11).into())]);
    let ping = Message::Ping(Ping::default()).encode();
    let too_short = SealError::TooShort { length: ping.len() };
    assert_eq!(opened(&ping, &security), [Err(too_short.into())]);
    let mut damaged = from(&[&[1; 16]], "");
    damaged[20] ^= 1;
    assert_eq!(opened(&damaged, &security), [Err(SealError::NoKey.into())]);
}

#[test]
fn an_empty_plaintext_is_an_error() {
    for version in [SealVersion::Padded, SealVersion::Plain] {
        let security = secured(&[&[1; 16]], "");
        let options = SealOptions { version, ..security.packet_options(false, false) };
        let mut out = Vec::new();
        seal(b"", &options, NONCE, &mut out);
        assert_eq!(out.len(), version.overhead());
        assert_eq!(opened(&out, &security), [Err(SealError::Empty.into())]);
    }
}

#[test]
fn encryption_can_be_introduced_without_downtime() {
    let lenient = Security { verify_incoming: false, ..secured(&[&[1; 16]], "") };
    assert_eq!(nacks(&nack(1), &lenient), (vec![1], 0));
    let mut sealed = Vec::new();
    seal(&nack(2), &lenient.packet_options(false, false), NONCE, &mut sealed);
    assert_eq!(nacks(&sealed, &lenient), (vec![2], 0));
    let quiet = Security { verify_outgoing: false, ..lenient };
    assert!(quiet.packet_options(false, false).key.is_none());
    assert_eq!(quiet.packet_overhead(), 0);
}
