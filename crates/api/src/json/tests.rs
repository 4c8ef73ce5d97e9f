#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn what_ends_a_script_is_escaped() {
    let text = "<a href='x'>&</a>\u{2028}\u{8}\u{c}\u{1}\u{7f}é\"\\";
    let expected = r#""\u003ca href='x'\u003e\u0026\u003c/a\u003e\u2028\b\f\u0001"#.to_owned()
        + "\u{7f}é\\\"\\\\\"";
    assert_eq!(String::from_utf8_lossy(&encode(text)), expected);
}

#[test]
fn lines_are_indented_by_four() {
    let compact = br#"{"A":[],"B":{"C":"x,{\"","D":[1,2]},"E":{}}"#;
    let expected = r#"{
    "A": [],
    "B": {
        "C": "x,{\"",
        "D": [
            1,
            2
        ]
    },
    "E": {}
}
"#;
    assert_eq!(String::from_utf8_lossy(&indent(compact)), expected);
    assert_eq!(indent(b"true"), b"true\n");
}

#[test]
fn bytes_are_shown() {
    assert_eq!(encode(&Base64(b"x")), br#""eA==""#);
    assert_eq!(encode(&Base64(b"")), b"null");
    assert_eq!(encode(&Lossy(b"a\xff")), "\"a\u{fffd}\"".as_bytes());
}

/// By the library that does not know Go's escapes.
fn expected(text: &str) -> String {
    let mut text = serde_json::to_string(text).unwrap();
    for (plain, escaped) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        text = text.replace(plain, escaped);
    }
    text
}

#[test]
fn every_character_is_escaped_wherever_it_stands() {
    let more = ['\u{e9}', '\u{2027}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{20a8}', '\u{1f600}'];
    for character in ('\0'..='\u{ff}').chain(more) {
        for before in 0..18 {
            for behind in [0, 1, 7, 8] {
                let text = format!("{}{character}{}", "x".repeat(before), "~".repeat(behind));
                assert_eq!(String::from_utf8_lossy(&encode(&text)), expected(&text));
                let shown = encode(&format_args!("{text}"));
                assert_eq!(String::from_utf8_lossy(&shown), expected(&text));
            }
        }
    }
}

#[test]
fn every_kind_of_value_is_written_as_elsewhere() {
    #[derive(Serialize)]
    enum Variant {
        Unit,
        Newtype(u8),
        Tuple(i8, Option<bool>),
        Struct { a: char, b: () },
    }
    #[derive(Serialize)]
    struct All<'a> {
        numbers: (i64, u64, i32, f64, f32, f64),
        variants: [Variant; 4],
        map: std::collections::BTreeMap<i16, Vec<&'a str>>,
        empty: [u8; 0],
        raw: &'a RawValue,
        value: serde_json::Value,
    }
    let all = All {
        numbers: (i64::MIN, u64::MAX, 0, 1.0, -0.5, f64::NAN),
        variants: [
            Variant::Unit,
            Variant::Newtype(255),
            Variant::Tuple(-128, Some(true)),
            Variant::Struct { a: 'x', b: () },
        ],
        map: [(-1, vec!["a", ""]), (10, vec![])].into(),
        empty: [],
        raw: serde_json::from_str(r#"{ "as" : "it is" }"#).unwrap(),
        value: serde_json::json!({"b": [null, 1e300, -7], "a": {}}),
    };
    assert_eq!(String::from_utf8(encode(&all)).unwrap(), serde_json::to_string(&all).unwrap());
    assert_eq!(encode(&Kept(Kept::NO_PROXY)), Kept::NO_PROXY.as_bytes());
    assert_eq!(encode(&Kept(r#"{"a": 1}"#)), br#"{"a": 1}"#);
    assert_eq!(encode(&Kept("{")), b"null");
}
