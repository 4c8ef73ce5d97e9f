#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn errors_are_worded_as_in_go() {
    for (text, words) in [
        ("", "EOF"),
        (" \n", "EOF"),
        ("{", "unexpected EOF"),
        ("{bad", "invalid character 'b' looking for beginning of object key string"),
        ("{\"a\"}", "invalid character '}' after object key"),
        ("{\"a\":1]", "invalid character ']' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("zz", "invalid character 'z' looking for beginning of value"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
        ("trux", "invalid character 'x' in literal true (expecting 'e')"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1e'", "invalid character '\\'' in exponent of numeric literal"),
        ("\"\\x\"", "invalid character 'x' in string escape code"),
        ("\"\\u00g0\"", "invalid character 'g' in \\u hexadecimal character escape"),
        ("\"\n\"", "invalid character '\\n' in string literal"),
        ("1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
    ] {
        assert_eq!(first_value(text.as_bytes()).unwrap_err().to_string(), words, "{text:?}");
    }
    assert_eq!(whole_value(b"{").unwrap_err().to_string(), "unexpected end of JSON input");
    assert_eq!(
        whole_value(b"{} x").unwrap_err().to_string(),
        "invalid character 'x' after top-level value"
    );
    assert_eq!(first_value(&b"[".repeat(200)).unwrap_err(), DecodeError::Depth);
}

#[test]
fn values_are_those_of_go() {
    assert_eq!(first_value(b"{} garbage"), Ok(Value::Object(vec![])));
    assert_eq!(first_value(br#"{"a": 1, "b": 2, "a": 3}"#).unwrap().to_string(), "map[a:3 b:2]");
    assert_eq!(
        first_value(br#""\ud83d\ude00 \ud800 \u00e9""#),
        Ok(Value::Text("\u{1f600} \u{fffd} \u{e9}".to_owned()))
    );
    assert_eq!(first_value(b"\"\xff\xfe\""), Ok(Value::Text("\u{fffd}\u{fffd}".to_owned())));
    for (number, text) in [("5", "5"), ("4.7", "4.7"), ("1e21", "1e+21"), ("0.00001", "1e-05")] {
        assert_eq!(first_value(number.as_bytes()).unwrap().to_string(), text);
    }
}

proptest! {
    #[test]
    fn agrees_with_another_reader(text in "[\\[\\]{}\",:0-9a-etrufalsn\\\\. -]{0,40}") {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(whole_value(text.as_bytes()).is_ok(), theirs.is_ok(), "{:?}", text);
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = first_value(&bytes);
        let _ = whole_value(&bytes);
    }
}
