#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::Location;

/// What Go's `net/url` and its client make of the same texts.
#[test]
fn reads_what_go_reads() {
    for (text, shown, address, asked) in [
        ("http://127.0.0.1:1", "http://127.0.0.1:1", "127.0.0.1:1", "/"),
        ("http://127.0.0.1:1/a b", "http://127.0.0.1:1/a%20b", "127.0.0.1:1", "/a%20b"),
        ("HTTP://h/é?é", "http://h/%C3%A9?é", "h:80", "/%C3%A9?%C3%A9"),
        ("https://h/a%2Fb#top", "https://h/a%2Fb#top", "h:443", "/a%2Fb"),
        ("http://u:p@h:8/a", "http://u:***@h:8/a", "h:8", "/a"),
        ("http://u@h/a", "http://u@h/a", "h:80", "/a"),
        ("http://h:/", "http://h/", "h:80", "/"),
        ("http://[::1]:1/", "http://[::1]:1/", "[::1]:1", "/"),
        ("http://[::1]/", "http://[::1]/", "[::1]:80", "/"),
        ("http://h?a=b&c", "http://h?a=b&c", "h:80", "/?a=b&c"),
        ("http://h/?", "http://h/?", "h:80", "/?"),
        (
            "http://h/a\"<>{}|\\^`",
            "http://h/a%22%3C%3E%7B%7D%7C%5C%5E%60",
            "h:80",
            "/a%22%3C%3E%7B%7D%7C%5C%5E%60",
        ),
    ] {
        let location = Location::parse(text).unwrap();
        assert_eq!(location.to_string(), shown, "{text}");
        assert_eq!(location.address(), address, "{text}");
        assert_eq!(location.origin_form(), asked, "{text}");
    }
}

#[test]
fn refuses_what_go_refuses() {
    for (text, why) in [
        ("http://h:abc/", "parse \"http://h:abc/\": invalid port \":abc\" after host"),
        (
            "127.0.0.1:80/x",
            "parse \"127.0.0.1:80/x\": first path segment in URL cannot contain colon",
        ),
        ("http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"),
        ("http://h/a%zz", "parse \"http://h/a%zz\": invalid URL escape \"%zz\""),
        ("http://h/a%2", "parse \"http://h/a%2\": invalid URL escape \"%2\""),
        ("http://h/%é", "parse \"http://h/%é\": invalid URL escape \"%é\""),
        ("http://h/\u{1}", "parse \"http://h/\\x01\": net/url: invalid control character in URL"),
        ("http://[::1/", "parse \"http://[::1/\": missing ']' in host"),
        (":x", "parse \":x\": missing protocol scheme"),
        ("http://a b@h/", "parse \"http://a b@h/\": net/url: invalid userinfo"),
    ] {
        assert_eq!(Location::parse(text).unwrap_err().to_string(), why);
    }
}

/// The examples of RFC 3986, section 5.4, as far as they are hierarchical.
#[test]
fn follows_references() {
    let base = Location::parse("http://a/b/c/d;p?q").unwrap();
    for (reference, target) in [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        (";x", "http://a/b/c/;x"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        ("..g", "http://a/b/c/..g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/../h", "http://a/b/c/h"),
        ("https://x/y", "https://x/y"),
    ] {
        let reference = Location::parse(reference).unwrap();
        assert_eq!(base.join(&reference).to_string(), target, "{reference:?}");
    }
    let bare = Location::parse("http://a").unwrap();
    assert_eq!(bare.join(&Location::parse("g").unwrap()).to_string(), "http://a/g");
}

#[test]
fn credentials_are_unescaped() {
    let of = |text| Location::parse(text).unwrap().credentials();
    assert_eq!(of("http://a%3Ab:c%40@h/").unwrap(), b"a:b:c@");
    assert_eq!(of("http://a@h/").unwrap(), b"a:");
    assert_eq!(of("http://h/@"), None);
    let location = Location::parse("http://u:p@h/a?b#c").unwrap();
    assert_eq!(location.referer(), "http://h/a?b");
}

#[test]
fn host_names_have_neither_port_nor_brackets() {
    let of = |text| Location::parse(text).unwrap().host_name();
    assert_eq!(of("http://A.Example:80/"), "a.example");
    assert_eq!(of("http://[::1]:80/"), "::1");
    assert_eq!(of("http://h"), "h");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        base in "[a-z]{0,3}:?/?/?\\PC{0,12}",
        reference in "(\\PC|[%/.?#:@\\[\\]]){0,12}",
    ) {
        let (Ok(base), Ok(reference)) = (Location::parse(&base), Location::parse(&reference)) else {
            return Ok(());
        };
        let joined = base.join(&reference);
        prop_assert!(joined.origin_form().is_ascii());
        prop_assert!(!joined.origin_form().contains([' ', '#']));
        let _ = (joined.address(), joined.host_name(), joined.credentials(), joined.referer());
    }
}
