#![allow(clippy::unwrap_used)]

use gotext::decode::Value;
use proptest::prelude::*;

use crate::{DEPTH, HclError, SIZE_BYTES, read};

/// As Go's `%v` shows it, which tells lists and objects apart.
fn shown(text: &str) -> String {
    read(text.as_bytes()).unwrap().to_string()
}

fn refused(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn values_of_every_kind() {
    for (text, value) in [
        ("", "map[]"),
        ("a = 1", "map[a:1]"),
        (
            "a=-12 b = 0x1F c = 017 d = 1.5 e = 1e3 f = -2.5E-1",
            "map[a:-12 b:31 c:15 d:1.5 e:1000 f:-0.25]",
        ),
        ("a = true\nb = false", "map[a:true b:false]"),
        ("\"a b\" = \"x\"", "map[a b:x]"),
        ("a-b.c = \"x\"", "map[a-b.c:x]"),
        (r#"a = "\"\\\n\t\x41\101\u00e9\U0001F600""#, "map[a:\"\\\n\tAA\u{e9}\u{1f600}]"),
        (r#"a = "x ${f("y", {z})} w""#, r#"map[a:x ${f("y", {z})} w]"#),
        ("a = []", "map[a:[]]"),
        ("a = [1, \"x\", [true], {b = 1},]", "map[a:[1 x [true] map[b:1]]]"),
        ("a = { b = 1, c = 2 }", "map[a:[map[b:1 c:2]]]"),
        ("a { b { c = 1 } }", "map[a:[map[b:[map[c:1]]]]]"),
        ("a { b = 1 }\r\na { b = 2 }", "map[a:[map[b:1] map[b:2]]]"),
        ("a \"x\" y { b = 1 }", "map[a:[map[x:[map[y:[map[b:1]]]]]]]"),
        ("a \"x\" {}\na \"y\" {}", "map[a:[map[x:[map[]]] map[y:[map[]]]]]"),
        ("a = 1\na = 2", "map[a:2]"),
        ("a = [1]\na = [2]", "map[a:[2]]"),
        ("a = 1\na { b = 1 }", "map[a:[map[b:1]]]"),
        ("# x\na = 1 // y\n/* z\n = */ b = 2 #", "map[a:1 b:2]"),
        ("a = <<END\nx\n  y\nEND\n", "map[a:x\n  y\n]"),
        ("a = <<-END\n    x\n      y\n    END\nb = 1", "map[a:x\n  y\n b:1]"),
        ("a = <<-END\n x\n  END", "map[a: x\n]"),
        ("a = <<END\nEND", "map[a:]"),
        ("a = ", "map[]"),
        ("a = 1 b = ", "map[a:1]"),
        ("{\"a\": {\"b\": [{\"c\": {}}]}}", "map[a:[map[b:[map[c:[map[]]]]]]]"),
    ] {
        assert_eq!(shown(text), value, "{text}");
    }
}

#[test]
fn mistakes_have_a_place() {
    for (text, error) in [
        ("data_dir \"d\" {", "At 1:16: object expected closing RBRACE got: EOF"),
        ("x {", "At 1:5: object expected closing RBRACE got: EOF"),
        ("x {\n  a = ", "At 2:8: object expected closing RBRACE got: EOF"),
        ("a", "At 1:2: a value or a block expected behind key 'a', got: EOF"),
        ("a b = 1", "At 1:5: a value or a block expected behind key 'a', got: ASSIGN"),
        ("a = b", "At 1:5: a value expected, got: IDENT"),
        ("= 1", "At 1:1: a key expected, got: ASSIGN"),
        ("a = 1\n}", "At 2:1: a key expected, got: RBRACE"),
        ("a = [1 2]", "At 1:8: a comma or the end of the list expected, got: NUMBER"),
        ("a = [", "At 1:6: a value expected, got: EOF"),
        ("a = \"x", "At 1:5: literal not terminated"),
        ("a = \"x\n\"", "At 1:5: literal not terminated"),
        ("a = \"\\q\"", "At 1:6: illegal char escape"),
        ("a = \"\\ud800\"", "At 1:6: illegal char escape"),
        ("\u{e9} = \u{a7}", "At 1:5: illegal character '\\u{a7}'"),
        ("a = 99999999999999999999", "At 1:5: 99999999999999999999 is no number of 64 bits"),
        ("a = 0x", "At 1:5: 0x is no number of 64 bits"),
        ("a = 09", "At 1:5: 09 is no number of 64 bits"),
        ("a = 1.2.3", "At 1:5: 1.2.3 is no number of 64 bits"),
        ("a = 1e999", "At 1:5: 1e999 is no number of 64 bits"),
        ("/* x", "At 1:1: comment not terminated"),
        ("a = <<END\nx", "At 1:5: heredoc not terminated"),
        ("a = << END\nx", "At 1:5: heredoc without a word that ends its line"),
        ("{\"a\"", "unexpected end of JSON input"),
    ] {
        assert_eq!(refused(text), error, "{text}");
    }
    assert_eq!(
        read(b"a = 1\nb = \"\xff\"").unwrap_err().to_string(),
        "At 2:6: a byte that is not UTF-8"
    );
}

#[test]
fn depth_and_size_have_an_end() {
    let lists = |count: usize| format!("a = {}{}", "[".repeat(count), "]".repeat(count));
    assert!(read(lists(DEPTH).as_bytes()).is_ok());
    assert!(refused(&lists(DEPTH + 1)).ends_with("nested too deeply"));
    assert!(refused(&lists(100_000)).ends_with("nested too deeply"));
    assert!(refused(&"a {".repeat(100_000)).ends_with("nested too deeply"));
    assert!(refused(&"a ".repeat(100_000)).ends_with("nested too deeply"));
    let long = vec![b' '; SIZE_BYTES + 1];
    assert_eq!(read(&long), Err(HclError::TooLong(SIZE_BYTES + 1)));
}

/// Texts that come near to being HCL.
fn near() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "a", "b_c", "\"", "\\", "\\u00e9", "${", "}", "{", "[", "]", ",", "=", "1", "-", "0x",
        "1e9", ".", "true", "\n", " ", "#", "//", "/*", "*/", "<<E\n", "<<-E\n", "E", "\r\n",
        "\u{e9}",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|p| p.concat())
}

/// A value as HCL, in which objects stand only in lists.
fn written(value: &Value) -> String {
    match value {
        Value::List(items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key:?} = {}", written(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join("\n"))
        }
        Value::Text(text) => {
            let escaped = text.chars().map(|c| format!("\\U{:08x}", u32::from(c)));
            format!("\"{}\"", escaped.collect::<String>())
        }
        other => other.to_string(),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|n| Value::Number(i64::from(n).into())),
        ".{0,8}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|fields| {
                Value::List(vec![Value::Object(fields.into_iter().collect())])
            }),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), text in near()) {
        let _ = read(&bytes);
        if let Ok(value) = read(text.as_bytes()) {
            prop_assert!(matches!(value, Value::Object(_)));
        }
    }

    #[test]
    fn reads_what_was_written(value in value()) {
        let text = format!("a = [{}]", written(&value));
        let read = read(text.as_bytes()).unwrap();
        let expected = Value::Object(vec![("a".to_owned(), Value::List(vec![value]))]);
        prop_assert_eq!(read, expected);
    }
}
