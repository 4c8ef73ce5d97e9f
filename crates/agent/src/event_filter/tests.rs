#![allow(clippy::unwrap_used)]

use serf::{Event, MemberEventKind};
use wire::LamportTime;

use super::{EventFilter, parse};

fn user(name: &str) -> Event {
    Event::User { lamport_time: LamportTime(1), name: name.into(), payload: None, coalesce: false }
}

#[test]
fn empty_text_is_everything() {
    assert_eq!(parse("").unwrap(), [EventFilter::Any]);
}

#[test]
fn lists_keep_their_order_and_repetitions() {
    let filters = parse("user,user:x,member-reap,query:").unwrap();
    let shown: Vec<String> = filters.iter().map(EventFilter::to_string).collect();
    assert_eq!(shown, ["user:", "user:x", "member-reap:", "query:"]);
    let hits = filters.iter().filter(|filter| filter.matches(&user("x"))).count();
    assert_eq!(hits, 2);
    let hits = filters.iter().filter(|filter| filter.matches(&user("y"))).count();
    assert_eq!(hits, 1);
}

#[test]
fn unknown_items_are_named() {
    for (text, item) in [
        ("foo", "foo"),
        ("user:x,foo", "foo"),
        ("member-join, user", " user"),
        ("member-join,", ""),
        ("member-join:x", "member-join:x"),
        ("User", "User"),
    ] {
        assert_eq!(parse(text).unwrap_err().item, item, "{text}");
    }
}

#[test]
fn member_filters_match_their_kind_only() {
    let event = Event::Member { kind: MemberEventKind::Leave, members: Vec::new() };
    assert!(EventFilter::Member(MemberEventKind::Leave).matches(&event));
    assert!(!EventFilter::Member(MemberEventKind::Join).matches(&event));
    assert!(!EventFilter::User(None).matches(&event));
    assert!(EventFilter::Any.matches(&event));
}
