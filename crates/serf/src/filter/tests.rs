use bytes::Bytes;
use wire::message::serf::Filter;

use super::{FilterCache, Selection};
use crate::interface::Tags;
use crate::limits;

fn nodes(names: &[&str]) -> Bytes {
    Filter::Nodes(names.iter().map(|n| (*n).to_owned()).collect()).encode()
}

fn tag(tag: &str, expression: &str) -> Bytes {
    Filter::Tag { tag: tag.into(), expression: expression.into() }.encode()
}

fn tags() -> Tags {
    [("role", "web-1"), ("dc", "east")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

#[test]
fn all_filters_must_pass_and_patterns_match_anywhere() {
    let selected = Selection::Selected;
    let excluded = Selection::Excluded;
    let table = [
        (vec![], &selected),
        (vec![nodes(&["a", "me"])], &selected),
        (vec![nodes(&["ME", "m"])], &excluded),
        (vec![nodes(&[])], &excluded),
        (vec![tag("role", "eb")], &selected),
        (vec![tag("role", "^eb")], &excluded),
        (vec![tag("role", "^web-\\d$"), tag("dc", "east|west")], &selected),
        (vec![tag("role", "web"), tag("dc", "west")], &excluded),
        (vec![nodes(&["me"]), tag("role", "db")], &excluded),
        (vec![tag("missing", "^$")], &selected),
        (vec![tag("missing", "x")], &excluded),
    ];
    for (filters, expected) in table {
        assert_eq!(
            &FilterCache::default().select(&filters, "me", &tags()),
            expected,
            "{filters:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_no_match() {
    let mut cache = FilterCache::default();
    for bad in [&b""[..], b"\x07\x80", b"\x00", b"\x01\xc3"] {
        let verdict = cache.select(&[Bytes::from_static(bad)], "me", &tags());
        assert!(
            matches!(verdict, Selection::Malformed(_)) || verdict == Selection::Excluded,
            "{bad:?}: {verdict:?}"
        );
    }
    for (unsupported, why) in [
        ("(", "unclosed group"),
        ("\\C", "unrecognized escape sequence"),
        (&"a{1000}".repeat(100), "too big when compiled"),
        (&"x".repeat(limits::FILTER_PATTERN_BYTES + 1), "longer than 1024 bytes"),
    ] {
        let expected =
            Selection::Unsupported { expression: unsupported.to_owned(), why: why.to_owned() };
        let verdict = cache.select(&[tag("role", unsupported)], "me", &tags());
        assert_eq!(verdict, expected);
        // As it is remembered.
        let verdict = cache.select(&[tag("role", unsupported)], "me", &tags());
        assert_eq!(verdict, expected);
    }
}

#[test]
fn the_cache_is_bounded_and_keeps_the_latest() {
    let mut cache = FilterCache::default();
    for index in 0..100 {
        cache.select(&[tag("role", &format!("web-{index}$"))], "me", &tags());
    }
    assert_eq!(cache.compiled.len(), limits::FILTER_CACHE);
    assert_eq!(cache.select(&[tag("role", "web-1$")], "me", &tags()), Selection::Selected);
}
