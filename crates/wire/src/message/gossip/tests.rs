#![allow(clippy::unwrap_used)]

use super::*;
use crate::DecodeError;
use crate::msgpack::Writer;

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
    assert_eq!(push_pull.nodes.len(), 1);
    assert_eq!(push_pull.nodes[0].name.as_str(), "z");
    assert_eq!(push_pull.nodes[0].state, State::Left);
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
