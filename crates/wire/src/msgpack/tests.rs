#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::DecodeError;

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

#[test]
fn unsigned_numbers_take_the_shortest_form() {
    for (value, expected) in [
        (0, &[0x00][..]),
        (127, &[0x7f]),
        (128, &[0xcc, 0x80]),
        (255, &[0xcc, 0xff]),
        (256, &[0xcd, 1, 0]),
        (65_535, &[0xcd, 0xff, 0xff]),
        (65_536, &[0xce, 0, 1, 0, 0]),
        (u64::from(u32::MAX), &[0xce, 0xff, 0xff, 0xff, 0xff]),
        (1 << 32, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
    ] {
        assert_eq!(written(|w| w.write_u64(value)), expected, "{value}");
        assert_eq!(Reader::new(expected).read_u64(), Ok(value));
    }
}

#[test]
fn signed_numbers_follow_the_habit() {
    for (value, older, newer) in [
        (127, &[0x7f][..], &[0x7f][..]),
        (200, &[0xcc, 200], &[0xd1, 0, 200]),
        (40_000, &[0xcd, 0x9c, 0x40], &[0xd2, 0, 0, 0x9c, 0x40]),
        (-1, &[0xff], &[0xff]),
        (-32, &[0xe0], &[0xe0]),
        (-33, &[0xd0, 0xdf], &[0xd0, 0xdf]),
        (-129, &[0xd1, 0xff, 0x7f], &[0xd1, 0xff, 0x7f]),
    ] {
        assert_eq!(written(|w| w.write_i64(value)), older, "{value}");
        let mut out = Vec::new();
        Writer::new(&mut out).habit(IntegerHabit::Signed).write_i64(value);
        assert_eq!(out, newer, "{value}");
        assert_eq!(Reader::new(older).read_i64(), Ok(value));
        assert_eq!(Reader::new(newer).read_i64(), Ok(value));
    }
}

#[test]
fn text_of_32_bytes_is_raw_16_between_members_and_str_8_over_the_rpc() {
    let text = "x".repeat(32);
    assert_eq!(written(|w| w.write_text(&text))[..3], [0xda, 0, 32]);
    let mut out = Vec::new();
    Writer::with_dialect(&mut out, Dialect::Rpc).write_text(&text);
    assert_eq!(out[..2], [0xd9, 32]);
    out.clear();
    Writer::with_dialect(&mut out, Dialect::Rpc).write_bytes(b"");
    assert_eq!(out, [0xc4, 0]);
}

#[test]
fn bin_is_text_between_members_only() {
    let bin = [0xc4, 1, b'x'];
    assert_eq!(Reader::new(&bin).read_text(), Ok("x"));
    assert!(matches!(
        Reader::with_dialect(&bin, Dialect::Rpc).read_text(),
        Err(DecodeError::WrongType { found: 0xc4, .. })
    ));
    assert_eq!(Reader::with_dialect(&bin, Dialect::Rpc).read_bytes(), Ok(&b"x"[..]));
    assert_eq!(Reader::new(&[0x92, 1, 0xcc, 200]).read_byte_list(), Ok(Some(vec![1, 200])));
}

#[test]
fn numbers_must_fit() {
    assert_eq!(Reader::new(&[0xcd, 1, 0]).read_u8(), Err(DecodeError::OutOfRange("8 bits")));
    assert_eq!(Reader::new(&[0xd1, 1, 0]).read_u16(), Ok(256));
    assert!(matches!(Reader::new(&[0xff]).read_u64(), Err(DecodeError::OutOfRange(_))));
    assert!(matches!(
        Reader::new(&[0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0]).read_i64(),
        Err(DecodeError::OutOfRange(_))
    ));
    assert!(matches!(
        Reader::new(&[0xca, 0x41, 0x20, 0, 0]).read_u32(),
        Err(DecodeError::WrongType { found: 0xca, .. })
    ));
}

#[test]
fn nil_is_the_zero_value_of_everything() {
    let nil = [0xc0];
    assert_eq!(Reader::new(&nil).read_u64(), Ok(0));
    assert_eq!(Reader::new(&nil).read_i64(), Ok(0));
    assert_eq!(Reader::new(&nil).read_bool(), Ok(false));
    assert_eq!(Reader::new(&nil).read_f64(), Ok(0.0));
    assert_eq!(Reader::new(&nil).read_text(), Ok(""));
    assert_eq!(Reader::new(&nil).read_optional_bytes(), Ok(None));
    assert_eq!(Reader::new(&nil).read_array(), Ok(None));
    assert_eq!(Reader::new(&nil).read_map(), Ok(None));
    assert_eq!(Reader::new(&nil).read_record(&[], |_, _| Ok(())), Ok(false));
}

#[test]
fn what_ends_early_is_incomplete_and_what_is_wrong_is_not() {
    assert_eq!(Reader::new(&[]).read_u64(), Err(DecodeError::Incomplete));
    assert_eq!(Reader::new(&[0xce, 0, 0]).read_u64(), Err(DecodeError::Incomplete));
    assert_eq!(
        Reader::new(&[0xdb, 0xff, 0xff, 0xff, 0xff]).read_bytes(),
        Err(DecodeError::Incomplete)
    );
    assert_eq!(
        Reader::new(&[0xdf, 0xff, 0xff, 0xff, 0xff, 1]).skip(),
        Err(DecodeError::Incomplete)
    );
    assert!(matches!(Reader::new(&[0xc1]).skip(), Err(DecodeError::WrongType { .. })));
}

#[test]
fn depth_is_bounded_when_skipping_and_when_reading() {
    let deep = vec![0x91; 1 << 20];
    assert_eq!(Reader::new(&deep).skip(), Err(DecodeError::TooDeep));
    assert_eq!(Value::read(&mut Reader::new(&deep)), Err(DecodeError::TooDeep));
}

#[test]
fn records_come_as_maps_or_lists_and_the_last_of_two_wins() {
    let read = |bytes: &[u8]| {
        let (mut a, mut b) = (9, 9);
        let some = Reader::new(bytes).read_record(&["A", "B"], |reader, field| {
            match field {
                b"A" => a = reader.read_u64()?,
                b"B" => b = reader.read_u64()?,
                _ => reader.skip()?,
            }
            Ok(())
        });
        some.map(|some| (some, a, b))
    };
    assert_eq!(read(b"\x82\xa1B\x02\xa1A\x01"), Ok((true, 1, 2)));
    assert_eq!(read(b"\x82\xa1A\x01\xa1A\x03"), Ok((true, 3, 9)));
    assert_eq!(read(b"\x81\xa1Z\x93\x01\x81\xa1a\xc0\xc3"), Ok((true, 9, 9)));
    assert_eq!(read(b"\x93\x01\x02\xa1x"), Ok((true, 1, 2)));
    assert_eq!(read(b"\xc0"), Ok((false, 9, 9)));
    assert!(matches!(read(b"\x05"), Err(DecodeError::WrongType { found: 5, .. })));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::Unsigned),
        (i64::MIN..0).prop_map(Value::Signed),
        any::<i32>().prop_map(|n| Value::Double(f64::from(n) / 3.0)),
        any::<i16>().prop_map(|n| Value::Single(f32::from(n) / 3.0)),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Raw),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Binary),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(kind, bytes)| Value::Extension(kind, bytes)),
    ];
    leaf.prop_recursive(5, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
            prop::collection::vec((inner.clone(), inner), 0..20).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn values_come_back(value in values()) {
        let mut out = Vec::new();
        Writer::with_dialect(&mut out, Dialect::Rpc).write_value(&value);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(Value::read(&mut reader), Ok(value));
        prop_assert!(reader.rest().is_empty());
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.skip(), Ok(()));
        prop_assert!(reader.rest().is_empty());
        for end in 0..out.len() {
            prop_assert_eq!(Reader::new(&out[..end]).skip(), Err(DecodeError::Incomplete));
        }
    }

    #[test]
    fn signed_numbers_come_back_in_both_habits(value: i64) {
        for habit in [IntegerHabit::Unsigned, IntegerHabit::Signed] {
            let mut out = Vec::new();
            Writer::new(&mut out).habit(habit).write_i64(value);
            prop_assert_eq!(Reader::new(&out).read_i64(), Ok(value));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Value::read(&mut Reader::new(&bytes));
        let _ = Reader::new(&bytes).skip();
        let _ = Reader::new(&bytes).read_byte_list();
        let _ = Reader::new(&bytes).read_record(&["A"], |reader, _| reader.skip());
    }
}
