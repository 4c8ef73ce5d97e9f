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
    let long = "x".repeat(limits::FILTER_PATTERN_BYTES + 1);
    for unsupported in ["(", "\\C", "a**", &"a{1000}".repeat(100), &long] {
        let verdict = cache.select(&[tag("role", unsupported)], "me", &tags());
        let Selection::Unsupported { expression, why } = verdict else { panic!("{verdict:?}") };
        assert_eq!(expression, unsupported);
        assert!(why.starts_with("error parsing regexp: "), "{why}");
    }
    assert!(!cache.compiled.iter().any(|(held, _)| *held == long));
}

#[test]
fn patterns_are_read_as_in_go() {
    let mut cache = FilterCache::default();
    let tags = Tags::from([("host".to_owned(), "web12345".to_owned())]);
    for pattern in [r"^\w{8}$", r"^\w{1,16}$", r"^web\d+$", r"\Q12\E", "x{b|web"] {
        let verdict = cache.select(&[tag("host", pattern)], "me", &tags);
        assert_eq!(verdict, Selection::Selected, "{pattern}");
    }
    let foreign = Tags::from([("host".to_owned(), "é٣".to_owned())]);
    assert_eq!(cache.select(&[tag("host", r"\w|\d")], "me", &foreign), Selection::Excluded);
}

#[test]
fn what_the_patterns_of_one_query_cost_is_bounded() {
    let mut cache = FilterCache::default();
    // Each fits, all together do not.
    let dear = |index: usize| tag("role", &format!("^.{{0,250}}$|{index}"));
    let some: Vec<Bytes> = (0..2).map(dear).collect();
    assert_eq!(cache.select(&some, "me", &tags()), Selection::Selected);
    let many: Vec<Bytes> = (0..limits::FILTERS).map(dear).collect();
    let verdict = cache.select(&many, "me", &tags());
    assert!(matches!(verdict, Selection::Unsupported { .. }), "{verdict:?}");
    // Nor is more than a few kept, or tried before the names and the short ones.
    assert!(cache.compiled.len() < 10);
    let cheap = [dear(100), tag("role", "db"), nodes(&["me"])];
    assert_eq!(cache.select(&cheap, "me", &tags()), Selection::Excluded);
    assert_eq!(cache.compiled[0].0, "db");
    let others = [dear(101), nodes(&["you"])];
    assert_eq!(cache.select(&others, "me", &tags()), Selection::Excluded);
    assert_eq!(cache.compiled[0].0, "db");
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
