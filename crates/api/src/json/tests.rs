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
