#![allow(clippy::unwrap_used)]

use super::*;
use crate::DecodeError;
use crate::message::{decode_tags, encode_role, encode_tags};

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn tags_travel_in_the_meta() {
    let some = tags(&[("dc", "east"), ("role", "web")]);
    assert_eq!(encode_tags(&some), &b"\xff\x82\xa2dc\xa4east\xa4role\xa3web"[..]);
    assert_eq!(decode_tags(&encode_tags(&some)), some);
    assert_eq!(encode_tags(&tags(&[])), &[0xff, 0x80][..]);
    assert_eq!(decode_tags(&[0xff, 0x80]), tags(&[]));
    assert_eq!(decode_tags(&encode_role("db")), tags(&[("role", "db")]));
    assert_eq!(decode_tags(b""), tags(&[("role", "")]));
    assert_eq!(decode_tags(b"\xff\x82\xa1a\xa1b\xa1c"), tags(&[("a", "b")]));
}

#[test]
fn an_empty_event_buffer_is_mostly_nil() {
    let state = SerfPushPull { events: Some(vec![None; 512]), ..SerfPushPull::default() };
    let encoded = SerfMessage::PushPull(state.clone()).encode();
    let ring = encoded.windows(4).position(|window| window == [0xdc, 2, 0, 0xc0]).unwrap();
    assert!(encoded[ring + 3..ring + 3 + 512].iter().all(|&byte| byte == 0xc0));
    assert_eq!(SerfMessage::decode(&encoded), Ok(SerfMessage::PushPull(state)));
}

#[test]
fn names_that_are_not_text_are_left_out_of_a_push_pull() {
    let bytes =
        b"\x02\x82\xabLeftMembers\x92\xa1\xff\xa1a\xacStatusLTimes\x82\xa1\xff\x01\xa1b\x02";
    let SerfMessage::PushPull(state) = SerfMessage::decode(bytes).unwrap() else {
        panic!("not a push/pull");
    };
    assert_eq!(state.left_members, [NodeName::from("a")]);
    assert_eq!(state.status_lamport_times, StatusTimes::from([("b", LamportTime(2))]));
}

#[test]
fn filters_are_a_type_byte_and_a_body() {
    for (filter, encoded) in [
        (Filter::Nodes(vec!["bravo".into()]), &b"\x00\x91\xa5bravo"[..]),
        (
            Filter::Tag { tag: "role".into(), expression: "d.*".into() },
            b"\x01\x82\xa4Expr\xa3d.*\xa3Tag\xa4role",
        ),
    ] {
        assert_eq!(filter.encode(), encoded);
        assert_eq!(Filter::decode(encoded), Ok(filter));
    }
    assert_eq!(Filter::decode(b""), Err(DecodeError::Empty));
    assert!(matches!(Filter::decode(b"\x02\x80"), Err(DecodeError::UnknownType { .. })));
}

#[test]
fn an_unknown_name_is_a_nil_record() {
    assert_eq!(SerfMessage::ConflictResponse(None).encode(), [6, 0xc0]);
    assert_eq!(SerfMessage::decode(&[6, 0xc0]), Ok(SerfMessage::ConflictResponse(None)));
}

#[test]
fn a_flood_of_empty_events_is_refused() {
    let mut bytes = b"\x02\x81\xa6Events\xdd\x00\x01\x00\x01".to_vec();
    bytes.resize(bytes.len() + (1 << 16) + 1, 0xc0);
    assert!(matches!(SerfMessage::decode(&bytes), Err(DecodeError::LimitExceeded { .. })));
}

#[test]
fn status_times_are_found_by_name_in_whatever_order_they_came() {
    let listed = [("c", 3), ("a", 9), ("b", 2), ("a", 1), ("", 4)];
    let times: StatusTimes = listed.map(|(name, time)| (name, LamportTime(time))).into();
    let sorted: Vec<_> = times.iter().map(|(name, time)| (name, time.0)).collect();
    assert_eq!(sorted, [("", 4), ("a", 1), ("b", 2), ("c", 3)], "the last of a name counts");
    for (name, time) in sorted {
        assert_eq!(times.get(name), Some(LamportTime(time)));
    }
    assert_eq!(
        (times.get("aa"), times.get("d"), StatusTimes::default().get("")),
        (None, None, None)
    );
}
