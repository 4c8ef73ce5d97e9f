//! Tables of Go's answers, taken from the real programs where a vector has them.
#![allow(clippy::unwrap_used)]

use std::io;

use gotext::{
    AddressError, GoDuration, Json, NumberError, dial_error, errno_text, join_host_port,
    listen_error, multi_error, parse_bool, parse_int, parse_port, path_error, quote, quote_bytes,
    split_host_port,
};
use proptest::prelude::*;

#[test]
fn durations_are_read() {
    for (text, nanoseconds) in [
        ("0", 0),
        ("+0", 0),
        ("5s", 5_000_000_000),
        ("-5s", -5_000_000_000),
        ("1h15m30.918273645s", 4_530_918_273_645),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("10µs", 10_000),
        ("10μs", 10_000),
        ("3us", 3_000),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("9007199254740993ns", 9_007_199_254_740_993),
        ("9223372036854775807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
        ("0.100000000000000000000h", 360_000_000_000),
        ("9223372036s854ms775us807ns", i64::MAX),
    ] {
        assert_eq!(
            GoDuration::parse(text).map(GoDuration::as_nanoseconds),
            Ok(nanoseconds),
            "{text}"
        );
    }
}

#[test]
fn bad_durations_are_refused_in_gos_words() {
    for (text, error) in [
        ("abc", r#"time: invalid duration "abc""#),
        ("", r#"time: invalid duration """#),
        ("-", r#"time: invalid duration "-""#),
        (".s", r#"time: invalid duration ".s""#),
        ("3000000h", r#"time: invalid duration "3000000h""#),
        ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
        ("5", r#"time: missing unit in duration "5""#),
        ("1s5", r#"time: missing unit in duration "1s5""#),
        ("5x", r#"time: unknown unit "x" in duration "5x""#),
        ("5 s", r#"time: unknown unit " s" in duration "5 s""#),
        ("1é\"", r#"time: unknown unit "\xc3\xa9\"" in duration "1\xc3\xa9\"""#),
    ] {
        assert_eq!(GoDuration::parse(text).unwrap_err().to_string(), error);
    }
}

#[test]
fn durations_are_written() {
    for (nanoseconds, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (3_600_000_000_000, "1h0m0s"),
        (-1_500_000_000, "-1.5s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ] {
        assert_eq!(GoDuration::from_nanoseconds(nanoseconds).to_string(), text);
    }
}

#[test]
fn quoting() {
    for (text, quoted) in [
        ("", r#""""#),
        ("a\"b\tc\u{e9}\u{1}", r#""a\"b\tcé\x01""#),
        ("\u{7}\u{8}\u{c}\n\r\u{b}\\", r#""\a\b\f\n\r\v\\""#),
        ("\u{7f}\u{a0}\u{ad}\u{2028}\u{feff}", r#""\x7f\u00a0\u00ad\u2028\ufeff""#),
        ("e\u{301}日本😀", "\"e\u{301}日本😀\""),
        ("\u{301}", "\"\u{301}\""),
        ("\u{e0001}", r#""\U000e0001""#),
    ] {
        assert_eq!(quote(text), quoted);
    }
    assert_eq!(quote_bytes(b"\xff\xfeA\xc3"), r#""\xff\xfeA\xc3""#);
}

#[test]
fn json_escapes() {
    let text = Json::text("<a&b>\u{2028}\"\\\té\u{1}\u{7f}\u{8}\n\r\u{2029}");
    assert_eq!(
        text.indented(),
        "\"\\u003ca\\u0026b\\u003e\\u2028\\\"\\\\\\té\\u0001\u{7f}\\u0008\\n\\r\\u2029\""
    );
    // The recorded answer of a query with binary output.
    assert_eq!(Json::text(*b"\xff\xfeA").indented(), "\"\\ufffd\\ufffdA\"");
    // Three bytes of a four-byte character: three times.
    assert_eq!(Json::text(*b"\xf0\x9f\x98").indented(), "\"\\ufffd\\ufffd\\ufffd\"");
}

#[test]
fn json_layout() {
    let value = Json::record([
        ("Acks", Json::list_or_null(vec![])),
        ("Responses", Json::map(Vec::<(String, String)>::new())),
        ("list", Json::List(vec![Json::Int(-1), Json::Bool(true), Json::List(vec![])])),
        ("map", Json::map([("b", "2"), ("a", "1"), ("B", "3")])),
    ]);
    assert_eq!(
        value.indented(),
        "{\n  \"Acks\": null,\n  \"Responses\": {},\n  \"list\": \
         [\n    -1,\n    true,\n    []\n  ],\n  \"map\": {\n    \"B\": \"3\",\n    \"a\": \"1\",\n    \"b\": \"2\"\n  }\n}"
    );
    assert_eq!(
        value.compact(),
        r#"{"Acks":null,"Responses":{},"list":[-1,true,[]],"map":{"B":"3","a":"1","b":"2"}}"#
    );
}

#[test]
fn json_that_was_read_is_written_as_go_does() {
    let text = br#"{"b": [1.50, 1e21, null, "<"], "a": {"z": true, "Y": -0.0, "c": 1e-7}}"#;
    let value = gotext::decode::first_value(text).unwrap();
    let written = Json::from(&value).compact();
    assert_eq!(written, r#"{"a":{"Y":-0,"c":1e-07,"z":true},"b":[1.5,1e+21,null,"\u003c"]}"#);
    let kept = Json::record([("a", Json::Verbatim("[ 1 ]".into()))]);
    assert_eq!(kept.compact(), r#"{"a":[ 1 ]}"#);
}

#[test]
fn numbers() {
    for (text, value) in [
        ("0", Ok(0)),
        ("+7", Ok(7)),
        ("-0x1F", Ok(-31)),
        ("0b101", Ok(5)),
        ("0o17", Ok(15)),
        ("017", Ok(15)),
        ("1_0", Ok(10)),
        ("0_7", Ok(7)),
        ("0x_f", Ok(15)),
        ("-9223372036854775808", Ok(i64::MIN)),
        ("9223372036854775808", Err(NumberError::Range)),
        ("99999999999999999999", Err(NumberError::Range)),
        ("08", Err(NumberError::Syntax)),
        ("0x", Err(NumberError::Syntax)),
        ("_1", Err(NumberError::Syntax)),
        ("1__0", Err(NumberError::Syntax)),
        ("1_", Err(NumberError::Syntax)),
        ("", Err(NumberError::Syntax)),
        ("x", Err(NumberError::Syntax)),
        ("1.5", Err(NumberError::Syntax)),
        ("99999999999999999999x", Err(NumberError::Syntax)),
    ] {
        assert_eq!(parse_int(text), value, "{text}");
    }
    assert_eq!(parse_bool("T"), Ok(true));
    assert_eq!(parse_bool("False"), Ok(false));
    assert_eq!(parse_bool("yes"), Err(NumberError::Syntax));
    assert_eq!(parse_bool(""), Err(NumberError::Syntax));
}

#[test]
fn addresses() {
    assert_eq!(split_host_port("h:1"), Ok(("h", "1")));
    assert_eq!(split_host_port(":"), Ok(("", "")));
    assert_eq!(split_host_port("[fe80::1%lo]:9"), Ok(("fe80::1%lo", "9")));
    for (address, error) in [
        ("", "address : missing port in address"),
        ("127.0.0.9", "address 127.0.0.9: missing port in address"),
        ("::1", "address ::1: too many colons in address"),
        ("[::1", "address [::1: missing ']' in address"),
        ("[::1]", "address [::1]: missing port in address"),
        ("[::1]x:1", "address [::1]x:1: missing port in address"),
        ("[::1]:1:2", "address [::1]:1:2: too many colons in address"),
        ("a]b:1", "address a]b:1: unexpected ']' in address"),
        ("a[b:1", "address a[b:1: unexpected '[' in address"),
        ("[1]2]:3", "address [1]2]:3: missing port in address"),
    ] {
        assert_eq!(split_host_port(address).unwrap_err().to_string(), error);
    }
    assert_eq!(join_host_port("::1", 7), "[::1]:7");
    assert_eq!(join_host_port("h", 7), "h:7");
}

#[test]
fn ports() {
    for (port, number) in
        [("", 0), ("7373", 7373), ("00080", 80), ("+7", 7), ("-0", 0), ("HTTP", 80)]
    {
        assert_eq!(parse_port(port), Ok(number), "{port}");
    }
    assert_eq!(parse_port("99999"), Err(AddressError::InvalidPort("99999".into())));
    assert_eq!(parse_port("-1").unwrap_err().to_string(), "address -1: invalid port");
    assert_eq!(
        parse_port("notaport").unwrap_err().to_string(),
        "address tcp/notaport: unknown port"
    );
}

#[test]
fn system_errors() {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let address = "127.0.0.9:7946".parse().unwrap();
    assert_eq!(
        dial_error(address, &refused),
        "dial tcp 127.0.0.9:7946: connect: connection refused"
    );
    assert_eq!(
        dial_error("[::1]:1".parse().unwrap(), &io::ErrorKind::TimedOut.into()),
        "dial tcp [::1]:1: i/o timeout"
    );
    assert_eq!(
        listen_error(address, &io::ErrorKind::AddrInUse.into()),
        "listen tcp 127.0.0.9:7946: bind: address already in use"
    );
    assert_eq!(
        path_error("open", "/x", &io::ErrorKind::NotFound.into()),
        "open /x: no such file or directory"
    );
    // EACCES and EPERM keep their own texts.
    assert_eq!(errno_text(&io::Error::from_raw_os_error(13)), "permission denied");
}

#[test]
fn several_errors() {
    assert_eq!(multi_error(&["a"]), "1 error occurred:\n\t* a\n\n");
    assert_eq!(multi_error(&["a", "b"]), "2 errors occurred:\n\t* a\n\t* b\n\n");
}

proptest! {
    #[test]
    fn any_duration_is_read_back(nanoseconds: i64) {
        let duration = GoDuration::from_nanoseconds(nanoseconds);
        prop_assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration));
    }

    #[test]
    fn any_text_is_read_without_panic(text in ".*", bytes: Vec<u8>) {
        let _ = GoDuration::parse(&text);
        let _ = parse_int(&text);
        let _ = split_host_port(&text);
        let _ = parse_port(&text);
        let _ = quote_bytes(&bytes);
    }

    #[test]
    fn json_text_is_json(text in ".*") {
        let parsed: String = serde_json::from_str(&Json::text(text.clone()).compact()).unwrap();
        prop_assert_eq!(parsed, text);
    }
}
