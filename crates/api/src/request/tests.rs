#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn parameters_keep_their_order_and_are_written_again_sorted() {
    let query = Query::parse("release=a&cas=1&x&cas=2&y=%20%2F+").unwrap();
    assert_eq!(query.first("cas"), Some("1"));
    assert_eq!(query.all("cas").collect::<Vec<_>>(), ["1", "2"]);
    assert!(query.has("x") && query.filled("x").is_none());
    assert_eq!(query.first("y"), Some(" / "));
    assert_eq!(query.encode(), "cas=1&cas=2&release=a&x=&y=+%2F+");
}

#[test]
fn broken_parameters_are_seen() {
    for text in ["a=%zz", "a=%2", "%", "a;b", "a=1;b=2"] {
        assert!(Query::parse(text).is_none(), "{text}");
    }
    assert_eq!(Query::parse("&&").unwrap(), Query::default());
}
