#![allow(clippy::unwrap_used)]

use super::*;
use crate::DecodeError;
use crate::msgpack::{Reader, Writer};

/// The example of the specification, A4.
const PING: &[u8] = b"\x00\x85\xa4Node\xa4xray\xa5SeqNo\x01\xaaSourceAddr\xa4\x7f\x00\x4d\x01\
    \xaaSourceNode\xa5alpha\xaaSourcePort\xcd\x1f\x0a";

#[test]
fn a_ping_as_the_specification_shows_it() {
    let ping = Message::Ping(Ping {
        sequence_number: SequenceNumber(1),
        node: "xray".into(),
        source_address: Address::from_bytes(&[127, 0, 77, 1]).unwrap(),
        source_port: 7946,
        source_node: "alpha".into(),
    });
    assert_eq!(Message::decode(PING).unwrap(), ping);
    assert_eq!(ping.encode(), PING);
}

#[test]
fn health_is_a_note_between_ours() {
    let mut suspect = Suspect {
        incarnation: Incarnation(7),
        node: "b".into(),
        from: "a".into(),
        health: Some(3),
    };
    let encoded = Message::Suspect(suspect.clone()).encode();
    assert_eq!(encoded, b"\x03\x84\xa4From\xa1a\xa6Health\x03\xabIncarnation\x07\xa4Node\xa1b");
    assert_eq!(Message::decode(&encoded), Ok(Message::Suspect(suspect.clone())));
    let odd = b"\x03\x84\xa4From\xa1a\xa6Health\x93\x01\x02\x03\xabIncarnation\x07\xa4Node\xa1b";
    suspect.health = None;
    assert_eq!(Message::decode(odd), Ok(Message::Suspect(suspect)));
}

#[test]
fn layers_and_stream_messages_are_no_messages() {
    assert_eq!(Message::decode(&[]), Err(DecodeError::Empty));
    for found in [6, 7, 9, 10, 12, 13, 14, 244] {
        let expected = DecodeError::UnknownType { what: "message", found };
        assert_eq!(Message::decode(&[found, 0x80]), Err(expected));
    }
}

#[test]
fn one_bad_entry_does_not_spoil_a_table() {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    PushPullHeader { join: true, nodes: 5, user_state_length: 2 }.write(&mut writer);
    writer.write_encoded(b"\x81\xa4Name\xa2\xff\xfe");
    writer.write_encoded(b"\x82\xa4Name\xa1x\xa5State\x09");
    writer.write_encoded(b"\x82\xa4Name\xa1y\xa4Addr\xb111111111111111111");
    writer.write_encoded(b"\xc0");
    writer.write_encoded(b"\x82\xa4Name\xa1z\xa5State\x03");
    writer.write_encoded(b"us");
    let StreamMessage::PushPull(push_pull) = StreamMessage::decode(&bytes).unwrap() else {
        panic!("not a push/pull");
    };
    assert!(push_pull.join);
    assert_eq!(push_pull.user_state, "us");
    let left: Vec<_> = push_pull.nodes.iter().map(|node| (node.name, node.state)).collect();
    assert_eq!(left, [("z", State::Left)]);
}

/// Entries that are written as everybody writes them are read in another way than others.
#[test]
fn the_order_of_an_entrys_fields_does_not_matter() {
    let entry = NodeState {
        name: "n".into(),
        address: Address::from_bytes(&[10, 0, 0, 1]).unwrap(),
        port: 7946,
        meta: Bytes::from_static(b"tags"),
        incarnation: Incarnation(300),
        state: State::Suspect,
        versions: Bytes::from_static(&[1, 5, 2, 2, 5, 4]),
    };
    let mut usual = Vec::new();
    entry.write(&mut Writer::new(&mut usual));
    let fields = [
        &b"\xa3Vsn\xa6\x01\x05\x02\x02\x05\x04"[..],
        b"\xa5State\x01",
        b"\xa4Port\xcd\x1f\x0a",
        b"\xa4Name\xa1n",
        b"\xa4Meta\xa4tags",
        b"\xabIncarnation\xcd\x01\x2c",
        b"\xa4Addr\xa4\x0a\0\0\x01",
    ];
    let turned = [&b"\x87"[..], &fields.concat()].concat();
    let more = [&usual[..], &turned].concat();
    let mut table = NodeTable::default();
    let mut reader = Reader::new(&more);
    table.read_entry(&mut reader).unwrap();
    assert_eq!(reader.position(), usual.len());
    table.read_entry(&mut reader).unwrap();
    assert_eq!(reader.position(), more.len());
    assert_eq!(table, [entry.clone(), entry].into_iter().collect());
    for cut in 0..usual.len() {
        let cut = table.read_entry(&mut Reader::new(&usual[..cut]));
        assert_eq!(cut, Err(DecodeError::Incomplete));
    }
    assert_eq!(table.len(), 2);
}

#[test]
fn claims_beyond_the_limits_are_refused_at_once() {
    for header in [
        &b"\x06\x81\xa5Nodes\xce\x00\x10\x00\x01"[..],
        b"\x06\x81\xa5Nodes\xff",
        b"\x06\x81\xacUserStateLen\xce\x01\x40\x00\x01",
        b"\x08\x81\xaaUserMsgLen\xce\x01\x40\x00\x01",
        b"\x08\x81\xaaUserMsgLen\xff",
    ] {
        let error = StreamMessage::decode(header).unwrap_err();
        assert!(!matches!(error, DecodeError::Incomplete), "{error}");
    }
}
